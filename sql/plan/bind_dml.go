package plan

import (
	"slices"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// target is the table that a statement writes to.
type target struct {
	table   *catalog.Table
	alias   string
	indexes []*rowcodec.Index
	derived []*Derived
	checks  []CheckExpr
	// generated are the columns that are computed of the others.
	generated []GeneratedExpr
	scope     *scope // all columns in their places, the hidden ones marked
	need      *Need
}

// target binds the table that a statement writes to, which takes a privilege.
func (b *binder) target(ref *ast.TableRef, p catalog.Privileges) (*target, error) {
	t, err := b.resolveTable(ref.Table)
	if err != nil {
		return nil, err
	}
	if t.Virtual {
		return nil, b.errAt(sqlerr.New(sqlerr.InsufficientPrivilege, "permission denied for table %s", t.Name), ref)
	}
	if t.Sequence != nil {
		return nil, sqlerr.New(sqlerr.WrongObjectType, "cannot change sequence %q", t.Name)
	}
	if t.View != nil {
		return nil, b.errAt(unsupported("writing to a view"), ref)
	}
	w := &target{table: t, alias: ref.Alias}
	if w.alias == "" {
		w.alias = t.Name
	}
	if w.indexes, err = Indexes(t); err != nil {
		return nil, err
	}
	if w.generated, err = b.generatedColumns(t); err != nil {
		return nil, err
	}
	if w.derived, err = b.derived(t); err != nil {
		return nil, err
	}
	w.scope = tableScope(t, w.alias, b.o.Catalog)
	w.need = b.need(t, ref.Table, p)
	w.scope.rels[0].need = w.need
	w.checks, err = b.checks(t)
	return w, err
}

// Indexes returns the codecs of all indexes of a table, the primary one first.
func Indexes(t *catalog.Table) ([]*rowcodec.Index, error) {
	out := make([]*rowcodec.Index, len(t.Indexes))
	for i := range t.Indexes {
		var err error
		if out[i], err = rowcodec.NewIndex(t, &t.Indexes[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// tableScope has all columns of a table in their places.
func tableScope(t *catalog.Table, alias string, snap *catalog.Snapshot) *scope {
	s := &scope{rels: []scopeRel{{name: alias, table: t}}}
	if alias == t.Name && snap != nil {
		if sc := snap.SchemaByID(t.Schema); sc != nil {
			s.rels[0].schema = sc.Name
		}
	}
	for i := range t.Columns {
		c := &t.Columns[i]
		sc := column(i, Column{Name: c.Name, Type: c.Type, TableOID: t.ID, AttNum: c.ID}, 0, alias)
		if c.Hidden || c.Dropped {
			sc.hidden, sc.name = true, ""
		}
		s.cols = append(s.cols, sc)
	}
	return s
}

func (b *binder) checks(t *catalog.Table) ([]CheckExpr, error) {
	if len(t.Checks) == 0 {
		return nil, nil
	}
	s := tableScope(t, t.Name, nil)
	out := make([]CheckExpr, len(t.Checks))
	for i, c := range t.Checks {
		x, err := b.stored(c.Expr, s)
		if err != nil {
			return nil, sqlerr.Wrap(err, "bind check constraint %q of table %q", c.Name, t.Name)
		}
		if x, err = b.eb.Condition(x, "CHECK"); err != nil {
			return nil, err
		}
		out[i] = CheckExpr{c.Name, x}
	}
	return out, nil
}

// stored binds an expression that is kept as text in a descriptor. Positions in it
// are not places in the statement.
func (b *binder) stored(text string, s *scope) (expr.Expr, error) {
	if b.o.ParseExpr == nil {
		return nil, sqlerr.Internal("no parser for stored expressions")
	}
	e, err := b.o.ParseExpr(text)
	if err != nil {
		return nil, err
	}
	old := b.o.Text
	b.o.Text = text
	x, err := b.expr(e, s)
	b.o.Text = old
	if pe, ok := err.(*sqlerr.Error); ok && pe.Position != 0 {
		c := *pe
		c.Position = 0
		return nil, &c
	}
	return x, err
}

// defaultOf returns what a column gets when no value is given.
func (b *binder) defaultOf(c *catalog.Column) (expr.Expr, error) {
	if c.Identity != 0 && !c.Dropped {
		seq := expr.NewConst(types.NewOID(c.Sequence), types.RegClass)
		x, err := b.eb.Call("pg_catalog", "nextval", []expr.Expr{seq}, false)
		if err != nil {
			return nil, err
		}
		return b.eb.Assign(x, c.Name, c.Type)
	}
	text := c.Default
	for t := c.Type; text == "" && t.IsDomain(); t = t.Def().Base {
		text = t.Def().Default
	}
	switch {
	case c.Generated != "", c.Dropped || text == "" && !c.Type.IsDomain():
		return &expr.Const{Typ: c.Type}, nil
	case text == "":
		return b.eb.Assign(expr.NewNull(), c.Name, c.Type) // the domain may not allow NULL
	}
	x, err := b.stored(text, nil)
	if err != nil {
		return nil, sqlerr.Wrap(err, "bind the default of column %q", c.Name)
	}
	return b.eb.Assign(x, c.Name, c.Type)
}

// Default binds a column's default or a check on its own, to see whether it is
// valid; DDL uses it.
func CheckDefault(o Options, e ast.Expr, column string, t types.Type) error {
	b := newBinder(o)
	if hasParam(e) {
		return sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $1")
	}
	x, err := b.expr(e, nil)
	if err != nil {
		if sqlerr.Is(err, sqlerr.FeatureNotSupported) && sqlerr.As(err).Message == "cannot use column reference in this context" {
			c := *sqlerr.As(err)
			c.Message = "cannot use column reference in DEFAULT expression"
			return &c
		}
		return err
	}
	switch {
	case expr.HasAggregate(x):
		return b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in DEFAULT expressions"), e)
	case expr.HasWindow(x):
		return b.noWindow(x, "DEFAULT expressions")
	case expr.HasSet(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in DEFAULT expressions"), e)
	case hasSubquery(x):
		return b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "cannot use subquery in DEFAULT expression"), e)
	}
	_, err = b.eb.Assign(x, column, t)
	if sqlerr.Is(err, sqlerr.DatatypeMismatch) {
		err = sqlerr.New(sqlerr.DatatypeMismatch, "column %q is of type %s but default expression is of type %s", column, t, x.Type()).
			WithHint("You will need to rewrite or cast the expression.")
	}
	return b.errAt(err, e)
}

// DefaultValue is what a column gets where no value is given.
func DefaultValue(o Options, c *catalog.Column) (expr.Expr, error) { return newBinder(o).defaultOf(c) }

// CheckCondition binds a check constraint over a table and returns the columns it
// reads.
func CheckCondition(o Options, e ast.Expr, t *catalog.Table) ([]int16, error) {
	b := newBinder(o)
	x, err := b.expr(e, tableScope(t, t.Name, nil))
	if err != nil {
		return nil, err
	}
	if err := b.checkConstraint(x, e); err != nil {
		return nil, err
	}
	if _, err := b.eb.Condition(x, "CHECK"); err != nil {
		return nil, b.errAt(err, e)
	}
	set := map[int]struct{}{}
	expr.Columns(x, set)
	var out []int16
	for i := range t.Columns {
		if _, ok := set[i]; ok {
			out = append(out, t.Columns[i].ID)
		}
	}
	return out, nil
}

// Scalar binds an expression without columns and casts it to a type, for EXECUTE's
// arguments and the like. The zero type leaves it as it is.
func Scalar(o Options, e ast.Expr, t types.Type) (expr.Expr, error) {
	b := newBinder(o)
	x, err := b.expr(e, nil)
	if err != nil {
		return nil, err
	}
	if hasSubquery(x) || expr.HasAggregate(x) || expr.HasWindow(x) || expr.HasSet(x) {
		return nil, b.errAt(unsupported("a subquery, an aggregate or a set in this place"), e)
	}
	if t.IsZero() {
		return x, nil
	}
	x, err = b.eb.Cast(x, t, expr.CastAssignment)
	return x, b.errAt(err, e)
}

func hasSubquery(x expr.Expr) bool {
	return expr.Any(x, func(y expr.Expr) bool { _, ok := y.(*expr.SubqueryExpr); return ok })
}

func hasParam(e ast.Expr) bool { _, ok := e.(*ast.Param); return ok }

// assign casts a value to a column.
func (b *binder) assign(x expr.Expr, c *catalog.Column, at ast.Node) (expr.Expr, error) {
	x, err := b.eb.Assign(x, c.Name, c.Type)
	return x, b.errAt(err, at)
}

func (w *target) column(b *binder, id ast.Ident) (int, error) {
	for i := range w.table.Columns {
		if c := &w.table.Columns[i]; c.Name == id.Name && !c.Dropped && !c.Hidden {
			return i, nil
		}
	}
	return 0, b.errAt(sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", id.Name, w.table.Name), id)
}

func (b *binder) bindInsert(s *ast.Insert) (Node, []Column, error) {
	if s.With != nil {
		if err := b.bindWith(s.With, env{}); err != nil {
			return nil, nil, err
		}
	}
	w, err := b.target(s.Table, catalog.Insert)
	if err != nil {
		return nil, nil, err
	}
	places, err := b.insertColumns(w, s)
	if err != nil {
		return nil, nil, err
	}
	for _, i := range places {
		mark(&w.need.Inserted, w.table.Columns[i].ID)
	}
	n := &Insert{Table: w.table, Indexes: w.indexes, Derived: w.derived, Checks: w.checks, Generated: w.generated}
	switch {
	case s.DefaultValues:
		row, err := b.fullRow(w, nil, nil)
		if err != nil {
			return nil, nil, err
		}
		n.Input = b.rowValues(w, [][]expr.Expr{row})
	default:
		if n.Input, err = b.insertSource(w, s, places); err != nil {
			return nil, nil, err
		}
	}
	if s.OnConflict != nil {
		if n.Conflict, err = b.onConflict(w, s.OnConflict); err != nil {
			return nil, nil, err
		}
	}
	if n.Returning, n.Cols, err = b.returning(s.Returning, w.scope); err != nil {
		return nil, nil, err
	}
	if n.Keys, err = b.references(w.table, n.Conflict != nil && n.Conflict.Set != nil, nil); err != nil {
		return nil, nil, err
	}
	for _, x := range n.computed() {
		n.Reads = n.Reads || hasSubquery(x)
	}
	return n, n.Cols, nil
}

// computed are the expressions over rows that were written before.
func (n *Insert) computed() []expr.Expr {
	out := append([]expr.Expr{}, n.Returning...)
	if c := n.Conflict; c != nil {
		out = append(out, c.Set...)
		if c.Where != nil {
			out = append(out, c.Where)
		}
	}
	return out
}

func (b *binder) insertColumns(w *target, s *ast.Insert) ([]int, error) {
	var places []int
	if len(s.Columns) == 0 {
		for i := range w.table.Columns {
			if c := &w.table.Columns[i]; !c.Dropped && !c.Hidden {
				places = append(places, i)
			}
		}
		return places, nil
	}
	seen := map[int]bool{}
	for _, id := range s.Columns {
		i, err := w.column(b, id)
		if err != nil {
			return nil, err
		}
		if seen[i] {
			return nil, b.errAt(sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", id.Name), id)
		}
		seen[i] = true
		places = append(places, i)
	}
	return places, nil
}

// fullRow returns the expressions for all columns: vals at places, defaults
// elsewhere.
func (b *binder) fullRow(w *target, places []int, vals []expr.Expr) ([]expr.Expr, error) {
	row := make([]expr.Expr, len(w.table.Columns))
	for i, p := range places {
		if i < len(vals) {
			row[p] = vals[i]
		}
	}
	for i := range row {
		if row[i] == nil {
			var err error
			if row[i], err = b.defaultOf(&w.table.Columns[i]); err != nil {
				return nil, err
			}
		}
	}
	return row, nil
}

func (b *binder) rowValues(w *target, rows [][]expr.Expr) *Values {
	v := &Values{Rows: rows}
	for i := range w.table.Columns {
		v.Cols = append(v.Cols, Column{Name: w.table.Columns[i].Name, Type: w.table.Columns[i].Type})
	}
	return v
}

func tooMany(b *binder, at ast.Node) error {
	return b.errAt(sqlerr.New(sqlerr.SyntaxError, "INSERT has more expressions than target columns"), at)
}

// insertSource binds VALUES or a query to rows of the table.
func (b *binder) insertSource(w *target, s *ast.Insert, places []int) (Node, error) {
	if v, ok := s.Source.Body.(*ast.Values); ok && s.Source.With == nil && len(s.Source.OrderBy) == 0 && s.Source.Limit == nil && s.Source.Offset == nil {
		return b.insertValues(w, s, v, places)
	}
	in, err := b.bindSelect(s.Source, env{}, true)
	if err != nil {
		return nil, err
	}
	cs := in.Columns()
	if len(cs) > len(places) {
		return nil, tooMany(b, s.Source)
	}
	if len(s.Columns) > len(cs) {
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "INSERT has more target columns than expressions"), s.Columns[len(cs)])
	}
	vals := make([]expr.Expr, len(cs))
	for i := range cs {
		col := &w.table.Columns[places[i]]
		if useDefault, err := overriding(col, s.Overriding); err != nil {
			return nil, err
		} else if useDefault {
			continue
		}
		// A literal of unknown type is read as the column's type.
		if p, ok := in.(*Project); ok && cs[i].Type.OID == types.OIDUnknown {
			if p.Exprs[i], err = b.assign(p.Exprs[i], col, s.Source); err != nil {
				return nil, err
			}
			p.Cols[i].Type = p.Exprs[i].Type()
		}
		if vals[i], err = b.assign(&expr.Column{Index: i, Typ: in.Columns()[i].Type, Name: cs[i].Name}, col, s.Source); err != nil {
			return nil, err
		}
	}
	p := &Project{Input: in, cols: b.rowValues(w, nil).cols}
	p.Exprs, err = b.fullRow(w, places, vals)
	return p, err
}

func (b *binder) insertValues(w *target, s *ast.Insert, v *ast.Values, places []int) (Node, error) {
	rows := make([][]expr.Expr, len(v.Rows))
	defaults := make([]expr.Expr, len(w.table.Columns))
	for r, row := range v.Rows {
		switch {
		case len(row) != len(v.Rows[0]):
			return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "VALUES lists must all be the same length"), v)
		case len(row) > len(places):
			return nil, tooMany(b, row[len(places)])
		case len(s.Columns) > len(row):
			return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "INSERT has more target columns than expressions"), s.Columns[len(row)])
		}
		full := make([]expr.Expr, len(w.table.Columns))
		for i, e := range row {
			if _, ok := e.(*ast.Default); ok {
				continue
			}
			x, err := b.expr(e, &scope{})
			if err != nil {
				return nil, err
			}
			if useDefault, err := overriding(&w.table.Columns[places[i]], s.Overriding); err != nil {
				return nil, err
			} else if useDefault {
				continue
			}
			if expr.HasAggregate(x) {
				return nil, b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in VALUES"), e)
			}
			if err := b.noWindow(x, "VALUES"); err != nil {
				return nil, err
			}
			if expr.HasSet(x) {
				return nil, b.errAt(unsupported("a set-returning function in VALUES"), e)
			}
			if full[places[i]], err = b.assign(x, &w.table.Columns[places[i]], e); err != nil {
				return nil, err
			}
		}
		for i := range full {
			if full[i] != nil {
				continue
			}
			if defaults[i] == nil {
				var err error
				if defaults[i], err = b.defaultOf(&w.table.Columns[i]); err != nil {
					return nil, err
				}
			}
			full[i] = defaults[i]
		}
		rows[r] = full
	}
	return b.rowValues(w, rows), nil
}

// onConflict binds ON CONFLICT.
func (b *binder) onConflict(w *target, o *ast.OnConflict) (*Conflict, error) {
	c := &Conflict{}
	switch {
	case o.Constraint != "":
		for i := range w.table.Indexes {
			if ix := &w.table.Indexes[i]; ix.Name == o.Constraint && ix.ConstraintID != 0 {
				c.Arbiters = append(c.Arbiters, i)
			}
		}
		if c.Arbiters == nil {
			return nil, b.errAt(sqlerr.New(sqlerr.UndefinedObject, "constraint %q for table %q does not exist", o.Constraint, w.table.Name), o)
		}
	case len(o.Target) > 0:
		if err := b.inferArbiters(w, o, c); err != nil {
			return nil, err
		}
	case !o.DoNothing:
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "ON CONFLICT DO UPDATE requires inference specification or constraint name").
			WithHint("For example, ON CONFLICT (column_name)."), o)
	}
	if o.DoNothing {
		return c, nil
	}
	// Names: the present row first, the proposed one as "excluded" behind it.
	excluded := tableScope(w.table, "excluded", nil)
	s, err := b.joinScopes(w.scope, excluded, len(w.table.Columns), env{}, o)
	if err != nil {
		return nil, err
	}
	if c.Set, c.Changed, err = b.assignments(w, o.Set, s); err != nil {
		return nil, err
	}
	if o.Where != nil {
		c.Where, err = b.condition(o.Where, "WHERE", s)
	}
	return c, err
}

// assignments binds SET: expressions for all columns of the new row, over a row
// that begins with the old one.
func (b *binder) assignments(w *target, list []ast.Assignment, s *scope) (row []expr.Expr, changed []bool, err error) {
	n := len(w.table.Columns)
	row, changed = make([]expr.Expr, n), make([]bool, n)
	for i := range row {
		c := &w.table.Columns[i]
		row[i] = &expr.Column{Index: i, Typ: c.Type, Name: c.Name}
	}
	for _, a := range list {
		vals := []ast.Expr{a.Value}
		var sub *ast.ScalarSubquery // that gives all columns
		if a.Multi {
			r, ok := a.Value.(*ast.Row)
			if !ok {
				if sub, ok = a.Value.(*ast.ScalarSubquery); !ok {
					return nil, nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression"),
						ast.At{Pos: ast.Leftmost(a.Value)})
				}
				vals = slices.Repeat(vals, len(a.Columns))
			} else if vals = r.Elems; len(vals) != len(a.Columns) {
				return nil, nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "number of columns does not match number of values"), a.Value)
			}
		}
		for j, id := range a.Columns {
			i, err := w.column(b, id)
			if err != nil {
				return nil, nil, err
			}
			if changed[i] && (a.Target == nil || !isPartAssignment(row[i])) {
				return nil, nil, sqlerr.New(sqlerr.SyntaxError, "multiple assignments to same column %q", id.Name)
			}
			changed[i] = true
			c := &w.table.Columns[i]
			w.need.Privileges |= catalog.Update
			mark(&w.need.Updated, c.ID)
			if _, ok := vals[j].(*ast.Default); ok {
				if row[i], err = b.defaultOf(c); err != nil {
					return nil, nil, err
				}
				continue
			}
			if c.Generated != "" {
				return nil, nil, errGenerated(c, "column %q can only be updated to DEFAULT")
			}
			if c.Identity == 'a' {
				return nil, nil, sqlerr.New(sqlerr.GeneratedAlways, "column %q can only be updated to DEFAULT", c.Name).
					WithDetail("Column %q is an identity column defined as GENERATED ALWAYS.", c.Name)
			}
			var x expr.Expr
			var at ast.Node = vals[j]
			if sub != nil {
				at = outputPos(sub.Query, j)
				x, err = b.subqueryColumn(sub, j, len(a.Columns), s)
			} else {
				x, err = b.expr(vals[j], s)
			}
			if err != nil {
				return nil, nil, err
			}
			if expr.HasAggregate(x) {
				return nil, nil, b.errAt(b.atAggregate(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in UPDATE"), x), vals[j])
			}
			if err := b.noWindow(x, "UPDATE"); err != nil {
				return nil, nil, err
			}
			if expr.HasSet(x) {
				return nil, nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in UPDATE"), vals[j])
			}
			if a.Target != nil {
				row[i], err = b.assignPart(row[i], c, a.Target, x, s)
			} else {
				row[i], err = b.assign(x, c, at)
			}
			if err != nil {
				return nil, nil, err
			}
		}
	}
	MarkGenerated(w.table, changed)
	return row, changed, nil
}

// isPartAssignment reports whether a new value is made of the old one by
// assignments to parts of it.
func isPartAssignment(x expr.Expr) bool {
	if c, ok := x.(*expr.Cast); ok && c.To.IsDomain() {
		x = c.Arg
	}
	switch x.(type) {
	case *expr.ArrayAssign, *expr.JSONAssign:
		return true
	}
	return false
}

// assignPart binds SET column[i]… = x; old is the column's value so far.
func (b *binder) assignPart(old expr.Expr, c *catalog.Column, t *ast.Subscript, x expr.Expr, s *scope) (expr.Expr, error) {
	lo, hi, slice, err := b.subscripts(t, c.Type, s)
	if err != nil {
		return nil, err
	}
	out, err := b.eb.AssignElement(c.Name, old, lo, hi, slice, x)
	if err == nil {
		out, err = b.eb.Cast(out, c.Type, expr.CastAssignment) // a domain's constraints hold for the whole
	}
	return out, b.errAt(err, t)
}

// subqueryColumn is the i-th of n columns of a subquery on the right of SET (…). The
// subquery is run for each column, so it must give the same each time.
func (b *binder) subqueryColumn(e *ast.ScalarSubquery, i, n int, s *scope) (expr.Expr, error) {
	sub, args, cs, err := b.subquery(e.Query, s)
	switch {
	case err != nil:
		return nil, err
	case len(cs) != n:
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "number of columns does not match number of values"), e)
	case volatile(sub.Plan):
		return nil, b.errAt(unsupported("assigning several columns from a subquery with volatile functions"), e)
	}
	p := identity(sub.Plan)
	p.Cols, p.Exprs = p.Cols[i:i+1], p.Exprs[i:i+1]
	sub.Plan = p
	return b.eb.ScalarSubquery(sub, args, cs[i].Type)
}

// source binds what UPDATE and DELETE read: the target joined with the items of
// FROM or USING, filtered.
func (b *binder) source(w *target, items []ast.TableExpr, where ast.Expr) (Node, *scope, error) {
	scan, err := b.scan(w.table, w.alias, true)
	if err != nil {
		return nil, nil, err
	}
	n, s, err := b.joinFrom(scan, w.scope, items, env{})
	if err != nil {
		return nil, nil, err
	}
	if where != nil {
		cond, err := b.condition(where, "WHERE", s)
		if err != nil {
			return nil, nil, err
		}
		n = &Filter{Input: n, Cond: cond}
	}
	return n, s, nil
}

func (b *binder) bindUpdate(s *ast.Update) (Node, []Column, error) {
	if s.With != nil {
		if err := b.bindWith(s.With, env{}); err != nil {
			return nil, nil, err
		}
	}
	w, err := b.target(s.Table, catalog.Update)
	if err != nil {
		return nil, nil, err
	}
	n := &Update{Table: w.table, Indexes: w.indexes, Derived: w.derived, Checks: w.checks, Generated: w.generated}
	var sc *scope
	if n.Input, sc, err = b.source(w, s.From, s.Where); err != nil {
		return nil, nil, err
	}
	if n.Input, err = b.currentOf(n.Input, w, s.CurrentOf); err != nil {
		return nil, nil, err
	}
	if n.NewRow, n.Changed, err = b.assignments(w, s.Set, sc); err != nil {
		return nil, nil, err
	}
	if n.Keys, err = b.references(w.table, true, n.Changed); err != nil {
		return nil, nil, err
	}
	n.Returning, n.Cols, err = b.returning(s.Returning, sc)
	return n, n.Cols, err
}

func (b *binder) bindDelete(s *ast.Delete) (Node, []Column, error) {
	if s.With != nil {
		if err := b.bindWith(s.With, env{}); err != nil {
			return nil, nil, err
		}
	}
	w, err := b.target(s.Table, catalog.Delete)
	if err != nil {
		return nil, nil, err
	}
	n := &Delete{Table: w.table, Indexes: w.indexes, Derived: w.derived}
	var sc *scope
	if n.Input, sc, err = b.source(w, s.Using, s.Where); err != nil {
		return nil, nil, err
	}
	if n.Input, err = b.currentOf(n.Input, w, s.CurrentOf); err != nil {
		return nil, nil, err
	}
	if len(b.referrers(w.table)) > 0 {
		if n.Keys, err = b.references(w.table, true, nil); err != nil {
			return nil, nil, err
		}
	}
	n.Returning, n.Cols, err = b.returning(s.Returning, sc)
	return n, n.Cols, err
}

// returning binds RETURNING; nil without one.
func (b *binder) returning(list []ast.Target, s *scope) ([]expr.Expr, []Column, error) {
	if len(list) == 0 {
		return nil, nil, nil
	}
	k := &core{b: b, scope: s}
	if err := k.targets(list); err != nil {
		return nil, nil, err
	}
	for i, x := range k.exprs {
		if expr.HasAggregate(x) {
			return nil, nil, b.errAt(sqlerr.New(sqlerr.GroupingError, "aggregate functions are not allowed in RETURNING"), k.asts[i])
		}
		if err := b.noWindow(x, "RETURNING"); err != nil {
			return nil, nil, err
		}
		if expr.HasSet(x) {
			return nil, nil, b.errAt(sqlerr.New(sqlerr.FeatureNotSupported, "set-returning functions are not allowed in RETURNING"), k.asts[i])
		}
		var err error
		if k.exprs[i], err = b.eb.Known(x); err != nil {
			return nil, nil, b.errAt(err, k.asts[i])
		}
		k.cols[i].Type = k.exprs[i].Type()
	}
	return k.exprs, k.cols, nil
}
