package store

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/region/replica"
)

// awakeSet is the replicas that may want the next tick. Most regions are idle, and an
// idle one must not even be asked.
//
// Whether a replica wants a tick (Replica.WantsTick) follows from its own state and
// from a few facts about each other store at that instant (storeFacts). So one that was
// asked and wanted none is asked again only when
//
//   - it was processed, or changed outside of that: it is noted here after the change;
//   - a fact about any store has changed: then all replicas are asked.
//
// Invariant: a replica that is neither in the list nor being asked wants no tick in its
// present state under the facts in seen.
type awakeSet struct {
	noted
	// seen are the facts under which the replicas were asked last. Used by the ticker
	// alone.
	seen []storeFacts
}

// storeFacts is what WantsTick sees of another store.
type storeFacts struct {
	store           uint64
	supports, grant liveness.Epoch
	// good: the grant counts for a lease. alive: the store was heard of lately.
	good, alive bool
}

func factsOf(v *liveness.View, now time.Duration) []storeFacts {
	out := make([]storeFacts, len(v.Peers))
	for i, p := range v.Peers {
		out[i] = storeFacts{store: p.Store, supports: p.Supports, grant: p.Grant.Epoch,
			good: p.Grant.Base+liveness.Lease > now, alive: p.Alive(now)}
	}
	return out
}

// noted is a list of replicas that have to be looked at, each once.
type noted struct {
	// mark says whether a replica is in the list.
	mark func(*replica.Replica) *atomic.Bool
	// added, if set, is called when one has come into it.
	added func()

	mu   sync.Mutex
	list []*replica.Replica
}

// note adds a replica after a change of it, if it is not there.
func (n *noted) note(r *replica.Replica) {
	m := n.mark(r)
	if m.Load() || m.Swap(true) {
		return // it has not been looked at since
	}
	n.mu.Lock()
	n.list = append(n.list, r)
	n.mu.Unlock()
	if n.added != nil {
		n.added()
	}
}

// take empties the list and returns it, sorted. Each replica is to be looked at after
// this: what changes from now on is noted again.
func (n *noted) take() []*replica.Replica {
	n.mu.Lock()
	list := n.list
	n.list = nil
	n.mu.Unlock()
	for _, r := range list {
		n.mark(r).Store(false)
	}
	slices.SortFunc(list, func(a, b *replica.Replica) int { return cmp.Compare(a.RegionID(), b.RegionID()) })
	return list
}

func (s *Store) initLists() {
	s.wakeful.mark = func(r *replica.Replica) *atomic.Bool { return &r.Marks.Awake }
	s.touched.mark = func(r *replica.Replica) *atomic.Bool { return &r.Marks.Touched }
	s.loaded.mark = func(r *replica.Replica) *atomic.Bool { return &r.Marks.Loaded }
	s.reports.todo.mark = func(r *replica.Replica) *atomic.Bool { return &r.Marks.Unreported }
}

// touch notes that a replica is not as it was: the next sync and the next report have
// to look at it.
func (s *Store) touch(r *replica.Replica) {
	s.touched.note(r)
	s.reports.todo.note(r)
}

// awake returns the groups that want the next tick and have to be processed for it now,
// sorted. It is called once for each tick.
func (s *Store) awake() []uint64 {
	v, now, trusted := s.live.look()
	if !trusted {
		v = &liveness.View{}
	}
	if facts := factsOf(v, now); !slices.Equal(facts, s.wakeful.seen) {
		s.wakeful.seen = facts
		for _, r := range s.all() {
			s.wakeful.note(r)
		}
	}
	s.starter.run(s, v, now)
	ids := s.dueProbes()
	for _, r := range s.wakeful.take() {
		if s.replica(r.RegionID()) == r && r.WantsTick(v, now) {
			s.wakeful.note(r)
			if r.TickDue(v, now) {
				ids = append(ids, r.RegionID())
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Overslept returns the replicas that want a tick though awake would not ask them:
// there must be none. For simulations, behind Tick. Manual mode only.
func (s *Store) Overslept() []uint64 {
	v, now, trusted := s.live.look()
	if !trusted {
		v = &liveness.View{}
	}
	var ids []uint64
	if slices.Equal(factsOf(v, now), s.wakeful.seen) {
		for _, r := range s.all() {
			// What is scheduled is noted behind its Process.
			if !r.Marks.Awake.Load() && !s.driver.Scheduled(r.RegionID()) && r.WantsTick(v, now) {
				ids = append(ids, r.RegionID())
			}
		}
	}
	return ids
}

// probesPerSecond bounds the followers that ask in a second whether they are still
// members: with more of them than that many in a minute each asks less often. Only a
// replica that was removed while it was away waits for it, and it holds nobody up.
const probesPerSecond = 10

// probePause is how often it is somebody's turn: what wakes this store and others
// should be many questions at once.
const probePause = time.Second

// dueProbes returns the followers whose turn it is to ask.
func (s *Store) dueProbes() (ids []uint64) {
	list := s.all()
	now := s.o.Clock.Now()
	p := &s.probes
	if p.at.IsZero() || len(list) == 0 {
		p.at = now
		return nil
	}
	// So many that a pass takes half of the period, or what the bound allows.
	perPeriod := min(2*len(list), probesPerSecond*int(replica.ProbePeriod/time.Second))
	n := int(now.Sub(p.at) * time.Duration(perPeriod) / replica.ProbePeriod)
	if n <= 0 || now.Sub(p.at) < probePause {
		return nil
	}
	p.at = now
	for range min(n, len(list)) {
		p.next = (p.next + 1) % len(list)
		if r := list[p.next]; r.ProbeDue() {
			ids = append(ids, r.RegionID())
		}
	}
	return ids
}

// probes is how far the round of probes has come. Used by the ticker alone.
type probes struct {
	at   time.Time
	next int
}
