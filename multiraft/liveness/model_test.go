package liveness

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// The model: three stores with the real Table, Bound and Acks, a small Raft for
// each region, clocks that run at rates of their own, and a network and an
// operator that do their worst. Everything is drawn from one seed. After each
// event the world is checked:
//
//   - a store that holds a valid lease leads in the newest term that ever had a
//     leader of that region (so two leases are impossible, too);
//   - a read, under the lease or confirmed by a quorum, returns at least what was
//     acknowledged before it began;
//   - in the quiet end every region commits again.
//
// The Raft is reduced to what matters here: append messages carry the whole log,
// and what must be durable is. One fault raises a follower's term and makes it
// forget its leader, as a late message can.
//
// Each seed draws how often it does what (swarm testing): some schedules need
// three faults of certain kinds and none of another.

const (
	modelTick = 100 * time.Millisecond
	// electionMin is the least election timeout, as ten ticks.
	electionMin = 10 * modelTick
	rankStep    = 100 * time.Millisecond
	// healBound is how long after the last fault every region must commit: a few
	// elections.
	healBound = 15 * time.Second
)

// mutation leaves rules out.
type mutation struct {
	a1 bool // an epoch does not name the supporting process
	a2 bool // votes count towards the lease
	a3 bool // a transfer that fails gives the lease back
	a5 bool // support passes on to a restarted process; nobody hears that its leader has gone
	a6 bool // a heartbeat needs no echo; a leader without a quorum does not step down
	// a11: a restarted store votes and campaigns at once.
	a11 bool
	// noLeases: reads ask the quorum.
	noLeases bool
	// twoLeasesOnly: a lease beside a newer leader without one is no violation yet.
	twoLeasesOnly bool
}

type params struct {
	seed             uint64
	regions          int
	rateMin, rateMax float64
	chaos            time.Duration // virtual time with faults
	mut              mutation
}

type event struct {
	at  time.Duration
	seq uint64
	f   func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(v any)   { *q = append(*q, v.(event)) }
func (q *eventQueue) Pop() any {
	old := *q
	v := old[len(old)-1]
	*q = old[:len(old)-1]
	return v
}

// violation is a broken promise.
type violation struct{ what, detail string }

func (v *violation) Error() string { return v.what + ": " + v.detail }

type world struct {
	p      params
	rng    *rand.Rand
	now    time.Duration // real time
	seq    uint64
	events eventQueue
	stores [4]*mstore    // 1 to 3
	cut    [2][4][4]bool // liveness or Raft, from, to
	weight [faultKinds]int
	loss   float64
	slow   float64 // part of the messages that take long
	quiet  bool

	newest [2]uint64            // newest term with a leader, by region
	led    map[[2]uint64]uint64 // (region, term) → leader
	acked  [2]int               // entries acknowledged to clients, by region
	failed *violation
	steps  int
	stats  map[string]int
}

// Classes of messages, which have streams of their own.
const (
	liveClass = iota
	raftClass
)

func newWorld(p params) *world {
	w := &world{p: p, rng: rand.New(rand.NewPCG(p.seed, 77)), stats: map[string]int{}, led: map[[2]uint64]uint64{}}
	for i := range w.weight {
		w.weight[i] = []int{0, 1, 1, 4}[w.rng.IntN(4)]
	}
	w.weight[faultRestart]++
	for i := uint64(1); i <= 3; i++ {
		w.stores[i] = &mstore{w: w, id: i, rate: w.rate()}
	}
	return w
}

func (w *world) rate() float64 {
	p := w.p
	switch w.rng.IntN(3) {
	case 0:
		return p.rateMin
	case 1:
		return p.rateMax
	}
	return p.rateMin + w.rng.Float64()*(p.rateMax-p.rateMin)
}

func (w *world) after(d time.Duration, f func()) {
	w.seq++
	heap.Push(&w.events, event{w.now + max(d, 0), w.seq, f})
}

func (w *world) between(a, b time.Duration) time.Duration {
	return a + time.Duration(w.rng.Int64N(int64(b-a)+1))
}

func (w *world) violate(what, format string, args ...any) {
	if w.failed == nil {
		w.failed = &violation{what, fmt.Sprintf("at %v: %s", w.now, fmt.Sprintf(format, args...))}
	}
}

func (w *world) runUntil(end time.Duration) {
	for w.failed == nil && len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.f()
		w.steps++
		w.check()
	}
	w.now = max(w.now, end)
}

// check looks for a lease that must not be.
func (w *world) check() {
	for r := range w.p.regions {
		holders := 0
		for _, s := range w.stores[1:] {
			if !s.up || !s.regions[r].leaseValid() {
				continue
			}
			holders++
			if holders > 1 {
				w.violate("two leases", "region %d, store %d in term %d", r, s.id, s.regions[r].term)
			}
			if t := s.regions[r].term; !w.p.mut.twoLeasesOnly && t < w.newest[r] {
				w.violate("lease beside a newer leader", "region %d, store %d in term %d, newest %d", r, s.id, t, w.newest[r])
			}
		}
	}
}

// mstore is a store: a machine with a clock, and a process while it is up.
type mstore struct {
	w      *world
	id     uint64
	rate   float64
	base   time.Duration // local instant at the real instant since
	since  time.Duration
	up     bool
	life   int
	boot   uint64
	paused time.Duration // until this real instant

	table   *Table
	view    *View
	regions [2]*mregion
	born    time.Duration // local
	diskBad bool
	tickGen int
}

func (s *mstore) clock() time.Duration {
	return s.base + time.Duration(float64(s.w.now-s.since)*s.rate)
}

func (s *mstore) setRate(r float64) {
	s.base, s.since, s.rate = s.clock(), s.w.now, r
}

// in runs f when d has passed on the store's clock, if the process still lives.
func (s *mstore) in(d time.Duration, f func()) {
	life := s.life
	s.w.after(time.Duration(float64(d)/s.rate)+1, func() { s.awake(life, f) })
}

// awake runs f now, or when the process goes on.
func (s *mstore) awake(life int, f func()) {
	if s.life != life || !s.up {
		return
	}
	if s.w.now < s.paused {
		s.w.after(s.paused-s.w.now, func() { s.awake(life, f) })
		return
	}
	f()
}

func (s *mstore) start() {
	s.up = true
	s.life++
	s.boot++
	s.born = s.clock()
	s.paused = 0
	s.table = NewTable(s.id, s.boot, s.born)
	s.table.SetPeers([]uint64{1, 2, 3})
	s.table.Synced(s.born)
	for r := range s.w.p.regions {
		old := s.regions[r]
		n := &mregion{s: s, id: r}
		if old != nil {
			n.term, n.vote, n.log = old.term, old.vote, old.log
		}
		s.regions[r] = n
	}
	s.publish()
	for r := range s.w.p.regions {
		s.regions[r].resetTimer()
		s.regions[r].tick()
	}
	s.liveTick()
}

func (s *mstore) stop() {
	s.up = false
	s.life++
}

// publish makes the table's state known to the regions.
func (s *mstore) publish() {
	s.view = s.table.View()
	if s.w.p.mut.a1 {
		for i := range s.view.Peers {
			p := &s.view.Peers[i]
			for _, e := range []*Epoch{&p.Supports, &p.Grant.Epoch} {
				if e.Count > 0 {
					*e = Epoch{Supporter: 1, Supported: e.Supported, Count: e.Count}
				}
			}
		}
	}
}

func (s *mstore) liveTick() {
	now := s.clock()
	if !s.diskBad {
		s.table.Synced(now)
	}
	send, gone := s.table.Tick(now)
	s.publish()
	for _, m := range send {
		s.send(m)
	}
	for _, w := range gone {
		s.withdrawn(w)
	}
	s.tickGen++
	gen := s.tickGen
	s.in(s.table.Next()-s.clock(), func() {
		if gen == s.tickGen {
			s.liveTick()
		}
	})
}

func (s *mstore) send(m Message) {
	s.w.send(liveClass, s.id, m.To, func(to *mstore) { to.receive(m) })
}

func (s *mstore) receive(m Message) {
	now := s.clock()
	if s.w.p.mut.a6 {
		m.PeerBoot, m.Echo = s.boot, now
	}
	out := s.table.Receive(now, m)
	s.publish()
	if out.Reply {
		s.send(s.table.Message(now, m.From))
	}
	if out.Withdrawn != nil && !s.w.p.mut.a5 {
		s.withdrawn(*out.Withdrawn)
	}
	if out.Granted {
		for _, g := range s.regions[:s.w.p.regions] {
			g.wake()
		}
	}
	if out.Beat {
		s.liveTick()
	}
}

// withdrawn lets all regions led from a store look for another leader (rules A7,
// A9).
func (s *mstore) withdrawn(wd Withdrawal) {
	s.w.stats["withdrawals"]++
	for _, g := range s.regions[:s.w.p.regions] {
		if g.bound.Store != wd.Store && g.lead != wd.Store {
			continue
		}
		g.lead = 0
		rank := (s.id + uint64(g.id)) % 3
		if other := (wd.Store + uint64(g.id)) % 3; other < rank {
			rank--
		}
		g.in(time.Duration(rank)*rankStep, func() {
			if g.role == follower && g.lead == 0 && g.free() {
				g.campaign(false)
			}
		})
	}
}

// send carries something to another store, unless the network has it otherwise.
func (w *world) send(class int, from, to uint64, f func(*mstore)) {
	if w.cut[class][from][to] || w.rng.Float64() < w.loss {
		return
	}
	n := 1
	if !w.quiet && w.rng.IntN(50) == 0 {
		n = 2
	}
	for range n {
		d := w.between(100*time.Microsecond, 3*time.Millisecond)
		if !w.quiet && w.rng.Float64() < w.slow {
			d = w.between(0, []time.Duration{50, 400, 2500}[w.rng.IntN(3)]*time.Millisecond)
		}
		w.after(d, func() {
			// A restarted process has connections of its own, but an old message may
			// have waited on its doorstep.
			if s := w.stores[to]; s.up {
				s.awake(s.life, func() { f(s) })
			}
		})
	}
}

// run lives through faults and then waits for the world to heal.
func (w *world) run() *violation {
	for _, s := range w.stores[1:] {
		s.base = w.between(0, 10*time.Second)
		s.start()
	}
	w.runUntil(3 * time.Second) // somebody leads
	w.faults()
	for r := range w.p.regions {
		w.clients(r)
	}
	w.runUntil(3*time.Second + w.p.chaos)
	w.heal()
	before := w.acked
	limit := w.now + healBound
	for w.failed == nil && w.now < limit {
		w.runUntil(w.now + 500*time.Millisecond)
		done := true
		for r := range w.p.regions {
			done = done && w.acked[r] > before[r]
		}
		if done {
			break
		}
	}
	for r := range w.p.regions {
		if w.acked[r] <= before[r] {
			w.violate("no leader", "region %d commits nothing %v after the last fault: %s", r, healBound, w.state(r))
		}
	}
	return w.failed
}

func (w *world) state(r int) string {
	out := ""
	for _, s := range w.stores[1:] {
		g := s.regions[r]
		out += fmt.Sprintf("store %d up=%v boot=%d term=%d role=%d lead=%d bound=%+v holds=%v asleep=%v; ", s.id, s.up, s.boot,
			g.term, g.role, g.lead, g.bound, s.up && g.bound.Holds(s.view), g.asleep)
	}
	return out
}

// heal ends all faults, but for a cut into one store now and then, with which the
// others can go on.
func (w *world) heal() {
	w.quiet = true
	w.loss, w.slow = 0, 0
	w.cut = [2][4][4]bool{}
	for _, s := range w.stores[1:] {
		s.diskBad = false
		s.paused = min(s.paused, w.now+time.Millisecond)
		if !s.up {
			s.start()
		}
	}
	if w.rng.IntN(2) == 0 {
		deaf := 1 + w.rng.Uint64N(3)
		for i := uint64(1); i <= 3; i++ {
			w.cut[liveClass][i][deaf], w.cut[raftClass][i][deaf] = i != deaf, i != deaf
		}
	}
}

// clients read and write at whoever believes to lead.
func (w *world) clients(r int) {
	w.after(w.between(0, 40*time.Millisecond), func() {
		s := w.stores[1+w.rng.IntN(3)]
		if s.up {
			s.awake(s.life, func() {
				g := s.regions[r]
				// Idle times let regions fall asleep.
				if w.now%(2*time.Second) < time.Second || w.quiet {
					g.propose()
				}
				g.read()
			})
		}
		w.clients(r)
	})
}

// faults draws faults one after the other.
func (w *world) faults() {
	if w.quiet {
		return
	}
	w.after(w.between(0, 600*time.Millisecond), func() {
		if w.quiet {
			return
		}
		w.fault()
		w.faults()
	})
}

const (
	faultRestart = iota // often in place
	faultPause
	faultOneWay
	faultCut
	faultRaftCut // liveness messages still pass
	faultLoss
	faultSlow
	faultTransfer
	faultRate
	faultDisk
	faultForget // a follower hears of a higher term
	faultKinds
)

func (w *world) fault() {
	s := w.stores[1+w.rng.IntN(3)]
	other := w.stores[1+w.rng.IntN(3)]
	g := s.regions[w.rng.IntN(w.p.regions)]
	total := 0
	for _, n := range w.weight {
		total += n
	}
	kind, n := 0, w.rng.IntN(total)
	for n >= w.weight[kind] {
		n -= w.weight[kind]
		kind++
	}
	switch kind {
	case faultRestart:
		if s.up {
			w.stats["restarts"]++
			s.stop()
			w.after(w.between(0, w.oneOf(20, 20, 300, 1500)), func() {
				if !s.up {
					s.start()
				}
			})
		}
	case faultPause:
		w.stats["pauses"]++
		s.paused = max(s.paused, w.now+w.between(0, w.oneOf(300, 900, 2500)))
	case faultOneWay:
		w.stats["one-way cuts"]++
		w.cutFor(s.id, other.id, liveClass, raftClass)
	case faultCut:
		w.stats["cuts"]++
		w.cutFor(s.id, other.id, liveClass, raftClass)
		w.cutFor(other.id, s.id, liveClass, raftClass)
	case faultRaftCut:
		w.stats["cuts of Raft alone"]++
		w.cutFor(s.id, other.id, raftClass)
	case faultLoss:
		w.loss = []float64{0, 0, 0.1, 0.4}[w.rng.IntN(4)]
	case faultSlow:
		w.slow = []float64{0, 0, 0.1, 0.5}[w.rng.IntN(4)]
	case faultTransfer:
		if s.up && g.role == leader {
			s.awake(s.life, func() { g.transfer(other.id) })
		}
	case faultRate:
		s.setRate(w.rate())
	case faultDisk:
		s.diskBad = !s.diskBad && w.rng.IntN(3) == 0
	case faultForget:
		if s.up && g.role == follower {
			w.stats["forgotten leaders"]++
			g.stepDown(g.term+1, 0)
		}
	}
}

func (w *world) oneOf(ms ...time.Duration) time.Duration {
	return ms[w.rng.IntN(len(ms))] * time.Millisecond
}

func (w *world) cutFor(from, to uint64, classes ...int) {
	for _, c := range classes {
		w.cut[c][from][to] = true
	}
	w.after(w.between(0, w.oneOf(400, 1200, 5000)), func() {
		for _, c := range classes {
			if !w.quiet {
				w.cut[c][from][to] = false
			}
		}
	})
}

func others(self uint64) []uint64 {
	return slices.DeleteFunc([]uint64{1, 2, 3}, func(i uint64) bool { return i == self })
}
