package sim

import (
	"bytes"
	"hash/fnv"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
)

// checker watches Raft at work. Its numbers are kept up to date by what it is
// told; nothing is recomputed at every step.
type checker struct {
	w *world
	// leaders: (region, term) → store.
	leaders map[[2]uint64]uint64
	// newest term that has a leader, by region.
	newest map[uint64]uint64
	// votes: (region, term, peer) → candidate, as told to others.
	votes map[[3]uint64]uint64
	// entries: (region, index, term) → what it is, wherever it was seen.
	entries map[[3]uint64]identity
	// committed: (region, index) → the entry that was applied there first.
	committed map[[2]uint64]chosen
	// last committed index, by region.
	lastCommitted map[uint64]uint64
	// known is up to where anybody has known entries to be committed, by region.
	known map[uint64]uint64

	replicas map[slot]*watched
	elected  []slot // leaders whose logs are to be compared after the step
}

// slot is a region's replica on a store.
type slot struct{ region, store uint64 }

// identity of an entry: its content and, by the term of its predecessor, all that
// lies before it.
type identity struct {
	hash     uint64
	prevTerm uint64
}

type chosen struct{ term, hash uint64 }

// watched is what is known of a replica.
type watched struct {
	peer uint64
	// The log as it was handed to the disk: terms of the entries behind base.
	base, baseTerm uint64
	terms          []uint64
	leads          uint64 // term, 0: it does not, as far as known
	applied        uint64
	known          bool // applied is known
	// syncing is what was applied when the last sync began, durable what was when
	// the last finished one began.
	syncing, durable uint64
}

func (r *watched) last() uint64 { return r.base + uint64(len(r.terms)) }

// term returns the term of an entry; ok = false if it lies before the log or
// behind its end.
func (r *watched) term(index uint64) (term uint64, ok bool) {
	switch {
	case index == r.base:
		return r.baseTerm, true
	case index < r.base || index > r.last():
		return 0, false
	}
	return r.terms[index-r.base-1], true
}

var _ replica.Observer = (*checker)(nil)

func newChecker(w *world) *checker {
	return &checker{
		w: w, leaders: make(map[[2]uint64]uint64), newest: make(map[uint64]uint64),
		votes: make(map[[3]uint64]uint64), entries: make(map[[3]uint64]identity),
		committed: make(map[[2]uint64]chosen), lastCommitted: make(map[uint64]uint64),
		known: make(map[uint64]uint64), replicas: make(map[slot]*watched),
	}
}

func (c *checker) at(regionID, store uint64) *watched {
	s := slot{regionID, store}
	r := c.replicas[s]
	if r == nil {
		// Born by a split, or a shell that waits for its raft snapshot.
		r = &watched{base: replica.InitialIndex, baseTerm: replica.InitialTerm}
		c.replicas[s] = r
	}
	return r
}

// deaf reports that the power of the store is gone: what it does now is not real.
func (c *checker) deaf(store uint64) bool { return c.w.node(store).dying() }

func (c *checker) BecameLeader(regionID, store, term, lastIndex uint64) {
	if c.deaf(store) {
		return
	}
	w := c.w
	w.say("store %d leads region %d in term %d, log ends at %d", store, regionID, term, lastIndex)
	w.trace.add(1, regionID, store, term, lastIndex)
	w.count("elections")
	k := [2]uint64{regionID, term}
	if was, ok := c.leaders[k]; ok && was != store {
		w.violate("election safety", "region %d has two leaders in term %d: stores %d and %d", regionID, term, was, store)
		return
	}
	c.leaders[k] = store
	c.newest[regionID] = max(c.newest[regionID], term)
	r := c.at(regionID, store)
	r.leads = term
	if r.peer != 0 {
		c.vote(regionID, term, r.peer, r.peer)
	}
	c.elected = append(c.elected, slot{regionID, store})
	for _, n := range w.nodes {
		c.lease(n, regionID)
	}
}

// lease checks that a store holds no lease for a region that is led in a newer term,
// whether it serves anything under it or not. A process that is stopped may go on at
// any moment.
func (c *checker) lease(n *node, regionID uint64) {
	if n.s == nil || n.dying() {
		return
	}
	if term, held := n.s.Lease(regionID); held && term < c.newest[regionID] {
		c.w.violate("one valid lease", "store %d holds a lease for region %d of term %d, store %d leads in term %d",
			n.id, regionID, term, c.leaders[[2]uint64{regionID, c.newest[regionID]}], c.newest[regionID])
	}
}

func (c *checker) VoteGranted(regionID, store, term, peer uint64) {
	// What counts is what leaves the store: see sent.
	c.w.trace.add(2, regionID, store, term, peer)
}

// vote notes that a peer told somebody its vote.
func (c *checker) vote(regionID, term, voter, candidate uint64) {
	k := [3]uint64{regionID, term, voter}
	if was, ok := c.votes[k]; ok && was != candidate {
		c.w.violate("one vote per term", "peer %d of region %d voted for %d and for %d in term %d",
			voter, regionID, was, candidate, term)
		return
	}
	c.votes[k] = candidate
}

// sent looks at a message that leaves a store.
func (c *checker) sent(env *multiraft.Envelope) {
	if env.Liveness != nil {
		return
	}
	m := env.Message
	c.at(env.RegionID, env.FromStore).peer = env.FromPeer
	if m.GetType() == raftpb.MsgVoteResp && !m.GetReject() {
		c.vote(env.RegionID, m.GetTerm(), env.FromPeer, m.GetTo())
	}
}

// delivered looks at a message that reaches a store: one of a newer leader ends
// what the store led.
func (c *checker) delivered(store uint64, env *multiraft.Envelope) {
	switch env.Message.GetType() {
	case raftpb.MsgApp, raftpb.MsgHeartbeat, raftpb.MsgSnap:
		if r := c.replicas[slot{env.RegionID, store}]; r != nil && env.Message.GetTerm() > r.leads {
			r.leads = 0
		}
	}
}

func entryHash(e *raftpb.Entry) uint64 {
	h := fnv.New64a()
	h.Write([]byte{byte(e.GetType())})
	h.Write(e.GetData())
	return h.Sum64()
}

func (c *checker) Appended(regionID, store uint64, entries []*raftpb.Entry) {
	if c.deaf(store) {
		return
	}
	w := c.w
	r := c.at(regionID, store)
	first := entries[0].GetIndex()
	if first > r.last()+1 || first <= r.base {
		w.violate("log matching", "store %d, region %d: append at %d to a log of (%d, %d]", store, regionID, first, r.base, r.last())
		return
	}
	if r.leads != 0 && first <= r.last() {
		w.violate("leader append-only", "store %d leads region %d in term %d and overwrites entry %d of %d",
			store, regionID, r.leads, first, r.last())
		return
	}
	r.terms = r.terms[:first-r.base-1]
	for _, e := range entries {
		if e.GetIndex() != r.last()+1 {
			w.violate("log matching", "store %d, region %d: entry %d follows %d", store, regionID, e.GetIndex(), r.last())
			return
		}
		prev, _ := r.term(r.last())
		c.entry(regionID, store, e, prev)
		r.terms = append(r.terms, e.GetTerm())
	}
	w.trace.add(3, regionID, store, first, uint64(len(entries)))
}

// entry checks that an entry is the same on every log that has it, and follows
// the same predecessor: by induction the logs are equal up to there.
func (c *checker) entry(regionID, store uint64, e *raftpb.Entry, prevTerm uint64) {
	k := [3]uint64{regionID, e.GetIndex(), e.GetTerm()}
	id := identity{hash: entryHash(e), prevTerm: prevTerm}
	if was, ok := c.entries[k]; ok {
		if was != id {
			c.w.violate("log matching", "store %d, region %d: entry %d of term %d is %x behind term %d, elsewhere %x behind term %d",
				store, regionID, e.GetIndex(), e.GetTerm(), id.hash, id.prevTerm, was.hash, was.prevTerm)
		}
		return
	}
	c.entries[k] = id
}

// Committed checks the rule by which a leader counts (Raft §5.4.2): what nobody knew
// to be committed becomes so with an entry of the leader's own term.
func (c *checker) Committed(regionID, store, term, index uint64) {
	if c.deaf(store) || index <= c.known[regionID] {
		return
	}
	c.known[regionID] = index
	r := c.at(regionID, store)
	if t, ok := r.term(index); ok && r.leads == term && t != term {
		c.w.violate("a leader commits by its own term", "store %d leads region %d in term %d and holds entry %d of term %d to be committed, which nobody did before",
			store, regionID, term, index, t)
	}
}

func (c *checker) Applied(regionID, store, index, term, hash uint64) {
	if c.deaf(store) {
		return
	}
	w := c.w
	w.trace.add(4, regionID, store, index, term, hash)
	w.count("applied")
	r := c.at(regionID, store)
	if !r.known {
		r.applied, r.known = replica.InitialIndex, true
	}
	if index != r.applied+1 {
		w.violate("state machine safety", "store %d, region %d: entry %d is applied after %d", store, regionID, index, r.applied)
		return
	}
	r.applied = index
	if t, ok := r.term(index); ok && t != term || !ok && index > r.last() {
		w.violate("state machine safety", "store %d, region %d: applied entry %d has term %d, its log (%d, %d] has term %d there",
			store, regionID, index, term, r.base, r.last(), t)
		return
	}
	if id, ok := c.entries[[3]uint64{regionID, index, term}]; !ok || id.hash != hash {
		w.violate("state machine safety", "store %d, region %d: applied entry %d of term %d was never in a log like that", store, regionID, index, term)
		return
	}
	k := [2]uint64{regionID, index}
	is := chosen{term, hash}
	if was, ok := c.committed[k]; ok {
		if was != is {
			w.violate("state machine safety", "store %d, region %d: entry %d is of term %d (%x), another replica applied term %d (%x)",
				store, regionID, index, term, hash, was.term, was.hash)
		}
		return
	}
	c.committed[k] = is
	c.lastCommitted[regionID] = max(c.lastCommitted[regionID], index)
	// It was committed in a term up to the newest: that leader must have it.
	if leader, ok := c.leaders[[2]uint64{regionID, c.newest[regionID]}]; ok {
		if l := c.at(regionID, leader); l.leads == c.newest[regionID] {
			c.complete(regionID, leader, index)
		}
	}
}

// complete checks that the log of a leader has a committed entry. With log
// matching that covers everything before it.
func (c *checker) complete(regionID, store, index uint64) {
	r := c.at(regionID, store)
	if index < r.base {
		return // it is in the raft snapshot that the log starts with
	}
	want := c.committed[[2]uint64{regionID, index}]
	if t, ok := r.term(index); !ok || t != want.term {
		c.w.violate("leader completeness", "store %d leads region %d in term %d without entry %d of term %d, which is committed; its log is (%d, %d], term there %d",
			store, regionID, r.leads, index, want.term, r.base, r.last(), t)
	}
}

func (c *checker) LeaseHeld(regionID, store, term uint64) {
	if c.deaf(store) {
		return
	}
	c.w.count("lease reads")
	if newest := c.newest[regionID]; newest > term {
		c.w.violate("one valid lease", "store %d serves region %d under a lease of term %d, store %d leads in term %d",
			store, regionID, term, c.leaders[[2]uint64{regionID, newest}], newest)
	}
}

func (c *checker) SnapshotInstalled(regionID, store, index, term uint64) {
	c.w.node(store).ingested = true
	if c.deaf(store) {
		return
	}
	w := c.w
	w.say("store %d installs a raft snapshot of region %d at %d", store, regionID, index)
	w.trace.add(5, regionID, store, index, term)
	w.count("installed")
	r := c.at(regionID, store)
	if r.known && index < r.applied {
		w.violate("state machine safety", "store %d, region %d: raft snapshot at %d is installed over applied index %d", store, regionID, index, r.applied)
		return
	}
	if was, ok := c.committed[[2]uint64{regionID, index}]; index > replica.InitialIndex && (!ok || was.term != term) {
		w.violate("state machine safety", "store %d, region %d: raft snapshot at (%d, term %d), committed there is term %d", store, regionID, index, term, was.term)
		return
	}
	r.base, r.baseTerm, r.terms = index, term, nil
	r.applied, r.known = index, true
	r.leads = 0
}

// opening forgets what the store held before.
func (c *checker) opening(n *node) {
	for s, r := range c.replicas {
		if s.store == n.id {
			r.leads, r.peer = 0, 0
		}
	}
}

// opened reads what a store found on its disk.
func (c *checker) opened(n *node) {
	w := c.w
	before := make(map[uint64]*watched)
	for s, r := range c.replicas {
		if s.store == n.id {
			before[s.region] = r
			delete(c.replicas, s)
		}
	}
	here := make(map[uint64]bool)
	for _, info := range n.s.Regions() {
		id := info.Region.GetId()
		here[id] = true
		r := &watched{peer: info.Peer.GetId(), applied: info.AppliedIndex, known: true}
		c.replicas[slot{id, n.id}] = r
		was := before[id]
		if was != nil {
			r.durable, r.syncing = was.durable, was.durable
			if r.applied < was.durable {
				w.violate("applied state is durable", "store %d, region %d: applied index %d after the start, %d was published as durable", n.id, id, r.applied, was.durable)
			}
		}
		if last := max(c.lastCommitted[id], replica.InitialIndex); r.applied > last {
			w.violate("state machine safety", "store %d, region %d: applied index %d, only %d is committed", n.id, id, r.applied, last)
		}
		c.readLog(n, id, r)
		w.say("store %d finds region %d applied to %d, its log (%d, %d]", n.id, id, r.applied, r.base, r.last())
		w.trace.add(6, n.id, id, r.applied, r.base, r.last())
	}
	// A log without a replica: of a region whose birth the state engine has lost,
	// and which will be born again on top of it (rule C6).
	unborn, err := n.eng.Logs.Regions()
	if err != nil {
		w.violate("logs can be read", "store %d: %v", n.id, err)
	}
	for _, id := range unborn {
		if !here[id] {
			r := &watched{}
			c.replicas[slot{id, n.id}] = r
			c.readLog(n, id, r)
			if r.last() == 0 {
				// A vote and no entry: it begins where its birth makes it begin.
				r.base, r.baseTerm = replica.InitialIndex, replica.InitialTerm
			}
		}
	}
	for id, was := range before {
		if here[id] || was.durable <= replica.InitialIndex {
			continue
		}
		if _, dead, err := n.eng.Logs.Tombstone(id); err != nil || !dead {
			w.violate("applied state is durable", "store %d: region %d is gone, index %d was published as durable (%v)", n.id, id, was.durable, err)
		}
	}
}

// readLog reads a log from the disk into r and compares its entries with the
// others'.
func (c *checker) readLog(n *node, id uint64, r *watched) {
	w := c.w
	g, err := n.eng.Logs.Group(id)
	if err != nil {
		w.violate("logs can be read", "store %d, region %d: %v", n.id, id, err)
		return
	}
	first, err1 := g.FirstIndex()
	last, err2 := g.LastIndex()
	baseTerm, err3 := g.Term(first - 1)
	if err1 != nil || err2 != nil || err3 != nil {
		w.violate("logs can be read", "store %d, region %d: %v %v %v", n.id, id, err1, err2, err3)
		return
	}
	r.base, r.baseTerm = first-1, baseTerm
	for lo := first; lo <= last; {
		es, err := g.Entries(lo, last+1, 1<<20)
		if err != nil || len(es) == 0 {
			w.violate("logs can be read", "store %d, region %d, entries from %d: %v", n.id, id, lo, err)
			return
		}
		for _, e := range es {
			prev, _ := r.term(r.last())
			c.entry(id, n.id, e, prev)
			r.terms = append(r.terms, e.GetTerm())
		}
		lo += uint64(len(es))
	}
}

// syncing and synced surround a sync of the state engine that is published.
func (c *checker) syncing(n *node) {
	for s, r := range c.replicas {
		if s.store == n.id {
			r.syncing = r.applied
		}
	}
}

func (c *checker) synced(n *node) {
	for s, r := range c.replicas {
		if s.store == n.id {
			r.durable = max(r.durable, r.syncing)
		}
	}
}

func (c *checker) ended(n *node) {
	for s, r := range c.replicas {
		if s.store == n.id {
			r.leads = 0
		}
	}
}

// lost forgets a store that will never be seen again.
func (c *checker) lost(n *node) {
	for s := range c.replicas {
		if s.store == n.id {
			delete(c.replicas, s)
		}
	}
}

// stepped runs what had to wait for the end of a step.
func (c *checker) stepped(n *node) {
	for _, i := range n.s.Leases() {
		c.lease(n, i)
	}
	elected := c.elected
	c.elected = nil
	for _, s := range elected {
		// A candidate whose votes were late may come to lead in a term that is over:
		// what newer leaders committed it need not have, and it can commit nothing.
		newest := c.at(s.region, s.store).leads == c.newest[s.region]
		if last := c.lastCommitted[s.region]; last > 0 && newest {
			c.complete(s.region, s.store, last)
		}
	}
}

// ranges checks the regions' ranges: the replicas of one store do not overlap,
// nor do two regions of the same version. With covered every key is in a region.
func (c *checker) ranges(covered bool) {
	w := c.w
	newest := make(map[uint64]*metapb.Region)
	var ids []uint64
	for _, n := range w.nodes {
		if n.s == nil {
			continue
		}
		var before *metapb.Region
		for _, i := range n.s.Regions() {
			d := i.Region
			if before != nil && region.Overlaps(before, d) {
				w.violate("regions tile the key space", "store %d holds %s and %s", n.id, region.Describe(before), region.Describe(d))
				return
			}
			before = d
			old := newest[d.GetId()]
			if old == nil {
				ids = append(ids, d.GetId())
			}
			if old == nil || region.CompareEpoch(old.GetEpoch(), d.GetEpoch()) < 0 {
				newest[d.GetId()] = d
			}
		}
	}
	gone := taken(newest)
	ids = slices.DeleteFunc(ids, func(id uint64) bool { return gone[id] })
	slices.Sort(ids)
	for i, a := range ids {
		for _, b := range ids[i+1:] {
			x, y := newest[a], newest[b]
			if region.Overlaps(x, y) && (covered || x.GetEpoch().GetVersion() == y.GetEpoch().GetVersion()) {
				w.violate("regions tile the key space", "%s and %s", region.Describe(x), region.Describe(y))
				return
			}
		}
	}
	if !covered {
		return
	}
	all := make([]*metapb.Region, 0, len(ids))
	for _, id := range ids {
		all = append(all, newest[id])
	}
	slices.SortFunc(all, func(a, b *metapb.Region) int { return bytes.Compare(a.GetStartKey(), b.GetStartKey()) })
	var end []byte
	for i, d := range all {
		if !bytes.Equal(d.GetStartKey(), end) || (i > 0 && len(end) == 0) {
			w.violate("regions tile the key space", "nothing holds the keys from %x to %x", end, d.GetStartKey())
			return
		}
		end = d.GetEndKey()
	}
	if len(end) != 0 || len(all) == 0 {
		w.violate("regions tile the key space", "nothing holds the keys from %x on", end)
	}
}
