package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// LockMode is the strength of a row lock, weakest first, as in PostgreSQL.
type LockMode = kvpb.LockMode

// The modes.
const (
	LockKeyShare    = kvpb.LockMode_LOCK_KEY_SHARE
	LockShare       = kvpb.LockMode_LOCK_SHARE
	LockNoKeyUpdate = kvpb.LockMode_LOCK_NO_KEY_UPDATE
	LockUpdate      = kvpb.LockMode_LOCK_UPDATE
)

// exclusive reports whether one transaction at a time can hold the mode.
func exclusive(m LockMode) bool { return m >= LockNoKeyUpdate }

// LockPolicy says what to do about a row that somebody else has locked.
type LockPolicy = kvpb.LockPolicy

// The policies.
const (
	LockBlock  = kvpb.LockPolicy_LOCK_BLOCK
	LockNoWait = kvpb.LockPolicy_LOCK_NO_WAIT
	LockSkip   = kvpb.LockPolicy_LOCK_SKIP
)

const (
	// rowLocksMax bounds the row locks of one transaction. Beyond it writes are
	// checked at the commit only.
	rowLocksMax = 50_000
	// lockBatchKeysMax bounds the keys of one lock request.
	lockBatchKeysMax = 1024
	// releaseTimeout bounds how long the end of a transaction waits for the release
	// of its locks; what is not done by then is done by their time to live.
	releaseTimeout = time.Second
)

// Owner describes the session that a transaction belongs to, for the messages and
// views in which its locks appear.
type Owner struct {
	Node, PID uint32
}

// lockSet is the row locks of a transaction. The client's goroutine changes it, the
// heartbeats read it.
type lockSet struct {
	mu   sync.Mutex
	held map[string]*heldLock
	// touched are keys that a request was sent for: they may be locked whatever the
	// answer was. In order.
	touched   [][]byte
	mayBeHeld map[string]struct{}
	since     time.Time // of the first request
	waits     int       // requests under way
}

type heldLock struct {
	mode      LockMode
	forUpdate timestamp.Timestamp // what was committed up to here is known
	shown     bool                // the snapshot had the row, and it had not changed
}

// touch notes that keys are asked for and returns how many had been before.
func (s *lockSet) touch(keys [][]byte, now time.Time) (before int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held, s.mayBeHeld = map[string]*heldLock{}, map[string]struct{}{}
		s.since = now
	}
	before = len(s.touched)
	for _, k := range keys {
		if _, ok := s.mayBeHeld[string(k)]; !ok {
			s.mayBeHeld[string(k)] = struct{}{}
			s.touched = append(s.touched, k)
		}
	}
	return before
}

// settle forgets the keys that were asked for since the set had n of them and that were
// all answered, as far as they are not locked.
func (s *lockSet) settle(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.touched[:n]
	for _, k := range s.touched[n:] {
		if s.held[string(k)] != nil {
			kept = append(kept, k)
		} else {
			delete(s.mayBeHeld, string(k))
		}
	}
	clear(s.touched[len(kept):])
	s.touched = kept
}

func (s *lockSet) got(key []byte, mode LockMode, forUpdate timestamp.Timestamp, shown bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[string(key)]
	if h == nil {
		if s.held == nil {
			s.held = map[string]*heldLock{}
		}
		h = &heldLock{forUpdate: forUpdate}
		s.held[string(key)] = h
	}
	// What was there between two requests was checked by the second. The later time
	// counts then.
	h.mode, h.forUpdate, h.shown = max(h.mode, mode), max(h.forUpdate, forUpdate), shown
}

// checks returns what the locks on some keys promise.
func (s *lockSet) checks(keys [][]byte) (out []*kvpb.LockCheck) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range keys {
		if h := s.held[string(k)]; h != nil {
			out = append(out, &kvpb.LockCheck{Key: k, Mode: h.mode, ForUpdateTs: uint64(h.forUpdate)})
		}
	}
	return out
}

func (s *lockSet) mode(key []byte) LockMode {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.held[string(key)]; h != nil {
		return h.mode
	}
	return 0
}

// known returns what a lock on a key has shown: up to when, and whether there was a row.
func (s *lockSet) known(key []byte) (forUpdate timestamp.Timestamp, shown bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h := s.held[string(key)]; h != nil {
		return h.forUpdate, h.shown
	}
	return 0, false
}

func (s *lockSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.touched)
}

// keys returns all keys on which a lock may stand.
func (s *lockSet) keys() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.touched)
}

// cut takes the locks out that were asked for since the set had n keys.
func (s *lockSet) cut(n int) [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n >= len(s.touched) {
		return nil
	}
	gone := slices.Clone(s.touched[n:])
	for _, k := range gone {
		delete(s.held, string(k))
		delete(s.mayBeHeld, string(k))
	}
	s.touched = s.touched[:n]
	return gone
}

// SetOwner says which session the transaction belongs to.
func (t *Txn) SetOwner(o Owner) { t.owner = o }

// SetStatement says what the transaction is doing.
func (t *Txn) SetStatement(text string) { t.statement = text[:min(len(text), statementMax)] }

// statementMax bounds what travels of a statement's text with a lock request.
const statementMax = 200

// SetBulk turns row locks for writes off, or on again: for many rows that are
// written at once, conflicts show at the commit.
func (t *Txn) SetBulk(on bool) { t.bulk = on }

// SetLockTimeout bounds each wait for a row lock; 0 is no bound.
func (t *Txn) SetLockTimeout(d time.Duration) { t.lockTimeout = d }

// SetPessimistic makes an autocommit transaction lock what it writes at once, like
// any other: it has failed without that.
func (t *Txn) SetPessimistic() { t.opts.Pessimistic = true }

// Locking reports whether writers are to lock rows before they change them. An
// autocommit transaction does without at first: its only commit shows whether
// somebody was in its way.
func (t *Txn) Locking() bool {
	return !t.opts.ReadOnly && !t.bulk && (!t.opts.Autocommit || t.opts.Pessimistic) && t.locks.len() < rowLocksMax
}

// Isolation returns the transaction's isolation level.
func (t *Txn) Isolation() Isolation { return t.opts.Isolation }

// RowLock is the answer for one row.
type RowLock struct {
	// Locked is false if there is no such row in the snapshot, or if it was skipped.
	Locked bool
	// Found says that there is such a row: in the snapshot, or written by the
	// transaction. It is not set for every row that the transaction has locked before.
	Found bool
	// Value is what the snapshot shows, of a row that was read by the request.
	Value []byte
	// Known is the timestamp up to which the lock has shown what others did about the
	// row, not only whether they changed it; 0 without a lock.
	Known timestamp.Timestamp
}

// LockRows locks rows that the snapshot shows, in the order given as far as they
// lie in one region, and waits for those who have locked them. Errors:
// *ChangedError if a row was changed after the snapshot (it is locked then),
// *LockNotAvailableError, *DeadlockError, *AbortedError.
//
// At SERIALIZABLE what is learned of a row that is not locked, or that others may change
// beside LockKeyShare, is validated at the commit like any other read.
func (t *Txn) LockRows(ctx context.Context, keys [][]byte, mode LockMode, policy LockPolicy) ([]RowLock, error) {
	return t.lockRows(ctx, keys, lockWish{mode: mode, policy: policy, noted: mode == LockKeyShare})
}

// LockKeys is LockRows in LockKeyShare for who only wants to know whether the rows are
// there, as a foreign key does, or reads nothing but their keys: the lock keeps that as it
// is, so changes of other columns do not count at any level.
func (t *Txn) LockKeys(ctx context.Context, keys [][]byte, policy LockPolicy) ([]RowLock, error) {
	return t.lockRows(ctx, keys, lockWish{mode: LockKeyShare, policy: policy})
}

// LockSome is LockRows with LockSkip that ends when most rows are locked, all of those that
// it has a look at in one request to their region. The answer may lack keys at the end. A row that READ COMMITTED finds deleted
// after its snapshot is skipped too.
func (t *Txn) LockSome(ctx context.Context, keys [][]byte, mode LockMode, most int) ([]RowLock, error) {
	var out []RowLock
	for tries := 0; len(out) < len(keys) && most > 0; {
		rest := keys[len(out):]
		if t.has(rest[0], mode) {
			out, most = append(out, RowLock{Locked: true}), most-1
			continue
		}
		if n := slices.IndexFunc(rest, func(k []byte) bool { return t.has(k, mode) }); n > 0 {
			rest = rest[:n]
		}
		run, err := t.c.sameRegion(ctx, rest, tries)
		if err != nil {
			return nil, err
		}
		got, err := t.lockRows(ctx, run, lockWish{mode: mode, policy: LockSkip, noted: mode == LockKeyShare, most: most})
		if errors.Is(err, router.ErrRegionChanged) {
			tries++
			continue
		}
		if err != nil {
			return nil, err
		}
		tries = 0
		for _, r := range got {
			if r.Locked {
				most--
			}
		}
		out = append(out, got...)
	}
	return out, nil
}

// has reports whether the transaction has a row that nobody else can have in the mode.
func (t *Txn) has(key []byte, mode LockMode) bool {
	v := t.buf.lookup(key)
	return v != nil && v.fresh && v.op == opPut || t.locks.mode(key) >= mode
}

// sameRegion returns the first of the keys as far as they lie in one region. tries counts
// how often that has just turned out to be wrong.
func (c *Client) sameRegion(ctx context.Context, keys [][]byte, tries int) ([][]byte, error) {
	groups, err := c.groupAgain(ctx, keys, tries)
	if err != nil || len(groups) == 1 {
		return keys, err
	}
	for _, g := range groups {
		in := make(map[string]struct{}, len(g.Keys))
		for _, k := range g.Keys {
			in[string(k)] = struct{}{}
		}
		n := 0
		for n < len(keys) {
			if _, ok := in[string(keys[n])]; !ok {
				break
			}
			n++
		}
		if n > 0 {
			return keys[:n:n], nil
		}
	}
	return keys[:1:1], nil
}

// lockWish says what lockRows is to do.
type lockWish struct {
	mode   LockMode
	policy LockPolicy
	noted  bool // the commit has to validate the values
	most   int  // see LockSome; 0: all
}

func (t *Txn) lockRows(ctx context.Context, keys [][]byte, w lockWish) ([]RowLock, error) {
	mode := w.mode
	if t.finished {
		return nil, ErrFinished
	}
	if _, err := t.ReadTS(ctx); err != nil {
		return nil, err
	}
	out := make([]RowLock, len(keys))
	var ask [][]byte
	at := make(map[string][]int, len(keys))
	for i, k := range keys {
		if t.has(k, mode) {
			out[i].Locked = true
			out[i].Known, out[i].Found = t.locks.known(k)
			if v := t.buf.lookup(k); v != nil && v.op != opLock {
				out[i].Found = v.op == opPut
			}
			continue
		}
		if _, twice := at[string(k)]; !twice {
			ask = append(ask, k)
		}
		at[string(k)] = append(at[string(k)], i)
	}
	if len(ask) == 0 {
		return out, nil
	}
	req := &kvpb.LockRequest{
		ReadTs: uint64(t.snapshotTS()), Mode: mode, Policy: w.policy, Demand: kvpb.LockDemand_LOCK_ROW,
		Most: uint32(w.most), SkipGone: w.most > 0 && t.opts.Isolation == ReadCommitted,
	}
	err := t.lock(ctx, ask, req, func(k *kvpb.LockedKey) {
		got := RowLock{Locked: k.GetLocked(), Found: k.GetFound(), Value: k.GetValue(), Known: timestamp.Timestamp(k.GetForUpdateTs())}
		if v := t.buf.lookup(k.GetKey()); v != nil && v.op != opLock {
			// What the transaction has written itself counts, and a row that only it
			// knows is as good as locked.
			got = RowLock{Locked: got.Locked || v.op == opPut && k.GetBusy() == nil, Found: v.op == opPut, Known: got.Known}
		}
		if w.noted || !got.Locked {
			t.noteKey(k.GetKey())
		}
		for _, i := range at[string(k.GetKey())] {
			out[i] = got
		}
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// lockAbsent locks keys that must not exist.
func (t *Txn) lockAbsent(ctx context.Context, keys [][]byte) error {
	if _, err := t.ReadTS(ctx); err != nil {
		return err
	}
	return t.lock(ctx, keys, &kvpb.LockRequest{
		ReadTs: uint64(t.snapshotTS()), Mode: LockUpdate, Demand: kvpb.LockDemand_LOCK_ABSENT,
	}, func(*kvpb.LockedKey) {})
}

// lock sends a lock request for keys to their regions. each is called for every
// key that was answered, one at a time.
func (t *Txn) lock(ctx context.Context, keys [][]byte, template *kvpb.LockRequest, each func(*kvpb.LockedKey)) error {
	before := t.locks.touch(keys, t.c.opts.Clock.Now())
	t.c.keeper.add(t)
	template.Owner = &kvpb.LockOwner{Id: uint64(t.startTS), Node: t.owner.Node, Pid: t.owner.PID, Statement: t.statement, Gateway: t.c.opts.Gateway}
	t.locks.mu.Lock()
	t.locks.waits++
	t.locks.mu.Unlock()
	var answers sync.Mutex
	part := func(ctx context.Context, keys [][]byte) error {
		return t.lockPart(ctx, keys, template, func(k *kvpb.LockedKey) {
			answers.Lock()
			defer answers.Unlock()
			each(k)
		})
	}
	var err error
	if template.Most > 0 {
		err = part(ctx, keys) // of one region, and in their order
	} else {
		err = t.c.perRegion(ctx, keys, limits{keys: lockBatchKeysMax}, part)
	}
	t.locks.mu.Lock()
	t.locks.waits--
	t.locks.mu.Unlock()
	if err != nil {
		return fmt.Errorf("lock %d rows: %w", len(keys), err)
	}
	t.locks.settle(before)
	return nil
}

// lockPart locks keys of one region.
func (t *Txn) lockPart(ctx context.Context, keys [][]byte, template *kvpb.LockRequest, each func(*kvpb.LockedKey)) error {
	waitCtx := ctx
	if t.lockTimeout > 0 {
		var cancel context.CancelFunc
		waitCtx, cancel = context.WithTimeoutCause(ctx, t.lockTimeout, errLockTimeout)
		defer cancel()
	}
	ignore := slices.Clone(t.ignore.list)
	var locked uint32
	for attempt := 0; len(keys) > 0; attempt++ {
		q := &kvpb.LockRequest{
			Owner: template.Owner, ReadTs: template.ReadTs, Mode: template.Mode, Policy: template.Policy,
			Demand: template.Demand, Keys: keys, IgnoreLocks: ignore, Checks: t.locks.checks(keys),
			Most: template.Most, SkipGone: template.SkipGone,
		}
		resp, err := t.c.opts.Router.Send(waitCtx, &kvpb.Request{Cmd: &kvpb.Request_Lock{Lock: q}})
		if err != nil {
			if waitCtx.Err() != nil && ctx.Err() == nil {
				return t.whoHolds(ctx, q)
			}
			return err
		}
		r := resp.GetLock()
		if r == nil || len(r.GetKeys()) > len(keys) {
			return errMalformed("lock", resp)
		}
		for i, k := range r.GetKeys() {
			if err := t.lockedKey(keys[i], k, q, each); err != nil {
				return err
			}
			if k.GetLocked() {
				locked++
			}
		}
		keys = keys[len(r.GetKeys()):]
		if template.Most > 0 && locked >= template.Most {
			return nil
		}
		if r.GetError() == nil {
			if len(r.GetKeys()) == 0 {
				return errMalformed("lock", resp)
			}
			continue
		}
		skip, err := t.lockError(waitCtx, r.GetError(), q, attempt)
		if err != nil {
			if waitCtx.Err() != nil && ctx.Err() == nil {
				return t.whoHolds(ctx, q)
			}
			return err
		}
		if skip && len(keys) > 0 {
			each(&kvpb.LockedKey{Key: keys[0]})
			keys = keys[1:]
		}
	}
	return nil
}

// lockedKey takes the answer for one key.
func (t *Txn) lockedKey(key []byte, k *kvpb.LockedKey, q *kvpb.LockRequest, each func(*kvpb.LockedKey)) error {
	if !bytes.Equal(key, k.GetKey()) {
		return fmt.Errorf("lock: region answered for key %x, asked for %x", k.GetKey(), key)
	}
	if b := k.GetBusy(); b != nil && q.GetPolicy() == LockNoWait {
		return &LockNotAvailableError{Key: key, Holder: holderOf(b.GetHolder())}
	}
	if k.GetLocked() && (k.GetChanged() == nil || t.opts.Isolation == ReadCommitted) {
		// Elsewhere the transaction must not change the row any more, although it
		// has locked it: it is not the row of its snapshot.
		t.locks.got(key, q.GetMode(), timestamp.Timestamp(k.GetForUpdateTs()), k.GetFound() && k.GetChanged() == nil)
	}
	if c := k.GetChanged(); c != nil {
		return &ChangedError{
			Key: key, StartTS: t.startTS, ReadTS: timestamp.Timestamp(q.GetReadTs()),
			ConflictStartTS: timestamp.Timestamp(c.GetConflictStartTs()), ConflictCommitTS: timestamp.Timestamp(c.GetConflictCommitTs()),
		}
	}
	each(k)
	return nil
}

// lockError treats what ended a lock request early. skip says that its first key
// is to be passed by.
func (t *Txn) lockError(ctx context.Context, ke *kvpb.KeyError, q *kvpb.LockRequest, attempt int) (skip bool, err error) {
	switch k := ke.GetKind().(type) {
	case *kvpb.KeyError_Locked:
		// A transaction that is about to commit, or was about to when its gateway died.
		alive, err := t.c.passForWrite(ctx, []*kvpb.LockInfo{k.Locked})
		if err != nil || alive == nil {
			return false, err
		}
		switch q.GetPolicy() {
		case LockNoWait:
			return false, &LockNotAvailableError{Key: k.Locked.GetKey(), Holder: Holder{StartTS: timestamp.Timestamp(k.Locked.GetStartTs())}}
		case LockSkip:
			return true, nil
		}
		return false, t.c.pause(ctx, attempt)
	case *kvpb.KeyError_Deadlock:
		return false, deadlockError(k.Deadlock)
	case *kvpb.KeyError_OwnerEnded:
		return false, &AbortedError{StartTS: t.startTS, Reason: "its row locks were released"}
	}
	return false, keyError(ke, t.startTS)
}

var errLockTimeout = errors.New("lock timeout")

// whoHolds makes the error of a wait that took too long, and asks who is to blame.
func (t *Txn) whoHolds(ctx context.Context, q *kvpb.LockRequest) error {
	e := &LockNotAvailableError{Key: q.GetKeys()[0], Timeout: true}
	q.Policy, q.Keys = LockNoWait, q.GetKeys()[:1]
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	if resp, err := t.c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Lock{Lock: q}}); err == nil {
		for _, k := range resp.GetLock().GetKeys() {
			e.Holder = holderOf(k.GetBusy().GetHolder())
		}
	}
	return e
}

func holderOf(o *kvpb.LockOwner) Holder {
	return Holder{StartTS: timestamp.Timestamp(o.GetId()), Node: o.GetNode(), PID: o.GetPid(), Statement: o.GetStatement()}
}

func deadlockError(d *kvpb.Deadlock) error {
	e := &DeadlockError{}
	for _, w := range d.GetCircle() {
		e.Circle = append(e.Circle, Waiting{Holder: holderOf(w.GetOwner()), Key: w.GetKey(), Mode: w.GetMode()})
	}
	return e
}

// releaseLocks gives up all row locks of the transaction and waits for that, for a
// while. It may be called when there are none.
func (t *Txn) releaseLocks() {
	keys := t.locks.keys()
	if len(keys) == 0 {
		return
	}
	t.c.keeper.remove(t)
	ctx, cancel := t.c.detached(releaseTimeout)
	defer cancel()
	if err := t.c.release(ctx, t.startTS, keys, true); err != nil {
		t.c.opts.Logger.Debug("row locks not released", "txn", uint64(t.startTS), "err", err)
	}
}

// endLocks is releaseLocks for a transaction that commits and writes nothing. It finds
// out whether the locks have held what they promise up to now (rule E5): if not, or if
// that cannot be found out, the transaction has failed.
func (t *Txn) endLocks(ctx context.Context) error {
	keys := t.locks.keys()
	if len(keys) == 0 {
		return nil
	}
	t.c.keeper.remove(t)
	err := t.c.perRegion(ctx, keys, limits{keys: t.c.opts.BatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
		q := &kvpb.ReleaseRequest{Owner: uint64(t.startTS), Keys: keys, All: true, Checks: t.locks.checks(keys)}
		resp, err := t.c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Release{Release: q}})
		if err != nil {
			return err
		}
		r := resp.GetRelease()
		if r == nil {
			return errMalformed("release", resp)
		}
		if ke := r.GetError(); ke != nil {
			return keyError(ke, t.startTS)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	t.releaseLocks()
	var conflict *ConflictError
	if errors.As(err, &conflict) || ctx.Err() != nil {
		return err
	}
	return &AbortedError{StartTS: t.startTS, Key: keys[0], Reason: fmt.Sprintf("its row locks could not be checked: %v", err)}
}

// release gives up locks on keys; with all set, all locks of the owner in the
// regions of the keys, for good.
func (c *Client) release(ctx context.Context, owner timestamp.Timestamp, keys [][]byte, all bool) error {
	return c.perRegion(ctx, keys, limits{keys: c.opts.BatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
		resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Release{Release: &kvpb.ReleaseRequest{
			Owner: uint64(owner), Keys: keys, All: all,
		}}})
		if err != nil {
			return err
		}
		if resp.GetRelease() == nil {
			return errMalformed("release", resp)
		}
		return nil
	})
}
