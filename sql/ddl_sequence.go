package sql

import (
	"context"
	"math"
	"strings"

	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (d *ddl) createSequence(ctx context.Context, st *ast.CreateSequence) error {
	sc, err := d.relationIn(ctx, st.Sequence, st.Persistence)
	if err != nil {
		return err
	}
	if _, exists := d.snap().Relation(sc.ID, st.Sequence.Name); exists {
		if st.IfNotExists {
			d.s.noticef(sqlerr.DuplicateTable, "relation %q already exists, skipping", st.Sequence.Name)
			return nil
		}
		return sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", st.Sequence.Name)
	}
	q := &catalog.Sequence{Type: types.OIDInt8, Cache: 1}
	if _, err := d.sequenceOptions(q, st.Options, true); err != nil {
		return err
	}
	if err := d.ownedBy(q, sc.ID, st.Options); err != nil {
		return err
	}
	return d.change(ctx, func(ch *catalog.Change) error {
		_, err := d.putSequence(ctx, ch, sc.ID, st.Sequence.Name, q)
		return err
	})
}

// putSequence adds a sequence.
func (d *ddl) putSequence(ctx context.Context, ch *catalog.Change, schema catalog.ID, name string, q *catalog.Sequence) (*catalog.Table, error) {
	id, err := ch.NewID(ctx)
	if err != nil {
		return nil, err
	}
	t := &catalog.Table{ID: id, Schema: schema, Name: name, StorageID: storageOf(id, schema == catalog.SchemaTemp), Temp: schema == catalog.SchemaTemp, Sequence: q, NextColumn: 4, Columns: []catalog.Column{
		{ID: 1, Name: "last_value", Type: types.Int8, NotNull: true},
		{ID: 2, Name: "log_cnt", Type: types.Int8, NotNull: true},
		{ID: 3, Name: "is_called", Type: types.Bool, NotNull: true},
	}}
	if err := d.giveTo(t); err != nil {
		return nil, err
	}
	return t, ch.PutTable(ctx, t)
}

// sequenceOptions applies options to a definition, as PostgreSQL's init_params
// does. The result is the value of RESTART, nil without one.
func (d *ddl) sequenceOptions(q *catalog.Sequence, list []ast.SequenceOption, fresh bool) (restart *int64, err error) {
	set := map[string]*ast.SequenceOption{}
	for i := range list {
		o := &list[i]
		if set[o.Name] != nil {
			return nil, d.at(sqlerr.New(sqlerr.SyntaxError, "conflicting or redundant options"), o)
		}
		set[o.Name] = o
	}
	resetMin, resetMax := fresh, fresh
	if o := set["as"]; o != nil {
		t, err := plan.ResolveType(o.Type, d.s.planOptions(d.text, nil))
		if err != nil {
			return nil, d.at(err, o)
		}
		if t.OID != types.OIDInt2 && t.OID != types.OIDInt4 && t.OID != types.OIDInt8 {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "sequence type must be smallint, integer, or bigint")
		}
		lo, hi := sequenceLimits(q.Type)
		resetMin, resetMax = fresh || q.Min == lo, fresh || q.Max == hi
		q.Type = t.OID
	}
	if o := set["increment"]; o != nil {
		if o.Value == 0 {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "INCREMENT must not be zero")
		}
		q.Increment = o.Value
	} else if fresh {
		q.Increment = 1
	}
	if o := set["cycle"]; o != nil {
		q.Cycle = !o.None
	}
	lo, hi := sequenceLimits(q.Type)
	if o := set["maxvalue"]; o != nil && o.HasValue {
		q.Max = o.Value
	} else if o != nil || resetMax {
		if q.Max = hi; q.Increment < 0 {
			q.Max = -1
		}
	}
	if o := set["minvalue"]; o != nil && o.HasValue {
		q.Min = o.Value
	} else if o != nil || resetMin {
		if q.Min = 1; q.Increment < 0 {
			q.Min = lo
		}
	}
	if o := set["start"]; o != nil {
		q.Start = o.Value
	} else if fresh {
		if q.Start = q.Min; q.Increment < 0 {
			q.Start = q.Max
		}
	}
	if o := set["cache"]; o != nil {
		if o.Value <= 0 {
			return nil, sqlerr.New(sqlerr.InvalidParameterValue, "CACHE (%d) must be greater than zero", o.Value)
		}
		q.Cache = o.Value
	}
	if o := set["restart"]; o != nil {
		v := q.Start
		if o.HasValue {
			v = o.Value
		}
		restart = &v
	}
	return restart, checkSequence(q, restart)
}

func sequenceLimits(t catalog.ID) (lo, hi int64) {
	switch t {
	case types.OIDInt2:
		return math.MinInt16, math.MaxInt16
	case types.OIDInt4:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

func checkSequence(q *catalog.Sequence, restart *int64) error {
	bad := func(format string, args ...any) error {
		return sqlerr.New(sqlerr.InvalidParameterValue, format, args...)
	}
	lo, hi := sequenceLimits(q.Type)
	name := types.Of(q.Type).String()
	switch {
	case q.Max < lo || q.Max > hi:
		return bad("MAXVALUE (%d) is out of range for sequence data type %s", q.Max, name)
	case q.Min < lo || q.Min > hi:
		return bad("MINVALUE (%d) is out of range for sequence data type %s", q.Min, name)
	case q.Min >= q.Max:
		return bad("MINVALUE (%d) must be less than MAXVALUE (%d)", q.Min, q.Max)
	case q.Start < q.Min:
		return bad("START value (%d) cannot be less than MINVALUE (%d)", q.Start, q.Min)
	case q.Start > q.Max:
		return bad("START value (%d) cannot be greater than MAXVALUE (%d)", q.Start, q.Max)
	case restart != nil && *restart < q.Min:
		return bad("RESTART value (%d) cannot be less than MINVALUE (%d)", *restart, q.Min)
	case restart != nil && *restart > q.Max:
		return bad("RESTART value (%d) cannot be greater than MAXVALUE (%d)", *restart, q.Max)
	}
	return nil
}

// ownedBy applies OWNED BY.
func (d *ddl) ownedBy(q *catalog.Sequence, schema catalog.ID, list []ast.SequenceOption) error {
	for _, o := range list {
		if o.Name != "owned by" {
			continue
		}
		if o.None {
			q.OwnerTable, q.OwnerColumn = 0, 0
			continue
		}
		if len(o.Owner) < 2 {
			return sqlerr.New(sqlerr.SyntaxError, "invalid OWNED BY option").WithHint("Specify OWNED BY table.column or OWNED BY NONE.")
		}
		n := len(o.Owner)
		name := ast.Name{Name: o.Owner[n-2]}
		if n > 2 {
			name.Schema = o.Owner[n-3]
		}
		t, err := d.s.table(name, d.text)
		if err != nil {
			return err
		}
		if err := d.s.mustOwn(t); err != nil {
			return err
		}
		c := t.ColumnByName(o.Owner[n-1])
		switch {
		case t.Schema != schema:
			return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "sequence must be in same schema as table it is linked to")
		case c == nil:
			return sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", o.Owner[n-1], t.Name)
		}
		q.OwnerTable, q.OwnerColumn = t.ID, c.ID
	}
	return nil
}

// alterSequence is ALTER SEQUENCE with options.
func (d *ddl) alterSequence(ctx context.Context, st *ast.AlterTable) error {
	r, ok, err := d.s.resolve(st.Table)
	switch {
	case err != nil:
		return err
	case !ok && st.IfExists:
		d.s.noticef(sqlerr.SuccessfulCompletion, "relation %q does not exist, skipping", st.Table.Name)
		return nil
	case !ok:
		return sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", st.Table.String())
	case r.Index != nil || r.Table.Sequence == nil:
		return sqlerr.New(sqlerr.WrongObjectType, "%q is not a sequence", st.Table.Name)
	}
	if err := d.s.mustOwn(r.Table); err != nil {
		return err
	}
	for _, a := range st.Actions {
		if owner, ok := a.(*ast.OwnerTo); ok {
			if err := d.ownerTo(ctx, d.snap().Table(r.Table.ID), owner.Role); err != nil {
				return err
			}
			continue
		}
		if to, ok := a.(*ast.RenameTo); ok {
			if err := d.renameRelation(ctx, catalog.Relation{Table: d.snap().Table(r.Table.ID)}, to.NewName); err != nil {
				return err
			}
			continue
		}
		o, ok := a.(*ast.AlterSequenceOptions)
		if !ok {
			return d.at(sqlerr.Unsupported("this form of ALTER SEQUENCE (%s)", alterName(a)), a)
		}
		t := d.snap().Table(r.Table.ID).Clone()
		restart, err := d.sequenceOptions(t.Sequence, o.Options, false)
		if err != nil {
			return err
		}
		if err := d.ownedBy(t.Sequence, t.Schema, o.Options); err != nil {
			return err
		}
		if err := d.change(ctx, func(ch *catalog.Change) error { return d.restart(ctx, ch, t, restart) }); err != nil {
			return err
		}
	}
	return nil
}

// restart stores a changed sequence. With restart it gets a state of its own, which
// counts once the transaction commits.
func (d *ddl) restart(ctx context.Context, ch *catalog.Change, t *catalog.Table, restart *int64) error {
	old := t.StorageID
	st, err := d.s.readSequence(ctx, d.s.tx.tx, d.snap().Table(t.ID))
	if err != nil {
		return err
	}
	if restart != nil {
		id, err := ch.NewID(ctx)
		if err != nil {
			return err
		}
		t.StorageID = storageOf(id, t.Temp)
		st = seqState{last: *restart}
		if !t.Temp {
			if err := d.s.tx.tx.Delete(ctx, catalog.SequenceKey(old)); err != nil {
				return err
			}
		}
	} else if st.last < t.Sequence.Min || st.last > t.Sequence.Max {
		q := t.Sequence
		if st.last < q.Min {
			return sqlerr.New(sqlerr.InvalidParameterValue, "RESTART value (%d) cannot be less than MINVALUE (%d)", st.last, q.Min)
		}
		return sqlerr.New(sqlerr.InvalidParameterValue, "RESTART value (%d) cannot be greater than MAXVALUE (%d)", st.last, q.Max)
	}
	st.gen++
	if err := d.s.writeSequence(ctx, d.s.tx.tx, t, st); err != nil {
		return err
	}
	return ch.PutTable(ctx, t)
}

// serialTypes are the types that stand for an integer with a sequence.
var serialTypes = map[string]string{"smallserial": "int2", "serial2": "int2", "serial": "int4", "serial4": "int4", "bigserial": "int8", "serial8": "int8"}

// serial gives a column a sequence of its own.
func (b *tableBuilder) serial(ctx context.Context, col *catalog.Column, q *catalog.Sequence, name []string) (*catalog.Table, error) {
	seq := chooseName(b.t.Name, col.Name, "seq", b.relTaken)
	if len(name) > 0 {
		if seq = name[len(name)-1]; b.relTaken(seq) {
			return nil, sqlerr.New(sqlerr.DuplicateTable, "relation %q already exists", seq)
		}
	}
	b.taken[seq] = true
	q.OwnerTable, q.OwnerColumn = b.t.ID, col.ID
	return b.d.putSequence(ctx, b.ch, b.t.Schema, seq, q)
}

func (b *tableBuilder) serialColumn(ctx context.Context, c *ast.ColumnDef) error {
	col := &b.t.Columns[len(b.t.Columns)-1]
	if col.Default != "" {
		return sqlerr.New(sqlerr.SyntaxError, "multiple default values specified for column %q of table %q", c.Name, b.t.Name)
	}
	if b.ch == nil {
		return b.d.at(sqlerr.Unsupported("ADD COLUMN of type %s", c.Type.Name), c)
	}
	q := &catalog.Sequence{Type: col.Type.OID, Cache: 1}
	if _, err := b.d.sequenceOptions(q, nil, true); err != nil {
		return err
	}
	t, err := b.serial(ctx, col, q, nil)
	if err != nil {
		return err
	}
	col.NotNull, col.Default = true, plan.NextvalText(t.ID)
	return nil
}

// identityColumn is GENERATED … AS IDENTITY.
func (b *tableBuilder) identityColumn(ctx context.Context, c *ast.ColumnDef, con *ast.Constraint) error {
	col := &b.t.Columns[len(b.t.Columns)-1]
	switch {
	case col.Type.OID != types.OIDInt2 && col.Type.OID != types.OIDInt4 && col.Type.OID != types.OIDInt8:
		return sqlerr.New(sqlerr.InvalidParameterValue, "identity column type must be smallint, integer, or bigint")
	case b.ch == nil:
		return b.d.at(sqlerr.Unsupported("ADD COLUMN of an identity column"), c)
	}
	return b.identity(ctx, col, con.Sequence, con.IdentityAlways)
}

// identity makes a column an identity column.
func (b *tableBuilder) identity(ctx context.Context, col *catalog.Column, options []ast.SequenceOption, always bool) error {
	q := &catalog.Sequence{Type: col.Type.OID, Cache: 1, Internal: true}
	var name []string
	var list []ast.SequenceOption
	for _, o := range options {
		switch o.Name {
		case "sequence name":
			name = o.Owner
		case "as":
			return b.d.at(sqlerr.New(sqlerr.SyntaxError, "identity column type must be specified in column type"), o)
		default:
			list = append(list, o)
		}
	}
	if _, err := b.d.sequenceOptions(q, list, true); err != nil {
		return err
	}
	t, err := b.serial(ctx, col, q, name)
	if err != nil {
		return err
	}
	col.NotNull, col.Sequence, col.Identity = true, t.ID, 'd'
	if always {
		col.Identity = 'a'
	}
	return nil
}

// serialSequence is pg_get_serial_sequence.
func (s *Session) serialSequence(snap *catalog.Snapshot, table, column string) (types.Datum, error) {
	oid, err := (objectNames{s}).ObjectOID(types.OIDRegClass, table)
	if err != nil {
		return types.Null, err
	}
	t := snap.Table(oid)
	if t == nil || !t.IsTable() {
		return types.Null, nil
	}
	c := t.ColumnByName(column)
	if c == nil {
		return types.Null, sqlerr.New(sqlerr.UndefinedColumn, "column %q of relation %q does not exist", column, t.Name)
	}
	for _, q := range snap.Tables() {
		if q.Sequence != nil && q.Sequence.OwnerTable == t.ID && q.Sequence.OwnerColumn == c.ID {
			return types.NewString(quoteName(q.SchemaName) + "." + quoteName(q.Name)), nil
		}
	}
	return types.Null, nil
}

func pgSequence(_ context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	for _, t := range s.tx.snap.Tables() {
		q := t.Sequence
		if q == nil {
			continue
		}
		if err := yield([]types.Datum{dOID(t.ID), dOID(q.Type), dInt(q.Start), dInt(q.Increment), dInt(q.Max), dInt(q.Min), dInt(q.Cache), dBool(q.Cycle)}); err != nil {
			return err
		}
	}
	return nil
}

func pgSequences(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		q := t.Sequence
		if q == nil {
			return nil
		}
		st, err := s.sequenceState(context.Background(), t)
		if err != nil {
			return err
		}
		row := fields{"schemaname": dText(t.SchemaName), "sequencename": dText(t.Name), "sequenceowner": s.ownerName(t.OwnerID()), "data_type": dOID(q.Type),
			"start_value": dInt(q.Start), "min_value": dInt(q.Min), "max_value": dInt(q.Max), "increment_by": dInt(q.Increment),
			"cycle": dBool(q.Cycle), "cache_size": dInt(q.Cache)}
		if st.called {
			row["last_value"] = dInt(st.last)
		}
		return yield(row)
	})
}

func infoSequences(s *Session, yield func(fields) error) error {
	return eachTable(s, false, func(t *catalog.Table) error {
		q := t.Sequence
		if q == nil || q.Internal {
			return nil
		}
		bits := map[catalog.ID]int64{types.OIDInt2: 16, types.OIDInt4: 32, types.OIDInt8: 64}[q.Type]
		return yield(fields{"sequence_catalog": dText(s.database()), "sequence_schema": dText(t.SchemaName), "sequence_name": dText(t.Name),
			"data_type": dText(types.Of(q.Type).String()), "numeric_precision": dInt(bits), "numeric_precision_radix": dInt(2), "numeric_scale": dInt(0),
			"start_value": dText(itoa64(q.Start)), "minimum_value": dText(itoa64(q.Min)), "maximum_value": dText(itoa64(q.Max)),
			"increment": dText(itoa64(q.Increment)), "cycle_option": dYes(q.Cycle)})
	})
}

// sequenceRow is what SELECT from a sequence gives.
func (s *Session) sequenceRow(ctx context.Context, t *catalog.Table, yield yieldRow) error {
	st, err := s.sequenceState(ctx, t)
	if err != nil {
		return err
	}
	return yield([]types.Datum{dInt(st.last), dInt(0), dBool(st.called)})
}

// sequencesOf are the sequences that belong to columns of a table.
func sequencesOf(snap *catalog.Snapshot, table catalog.ID) []*catalog.Table {
	var out []*catalog.Table
	for _, t := range snap.Tables() {
		if t.Sequence != nil && t.Sequence.OwnerTable == table {
			out = append(out, t)
		}
	}
	return out
}

func quoteName(s string) string { return plan.QuoteIdent(s) }

// usesSequence reports whether a default takes its values from a sequence.
func usesSequence(c *catalog.Column, id catalog.ID) bool {
	return c.Sequence == id || strings.Contains(c.Default, plan.NextvalText(id))
}
