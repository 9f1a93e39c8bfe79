package sql

import (
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

func (s *memStore) Advisory(txn.Owner) AdvisoryLocks { return nil }

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
	lo := sort.SearchStrings(t.s.keys, string(start))
	hi := len(t.s.keys)
	if len(end) > 0 {
		hi = max(lo, sort.SearchStrings(t.s.keys, string(end)))
	}
	it := &memIterator{t: t, stored: t.s.keys[lo:hi], reverse: o.Reverse}
	for k, w := range t.writes {
		if !w.lock && k >= string(start) && (len(end) == 0 || k < string(end)) {
			it.own = append(it.own, k)
		}
	}
	sort.Strings(it.own)
	return it, nil
}

// memIterator merges what is stored, of which the list of keys never changes in
// place, with the transaction's writes as they were when it began.
type memIterator struct {
	t           *memTxn
	stored, own []string
	reverse     bool
	key         string
	value       []byte
}

func (i *memIterator) Next(ctx context.Context) (bool, error) {
	for len(i.stored) > 0 || len(i.own) > 0 {
		take := func(list *[]string) string {
			l := *list
			if i.reverse {
				*list = l[:len(l)-1]
				return l[len(l)-1]
			}
			*list = l[1:]
			return l[0]
		}
		peek := func(l []string) string {
			if i.reverse {
				return l[len(l)-1]
			}
			return l[0]
		}
		fromOwn := len(i.stored) == 0
		if !fromOwn && len(i.own) > 0 {
			a, b := peek(i.stored), peek(i.own)
			if a == b {
				take(&i.stored)
			}
			fromOwn = a == b || (b < a) != i.reverse
		}
		if fromOwn {
			i.key = take(&i.own)
			i.value = i.t.writes[i.key].value
		} else {
			i.key = take(&i.stored)
			i.t.s.mu.Lock()
			i.value = i.t.readLocked(i.key)
			i.t.s.mu.Unlock()
		}
		if i.value != nil {
			return true, ctx.Err()
		}
	}
	return false, ctx.Err()
}
func (i *memIterator) Key() []byte   { return []byte(i.key) }
func (i *memIterator) Value() []byte { return i.value }
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

func (t *memTxn) Update(ctx context.Context, key keys.User, value []byte) error {
	return t.Put(ctx, key, value)
}

func (t *memTxn) Delete(_ context.Context, key keys.User) error {
	t.writes[string(key)] = memWrite{}
	return nil
}

func (t *memTxn) Locking() bool { return false }
func (t *memTxn) ReadAt(_ context.Context, ts timestamp.Timestamp) error {
	t.ts, t.o.ReadOnly = ts, true
	return nil
}
func (t *memTxn) NewSnapshot(context.Context) error { return nil }
func (t *memTxn) SetIsolation(txn.Isolation)        {}
func (t *memTxn) Prepare(StatementOptions)          {}
func (t *memTxn) Statement() exec.KV                { return t }

// Later: who is in the way shows at the commit.
func (t *memTxn) Later(timestamp.Timestamp) (exec.KV, error) { return t, nil }

// LockRows waits for nobody: who is in the way shows at the commit.
func (t *memTxn) LockRows(ctx context.Context, list []keys.User, _ exec.RowLocking) ([]exec.LockedRow, error) {
	out := make([]exec.LockedRow, len(list))
	for i, key := range list {
		v, err := t.Get(ctx, key)
		if err != nil {
			return nil, err
		}
		if _, ok := t.writes[string(key)]; !ok && v != nil {
			t.writes[string(key)] = memWrite{lock: true}
		}
		out[i] = exec.LockedRow{Locked: v != nil, Value: v}
	}
	return out, nil
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

func (t *memTxn) RollbackTo(_ context.Context, sp any, _ bool) error {
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
	var fresh []string
	for k, w := range t.writes {
		if w.lock {
			continue
		}
		if _, ok := t.s.data[k]; !ok {
			fresh = append(fresh, k)
		}
		t.s.data[k] = append(t.s.data[k], memVersion{t.s.ts, w.value})
	}
	if len(fresh) == 1 {
		i, _ := slices.BinarySearch(t.s.keys, fresh[0])
		t.s.keys = slices.Concat(t.s.keys[:i], fresh, t.s.keys[i:])
	} else if len(fresh) > 1 {
		t.s.keys = slices.Concat(t.s.keys, fresh)
		slices.Sort(t.s.keys)
	}
	return nil
}

func (t *memTxn) Rollback(context.Context) { t.ended = true }
