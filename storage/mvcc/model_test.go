package mvcc

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

var modelSeed = flag.Uint64("model-seed", 0, "seed of TestAgainstModel; zero takes a few fixed ones")

// model is the same store as maps and slices, with the rules written down in the
// dumbest way.
type model struct {
	versions map[string][]Version // unordered
	locks    map[string]Lock
	marks    map[string]map[timestamp.Timestamp]bool
}

func newModel() *model {
	return &model{versions: map[string][]Version{}, locks: map[string]Lock{}, marks: map[string]map[timestamp.Timestamp]bool{}}
}

func (m *model) mark(key string, ts timestamp.Timestamp) {
	if m.marks[key] == nil {
		m.marks[key] = map[timestamp.Timestamp]bool{}
	}
	m.marks[key][ts] = true
}

// value returns the newest put or delete at or below ts.
func (m *model) value(key string, ts timestamp.Timestamp) (best Version, found bool) {
	for _, v := range m.versions[key] {
		if v.Kind != LockOnly && v.CommitTS <= ts && (!found || v.CommitTS > best.CommitTS) {
			best, found = v, true
		}
	}
	return best, found
}

func (m *model) committed(key string, startTS timestamp.Timestamp) timestamp.Timestamp {
	for _, v := range m.versions[key] {
		if v.StartTS == startTS {
			return v.CommitTS
		}
	}
	return 0
}

// name says which error it is, and what matters in it.
func name(err error) string {
	var (
		locked   *LockedError
		conflict *WriteConflictError
		exists   *AlreadyExistsError
		absent   *NotExistsError
		aborted  *AbortedError
		done     *CommittedError
		unknown  *TxnNotFoundError
		small    *CommitTSTooSmallError
		other    *NotPrimaryError
		own      *OwnLockError
	)
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &locked):
		return fmt.Sprintf("locked %s by %d", locked.Key, locked.Lock.StartTS)
	case errors.As(err, &conflict):
		return fmt.Sprintf("conflict on %s with %d at %d", conflict.Key, conflict.ConflictStartTS, conflict.ConflictCommitTS)
	case errors.As(err, &exists):
		return fmt.Sprintf("%s exists: %s at %d", exists.Key, exists.Value, exists.CommitTS)
	case errors.As(err, &absent):
		return fmt.Sprintf("%s does not exist", absent.Key)
	case errors.As(err, &aborted):
		return fmt.Sprintf("%d aborted on %s", aborted.StartTS, aborted.Key)
	case errors.As(err, &done):
		return fmt.Sprintf("%d committed %s at %d", done.StartTS, done.Key, done.CommitTS)
	case errors.As(err, &unknown):
		return fmt.Sprintf("no trace of %d on %s", unknown.StartTS, unknown.Key)
	case errors.As(err, &small):
		return fmt.Sprintf("commit of %s at %d is below %d", small.Key, small.CommitTS, small.MinCommitTS)
	case errors.As(err, &other):
		return fmt.Sprintf("primary is %s", other.Primary)
	case errors.As(err, &own):
		return fmt.Sprintf("own lock on %s", own.Key)
	}
	return "error: " + err.Error()
}

func (m *model) check(mu Mutation, startTS timestamp.Timestamp) (committed timestamp.Timestamp, err error) {
	key := string(mu.Key)
	if m.marks[key][startTS] {
		return 0, &AbortedError{Key: mu.Key, StartTS: startTS}
	}
	if c := m.committed(key, startTS); c != 0 {
		return c, nil
	}
	var newest Version
	for _, v := range m.versions[key] {
		if v.CommitTS > newest.CommitTS {
			newest = v
		}
	}
	if newest.CommitTS > max(startTS, mu.ForUpdateTS) {
		return 0, &WriteConflictError{Key: mu.Key, ConflictStartTS: newest.StartTS, ConflictCommitTS: newest.CommitTS}
	}
	v, found := m.value(key, timestamp.Max)
	exists := found && v.Kind == Put
	if mu.Constraint == MustNotExist && exists {
		return 0, &AlreadyExistsError{Key: mu.Key, Value: v.Value, CommitTS: v.CommitTS}
	}
	if mu.Constraint == MustExist && !exists {
		return 0, &NotExistsError{Key: mu.Key}
	}
	return 0, nil
}

func (m *model) prewrite(mu Mutation, p PrewriteParams) (PrewriteResult, error) {
	key := string(mu.Key)
	if l, ok := m.locks[key]; ok {
		if l.StartTS != p.StartTS {
			return PrewriteResult{}, &LockedError{Key: mu.Key, Lock: l}
		}
		return PrewriteResult{Repeated: true, MinCommitTS: l.MinCommitTS, Async: l.Async}, nil
	}
	c, err := m.check(mu, p.StartTS)
	if err != nil || c != 0 {
		return PrewriteResult{CommitTS: c}, err
	}
	l := Lock{Kind: mu.Kind, Primary: p.Primary, StartTS: p.StartTS, TTLms: p.TTLms, Value: mu.Value, Async: p.Async,
		MinCommitTS: max(p.MinCommitTS, p.StartTS+1, mu.ForUpdateTS+1)}
	m.locks[key] = l
	return PrewriteResult{MinCommitTS: l.MinCommitTS, Async: l.Async}, nil
}

func (m *model) put(key string, v Version) {
	if v.Kind != Put {
		v.Value = nil
	}
	m.versions[key] = append(m.versions[key], v)
}

func (m *model) onePC(muts []Mutation, startTS, commitTS timestamp.Timestamp) (timestamp.Timestamp, error) {
	for _, mu := range muts {
		if l, ok := m.locks[string(mu.Key)]; ok {
			if l.StartTS == startTS {
				return 0, &OwnLockError{Key: mu.Key}
			}
			return 0, &LockedError{Key: mu.Key, Lock: l}
		}
		c, err := m.check(mu, startTS)
		if err != nil || c != 0 {
			return c, err
		}
		if commitTS <= mu.ForUpdateTS {
			return 0, &CommitTSTooSmallError{Key: mu.Key, CommitTS: commitTS, MinCommitTS: mu.ForUpdateTS + 1}
		}
	}
	for _, mu := range muts {
		m.put(string(mu.Key), Version{Kind: mu.Kind, StartTS: startTS, CommitTS: commitTS, Value: mu.Value})
	}
	return commitTS, nil
}

func (m *model) commit(key string, startTS, commitTS timestamp.Timestamp) error {
	k := keys.User(key)
	if l, ok := m.locks[key]; ok && l.StartTS == startTS {
		if l.MinCommitTS > commitTS {
			return &CommitTSTooSmallError{Key: k, CommitTS: commitTS, MinCommitTS: l.MinCommitTS}
		}
		delete(m.locks, key)
		m.put(key, Version{Kind: l.Kind, StartTS: startTS, CommitTS: commitTS, Value: l.Value})
		return nil
	}
	if c := m.committed(key, startTS); c == commitTS {
		return nil
	} else if c != 0 {
		return &CommittedError{Key: k, StartTS: startTS, CommitTS: c}
	}
	if m.marks[key][startTS] {
		return &AbortedError{Key: k, StartTS: startTS}
	}
	return &TxnNotFoundError{Key: k, StartTS: startTS}
}

func (m *model) rollback(key string, startTS timestamp.Timestamp) error {
	if l, ok := m.locks[key]; ok && l.StartTS == startTS {
		delete(m.locks, key)
	} else if c := m.committed(key, startTS); c != 0 {
		return &CommittedError{Key: keys.User(key), StartTS: startTS, CommitTS: c}
	}
	m.mark(key, startTS)
	return nil
}

func (m *model) status(p CheckTxnParams) (TxnState, error) {
	key := string(p.Primary)
	if l, ok := m.locks[key]; ok && l.StartTS == p.StartTS {
		if string(l.Primary) != key {
			return 0, &NotPrimaryError{Primary: l.Primary}
		}
		expired := p.Now.PhysicalMs()-l.StartTS.PhysicalMs() >= int64(l.TTLms)
		if p.Force || (expired && !l.Async) {
			delete(m.locks, key)
			m.mark(key, p.StartTS)
			return TxnRolledBack, nil
		}
		if p.CallerTS != 0 && !l.Async {
			l.MinCommitTS = max(l.MinCommitTS, p.CallerTS+1)
			m.locks[key] = l
		}
		return TxnLocked, nil
	}
	switch {
	case m.committed(key, p.StartTS) != 0:
		return TxnCommitted, nil
	case m.marks[key][p.StartTS]:
		return TxnRolledBack, nil
	case p.RollbackIfMissing:
		m.mark(key, p.StartTS)
		return TxnRolledBack, nil
	}
	return TxnMissing, nil
}

func (m *model) blocked(key string, o ReadOptions) error {
	l, ok := m.locks[key]
	if !ok || l.Kind == LockOnly || l.StartTS > o.TS || l.MinCommitTS > o.TS || l.StartTS == o.Own || slices.Contains(o.Ignore, l.StartTS) {
		return nil
	}
	return &LockedError{Key: keys.User(key), Lock: l}
}

func (m *model) get(key string, o ReadOptions) (string, error) {
	if err := m.blocked(key, o); err != nil {
		return "", err
	}
	v, found := m.value(key, o.TS)
	if !found || v.Kind == Delete {
		return "none", nil
	}
	return fmt.Sprintf("%s@%d", v.Value, v.CommitTS), nil
}

// inside lists every key with a version or lock in [start, end), in order.
func (m *model) inside(start, end keys.User) []string {
	set := map[string]bool{}
	for k := range m.versions {
		set[k] = true
	}
	for k := range m.locks {
		set[k] = true
	}
	var out []string
	for k := range set {
		if k >= string(start) && (len(end) == 0 || k < string(end)) {
			out = append(out, k)
		}
	}
	sort.Strings(out)
	return out
}

func (m *model) scan(o ScanOptions) ([]string, error) {
	all := m.inside(o.Start, o.End)
	if o.Reverse {
		slices.Reverse(all)
	}
	out := []string{}
	for _, k := range all {
		if o.RowsMax > 0 && len(out) == o.RowsMax {
			break
		}
		v, err := m.get(k, o.ReadOptions)
		if err != nil {
			return nil, err
		}
		if v != "none" {
			out = append(out, keys.User(k).String()+"="+v)
		}
	}
	return out, nil
}

func (m *model) validate(start, end keys.User, own, readTS, commitTS timestamp.Timestamp) error {
	all := m.inside(start, end)
	for _, k := range all {
		if err := m.blocked(k, ReadOptions{TS: commitTS, Own: own}); err != nil {
			return err
		}
	}
	for _, k := range all {
		var hit *Version
		for _, v := range m.versions[k] {
			if v.Kind != LockOnly && v.StartTS != own && v.CommitTS > readTS && v.CommitTS <= commitTS && (hit == nil || v.CommitTS > hit.CommitTS) {
				hit = &v
			}
		}
		if hit != nil {
			return &WriteConflictError{Key: keys.User(k), ConflictStartTS: hit.StartTS, ConflictCommitTS: hit.CommitTS}
		}
	}
	return nil
}

func testEngine(t testing.TB) *engine.Engine {
	t.Helper()
	e, err := engine.Open("store", engine.Options{FS: engine.NewMemFS(), Kind: engine.StateEngine})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// evaluate runs f on a fresh batch and applies it if f succeeds, as a replica does.
func evaluate(t testing.TB, e *engine.Engine, f func(b *engine.Batch) error) error {
	t.Helper()
	b := e.NewBatch()
	defer b.Close()
	err := f(b)
	if err == nil {
		if aerr := e.Apply(b, false); aerr != nil {
			t.Fatal(aerr)
		}
	}
	return err
}

const ms = 1 << timestamp.LogicalBits

// modelRun drives store and model with the same random operations.
type modelRun struct {
	t     testing.TB
	rnd   *rand.Rand
	e     *engine.Engine
	m     *model
	clock timestamp.Timestamp
	txns  []timestamp.Timestamp
	safe  timestamp.Timestamp
	log   []string
}

func (r *modelRun) now() timestamp.Timestamp {
	r.clock += timestamp.Timestamp(1 + r.rnd.IntN(3)*ms)
	return r.clock
}

// txn returns a recent transaction, or a new one.
func (r *modelRun) txn() timestamp.Timestamp {
	if len(r.txns) == 0 || r.rnd.IntN(3) == 0 {
		r.txns = append(r.txns, r.now())
	}
	n := len(r.txns)
	return r.txns[n-1-r.rnd.IntN(min(n, 5))]
}

func (r *modelRun) key() keys.User {
	return keys.User([]string{"a", "a\x00", "a\x00b", "b", "b\x09", "c", "\xff"}[r.rnd.IntN(7)])
}

// past returns a timestamp at which reads are allowed.
func (r *modelRun) past() timestamp.Timestamp {
	switch r.rnd.IntN(4) {
	case 0:
		return timestamp.Max
	case 1:
		return r.clock
	}
	return max(r.safe, r.clock-timestamp.Timestamp(r.rnd.IntN(12*ms)))
}

func (r *modelRun) mutation() Mutation {
	m := Mutation{Kind: Kind(1 + r.rnd.IntN(3)), Key: r.key(), Constraint: Constraint(r.rnd.IntN(3))}
	if r.rnd.IntN(2) == 0 {
		m.Constraint = NoConstraint
	}
	if m.Kind == Put {
		m.Value = []byte(fmt.Sprint("v", uint64(r.clock)))
	}
	if r.rnd.IntN(4) == 0 {
		m.ForUpdateTS = r.now()
	}
	return m
}

func (r *modelRun) same(what, got, want string) {
	r.t.Helper()
	r.log = append(r.log, what+" → "+got)
	if got != want {
		for _, l := range r.log[max(0, len(r.log)-40):] {
			r.t.Log(l)
		}
		r.t.Fatalf("%s: got %s, want %s", what, got, want)
	}
}

func (r *modelRun) step() {
	startTS, key := r.txn(), r.key()
	if startTS < r.safe {
		return
	}
	switch r.rnd.IntN(13) {
	case 0, 1, 2, 3:
		mu := r.mutation()
		p := PrewriteParams{Primary: r.key(), StartTS: startTS, TTLms: uint64(1 + r.rnd.IntN(20)), Async: r.rnd.IntN(4) == 0}
		if r.rnd.IntN(2) == 0 {
			p.Primary = mu.Key
		}
		if r.rnd.IntN(3) == 0 {
			p.MinCommitTS = r.now()
		}
		var got PrewriteResult
		err := evaluate(r.t, r.e, func(b *engine.Batch) (err error) { got, err = Prewrite(b, r.e, mu, p); return err })
		want, werr := r.m.prewrite(mu, p)
		r.same(fmt.Sprintf("prewrite %v %q by %d forUpdate %d constraint %d", mu.Kind, mu.Key, startTS, mu.ForUpdateTS, mu.Constraint),
			fmt.Sprint(name(err), got), fmt.Sprint(name(werr), want))
	case 4:
		muts := []Mutation{r.mutation()}
		if other := r.mutation(); !bytes.Equal(other.Key, muts[0].Key) {
			muts = append(muts, other)
		}
		commitTS := r.now()
		var got timestamp.Timestamp
		err := evaluate(r.t, r.e, func(b *engine.Batch) (err error) { got, err = OnePC(b, r.e, muts, startTS, commitTS); return err })
		want, werr := r.m.onePC(muts, startTS, commitTS)
		r.same(fmt.Sprintf("1pc of %d keys by %d", len(muts), startTS), fmt.Sprint(name(err), got), fmt.Sprint(name(werr), want))
	case 5, 6:
		commitTS := r.now()
		if l, ok := r.m.locks[string(key)]; ok && r.rnd.IntN(2) == 0 {
			startTS = l.StartTS
		}
		if l := r.m.locks[string(key)]; l.StartTS == startTS && commitTS <= startTS {
			return
		}
		if c := r.m.committed(string(key), startTS); c != 0 && r.rnd.IntN(2) == 0 {
			commitTS = c
		}
		err := evaluate(r.t, r.e, func(b *engine.Batch) error { return Commit(b, r.e, key, startTS, commitTS) })
		r.same(fmt.Sprintf("commit %q by %d at %d", key, startTS, commitTS), name(err), name(r.m.commit(string(key), startTS, commitTS)))
	case 7:
		err := evaluate(r.t, r.e, func(b *engine.Batch) error { return Rollback(b, r.e, key, startTS, true) })
		r.same(fmt.Sprintf("rollback %q by %d", key, startTS), name(err), name(r.m.rollback(string(key), startTS)))
	case 8:
		if l, ok := r.m.locks[string(key)]; ok {
			startTS = l.StartTS
		}
		p := CheckTxnParams{Primary: key, StartTS: startTS, Now: r.now(), RollbackIfMissing: r.rnd.IntN(3) == 0, Force: r.rnd.IntN(5) == 0}
		if r.rnd.IntN(2) == 0 {
			p.CallerTS = r.clock
		}
		var got TxnStatus
		err := evaluate(r.t, r.e, func(b *engine.Batch) (err error) { got, err = CheckTxnStatus(b, r.e, p); return err })
		want, werr := r.m.status(p)
		r.same(fmt.Sprintf("status of %d on %q", startTS, key), fmt.Sprint(name(err), got.State), fmt.Sprint(name(werr), want))
		if l, ok := r.m.locks[string(key)]; err == nil && ok && got.State == TxnLocked && got.Lock.MinCommitTS != l.MinCommitTS {
			r.t.Fatalf("min commit %d, want %d", got.Lock.MinCommitTS, l.MinCommitTS)
		}
	case 9:
		o := ReadOptions{TS: r.past()}
		if r.rnd.IntN(2) == 0 {
			o.Own = startTS
		}
		if r.rnd.IntN(4) == 0 {
			o.Ignore = []timestamp.Timestamp{r.txn(), r.txn()}
		}
		v, err := Get(r.e, key, o)
		got := "none"
		if v.Found {
			got = fmt.Sprintf("%s@%d", v.Value, v.CommitTS)
		}
		want, werr := r.m.get(string(key), o)
		if werr != nil {
			want, got = "", ""
		}
		r.same(fmt.Sprintf("get %q at %d own %d", key, o.TS, o.Own), name(err)+got, name(werr)+want)
	case 10:
		r.scan(startTS)
	case 11:
		start, end := r.key(), r.key()
		if r.rnd.IntN(3) == 0 {
			end = nil
		}
		readTS, commitTS := max(r.safe, r.past()), r.now()
		got := ValidateSpan(r.e, start, end, startTS, min(readTS, commitTS), commitTS, nil)
		want := error(nil)
		if len(end) == 0 || bytes.Compare(start, end) < 0 {
			want = r.m.validate(start, end, startTS, min(readTS, commitTS), commitTS)
		}
		r.same(fmt.Sprintf("validate [%q, %q)", start, end), name(got), name(want))
	case 12:
		if r.rnd.IntN(10) == 0 {
			r.gc()
			return
		}
		got, found, err := FindCommit(r.e, key, startTS)
		want := r.m.committed(string(key), startTS)
		r.same(fmt.Sprintf("find commit of %d on %q", startTS, key), fmt.Sprint(name(err), found, got), fmt.Sprint("ok", want != 0, want))
	}
}

func (r *modelRun) scan(own timestamp.Timestamp) {
	o := ScanOptions{ReadOptions: ReadOptions{TS: r.past(), Own: own}, Reverse: r.rnd.IntN(2) == 0, RowsMax: r.rnd.IntN(4)}
	if r.rnd.IntN(2) == 0 {
		o.Start = r.key()
	}
	if r.rnd.IntN(2) == 0 {
		o.End = r.key()
	}
	what := fmt.Sprintf("scan [%q, %q) at %d reverse=%v max %d", o.Start, o.End, o.TS, o.Reverse, o.RowsMax)
	// Page by page, as a client does.
	for page := 0; ; page++ {
		res, err := Scan(r.e, o)
		want, werr := []string{}, error(nil)
		if len(o.End) == 0 || bytes.Compare(o.Start, o.End) < 0 {
			want, werr = r.m.scan(o)
		}
		got := []string{}
		for _, row := range res.Rows {
			got = append(got, fmt.Sprintf("%s=%s@%d", row.Key, row.Value, row.CommitTS))
		}
		if werr != nil {
			want = []string{}
		}
		r.same(what, fmt.Sprintf("%s %q", name(err), got), fmt.Sprintf("%s %q", name(werr), want))
		if err != nil || !res.More {
			return
		}
		if len(res.Rows) != o.RowsMax || page > 10 {
			r.t.Fatalf("page %d of %s: %d rows, more=%v", page, what, len(res.Rows), res.More)
		}
		if o.Reverse {
			o.End = res.Resume
			if len(o.End) == 0 {
				return
			}
		} else {
			o.Start = res.Resume
		}
	}
}

// gc moves the safe point, after resolving the locks below it, and collects. The
// model keeps everything: no allowed read may notice.
func (r *modelRun) gc() {
	r.safe = max(r.safe, r.clock-timestamp.Timestamp(10*ms))
	locks, _, err := ScanLocks(r.e, nil, nil, r.safe-1, 100)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, l := range locks {
		key, startTS := l.Key, l.Lock.StartTS
		err := evaluate(r.t, r.e, func(b *engine.Batch) error { return Rollback(b, r.e, key, startTS, true) })
		r.same("resolve", name(err), name(r.m.rollback(string(key), startTS)))
	}
	start := keys.User(nil)
	live := r.live()
	for range 1000 {
		var res GCResult
		err := evaluate(r.t, r.e, func(b *engine.Batch) (err error) {
			res, err = GC(b, r.e, start, nil, r.safe, 1+r.rnd.IntN(4))
			return err
		})
		if err != nil {
			r.t.Fatal(err)
		}
		// Reads in the middle of it see nothing either.
		r.scan(0)
		if r.rnd.IntN(8) == 0 || !res.More {
			if now := r.live(); now != live {
				r.t.Fatalf("what is live at %d has changed within the collection:\n%s\nbefore:\n%s", r.safe, now, live)
			}
		}
		if !res.More {
			r.checkCollected()
			if all := r.all(); all != live {
				r.t.Fatalf("left by the collection at %d:\n%s\nwhat was called live:\n%s", r.safe, all, live)
			}
			return
		}
		start = res.Resume
	}
	r.t.Fatal("collection does not end")
}

// live is what VisitLive shows, all what the engine holds.
func (r *modelRun) live() string {
	var out strings.Builder
	err := VisitLive(r.e, nil, nil, r.safe, func(k, v []byte) error {
		out.WriteString(FormatKV(k, v) + "\n")
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out.String()
}

func (r *modelRun) all() string {
	var out strings.Builder
	for _, s := range keys.UserSpans(nil, nil) {
		it, err := r.e.NewIter(engine.IterOptions{Lower: s.Start, Upper: s.End})
		if err != nil {
			r.t.Fatal(err)
		}
		for ok := it.First(); ok; ok = it.Next() {
			out.WriteString(FormatKV(it.Key(), it.Value()) + "\n")
		}
		if err := it.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
	return out.String()
}

// checkCollected verifies that nothing is left that should be gone, and trims the
// model's transactions to those that may still be asked for.
func (r *modelRun) checkCollected() {
	seen := map[string]bool{}
	err := visitData(r.e, nil, nil, func(u keys.User, v Version) (next, error) {
		if v.CommitTS <= r.safe {
			if v.Kind != Put || seen[string(u)] {
				r.t.Fatalf("left of %q below %d: %v", u, r.safe, v)
			}
			seen[string(u)] = true
		}
		return nextVersion, nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.txns = slices.DeleteFunc(r.txns, func(ts timestamp.Timestamp) bool { return ts < r.safe })
}

// Under random operations the store answers what maps and slices answer.
func TestAgainstModel(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := &modelRun{t: t, rnd: rand.New(rand.NewPCG(seed, 0)), e: testEngine(t), m: newModel(), clock: timestamp.Make(100, 0)}
			for i := range 4000 {
				r.step()
				if i%1000 == 999 {
					if err := r.e.Flush(); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}
