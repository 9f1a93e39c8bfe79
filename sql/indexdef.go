package sql

import (
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// indexDef is pg_get_indexdef(oid [, column, pretty]).
func (s *Session) indexDef(snap *catalog.Snapshot, args []types.Datum) types.Datum {
	r, ok := snap.IndexByID(args[0].OID())
	if !ok {
		return types.Null
	}
	t, ix := r.Table, r.Index
	pretty := len(args) > 2 && args[2].IsTrue()
	exprs, _, pred, err := plan.IndexTexts(s.planOptions("", nil), t, ix, pretty)
	if err != nil {
		return types.Null
	}
	keys := make([]string, len(ix.Columns))
	for i, c := range ix.Columns {
		if c.Column != 0 {
			keys[i] = exec.QuoteIdent(t.Column(c.Column).Name)
		} else {
			keys[i], exprs = exprs[0], exprs[1:]
		}
	}
	if len(args) > 1 && args[1].Int() > 0 {
		n := int(args[1].Int())
		switch {
		case n <= len(keys):
			return types.NewString(keys[n-1])
		case n <= len(keys)+len(ix.Include):
			return types.NewString(exec.QuoteIdent(t.Column(ix.Include[n-len(keys)-1]).Name))
		}
		return types.NewString("")
	}
	for i, c := range ix.Columns {
		if c.Collation != "" {
			keys[i] += " COLLATE " + exec.QuoteIdent(c.Collation)
		}
		if c.OpClass != "" {
			keys[i] += " " + exec.QuoteIdent(c.OpClass)
		}
		if c.Desc {
			keys[i] += " DESC"
		}
	}
	var b strings.Builder
	b.WriteString("CREATE ")
	if ix.Unique {
		b.WriteString("UNIQUE ")
	}
	b.WriteString("INDEX " + exec.QuoteIdent(ix.Name) + " ON ")
	if sc := snap.SchemaByID(t.Schema); sc != nil && !(pretty && s.relVisible(snap, t.ID).IsTrue()) {
		b.WriteString(exec.QuoteIdent(sc.Name) + ".")
	}
	b.WriteString(exec.QuoteIdent(t.Name) + " USING btree (" + strings.Join(keys, ", ") + ")" + includeText(t, ix))
	if pred != "" {
		b.WriteString(" WHERE " + pred)
	}
	return types.NewString(b.String())
}

// keyNames are the key columns of a constraint's index, quoted.
func keyNames(t *catalog.Table, ix *catalog.Index) []string {
	var out []string
	for _, c := range ix.Columns {
		out = append(out, exec.QuoteIdent(t.KeyName(c)))
	}
	return out
}

// includeText is the INCLUDE of an index's definition, "" without one.
func includeText(t *catalog.Table, ix *catalog.Index) string {
	if len(ix.Include) == 0 {
		return ""
	}
	var names []string
	for _, id := range ix.Include {
		names = append(names, exec.QuoteIdent(t.Column(id).Name))
	}
	return " INCLUDE (" + strings.Join(names, ", ") + ")"
}

// indexRow is the row of pg_index of an index.
func indexRow(s *Session, t *catalog.Table, ix *catalog.Index) []types.Datum {
	n := len(ix.Columns)
	key, coll, class, opt := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for j, c := range ix.Columns {
		key[j] = int64(c.Column)
		class[j] = int64(defaultOpclass(t.KeyType(c)))
		if k := opclassNamed(c.OpClass); k != nil {
			class[j] = int64(k.oid)
		}
		if info, ok := t.KeyType(c).Info(); ok {
			coll[j] = int64(info.Collation)
		}
		switch c.Collation {
		case "C":
			coll[j] = 950
		case "POSIX":
			coll[j] = 951
		}
		if c.Desc {
			opt[j] = 3 // descending, NULLs first
		}
	}
	for _, id := range ix.Include {
		key = append(key, int64(id))
	}
	exprs, pred := types.Null, types.Null
	if _, texts, p, err := plan.IndexTexts(s.planOptions("", nil), t, ix, false); err == nil {
		if len(texts) > 0 {
			exprs = dText(strings.Join(texts, ", "))
		}
		if p != "" {
			pred = dText(p)
		}
	}
	return []types.Datum{dOID(ix.ID), dOID(t.ID), dInt(int64(len(key))), dInt(int64(n)), dBool(ix.Unique), dBool(false),
		dBool(ix.IsPrimaryKey()), dBool(false), dBool(true), dBool(false), dBool(ix.State == catalog.Public), dBool(false),
		dBool(ix.State != catalog.DeleteOnly), dBool(true), dBool(false), dVector(types.Int2, key), dVector(types.Oid, coll),
		dVector(types.Oid, class), dVector(types.Int2, opt), exprs, pred}
}

// indexAttributes are the rows of pg_attribute of an index.
func indexAttributes(t *catalog.Table, ix *catalog.Index, yield yieldRow) error {
	num := int16(0)
	for _, c := range ix.Columns {
		num++
		if err := yield(attributeRow(ix.ID, t.KeyName(c), t.KeyType(c), num)); err != nil {
			return err
		}
	}
	for _, id := range ix.Include {
		num++
		col := t.Column(id)
		if err := yield(attributeRow(ix.ID, col.Name, col.Type, num)); err != nil {
			return err
		}
	}
	return nil
}
