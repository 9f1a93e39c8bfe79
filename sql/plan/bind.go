package plan

import (
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/stats"
	"github.com/quorate-db/quorate/sql/types"
	"slices"
)

// Options is what a statement is bound against.
type Options struct {
	Catalog *catalog.Snapshot
	// Path are the schemas that unqualified names are looked up in, pg_catalog
	// included where it is searched implicitly.
	Path []string
	// Exprs is the catalogue of functions and operators.
	Exprs *expr.Catalog
	// Eval supplies the settings that literals are read under.
	Eval *expr.EvalContext
	// Text is the text that positions in the tree refer to.
	Text string
	// ParamTypes are the declared types of parameters; the zero Type, and missing
	// ones, are to be inferred.
	ParamTypes []types.Type
	// ParseExpr reads the text of a default or a check.
	ParseExpr func(text string) (ast.Expr, error)
	// ParseQuery reads the text of a view.
	ParseQuery func(text string) (*ast.Select, error)
	// TypeText prints the name of a type in expressions that are shown; nil is its String.
	TypeText func(types.Type) string
	// AsOf says that Catalog is the one that AS OF SYSTEM TIME of the statement asks for;
	// without it the clause is refused.
	AsOf bool
	// Cursor says that the statement is a cursor's query: see Plan.RowKey.
	Cursor bool
	// CurrentOf returns the primary key of the row of a table that a cursor stands on.
	CurrentOf func(cursor string, t *catalog.Table) ([]types.Datum, error)
	// NoRules leaves the plan as it was bound; for tests.
	NoRules bool
	// Stats returns what is known of a table's rows, nil for nothing. May be nil.
	Stats func(*catalog.Table) *stats.Table
	// Off are methods to be avoided.
	Off Methods
}

// maxParams is the protocol's limit on the number of parameters.
const maxParams = 65535

// maxColumns is the most columns a row may have, PostgreSQL's
// MaxTupleAttributeNumber.
const maxColumns = 1664

// binder binds one statement.
type binder struct {
	o      Options
	eb     *expr.Builder
	params []types.Type
	tables map[catalog.ID]uint64
	needs  []*Need
	ctes   *cteScope
	// topWith is the WITH clause of the statement itself, the only one that may write;
	// modifying are the queries in it that do.
	topWith   *ast.With
	modifying []*CTE
	// future are WITH queries that cannot be referred to yet.
	future []*ast.CTE
	// view is the view whose query is being bound; recording gathers what the names
	// in the query of a new one stand for.
	view      *catalog.View
	owner     catalog.ID // of that view
	recording *[]catalog.ViewRef
	// colPos remembers where references to columns were written, for messages about
	// grouping.
	colPos map[*expr.Column]ast.Pos
	depth  int
	// keyed is the core whose rows are to have a RowKey, behind visible columns.
	keyed   *ast.SelectCore
	rowKey  *RowKey
	visible int
	// refs are the tables whose foreign keys are bound; hasKeys says that there are some.
	refs    map[catalog.ID]*References
	hasKeys bool
}

// New binds a statement and applies the rules. It takes SELECT, VALUES, INSERT,
// UPDATE, DELETE and MERGE; anything else is 0A000.
func New(stmt ast.Statement, o Options) (*Plan, error) {
	b := newBinder(o)
	b.params = append(b.params, o.ParamTypes...)
	p := &Plan{}
	var err error
	switch s := stmt.(type) {
	case *ast.Select:
		p.Verb, b.topWith = "SELECT", s.With
		if o.Cursor {
			b.keyed, _ = s.Body.(*ast.SelectCore)
		}
		if p.Root, err = b.bindSelect(s, env{}, false); err == nil {
			p.Columns = p.Root.Columns()
			if p.RowKey = b.rowKey; p.RowKey != nil {
				p.Columns = p.Columns[:b.visible:b.visible]
			}
			if p.Columns == nil {
				p.Columns = []Column{} // SELECT FROM t: rows without columns, not no rows
			}
		}
		p.Writes = len(s.Locking) > 0
	case *ast.Insert:
		p.Verb, p.Writes, b.topWith = "INSERT", true, s.With
		p.Root, p.Columns, err = b.bindInsert(s)
	case *ast.Update:
		p.Verb, p.Writes, b.topWith = "UPDATE", true, s.With
		p.Root, p.Columns, err = b.bindUpdate(s)
	case *ast.Delete:
		p.Verb, p.Writes, b.topWith = "DELETE", true, s.With
		p.Root, p.Columns, err = b.bindDelete(s)
	case *ast.Merge:
		p.Verb, p.Writes, b.topWith = "MERGE", true, s.With
		p.Root, err = b.bindMerge(s)
	default:
		return nil, sqlerr.Unsupported("%s in this place", stmt.Tag())
	}
	if err != nil {
		return nil, err
	}
	for i, t := range b.params {
		if t.IsZero() || t.OID == types.OIDUnknown {
			return nil, sqlerr.New(sqlerr.IndeterminateDatatype, "could not determine data type of parameter $%d", i+1)
		}
	}
	p.Needs = b.needs
	p.Modifying, p.Writes = b.modifying, p.Writes || len(b.modifying) > 0
	p.Params, p.HasKeys = b.params, b.hasKeys
	for id, v := range b.tables {
		p.Tables = append(p.Tables, TableVersion{id, v})
	}
	if !o.NoRules {
		if err := b.optimize(p); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// place is what expr.Builder asks for the place of a literal.
func (b *binder) place(err error, at int32) error { return b.errAt(err, ast.At{Pos: ast.Pos(at)}) }

// paramType is what expr.Builder asks for parameters of unknown type.
func (b *binder) paramType(index int, want types.Type) (types.Type, error) {
	if t := b.params[index]; !t.IsZero() && t.OID != types.OIDUnknown {
		return t, nil
	}
	b.params[index] = want.Bare()
	return b.params[index], nil
}

func (b *binder) param(p *ast.Param) (expr.Expr, error) {
	if p.N < 1 || p.N > maxParams {
		return nil, b.errAt(sqlerr.New(sqlerr.UndefinedParameter, "there is no parameter $%d", p.N), p)
	}
	for len(b.params) < p.N {
		b.params = append(b.params, types.Type{})
	}
	t := b.params[p.N-1]
	if t.IsZero() {
		t = types.Unknown
	}
	return &expr.Param{Index: p.N - 1, Typ: t}, nil
}

// errAt gives an error the place of a node unless it has one.
func (b *binder) errAt(err error, n ast.Node) error {
	if err == nil {
		return nil
	}
	e, ok := err.(*sqlerr.Error)
	if !ok || e.Position != 0 || n == nil || n.Position() <= 0 {
		return err
	}
	c := *e
	c.Position = n.Position().Char(b.o.Text)
	return &c
}

func unsupported(what string) *sqlerr.Error { return sqlerr.Unsupported("%s", what) }

// maxDepth bounds the nesting of queries and expressions.
const maxDepth = 500

func (b *binder) enter() error {
	if b.depth++; b.depth > maxDepth {
		return sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded")
	}
	return nil
}

func (b *binder) leave() { b.depth-- }

// use notes the version of a table that the plan depends on.
func (b *binder) use(t *catalog.Table) { b.tables[t.ID] = t.Version }

// resolveTable finds a table by name.
func (b *binder) resolveTable(n ast.Name) (*catalog.Table, error) {
	if b.view != nil {
		t, _, err := b.viewRef(n)
		return t, b.errAt(err, n)
	}
	r, ok, err := b.o.Catalog.Resolve(n.Schema, n.Name, b.o.Path)
	if err != nil {
		return nil, b.errAt(err, n)
	}
	if !ok {
		return nil, b.errAt(b.relationMissing(n), n)
	}
	if r.Index != nil {
		return nil, b.errAt(sqlerr.New(sqlerr.WrongObjectType, "cannot open relation %q", n.Name).
			WithDetail("This operation is not supported for indexes."), n)
	}
	b.use(r.Table)
	b.record(n, r.Table)
	return r.Table, nil
}

// scope is the columns that names are looked up in.
type scope struct {
	cols []scopeCol
	rels []scopeRel
	env  env
	// lateral marks the items of FROM before one that may refer to them.
	lateral bool
	// windows are the named windows of the query.
	windows []ast.Window
}

// env is what surrounds a query: the scope where names go that it does not find
// itself, and the level that has to be crossed to get there (nil: none).
type env struct {
	parent *scope
	level  *level
	// beyond are tables of the statement that cannot be referred to from here.
	beyond []scopeRel
}

// hides adds those of a scope to the tables that cannot be referred to.
func (e env) hides(s *scope) env {
	e.beyond = append(slices.Clone(s.rels), e.beyond...)
	return e
}

// level collects the arguments of a subquery.
type level struct {
	args []expr.Expr
}

// arg returns how the inside of the level reads e, an expression of the outside.
func (l *level) arg(e expr.Expr, name string) expr.Expr {
	for i, a := range l.args {
		if expr.Equal(a, e) {
			return &expr.OuterParam{Index: i, Typ: e.Type(), Name: name}
		}
	}
	l.args = append(l.args, e)
	return &expr.OuterParam{Index: len(l.args) - 1, Typ: e.Type(), Name: name}
}

// scopeCol is one column in a scope.
type scopeCol struct {
	rel  int // place in rels; -1 for a merged column of USING
	name string
	e    expr.Expr
	// merged columns are hidden behind the one of USING unless they are qualified.
	merged bool
	hidden bool // not part of *
	oid    types.OID
	attnum int16
}

// scopeRel is one item of FROM.
type scopeRel struct {
	schema, name string
	table        *catalog.Table // nil for a subquery or function
	need         *Need          // what the statement needs of the table; may be nil
	recursive    bool           // a recursive query's reference to itself
	nullable     bool           // an outer join makes rows of NULLs of it
	row          types.Type     // the composite type of a function's rows, if it has one
}

// column makes the scope's column for a node's i-th column.
func column(i int, c Column, rel int, relName string) scopeCol {
	name := c.Name
	if relName != "" {
		name = relName + "." + c.Name
	}
	return scopeCol{rel: rel, name: c.Name, e: &expr.Column{Index: i, Typ: c.Type, Name: name}, oid: c.TableOID, attnum: c.AttNum}
}

// relScope makes the scope of one FROM item. names replaces the first column names.
func (b *binder) relScope(cs []Column, rel scopeRel, names []string, e env, at ast.Node) (*scope, error) {
	if len(names) > len(cs) {
		return nil, b.errAt(sqlerr.New(sqlerr.InvalidColumnReference, "table %q has %d columns available but %d columns specified",
			rel.name, len(cs), len(names)), at)
	}
	s := &scope{rels: []scopeRel{rel}, env: e, cols: make([]scopeCol, len(cs))}
	for i, c := range cs {
		if i < len(names) {
			c.Name = names[i]
		}
		s.cols[i] = column(i, c, 0, rel.name)
	}
	return s, nil
}

// shift returns e with its columns moved by off.
func shift(e expr.Expr, off int) expr.Expr {
	if off == 0 {
		return e
	}
	if c, ok := e.(*expr.Column); ok {
		return &expr.Column{Index: c.Index + off, Typ: c.Typ, Name: c.Name}
	}
	out, err := expr.Transform(e, func(x expr.Expr) (expr.Expr, error) {
		if c, ok := x.(*expr.Column); ok {
			return &expr.Column{Index: c.Index + off, Typ: c.Typ, Name: c.Name}, nil
		}
		return x, nil
	})
	if err != nil {
		return e // the function above returns none
	}
	return out
}

// join puts another scope's columns behind those of s; its rows come width values
// later.
func (b *binder) joinScopes(l, r *scope, width int, e env, at ast.Node) (*scope, error) {
	s := &scope{env: e}
	s.rels = append(append(s.rels, l.rels...), r.rels...)
	for i, x := range l.rels {
		for _, y := range r.rels {
			if x.name != "" && x.name == y.name && (x.schema == y.schema || x.table == nil || y.table == nil) {
				_ = i
				return nil, sqlerr.New(sqlerr.DuplicateAlias, "table name %q specified more than once", x.name)
			}
		}
	}
	s.cols = append(s.cols, l.cols...)
	for _, c := range r.cols {
		if c.rel >= 0 {
			c.rel += len(l.rels)
		}
		c.e = shift(c.e, width)
		s.cols = append(s.cols, c)
	}
	return s, nil
}

// mask returns a scope in which none of s's columns are visible, nor those of
// further lateral items around it, but what is around the whole query is.
func (s *scope) mask() *scope {
	if s == nil {
		return nil
	}
	m := &scope{env: s.env}
	m.env = m.env.hides(s)
	if p := s.env.parent; p != nil && p.lateral {
		m.env.parent = p.mask()
	}
	return m
}

// find looks a column up here and then outwards. table may be empty. The result is
// nil if there is none.
func (b *binder) find(s *scope, schema, table, name string, at ast.Node) (expr.Expr, error) {
	var found *scopeCol
	for i := range s.cols {
		c := &s.cols[i]
		if c.name != name {
			continue
		}
		if table == "" {
			if c.merged || c.hidden {
				continue
			}
		} else if c.rel < 0 || s.rels[c.rel].name != table || schema != "" && s.rels[c.rel].schema != schema {
			continue
		}
		if found != nil {
			return nil, b.errAt(sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", name), at)
		}
		found = c
	}
	if found != nil {
		s.read(found)
		if c, ok := found.e.(*expr.Column); ok {
			fresh := *c
			b.colPos[&fresh] = at.Position()
			return &fresh, nil
		}
		return found.e, nil
	}
	if name == tableOID {
		if e, err := b.tableOID(s, schema, table, at); e != nil || err != nil {
			return e, err
		}
	}
	if table != "" && s.hasRel(schema, table) {
		return nil, nil
	}
	return b.findOuter(s, func(p *scope) (expr.Expr, error) { return b.find(p, schema, table, name, at) }, name)
}

// tableOID names the one system column that is built. It is the same for all rows
// of a table, so that it needs no reading.
const tableOID = "tableoid"

// tableOID binds tableoid of a table in s, nil if there is no such table.
func (b *binder) tableOID(s *scope, schema, table string, at ast.Node) (expr.Expr, error) {
	var found *scopeRel
	place := 0
	for i := range s.rels {
		r := &s.rels[i]
		if r.table == nil || table != "" && (r.name != table || schema != "" && r.schema != schema) {
			continue
		}
		if found != nil {
			return nil, b.errAt(sqlerr.New(sqlerr.AmbiguousColumn, "column reference %q is ambiguous", tableOID), at)
		}
		found, place = r, i
	}
	if found == nil {
		return nil, nil
	}
	oid := &expr.Const{Val: types.NewOID(found.table.ID), Typ: types.Oid}
	if !found.nullable {
		return oid, nil
	}
	// There is a row of the table where a column that holds no NULLs is not NULL.
	for i := range s.cols {
		c := &s.cols[i]
		if c.rel != place || c.oid != found.table.ID {
			continue
		}
		if t := found.table.Column(c.attnum); t != nil && t.NotNull && !t.Hidden {
			s.read(c)
			return &expr.Case{When: []expr.CaseWhen{{Cond: &expr.IsNull{Arg: c.e, Negate: true}, Result: oid}}, Typ: types.Oid}, nil
		}
	}
	return nil, b.errAt(unsupported("tableoid of a table without NOT NULL columns on the nullable side of an outer join"), at)
}

func (b *binder) findOuter(s *scope, look func(*scope) (expr.Expr, error), name string) (expr.Expr, error) {
	if s.env.parent == nil {
		return nil, nil
	}
	e, err := look(s.env.parent)
	if err != nil || e == nil || s.env.level == nil {
		return e, err
	}
	return s.env.level.arg(e, name), nil
}

func (s *scope) hasRel(schema, table string) bool {
	for _, r := range s.rels {
		if r.name == table && (schema == "" || r.schema == schema) {
			return true
		}
	}
	return false
}

// relVisible reports whether a table of that name is visible here or further out.
func (s *scope) relVisible(schema, table string) bool {
	for ; s != nil; s = s.env.parent {
		if s.hasRel(schema, table) {
			return true
		}
	}
	return false
}

// wholeRow returns the row value of a FROM item, nil if there is none of that name.
func (b *binder) wholeRow(s *scope, table string) (expr.Expr, error) {
	for i, r := range s.rels {
		if r.name != table {
			continue
		}
		row := &expr.RowExpr{NullIfAll: r.nullable, Names: []string{}}
		for j := range s.cols {
			if c := &s.cols[j]; c.rel == i && !c.hidden {
				s.read(c)
				row.Items, row.Names = append(row.Items, c.e), append(row.Names, c.name)
			}
		}
		t := r.row
		if r.table != nil {
			t = b.o.Catalog.Row(r.table)
		}
		if t.IsComposite() && len(t.Def().Fields) == len(row.Items) {
			row.Typ, row.Names = t, row.Names[:0]
			for _, f := range t.Def().Fields {
				row.Names = append(row.Names, f.Name)
			}
		}
		return row, nil
	}
	return b.findOuter(s, func(p *scope) (expr.Expr, error) { return b.wholeRow(p, table) }, table)
}

// Coerced binds a query whose columns, at most as many as types are given, are
// cast to those types as in an assignment.
func Coerced(q *ast.Select, o Options, want []types.Type) (*Plan, error) {
	b := newBinder(o)
	n, err := b.bindSelect(q, env{}, true)
	if err != nil {
		return nil, err
	}
	if len(n.Columns()) > len(want) {
		return nil, b.errAt(sqlerr.New(sqlerr.SyntaxError, "there are more values than key columns (%d)", len(want)), q)
	}
	for i, c := range n.Columns() {
		if c.Type.OID == types.OIDUnknown {
			if n, err = b.coerceColumn(n, i, want[i]); err != nil {
				return nil, err
			}
		}
	}
	p := identity(n)
	for i := range p.Exprs {
		if p.Exprs[i], err = b.eb.Cast(p.Exprs[i], want[i], expr.CastAssignment); err != nil {
			return nil, b.errAt(err, q)
		}
		p.Cols[i].Type = want[i]
	}
	pl := &Plan{Root: p, Columns: p.Cols, Verb: "SELECT", Needs: b.needs}
	if !o.NoRules {
		err = b.optimize(pl)
	}
	return pl, err
}
