package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

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

// Pages grow from first to max rows: short scans stay cheap, long ones do not
// pay a round trip for every few rows.
const (
	pageRowsFirst = 256
	pageRowsMax   = 4096
	pageBytesMax  = 1 << 20
)

// Iterator walks over keys in order. It sees the transaction's writes as they
// were when Scan was called: later ones neither appear nor disturb it. It is used
// by the transaction's goroutine and must be closed.
//
//	it := t.Scan(opts)
//	defer it.Close()
//	for it.Next(ctx) { use(it.Key(), it.Value()) }
//	return it.Err()
type Iterator struct {
	t    *Txn
	opts ScanOptions
	own  bufferIter

	// What is left to read is [low, high); done when nothing is.
	low, high []byte
	done      bool
	rows      int // size of the next page
	page      []*kvpb.Pair
	at        int

	key, value []byte
	err        error
}

// Scan returns an iterator over the keys of a range. Nothing is read before the
// first Next.
func (t *Txn) Scan(opts ScanOptions) *Iterator {
	it := &Iterator{t: t, opts: opts, low: opts.Start, high: opts.End, rows: pageRowsFirst}
	switch {
	case t.finished:
		it.err, it.done = ErrFinished, true
		return it
	case len(opts.End) > 0 && bytes.Compare(opts.Start, opts.End) >= 0:
		it.done = true
		return it
	}
	if opts.LimitHint > 0 {
		it.rows = min(opts.LimitHint, pageRowsMax)
	}
	it.own = t.buf.iterate(opts.Start, opts.End, opts.Reverse)
	return it
}

// Next goes to the next key and reports whether there is one. After false, Err
// says whether the end was reached or something failed.
func (it *Iterator) Next(ctx context.Context) bool {
	for it.err == nil {
		if it.at >= len(it.page) && !it.done {
			if it.t.finished {
				it.err = ErrFinished
				return false
			}
			it.err = it.fetch(ctx)
			continue
		}
		var stored *kvpb.Pair
		if it.at < len(it.page) {
			stored = it.page[it.at]
		}
		switch {
		case stored == nil && !it.own.valid():
			it.key, it.value = nil, nil
			return false
		case it.own.valid() && (stored == nil || it.before(it.own.n.key, stored.GetKey()) <= 0):
			key, v := it.own.n.key, it.own.v
			if stored != nil && bytes.Equal(key, stored.GetKey()) {
				it.at++
			}
			it.own.next()
			if v.op == opPut {
				it.key, it.value = key, v.value
				return true
			}
		default:
			it.at++
			it.key, it.value = stored.GetKey(), stored.GetValue()
			return true
		}
	}
	return false
}

// before compares in the direction of the scan.
func (it *Iterator) before(a, b []byte) int {
	if it.opts.Reverse {
		return bytes.Compare(b, a)
	}
	return bytes.Compare(a, b)
}

// Key returns the present key. It stays valid after the next call of Next.
func (it *Iterator) Key() []byte { return it.key }

// Value returns the present value. It stays valid after the next call of Next.
func (it *Iterator) Value() []byte { return it.value }

// Err returns what ended the scan early, or nil.
func (it *Iterator) Err() error { return it.err }

// Close ends the iterator. It may be called twice.
func (it *Iterator) Close() {
	it.own.close()
	it.page, it.at, it.done = nil, 0, true
	it.key, it.value = nil, nil
}

// fetch reads the next page, which may be empty.
func (it *Iterator) fetch(ctx context.Context) error {
	if _, err := it.t.ReadTS(ctx); err != nil {
		return err
	}
	it.page, it.at = nil, 0
	for attempt := 0; ; attempt++ {
		resp, low, high, err := it.request(ctx)
		if errors.Is(err, router.ErrRegionChanged) {
			it.t.c.stats.regionChanges.Add(1)
			if err := it.t.c.pause(ctx, attempt); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		if err := it.accept(resp, low, high); err != nil {
			return err
		}
		it.note(low, high)
		it.rows = min(it.rows*2, pageRowsMax)
		if resp.GetError() == nil {
			return nil
		}
		if err := it.t.passLocks(ctx, []*kvpb.KeyError{resp.GetError()}, attempt); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
		if len(it.page) > 0 {
			return nil
		}
	}
}

// request asks the next region for its part [low, high) of what is left.
func (it *Iterator) request(ctx context.Context) (r *kvpb.ScanResponse, low, high []byte, err error) {
	c := it.t.c
	rt, err := c.lookup(ctx, it.edge(), it.opts.Reverse)
	if err != nil {
		return nil, nil, nil, err
	}
	if it.opts.Reverse {
		low, high = maxStart(it.low, rt.Region.GetStartKey()), it.high
	} else {
		low, high = it.low, router.MinEnd(it.high, rt.Region.GetEndKey())
	}
	it.t.requests.Add(1)
	resp, err := c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{
		Read: it.t.readContext(), StartKey: low, EndKey: high, Reverse: it.opts.Reverse,
		LimitRows: uint32(it.rows), LimitBytes: pageBytesMax, KeysOnly: it.opts.KeysOnly,
	}}})
	if err != nil {
		return nil, nil, nil, err
	}
	if r = resp.GetScan(); r == nil {
		return nil, nil, nil, errMalformed("scan", resp)
	}
	return r, low, high, nil
}

// accept takes an answer about [low, high) and moves on what is left.
func (it *Iterator) accept(r *kvpb.ScanResponse, low, high []byte) error {
	it.page = r.GetPairs()
	for _, p := range it.page {
		if p.GetError() != nil {
			return fmt.Errorf("scan: region gave a pair with an error")
		}
	}
	switch {
	case r.GetError() != nil:
		// Go on behind the last good pair, at the lock.
		if len(it.page) == 0 {
			return nil
		}
		it.moveTo(behind(it.page[len(it.page)-1].GetKey(), it.opts.Reverse))
	case r.GetMore():
		resume := r.GetResumeKey()
		if len(resume) == 0 && len(it.page) > 0 {
			resume = behind(it.page[len(it.page)-1].GetKey(), it.opts.Reverse)
		}
		if len(resume) == 0 || bytes.Compare(resume, low) < 0 || len(high) > 0 && bytes.Compare(resume, high) > 0 ||
			len(it.page) == 0 && bytes.Equal(resume, it.edge()) {
			return fmt.Errorf("scan: region gave %x to go on in [%x, %x)", resume, low, high)
		}
		it.moveTo(resume)
	case it.opts.Reverse:
		if bytes.Equal(low, it.low) {
			it.done = true
		}
		it.high = low
	default:
		if bytes.Equal(high, it.high) {
			it.done = true
		}
		it.low = high
	}
	return nil
}

// note remembers what was read of [low, high).
func (it *Iterator) note(low, high []byte) {
	if !it.t.notes(low) {
		return
	}
	switch {
	case it.done:
	case it.opts.Reverse:
		low = maxStart(low, it.high)
	default:
		high = router.MinEnd(high, it.low)
	}
	if len(high) == 0 || bytes.Compare(low, high) < 0 {
		it.t.reads.add(low, high)
	}
}

// edge returns the side of what is left that moves.
func (it *Iterator) edge() []byte {
	if it.opts.Reverse {
		return it.high
	}
	return it.low
}

func (it *Iterator) moveTo(key []byte) {
	if it.opts.Reverse {
		it.high = key
		it.done = bytes.Compare(it.high, it.low) <= 0
		return
	}
	it.low = key
	it.done = len(it.high) > 0 && bytes.Compare(it.low, it.high) >= 0
}

// behind returns the bound that leaves out key and all before it.
func behind(key []byte, reverse bool) []byte {
	if reverse {
		return key
	}
	return append(bytes.Clone(key), 0)
}

func maxStart(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		return b
	}
	return a
}
