package replica

import (
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/locktable"
)

// LockTTL is how long the locks of an owner outlive its last sign of life: what a
// dead gateway held is free within five seconds.
const LockTTL = 4 * time.Second

// reassertTime is how long after an election that lost the lock table a region
// gives out no advisory lock that nobody can check at a commit: time for every
// living owner to give a sign of life and to take its own again.
const reassertTime = 2500 * time.Millisecond

// rowLocks is the lock table of one leadership and who is to be told of the end of
// a wait. It has its own mutex, below all others; callbacks run without it.
type rowLocks struct {
	clock env.Clock
	// inherited: the table continues that of the former leader.
	inherited bool
	since     time.Time

	mu struct {
		sync.Mutex
		table *locktable.Table
		ends  map[*locktable.Wait]func(waitEnd)
		why   errorAnswer // set when the leadership has ended
	}
}

// waitEnd says how a wait ended: the lock is held, or one of the others is set.
type waitEnd struct {
	granted bool
	circle  *kvpb.Deadlock
	ended   bool // the owner was released
	refused errorAnswer
}

func newRowLocks(clock env.Clock) *rowLocks {
	rl := &rowLocks{clock: clock, since: clock.Now()}
	rl.mu.table = locktable.New(LockTTL)
	rl.mu.ends = make(map[*locktable.Wait]func(waitEnd))
	return rl
}

// acquire asks for a lock; end is called once if the outcome is Waiting.
func (rl *rowLocks) acquire(o locktable.Owner, key []byte, m locktable.Mode, p locktable.Policy,
	end func(waitEnd)) (out locktable.Outcome, w *locktable.Wait, fresh bool, refused errorAnswer) {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	if rl.mu.why != nil {
		return 0, nil, false, rl.mu.why
	}
	fresh = rl.mu.table.Mode(o.ID, string(key)) == 0
	out, w = rl.mu.table.Acquire(rl.clock.Now(), o, string(key), m, p)
	if w != nil {
		rl.mu.ends[w] = end
	}
	return out, w, fresh, nil
}

// unlockAndTell calls the callbacks of waits that are over.
// Requires: mu held; it is released.
func (rl *rowLocks) unlockAndTell(granted, ended []*locktable.Wait, how waitEnd) {
	var calls []func()
	take := func(w *locktable.Wait, e waitEnd) {
		if f := rl.mu.ends[w]; f != nil {
			delete(rl.mu.ends, w)
			calls = append(calls, func() { f(e) })
		}
	}
	for _, w := range ended {
		take(w, how)
	}
	for _, w := range granted {
		take(w, waitEnd{granted: true})
	}
	rl.mu.Unlock()
	for _, f := range calls {
		f()
	}
}

// cancel takes a wait back whose caller waits no longer.
func (rl *rowLocks) cancel(w *locktable.Wait, comeBack bool) {
	rl.mu.Lock()
	delete(rl.mu.ends, w)
	granted, _ := rl.mu.table.Cancel(rl.clock.Now(), w, comeBack)
	rl.unlockAndTell(granted, nil, waitEnd{})
}

// release gives up all that the owner has, for good.
func (rl *rowLocks) release(owner timestamp.Timestamp) {
	rl.mu.Lock()
	granted, ended := rl.mu.table.Release(rl.clock.Now(), locktable.OwnerID(owner))
	rl.unlockAndTell(granted, ended, waitEnd{ended: true})
}

func (rl *rowLocks) releaseKeys(owner timestamp.Timestamp, list [][]byte) {
	names := make([]string, len(list))
	for i, k := range list {
		names[i] = string(k)
	}
	rl.mu.Lock()
	granted := rl.mu.table.ReleaseKeys(rl.clock.Now(), locktable.OwnerID(owner), names)
	rl.unlockAndTell(granted, nil, waitEnd{})
}

func (rl *rowLocks) keep(owner locktable.OwnerID) bool {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	return rl.mu.table.Keep(rl.clock.Now(), owner)
}

// expire releases what belongs to the dead.
func (rl *rowLocks) expire() {
	rl.mu.Lock()
	granted, ended := rl.mu.table.Expire(rl.clock.Now())
	rl.unlockAndTell(granted, ended, waitEnd{ended: true})
}

// expireGateway releases what belongs to a gateway that is lost. Its transactions
// may go on if they live after all: what a lock has promised is looked at again by
// the prewrite of its key.
func (rl *rowLocks) expireGateway(g locktable.Gateway) {
	rl.mu.Lock()
	granted, ended := rl.mu.table.ExpireGateway(rl.clock.Now(), g)
	rl.unlockAndTell(granted, ended, waitEnd{ended: true})
}

func (rl *rowLocks) gateways() []locktable.Gateway {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	if len(rl.mu.ends) == 0 {
		return nil
	}
	return rl.mu.table.Gateways()
}

// against returns the lock that forbids a transaction to do to the key what needs a mode.
// Who holds the key in that mode may.
func (rl *rowLocks) against(start timestamp.Timestamp, key []byte, m locktable.Mode) *kvpb.KeyError {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	id := locktable.OwnerID(start)
	if own := rl.mu.table.Mode(id, string(key)); own >= m {
		return nil
	}
	o, held, found := rl.mu.table.Against(id, string(key), m)
	if !found {
		return nil
	}
	return &kvpb.KeyError{Kind: &kvpb.KeyError_RowLocked{RowLocked: &kvpb.RowLocked{
		Key: key, Holder: ownerInfo(o), Mode: kvpb.LockMode(held),
	}}}
}

// breakWait ends a wait that is part of a circle, if it still is the same one.
func (rl *rowLocks) breakWait(id uint64, circle *kvpb.Deadlock) bool {
	rl.mu.Lock()
	for w, f := range rl.mu.ends {
		if w.ID != id || uint64(w.Owner.ID) != circle.GetCircle()[0].GetOwner().GetId() {
			continue
		}
		delete(rl.mu.ends, w)
		granted, ok := rl.mu.table.Cancel(rl.clock.Now(), w, false)
		rl.unlockAndTell(granted, nil, waitEnd{})
		if ok {
			f(waitEnd{circle: circle})
		}
		return ok
	}
	rl.mu.Unlock()
	return false
}

// close ends all waits: the leadership is over.
func (rl *rowLocks) close(why errorAnswer) {
	rl.mu.Lock()
	rl.mu.why = why
	rl.unlockAndTell(nil, rl.mu.table.Waits(), waitEnd{refused: why})
}

// cut removes the locks outside of the region after a split; who waits for them is
// sent to the new region.
func (rl *rowLocks) cut(desc *metapb.Region) {
	rl.mu.Lock()
	ended := rl.mu.table.Cut(func(key string) bool { return !region.Contains(desc, []byte(key)) })
	rl.unlockAndTell(nil, ended, waitEnd{refused: region.EpochNotMatch(desc)})
}

// interrupt sends everybody who waits away, to come again; what is held stays.
func (rl *rowLocks) interrupt(why errorAnswer) {
	rl.mu.Lock()
	waits := rl.mu.table.Waits()
	var granted []*locktable.Wait
	for _, w := range waits {
		g, _ := rl.mu.table.Cancel(rl.clock.Now(), w, true)
		granted = append(granted, g...)
	}
	rl.unlockAndTell(nil, append(waits, granted...), waitEnd{refused: why})
}

// export lists the locks on keys from start on (empty: all).
func (rl *rowLocks) export(start []byte) []*kvpb.HeldLock {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	var out []*kvpb.HeldLock
	for _, e := range rl.mu.table.Entries() {
		if e.Key >= string(start) {
			out = append(out, &kvpb.HeldLock{Key: []byte(e.Key), Mode: kvpb.LockMode(e.Mode), Owner: ownerInfo(e.Owner)})
		}
	}
	return out
}

// take adds the locks of a region that was merged into this one. settling says that
// its table lacks some.
func (rl *rowLocks) take(list []*kvpb.HeldLock, settling bool) {
	entries := lockEntries(list)
	rl.mu.Lock()
	defer rl.mu.Unlock()
	if settling {
		rl.inherited, rl.since = false, rl.clock.Now()
	}
	rl.mu.table.Import(rl.clock.Now(), entries)
}

func (rl *rowLocks) inherit(list []*kvpb.HeldLock) {
	entries := lockEntries(list)
	rl.mu.Lock()
	defer rl.mu.Unlock()
	rl.inherited = true
	rl.mu.table.Import(rl.clock.Now(), entries)
}

func lockEntries(list []*kvpb.HeldLock) []locktable.Entry {
	entries := make([]locktable.Entry, len(list))
	for i, h := range list {
		entries[i] = locktable.Entry{Owner: ownerOf(h.GetOwner()), Key: string(h.GetKey()), Mode: locktable.Mode(h.GetMode())}
	}
	return entries
}

// settling reports whether advisory locks of living owners may still be missing.
func (rl *rowLocks) settling() bool {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	return !rl.inherited && rl.clock.Now().Sub(rl.since) < reassertTime
}

// waiting lists the waits that are at least so old.
func (rl *rowLocks) waiting(least time.Duration) []*kvpb.LockWaiting {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	now := rl.clock.Now()
	var out []*kvpb.LockWaiting
	for _, w := range rl.mu.table.Waits() {
		age := now.Sub(w.Since)
		if age < least {
			continue
		}
		lw := &kvpb.LockWaiting{
			Owner: ownerInfo(w.Owner), Key: []byte(w.Key), Mode: kvpb.LockMode(w.Mode),
			WaitId: w.ID, WaitedUs: age.Microseconds(),
		}
		for _, b := range rl.mu.table.Blockers(w) {
			lw.Blockers = append(lw.Blockers, ownerInfo(b))
		}
		out = append(out, lw)
	}
	return out
}

func (rl *rowLocks) anyWaits() bool {
	rl.mu.Lock()
	defer rl.mu.Unlock()
	return len(rl.mu.ends) > 0
}

func ownerInfo(o locktable.Owner) *kvpb.LockOwner {
	out := &kvpb.LockOwner{Id: uint64(o.ID), Node: o.Node, Pid: o.PID, Statement: o.Statement}
	if o.Gateway != (locktable.Gateway{}) {
		out.Gateway = &kvpb.Gateway{Store: o.Gateway.Store, Boot: o.Gateway.Boot}
	}
	return out
}

// statementMax bounds what is kept of a statement's text.
const statementMax = 1024

func ownerOf(o *kvpb.LockOwner) locktable.Owner {
	text := o.GetStatement()
	return locktable.Owner{
		ID: locktable.OwnerID(o.GetId()), Node: o.GetNode(), PID: o.GetPid(),
		Statement: text[:min(len(text), statementMax)],
		Gateway:   locktable.Gateway{Store: o.GetGateway().GetStore(), Boot: o.GetGateway().GetBoot()},
	}
}

// LocksWaiting lists the waits in the replica's lock table that are at least so
// old; none if it does not lead.
func (r *Replica) LocksWaiting(least time.Duration) []*kvpb.LockWaiting {
	r.mu.Lock()
	l := r.mu.lead
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	list := l.rows.waiting(least)
	for _, w := range list {
		w.StoreId, w.RegionId, w.Term = r.cfg.StoreID, r.cfg.RegionID, l.term
	}
	return list
}

// LocksHeld lists the row locks in the replica's memory; none if it does not lead.
func (r *Replica) LocksHeld() []*kvpb.HeldLock {
	r.mu.Lock()
	l := r.mu.lead
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.rows.export(nil)
}

// TendLocks releases the locks of owners that are dead, and reports whether
// anybody waits for a lock. The host calls it while somebody does.
func (r *Replica) TendLocks() bool {
	r.mu.Lock()
	l := r.mu.lead
	frozen := l != nil && (l.frozen || r.mu.desc.GetMerging() != nil)
	r.mu.Unlock()
	if l == nil {
		return false
	}
	if !frozen {
		l.rows.expire()
	}
	return l.rows.anyWaits()
}

// AwaitedGateways returns the gateways of those who hold a lock that somebody waits
// for here; none if the replica does not lead.
func (r *Replica) AwaitedGateways() []locktable.Gateway {
	r.mu.Lock()
	l := r.mu.lead
	r.mu.Unlock()
	if l == nil {
		return nil
	}
	return l.rows.gateways()
}

// ExpireGateway releases the row locks of a gateway that is lost.
func (r *Replica) ExpireGateway(g locktable.Gateway) {
	r.mu.Lock()
	l := r.mu.lead
	frozen := l != nil && l.frozen
	r.mu.Unlock()
	if l != nil && !frozen {
		l.rows.expireGateway(g)
	}
}

// BreakWait ends the first wait of a circle if it is the replica's and still on.
func (r *Replica) BreakWait(circle *kvpb.Deadlock) bool {
	r.mu.Lock()
	l := r.mu.lead
	r.mu.Unlock()
	if l == nil || len(circle.GetCircle()) == 0 {
		return false
	}
	victim := circle.GetCircle()[0]
	if l.term != victim.GetTerm() {
		return false
	}
	return l.rows.breakWait(victim.GetWaitId(), circle)
}
