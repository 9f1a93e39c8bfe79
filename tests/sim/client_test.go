package sim

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// client is a gateway: it finds regions and leaders by being told where they are
// not, runs transactions and resolves the locks that it meets.
type client struct {
	w      *world
	id     int
	routes []*route
	ops    int
}

type route struct {
	desc   *metapb.Region
	leader uint64 // store
}

const (
	attemptTimeout = 1200 * time.Millisecond
	opTimeout      = 6 * time.Second
	lockTTLms      = 600
)

func newClient(w *world, id int) *client { return &client{w: w, id: id} }

func (c *client) rng() *rand.Rand { return c.w.rngClient }

// directory returns the region of a key as the stores that are up know it, the
// newest version: what placement tells a gateway.
func (w *world) directory(key []byte) *metapb.Region {
	var best *metapb.Region
	for _, n := range w.nodes {
		if n.s == nil {
			continue
		}
		for _, i := range n.s.Regions() {
			if region.Contains(i.Region, key) && (best == nil || region.CompareEpoch(best.GetEpoch(), i.Region.GetEpoch()) < 0) {
				best = i.Region
			}
		}
	}
	return best
}

func (c *client) route(key []byte) *route {
	for _, r := range c.routes {
		if region.Contains(r.desc, key) {
			return r
		}
	}
	d := c.w.directory(key)
	if d == nil {
		return nil
	}
	if r := c.learn(d); region.Contains(r.desc, key) {
		return r
	}
	return nil // the cache is ahead of the directory
}

// learn replaces what the cache holds over the range, unless that is newer.
func (c *client) learn(d *metapb.Region) *route {
	kept := c.routes[:0:0]
	leader := uint64(0)
	for _, r := range c.routes {
		if !region.Overlaps(r.desc, d) {
			kept = append(kept, r)
			continue
		}
		if region.CompareEpoch(r.desc.GetEpoch(), d.GetEpoch()) > 0 {
			return r
		}
		if r.desc.GetId() == d.GetId() {
			leader = r.leader
		}
	}
	r := &route{desc: region.Clone(d), leader: leader}
	if r.leader == 0 || region.PeerOn(d, r.leader) == nil {
		r.leader = d.GetPeers()[c.rng().IntN(len(d.GetPeers()))].GetStoreId()
	}
	c.routes = append(kept, r)
	return r
}

func (c *client) forget(r *route) {
	for i, o := range c.routes {
		if o == r {
			c.routes = append(c.routes[:i:i], c.routes[i+1:]...)
			return
		}
	}
}

// result of a call: the response, nil when the time was over, and whether an
// attempt may have run without its answer being known.
type result struct {
	resp  *kvpb.Response
	maybe bool
}

// call sends a command to the region of key until it is answered there or the
// deadline passes. With once it gives up after an attempt of unknown outcome.
func (c *client) call(key []byte, deadline time.Duration, once bool, cmd func(*kvpb.Request), done func(result)) {
	w := c.w
	maybe := false
	var attempt func()
	retry := func(d time.Duration) { w.after(d, "retry", attempt) }
	attempt = func() {
		if w.now >= deadline {
			done(result{nil, maybe})
			return
		}
		r := c.route(key)
		if r == nil {
			retry(50 * time.Millisecond)
			return
		}
		req := &kvpb.Request{Header: &kvpb.Header{RegionId: r.desc.GetId(), Epoch: r.desc.GetEpoch(), StoreId: r.leader}}
		cmd(req)
		c.exchange(r.leader, req, func(resp *kvpb.Response) {
			e := resp.GetRegionError()
			switch {
			case resp == nil || e.GetAmbiguous() != nil:
				maybe = true
				c.nextPeer(r)
				if once {
					done(result{nil, true})
					return
				}
				retry(between(c.rng(), time.Millisecond, 50*time.Millisecond))
			case e == nil:
				done(result{resp, maybe})
			case e.GetNotLeader() != nil:
				if l := e.GetNotLeader().GetLeader(); l != nil && l.GetStoreId() != r.leader {
					r.leader = l.GetStoreId()
					retry(between(c.rng(), 0, 5*time.Millisecond))
				} else {
					c.nextPeer(r)
					retry(between(c.rng(), 10*time.Millisecond, 80*time.Millisecond))
				}
			case e.GetEpochNotMatch() != nil:
				for _, d := range e.GetEpochNotMatch().GetCurrent() {
					c.learn(d)
				}
				retry(between(c.rng(), time.Millisecond, 20*time.Millisecond))
			case e.GetDiskFull() != nil:
				w.count("refused, disk full")
				retry(between(c.rng(), 20*time.Millisecond, 200*time.Millisecond))
			case e.GetServerBusy() != nil:
				retry(between(c.rng(), 5*time.Millisecond, 40*time.Millisecond))
			case e.GetRegionNotFound() != nil, e.GetKeyNotInRegion() != nil, e.GetUnavailable() != nil, e.GetStoreNotMatch() != nil:
				c.forget(r)
				retry(between(c.rng(), 5*time.Millisecond, 50*time.Millisecond))
			default:
				done(result{resp, maybe})
			}
		})
	}
	attempt()
}

func (c *client) nextPeer(r *route) {
	peers := r.desc.GetPeers()
	for i, p := range peers {
		if p.GetStoreId() == r.leader {
			r.leader = peers[(i+1)%len(peers)].GetStoreId()
			break
		}
	}
	if c.rng().IntN(4) == 0 {
		c.forget(r) // ask the directory
	}
}

// exchange sends a request to a store and gives back the answer, or nil when none
// comes in time.
func (c *client) exchange(store uint64, req *kvpb.Request, done func(*kvpb.Response)) {
	w := c.w
	over := false
	finish := func(resp *kvpb.Response) {
		if !over {
			over = true
			done(resp)
		}
	}
	lost := func() bool { return !w.quiet && chance(w.rngNet, w.plan.net.lose/4) }
	delay := func() time.Duration { return between(w.rngNet, w.plan.net.delayMin, w.plan.net.delayMax) }
	w.after(attemptTimeout, "request timeout", func() { finish(nil) })
	n := w.node(store)
	if n == nil || lost() {
		return
	}
	w.after(delay(), "request", func() {
		n.whenAwake(func() {
			if n.s == nil {
				// The connection is refused: nothing ran.
				w.after(delay(), "refused", func() { finish(region.Response(region.Unavailable("connection refused"))) })
				return
			}
			n.ask(req, func(resp *kvpb.Response) {
				if !lost() {
					w.after(delay(), "response", func() { finish(resp) })
				}
			})
			n.settle()
		})
	})
}

// get reads key at ts, resolving locks on its way.
func (c *client) get(key string, ts timestamp.Timestamp, deadline time.Duration, done func(*kvpb.GetResponse)) {
	var ignore []uint64
	var try func()
	try = func() {
		c.call([]byte(key), deadline, false, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key), Read: &kvpb.ReadContext{ReadTs: uint64(ts), IgnoreLocks: ignore}}}
		}, func(res result) {
			g := res.resp.GetGet()
			switch l := g.GetError().GetLocked(); {
			case g == nil:
				c.unexpected(res)
				done(nil)
			case l != nil:
				c.resolve(l, ts, deadline, func(pushed bool) {
					if pushed {
						ignore = append(ignore, l.GetStartTs())
					}
					try()
				})
			case g.GetError().GetReadBelowGc() != nil && c.w.collect.passed(ts):
				c.w.count("reads too old")
				done(nil)
			case g.GetError() != nil:
				c.w.violate("answers make sense", "read of %s: %v", key, g.GetError())
			default:
				done(g)
			}
		})
	}
	try()
}

// scan reads keys from the first one on, to the end of its region at most, at one
// timestamp.
func (c *client) scan(first int, deadline time.Duration, done func()) {
	w := c.w
	ts := w.oracle.next()
	start := []byte(w.key(first))
	var ignore []uint64
	var try func()
	try = func() {
		var end []byte
		c.call(start, deadline, false, func(r *kvpb.Request) {
			end = []byte(w.key(min(first+1+c.rng().IntN(w.plan.keys), w.plan.keys)))
			if d := c.route(start).desc; len(d.GetEndKey()) > 0 && string(d.GetEndKey()) < string(end) {
				end = d.GetEndKey()
			}
			r.Cmd = &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{
				StartKey: start, EndKey: end, Reverse: c.rng().IntN(2) == 0,
				Read: &kvpb.ReadContext{ReadTs: uint64(ts), IgnoreLocks: ignore},
			}}
		}, func(res result) {
			s := res.resp.GetScan()
			switch l := s.GetError().GetLocked(); {
			case s == nil:
				c.unexpected(res)
				done()
			case l != nil:
				c.resolve(l, ts, deadline, func(pushed bool) {
					if pushed {
						ignore = append(ignore, l.GetStartTs())
					}
					try()
				})
			case s.GetError().GetReadBelowGc() != nil && w.collect.passed(ts):
				w.count("reads too old")
				done()
			case s.GetError() != nil || s.GetMore():
				w.violate("answers make sense", "scan from %s to %s: %v, more %v", start, end, s.GetError(), s.GetMore())
			default:
				w.count("scans")
				got := make(map[string]*kvpb.Pair)
				for _, p := range s.GetPairs() {
					got[string(p.GetKey())] = p
				}
				for i := first; i < w.plan.keys && w.key(i) < string(end); i++ {
					p := got[w.key(i)]
					delete(got, w.key(i))
					w.hist.read(w.key(i), ts, &kvpb.GetResponse{Found: p != nil, Value: p.GetValue(), CommitTs: p.GetCommitTs()})
				}
				if len(got) > 0 {
					w.violate("answers make sense", "scan from %s to %s returns %v", start, end, s.GetPairs())
				}
				done()
			}
		})
	}
	try()
}

// unexpected complains about answers that no client of ours can get.
func (c *client) unexpected(res result) {
	if res.resp != nil {
		c.w.violate("answers make sense", "%v", res.resp)
	}
}

// resolve settles a lock that is in the way of a reader at ts (zero: of a writer).
// It goes on after a while if the owner lives.
func (c *client) resolve(l *kvpb.LockInfo, ts timestamp.Timestamp, deadline time.Duration, done func(pushed bool)) {
	w := c.w
	now := w.oracle.next()
	start := timestamp.Timestamp(l.GetStartTs())
	expired := uint64(now.PhysicalMs()) > uint64(start.PhysicalMs())+l.GetTtlMs()
	again := func() {
		w.after(between(c.rng(), 5*time.Millisecond, 50*time.Millisecond), "locked", func() { done(false) })
	}
	c.call(l.GetPrimary(), deadline, false, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_CheckTxnStatus{CheckTxnStatus: &kvpb.CheckTxnStatusRequest{
			Primary: l.GetPrimary(), StartTs: l.GetStartTs(), CallerTs: uint64(ts), CurrentTs: uint64(now), RollbackIfMissing: expired,
		}}
	}, func(res result) {
		s := res.resp.GetCheckTxnStatus()
		if s == nil {
			// A lock that was seen long ago and is gone may be forgotten.
			if !w.collect.forgotten(res, start) {
				c.unexpected(res)
			}
			again()
			return
		}
		switch s.GetState() {
		case kvpb.TxnState_COMMITTED, kvpb.TxnState_ROLLED_BACK:
			w.count("locks resolved")
			c.call(l.GetKey(), deadline, false, func(r *kvpb.Request) {
				r.Cmd = &kvpb.Request_Resolve{Resolve: &kvpb.ResolveRequest{
					StartTs: l.GetStartTs(), CommitTs: s.GetCommitTs(), Keys: [][]byte{l.GetKey()},
				}}
			}, func(res result) {
				if e := res.resp.GetResolve().GetError(); e != nil {
					w.violate("answers make sense", "resolve of %s: %v", l.GetKey(), e)
					return
				}
				done(false)
			})
		case kvpb.TxnState_LOCKED:
			if s.GetPushed() && ts != 0 {
				w.count("locks pushed")
				done(true)
				return
			}
			again()
		default:
			again()
		}
	})
}

// prewrite locks keys of one region, or commits them at once, and settles the
// locks in its way. done gets the answer, or nil and whether it may have happened.
func (c *client) prewrite(p *kvpb.PrewriteRequest, deadline time.Duration, once bool, done func(*kvpb.PrewriteResponse, bool)) {
	maybe := false
	var try func()
	try = func() {
		c.call(p.GetMutations()[0].GetKey(), deadline, once, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Prewrite{Prewrite: p}
		}, func(res result) {
			maybe = maybe || res.maybe
			pre := res.resp.GetPrewrite()
			if pre == nil {
				c.unexpected(res)
				done(nil, maybe)
				return
			}
			for _, e := range pre.GetErrors() {
				if l := e.GetLocked(); l != nil {
					c.resolve(l, 0, deadline, func(bool) { try() })
					return
				}
			}
			done(pre, maybe)
		})
	}
	try()
}

func mutation(key, value string) *kvpb.Mutation {
	return &kvpb.Mutation{Key: []byte(key), Value: []byte(value)}
}

// put writes keys of one region in one phase.
func (c *client) put(keys []string, deadline time.Duration, done func(committed bool)) {
	w := c.w
	wr := w.hist.begin(w.oracle.next(), keys...)
	p := &kvpb.PrewriteRequest{StartTs: uint64(wr.start), OnePc: true, Primary: []byte(keys[0]), TtlMs: lockTTLms}
	for i, k := range keys {
		p.Mutations = append(p.Mutations, mutation(k, wr.values[i]))
	}
	c.prewrite(p, deadline, chance(c.rng(), 0.4) && !w.quiet, func(resp *kvpb.PrewriteResponse, maybe bool) {
		switch {
		case resp == nil && maybe:
			if chance(c.rng(), 0.5) {
				c.settlePut(wr, deadline, done)
				return
			}
			w.hist.unknown(wr)
			done(false)
		case resp == nil:
			w.hist.refused(wr, "no attempt ran")
			done(false)
		case len(resp.GetErrors()) > 0:
			c.endPut(wr, resp.GetErrors()[0], maybe)
			done(false)
		default:
			w.hist.acked(wr, timestamp.Timestamp(resp.GetOnePcCommitTs()))
			done(true)
		}
	})
}

// endPut notes a put that was answered with an error.
func (c *client) endPut(wr *write, e *kvpb.KeyError, maybe bool) {
	switch {
	case e.GetCommitted() != nil:
		c.w.hist.acked(wr, timestamp.Timestamp(e.GetCommitted().GetCommitTs()))
	case e.GetConflict() != nil, e.GetAborted() != nil:
		// An earlier attempt would have been found, and a later one meets the same.
		c.w.hist.refused(wr, e.String())
	case maybe:
		c.w.hist.unknown(wr)
	default:
		c.w.hist.refused(wr, e.String())
	}
}

// settlePut finds out what became of a put of unknown outcome, or marks it so that
// it cannot happen any more (rule E4).
func (c *client) settlePut(wr *write, deadline time.Duration, done func(bool)) {
	w := c.w
	key := wr.keys[0]
	now := uint64(w.oracle.next())
	c.call([]byte(key), deadline, false, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_CheckTxnStatus{CheckTxnStatus: &kvpb.CheckTxnStatusRequest{
			Primary: []byte(key), StartTs: uint64(wr.start), CurrentTs: now, RollbackIfMissing: true,
		}}
	}, func(res result) {
		w.count("settled")
		switch s := res.resp.GetCheckTxnStatus(); {
		case s == nil:
			if !w.collect.forgotten(res, wr.start) {
				c.unexpected(res)
			}
			w.hist.unknown(wr)
		case s.GetState() == kvpb.TxnState_COMMITTED:
			w.hist.acked(wr, timestamp.Timestamp(s.GetCommitTs()))
			done(true)
			return
		case s.GetState() == kvpb.TxnState_ROLLED_BACK:
			w.hist.refused(wr, "settled as rolled back")
		default:
			w.violate("answers make sense", "status of a put: %v", s)
		}
		done(false)
	})
}

// putTwo writes two keys in two phases.
func (c *client) putTwo(k1, k2 string, deadline time.Duration, done func()) {
	w := c.w
	wr := w.hist.begin(w.oracle.next(), k1, k2)
	leaveAt := 0
	if chance(c.rng(), w.plan.abandon) {
		leaveAt = 1 + c.rng().IntN(4)
	}
	// leave reports whether the gateway dies here.
	leave := func(at int) bool {
		if leaveAt != at {
			return false
		}
		w.count("abandoned")
		return true
	}
	rollback := func() {
		for _, k := range wr.keys {
			c.call([]byte(k), deadline, true, func(r *kvpb.Request) {
				r.Cmd = &kvpb.Request_Rollback{Rollback: &kvpb.RollbackRequest{StartTs: uint64(wr.start), Keys: [][]byte{[]byte(k)}}}
			}, func(result) {})
		}
	}
	lock := func(i int, next func(minCommit uint64)) {
		p := &kvpb.PrewriteRequest{
			StartTs: uint64(wr.start), Primary: []byte(k1), TtlMs: lockTTLms, TxnSize: 2,
			Mutations: []*kvpb.Mutation{mutation(wr.keys[i], wr.values[i])},
		}
		c.prewrite(p, deadline, false, func(resp *kvpb.PrewriteResponse, _ bool) {
			if resp == nil || len(resp.GetErrors()) > 0 {
				// Without a commit of the primary nothing of it ever counts.
				w.hist.refused(wr, fmt.Sprintf("prewrite of %s: %v", wr.keys[i], resp.GetErrors()))
				rollback()
				done()
				return
			}
			next(resp.GetMinCommitTs())
		})
	}
	secondary := func(commit timestamp.Timestamp) {
		if leave(4) {
			done()
			return
		}
		c.call([]byte(k2), deadline, false, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{StartTs: uint64(wr.start), CommitTs: uint64(commit), Keys: [][]byte{[]byte(k2)}}}
		}, func(res result) {
			if e := res.resp.GetCommit().GetError(); e.GetReadBelowGc() != nil && w.collect.passed(wr.start) {
				w.count("commits too old") // whoever meets the lock resolves it
			} else if e != nil {
				w.violate("a committed transaction stays", "commit of %s in the transaction of %v: %v", k2, wr, e)
				return
			}
			done()
		})
	}
	maybe := false
	var commitPrimary func()
	commitPrimary = func() {
		commit := w.oracle.next()
		c.call([]byte(k1), deadline, chance(c.rng(), 0.3), func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{StartTs: uint64(wr.start), CommitTs: uint64(commit), Keys: [][]byte{[]byte(k1)}}}
		}, func(res result) {
			maybe = maybe || res.maybe
			cr := res.resp.GetCommit()
			switch e := cr.GetError(); {
			case cr == nil && maybe:
				c.unexpected(res)
				w.hist.unknown(wr)
				done()
			case cr == nil:
				c.unexpected(res)
				w.hist.refused(wr, "commit never ran")
				rollback()
				done()
			case e.GetCommitTsTooSmall() != nil:
				if maybe {
					w.hist.unknown(wr)
					done()
					return
				}
				w.count("commit pushed")
				commitPrimary()
			case e.GetCommitted() != nil:
				at := timestamp.Timestamp(e.GetCommitted().GetCommitTs())
				w.hist.acked(wr, at)
				secondary(at)
			case e.GetReadBelowGc() != nil && maybe:
				w.hist.unknown(wr) // an attempt before may have committed
				done()
			case e != nil:
				w.hist.refused(wr, e.String())
				rollback()
				done()
			default:
				w.hist.acked(wr, commit)
				secondary(commit)
			}
		})
	}
	if leave(1) {
		w.hist.refused(wr, "abandoned")
		done()
		return
	}
	lock(0, func(uint64) {
		if leave(2) {
			w.hist.refused(wr, "abandoned")
			done()
			return
		}
		lock(1, func(uint64) {
			if leave(3) {
				w.hist.refused(wr, "abandoned")
				done()
				return
			}
			commitPrimary()
		})
	})
}

// run does one operation after the other until the quiet begins.
func (c *client) run() {
	w := c.w
	w.after(between(c.rng(), time.Millisecond, 60*time.Millisecond), "client", func() {
		if w.quiet {
			return
		}
		c.ops++
		w.count("operations")
		deadline := w.now + opTimeout
		key := w.key(c.rng().IntN(w.plan.keys))
		switch x := c.rng().Float64(); {
		case x < w.plan.readShare/4:
			c.scan(c.rng().IntN(w.plan.keys), deadline, c.run)
		case x < w.plan.readShare:
			ts := w.oracle.next()
			c.get(key, ts, deadline, func(g *kvpb.GetResponse) {
				if g != nil {
					w.hist.read(key, ts, g)
				}
				c.run()
			})
		case chance(c.rng(), w.plan.twoPhase):
			other := w.key(c.rng().IntN(w.plan.keys))
			if other == key {
				c.run()
				return
			}
			c.putTwo(key, other, deadline, c.run)
		default:
			keys := []string{key}
			other := w.key(c.rng().IntN(w.plan.keys))
			if r := c.route([]byte(key)); r != nil && other != key && region.Contains(r.desc, []byte(other)) && c.rng().IntN(2) == 0 {
				keys = append(keys, other)
			}
			c.put(keys, deadline, func(bool) { c.run() })
		}
	})
}

// watch reads one key after the other. A client that writes too soon waits for an
// answer of a leader that is cut off; this one sees how long such a leader goes on
// serving reads.
func (c *client) watch() {
	w := c.w
	w.after(between(c.rng(), time.Millisecond, 20*time.Millisecond), "reader", func() {
		if w.quiet {
			return
		}
		w.count("operations")
		key := w.key(c.rng().IntN(w.plan.keys))
		ts := w.oracle.next()
		c.get(key, ts, w.now+opTimeout, func(g *kvpb.GetResponse) {
			if g != nil {
				w.hist.read(key, ts, g)
			}
			c.watch()
		})
	})
}

func (w *world) key(i int) string { return fmt.Sprintf("tk%03d", i) }
