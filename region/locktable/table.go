package locktable

import (
	"cmp"
	"slices"
	"time"
)

// OwnerID names a transaction (its start timestamp), or a session's claim to
// advisory locks.
type OwnerID uint64

// Owner is who asks for a lock.
type Owner struct {
	ID OwnerID
	// Node and PID name the session, Statement what it runs: for people only.
	Node      uint32
	PID       uint32
	Statement string
	// Gateway is the process that the owner lives in; zero: it is not known, or the
	// locks are to outlive it.
	Gateway Gateway
}

// Gateway is a store and its boot id.
type Gateway struct{ Store, Boot uint64 }

// Policy says what to do when a lock is not free.
type Policy uint8

// The policies. The zero value waits.
const (
	Block  Policy = iota
	NoWait        // answer Busy
)

// Outcome is the answer to a request for a lock.
type Outcome uint8

// The outcomes. The zero value is invalid.
const (
	Granted Outcome = iota + 1
	// Waiting: the Wait is in the queue.
	Waiting
	// Busy: it is not free and the request did not want to wait.
	Busy
	// Ended: the owner was released for good before.
	Ended
	// Full: the table has no room.
	Full
)

// Wait is a request in a key's queue.
type Wait struct {
	Owner Owner
	Key   string
	Mode  Mode
	Since time.Time
	// ID tells waits of one table apart: a wait that is seen twice with one ID has
	// not been interrupted.
	ID uint64

	state   waitState
	upgrade bool // the owner holds a weaker mode
}

type waitState uint8

const (
	waitQueued waitState = iota
	waitGranted
	waitGone
)

type hold struct {
	owner *owner
	mode  Mode
	since time.Time
}

type queue struct {
	key     string
	holders []hold
	waiters []*Wait // upgrades first, then by ID
}

type owner struct {
	Owner
	expires time.Time
	held    map[string]struct{}
	waits   []*Wait
}

const (
	// locksMax bounds the holders of one table: some 100 MB.
	locksMax = 1 << 19
	// endedMax bounds the memory of owners that were released. A request can be
	// late by seconds; a region ends some ten thousand transactions in that time.
	endedMax = 1 << 15
)

// Table is the row locks of a region. See the package comment.
type Table struct {
	keys   map[string]*queue
	owners map[OwnerID]*owner
	ttl    time.Duration
	lastID uint64
	held   int

	ended     map[OwnerID]struct{}
	endedRing []OwnerID
	endedNext int
	// places remembers the last wait of an owner that was cut short by its poll,
	// so that it comes back to its old place.
	places map[OwnerID]place
}

type place struct {
	key string
	id  uint64
	at  time.Time
}

// New returns an empty table. An owner lives for ttl after its last sign of life.
func New(ttl time.Duration) *Table {
	return &Table{
		keys: map[string]*queue{}, owners: map[OwnerID]*owner{}, ttl: ttl,
		ended: map[OwnerID]struct{}{}, places: map[OwnerID]place{},
	}
}

// Acquire asks for a lock. Asking again for what the owner has is granted. With
// Waiting comes the Wait, which ends by a grant, Cancel, or the release of its
// owner.
func (t *Table) Acquire(now time.Time, o Owner, key string, m Mode, p Policy) (Outcome, *Wait) {
	if _, over := t.ended[o.ID]; over {
		return Ended, nil
	}
	q := t.keys[key]
	have := Mode(0)
	if q != nil {
		have = q.modeOf(o.ID)
	}
	if have >= m {
		t.touch(now, o)
		return Granted, nil
	}
	if q == nil || q.free(o.ID, m, have != 0) {
		if have == 0 && t.held >= locksMax {
			return Full, nil
		}
		if q == nil {
			q = &queue{key: key}
			t.keys[key] = q
		}
		t.hold(q, t.touch(now, o), m, now)
		return Granted, nil
	}
	if p == NoWait {
		return Busy, nil
	}
	ow := t.touch(now, o)
	t.lastID++
	w := &Wait{Owner: o, Key: key, Mode: m, Since: now, ID: t.lastID, upgrade: have != 0}
	if pl, ok := t.places[o.ID]; ok && pl.key == key {
		delete(t.places, o.ID)
		if now.Sub(pl.at) < t.ttl {
			w.ID = pl.id
		}
	}
	q.enqueue(w)
	ow.waits = append(ow.waits, w)
	return Waiting, w
}

// free reports whether an owner may have the mode at once: no holder and, unless
// it holds the key already, no waiter stands against it. Whoever conflicts with
// what it holds waits for it anyhow.
func (q *queue) free(id OwnerID, m Mode, upgrade bool) bool {
	for _, h := range q.holders {
		if h.owner.ID != id && h.mode.Conflicts(m) {
			return false
		}
	}
	if upgrade {
		return true
	}
	for _, w := range q.waiters {
		if w.Owner.ID != id && w.Mode.Conflicts(m) {
			return false
		}
	}
	return true
}

func (q *queue) modeOf(id OwnerID) Mode {
	for _, h := range q.holders {
		if h.owner.ID == id {
			return h.mode
		}
	}
	return 0
}

func (q *queue) enqueue(w *Wait) {
	at, _ := slices.BinarySearchFunc(q.waiters, w, func(a, b *Wait) int {
		switch {
		case a.upgrade != b.upgrade && a.upgrade:
			return -1
		case a.upgrade != b.upgrade:
			return 1
		case a.ID < b.ID:
			return -1
		}
		return 1
	})
	q.waiters = slices.Insert(q.waiters, at, w)
}

// touch returns the owner's record and renews its life.
func (t *Table) touch(now time.Time, o Owner) *owner {
	ow := t.owners[o.ID]
	if ow == nil {
		ow = &owner{held: map[string]struct{}{}}
		t.owners[o.ID] = ow
	}
	ow.Owner = o
	ow.expires = now.Add(t.ttl)
	return ow
}

func (t *Table) hold(q *queue, ow *owner, m Mode, now time.Time) {
	for i := range q.holders {
		if q.holders[i].owner == ow {
			q.holders[i].mode = max(q.holders[i].mode, m)
			return
		}
	}
	q.holders = append(q.holders, hold{ow, m, now})
	ow.held[q.key] = struct{}{}
	t.held++
}

// Cancel takes a wait out of its queue and returns the waits that are granted by
// it. With comeBack the owner finds its place again if it asks soon. It reports
// false, and does nothing, if the wait is over.
func (t *Table) Cancel(now time.Time, w *Wait, comeBack bool) ([]*Wait, bool) {
	if w.state != waitQueued {
		return nil, false
	}
	t.drop(w)
	if comeBack {
		if len(t.places) >= endedMax {
			clear(t.places)
		}
		t.places[w.Owner.ID] = place{w.Key, w.ID, now}
	}
	granted := t.settle(t.keys[w.Key], now)
	t.forget(w.Owner.ID)
	return granted, true
}

// drop removes a wait from its queue and its owner.
func (t *Table) drop(w *Wait) {
	w.state = waitGone
	q := t.keys[w.Key]
	q.waiters = slices.DeleteFunc(q.waiters, func(o *Wait) bool { return o == w })
	if ow := t.owners[w.Owner.ID]; ow != nil {
		ow.waits = slices.DeleteFunc(ow.waits, func(o *Wait) bool { return o == w })
	}
}

// forget removes the record of an owner that has nothing.
func (t *Table) forget(id OwnerID) {
	if ow := t.owners[id]; ow != nil && len(ow.held) == 0 && len(ow.waits) == 0 {
		delete(t.owners, id)
	}
}

// settle grants what can be granted in a queue, in its order, and removes it when
// it is empty.
func (t *Table) settle(q *queue, now time.Time) (granted []*Wait) {
	if q == nil {
		return nil
	}
	kept := q.waiters[:0:0]
	for _, w := range q.waiters {
		if !q.grantable(w, kept) {
			kept = append(kept, w)
			continue
		}
		w.state = waitGranted
		ow := t.owners[w.Owner.ID]
		ow.waits = slices.DeleteFunc(ow.waits, func(o *Wait) bool { return o == w })
		t.hold(q, ow, w.Mode, now)
		granted = append(granted, w)
	}
	q.waiters = kept
	if len(q.holders) == 0 && len(q.waiters) == 0 {
		delete(t.keys, q.key)
	}
	return granted
}

func (q *queue) grantable(w *Wait, before []*Wait) bool {
	for _, h := range q.holders {
		if h.owner.ID != w.Owner.ID && h.mode.Conflicts(w.Mode) {
			return false
		}
	}
	for _, o := range before {
		if o.Owner.ID != w.Owner.ID && o.Mode.Conflicts(w.Mode) {
			return false
		}
	}
	return true
}

// ReleaseKeys gives up an owner's locks on some keys; those that it does not hold
// are skipped. It returns the waits that are granted by it.
func (t *Table) ReleaseKeys(now time.Time, id OwnerID, keys []string) (granted []*Wait) {
	ow := t.owners[id]
	if ow == nil {
		return nil
	}
	for _, k := range keys {
		granted = append(granted, t.releaseOne(now, ow, k)...)
	}
	t.forget(id)
	return granted
}

func (t *Table) releaseOne(now time.Time, ow *owner, key string) []*Wait {
	if _, ok := ow.held[key]; !ok {
		return nil
	}
	delete(ow.held, key)
	t.held--
	q := t.keys[key]
	q.holders = slices.DeleteFunc(q.holders, func(h hold) bool { return h.owner == ow })
	return t.settle(q, now)
}

// Release gives up all that an owner has, for good: its waits end, and what it
// asks for later is refused with Ended. It returns the waits that are granted by
// it and the ones that ended.
func (t *Table) Release(now time.Time, id OwnerID) (granted, ended []*Wait) {
	t.markEnded(id)
	return t.releaseAll(now, id)
}

func (t *Table) releaseAll(now time.Time, id OwnerID) (granted, ended []*Wait) {
	delete(t.places, id)
	ow := t.owners[id]
	if ow == nil {
		return nil, nil
	}
	ended = ow.waits
	ow.waits = nil
	touched := map[string]struct{}{}
	for _, w := range ended {
		t.drop(w)
		touched[w.Key] = struct{}{}
	}
	for k := range ow.held {
		q := t.keys[k]
		q.holders = slices.DeleteFunc(q.holders, func(h hold) bool { return h.owner == ow })
		touched[k] = struct{}{}
	}
	t.held -= len(ow.held)
	clear(ow.held)
	delete(t.owners, id)
	for _, k := range sortedKeys(touched) {
		granted = append(granted, t.settle(t.keys[k], now)...)
	}
	return granted, ended
}

func (t *Table) markEnded(id OwnerID) {
	if _, ok := t.ended[id]; ok {
		return
	}
	if len(t.endedRing) < endedMax {
		t.endedRing = append(t.endedRing, id)
	} else {
		delete(t.ended, t.endedRing[t.endedNext])
		t.endedRing[t.endedNext] = id
		t.endedNext = (t.endedNext + 1) % endedMax
	}
	t.ended[id] = struct{}{}
}

// Keep renews an owner's life and reports whether the table knows it.
func (t *Table) Keep(now time.Time, id OwnerID) bool {
	ow := t.owners[id]
	if ow != nil {
		ow.expires = now.Add(t.ttl)
	}
	return ow != nil
}

// Expire releases the owners whose life is over. Their late requests are not
// refused: a transaction that was only slow may go on, and learns at its commit
// whether somebody came between.
func (t *Table) Expire(now time.Time) (granted, ended []*Wait) {
	return t.expire(now, func(ow *owner) bool { return !now.Before(ow.expires) })
}

// ExpireGateway is Expire for the owners of one gateway, at whatever time.
func (t *Table) ExpireGateway(now time.Time, g Gateway) (granted, ended []*Wait) {
	return t.expire(now, func(ow *owner) bool { return g != (Gateway{}) && ow.Gateway == g })
}

func (t *Table) expire(now time.Time, over func(*owner) bool) (granted, ended []*Wait) {
	var dead []OwnerID
	for id, ow := range t.owners {
		if over(ow) {
			dead = append(dead, id)
		}
	}
	slices.Sort(dead)
	for _, id := range dead {
		g, e := t.releaseAll(now, id)
		granted, ended = append(granted, g...), append(ended, e...)
	}
	// A wait may have been granted to an owner that died later in the same call.
	granted = slices.DeleteFunc(granted, func(w *Wait) bool { return t.owners[w.Owner.ID] == nil })
	return granted, ended
}

// Mode returns the mode in which an owner holds a key, 0 if it does not.
func (t *Table) Mode(id OwnerID, key string) Mode {
	if q := t.keys[key]; q != nil {
		return q.modeOf(id)
	}
	return 0
}

// Against returns a holder other than id whose mode conflicts with m.
func (t *Table) Against(id OwnerID, key string, m Mode) (Owner, Mode, bool) {
	if q := t.keys[key]; q != nil {
		for _, h := range q.holders {
			if h.owner.ID != id && h.mode.Conflicts(m) {
				return h.owner.Owner, h.mode, true
			}
		}
	}
	return Owner{}, 0, false
}

// Blockers returns the owners that a queued wait waits for: holders and earlier
// waiters that conflict with it.
func (t *Table) Blockers(w *Wait) []Owner {
	q := t.keys[w.Key]
	if q == nil || w.state != waitQueued {
		return nil
	}
	var out []Owner
	seen := map[OwnerID]bool{w.Owner.ID: true}
	add := func(o Owner, m Mode) {
		if !seen[o.ID] && m.Conflicts(w.Mode) {
			seen[o.ID] = true
			out = append(out, o)
		}
	}
	for _, h := range q.holders {
		add(h.owner.Owner, h.mode)
	}
	for _, o := range q.waiters {
		if o == w {
			break
		}
		add(o.Owner, o.Mode)
	}
	return out
}

// Gateways returns the gateways of those who hold a lock that somebody waits for.
func (t *Table) Gateways() []Gateway {
	seen := map[Gateway]struct{}{}
	for _, ow := range t.owners {
		for _, w := range ow.waits {
			for _, h := range t.keys[w.Key].holders {
				if h.owner != ow && h.owner.Gateway != (Gateway{}) {
					seen[h.owner.Gateway] = struct{}{}
				}
			}
		}
	}
	out := make([]Gateway, 0, len(seen))
	for g := range seen {
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b Gateway) int {
		return cmp.Or(cmp.Compare(a.Store, b.Store), cmp.Compare(a.Boot, b.Boot))
	})
	return out
}

// Len returns how many locks are held and how many requests wait.
func (t *Table) Len() (held, waiting int) {
	for _, ow := range t.owners {
		waiting += len(ow.waits)
	}
	return t.held, waiting
}

// Waits returns all waits, oldest first.
func (t *Table) Waits() []*Wait {
	var out []*Wait
	for _, ow := range t.owners {
		out = append(out, ow.waits...)
	}
	slices.SortFunc(out, func(a, b *Wait) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return out
}

// Entry is one lock that is held.
type Entry struct {
	Owner Owner
	Key   string
	Mode  Mode
	Since time.Time
}

// Entries returns all locks that are held, by key and owner.
func (t *Table) Entries() []Entry {
	out := make([]Entry, 0, t.held)
	for _, k := range sortedKeys(t.keys) {
		from := len(out)
		for _, h := range t.keys[k].holders {
			out = append(out, Entry{h.owner.Owner, k, h.mode, h.since})
		}
		slices.SortFunc(out[from:], func(a, b Entry) int {
			if a.Owner.ID < b.Owner.ID {
				return -1
			}
			return 1
		})
	}
	return out
}

// Import adds locks that another table held, each as if it had been granted now.
// An entry that conflicts with what is there is left out.
func (t *Table) Import(now time.Time, list []Entry) {
	for _, e := range list {
		if e.Mode.Valid() {
			t.Acquire(now, e.Owner, e.Key, e.Mode, NoWait)
		}
	}
}

// Cut removes all locks and waits on keys for which gone is true, without granting
// anything, and returns the waits.
func (t *Table) Cut(gone func(key string) bool) []*Wait {
	var ended []*Wait
	for _, k := range sortedKeys(t.keys) {
		if !gone(k) {
			continue
		}
		q := t.keys[k]
		for _, w := range slices.Clone(q.waiters) {
			t.drop(w)
			ended = append(ended, w)
		}
		for _, h := range q.holders {
			delete(h.owner.held, k)
			t.held--
			t.forget(h.owner.ID)
		}
		delete(t.keys, k)
		for _, w := range ended {
			t.forget(w.Owner.ID)
		}
	}
	return ended
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
