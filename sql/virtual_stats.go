package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/stats"
	"github.com/quorate-db/quorate/sql/types"
)

// statsTables are the views of what ANALYZE has found.
func statsTables() []*virtualTable {
	return []*virtualTable{
		{schema: catalog.SchemaPgCatalog, oid: 12047, name: "pg_stats", rows: pgStats,
			cols: columns("schemaname", types.Name, "tablename", types.Name, "attname", types.Name, "inherited", types.Bool, "null_frac", types.Float4,
				"avg_width", types.Int4, "n_distinct", types.Float4, "most_common_vals", types.TextArray, "most_common_freqs", float4Array(),
				"histogram_bounds", types.TextArray, "correlation", types.Float4, "most_common_elems", types.TextArray,
				"most_common_elem_freqs", float4Array(), "elem_count_histogram", float4Array())},
		{schema: catalog.SchemaPgCatalog, oid: 2619, name: "pg_statistic", rows: pgStatistic,
			cols: columns("starelid", types.Oid, "staattnum", types.Int2, "stainherit", types.Bool, "stanullfrac", types.Float4, "stawidth", types.Int4,
				"stadistinct", types.Float4, "stakind1", types.Int2, "stakind2", types.Int2, "stakind3", types.Int2, "stakind4", types.Int2, "stakind5", types.Int2,
				"staop1", types.Oid, "staop2", types.Oid, "staop3", types.Oid, "staop4", types.Oid, "staop5", types.Oid,
				"stacoll1", types.Oid, "stacoll2", types.Oid, "stacoll3", types.Oid, "stacoll4", types.Oid, "stacoll5", types.Oid,
				"stanumbers1", float4Array(), "stanumbers2", float4Array(), "stanumbers3", float4Array(), "stanumbers4", float4Array(), "stanumbers5", float4Array(),
				"stavalues1", types.TextArray, "stavalues2", types.TextArray, "stavalues3", types.TextArray, "stavalues4", types.TextArray, "stavalues5", types.TextArray)},
	}
}

func float4Array() types.Type {
	t, _ := types.Float4.ArrayOf()
	return t
}

// eachColumnStats calls f with what is known of the columns that the session's role may
// read.
func eachColumnStats(ctx context.Context, s *Session, f func(t *catalog.Table, c *catalog.Column, st *stats.Column) error) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	for _, t := range s.tx.snap.Tables() {
		if t.Virtual || t.Temp || !t.IsTable() {
			continue
		}
		st, err := loadStats(ctx, s.tx.tx, t)
		if err != nil {
			return err
		}
		if st == nil {
			continue
		}
		for i := range t.Columns {
			c := &t.Columns[i]
			col := st.Column(c.ID)
			if col == nil || c.Dropped || c.Hidden {
				continue
			}
			if s.tableRights(me.ID, t, catalog.Select) == 0 && !s.onColumns(me.ID, t, catalog.Select, map[int16]bool{c.ID: true}) {
				continue
			}
			if err := f(t, c, col); err != nil {
				return err
			}
		}
	}
	return nil
}

func dFloats(fs []float64) types.Datum {
	if len(fs) == 0 {
		return types.Null
	}
	out := make([]types.Datum, len(fs))
	for i, f := range fs {
		out[i] = dFloat4(f)
	}
	return types.NewArray(types.NewArrayOf(types.Float4, out))
}

func dFloat4(f float64) types.Datum { return types.NewFloat(float64(float32(f))) }

// dTexts is an array of values in their text form.
func (s *Session) dTexts(vals []types.Datum, t types.Type) types.Datum {
	if len(vals) == 0 {
		return types.Null
	}
	out := make([]types.Datum, len(vals))
	for i, v := range vals {
		out[i] = dText(types.TextOf(v, t, s.formatContext()))
	}
	return types.NewArray(types.NewArrayOf(types.Text, out))
}

func pgStats(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	return eachColumnStats(ctx, s, func(t *catalog.Table, c *catalog.Column, st *stats.Column) error {
		return yield([]types.Datum{dText(t.SchemaName), dText(t.Name), dText(c.Name), dBool(false), dFloat4(st.NullFrac), dInt(int64(st.Width)),
			dFloat4(st.Distinct), s.dTexts(st.Common, st.Type), dFloats(st.Freqs), s.dTexts(st.Bounds, st.Type), dFloat4(st.Correlation),
			types.Null, types.Null, types.Null})
	})
}

// The kinds of pg_statistic's slots.
const (
	statsCommon      = 1
	statsHistogram   = 2
	statsCorrelation = 3
)

func pgStatistic(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	return eachColumnStats(ctx, s, func(t *catalog.Table, c *catalog.Column, st *stats.Column) error {
		row := []types.Datum{dOID(t.ID), dInt(int64(c.ID)), dBool(false), dFloat4(st.NullFrac), dInt(int64(st.Width)), dFloat4(st.Distinct)}
		const kinds, ops, colls, numbers, values = 6, 11, 16, 21, 26
		for range 3 * 5 {
			row = append(row, dInt(0))
		}
		for range 2 * 5 {
			row = append(row, types.Null)
		}
		at := 0
		slot := func(kind int64, nums []float64, vals []types.Datum) {
			row[kinds+at], row[numbers+at], row[values+at] = dInt(kind), dFloats(nums), s.dTexts(vals, st.Type)
			at++
		}
		if len(st.Common) > 0 {
			slot(statsCommon, st.Freqs, st.Common)
		}
		if len(st.Bounds) > 0 {
			slot(statsHistogram, nil, st.Bounds)
		}
		if types.CheckOrdered(st.Type) == nil {
			slot(statsCorrelation, []float64{st.Correlation}, nil)
		}
		return yield(row)
	})
}

// relTuples is pg_class.reltuples: -1 for a table that was never analyzed.
func (s *Session) relTuples(t *catalog.Table) types.Datum {
	if st := s.e.tableStats(t); st != nil && !st.At.IsZero() {
		return dFloat4(st.Rows)
	}
	return types.NewFloat(-1)
}
