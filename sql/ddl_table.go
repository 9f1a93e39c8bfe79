package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// rowIDColumn is the name of the hidden key of tables without primary key.
const rowIDColumn = "rowid"

func (d *ddl) createTable(ctx context.Context, st *ast.CreateTable) error {
	switch {
	case len(st.Likes) > 0:
		return d.at(sqlerr.Unsupported("LIKE in CREATE TABLE"), st)
	case len(st.Inherits) > 0:
		return d.at(sqlerr.Unsupported("table inheritance"), st)
	case st.PartitionBy != "" || st.PartitionOf != nil:
		return d.at(sqlerr.Unsupported("a partitioned table"), st)
	case st.Tablespace != "" && st.Tablespace != "pg_default":
		return sqlerr.New(sqlerr.UndefinedObject, "tablespace %q does not exist", st.Tablespace)
	case st.AccessMethod != "" && st.AccessMethod != "heap":
		return sqlerr.New(sqlerr.UndefinedObject, "access method %q does not exist", st.AccessMethod)
	}
	sc, err := d.relationIn(ctx, st.Table, st.Persistence)
	if err != nil {
		return err
	}
	commit, err := onCommit(st.OnCommit, sc)
	if err != nil {
		return err
	}
	if _, exists := d.snap().Relation(sc.ID, st.Table.Name); exists {
		if st.IfNotExists {
			d.s.noticef(sqlerr.DuplicateTable, "relation %q already exists, skipping", st.Table.Name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", st.Table.Name)
	}
	if err := d.freeRowType(sc, st.Table.Name); err != nil {
		return err
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		b := &tableBuilder{d: d, ch: ch, schema: sc.Name, taken: map[string]bool{st.Table.Name: true}, constraints: map[string]bool{}}
		t, err := b.build(ctx, sc, st)
		if err != nil {
			return err
		}
		t.OnCommit = commit
		if err := d.giveTo(t); err != nil {
			return err
		}
		return ch.PutTable(ctx, t)
	})
}

// tableBuilder makes the descriptor of a new table, or adds to one.
type tableBuilder struct {
	d  *ddl
	ch *catalog.Change
	t  *catalog.Table
	// taken are names of relations given in this statement, constraints those of
	// constraints.
	taken       map[string]bool
	constraints map[string]bool
	// generations are the generated columns, whose expressions are still to be read.
	generations []generation
	schema      string // of the table
}

func (b *tableBuilder) build(ctx context.Context, sc *catalog.Schema, st *ast.CreateTable) (*catalog.Table, error) {
	id, err := b.ch.NewID(ctx)
	if err != nil {
		return nil, err
	}
	typeID, err := b.ch.NewID(ctx)
	if err != nil {
		return nil, err
	}
	arrayID, err := b.ch.NewID(ctx)
	if err != nil {
		return nil, err
	}
	b.t = &catalog.Table{ArrayTypeID: arrayID, ArrayTypeName: arrayName(b.ch.Current(), sc.ID, st.Table.Name), ID: id, Schema: sc.ID, Name: st.Table.Name, StorageID: storageOf(id, sc.ID == catalog.SchemaTemp), TypeID: typeID, NextColumn: 1, NextIndex: 1, Temp: sc.ID == catalog.SchemaTemp}
	for _, p := range st.Params {
		if b.t.Options == nil {
			b.t.Options = map[string]string{}
		}
		b.t.Options[p.Name] = p.Value
	}
	var tableCons []*ast.Constraint
	for _, c := range st.Columns {
		cons, err := b.column(ctx, c)
		if err != nil {
			return nil, err
		}
		tableCons = append(tableCons, cons...)
	}
	if err := b.generate(); err != nil {
		return nil, err
	}
	tableCons = append(tableCons, st.Constraints...)
	// The primary key is made first: it is index number one.
	var pk *ast.Constraint
	for _, c := range tableCons {
		if c.Kind != ast.ConstraintPrimaryKey {
			continue
		}
		if pk != nil {
			return nil, b.d.at(sqlerr.New(sqlerr.InvalidTableDefinition, "multiple primary keys for table %q are not allowed", b.t.Name), c)
		}
		pk = c
	}
	if err := b.primary(ctx, pk); err != nil {
		return nil, err
	}
	for _, c := range tableCons {
		switch c.Kind {
		case ast.ConstraintPrimaryKey:
		case ast.ConstraintUnique:
			ix, err := b.uniqueIndex(ctx, c, false)
			if err != nil {
				return nil, err
			}
			b.t.Indexes = append(b.t.Indexes, *ix)
		case ast.ConstraintCheck:
			if err := b.check(ctx, c); err != nil {
				return nil, err
			}
		case ast.ConstraintForeignKey:
		default:
			return nil, b.d.at(unsupportedConstraint(c), c)
		}
	}
	for _, c := range tableCons {
		// They may refer to the table itself, by any of its keys.
		if c.Kind == ast.ConstraintForeignKey {
			if err := b.foreignKey(ctx, c); err != nil {
				return nil, err
			}
		}
	}
	return b.t, nil
}

func unsupportedConstraint(c *ast.Constraint) error {
	switch c.Kind {
	case ast.ConstraintExclude:
		return sqlerr.Unsupported("an EXCLUDE constraint")
	case ast.ConstraintIdentity:
		return sqlerr.Unsupported("an identity column")
	}
	return sqlerr.Unsupported("this constraint")
}

// column adds a column and returns its constraints that concern the table.
func (b *tableBuilder) column(ctx context.Context, c *ast.ColumnDef) ([]*ast.Constraint, error) {
	d := b.d
	if b.t.ColumnByName(c.Name) != nil {
		return nil, sqlerr.New(sqlerr.DuplicateColumn, "column %q specified more than once", c.Name)
	}
	typeName := c.Type
	serial := serialTypes[typeName.Name]
	if serial != "" && typeName.Schema == "" {
		if typeName.ArrayDims > 0 {
			return nil, d.at(sqlerr.New(sqlerr.FeatureNotSupported, "array of serial is not implemented"), c.Type)
		}
		typeName.Name = serial
	}
	typ, err := plan.ResolveType(typeName, d.s.planOptions(d.text, nil))
	if err != nil {
		return nil, d.at(err, c.Type)
	}
	if err := typ.CheckBuilt(); err != nil {
		return nil, d.at(err, c.Type)
	}
	switch typ.Category() {
	case 'P', 'X':
		return nil, sqlerr.New(sqlerr.InvalidTableDefinition, "column %q has pseudo-type %s", c.Name, typ)
	}
	if c.Collation != nil {
		switch c.Collation.Name {
		case "default", "C", "POSIX", "ucs_basic":
		default:
			return nil, d.at(sqlerr.Unsupported("collation %q", c.Collation.Name), c)
		}
	}
	if len(b.t.Columns) >= 1600 {
		return nil, sqlerr.New(sqlerr.TooManyColumns, "tables can have at most 1600 columns")
	}
	col := catalog.Column{ID: b.t.NextColumn, Name: c.Name, Type: typ}
	b.t.NextColumn++
	var rest []*ast.Constraint
	null := false
	var identity *ast.Constraint
	for _, con := range c.Constraints {
		switch con.Kind {
		case ast.ConstraintNotNull:
			if null {
				return nil, d.at(conflictingNull(b.t, c), con)
			}
			col.NotNull = true
		case ast.ConstraintNull:
			if col.NotNull {
				return nil, d.at(conflictingNull(b.t, c), con)
			}
			null = true
		case ast.ConstraintDefault:
			if col.Default != "" {
				return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "multiple default values specified for column %q of table %q", c.Name, b.t.Name), con)
			}
			if col.Identity != 0 || identity != nil {
				return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "both default and identity specified for column %q of table %q", c.Name, b.t.Name), con)
			}
			if err := plan.CheckDefault(d.s.planOptions(d.text, nil), con.Expr, c.Name, typ); err != nil {
				return nil, err
			}
			if col.Default, err = plan.StoredDefault(d.s.planOptions(d.text, nil), con.Expr, con.ExprText); err != nil {
				return nil, err
			}
		case ast.ConstraintIdentity:
			if identity != nil {
				return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "multiple identity specifications for column %q of table %q", c.Name, b.t.Name), con)
			}
			if col.Default != "" {
				return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "both default and identity specified for column %q of table %q", c.Name, b.t.Name), con)
			}
			identity = con
		case ast.ConstraintGenerated:
			if err := b.generation(c, con); err != nil {
				return nil, err
			}
		case ast.ConstraintPrimaryKey, ast.ConstraintUnique, ast.ConstraintForeignKey:
			k := *con
			k.Columns = []ast.Ident{{At: con.At, Name: c.Name}}
			rest = append(rest, &k)
		case ast.ConstraintCheck:
			rest = append(rest, con)
		default:
			return nil, d.at(unsupportedConstraint(con), con)
		}
	}
	b.t.Columns = append(b.t.Columns, col)
	if k := len(b.generations); k > 0 && b.generations[k-1].column == c {
		g := &b.generations[k-1]
		switch g.id = col.ID; {
		case serial != "":
			return nil, sqlerr.New(sqlerr.SyntaxError, "both default and generation expression specified for column %q of table %q", c.Name, b.t.Name)
		case col.Default != "":
			return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "both default and generation expression specified for column %q of table %q", c.Name, b.t.Name), g.con)
		case identity != nil:
			return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "both identity and generation expression specified for column %q of table %q", c.Name, b.t.Name), g.con)
		}
	}
	if serial != "" {
		if null {
			return nil, d.at(conflictingNull(b.t, c), c)
		}
		err = b.serialColumn(ctx, c)
	} else if identity != nil {
		if null {
			return nil, d.at(conflictingNull(b.t, c), identity)
		}
		err = b.identityColumn(ctx, c, identity)
	}
	return rest, err
}

func conflictingNull(t *catalog.Table, c *ast.ColumnDef) error {
	return sqlerr.New(sqlerr.SyntaxError, "conflicting NULL/NOT NULL declarations for column %q of table %q", c.Name, t.Name)
}

// primary makes the primary index: that of the constraint, or one over a hidden
// row id.
func (b *tableBuilder) primary(ctx context.Context, pk *ast.Constraint) error {
	if pk == nil {
		col := catalog.Column{ID: b.t.NextColumn, Name: rowIDColumn, Type: typeInt8, NotNull: true, Hidden: true, RowID: true}
		b.t.NextColumn++
		b.t.Columns = append(b.t.Columns, col)
		b.t.Indexes = append(b.t.Indexes, catalog.Index{Number: b.number(), Name: rowIDColumn, Unique: true, Full: true,
			Columns: []catalog.IndexColumn{{Column: col.ID}}})
		return nil
	}
	ix, err := b.uniqueIndex(ctx, pk, true)
	if err != nil {
		return err
	}
	for _, c := range ix.Columns {
		b.t.Column(c.Column).NotNull = true
	}
	b.t.Indexes = append(b.t.Indexes, *ix)
	return nil
}

func (b *tableBuilder) number() uint64 {
	b.t.NextIndex++
	return b.t.NextIndex - 1
}

// uniqueIndex makes the index of a PRIMARY KEY or UNIQUE constraint.
func (b *tableBuilder) uniqueIndex(ctx context.Context, c *ast.Constraint, primary bool) (*catalog.Index, error) {
	switch {
	case c.NullsNotDistinct:
		return nil, b.d.at(sqlerr.Unsupported("NULLS NOT DISTINCT"), c)
	case c.UsingIndex != "":
		return nil, b.d.at(sqlerr.Unsupported("a constraint USING INDEX"), c)
	case c.Deferrable || c.InitiallyDeferred:
		return nil, b.d.at(sqlerr.Unsupported("a DEFERRABLE unique constraint"), c)
	}
	what := "unique"
	if primary {
		what = "primary key"
	}
	// Rows lie in the order of the key, unless other indexes point to where they are.
	full := primary && len(b.t.Indexes) <= 1
	ix := &catalog.Index{Unique: true, Full: full, Key: primary && !full}
	var names columnNames
	for _, id := range c.Columns {
		col := b.t.ColumnByName(id.Name)
		if col == nil {
			if b.t.Version > 0 { // ALTER TABLE
				return nil, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", id.Name, b.t.Name)
			}
			return nil, b.d.at(sqlerr.New(sqlerr.UndefinedColumn, "column %q named in key does not exist", id.Name), c)
		}
		if err := rowcodec.CheckKeyType(col.Type); err != nil {
			return nil, b.d.at(err, c)
		}
		for _, k := range ix.Columns {
			if k.Column == col.ID {
				return nil, b.d.at(sqlerr.New(sqlerr.DuplicateColumn, "column %q appears twice in %s constraint", id.Name, what), c)
			}
		}
		ix.Columns = append(ix.Columns, catalog.IndexColumn{Column: col.ID})
		names.add(id.Name)
	}
	for _, id := range c.Include {
		col := b.t.ColumnByName(id.Name)
		if col == nil {
			return nil, b.d.at(sqlerr.New(sqlerr.UndefinedColumn, "column %q named in key does not exist", id.Name), c)
		}
		ix.Include = append(ix.Include, col.ID)
		names.add(id.Name)
	}
	ix.Name = c.Name
	switch {
	case ix.Name != "":
		if b.relTaken(ix.Name) {
			return nil, sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", ix.Name)
		}
	case primary:
		ix.Name = chooseName(b.t.Name, "", "pkey", b.relTaken)
	default:
		ix.Name = chooseName(b.t.Name, names.join(), "key", b.relTaken)
	}
	b.taken[ix.Name], b.constraints[ix.Name] = true, true
	var err error
	if ix.ID, err = b.ch.NewID(ctx); err != nil {
		return nil, err
	}
	if ix.ConstraintID, err = b.ch.NewID(ctx); err != nil {
		return nil, err
	}
	ix.Number = b.number()
	return ix, nil
}

func (b *tableBuilder) relTaken(name string) bool {
	_, exists := b.ch.Snapshot().Relation(b.t.Schema, name)
	return exists || b.taken[name]
}

// check adds a CHECK constraint.
func (b *tableBuilder) check(ctx context.Context, c *ast.Constraint) error {
	cols, err := plan.CheckCondition(b.d.s.planOptions(b.d.text, nil), c.Expr, b.t)
	if err != nil {
		return err
	}
	for i := range b.t.Checks {
		b.constraints[b.t.Checks[i].Name] = true
	}
	name := c.Name
	if name == "" {
		column := ""
		if len(cols) == 1 {
			column = b.t.Column(cols[0]).Name
		}
		name = chooseName(b.t.Name, column, "check", func(n string) bool { return b.constraints[n] })
	} else if b.constraints[name] {
		return sqlerr.New(sqlerr.DuplicateObject, "constraint %q for relation %q already exists", name, b.t.Name)
	}
	b.constraints[name] = true
	id, err := b.ch.NewID(ctx)
	if err != nil {
		return err
	}
	b.t.Checks = append(b.t.Checks, catalog.Check{ID: id, Name: name, Expr: c.ExprText, Columns: cols})
	return nil
}
