package exec

import (
	"context"
	"slices"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/types"
)

// aggOp groups its input in a hash table.
type aggOp struct {
	rt *Runtime
	in operator
	n  *plan.Aggregate
	ev *expr.EvalContext

	done   bool
	keys   *rowSet
	groups []*group
	at     int
}

// group is the state of one group.
type group struct {
	states []expr.AggState
	inputs []aggInput
}

// aggInput holds what an aggregate with DISTINCT or ORDER BY has to keep.
type aggInput struct {
	set  *rowSet         // DISTINCT: arguments seen
	rows [][]types.Datum // ORDER BY: arguments, then sort keys
}

func (o *aggOp) next(ctx context.Context, b *Batch) error {
	if !o.done {
		if err := o.run(ctx); err != nil {
			return err
		}
		o.done = true
	}
	b.reset(len(o.n.Cols))
	for ; o.at < len(o.groups) && !b.full(); o.at++ {
		out := b.add()
		g := o.groups[o.at]
		key := o.keys.store.row(o.at)
		copy(out, key[:len(o.n.Groups)])
		if o.n.Sets != nil {
			out[len(out)-1] = key[len(o.n.Groups)]
		}
		for i, s := range g.states {
			d, err := s.Result(o.ev)
			if err != nil {
				return err
			}
			out[len(o.n.Groups)+i] = d
		}
	}
	return ctx.Err()
}

func (o *aggOp) run(ctx context.Context) error {
	ts := make([]types.Type, len(o.n.Groups))
	for i, g := range o.n.Groups {
		ts[i] = g.Type()
	}
	sets := o.n.Sets
	if sets != nil {
		ts = append(ts, types.Int4)
	}
	o.keys = newRowSet(o.rt, ts)
	key := make([]types.Datum, len(ts))
	if len(ts) == 0 {
		if _, err := o.group(key); err != nil {
			return err
		}
	}
	for i, set := range sets {
		if len(set) == 0 {
			if _, err := o.group(o.masked(key, i)); err != nil {
				return err
			}
		}
	}
	r := rowReader{op: o.in}
	var args []types.Datum
	for n := 0; ; n++ {
		row, err := r.next(ctx)
		if err != nil {
			return err
		}
		if row == nil {
			break
		}
		if err := evalInto(key[:len(o.n.Groups)], o.n.Groups, o.ev, row); err != nil {
			return err
		}
		for set := range max(1, len(sets)) {
			k := key
			if sets != nil {
				k = o.masked(key, set)
			}
			g, err := o.group(k)
			if err != nil {
				return err
			}
			for i, call := range o.n.Aggs {
				if args, err = o.add(g, i, call, row, args); err != nil {
					return err
				}
			}
		}
	}
	for _, g := range o.groups {
		if err := o.finish(g); err != nil {
			return err
		}
	}
	return nil
}

// masked is a row's key in a grouping set: NULL for the keys that are not in it,
// then the number of the set.
func (o *aggOp) masked(key []types.Datum, set int) []types.Datum {
	out := make([]types.Datum, len(key))
	for _, p := range o.n.Sets[set] {
		out[p] = key[p]
	}
	out[len(out)-1] = types.NewInt(int64(set + 1))
	return out
}

func (o *aggOp) group(key []types.Datum) (*group, error) {
	i, isNew, err := o.keys.put(key)
	if err != nil {
		return nil, err
	}
	if !isNew {
		return o.groups[i], nil
	}
	g := &group{states: make([]expr.AggState, len(o.n.Aggs))}
	size := 64
	for j, call := range o.n.Aggs {
		if g.states[j], err = expr.NewAggState(call.Fn, &call.Sig); err != nil {
			return nil, err
		}
		size += g.states[j].Size()
		if call.Distinct || len(call.OrderBy) > 0 {
			if g.inputs == nil {
				g.inputs = make([]aggInput, len(o.n.Aggs))
			}
			if call.Distinct {
				at := make([]types.Type, len(call.Args))
				for k, a := range call.Args {
					at[k] = a.Type()
				}
				g.inputs[j].set = newRowSet(o.rt, at)
			}
		}
	}
	o.groups = append(o.groups, g)
	return g, o.rt.grow(size)
}

// add gives one row to an aggregate; args is scratch space.
func (o *aggOp) add(g *group, i int, call *expr.AggCall, row, args []types.Datum) ([]types.Datum, error) {
	if call.Filter != nil {
		ok, err := expr.EvalBool(call.Filter, o.ev, row)
		if err != nil || !ok {
			return args, err
		}
	}
	n := len(call.Args)
	args = slices.Grow(args[:0], n+len(call.OrderBy))[:n+len(call.OrderBy)]
	if err := evalInto(args, call.Args, o.ev, row); err != nil {
		return args, err
	}
	if call.Distinct {
		_, isNew, err := g.inputs[i].set.put(args[:n])
		if err != nil || !isNew {
			return args, err
		}
	}
	if len(call.OrderBy) == 0 {
		before := g.states[i].Size()
		if err := g.states[i].Add(o.ev, args[:n]); err != nil {
			return args, err
		}
		return args, o.rt.grow(g.states[i].Size() - before)
	}
	for j, k := range call.OrderBy {
		d, err := k.Expr.Eval(o.ev, row)
		if err != nil {
			return args, err
		}
		args[n+j] = d
	}
	kept := slices.Clone(args)
	g.inputs[i].rows = append(g.inputs[i].rows, kept)
	return args, o.rt.grow(rowSize(kept))
}

// finish feeds the aggregates that wanted their input in order.
func (o *aggOp) finish(g *group) error {
	for i, call := range o.n.Aggs {
		if len(call.OrderBy) == 0 {
			continue
		}
		n := len(call.Args)
		rows := g.inputs[i].rows
		slices.SortStableFunc(rows, func(x, y []types.Datum) int {
			for j := range call.OrderBy {
				if c := compareKey(x[n+j], y[n+j], &call.OrderBy[j]); c != 0 {
					return c
				}
			}
			return 0
		})
		for _, row := range rows {
			if err := g.states[i].Add(o.ev, row[:n]); err != nil {
				return err
			}
		}
		g.inputs[i].rows = nil
	}
	return nil
}

func (o *aggOp) close() { o.in.close() }
