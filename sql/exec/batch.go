package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/types"
)

// BatchRows is the most rows that a batch holds.
const BatchRows = 1024

// firstBatchRows is how many rows a batch has room for at first: statements that
// touch a row or two should not pay for a thousand.
const firstBatchRows = 4

// Batch is some rows of one width.
type Batch struct {
	width, n int
	data     []types.Datum
}

// Len returns the number of rows.
func (b *Batch) Len() int { return b.n }

// Row returns the i-th row. It is valid until the batch is filled again.
func (b *Batch) Row(i int) []types.Datum {
	if b.width == 0 {
		return []types.Datum{} // not nil, which means the end to readers
	}
	return b.data[i*b.width : (i+1)*b.width : (i+1)*b.width]
}

// reset empties the batch for rows of the given width.
func (b *Batch) reset(width int) { b.width, b.n = width, 0 }

func (b *Batch) full() bool { return b.n >= BatchRows }

// add appends a row of NULLs and returns it for filling in. Rows returned before
// must not be used any more.
func (b *Batch) add() []types.Datum {
	need := (b.n + 1) * b.width
	if need > cap(b.data) {
		size := max(2*b.n, firstBatchRows) * b.width
		grown := make([]types.Datum, b.n*b.width, size)
		copy(grown, b.data[:b.n*b.width])
		b.data = grown
	}
	b.data = b.data[:need]
	b.n++
	row := b.Row(b.n - 1)
	clear(row)
	return row
}

// drop takes the last row away again.
func (b *Batch) drop() { b.n-- }

// keep drops the rows for which f is false.
func (b *Batch) keep(f func(i int) bool) {
	n := 0
	for i := range b.n {
		if !f(i) {
			continue
		}
		if i != n {
			copy(b.data[n*b.width:(n+1)*b.width], b.data[i*b.width:(i+1)*b.width])
		}
		n++
	}
	b.n = n
	b.data = b.data[:n*b.width]
}

// operator produces rows. Next fills b with at least one row, or none at the end;
// it is not called again after that. close is called once, also after an error,
// and closes the inputs.
type operator interface {
	next(ctx context.Context, b *Batch) error
	close()
}

// rowReader reads an operator row by row.
type rowReader struct {
	op  operator
	buf Batch
	at  int
	eof bool
}

// next returns nil at the end. The row is valid until the next call.
func (r *rowReader) next(ctx context.Context) ([]types.Datum, error) {
	if r.at >= r.buf.n {
		if r.eof {
			return nil, nil
		}
		if err := r.op.next(ctx, &r.buf); err != nil {
			return nil, err
		}
		r.at = 0
		if r.buf.n == 0 {
			r.eof = true
			return nil, nil
		}
	}
	r.at++
	return r.buf.Row(r.at - 1), nil
}
