package types

import (
	"encoding/binary"
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// JSONDoc is a value of type jsonb as its Datum holds it and as rows store it:
//
//	kind                                          null, false, true
//	kind text                                     number (as numeric prints it), string
//	kind count end… item…                         array
//	kind count nameEnd… valueEnd… name… value…    object
//
// kind is one byte; count and the ends are four bytes, little endian; an end counts
// from the first byte behind the ends. Items are values of the same form, so a part
// of a document is found and taken without looking at the rest. Names are sorted by
// length, then by bytes. The form is on disk: kinds are never renumbered.
//
// A JSONDoc made by EncodeJSONB or checked by ValidJSONB may be asked anything; on
// other bytes the methods may panic.
type JSONDoc string

// JSON returns the value of a jsonb.
func (d Datum) JSON() JSONDoc { return JSONDoc(d.Str()) }

// NewJSONB returns a jsonb.
func NewJSONB(b JSONDoc) Datum { return NewString(string(b)) }

// Kind says what the value is.
func (b JSONDoc) Kind() JSONKind { return JSONKind(b[0]) }

// Text is the value of a string, or the text of a number.
func (b JSONDoc) Text() string { return string(b[1:]) }

// Number is the value of a number.
func (b JSONDoc) Number() Datum {
	d, err := ParseNumeric(string(b[1:]))
	if err != nil {
		return NumericNaN()
	}
	return d
}

func (b JSONDoc) word(i int) int {
	at := 1 + 4*i
	return int(uint32(b[at]) | uint32(b[at+1])<<8 | uint32(b[at+2])<<16 | uint32(b[at+3])<<24)
}

// Len counts the items of an array or the members of an object; 0 for a scalar.
func (b JSONDoc) Len() int {
	if b.Kind() < JSONArray {
		return 0
	}
	return b.word(0)
}

// part is what lies between two ends; i counts all ends.
func (b JSONDoc) part(i, ends int) JSONDoc {
	data := 5 + 4*ends
	from := 0
	if i > 0 {
		from = b.word(i)
	}
	return b[data+from : data+b.word(i+1)]
}

// Item returns an item of an array.
func (b JSONDoc) Item(i int) JSONDoc { return b.part(i, b.word(0)) }

// Member returns a member of an object, in the order of the names.
func (b JSONDoc) Member(i int) (name string, value JSONDoc) {
	n := b.word(0)
	return string(b.part(i, 2*n)), b.part(n+i, 2*n)
}

// Find returns the place of a member of an object by its name, -1 if there is
// none.
func (b JSONDoc) Find(name string) int {
	n := b.word(0)
	i := sort.Search(n, func(i int) bool { return compareJSONKeys(string(b.part(i, 2*n)), name) >= 0 })
	if i < n && string(b.part(i, 2*n)) == name {
		return i
	}
	return -1
}

// Get returns a member of an object by its name.
func (b JSONDoc) Get(name string) (JSONDoc, bool) {
	if i := b.Find(name); i >= 0 {
		_, v := b.Member(i)
		return v, true
	}
	return "", false
}

// EncodeJSONB makes the document of a tree. It fails with
// program_limit_exceeded (54000) when a part is larger than what an end can say.
func EncodeJSONB(n *JSONNode) (JSONDoc, error) {
	b, err := appendJSONB(nil, n)
	return JSONDoc(b), err
}

// jsonbSizeMax is PostgreSQL's bound for the items of one array or object.
const jsonbSizeMax = 1<<28 - 1

func appendJSONB(dst []byte, n *JSONNode) ([]byte, error) {
	if n.Raw != "" {
		return append(dst, n.Raw...), nil
	}
	dst = append(dst, byte(n.Kind))
	switch n.Kind {
	case JSONNumber:
		return appendNumeric(dst, n.Num), nil
	case JSONString:
		if len(n.Str) > jsonbSizeMax {
			return nil, sqlerr.New(sqlerr.ProgramLimitExceeded, "string too long to represent as jsonb string").
				WithDetail("Due to an implementation restriction, jsonb strings cannot exceed %d bytes.", jsonbSizeMax)
		}
		return append(dst, n.Str...), nil
	case JSONArray:
		dst, ends := appendEnds(dst, len(n.Items), len(n.Items))
		data := len(dst)
		for i, item := range n.Items {
			var err error
			if dst, err = appendJSONB(dst, item); err != nil {
				return nil, err
			}
			binary.LittleEndian.PutUint32(dst[ends+4*i:], uint32(len(dst)-data))
		}
		return dst, checkJSONBSize("array elements", len(dst)-data)
	case JSONObject:
		dst, ends := appendEnds(dst, len(n.Members), 2*len(n.Members))
		data := len(dst)
		for i := range n.Members {
			dst = append(dst, n.Members[i].Name...)
			binary.LittleEndian.PutUint32(dst[ends+4*i:], uint32(len(dst)-data))
		}
		ends += 4 * len(n.Members)
		for i := range n.Members {
			var err error
			if dst, err = appendJSONB(dst, n.Members[i].Value); err != nil {
				return nil, err
			}
			binary.LittleEndian.PutUint32(dst[ends+4*i:], uint32(len(dst)-data))
		}
		return dst, checkJSONBSize("object elements", len(dst)-data)
	}
	return dst, nil
}

func appendEnds(dst []byte, count, ends int) (out []byte, at int) {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(count))
	at = len(dst)
	return append(dst, make([]byte, 4*ends)...), at
}

func checkJSONBSize(what string, n int) error {
	if n <= jsonbSizeMax {
		return nil
	}
	return sqlerr.New(sqlerr.ProgramLimitExceeded, "total size of jsonb %s exceeds the maximum of %d bytes", what, jsonbSizeMax)
}

// ValidJSONB checks bytes that are said to be a JSONDoc, as a reader of storage
// that may be damaged would.
func ValidJSONB(b JSONDoc) error { return validJSONB(b, 0) }

func validJSONB(b JSONDoc, depth int) error {
	bad := fmt.Errorf("malformed jsonb")
	if b == "" || depth > jsonDepthMax {
		return bad
	}
	switch b.Kind() {
	case JSONNull, JSONFalse, JSONTrue:
		if len(b) != 1 {
			return bad
		}
	case JSONNumber:
		d, err := ParseNumeric(string(b[1:]))
		if err != nil || d.IsNaN() || NumericIsInf(d) || string(appendNumeric(nil, d)) != string(b[1:]) {
			return bad
		}
	case JSONString:
		if CheckText(string(b[1:])) != nil {
			return bad
		}
	case JSONArray, JSONObject:
		if len(b) < 5 {
			return bad
		}
		count := b.word(0)
		ends := count
		if b.Kind() == JSONObject {
			ends *= 2
		}
		if count > math.MaxInt32/8 || len(b) < 5+4*ends {
			return bad
		}
		size, last := len(b)-5-4*ends, 0
		for i := 0; i < ends; i++ {
			e := b.word(1 + i)
			if e < last || e > size {
				return bad
			}
			last = e
		}
		if last != size {
			return bad
		}
		for i := 0; i < ends; i++ {
			if p := b.part(i, ends); b.Kind() == JSONObject && i < count {
				if CheckText(string(p)) != nil || i > 0 && compareJSONKeys(string(b.part(i-1, ends)), string(p)) >= 0 {
					return bad
				}
			} else if err := validJSONB(p, depth+1); err != nil {
				return err
			}
		}
	default:
		return bad
	}
	return nil
}

// parseJSONB reads the text form.
func parseJSONB(s string) (Datum, error) {
	n, err := ReadJSON(s)
	if err != nil {
		return Null, err
	}
	b, err := EncodeJSONB(n)
	return NewJSONB(b), err
}

// AppendJSONB appends the text form of a jsonb.
func AppendJSONB(dst []byte, b JSONDoc) []byte { return appendJSONText(dst, b, -1) }

// AppendJSONBPretty appends the text form over several lines, as jsonb_pretty
// does.
func AppendJSONBPretty(dst []byte, b JSONDoc) []byte { return appendJSONText(dst, b, 0) }

// appendJSONText writes a document; indent is the level, -1 to write one line.
func appendJSONText(dst []byte, b JSONDoc, indent int) []byte {
	inner := indent
	if indent >= 0 {
		inner++
	}
	line := func(dst []byte, indent int) []byte {
		if indent < 0 {
			return dst
		}
		dst = append(dst, '\n')
		for range indent {
			dst = append(dst, "    "...)
		}
		return dst
	}
	comma := ", "
	if indent >= 0 {
		comma = ","
	}
	switch b.Kind() {
	case JSONNull:
		return append(dst, "null"...)
	case JSONFalse:
		return append(dst, "false"...)
	case JSONTrue:
		return append(dst, "true"...)
	case JSONNumber:
		return append(dst, b[1:]...)
	case JSONString:
		return AppendJSONString(dst, string(b[1:]))
	case JSONArray:
		dst = append(dst, '[')
		for i := range b.Len() {
			if i > 0 {
				dst = append(dst, comma...)
			}
			dst = appendJSONText(line(dst, inner), b.Item(i), inner)
		}
		return append(line(dst, indent), ']')
	}
	dst = append(dst, '{')
	for i := range b.Len() {
		if i > 0 {
			dst = append(dst, comma...)
		}
		name, value := b.Member(i)
		dst = AppendJSONString(line(dst, inner), name)
		dst = appendJSONText(append(dst, ": "...), value, inner)
	}
	return append(line(dst, indent), '}')
}

// AppendJSONString appends a string as JSON writes it, quotes included.
func AppendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if at := strings.IndexByte("\"\\\b\f\n\r\t", c); at >= 0 {
			dst = append(dst, '\\', "\"\\bfnrt"[at])
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// jsonRank orders values of different kinds.
func jsonRank(k JSONKind) int {
	switch k {
	case JSONNull:
		return 0
	case JSONString:
		return 1
	case JSONNumber:
		return 2
	case JSONFalse, JSONTrue:
		return 3
	case JSONArray:
		return 4
	}
	return 5
}

// CompareJSONB orders documents as jsonb's btree operator class does: null,
// strings, numbers, booleans, arrays, objects, with the longer array or object
// above the shorter one. An empty array that is the whole document comes before
// everything else, which PostgreSQL keeps for compatibility.
func CompareJSONB(a, b JSONDoc) int {
	ea, eb := a.Kind() == JSONArray && a.Len() == 0, b.Kind() == JSONArray && b.Len() == 0
	if ea != eb {
		if ea {
			return -1
		}
		return 1
	}
	return compareJSON(a, b)
}

func compareJSON(a, b JSONDoc) int {
	if c := cmpInt(int64(jsonRank(a.Kind())), int64(jsonRank(b.Kind()))); c != 0 {
		return c
	}
	switch a.Kind() {
	case JSONFalse, JSONTrue:
		return cmpInt(int64(a.Kind()), int64(b.Kind()))
	case JSONNumber:
		if a == b {
			return 0
		}
		return CompareNumeric(a.Number(), b.Number())
	case JSONString:
		return strings.Compare(string(a[1:]), string(b[1:]))
	case JSONArray:
		n := a.Len()
		if c := cmpInt(int64(n), int64(b.Len())); c != 0 {
			return c
		}
		for i := range n {
			if c := compareJSON(a.Item(i), b.Item(i)); c != 0 {
				return c
			}
		}
	case JSONObject:
		n := a.Len()
		if c := cmpInt(int64(n), int64(b.Len())); c != 0 {
			return c
		}
		for i := range n {
			ak, av := a.Member(i)
			bk, bv := b.Member(i)
			if c := strings.Compare(ak, bk); c != 0 {
				return c
			}
			if c := compareJSON(av, bv); c != 0 {
				return c
			}
		}
	}
	return 0
}

// hashJSON hashes a document; equal numbers of different scale hash alike.
func hashJSON(h uint64, b JSONDoc) uint64 {
	h = mix(h, uint64(b.Kind()))
	switch b.Kind() {
	case JSONNumber:
		return hashNumeric(h, b.Number())
	case JSONString:
		return hashString(h, string(b[1:]))
	case JSONArray:
		for i := range b.Len() {
			h = hashJSON(h, b.Item(i))
		}
	case JSONObject:
		for i := range b.Len() {
			k, v := b.Member(i)
			h = hashJSON(hashString(h, k), v)
		}
	}
	return h
}

// JSONBContains reports whether a contains b, jsonb's @>: the shape of b is found
// in a, regardless of the order and number of an array's items; an array also
// contains a scalar that is the whole document b.
func JSONBContains(a, b JSONDoc) bool {
	if a.Kind() == JSONArray && b.Kind() < JSONArray {
		return jsonArrayHas(a, b)
	}
	return containsJSON(a, b)
}

func containsJSON(a, b JSONDoc) bool {
	switch {
	case b.Kind() < JSONArray:
		return a.Kind() < JSONArray && compareJSON(a, b) == 0
	case a.Kind() != b.Kind():
		return false
	case b.Kind() == JSONObject:
		if a.Len() < b.Len() {
			return false
		}
		for i := range b.Len() {
			name, want := b.Member(i)
			if got, ok := a.Get(name); !ok || !containsJSON(got, want) {
				return false
			}
		}
		return true
	}
	for i := range b.Len() {
		if !jsonArrayHas(a, b.Item(i)) {
			return false
		}
	}
	return true
}

func jsonArrayHas(a, x JSONDoc) bool {
	for i := range a.Len() {
		if containsJSON(a.Item(i), x) {
			return true
		}
	}
	return false
}
