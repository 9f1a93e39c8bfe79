package exec

import (
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// IndexWriter makes the pairs of an index for rows of its table, also where these take
// values that have to be computed first. It belongs to one goroutine.
type IndexWriter struct {
	*rowcodec.Index
	d   *plan.Derived
	ev  *expr.EvalContext
	row []types.Datum // with the computed values behind it
}

// NewIndexWriter prepares to write an index; d is nil if nothing has to be computed.
func NewIndexWriter(x *rowcodec.Index, d *plan.Derived, ev *expr.EvalContext) *IndexWriter {
	return &IndexWriter{Index: x, d: d, ev: ev}
}

// Key is that of the embedded Index; it is nil for a row that has no entry.
func (x *IndexWriter) Key(row []types.Datum) (key keys.User, unique bool, err error) {
	if x.d == nil {
		return x.Index.Key(row)
	}
	n := len(x.Table.Columns)
	row = row[:n]
	if x.d.Pred != nil {
		if in, err := expr.EvalBool(x.d.Pred, x.ev, row); err != nil || !in {
			return nil, false, err
		}
	}
	if len(x.d.Exprs) > 0 {
		if x.row == nil {
			x.row = make([]types.Datum, n+len(x.d.Exprs))
		}
		copy(x.row, row)
		if err := evalInto(x.row[n:], x.d.Exprs, x.ev, row); err != nil {
			return nil, false, err
		}
		row = x.row
	}
	return x.Index.Key(row)
}

func indexWriters(indexes []*rowcodec.Index, derived []*plan.Derived, ev *expr.EvalContext) []*IndexWriter {
	out := make([]*IndexWriter, len(indexes))
	for i, x := range indexes {
		out[i] = NewIndexWriter(x, nil, ev)
		if derived != nil {
			out[i].d = derived[i]
		}
	}
	return out
}
