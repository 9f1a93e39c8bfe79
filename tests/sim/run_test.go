package sim

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/mvcc"
)

const (
	time100us = 100 * time.Microsecond
	// livenessBound is how long after the end of all faults every key must be
	// writable.
	livenessBound = 5 * time.Second
	// recoveryBound is the same for reads after the last power loss.
	recoveryBound = 10 * time.Second
)

// outcome of a seed.
type report struct {
	plan    *plan
	failure *violation
	hash    uint64
	steps   uint64
	virtual time.Duration
	stats   string
	counts  map[string]int
	longest time.Duration // until the last key was writable
}

// simulate runs a plan to its end or to the first broken promise.
func simulate(p *plan, m mutant, verbose io.Writer) *report {
	w := &world{
		plan: p, mutant: m, verbose: verbose, stats: make(map[string]int), ids: 100,
		rngNet: rand.New(rand.NewPCG(p.seed, 1)), rngClient: rand.New(rand.NewPCG(p.seed, 2)),
		rngDisk: rand.New(rand.NewPCG(p.seed, 3)), rngFault: rand.New(rand.NewPCG(p.seed, 4)),
		logger: slog.New(slog.DiscardHandler), cache: engine.NewCache(4 << 20),
	}
	if verbose != nil {
		w.logger = slog.New(slog.NewTextHandler(logWriter{w}, &slog.HandlerOptions{
			Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			},
		}))
	}
	defer w.cache.Close()
	defer w.watchPoints()()
	w.oracle.w = w
	w.net = newNetwork(w)
	w.check = newChecker(w)
	w.hist = newHistory(w)
	w.collect, w.placer, w.windows = newSafePoint(w), newPlacer(w), newWindows(w)
	r := &report{plan: p}
	w.live(r)
	for _, n := range w.nodes {
		if n.s != nil && w.failure == nil {
			n.end(nil)
		} else if n.s != nil {
			n.abandon()
		}
	}
	r.failure, r.hash, r.steps, r.virtual, r.stats = w.failure, w.trace.h, w.steps, w.now, w.statLine()
	r.counts = w.stats
	return r
}

// abandon closes what it can of a store whose promises are broken.
func (n *node) abandon() {
	defer func() { _ = recover() }()
	s, eng := n.s, n.eng
	n.life++
	n.s, n.eng = nil, nil
	_ = s.Close()
	_ = eng.Close()
}

type logWriter struct{ w *world }

func (l logWriter) Write(b []byte) (int, error) {
	l.w.say("    %s", bytes.TrimSpace(b))
	return len(b), nil
}

func (w *world) live(r *report) {
	p := w.plan
	w.bootstrap()
	for i := range p.clients {
		c := newClient(w, i)
		w.clients = append(w.clients, c)
		c.run()
	}
	for i := range p.readers {
		newClient(w, p.clients+1+i).watch()
	}
	admin := newClient(w, p.clients)
	admin.administer()
	reg := &register{w: w}
	reg.run()
	w.collect.run()
	w.placer.run()
	w.windows.run()
	newMerger(w).run()
	w.inject()
	w.watchRanges()
	w.runUntil(p.chaos)
	if w.failure != nil {
		return
	}
	w.beQuiet()
	w.writable(r)
	// Operations that were under way come to their ends.
	w.runUntil(w.now + opTimeout + attemptTimeout)
	if w.failure != nil {
		return
	}
	w.say("power loss of all")
	for _, n := range w.nodes {
		n.crash(0, 0)
	}
	for _, n := range w.nodes {
		if w.failure == nil && !n.dead {
			n.start()
		}
	}
	w.recovered(reg)
	w.converge()
}

// bootstrap makes the stores and their first regions.
func (w *world) bootstrap() {
	p := w.plan
	var ids []uint64
	for i := range p.stores {
		w.nodes = append(w.nodes, newNode(w, uint64(i+1)))
		if i < p.voters {
			ids = append(ids, uint64(i+1))
		}
	}
	regions := w.initialRegions(ids)
	for _, n := range w.nodes {
		for _, d := range regions {
			if region.PeerOn(d, n.id) != nil {
				n.first = append(n.first, d)
			}
		}
		n.start()
	}
}

// watchRanges looks at the regions' ranges ten times a second.
func (w *world) watchRanges() {
	w.after(100*time.Millisecond, "ranges", func() {
		w.check.ranges(false)
		w.watchRanges()
	})
}

// writable writes every key and requires that it is done in time.
func (w *world) writable(r *report) {
	begun := w.now
	left := w.plan.keys
	for i := range w.plan.keys {
		c := newClient(w, 100+i)
		var try func()
		try = func() {
			c.put([]string{w.key(i)}, w.now+livenessBound, func(ok bool) {
				if !ok {
					// A conflict with an operation that was still under way.
					w.after(5*time.Millisecond, "again", try)
					return
				}
				left--
				r.longest = max(r.longest, w.now-begun)
			})
		}
		try()
	}
	w.runUntil(begun + livenessBound)
	if w.failure == nil && left > 0 {
		w.violate("liveness", "%d of %d keys are not writable %v after the last fault: %s", left, w.plan.keys, livenessBound, w.leaders())
	}
}

// leaders describes who leads what.
func (w *world) leaders() string {
	out := ""
	for _, n := range w.nodes {
		if n.s == nil {
			out += fmt.Sprintf("store %d is down; ", n.id)
			continue
		}
		for _, i := range n.s.Regions() {
			out += fmt.Sprintf("store %d: region %d epoch %d/%d peer %d term %d leader %d applied %d; ", n.id, i.Region.GetId(), i.Region.GetEpoch().GetConfVer(), i.Region.GetEpoch().GetVersion(), i.Peer.GetId(), i.Term,
				i.Leader.GetStoreId(), i.AppliedIndex) + mergingOf(i.Region)
		}
	}
	return out
}

// recovered reads every key after the last power loss, which settles the locks
// that are left.
func (w *world) recovered(reg *register) {
	if w.failure != nil {
		return
	}
	begun := w.now
	left := w.plan.keys
	for i := range w.plan.keys {
		c := newClient(w, 1000+i)
		var try func()
		try = func() {
			ts := w.oracle.next()
			c.get(w.key(i), ts, begun+recoveryBound, func(g *kvpb.GetResponse) {
				switch {
				case g != nil:
					w.hist.read(w.key(i), ts, g)
					left--
				case w.collect.passed(ts): // it waited for longer than versions are kept
					try()
				}
			})
		}
		try()
	}
	seen := w.stats["register reads"]
	var again func(bool)
	again = func(bool) {
		if w.stats["register reads"] == seen && w.now < begun+recoveryBound {
			w.after(10*time.Millisecond, "register", func() { reg.step(again) })
		}
	}
	again(false)
	w.runUntil(begun + recoveryBound)
	if w.failure == nil && (left > 0 || w.stats["register reads"] == seen) {
		w.violate("liveness", "%d of %d keys cannot be read %v after a power loss: %s", left, w.plan.keys, recoveryBound, w.leaders())
	}
}

// converge waits until the replicas of each region have applied the same, compares
// them byte by byte, and judges the history by what they hold.
func (w *world) converge() {
	if w.failure != nil {
		return
	}
	limit := w.now + 20*time.Second
	for !w.equalApplied() {
		if w.now > limit {
			w.violate("liveness", "replicas do not come together: %s", w.leaders())
		}
		w.runUntil(w.now + 200*time.Millisecond)
		if w.failure != nil {
			return
		}
	}
	w.check.ranges(true)
	truth := make(map[string][]version)
	dumps := make(map[uint64][]byte)
	for _, n := range w.nodes {
		if n.dead {
			continue
		}
		for _, i := range n.s.Regions() {
			if i.Peer == nil {
				continue
			}
			id := i.Region.GetId()
			b, err := dump(n.eng.State, i.Region, i.Collect)
			must(err)
			if old, ok := dumps[id]; ok && !bytes.Equal(old, b) {
				w.violate("replicas are equal", "store %d holds another state of region %d at index %d than the others", n.id, id, i.AppliedIndex)
				return
			}
			dumps[id] = b
			for k := range w.plan.keys {
				key := w.key(k)
				if !region.Contains(i.Region, []byte(key)) || truth[key] != nil {
					continue
				}
				if truth[key], err = versions(n.eng.State, key); err != nil {
					w.violate("no lock is left", "%s on store %d: %v", key, n.id, err)
					return
				}
				truth[key] = w.collect.withArchive(key, truth[key])
			}
		}
	}
	w.hist.judge(truth)
}

func (w *world) equalApplied() bool {
	applied := make(map[uint64]uint64)
	seen := make(map[uint64]map[uint64]bool)
	members := make(map[uint64][]*metapb.Peer)
	for _, n := range w.nodes {
		if n.dead {
			continue
		}
		if n.s == nil {
			return false
		}
		for _, i := range n.s.Regions() {
			id := i.Region.GetId()
			if a, ok := applied[id]; ok && a != i.AppliedIndex {
				return false
			}
			applied[id] = i.AppliedIndex
			if seen[id] == nil {
				seen[id] = make(map[uint64]bool)
			}
			seen[id][i.Peer.GetId()] = true
			members[id] = i.Region.GetPeers()
		}
	}
	for id, ps := range members {
		for _, p := range ps {
			if !seen[id][p.GetId()] {
				return false
			}
		}
		if len(ps) != len(seen[id]) {
			return false
		}
	}
	return true
}

// dump returns all user keys of a region as they are in the engine, without what is
// left of its garbage: each replica collects that in its own time.
func dump(r engine.Reader, d *metapb.Region, collect timestamp.Timestamp) (out []byte, err error) {
	err = mvcc.VisitLive(r, d.GetStartKey(), d.GetEndKey(), collect, func(k, v []byte) error {
		out = append(append(out, k...), v...)
		return nil
	})
	return slices.Clip(out), err
}
