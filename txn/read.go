package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// readBatchKeysMax bounds the keys of one read request: values may be large.
const readBatchKeysMax = 1024

// Get returns the value of a key in the transaction's snapshot, or from its own
// writes.
func (t *Txn) Get(ctx context.Context, key []byte) (value []byte, found bool, err error) {
	if t.finished {
		return nil, false, ErrFinished
	}
	if v := t.buf.lookup(key); v != nil && v.op != opLock {
		return v.value, v.op == opPut, nil
	}
	t.noteKey(key)
	if _, err := t.ReadTS(ctx); err != nil {
		return nil, false, err
	}
	for attempt := 0; ; attempt++ {
		t.requests.Add(1)
		resp, err := t.c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Get{Get: &kvpb.GetRequest{
			Read: t.readContext(), Key: key,
		}}})
		var r *kvpb.GetResponse
		switch {
		case errors.Is(err, router.ErrRegionChanged):
			if err := t.c.pause(ctx, attempt); err != nil {
				return nil, false, err
			}
			continue
		case err != nil:
			return nil, false, fmt.Errorf("get key %x: %w", key, err)
		}
		if r = resp.GetGet(); r == nil {
			return nil, false, errMalformed("get", resp)
		}
		if r.GetError() == nil {
			return r.GetValue(), r.GetFound(), nil
		}
		if err := t.passLocks(ctx, []*kvpb.KeyError{r.GetError()}, attempt); err != nil {
			return nil, false, fmt.Errorf("get key %x: %w", key, err)
		}
	}
}

// noteKey remembers a key that is read, for the validation at the commit.
func (t *Txn) noteKey(key []byte) {
	if t.notes(key) {
		t.reads.addKey(key)
	}
}

func (t *Txn) notes(key []byte) bool {
	return t.opts.Isolation == Serializable && !t.opts.ReadOnly &&
		!(len(t.opts.Unchecked) > 0 && bytes.HasPrefix(key, t.opts.Unchecked))
}

// readContext requires that the start timestamp is known.
func (t *Txn) readContext() *kvpb.ReadContext {
	read := t.readTS
	if read == 0 {
		read = t.startTS
	}
	n := len(t.ignore.list)
	return &kvpb.ReadContext{ReadTs: uint64(read), OwnStartTs: uint64(t.startTS), IgnoreLocks: t.ignore.list[:n:n]}
}

// passLocks treats the key errors of a read: locks are pushed, resolved or waited
// for; anything else ends the read.
func (t *Txn) passLocks(ctx context.Context, errs []*kvpb.KeyError, attempt int) error {
	locks := make([]*kvpb.LockInfo, 0, len(errs))
	for _, ke := range errs {
		l := ke.GetLocked()
		if l == nil {
			return keyError(ke, t.startTS)
		}
		locks = append(locks, l)
	}
	wait, err := t.c.passForRead(ctx, locks, timestamp.Timestamp(t.readContext().GetReadTs()), &t.ignore)
	if err != nil {
		return err
	}
	if wait {
		return t.c.pause(ctx, attempt)
	}
	return nil
}

// BatchGet returns the values of keys in their order; a key may come twice.
func (t *Txn) BatchGet(ctx context.Context, keys [][]byte) ([]Result, error) {
	if t.finished {
		return nil, ErrFinished
	}
	out := make([]Result, len(keys))
	var missing [][]byte
	at := make(map[string][]int)
	for i, key := range keys {
		if v := t.buf.lookup(key); v != nil && v.op != opLock {
			out[i] = Result{Value: v.value, Found: v.op == opPut}
			continue
		}
		if _, ok := at[string(key)]; !ok {
			t.noteKey(key)
			missing = append(missing, key)
		}
		at[string(key)] = append(at[string(key)], i)
	}
	if len(missing) == 0 {
		return out, nil
	}
	if _, err := t.ReadTS(ctx); err != nil {
		return nil, err
	}
	for attempt := 0; len(missing) > 0; attempt++ {
		pairs, err := t.fetch(ctx, missing)
		if err != nil {
			return nil, fmt.Errorf("get %d keys: %w", len(missing), err)
		}
		missing = missing[:0:0]
		var locked []*kvpb.KeyError
		for _, p := range pairs {
			if p.GetError() != nil {
				locked = append(locked, p.GetError())
				missing = append(missing, p.GetKey())
				continue
			}
			for _, i := range at[string(p.GetKey())] {
				out[i] = Result{Value: p.GetValue(), Found: true}
			}
		}
		if len(locked) > 0 {
			if err := t.passLocks(ctx, locked, attempt); err != nil {
				return nil, fmt.Errorf("get %d keys: %w", len(missing), err)
			}
		}
	}
	return out, nil
}

// fetch reads keys from all their regions once.
func (t *Txn) fetch(ctx context.Context, keys [][]byte) ([]*kvpb.Pair, error) {
	read := t.readContext()
	var found collector[*kvpb.Pair]
	err := t.c.perRegion(ctx, keys, limits{keys: readBatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
		t.requests.Add(1)
		resp, err := t.c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_BatchGet{BatchGet: &kvpb.BatchGetRequest{
			Read: read, Keys: keys,
		}}})
		if err != nil {
			return err
		}
		r := resp.GetBatchGet()
		if r == nil {
			return errMalformed("get keys", resp)
		}
		found.add(r.GetPairs())
		return nil
	})
	return found.items, err
}

// insert adds keys that must not exist. See Insert.
func (t *Txn) insert(ctx context.Context, items []KeyValue) error {
	var unknown [][]byte
	for _, item := range items {
		v := t.buf.lookup(item.Key)
		switch {
		case v == nil || v.op == opLock:
			unknown = append(unknown, item.Key)
		case v.op == opPut:
			return &AlreadyExistsError{Key: item.Key, Value: v.value}
		}
	}
	deferred := t.opts.Autocommit && !t.opts.Pessimistic
	if !deferred && len(unknown) > 0 && t.Locking() {
		// Lock and look at once: a duplicate shall be found now, not at the commit
		// (rule E7).
		if err := t.lockAbsent(ctx, unknown); err != nil {
			return err
		}
		deferred = true // that it stays so is checked by the commit
	} else if !deferred && len(unknown) > 0 {
		got, err := t.BatchGet(ctx, unknown)
		if err != nil {
			return err
		}
		for i, r := range got {
			if r.Found {
				return &AlreadyExistsError{Key: unknown[i], Value: r.Value}
			}
		}
	}
	sp := t.buf.savepoint()
	for _, item := range items {
		if err := t.insertOne(item, deferred); err != nil {
			if undoErr := t.buf.rollbackTo(sp); undoErr != nil {
				return undoErr
			}
			if undoErr := t.buf.release(sp); undoErr != nil {
				return undoErr
			}
			return err
		}
	}
	return t.buf.release(sp)
}

func (t *Txn) insertOne(item KeyValue, deferred bool) error {
	v := t.buf.lookup(item.Key)
	switch {
	case v != nil && v.op == opPut: // twice among the items
		return &AlreadyExistsError{Key: item.Key, Value: v.value}
	case deferred && (v == nil || v.op == opLock):
		return t.buf.insert(item.Key, item.Value)
	default:
		return t.buf.put(item.Key, item.Value)
	}
}
