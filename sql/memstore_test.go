package sql

import (
	"bytes"
	"context"
	"slices"
	"sort"
	"sync"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/txn"
)

// memStore is a Store in memory with the cluster's semantics: snapshots, first
// committer wins, deferred existence checks in autocommit transactions.
type memStore struct {
	mu   sync.Mutex
	ts   timestamp.Timestamp
	keys []string // sorted
	data map[string][]memVersion
	// reads counts requests that would leave the gateway.
	reads, commits int
}

type memVersion struct {
	ts    timestamp.Timestamp
	value []byte // nil: deleted
}

func newMemStore() *memStore { return &memStore{ts: 1000, data: map[string][]memVersion{}} }

func (s *memStore) Begin(o TxnOptions) (Txn, error) {
	return &memTxn{s: s, o: o, writes: map[string]memWrite{}}, nil
}

type memWrite struct {
	value  []byte
	insert bool // must not exist, to be checked at commit
	lock   bool
}

type memTxn struct {
	s      *memStore
	o      TxnOptions
	ts     timestamp.Timestamp
	writes map[string]memWrite
	ended  bool
}

func (t *memTxn) Start(context.Context) error {
	if t.ts == 0 {
		t.s.mu.Lock()
		t.s.ts++
		t.ts = t.s.ts
		t.s.mu.Unlock()
	}
	return nil
}
func (t *memTxn) ReadTS() timestamp.Timestamp { return t.ts }
func (t *memTxn) HasWrites() bool             { return len(t.writes) > 0 }

func (t *memTxn) readLocked(key string) []byte {
	vs := t.s.data[key]
	for i := len(vs) - 1; i >= 0; i-- {
		if vs[i].ts <= t.ts {
			return vs[i].value
		}
	}
	return nil
}

func (t *memTxn) Get(ctx context.Context, key keys.User) ([]byte, error) {
	if t.ended {
		return nil, txn.ErrFinished
	}
	if w, ok := t.writes[string(key)]; ok && !w.lock {
		return w.value, nil
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.s.reads++
	return t.readLocked(string(key)), ctx.Err()
}

func (t *memTxn) BatchGet(ctx context.Context, list []keys.User) ([][]byte, error) {
	out := make([][]byte, len(list))
	for i, k := range list {
		var err error
		if out[i], err = t.Get(ctx, k); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (t *memTxn) Scan(ctx context.Context, start, end keys.User, o exec.ScanOptions) (exec.Iterator, error) {
	if t.ended {
		return nil, txn.ErrFinished
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.s.reads++
	it := &memIterator{at: -1}
	all := map[string][]byte{}
	i := sort.SearchStrings(t.s.keys, string(start))
	for ; i < len(t.s.keys) && (len(end) == 0 || t.s.keys[i] < string(end)); i++ {
		if v := t.readLocked(t.s.keys[i]); v != nil {
			all[t.s.keys[i]] = v
		}
	}
	for k, w := range t.writes {
		if w.lock || k < string(start) || len(end) > 0 && k >= string(end) {
			continue
		}
		if w.value == nil {
			delete(all, k)
		} else {
			all[k] = w.value
		}
	}
	for k, v := range all {
		it.pairs = append(it.pairs, exec.Pair{Key: keys.User(k), Value: v})
	}
	slices.SortFunc(it.pairs, func(a, b exec.Pair) int {
		c := bytes.Compare(a.Key, b.Key)
		if o.Reverse {
			return -c
		}
		return c
	})
	return it, nil
}

type memIterator struct {
	pairs []exec.Pair
	at    int
}

func (i *memIterator) Next(ctx context.Context) (bool, error) {
	i.at++
	return i.at < len(i.pairs), ctx.Err()
}
func (i *memIterator) Key() []byte   { return i.pairs[i.at].Key }
func (i *memIterator) Value() []byte { return i.pairs[i.at].Value }
func (i *memIterator) Close()        {}

func (t *memTxn) Each(ctx context.Context, start, end keys.User, fn func(k, v []byte) error) error {
	it, err := t.Scan(ctx, start, end, exec.ScanOptions{})
	if err != nil {
		return err
	}
	for {
		ok, err := it.Next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := fn(it.Key(), it.Value()); err != nil {
			return err
		}
	}
}

func (t *memTxn) Put(_ context.Context, key keys.User, value []byte) error {
	w := t.writes[string(key)]
	t.writes[string(key)] = memWrite{value: value, insert: w.insert}
	return nil
}

func (t *memTxn) Delete(_ context.Context, key keys.User) error {
	t.writes[string(key)] = memWrite{}
	return nil
}

func (t *memTxn) Lock(_ context.Context, key keys.User) error {
	if _, ok := t.writes[string(key)]; !ok {
		t.writes[string(key)] = memWrite{lock: true}
	}
	return nil
}

func (t *memTxn) Insert(ctx context.Context, pairs []exec.Pair) error {
	for _, p := range pairs {
		w, mine := t.writes[string(p.Key)]
		mine = mine && !w.lock
		if mine && w.value != nil {
			return &exec.DuplicateError{Key: p.Key}
		}
		if !mine && !t.o.Autocommit {
			v, err := t.Get(ctx, p.Key)
			if err != nil {
				return err
			}
			if v != nil {
				return &exec.DuplicateError{Key: p.Key}
			}
		}
		t.writes[string(p.Key)] = memWrite{value: p.Value, insert: !mine && t.o.Autocommit}
	}
	return nil
}

func (t *memTxn) Savepoint() any {
	c := make(map[string]memWrite, len(t.writes))
	for k, v := range t.writes {
		c[k] = v
	}
	return c
}

func (t *memTxn) RollbackTo(sp any) error {
	t.writes = map[string]memWrite{}
	for k, v := range sp.(map[string]memWrite) {
		t.writes[k] = v
	}
	return nil
}
func (t *memTxn) Release(any) error { return nil }

func (t *memTxn) Commit(_ context.Context, bound func() timestamp.Timestamp) error {
	if t.ended {
		return txn.ErrFinished
	}
	t.ended = true
	if len(t.writes) == 0 {
		return nil
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	t.s.commits++
	for k, w := range t.writes {
		vs := t.s.data[k]
		if len(vs) == 0 {
			continue
		}
		last := vs[len(vs)-1]
		if last.ts > t.ts {
			return &txn.ConflictError{Key: []byte(k), StartTS: t.ts, ConflictStartTS: last.ts, ConflictCommitTS: last.ts}
		}
		if w.insert && last.value != nil {
			return &txn.AlreadyExistsError{Key: []byte(k), Value: last.value}
		}
	}
	t.s.ts++
	if b := bound(); b != 0 && t.s.ts > b {
		return &txn.CommitTSTooLargeError{CommitTS: t.s.ts, MaxCommitTS: b}
	}
	for k, w := range t.writes {
		if w.lock {
			continue
		}
		if _, ok := t.s.data[k]; !ok {
			i := sort.SearchStrings(t.s.keys, k)
			t.s.keys = slices.Insert(t.s.keys, i, k)
		}
		t.s.data[k] = append(t.s.data[k], memVersion{t.s.ts, w.value})
	}
	return nil
}

func (t *memTxn) Rollback(context.Context) { t.ended = true }
