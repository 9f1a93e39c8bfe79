package types

import (
	"sort"
	"strings"
)

// JSONKind says what a JSON value is. The numbers are on disk (see JSONDoc).
type JSONKind uint8

const (
	JSONNull JSONKind = iota
	JSONFalse
	JSONTrue
	JSONNumber
	JSONString
	JSONArray
	JSONObject
)

func (k JSONKind) String() string {
	switch k {
	case JSONNull:
		return "null"
	case JSONFalse, JSONTrue:
		return "boolean"
	case JSONNumber:
		return "number"
	case JSONString:
		return "string"
	case JSONArray:
		return "array"
	}
	return "object"
}

// JSONNode is a JSON value being built. A node with Raw set stands for that
// document, so that what is kept of an old value need not be taken apart.
type JSONNode struct {
	Kind    JSONKind
	Str     string
	Num     Datum // of type numeric
	Items   []*JSONNode
	Members []JSONMember // sorted, see sortMembers
	Raw     JSONDoc
}

// JSONMember is a name with its value.
type JSONMember struct {
	Name  string
	Value *JSONNode
}

var (
	jsonNullNode  = JSONNode{Kind: JSONNull}
	jsonTrueNode  = JSONNode{Kind: JSONTrue}
	jsonFalseNode = JSONNode{Kind: JSONFalse}
)

// JSONRaw returns a node that stands for a document.
func JSONRaw(b JSONDoc) *JSONNode { return &JSONNode{Kind: b.Kind(), Raw: b} }

// NewJSONObject returns an object of members in any order; of several with one
// name the last one stays.
func NewJSONObject(members []JSONMember) *JSONNode {
	n := &JSONNode{Kind: JSONObject, Members: members}
	n.sortMembers()
	return n
}

// compareJSONKeys orders names in an object: shorter ones first.
func compareJSONKeys(a, b string) int {
	if len(a) != len(b) {
		return cmpInt(int64(len(a)), int64(len(b)))
	}
	return strings.Compare(a, b)
}

// sortMembers puts the members in the order that objects have, and of several
// with the same name keeps the last.
func (n *JSONNode) sortMembers() {
	m := n.Members
	sorted := true
	for i := 1; i < len(m) && sorted; i++ {
		sorted = compareJSONKeys(m[i-1].Name, m[i].Name) < 0
	}
	if sorted {
		return
	}
	sort.SliceStable(m, func(i, j int) bool { return compareJSONKeys(m[i].Name, m[j].Name) < 0 })
	out := m[:0]
	for i := range m {
		if i+1 < len(m) && m[i+1].Name == m[i].Name {
			continue
		}
		out = append(out, m[i])
	}
	n.Members = out
}

// Expand returns the node with its first level taken apart, if it is a raw one.
func (n *JSONNode) Expand() *JSONNode {
	b := n.Raw
	if b == "" {
		return n
	}
	switch b.Kind() {
	case JSONNumber:
		return &JSONNode{Kind: JSONNumber, Num: b.Number()}
	case JSONString:
		return &JSONNode{Kind: JSONString, Str: b.Text()}
	case JSONArray:
		out := &JSONNode{Kind: JSONArray, Items: make([]*JSONNode, b.Len())}
		for i := range out.Items {
			out.Items[i] = JSONRaw(b.Item(i))
		}
		return out
	case JSONObject:
		out := &JSONNode{Kind: JSONObject, Members: make([]JSONMember, b.Len())}
		for i := range out.Members {
			k, v := b.Member(i)
			out.Members[i] = JSONMember{k, JSONRaw(v)}
		}
		return out
	}
	return &JSONNode{Kind: b.Kind()}
}
