package sql

import (
	"bytes"
	"context"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// What statements show and change of the cluster: regions and nodes.

func (s *Session) admin() (Admin, error) {
	if s.e.o.Admin == nil {
		return nil, sqlerr.Unsupported("access to regions and nodes")
	}
	return s.e.o.Admin, nil
}

func quorateNodes(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	nodes, err := a.Nodes(ctx)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		started := types.Null
		if !n.Started.IsZero() {
			started = types.NewInt(types.FromTime(n.Started))
		}
		if err := yield([]types.Datum{dInt(int64(n.ID)), dText(n.SQLAddr), dText(n.RPCAddr), dText(n.State), dText(n.Version), started,
			dInt(n.Replicas), dInt(n.Leaders)}); err != nil {
			return err
		}
	}
	return nil
}

func quorateSettings(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	list, err := a.Settings(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if err := yield([]types.Datum{dText(c.Name), dText(c.Value), dText(c.Type), dText(c.Default), dText(c.Min), dText(c.Max), dBool(c.Set), dText(c.About)}); err != nil {
			return err
		}
	}
	return nil
}

func quorateRegions(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	regions, err := a.Regions(ctx, nil, nil)
	if err != nil {
		return err
	}
	for _, r := range regions {
		if err := yield(regionRow(s.tx.snap, r)); err != nil {
			return err
		}
	}
	return nil
}

func regionRow(snap *catalog.Snapshot, r RegionInfo) []types.Datum {
	peers := make([]types.Datum, len(r.Peers))
	for i, p := range r.Peers {
		peers[i] = dInt(int64(p.StoreID))
	}
	opt := func(n uint64) types.Datum {
		if n == 0 {
			return types.Null
		}
		return dInt(int64(n))
	}
	var tables []types.Datum
	for _, t := range snap.Tables() {
		if t.Virtual || t.Temp {
			continue
		}
		start := keys.TablePrefix(t.StorageID)
		end := keys.PrefixEnd(start)
		if (len(r.End) == 0 || bytes.Compare(start, r.End) < 0) && bytes.Compare(r.Start, end) < 0 {
			tables = append(tables, dText(t.Name))
		}
	}
	return []types.Datum{dInt(int64(r.ID)), types.NewBytes(bytes.Clone(r.Start)), types.NewBytes(bytes.Clone(r.End)), dInt(int64(r.ConfVer)),
		dInt(int64(r.Version)), opt(r.LeaderNode), opt(r.LeaderStore), types.NewArray(types.NewArrayOf(types.Int8, peers)),
		dInt(int64(r.SizeBytes)), types.NewArray(types.NewArrayOf(types.Text, tables))}
}

func showRegionsColumns() []pgwire.Column {
	var out []pgwire.Column
	for _, t := range virtualTables() {
		if t.name == "regions" && t.schema == catalog.SchemaQuorate {
			for _, c := range t.cols {
				out = append(out, pgwire.Column{Name: c.name, Type: c.typ})
			}
		}
	}
	return out
}

// showRegions is SHOW REGIONS FROM TABLE t | INDEX i.
func (s *Session) showRegions(ctx context.Context, p *portal, st *ast.ShowRegions, text string) error {
	a, err := s.admin()
	if err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	var start keys.User
	if st.Kind == ast.ObjIndex {
		r, err := s.indexNamed(st.Name)
		if err != nil {
			return err
		}
		if r.Table.Temp {
			return errNoRegions(r.Table)
		}
		start = keys.IndexPrefix(r.Table.StorageID, r.Index.Number)
	} else {
		t, err := s.table(st.Name, text)
		if err != nil {
			return err
		}
		if t.Virtual || t.Temp {
			return errNoRegions(t)
		}
		start = keys.TablePrefix(t.StorageID)
	}
	regions, err := a.Regions(ctx, start, keys.PrefixEnd(start))
	if err != nil {
		return err
	}
	p.cols = s.withFormats(showRegionsColumns(), p.formats)
	p.format = s.formatContext()
	for _, r := range regions {
		p.rows = append(p.rows, regionRow(s.tx.snap, r))
	}
	return nil
}

func errNoRegions(t *catalog.Table) error {
	return sqlerr.New(sqlerr.WrongObjectType, "%q has no regions", t.Name)
}

func (s *Session) indexNamed(n ast.Name) (catalog.Relation, error) {
	r, ok, err := s.resolve(n)
	switch {
	case err != nil:
		return r, err
	case !ok:
		return r, sqlerr.New(sqlerr.UndefinedTable, "relation %q does not exist", n.String())
	case r.Index == nil:
		return r, sqlerr.New(sqlerr.WrongObjectType, "%q is not an index", n.Name)
	}
	return r, nil
}

func (d *ddl) splitTable(ctx context.Context, t *catalog.Table, a *ast.SplitAt) error {
	return d.splitAt(ctx, t, t.Primary(), a)
}

func (d *ddl) splitIndex(ctx context.Context, st *ast.AlterTable, a *ast.SplitAt) error {
	r, err := d.s.indexNamed(st.Table)
	if err != nil {
		return err
	}
	if err := d.s.mustOwnNamed(r.Table, "index", r.Index.Name); err != nil {
		return err
	}
	return d.splitAt(ctx, r.Table, r.Index, a)
}

// splitAt cuts regions before the keys that the rows of a query are prefixes of.
func (d *ddl) splitAt(ctx context.Context, t *catalog.Table, ix *catalog.Index, a *ast.SplitAt) error {
	admin, err := d.s.admin()
	if err != nil {
		return err
	}
	if t.Temp {
		return errNoRegions(t)
	}
	if d.isNew(t) {
		return sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "table %q was created in this transaction and cannot be split before it has committed", t.Name)
	}
	x, err := rowcodec.NewIndex(t, ix)
	if err != nil {
		return err
	}
	var want []types.Type
	for _, c := range ix.Columns {
		want = append(want, t.KeyType(c))
	}
	rows, err := d.s.rowsOf(ctx, a.Source, d.text, want)
	if err != nil {
		return err
	}
	var list [][]byte
	for _, row := range rows {
		key, err := x.AppendPrefixKey(nil, row)
		if err != nil {
			return err
		}
		list = append(list, key)
	}
	if len(list) == 0 {
		return nil
	}
	if err := admin.SplitAt(ctx, list); err != nil {
		return sqlerr.New(sqlerr.TRStatementCompletionUnknown, "it is unknown which of the %d splits were done", len(list)).
			WithDetail("%v", err).WithHint("SHOW REGIONS FROM TABLE lists what there is; to repeat the statement does no harm.").WithCause(err)
	}
	return nil
}

// unsplitTable lets go of the kept boundaries of a table and of all its indexes: what
// is small is merged in time.
func (d *ddl) unsplitTable(ctx context.Context, t *catalog.Table) error {
	start := keys.TablePrefix(t.StorageID)
	return d.unsplit(ctx, t, start)
}

func (d *ddl) unsplitIndex(ctx context.Context, st *ast.AlterTable) error {
	r, err := d.s.indexNamed(st.Table)
	if err != nil {
		return err
	}
	return d.unsplit(ctx, r.Table, keys.IndexPrefix(r.Table.StorageID, r.Index.Number))
}

func (d *ddl) unsplit(ctx context.Context, t *catalog.Table, start []byte) error {
	admin, err := d.s.admin()
	if err != nil {
		return err
	}
	if t.Virtual || t.Temp {
		return errNoRegions(t)
	}
	if d.isNew(t) {
		return nil
	}
	if err := admin.Unsplit(ctx, start, keys.PrefixEnd(start)); err != nil {
		return sqlerr.New(sqlerr.TRStatementCompletionUnknown, "it is unknown which boundaries were let go").
			WithDetail("%v", err).WithHint("To repeat the statement does no harm.").WithCause(err)
	}
	return nil
}

// rowsOf runs a query whose columns are assigned to the given types.
func (s *Session) rowsOf(ctx context.Context, q *ast.Select, text string, want []types.Type) ([][]types.Datum, error) {
	pl, err := plan.Coerced(q, s.planOptions(text, nil), want)
	if err != nil {
		return nil, err
	}
	rt := s.runtime(ctx, nil)
	ex, err := rt.Start(ctx, pl)
	if err != nil {
		return nil, err
	}
	defer ex.Close()
	var out [][]types.Datum
	for {
		row, err := ex.Next(ctx)
		if err != nil || row == nil {
			return out, err
		}
		out = append(out, append([]types.Datum(nil), row...))
	}
}
