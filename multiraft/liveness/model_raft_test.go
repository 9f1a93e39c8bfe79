package liveness

import (
	"time"
)

const (
	follower = iota
	preCandidate
	candidate
	leader
)

// mregion is a region's replica on one store. Peers are named by their stores.
type mregion struct {
	s    *mstore
	id   int
	term uint64 // durable
	vote uint64 // durable
	log  []uint64
	// lead is whom Raft believes in, bound what was promised.
	lead  uint64
	bound Bound
	role  int

	timeout time.Duration // local instant of the election
	votes   map[uint64]bool

	// Of a leader.
	acks     Acks
	noLease  bool
	match    [4]int
	commit   int
	asleep   bool
	active   [4]bool
	quorumAt time.Duration
	round    int
	reads    []*mread
	moving   bool
	released uint64 // term that this peer led and leads no more; 0: none
}

type mread struct {
	floor int // acknowledged when the read began
	index int
	round int
}

func (g *mregion) in(d time.Duration, f func()) { g.s.in(d, f) }

func (g *mregion) resetTimer() {
	g.timeout = g.s.clock() + g.s.w.between(electionMin, 2*electionMin)
}

// free reports whether this peer may help to elect another leader.
func (g *mregion) free() bool {
	if !g.s.w.p.mut.a11 && g.s.clock() < g.s.born+Support && g.s.boot > 1 {
		return false
	}
	if g.s.w.p.mut.a5 && g.bound.Store != 0 && !g.s.view.Peer(g.bound.Store).Supports.IsZero() && g.bound.Epoch.Count > 0 {
		return false
	}
	return !g.bound.Holds(g.s.view)
}

func (g *mregion) leaseEnd() time.Duration {
	return g.acks.LeaseEnd(g.s.view, g.s.id, []uint64{1, 2, 3}, nil)
}

func (g *mregion) leaseValid() bool {
	return g.role == leader && !g.noLease && !g.s.w.p.mut.noLeases && g.leaseEnd() > g.s.clock()
}

// tick runs every tick for ever. A leader that sleeps and a follower that is bound
// do nothing in it.
func (g *mregion) tick() {
	defer g.in(modelTick, g.tick)
	now := g.s.clock()
	if g.role == leader {
		g.tickLeader(now)
		return
	}
	if g.released != 0 && g.lead == 0 {
		for _, to := range others(g.s.id) {
			id, from, term := g.id, g.s.id, g.released
			g.s.w.send(raftClass, g.s.id, to, func(o *mstore) { o.regions[id].onReleased(from, term) })
		}
	}
	if !g.free() {
		g.timeout = max(g.timeout, now+electionMin)
		return
	}
	if now >= g.timeout {
		g.preCampaign()
	}
}

func (g *mregion) tickLeader(now time.Duration) {
	if g.asleep && !g.leaseValid() {
		g.wake()
	}
	if g.asleep {
		return
	}
	if now >= g.quorumAt {
		n := 1
		for _, o := range others(g.s.id) {
			if g.active[o] {
				n++
			}
		}
		if n < 2 && !g.s.w.p.mut.a6 {
			g.s.w.stats["stepped down"]++
			g.stepDown(g.term, 0)
			return
		}
		g.active = [4]bool{}
		g.quorumAt = now + electionMin
		g.moving = false
		if g.s.w.p.mut.a3 {
			g.noLease = false
		}
	}
	g.broadcast()
	g.maybeSleep(now)
}

// maybeSleep is rule A8.
func (g *mregion) maybeSleep(now time.Duration) {
	if len(g.reads) > 0 || g.moving || g.commit < len(g.log) || g.quorumAt-now < electionMin/2 {
		return
	}
	if !g.leaseValid() {
		return
	}
	for _, o := range others(g.s.id) {
		alive := g.s.view.Peer(o).Alive(now)
		if alive && (!g.acks.Current(g.s.view, o) || g.match[o] < len(g.log)) {
			return
		}
	}
	g.asleep = true
	g.s.w.stats["sleeps"]++
}

func (g *mregion) wake() {
	if g.asleep {
		g.asleep = false
		g.active = [4]bool{}
		g.quorumAt = g.s.clock() + electionMin
	}
}

func (g *mregion) stepDown(term, lead uint64) {
	if term > g.term {
		g.term, g.vote = term, 0
	}
	if g.role == leader {
		g.released = g.term
		g.resetTimer()
	}
	if g.role != follower {
		g.reads = nil
	}
	g.role, g.lead, g.asleep = follower, lead, false
	if lead != 0 {
		g.released = 0
	}
}

// preCampaign asks who would vote.
func (g *mregion) preCampaign() {
	if !g.free() {
		return
	}
	g.stepDown(g.term, 0)
	g.role = preCandidate
	g.votes = map[uint64]bool{g.s.id: true}
	g.resetTimer()
	term, last, n, from, id := g.term+1, g.lastTerm(), len(g.log), g.s.id, g.id
	for _, to := range others(g.s.id) {
		g.s.w.send(raftClass, from, to, func(o *mstore) { o.regions[id].onPreVote(from, term, last, n) })
	}
}

func (g *mregion) onPreVote(from, term, lastTerm uint64, n int) {
	if !g.mayVote(from, term, false) {
		return
	}
	id, self, mine := g.id, g.s.id, g.term
	switch {
	case term <= mine: // a refusal, which tells of the newer term
		g.s.w.send(raftClass, self, from, func(o *mstore) {
			if r := o.regions[id]; mine > r.term {
				r.stepDown(mine, 0)
			}
		})
	case g.lead == 0 && g.notBetter(lastTerm, n):
		g.s.w.send(raftClass, self, from, func(o *mstore) { o.regions[id].onPreVoteResp(self, term) })
	}
}

func (g *mregion) onPreVoteResp(from, term uint64) {
	if g.role != preCandidate || term != g.term+1 {
		return
	}
	g.votes[from] = true
	if len(g.votes) >= 2 {
		g.campaign(false)
	}
}

// campaign asks for votes. The library does not look at promises any more when its
// PreVotes have been granted, nor does this.
func (g *mregion) campaign(forced bool) {
	g.released = 0
	g.stepDown(g.term+1, 0)
	g.role, g.vote = candidate, g.s.id
	g.votes = map[uint64]bool{g.s.id: true}
	g.resetTimer()
	term, last, n, from, id := g.term, g.lastTerm(), len(g.log), g.s.id, g.id
	for _, to := range others(g.s.id) {
		g.s.w.send(raftClass, from, to, func(o *mstore) { o.regions[id].onVote(from, term, last, n, forced) })
	}
}

func (g *mregion) lastTerm() uint64 {
	if len(g.log) == 0 {
		return 0
	}
	return g.log[len(g.log)-1]
}

// mayVote decides whether a question for votes is looked at.
func (g *mregion) mayVote(from, term uint64, forced bool) bool {
	if !g.s.w.p.mut.a5 {
		g.bound.Asked(from, term)
		if g.lead == from && term > g.term {
			g.lead = 0
		}
	}
	return !g.leaseValid() /* rule A3 */ && (forced || g.free())
}

// notBetter reports whether this log holds nothing that the other lacks.
func (g *mregion) notBetter(lastTerm uint64, n int) bool {
	return lastTerm > g.lastTerm() || lastTerm == g.lastTerm() && n >= len(g.log)
}

func (g *mregion) onVote(from, term, lastTerm uint64, n int, forced bool) {
	if term < g.term || !g.mayVote(from, term, forced) {
		return
	}
	if term > g.term {
		g.stepDown(term, 0)
	}
	if (g.vote != 0 && g.vote != from) || !g.notBetter(lastTerm, n) || g.lead != 0 {
		return
	}
	g.vote = from
	g.resetTimer()
	id, self := g.id, g.s.id
	var e Epoch
	if g.s.w.p.mut.a2 {
		e = g.s.view.Peer(from).Supports
	}
	g.s.w.send(raftClass, self, from, func(o *mstore) { o.regions[id].onVoteResp(self, term, e) })
}

func (g *mregion) onVoteResp(from, term uint64, e Epoch) {
	if term == g.term && g.role == leader && g.s.w.p.mut.a2 {
		g.acks.Note(from, e)
	}
	if term != g.term || g.role != candidate {
		return
	}
	g.votes[from] = true
	if len(g.votes) < 2 {
		return
	}
	w := g.s.w
	w.stats["elections"]++
	k := [2]uint64{uint64(g.id), term}
	if w.led[k] != 0 {
		w.violate("election safety", "two leaders of region %d in term %d", g.id, term)
	}
	w.led[k] = g.s.id
	w.newest[g.id] = max(w.newest[g.id], term)
	g.role, g.lead, g.released = leader, g.s.id, 0
	g.bound = Bound{}
	g.acks, g.noLease, g.match, g.asleep, g.moving, g.reads = Acks{}, false, [4]int{}, false, false, nil
	if w.p.mut.a2 {
		g.acks.Note(from, e)
	}
	g.commit = 0
	g.active = [4]bool{}
	g.quorumAt = g.s.clock() + electionMin
	g.append()
}

func (g *mregion) append() {
	g.log = append(g.log[:len(g.log):len(g.log)], g.term)
	g.broadcast()
}

func (g *mregion) broadcast() {
	g.round++
	term, round, log, from, id := g.term, g.round, g.log, g.s.id, g.id
	for _, to := range others(g.s.id) {
		g.s.w.send(raftClass, from, to, func(o *mstore) { o.regions[id].onAppend(from, term, round, log) })
	}
}

func (g *mregion) onAppend(from, term uint64, round int, log []uint64) {
	if term < g.term {
		// Tell the old leader.
		id, t := g.id, g.term
		g.s.w.send(raftClass, g.s.id, from, func(o *mstore) {
			if r := o.regions[id]; t > r.term && r.role == leader {
				r.stepDown(t, 0)
			}
		})
		return
	}
	if term > g.term || g.role == candidate || g.lead != from {
		g.stepDown(term, from)
	}
	g.bound.Heard(g.s.view, from, from, term)
	g.resetTimer()
	if g.lastTerm() != term || len(log) > len(g.log) {
		g.log = log
	}
	e := g.bound.Ack(g.s.view, from, term)
	if g.s.w.p.mut.a5 {
		e = g.s.view.Peer(from).Supports
	}
	n, id, self := len(g.log), g.id, g.s.id
	g.s.w.send(raftClass, self, from, func(o *mstore) { o.regions[id].onAck(self, term, round, n, e) })
}

func (g *mregion) onAck(from, term uint64, round, n int, e Epoch) {
	if term != g.term || g.role != leader {
		return
	}
	g.acks.Note(from, e)
	g.active[from] = true
	g.match[from] = max(g.match[from], n)
	most := max(g.match[1], g.match[2], g.match[3]) // one other is a majority
	if most > g.commit && g.log[most-1] == g.term {
		g.commit = most
		w := g.s.w
		w.acked[g.id] = max(w.acked[g.id], most)
	}
	var left []*mread
	for _, rd := range g.reads {
		if round >= rd.round {
			if rd.index < rd.floor {
				g.s.w.violate("stale read", "region %d, store %d: %d, acknowledged %d", g.id, g.s.id, rd.index, rd.floor)
			}
			g.s.w.stats["quorum reads"]++
			continue
		}
		left = append(left, rd)
	}
	g.reads = left
}

// propose writes if this peer believes to lead.
func (g *mregion) propose() {
	if g.role == leader && !g.moving && len(g.log) < 4000 {
		g.wake()
		g.append()
	}
}

// read serves under the lease or asks the quorum.
func (g *mregion) read() {
	if g.role != leader || g.commit == 0 {
		return // nothing of its term is committed
	}
	w := g.s.w
	floor := w.acked[g.id]
	if g.leaseValid() {
		w.stats["lease reads"]++
		if g.commit < floor && !w.p.mut.twoLeasesOnly {
			w.violate("stale read", "region %d, store %d under its lease: %d, acknowledged %d", g.id, g.s.id, g.commit, floor)
		}
		return
	}
	if len(g.reads) < 8 {
		g.wake()
		g.reads = append(g.reads, &mread{floor: floor, index: g.commit, round: g.round + 1})
		g.broadcast()
	}
}

func (g *mregion) transfer(to uint64) {
	if g.role != leader || to == g.s.id || g.match[to] < len(g.log) {
		return
	}
	g.s.w.stats["transfers"]++
	g.wake()
	g.noLease, g.moving = true, true
	term, id := g.term, g.id
	g.s.w.send(raftClass, g.s.id, to, func(o *mstore) {
		r := o.regions[id]
		if term != r.term || r.role == leader {
			return
		}
		r.campaign(true)
	})
}

func (g *mregion) onReleased(from, term uint64) {
	if g.s.w.p.mut.a5 {
		return
	}
	g.bound.Released(from, term)
	if g.lead == from && g.term <= term {
		g.lead = 0
	}
}
