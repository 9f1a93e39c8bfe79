package plan

import (
	"reflect"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// bindRecursive binds a query that refers to itself: non-recursive term UNION
// [ALL] recursive term. checkRecursion has seen to its form.
func (b *binder) bindRecursive(s *cteScope, q *ast.Select) (Node, error) {
	if q.With != nil {
		old := b.ctes
		defer func() { b.ctes = old }()
		if err := b.bindWith(q.With, s.e); err != nil {
			return nil, err
		}
	}
	o := q.Body.(*ast.SetOp)
	left, err := b.bindSelect(o.Left, s.e, false)
	if err != nil {
		return nil, err
	}
	n := &RecursiveUnion{All: o.All, Left: left, Work: &Work{Name: s.name}}
	for i, c := range left.Columns() {
		name := c.Name
		if i < len(s.def.Columns) {
			name = s.def.Columns[i]
		}
		n.Work.Cols = append(n.Work.Cols, Column{Name: name, Type: c.Type})
		n.Cols = append(n.Cols, Column{Name: c.Name, Type: c.Type})
		if !o.All {
			if err := types.CheckOrdered(c.Type); err != nil {
				return nil, b.errAt(err, o)
			}
		}
	}
	s.work = n.Work
	defer func() { s.work = nil }()
	if n.Right, err = b.bindSelect(o.Right, s.e, true); err != nil {
		return nil, err
	}
	if len(n.Right.Columns()) != len(n.Cols) {
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "each UNION query must have the same number of columns"), o.Right)
	}
	for i, c := range n.Cols {
		all, err := b.o.Exprs.SelectCommonType("UNION", []types.Type{c.Type, n.Right.Columns()[i].Type})
		if err != nil {
			return nil, b.errAt(err, o.Right)
		}
		if r := n.Right.Columns()[i].Type; r == c.Type {
			continue
		}
		if all != c.Type {
			err := sqlerr.New(sqlerr.DatatypeMismatch, "recursive query %q column %d has type %s in non-recursive term but type %s overall",
				s.name, i+1, c.Type, all).WithHint("Cast the output of the non-recursive term to the correct type.")
			return nil, b.errAt(err, outputPos(o.Left, i))
		}
		if n.Right, err = b.coerceColumn(n.Right, i, c.Type); err != nil {
			return nil, b.errAt(err, o.Right)
		}
	}
	return n, nil
}

// outputPos is where the i-th output of a query was written.
func outputPos(q *ast.Select, i int) ast.Node {
	switch body := q.Body.(type) {
	case *ast.SelectCore:
		if i < len(body.Targets) {
			return ast.At{Pos: ast.Leftmost(body.Targets[i].Expr)}
		}
	case *ast.Values:
		if i < len(body.Rows[0]) {
			return ast.At{Pos: ast.Leftmost(body.Rows[0][i])}
		}
	case *ast.SetOp:
		return outputPos(body.Left, i)
	}
	return q
}

// checkRecursion finds out which queries of WITH RECURSIVE refer to themselves and
// refuses what PostgreSQL refuses (checkWellFormedRecursion in parse_cte.c).
func (b *binder) checkRecursion(scopes []*cteScope) error {
	if err := b.mutual(scopes); err != nil {
		return err
	}
	for _, s := range scopes {
		if !s.recursive {
			continue
		}
		if err := b.checkForm(s); err != nil {
			return err
		}
	}
	return nil
}

// mutual refuses queries that refer to each other in a circle.
func (b *binder) mutual(scopes []*cteScope) error {
	uses := make([]map[string]bool, len(scopes))
	for i, s := range scopes {
		uses[i] = map[string]bool{}
		w := refWalker{see: func(t *ast.TableRef) error { uses[i][t.Table.Name] = true; return nil }}
		if err := w.query(s.def.Query); err != nil {
			return err
		}
		s.recursive = uses[i][s.name]
	}
	done := make([]bool, len(scopes))
	for range scopes {
		next := -1
		for i := range scopes {
			ready := !done[i]
			for j, t := range scopes {
				ready = ready && (i == j || done[j] || !uses[i][t.name])
			}
			if ready {
				next = i
				break
			}
		}
		if next < 0 {
			for i, s := range scopes {
				if !done[i] {
					return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "mutual recursion between WITH items is not implemented"), s.def)
				}
			}
		}
		done[next] = true
	}
	return nil
}

func (b *binder) checkForm(s *cteScope) error {
	q, ok := s.def.Query.(*ast.Select)
	if !ok {
		return b.errAt(sqlerr.New(sqlerr.InvalidRecursion, "recursive query %q must not contain data-modifying statements", s.name), s.def)
	}
	o, ok := q.Body.(*ast.SetOp)
	if !ok || o.Kind != ast.Union {
		return b.errAt(sqlerr.New(sqlerr.InvalidRecursion, "recursive query %q does not have the form non-recursive-term UNION [ALL] recursive-term", s.name), s.def)
	}
	c := recursionChecker{b: b, name: s.name}
	if err := c.in("its non-recursive term", func() error { return c.walk(o.Left) }); err != nil {
		return err
	}
	if err := c.walk(o.Right); err != nil {
		return err
	}
	if q.With != nil {
		if err := c.in("a subquery", func() error { return c.walk(q.With) }); err != nil {
			return err
		}
	}
	refuse := func(what string, at ast.Node) error {
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "%s in a recursive query is not implemented", what), at)
	}
	switch {
	case len(q.OrderBy) > 0:
		return refuse("ORDER BY", ast.At{Pos: ast.Leftmost(q.OrderBy[0].Expr)})
	case q.Offset != nil:
		return refuse("OFFSET", ast.At{Pos: ast.Leftmost(q.Offset)})
	case q.Limit != nil:
		return refuse("LIMIT", ast.At{Pos: ast.Leftmost(q.Limit)})
	case len(q.Locking) > 0:
		return refuse("FOR UPDATE/SHARE", q.Locking[0])
	}
	return nil
}

// recursionChecker looks for references of a recursive query to itself in places
// where they have no meaning.
type recursionChecker struct {
	b    *binder
	name string
	// place is where the walk is if references are wrong there; empty otherwise.
	place string
	refs  int
}

func (c *recursionChecker) in(place string, f func() error) error {
	old := c.place
	if old == "" {
		c.place = place
	}
	err := f()
	c.place = old
	return err
}

func (c *recursionChecker) walk(n any) error {
	w := refWalker{see: c.ref, c: c}
	return w.node(n)
}

func (c *recursionChecker) ref(t *ast.TableRef) error {
	if t.Table.Name != c.name {
		return nil
	}
	if c.place != "" {
		return c.b.errAt(sqlerr.New(sqlerr.InvalidRecursion, "recursive reference to query %q must not appear within %s", c.name, c.place), t)
	}
	if c.refs++; c.refs > 1 {
		return c.b.errAt(sqlerr.New(sqlerr.InvalidRecursion, "recursive reference to query %q must not appear more than once", c.name), t)
	}
	return nil
}

// refWalker visits the references to relations in a tree that are not hidden by an
// inner WITH of the same name. c, if set, is told where the walk is.
type refWalker struct {
	see    func(*ast.TableRef) error
	c      *recursionChecker
	hidden []string
}

func (w *refWalker) query(q ast.Statement) error { return w.node(q) }

func (w *refWalker) place(p string, n any) error {
	if w.c == nil {
		return w.node(n)
	}
	return w.c.in(p, func() error { return w.node(n) })
}

func (w *refWalker) node(n any) error {
	switch n := n.(type) {
	case *ast.Select:
		if n == nil {
			return nil
		}
		defer func(h int) { w.hidden = w.hidden[:h] }(len(w.hidden))
		if err := w.with(n.With); err != nil {
			return err
		}
		rest := *n
		rest.With = nil
		return w.fields(reflect.ValueOf(rest))
	case *ast.With:
		return w.with(n)
	case *ast.Insert:
		rest := *n
		rest.Table, rest.With = nil, nil
		return w.writing(n.With, rest)
	case *ast.Update:
		rest := *n
		rest.Table, rest.With = nil, nil
		return w.writing(n.With, rest)
	case *ast.Delete:
		rest := *n
		rest.Table, rest.With = nil, nil
		return w.writing(n.With, rest)
	case *ast.Merge:
		rest := *n
		rest.Table, rest.With = nil, nil
		return w.writing(n.With, rest)
	case *ast.SetOp:
		return w.setOp(n)
	case *ast.Join:
		return w.join(n)
	case *ast.TableRef:
		if n == nil || n.Table.Schema != "" {
			return nil
		}
		for _, h := range w.hidden {
			if h == n.Table.Name {
				return nil
			}
		}
		return w.see(n)
	case *ast.ScalarSubquery:
		return w.place("a subquery", n.Query)
	case *ast.ArraySubquery:
		return w.place("a subquery", n.Query)
	case *ast.Exists:
		return w.place("a subquery", n.Query)
	case *ast.InSubquery:
		if err := w.node(n.Expr); err != nil {
			return err
		}
		return w.place("a subquery", n.Query)
	case *ast.AnyAll:
		if err := w.node(n.Left); err != nil {
			return err
		}
		if n.Query == nil {
			return w.node(n.Array)
		}
		return w.place("a subquery", n.Query)
	}
	return w.fields(reflect.ValueOf(n))
}

// writing visits what a data-modifying statement reads; its target is no reference.
func (w *refWalker) writing(with *ast.With, rest any) error {
	defer func(h int) { w.hidden = w.hidden[:h] }(len(w.hidden))
	if err := w.with(with); err != nil {
		return err
	}
	return w.fields(reflect.ValueOf(rest))
}

// with visits the queries of a WITH clause and hides what they are called.
func (w *refWalker) with(x *ast.With) error {
	if x == nil {
		return nil
	}
	if x.Recursive {
		for _, c := range x.CTEs {
			w.hidden = append(w.hidden, c.Name)
		}
	}
	for _, c := range x.CTEs {
		if err := w.node(c.Query); err != nil {
			return err
		}
		if !x.Recursive {
			w.hidden = append(w.hidden, c.Name)
		}
	}
	return nil
}

func (w *refWalker) setOp(o *ast.SetOp) error {
	switch {
	case o.Kind == ast.Intersect && o.All:
		if err := w.place("INTERSECT", o.Left); err != nil {
			return err
		}
		return w.place("INTERSECT", o.Right)
	case o.Kind == ast.Except:
		var err error
		if o.All {
			err = w.place("EXCEPT", o.Left)
		} else {
			err = w.node(o.Left)
		}
		if err != nil {
			return err
		}
		return w.place("EXCEPT", o.Right)
	}
	if err := w.node(o.Left); err != nil {
		return err
	}
	return w.node(o.Right)
}

func (w *refWalker) join(j *ast.Join) error {
	side := func(outer bool, t ast.TableExpr) error {
		if outer {
			return w.place("an outer join", t)
		}
		return w.node(t)
	}
	if err := side(j.Kind == ast.JoinRight || j.Kind == ast.JoinFull, j.Left); err != nil {
		return err
	}
	if err := side(j.Kind == ast.JoinLeft || j.Kind == ast.JoinFull, j.Right); err != nil {
		return err
	}
	if j.On == nil {
		return nil
	}
	return w.node(j.On)
}

// fields visits everything inside of a value.
func (w *refWalker) fields(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return w.fields(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			if err := w.item(v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := w.item(v.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// item visits a field or element: by its type if it is a node.
func (w *refWalker) item(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Interface, reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return w.node(v.Interface())
	case reflect.Slice, reflect.Struct:
		return w.fields(v)
	}
	return nil
}
