package txn

import "context"

// ScanOptions says what to read.
type ScanOptions struct {
	// Start and End bound the keys: [Start, End). An empty End is infinity.
	Start, End []byte
	// Reverse: from the end to the start.
	Reverse bool
	// LimitHint is how many keys the caller will probably take; 0: all. It sizes
	// requests and does not end the scan.
	LimitHint int
	// KeysOnly: values are not needed; Value may be empty.
	KeysOnly bool
}

// Iterator walks over keys in order. It sees the transaction's writes as they
// were when Scan was called: later ones neither appear nor disturb it. It is used
// by the transaction's goroutine and must be closed.
//
//	it := t.Scan(opts)
//	defer it.Close()
//	for it.Next(ctx) { use(it.Key(), it.Value()) }
//	return it.Err()
type Iterator struct {
	err error
}

// Scan returns an iterator over the keys of a range. Nothing is read before the
// first Next.
func (t *Txn) Scan(opts ScanOptions) *Iterator {
	return &Iterator{err: &UnsupportedError{What: "Txn.Scan"}}
}

// Next goes to the next key and reports whether there is one. After false, Err
// says whether the end was reached or something failed.
func (it *Iterator) Next(ctx context.Context) bool { return false }

// Key returns the present key. It stays valid after the next call of Next.
func (it *Iterator) Key() []byte { return nil }

// Value returns the present value. It stays valid after the next call of Next.
func (it *Iterator) Value() []byte { return nil }

// Err returns what ended the scan early, or nil.
func (it *Iterator) Err() error { return it.err }

// Close ends the iterator. It may be called twice.
func (it *Iterator) Close() {}
