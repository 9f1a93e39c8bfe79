package exec

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/sql/plan"
)

// Trace measures what happens in the nodes of a plan while it runs. It belongs to
// one execution.
type Trace struct {
	// Now is the clock.
	Now func() time.Time
	// Requests counts the reads that were sent to regions; nil: nobody counts.
	Requests func() int64
	// Nodes is what happened; a node that was never run is missing.
	Nodes map[plan.Node]*plan.Actual
}

// remover is an operator that turns rows away by a condition.
type remover interface{ removedRows() int64 }

// traced measures an operator. Time and requests include the inputs.
type traced struct {
	operator
	t       *Trace
	a       *plan.Actual
	started bool
}

func (t *Trace) wrap(n plan.Node, op operator) operator {
	a := t.Nodes[n]
	if a == nil {
		a = &plan.Actual{}
		t.Nodes[n] = a
	}
	a.Loops++
	return &traced{operator: op, t: t, a: a}
}

func (o *traced) next(ctx context.Context, b *Batch) error {
	before := int64(0)
	if o.t.Requests != nil {
		before = o.t.Requests()
	}
	start := o.t.Now()
	err := o.operator.next(ctx, b)
	took := o.t.Now().Sub(start)
	if !o.started {
		o.started = true
		o.a.Startup += took
	}
	o.a.Total += took
	o.a.Rows += int64(b.n)
	if o.t.Requests != nil {
		o.a.Requests += o.t.Requests() - before
	}
	return err
}

func (o *traced) close() {
	if r, ok := o.operator.(remover); ok {
		o.a.Removed += r.removedRows()
	}
	o.operator.close()
}

func (o *traced) affected() int64 {
	if w, ok := o.operator.(interface{ affected() int64 }); ok {
		return w.affected()
	}
	return 0
}

// untraced returns the operator itself.
func untraced(op operator) operator {
	if t, ok := op.(*traced); ok {
		return t.operator
	}
	return op
}
