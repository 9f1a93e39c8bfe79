package replica

import (
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
)

func noTimestamp() timestamp.Timestamp { return 0 }

// check answers whether this replica may evaluate the request: it leads and has
// applied an entry of its term, and the sender knows the region as it is.
func (r *Replica) check(req *kvpb.Request, membership bool) (*leadership, *metapb.Region, errorAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.checkLocked(req, membership)
}

func (r *Replica) checkLocked(req *kvpb.Request, membership bool) (*leadership, *metapb.Region, errorAnswer) {
	l, desc := r.mu.lead, r.mu.desc
	if l == nil || desc == nil {
		return nil, nil, r.notLeaderLocked()
	}
	if !l.ready {
		return nil, nil, region.ServerBusy("the new leader has not applied an entry of its term", 5)
	}
	if desc.GetMerging() != nil && req.GetAdmin().GetRollbackMerge() == nil {
		return nil, nil, region.ServerBusy("the region is being merged into its neighbour", mergingBackoffMs)
	}
	if h := req.GetHeader(); h != nil {
		e := h.GetEpoch()
		if e.GetVersion() != desc.GetEpoch().GetVersion() ||
			(membership && e.GetConfVer() != desc.GetEpoch().GetConfVer()) {
			return nil, nil, region.EpochNotMatch(desc)
		}
	}
	return l, desc, nil
}

// underLatches takes latches and runs evaluate with them, if the replica still
// leads in the same term and the epoch still holds. If nothing is in the way that is
// on the caller's goroutine. evaluate ends in propose or giveUp, which see to the
// guard.
func (r *Replica) underLatches(c *Call, l *leadership, spans []latch.Span,
	evaluate func(l *leadership, desc *metapb.Region, g *latch.Guard)) {
	l.latches.Acquire(spans, func(g *latch.Guard, ok, waited bool) {
		if waited {
			c.exec(func() { r.latched(c, l, g, ok, evaluate) })
			return
		}
		r.latched(c, l, g, ok, evaluate)
	})
}

// latched goes on with a call that has its latches, or with ok = false will not get
// them.
func (r *Replica) latched(c *Call, l *leadership, g *latch.Guard, ok bool,
	evaluate func(l *leadership, desc *metapb.Region, g *latch.Guard)) {
	if !ok {
		r.mu.Lock()
		e := r.notLeaderLocked()
		r.mu.Unlock()
		c.finish(region.Response(e))
		return
	}
	if c.answered() {
		l.latches.Release(g)
		return
	}
	now, desc, e := r.check(c.req, c.membership())
	if e == nil && now != l {
		// The term has changed, and the latches with it.
		e = region.ServerBusy("the leadership has changed", 1)
	}
	if e != nil {
		r.giveUp(c, l, g, e)
		return
	}
	evaluate(l, desc, g)
}

func (c *Call) membership() bool {
	a := c.req.GetAdmin()
	return a.GetChangePeers() != nil || a.GetSplit() != nil || a.GetMerge() != nil
}

// giveUp answers a call of which nothing was proposed.
func (r *Replica) giveUp(c *Call, l *leadership, g *latch.Guard, e errorAnswer) {
	if g != nil {
		l.latches.Release(g)
	}
	c.finish(region.Response(e))
}

// propose queues a command that was evaluated in l against desc. The proposal's
// latches are released when its outcome is known.
func (r *Replica) propose(l *leadership, desc *metapb.Region, p *proposal) {
	p.cmd.term = l.term
	p.cmd.setEpoch(desc.GetEpoch())
	size := len(p.cmd.payload) + 64
	if size > entryBytesMax {
		r.giveUp(p.call, l, p.guard, region.EntryTooLarge(uint64(size), entryBytesMax))
		return
	}
	r.mu.Lock()
	var e errorAnswer
	switch {
	case r.mu.lead != l:
		e = r.notLeaderLocked()
	case len(l.queue)+len(l.inflight) >= proposalsMax || l.bytes+size > proposalBytesMax:
		e = region.ServerBusy("too many proposals are under way", 5)
	case !p.call.propose():
		r.mu.Unlock()
		l.latches.Release(p.guard)
		return
	}
	if e != nil {
		r.mu.Unlock()
		r.giveUp(p.call, l, p.guard, e)
		return
	}
	if p.cmd.kind == cmdWrite {
		l.recent.note(p.cmd.payload)
	}
	l.nextID++
	p.cmd.id = l.nextID
	data := p.cmd.encode()
	if p.conf != nil {
		p.conf.raft.Context = data
	} else {
		p.data = data
		l.bytes += len(data)
	}
	p.cmd.payload = nil
	l.queue = append(l.queue, p)
	l.asleep = false
	r.mu.Unlock()
	r.cfg.Counters.Proposals.Add(1)
	if f := p.call.proposed; f != nil {
		f(r.cfg.RegionID)
		return
	}
	r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
}

// confirm calls f when it is certain that the replica led in l's term after the
// call began: at once under a lease, else after a quorum answered. f runs with
// ok = false when the leadership is lost, or with busy when too many wait.
func (r *Replica) confirm(c *Call, l *leadership, f func(e errorAnswer)) {
	r.mu.Lock()
	if r.mu.lead != l {
		e := r.notLeaderLocked()
		r.mu.Unlock()
		f(e)
		return
	}
	if r.holdsLeaseLocked(l) {
		r.mu.Unlock()
		r.cfg.Counters.LeaseReads.Add(1)
		if o := r.cfg.Observer; o != nil {
			o.LeaseHeld(r.cfg.RegionID, r.cfg.StoreID, l.term)
		}
		f(nil)
		return
	}
	ok := l.confirmLocked(func(ok bool) {
		c.exec(func() {
			if ok {
				f(nil)
				return
			}
			r.mu.Lock()
			e := r.notLeaderLocked()
			r.mu.Unlock()
			f(e)
		})
	})
	r.mu.Unlock()
	if !ok {
		f(region.ServerBusy("too many reads wait for a quorum", 5))
		return
	}
	r.cfg.Counters.ReadIndexReads.Add(1)
	r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
}
