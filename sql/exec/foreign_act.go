package exec

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// settleLost does what is to be done about keys that rows have lost: constraint by
// constraint in the order in which they were made, as PostgreSQL's triggers run.
func (rt *Runtime) settleLost(ctx context.Context, gone []lost) error {
	type group struct {
		k      *plan.ForeignKey
		update bool
		list   []lost
	}
	var groups []*group
	byID := map[[2]uint64]*group{}
	for _, l := range gone {
		id := [2]uint64{uint64(l.k.Desc.ID), 0}
		if l.now != nil {
			id[1] = 1
		}
		g := byID[id]
		if g == nil {
			g = &group{k: l.k, update: l.now != nil}
			byID[id] = g
			groups = append(groups, g)
		}
		g.list = append(g.list, l)
	}
	slices.SortStableFunc(groups, func(a, b *group) int { return int(int64(a.k.Desc.ID) - int64(b.k.Desc.ID)) })
	for _, g := range groups {
		var err error
		switch action := g.k.Action(g.update); {
		case action == catalog.NoAction && rt.isDeferred(g.k):
			for _, l := range g.list {
				rt.keys.deferred = append(rt.keys.deferred, DeferredCheck{Table: g.k.Child.ID, Constraint: g.k.Desc.ID, Written: g.k.Parent.ID, Lost: true, Key: l.vals})
			}
		case action == catalog.NoAction || action == catalog.Restrict:
			err = rt.checkLost(ctx, g.list, action == catalog.Restrict)
		default:
			err = inAction(rt.act(ctx, g.k, action, g.list), g.k, action, g.update)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkLost returns an error if a row refers to a key that is gone. Unless strict, one
// that another row has got since is not.
func (rt *Runtime) checkLost(ctx context.Context, list []lost, strict bool) error {
	for len(list) > 0 {
		// One constraint after the other, in the order of the changes.
		k := list[0].k
		var mine, rest []lost
		for _, l := range list {
			if l.k == k {
				mine = append(mine, l)
			} else {
				rest = append(rest, l)
			}
		}
		if !strict {
			var err error
			if mine, err = rt.stillGone(ctx, mine); err != nil {
				return err
			}
		}
		found, err := rt.referring(ctx, k, mine, nil, true)
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return rt.errStillReferenced(mine[found[0].of])
		}
		list = rest
	}
	return nil
}

// stillGone leaves out the keys that rows have again.
func (rt *Runtime) stillGone(ctx context.Context, list []lost) (out []lost, err error) {
	ask := make([]keys.User, len(list))
	for i, l := range list {
		ask[i] = l.key
	}
	there, err := rt.KV.BatchGet(ctx, ask)
	for i, v := range there {
		if v == nil {
			out = append(out, list[i])
		}
	}
	return out, err
}

// referrer is a row that refers to one of a list of keys.
type referrer struct {
	row []types.Datum
	of  int
}

// referring finds the rows that refer to keys, through an index if there is one for it.
// vals, if they are given, are the keys' values on the referring side. With one the first
// row is enough: that of the first key that has any.
func (rt *Runtime) referring(ctx context.Context, k *plan.ForeignKey, list []lost, vals [][]types.Datum, one bool) ([]referrer, error) {
	if len(list) == 0 {
		return nil, nil
	}
	if k.Lookup == nil {
		return rt.referringByScan(ctx, k, list, one)
	}
	var out []referrer
	for i, l := range list {
		var v []types.Datum
		if vals != nil {
			v = vals[i]
		} else {
			var ok bool
			var err error
			if v, ok, err = rt.childValues(k, l.vals); err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
		}
		rows, err := rt.lookUp(ctx, k, v, one)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			out = append(out, referrer{r, i})
		}
		if one && len(out) > 0 {
			break
		}
	}
	return out, nil
}

// childValues are the values of the referring columns that refer to a key.
func (rt *Runtime) childValues(k *plan.ForeignKey, vals []types.Datum) ([]types.Datum, bool, error) {
	out := make([]types.Datum, len(vals))
	for i, v := range vals {
		if v.IsNull() {
			continue
		}
		var ok bool
		var err error
		if out[i], ok, err = rt.convert(k, i, v, false); err != nil || !ok {
			return nil, false, err
		}
	}
	return out, true, nil
}

// lookUp reads the rows whose referring columns have the given values, or just says by
// an empty row that there is one.
func (rt *Runtime) lookUp(ctx context.Context, k *plan.ForeignKey, vals []types.Datum, one bool) ([][]types.Datum, error) {
	in := make([]types.Datum, len(vals))
	for i, o := range k.LookupOrder {
		in[i] = vals[o]
	}
	prefix, err := k.Lookup.AppendPrefixKey(nil, in)
	if err != nil {
		return nil, err
	}
	o := ScanOptions{}
	if one {
		o.Limit = 1
	}
	it, err := rt.KV.Scan(ctx, prefix, keys.PrefixEnd(prefix), o)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	var out [][]types.Datum
	var list []keys.User
	fetch, err := k.Rows.NewFetcher(rowcodec.AllColumns(k.Child))
	if err != nil {
		return nil, err
	}
	add := func(key, value []byte) error {
		row := make([]types.Datum, len(k.Child.Columns))
		if err := fetch.Decode(key, value, row); err != nil {
			return sqlerr.Wrap(err, "read table %q", k.Child.Name)
		}
		out = append(out, row)
		return rt.grow(rowSize(row))
	}
	for {
		ok, err := it.Next(ctx)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if one {
			return [][]types.Datum{nil}, nil
		}
		if k.Lookup.Desc.Full {
			if err := add(it.Key(), it.Value()); err != nil {
				return nil, err
			}
			continue
		}
		pk, err := k.Lookup.PrimaryKey(k.Rows.Prefix(), it.Key(), it.Value())
		if err != nil {
			return nil, err
		}
		list = append(list, pk)
	}
	for part := range slices.Chunk(list, lookupRows) {
		values, err := rt.KV.BatchGet(ctx, part)
		if err != nil {
			return nil, err
		}
		for i, v := range values {
			if v == nil {
				continue
			}
			if err := add(part[i], v); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// referringByScan is referring by reading the whole table.
func (rt *Runtime) referringByScan(ctx context.Context, k *plan.ForeignKey, list []lost, one bool) ([]referrer, error) {
	wanted := make(map[string]int, len(list))
	for i, l := range list {
		if _, ok := wanted[string(l.key)]; !ok {
			wanted[string(l.key)] = i
		}
	}
	var out []referrer
	err := rt.eachRow(ctx, k.Rows, func(row []types.Datum) (bool, error) {
		vals := pick(row, k.Columns)
		if anyNull(vals) {
			return true, nil
		}
		key, err := rt.parentKey(k, vals)
		if err != nil || key == nil {
			return true, err
		}
		i, ok := wanted[string(key)]
		if !ok {
			return true, nil
		}
		switch {
		case one && len(out) == 0:
			out = append(out, referrer{nil, i})
		case one && i < out[0].of:
			out[0].of = i
		case !one:
			out = append(out, referrer{slices.Clone(row), i})
			return true, rt.grow(rowSize(row))
		}
		return !one || out[0].of > 0, nil
	})
	return out, err
}

// inAction says where an error has come from: the statement by which PostgreSQL does what
// an action asks.
func inAction(err error, k *plan.ForeignKey, action catalog.RefAction, update bool) error {
	e, ok := err.(*sqlerr.Error)
	if !ok || e.Where != "" || e.Code == sqlerr.ForeignKeyViolation {
		return err
	}
	table := quoted(k.Child.SchemaName) + "." + quoted(k.Child.Name)
	var set, where []string
	n := 0
	param := func() string { n++; return "$" + strconv.Itoa(n) }
	if action != catalog.Cascade || update {
		setColumns(k, update, nil, func(i int) {
			to := map[catalog.RefAction]string{catalog.SetNull: "NULL", catalog.SetDefault: "DEFAULT"}[action]
			if to == "" {
				to = param()
			}
			set = append(set, quoted(k.Child.Columns[k.Columns[i]].Name)+" = "+to)
		})
	}
	for _, c := range k.Columns {
		where = append(where, param()+" OPERATOR(pg_catalog.=) "+quoted(k.Child.Columns[c].Name))
	}
	text := "DELETE FROM ONLY " + table
	if set != nil {
		text = "UPDATE ONLY " + table + " SET " + strings.Join(set, ", ")
	}
	c := *e
	c.Where = "SQL statement \"" + text + " WHERE " + strings.Join(where, " AND ") + "\""
	return &c
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// act changes the rows that refer to keys which are gone.
func (rt *Runtime) act(ctx context.Context, k *plan.ForeignKey, action catalog.RefAction, list []lost) error {
	found, err := rt.referring(ctx, k, list, nil, false)
	if err != nil || len(found) == 0 {
		return err
	}
	rt.keys.acted = true
	update := list[0].now != nil
	ev := rt.eval(ctx, nil)
	w := newTableWriter(rt, k.Child, k.Writes.Indexes, k.Writes.Derived, ev)
	w.keys = k.Writes
	if action == catalog.Cascade && !update {
		return rt.cascadeDelete(ctx, &w, found)
	}
	check := rowChecker{k.Child, k.Writes.Checks, k.Writes.Generated, ev}
	changed := make([]bool, len(k.Child.Columns))
	rows := make([]rowChange, 0, len(found))
	for _, f := range found {
		now := slices.Clone(f.row)
		switch action {
		case catalog.Cascade:
			err = rt.follow(k, list[f.of].now, now, changed)
		case catalog.SetNull:
			setColumns(k, update, changed, func(i int) { now[k.Columns[i]] = types.Null })
		case catalog.SetDefault:
			setColumns(k, update, changed, func(i int) {
				if err == nil {
					now[k.Columns[i]], err = k.Defaults[i].Eval(ev, nil)
				}
			})
		}
		if err == nil {
			err = check.check(now)
		}
		if err == nil {
			err = rt.grow(rowSize(now))
		}
		if err != nil {
			return err
		}
		rows = append(rows, rowChange{f.row, now})
	}
	plan.MarkGenerated(k.Child, changed)
	if err := w.lock(ctx, rows, changed); err != nil {
		return err
	}
	if err := w.update(ctx, rows, changed); err != nil {
		return err
	}
	if action != catalog.SetDefault {
		return nil
	}
	// A row whose default is what it had refers to what is gone.
	return rt.checkLost(ctx, list, false)
}

func (rt *Runtime) cascadeDelete(ctx context.Context, w *tableWriter, found []referrer) error {
	rows := make([]rowChange, len(found))
	for i, f := range found {
		rows[i].old = f.row
	}
	if err := w.lock(ctx, rows, nil); err != nil {
		return err
	}
	for _, r := range rows {
		if err := w.remove(ctx, r.old); err != nil {
			return err
		}
	}
	return nil
}

// follow gives a row the new key of the row that it refers to.
func (rt *Runtime) follow(k *plan.ForeignKey, key []types.Datum, row []types.Datum, changed []bool) error {
	for i, c := range k.Columns {
		col := &k.Child.Columns[c]
		v := key[i]
		if to := k.ToChild[i]; to != nil && !v.IsNull() {
			var err error
			if v, err = to.Eval(rt.eval(rt.Eval.Ctx, nil), []types.Datum{v}); err != nil {
				return err
			}
		}
		if !v.IsNull() {
			var err error
			if v, err = types.ApplyTypmod(v, col.Type.Base(), false); err != nil {
				return err
			}
		}
		if err := types.CheckDomain(v, col.Type, rt.Eval.Format); err != nil {
			return err
		}
		row[c], changed[c] = v, true
	}
	return nil
}

// setColumns calls set for the columns that SET NULL or SET DEFAULT sets.
func setColumns(k *plan.ForeignKey, update bool, changed []bool, set func(i int)) {
	for i, c := range k.Columns {
		if !update && len(k.Desc.SetColumns) > 0 && !slices.Contains(k.Desc.SetColumns, k.Desc.Columns[i]) {
			continue
		}
		if changed != nil {
			changed[c] = true
		}
		set(i)
	}
}
