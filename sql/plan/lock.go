package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// LockRows locks the rows of tables that its input was made of. It stands above the
// sort and below the limit, so that only rows are locked that are given out.
type LockRows struct {
	Input  Node
	Tables []LockedTable
	// Limit and Offset are those of the Limit above; nil is none.
	Limit, Offset expr.Expr
}

// LockedTable is one table of a LockRows.
type LockedTable struct {
	Primary *rowcodec.Index
	// Cols has for each column of the primary key its place in the input. A row with
	// a NULL there is of the other side of an outer join and not locked.
	Cols []int
	// Mode is the strength: 1 FOR KEY SHARE … 4 FOR UPDATE.
	Mode uint8
	Wait ast.LockWait
}

// Columns returns those of the input.
func (n *LockRows) Columns() []Column { return n.Input.Columns() }

// Inputs returns the input.
func (n *LockRows) Inputs() []Node { return []Node{n.Input} }

// Skips reports whether rows that are locked by others are left out.
func (n *LockRows) Skips() bool {
	for _, t := range n.Tables {
		if t.Wait == ast.LockSkip {
			return true
		}
	}
	return false
}

// checkLocking refuses queries whose rows are not rows of tables.
func (b *binder) checkLocking(k *core, c *ast.SelectCore, q *ast.Select) error {
	k.scope.locked(q)
	name := lockingName(q)
	refuse := func(what string) error {
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "%s is not allowed with %s", name, what), q.Locking[0])
	}
	switch {
	case c.Distinct || len(c.DistinctOn) > 0:
		return refuse("DISTINCT clause")
	case len(c.GroupBy) > 0:
		return refuse("GROUP BY clause")
	case c.Having != nil:
		return refuse("HAVING clause")
	}
	for _, l := range q.Locking {
		for _, of := range l.Of {
			if !k.scope.hasRel(of.Schema, of.Name) {
				return b.errAt(sqlerr.New(sqlerr.UndefinedTable, "relation %q in %s clause not found in FROM clause", of.Name, name), of)
			}
		}
	}
	return nil
}

func lockingName(q *ast.Select) string {
	return [...]string{"FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"}[q.Locking[0].Strength]
}

// lockOf joins the locking clauses that name a table: the strongest mode, and the
// most impatient policy.
func lockOf(q *ast.Select, alias string) (mode uint8, wait ast.LockWait) {
	for _, l := range q.Locking {
		match := len(l.Of) == 0
		for _, of := range l.Of {
			match = match || of.Name == alias
		}
		if match {
			mode, wait = max(mode, uint8(l.Strength)+1), max(wait, l.Wait)
		}
	}
	return mode, wait
}

// lockRows adds to the outputs of a core the keys of the rows to be locked. Tables
// that are not read by the core itself, but below it, are locked where they are
// read.
func (k *core) lockRows(q *ast.Select) (out []LockedTable) {
	own := map[*Scan]bool{}
	var find func(n Node, at int)
	find = func(n Node, at int) {
		switch n := n.(type) {
		case *Join:
			switch n.Kind {
			case InnerJoin, LeftJoin, RightJoin, FullJoin:
				find(n.Left, at)
				find(n.Right, at+len(n.Left.Columns()))
			}
		case *Scan:
			mode, wait := lockOf(q, n.Alias)
			if mode == 0 {
				own[n] = true
				return
			}
			if t, ok := k.lockTable(n, at); ok {
				own[n] = true
				t.Mode, t.Wait = mode, wait
				out = append(out, t)
			}
		}
	}
	find(k.node, 0)
	walkNodes(k.node, func(n Node) {
		if s, ok := n.(*Scan); ok && !own[s] {
			s.Lock, s.LockWait = lockOf(q, s.Alias)
			if s.Lock == 0 && len(q.Locking[0].Of) == 0 {
				s.Lock, s.LockWait = uint8(q.Locking[0].Strength)+1, q.Locking[0].Wait
			}
		}
	})
	return out
}

// lockTable adds the primary key of a scan whose columns begin at a place to the
// outputs.
func (k *core) lockTable(s *Scan, at int) (LockedTable, bool) {
	t := LockedTable{Primary: s.Index}
	first := len(k.exprs)
	for _, c := range s.Index.Desc.Columns {
		place := -1
		for i, w := range s.Wanted {
			if w == s.Table.ColumnIndex(c.Column) {
				place = i
			}
		}
		if place < 0 {
			// A hidden row id. Columns can be added only where nothing follows.
			if Node(s) != k.node {
				k.exprs, k.cols, k.asts = k.exprs[:first], k.cols[:first], k.asts[:first]
				return t, false
			}
			col := s.Table.Column(c.Column)
			place = len(s.Wanted)
			s.Wanted = append(s.Wanted, s.Table.ColumnIndex(c.Column))
			s.Cols = append(s.Cols, Column{Name: col.Name, Type: col.Type, TableOID: s.Table.ID, AttNum: col.ID})
		}
		col := s.Cols[place]
		t.Cols = append(t.Cols, len(k.exprs))
		k.exprs = append(k.exprs, &expr.Column{Index: at + place, Typ: col.Type, Name: col.Name})
		k.cols = append(k.cols, col)
		k.asts = append(k.asts, nil)
	}
	return t, true
}
