package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
)

// RowKey says where the rows of a cursor's query have the primary key of the one table
// that they come from, behind the columns that the client sees: WHERE CURRENT OF needs
// it.
type RowKey struct {
	Table catalog.ID
	Cols  []int
}

// rowKey adds the primary key of the one table that a core reads to its outputs; nil if
// its rows are not those of one table.
func (k *core) rowKey(c *ast.SelectCore) *RowKey {
	if c.Distinct || len(c.DistinctOn) > 0 || len(c.GroupBy) > 0 || c.Having != nil {
		return nil
	}
	for _, x := range k.exprs {
		if expr.HasAggregate(x) || expr.HasSet(x) {
			return nil
		}
	}
	n := k.node
	for {
		f, ok := n.(*Filter)
		if !ok {
			break
		}
		n = f.Input
	}
	s, ok := n.(*Scan)
	if !ok || s.Table.Virtual || !s.Table.IsTable() {
		return nil
	}
	key := &RowKey{Table: s.Table.ID}
	for _, c := range s.Table.Primary().Columns {
		at, place := s.Table.ColumnIndex(c.Column), -1
		for i, w := range s.Wanted {
			if w == at {
				place = i
			}
		}
		col := s.Table.Column(c.Column)
		if place < 0 {
			place = len(s.Wanted)
			s.Wanted = append(s.Wanted, at)
			s.Cols = append(s.Cols, Column{Name: col.Name, Type: col.Type, TableOID: s.Table.ID, AttNum: col.ID})
		}
		key.Cols = append(key.Cols, len(k.exprs))
		k.exprs = append(k.exprs, &expr.Column{Index: place, Typ: col.Type, Name: col.Name})
		k.cols = append(k.cols, s.Cols[place])
		k.asts = append(k.asts, nil)
	}
	return key
}

// currentOf keeps of the rows of a table the one that a cursor stands on.
func (b *binder) currentOf(n Node, w *target, cursor string) (Node, error) {
	if cursor == "" {
		return n, nil
	}
	if b.o.CurrentOf == nil {
		return nil, unsupported("WHERE CURRENT OF")
	}
	vals, err := b.o.CurrentOf(cursor, w.table)
	if err != nil {
		return nil, err
	}
	var conds []expr.Expr
	for i, c := range w.table.Primary().Columns {
		col := w.table.Column(c.Column)
		x, err := b.eb.Binary("=", &expr.Column{Index: w.table.ColumnIndex(c.Column), Typ: col.Type, Name: col.Name}, &expr.Const{Val: vals[i], Typ: col.Type})
		if err != nil {
			return nil, err
		}
		conds = append(conds, x)
	}
	cond := conds[0]
	if len(conds) > 1 {
		if cond, err = b.eb.And(conds...); err != nil {
			return nil, err
		}
	}
	return &Filter{Input: n, Cond: cond}, nil
}
