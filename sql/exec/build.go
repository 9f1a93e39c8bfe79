package exec

import (
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// build makes the operators for a plan. ev is the level's evaluation context,
// shared by the operators of the level.
func (rt *Runtime) build(n plan.Node, ev *expr.EvalContext) (operator, error) {
	op, err := rt.operator(n, ev)
	if err != nil || rt.Trace == nil {
		return op, err
	}
	return rt.Trace.wrap(n, op), nil
}

func (rt *Runtime) operator(n plan.Node, ev *expr.EvalContext) (operator, error) {
	switch n := n.(type) {
	case *plan.Scan:
		return newScan(rt, n, ev)
	case *plan.VirtualScan:
		return &virtualScan{rt: rt, n: n, ev: ev}, nil
	case *plan.Values:
		return &valuesOp{n: n, ev: ev}, nil
	case *plan.FuncScan:
		return &funcScan{rt: rt, n: n, ev: ev}, nil
	case *plan.CTEScan:
		return &cteScan{rt: rt, n: n}, nil
	case *plan.WorkScan:
		return &workScan{rt: rt, n: n}, nil
	case *plan.RecursiveUnion:
		in, err := rt.build(n.Left, ev)
		if err != nil {
			return nil, err
		}
		return &recursiveOp{rt: rt, n: n, left: in, args: ev.Outer}, nil
	case *plan.Filter:
		if d, ok := expr.IsConst(n.Cond); ok && !d.IsTrue() {
			none := &plan.Values{}
			none.Cols = n.Columns()
			return &valuesOp{n: none, ev: ev}, nil // without a row of its input
		}
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &filterOp{in: in, cond: n.Cond, ev: ev}, nil
	case *plan.Project:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &projectOp{in: in, exprs: n.Exprs, ev: ev}, nil
	case *plan.ProjectSet:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return newProjectSet(n, in, ev), nil
	case *plan.LockRows:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return newLockOp(rt, in, n, ev), nil
	case *plan.Limit:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		if n.Ties != nil {
			return &tiesOp{in: rowReader{op: in}, n: n, ev: ev}, nil
		}
		return &limitOp{in: in, n: n, ev: ev}, nil
	case *plan.Sort:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &sortOp{rt: rt, in: in, n: n, ev: ev}, nil
	case *plan.Distinct:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &distinctOp{rt: rt, in: in, n: n}, nil
	case *plan.Aggregate:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &aggOp{rt: rt, in: in, n: n, ev: ev}, nil
	case *plan.Window:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &windowOp{rt: rt, n: n, in: in, ev: ev}, nil
	case *plan.Join:
		return rt.buildTwo(n.Left, n.Right, ev, func(l, r operator) operator {
			if len(n.LeftKeys) > 0 {
				return &hashJoin{rt: rt, n: n, left: rowReader{op: l}, right: rowReader{op: r}, ev: ev}
			}
			return &loopJoin{rt: rt, n: n, left: rowReader{op: l}, right: rowReader{op: r}, ev: ev}
		})
	case *plan.SetOp:
		return rt.buildTwo(n.Left, n.Right, ev, func(l, r operator) operator {
			return &setOp{rt: rt, n: n, left: l, right: r}
		})
	case *plan.Apply:
		in, err := rt.build(n.Left, ev)
		if err != nil {
			return nil, err
		}
		return &applyOp{rt: rt, n: n, left: rowReader{op: in}, ev: ev}, nil
	case *plan.Insert:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &insertOp{writeOp: writeOp{rt: rt, in: in, ev: ev, returning: n.Returning}, n: n}, nil
	case *plan.Update:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &updateOp{writeOp: writeOp{rt: rt, in: in, ev: ev, returning: n.Returning}, n: n}, nil
	case *plan.Delete:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &deleteOp{writeOp: writeOp{rt: rt, in: in, ev: ev, returning: n.Returning}, n: n}, nil
	case *plan.Merge:
		in, err := rt.build(n.Input, ev)
		if err != nil {
			return nil, err
		}
		return &mergeOp{writeOp: writeOp{rt: rt, in: in, ev: ev}, n: n}, nil
	}
	return nil, sqlerr.Internal("no operator for plan node %T", n)
}

func (rt *Runtime) buildTwo(a, b plan.Node, ev *expr.EvalContext, f func(a, b operator) operator) (operator, error) {
	l, err := rt.build(a, ev)
	if err != nil {
		return nil, err
	}
	r, err := rt.build(b, ev)
	if err != nil {
		l.close()
		return nil, err
	}
	return f(l, r), nil
}
