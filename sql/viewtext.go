package sql

import (
	"reflect"
	"slices"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
)

// edit replaces a part of a text.
type edit struct {
	from, to int // bytes
	text     string
}

// viewText is the query of a view so that it means the same with the session's search
// path: as it was written, with a schema in front of the names of relations and types
// that the path does not find, and the present names of relations renamed since.
func (s *Session) viewText(snap *catalog.Snapshot, t *catalog.Table) string {
	text := t.View.Query
	q, err := parseQuery(text)
	if err != nil {
		return text // it is shown, whatever is wrong with it
	}
	var edits []edit
	ctes := map[string]bool{}
	eachNode(reflect.ValueOf(q), func(n any) {
		if c, ok := n.(ast.CTE); ok {
			ctes[c.Name] = true
		}
	})
	eachNode(reflect.ValueOf(q), func(n any) {
		switch n := n.(type) {
		case ast.TableRef:
			if n.Table.Schema == "" && ctes[n.Table.Name] {
				return
			}
			if e, ok := s.relationEdit(snap, t.View, &n); ok {
				edits = append(edits, e)
			}
		case ast.TypeName:
			if e, ok := s.typeEdit(snap, text, &n); ok {
				edits = append(edits, e)
			}
		}
	})
	slices.SortFunc(edits, func(a, b edit) int { return b.from - a.from })
	for _, e := range edits {
		if e.from >= 0 && e.to <= len(text) {
			text = text[:e.from] + e.text + text[e.to:]
		}
	}
	return text
}

// relationEdit says how the name of a relation in a view's query is to be written.
func (s *Session) relationEdit(snap *catalog.Snapshot, v *catalog.View, n *ast.TableRef) (edit, bool) {
	i := slices.IndexFunc(v.Refs, func(r catalog.ViewRef) bool { return r.Schema == n.Table.Schema && r.Name == n.Table.Name })
	if i < 0 {
		return edit{}, false
	}
	t := snap.Table(v.Refs[i].ID)
	if t == nil {
		return edit{}, false
	}
	name := plan.QuoteIdent(t.Name)
	if !s.relVisible(snap, t.ID).IsTrue() {
		name = plan.QuoteIdent(t.SchemaName) + "." + name
	}
	if alias := n.Table.Name; n.Alias == "" && alias != t.Name {
		name += " AS " + plan.QuoteIdent(alias)
	}
	from, to := nameSpan(v.Query, n.Table.Pos.Offset(), n.Table.Schema != "")
	return edit{from, to, name}, to > from
}

// typeEdit puts the schema in front of a type that the search path does not find.
func (s *Session) typeEdit(snap *catalog.Snapshot, text string, n *ast.TypeName) (edit, bool) {
	if n.Schema != "" || n.Pos == 0 {
		return edit{}, false
	}
	var schema string
	for _, sc := range snap.Schemas() {
		t, ok := snap.TypeNamed(sc.ID, n.Name)
		switch {
		case !ok || !t.IsUser():
		case s.typeVisible(snap, t.OID):
			return edit{}, false
		case schema == "" || sc.ID == catalog.SchemaPublic:
			schema = sc.Name
		}
	}
	from, to := nameSpan(text, n.Pos.Offset(), false)
	if schema == "" || to <= from || !strings.EqualFold(strings.Trim(text[from:to], `"`), n.Name) {
		return edit{}, false
	}
	return edit{from, from, plan.QuoteIdent(schema) + "."}, true
}

// nameSpan is where a name ends that begins at from, qualified or not.
func nameSpan(text string, from int, qualified bool) (start, end int) {
	if from < 0 || from >= len(text) {
		return 0, 0
	}
	end = identEnd(text, from)
	for qualified && end > from {
		dot := end + strings.IndexFunc(text[end:], func(r rune) bool { return r != ' ' && r != '\t' && r != '\n' })
		if dot < end || text[dot] != '.' {
			break
		}
		next := dot + 1
		for next < len(text) && strings.ContainsRune(" \t\n", rune(text[next])) {
			next++
		}
		end = identEnd(text, next)
	}
	return from, end
}

// identEnd is where an identifier ends.
func identEnd(text string, from int) int {
	if from >= len(text) {
		return from
	}
	if text[from] == '"' {
		for i := from + 1; i < len(text); i++ {
			if text[i] != '"' {
				continue
			}
			if i+1 < len(text) && text[i+1] == '"' {
				i++
				continue
			}
			return i + 1
		}
		return len(text)
	}
	i := from
	for i < len(text) && (text[i] == '_' || text[i] == '$' || text[i] >= 0x80 || '0' <= text[i] && text[i] <= '9' ||
		'a' <= text[i]|0x20 && text[i]|0x20 <= 'z') {
		i++
	}
	return i
}

// eachNode calls f with every struct of a tree that package ast has made.
func eachNode(v reflect.Value, f func(n any)) {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if !v.IsNil() {
			eachNode(v.Elem(), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachNode(v.Index(i), f)
		}
	case reflect.Struct:
		f(v.Interface())
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				eachNode(v.Field(i), f)
			}
		}
	}
}
