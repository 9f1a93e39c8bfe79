package store

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run the random test with this seed only")
	seedsFlag = flag.Int("seeds", 8, "seeds of the random test")
	stepsFlag = flag.Int("steps", 1500, "steps of each seed")
)

// watcher checks Raft's properties as they happen (Raft paper, figure 3).
type watcher struct {
	t       *testing.T
	c       *cluster
	leaders map[[2]uint64]uint64    // region, term → store
	entries map[[3]uint64][2]uint64 // region, index, term → hash of type and data, term of predecessor
	applied map[[2]uint64][2]uint64 // region, index → term, hash
	votes   map[[3]uint64]uint64    // region, store, term → peer
	newest  map[uint64]uint64       // region → largest index applied
}

func newWatcher(t *testing.T, c *cluster) *watcher {
	return &watcher{t: t, c: c, leaders: map[[2]uint64]uint64{}, entries: map[[3]uint64][2]uint64{},
		applied: map[[2]uint64][2]uint64{}, votes: map[[3]uint64]uint64{}, newest: map[uint64]uint64{}}
}

func (w *watcher) BecameLeader(region, store, term, lastIndex uint64) {
	w.checkComplete(region, store, term, lastIndex)
	if other, ok := w.leaders[[2]uint64{region, term}]; ok && other != store {
		w.t.Errorf("election safety: stores %d and %d lead region %d in term %d", other, store, region, term)
	}
	w.leaders[[2]uint64{region, term}] = store
	for _, id := range w.c.storeIDs() {
		n := w.c.stores[id]
		if id == store || n.s == nil {
			continue
		}
		if lterm, held := n.s.Lease(region); held && lterm < term {
			w.t.Errorf("store %d was elected in region %d, term %d, while store %d holds a lease in term %d",
				store, region, term, id, lterm)
		}
	}
}

// checkComplete: a leader's log holds everything that was applied anywhere.
func (w *watcher) checkComplete(region, store, term, lastIndex uint64) {
	if w.newest[region] >= lastIndex {
		w.t.Errorf("leader completeness: store %d leads region %d in term %d with a log up to %d, but %d is applied",
			store, region, term, lastIndex, w.newest[region])
	}
	g, err := w.c.stores[store].eng.Logs.Group(region)
	if err != nil {
		w.t.Error(err)
		return
	}
	first, _ := g.FirstIndex()
	last, _ := g.LastIndex()
	for i := first; i <= last; i++ {
		a, ok := w.applied[[2]uint64{region, i}]
		if !ok {
			continue
		}
		if got, err := g.Term(i); err == nil && got != a[0] && got != term {
			w.t.Errorf("leader completeness: store %d leads region %d in term %d with entry %d of term %d, but of term %d it is applied",
				store, region, term, i, got, a[0])
		}
	}
}

func (w *watcher) Appended(region, store uint64, entries []*raftpb.Entry) {
	for i, e := range entries {
		key := [3]uint64{region, e.GetIndex(), e.GetTerm()}
		h := hash(e)
		var prev uint64
		if i > 0 {
			prev = entries[i-1].GetTerm()
		}
		have, ok := w.entries[key]
		if ok && have[0] != h {
			w.t.Errorf("log matching: two entries of region %d at index %d, term %d", region, e.GetIndex(), e.GetTerm())
		}
		if ok && prev != 0 && have[1] != 0 && have[1] != prev {
			w.t.Errorf("log matching: entry %d of region %d, term %d, follows two terms", e.GetIndex(), region, e.GetTerm())
		}
		if prev == 0 {
			prev = have[1]
		}
		w.entries[key] = [2]uint64{h, prev}
	}
}

func hash(e *raftpb.Entry) uint64 {
	h := uint64(14695981039346656037)
	for _, b := range append([]byte{byte(e.GetType())}, e.GetData()...) {
		h = (h ^ uint64(b)) * 1099511628211
	}
	return h
}

func (w *watcher) Applied(region, store, index, term, h uint64) {
	key := [2]uint64{region, index}
	if have, ok := w.applied[key]; ok && have != [2]uint64{term, h} {
		w.t.Errorf("state machine safety: store %d applies another entry %d (term %d) in region %d than term %d", store, index, term, region, have[0])
	}
	w.applied[key] = [2]uint64{term, h}
	w.newest[region] = max(w.newest[region], index)
}

func (w *watcher) VoteGranted(region, store, term, peer uint64) {
	key := [3]uint64{region, store, term}
	if have, ok := w.votes[key]; ok && have != peer {
		w.t.Errorf("store %d voted for peers %d and %d in region %d, term %d", store, have, peer, region, term)
	}
	w.votes[key] = peer
}

func (w *watcher) LeaseHeld(region, store, term uint64) {
	for _, id := range w.c.storeIDs() {
		n := w.c.stores[id]
		if id == store || n.s == nil {
			continue
		}
		if _, held := n.s.Lease(region); held {
			w.t.Errorf("stores %d and %d hold leases of region %d", store, id, region)
		}
	}
	for key, s := range w.leaders {
		if key[0] == region && key[1] > term && s != store {
			w.t.Errorf("store %d reads under a lease of term %d in region %d after store %d was elected in %d", store, term, region, s, key[1])
		}
	}
}

func (w *watcher) Committed(uint64, uint64, uint64, uint64)         {}
func (w *watcher) SnapshotInstalled(uint64, uint64, uint64, uint64) {}

// register is what a key may hold, by the answers that its writers got.
type register struct {
	acked   int          // last acknowledged value
	unknown map[int]bool // values whose fate is unknown, newer than acked
	next    int
	busy    bool
}

type chaos struct {
	*cluster
	t       *testing.T
	rng     *rand.Rand
	w       *watcher
	keys    map[string]*register
	flights []flight
	down    map[uint64]int // store → steps until it is back
	cuts    map[[2]uint64]int
	rates   map[uint64]float64
	quiet   bool
	acked   int
	reads   int
}

type flight struct {
	f   *filterTransport
	env *multiraft.Envelope
}

// Random schedules of writes, reads, transfers, splits, changes of membership,
// crashes that lose unsynced data, cuts, and lost, late and repeated messages.
// After every step Raft's properties hold and no two leases are valid; in the end
// everything acknowledged is there, on all replicas alike.
func TestRandomSchedules(t *testing.T) {
	seeds := make([]uint64, 0, *seedsFlag)
	for s := 1; s <= *seedsFlag; s++ {
		seeds = append(seeds, uint64(s))
	}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed", seed), func(t *testing.T) { runChaos(t, seed, *stepsFlag) })
	}
}

func runChaos(t *testing.T, seed uint64, steps int) {
	c := newCluster(t, 4)
	x := &chaos{cluster: c, t: t, rng: rand.New(rand.NewPCG(seed, 99)), keys: map[string]*register{},
		down: map[uint64]int{}, cuts: map[[2]uint64]int{}, rates: map[uint64]float64{}}
	x.w = newWatcher(t, c)
	c.observer = x.w
	for _, id := range c.storeIDs() {
		// Clocks differ by up to 5 % (rule A4).
		x.rates[id] = 0.952 + x.rng.Float64()*0.096
		c.stores[id].clock = newVirtualClock()
	}
	c.catch = x.catch
	c.bootstrap(userRegion(1, 2, 3))
	for step := 0; step < steps && !t.Failed(); step++ {
		x.step()
	}
	x.finish(seed)
}

func (x *chaos) catch(f *filterTransport, e *multiraft.Envelope) bool {
	if x.quiet {
		return false
	}
	if x.cuts[[2]uint64{e.FromStore, e.ToStore}] > 0 || x.rng.IntN(100) < 2 {
		return true
	}
	switch x.rng.IntN(10) {
	case 0:
		x.flights = append(x.flights, flight{f, e})
		return true
	case 1:
		x.flights = append(x.flights, flight{f, e}) // and now too
	}
	return false
}

func (x *chaos) step() {
	live := func() *node {
		for range 10 {
			if n := x.stores[uint64(x.rng.IntN(4))+1]; n.s != nil {
				return n
			}
		}
		return nil
	}
	switch p := x.rng.IntN(100); {
	case p < 50: // time
		for _, id := range x.storeIDs() {
			n := x.stores[id]
			clock := n.clock.(*virtualClock)
			d := time.Duration(float64(multiraft.TickInterval) * x.rates[id])
			clock.now = clock.now.Add(d)
			if n.s != nil {
				n.tick()
			}
		}
		for id, left := range x.down {
			if x.down[id] = left - 1; left <= 1 {
				delete(x.down, id)
				x.stores[id].restart()
			}
		}
		for k, left := range x.cuts {
			if x.cuts[k] = left - 1; left <= 1 {
				delete(x.cuts, k)
			}
		}
	case p < 70:
		x.write()
	case p < 80:
		x.read()
	case p < 82:
		if n := live(); n != nil && len(x.down) < 2 {
			n.crashKeeping(x.rng.IntN(101), x.rng.Uint64())
			x.down[n.id] = x.rng.IntN(25) + 1
		}
	case p < 85:
		a, b := uint64(x.rng.IntN(4))+1, uint64(x.rng.IntN(4))+1
		x.cuts[[2]uint64{a, b}] = x.rng.IntN(30) + 1
		if x.rng.IntN(2) == 0 {
			x.cuts[[2]uint64{b, a}] = x.rng.IntN(30) + 1
		}
	case p < 90:
		if n := live(); n != nil {
			if err := n.s.SyncState(); err != nil {
				x.t.Errorf("sync: %v", err)
			}
			if x.rng.IntN(4) == 0 { // more than the policy would
				for _, r := range n.s.all() {
					if i := r.AppliedIndex(); i > 0 {
						r.Compact(i)
						_ = n.eng.Logs.CompactTo(r.RegionID(), min(i, x.firstKept(n, r.RegionID(), i)))
					}
				}
			}
		}
	case p < 97:
		x.admin()
	default:
		for range len(x.flights) {
			i := x.rng.IntN(len(x.flights))
			fl := x.flights[i]
			x.flights = append(x.flights[:i], x.flights[i+1:]...)
			if fl.f.c.stores[fl.env.FromStore].tr == fl.f {
				fl.f.Transport.Send(fl.env)
			}
			if x.rng.IntN(3) == 0 {
				break
			}
		}
	}
	for n := x.rng.IntN(40); n > 0; n-- {
		if n := live(); n != nil {
			n.s.Poll()
		}
	}
	for _, n := range x.stores {
		if n.fatal != nil {
			x.t.Errorf("store %d: %v", n.id, n.fatal)
		}
	}
}

// firstKept compacts nothing that is not durable: everything applied has just been
// synced.
func (x *chaos) firstKept(_ *node, _ uint64, applied uint64) uint64 { return applied }

// owner returns a live store and its view of the region of a key, as a router with
// a somewhat old cache would have it.
func (x *chaos) owner(key string) (*node, *metapb.Region) {
	start := x.rng.IntN(4)
	for i := range 4 {
		n := x.stores[uint64((start+i)%4)+1]
		if n.s == nil {
			continue
		}
		for _, info := range n.s.Regions() {
			if !region.Contains(info.Region, []byte(key)) {
				continue
			}
			if l := info.Leader; l != nil && x.stores[l.GetStoreId()].s != nil {
				n = x.stores[l.GetStoreId()]
			}
			return n, info.Region
		}
	}
	return nil, nil
}

func (x *chaos) write() {
	key := fmt.Sprintf("t%02d", x.rng.IntN(12))
	k := x.keys[key]
	if k == nil {
		k = &register{unknown: map[int]bool{}}
		x.keys[key] = k
	}
	n, r := x.owner(key)
	if k.busy || n == nil {
		return
	}
	k.next++
	k.busy = true
	v := k.next
	x.ts += 5
	req := &kvpb.Request{Header: &kvpb.Header{RegionId: r.GetId(), Epoch: r.GetEpoch()}}
	req.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: uint64(x.timestamp()), OnePc: true,
		Mutations: []*kvpb.Mutation{{Key: []byte(key), Value: []byte(strconv.Itoa(v))}}}}
	n.s.SendAsync(req, func(resp *kvpb.Response) {
		k.busy = false
		switch {
		case resp.GetRegionError().GetAmbiguous() != nil:
			k.unknown[v] = true
		case resp.GetRegionError() != nil || len(resp.GetPrewrite().GetErrors()) > 0:
		default:
			x.acked++
			x.ts = max(x.ts, timestamp.Timestamp(resp.GetPrewrite().GetOnePcCommitTs()))
			k.acked = v
			k.unknown = map[int]bool{}
		}
	})
}

func (x *chaos) read() {
	key := fmt.Sprintf("t%02d", x.rng.IntN(12))
	k := x.keys[key]
	n, r := x.owner(key)
	if k == nil || n == nil {
		return
	}
	x.ts += 5
	req := &kvpb.Request{Header: &kvpb.Header{RegionId: r.GetId(), Epoch: r.GetEpoch()}}
	req.Cmd = &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key), Read: &kvpb.ReadContext{ReadTs: uint64(x.timestamp())}}}
	floor := k.acked // acknowledged before the read began
	n.s.SendAsync(req, func(resp *kvpb.Response) {
		if resp.GetGet() == nil || resp.GetGet().GetError() != nil {
			return
		}
		x.reads++
		got, _ := strconv.Atoi(string(resp.GetGet().GetValue()))
		if got < floor {
			x.t.Errorf("stale read: %s is %d at store %d, %d was acknowledged before", key, got, n.id, floor)
		}
		if got > k.next {
			x.t.Errorf("%s is %d, never written", key, got)
		}
	})
}

func (x *chaos) admin() {
	key := fmt.Sprintf("t%02d", x.rng.IntN(12))
	n, r := x.owner(key)
	if n == nil {
		return
	}
	var a *kvpb.AdminRequest
	switch x.rng.IntN(5) {
	case 0, 1:
		a = &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: uint64(x.rng.IntN(4)) + 1}}}
	case 2:
		if len(r.GetPeers()) > 4 || x.ids > 1000+200 {
			return
		}
		first, _ := x.AllocIDs(context.Background(), 1+len(r.GetPeers()))
		nr := &kvpb.NewRegion{RegionId: first}
		for i := range r.GetPeers() {
			nr.PeerIds = append(nr.PeerIds, first+1+uint64(i))
		}
		a = &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{Keys: [][]byte{[]byte(key)}, NewRegions: []*kvpb.NewRegion{nr}}}}
	default:
		var changes []*kvpb.Change
		absent := uint64(0)
		for s := uint64(1); s <= 4; s++ {
			if region.PeerOn(r, s) == nil {
				absent = s
			}
		}
		voters := 0
		for _, p := range r.GetPeers() {
			if p.GetRole() != metapb.PeerRole_LEARNER {
				voters++
			}
		}
		for _, p := range r.GetPeers() {
			if p.GetRole() == metapb.PeerRole_LEARNER {
				changes = append(changes, &kvpb.Change{Type: kvpb.ChangeType_PROMOTE, Peer: p})
				voters++
			}
		}
		if absent != 0 && len(changes) == 0 {
			id, _ := x.AllocIDs(context.Background(), 1)
			changes = append(changes, change(kvpb.ChangeType_ADD_LEARNER, id, absent))
		} else if voters > 3 {
			for _, p := range r.GetPeers() {
				if p.GetRole() == metapb.PeerRole_VOTER && p.GetStoreId() != n.id {
					t := kvpb.ChangeType_REMOVE
					if x.rng.IntN(3) == 0 {
						t = kvpb.ChangeType_DEMOTE
					}
					changes = append(changes, &kvpb.Change{Type: t, Peer: p})
					break
				}
			}
		}
		a = &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{ChangePeers: &kvpb.ChangePeersRequest{Changes: changes}}}
	}
	n.s.SendAsync(&kvpb.Request{Header: &kvpb.Header{RegionId: r.GetId(), Epoch: r.GetEpoch()},
		Cmd: &kvpb.Request_Admin{Admin: a}}, func(*kvpb.Response) {})
}

// finish heals everything and checks what is left.
func (x *chaos) finish(seed uint64) {
	if x.t.Failed() {
		x.t.Fatalf("seed %d failed", seed)
	}
	x.quiet = true
	x.flights, x.cuts = nil, map[[2]uint64]int{}
	for _, id := range x.storeIDs() {
		if x.stores[id].s == nil {
			x.stores[id].restart()
		}
	}
	tick := func() {
		for _, id := range x.storeIDs() {
			n := x.stores[id]
			n.clock.(*virtualClock).now = n.clock.(*virtualClock).now.Add(multiraft.TickInterval)
			n.tick()
		}
		x.settle()
	}
	read := func(key string) (string, bool) {
		n, r := x.owner(key)
		if n == nil {
			return "", false
		}
		var resp *kvpb.Response
		x.ts += 5
		n.s.SendAsync(&kvpb.Request{Header: &kvpb.Header{RegionId: r.GetId(), Epoch: r.GetEpoch()}, Cmd: &kvpb.Request_Get{
			Get: &kvpb.GetRequest{Key: []byte(key), Read: &kvpb.ReadContext{ReadTs: uint64(x.timestamp())}}}}, func(r *kvpb.Response) { resp = r })
		x.settle()
		if resp.GetGet() == nil || resp.GetGet().GetError() != nil {
			return "", false
		}
		return string(resp.GetGet().GetValue()), true
	}
	for range 150 {
		tick()
	}
	for key, k := range x.keys {
		value, ok := "", false
		for i := 0; i < 150 && !ok; i++ {
			if value, ok = read(key); !ok {
				tick()
			}
		}
		if !ok {
			x.t.Errorf("seed %d: %s cannot be read after everything was healed: %s", seed, key, x.describe(key))
			continue
		}
		got, _ := strconv.Atoi(value)
		if got != k.acked && !k.unknown[got] {
			x.t.Errorf("seed %d: %s is %d; %d was acknowledged, unknown are %v", seed, key, got, k.acked, k.unknown)
		}
	}
	// All replicas of a region hold the same.
	for _, id := range x.storeIDs() {
		for _, info := range x.stores[id].s.Regions() {
			for key := range x.keys {
				if !region.Contains(info.Region, []byte(key)) || info.Leader == nil {
					continue
				}
				l := x.stores[info.Leader.GetStoreId()]
				lr := l.s.replica(info.Region.GetId())
				if lr == nil || lr.AppliedIndex() != info.AppliedIndex {
					x.t.Errorf("seed %d: store %d has applied %d in region %d, its leader not the same: %s", seed, id, info.AppliedIndex, info.Region.GetId(), x.describe(key))
					continue
				}
				if a, b := x.stores[id].localGet(key), l.localGet(key); a != b {
					x.t.Errorf("seed %d: %s is %q on store %d and %q at the leader", seed, key, a, id, b)
				}
			}
		}
	}
	x.t.Logf("seed %d: %d writes acknowledged, %d reads, ids up to %d", seed, x.acked, x.reads, x.ids)
}

func (x *chaos) describe(key string) string {
	out := ""
	for _, id := range x.storeIDs() {
		for _, i := range x.stores[id].s.all() {
			info := i.Info()
			if info.Region == nil || region.Contains(info.Region, []byte(key)) {
				out += fmt.Sprintf("\n  store %d: peer %d %+v", id, i.PeerID(), info)
			}
		}
	}
	return out
}
