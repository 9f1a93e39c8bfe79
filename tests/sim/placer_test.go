package sim

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
)

// placer is placement: it hears reports, late or not at all, lets the schedulers of
// the product plan, and carries the plans out step by step. It replaces stores after
// seconds of silence, so that many come back after they were given up.
type placer struct {
	w       *world
	c       *client
	reports map[uint64]*placementpb.RegionReport
	heard   []time.Duration // by node: when it last reported
	busy    map[uint64]bool // regions with an operator
	drain   uint64          // a store whose leaders are to go; 0: none
}

const (
	placerLiveFor   = 1500 * time.Millisecond
	placerDownAfter = 4 * time.Second
	operatorsMax    = 3
	operatorTimeout = 8 * time.Second
)

func newPlacer(w *world) *placer {
	return &placer{w: w, c: newClient(w, 6000), reports: make(map[uint64]*placementpb.RegionReport), busy: make(map[uint64]bool)}
}

func (p *placer) run() {
	w := p.w
	if !w.plan.placed {
		return
	}
	p.heard = make([]time.Duration, len(w.nodes))
	var loop func()
	loop = func() {
		w.after(between(w.rngClient, 100*time.Millisecond, 600*time.Millisecond), "placement", func() {
			p.hear()
			if !w.quiet && chance(w.rngClient, 0.02) {
				p.drain = uint64(w.rngClient.IntN(len(w.nodes) + 1))
			}
			if w.quiet {
				p.drain = 0
			}
			p.schedule()
			if w.failure == nil {
				loop()
			}
		})
	}
	loop()
}

func (p *placer) hear() {
	w := p.w
	for i, n := range w.nodes {
		if n.s == nil || n.asleep() || !w.quiet && chance(w.rngClient, 0.2) {
			continue
		}
		p.heard[i] = w.now
		for _, r := range n.s.Report() {
			takeReport(p.reports, r)
		}
	}
}

// takeReport puts a report into a directory, as placement does: what is older, or
// covers what a newer version of the key space gives to others, is dropped.
func takeReport(reports map[uint64]*placementpb.RegionReport, r *placementpb.RegionReport) {
	id := r.GetRegion().GetId()
	old := reports[id]
	if old != nil && (region.CompareEpoch(old.GetRegion().GetEpoch(), r.GetRegion().GetEpoch()) > 0 || old.GetTerm() > r.GetTerm()) {
		return
	}
	for _, o := range reports {
		if o.GetRegion().GetId() != id && region.Overlaps(o.GetRegion(), r.GetRegion()) &&
			o.GetRegion().GetEpoch().GetVersion() > r.GetRegion().GetEpoch().GetVersion() {
			return
		}
	}
	maps.DeleteFunc(reports, func(_ uint64, o *placementpb.RegionReport) bool {
		return region.Overlaps(o.GetRegion(), r.GetRegion())
	})
	reports[id] = r
}

func (p *placer) snapshot() *scheduler.Snapshot {
	w := p.w
	s := &scheduler.Snapshot{ReplicasWanted: 3}
	list := slices.SortedFunc(maps.Values(p.reports), func(a, b *placementpb.RegionReport) int {
		return cmp.Compare(string(a.GetRegion().GetStartKey()), string(b.GetRegion().GetStartKey()))
	})
	replicas, leaders := make(map[uint64]int), make(map[uint64]int)
	for _, rep := range list {
		d := rep.GetRegion()
		r := scheduler.Region{
			ID: d.GetId(), Epoch: d.GetEpoch(), Peers: d.GetPeers(), Leader: rep.GetLeaderStore(), Size: rep.GetSizeBytes(),
			Pending: make(map[uint64]bool), Down: make(map[uint64]bool), Busy: p.busy[d.GetId()], Costly: d.GetId() == region.PlacementID,
		}
		for _, id := range rep.GetPendingStores() {
			r.Pending[id] = true
		}
		for _, id := range rep.GetDownStores() {
			r.Down[id] = true
		}
		for _, peer := range d.GetPeers() {
			replicas[peer.GetStoreId()]++
		}
		leaders[r.Leader]++
		s.Regions = append(s.Regions, r)
	}
	for i, n := range w.nodes {
		silent := w.now - p.heard[i]
		s.Stores = append(s.Stores, scheduler.Store{
			ID: n.id, Live: silent < placerLiveFor, Accepts: silent < placerLiveFor && n.id != p.drain, Down: silent > placerDownAfter,
			Draining: n.id == p.drain, Replicas: replicas[n.id], Leaders: leaders[n.id],
		})
	}
	return s
}

func (p *placer) schedule() {
	w := p.w
	s := p.snapshot()
	plans := slices.Concat(scheduler.Repair(s), scheduler.Replicas(s), scheduler.Evict(s))
	if chance(w.rngClient, 0.2) {
		plans = append(plans, scheduler.Leaders(s)...)
	}
	if !w.quiet && chance(w.rngClient, 0.2) {
		plans = append(plans, p.shuffle(s)...)
	}
	for _, plan := range plans {
		if len(p.busy) >= operatorsMax {
			return
		}
		if !p.busy[plan.RegionID] {
			p.begin(plan)
		}
	}
}

// shuffle moves a replica for no reason but to have moves.
func (p *placer) shuffle(s *scheduler.Snapshot) []scheduler.Plan {
	w := p.w
	if len(s.Regions) == 0 {
		return nil
	}
	r := &s.Regions[w.rngClient.IntN(len(s.Regions))]
	var free []uint64
	for _, st := range s.Stores {
		if st.Live && st.Accepts && !slices.ContainsFunc(r.Peers, func(q *metapb.Peer) bool { return q.GetStoreId() == st.ID }) {
			free = append(free, st.ID)
		}
	}
	if r.Busy || r.Leader == 0 || len(free) == 0 || len(r.Peers) != 3 || w.stats["deaths"] > 0 && len(free) < 2 {
		return nil
	}
	from := r.Peers[w.rngClient.IntN(len(r.Peers))]
	return []scheduler.Plan{{Kind: scheduler.MovePeer, RegionID: r.ID, Epoch: r.Epoch, From: from.GetStoreId(), To: free[w.rngClient.IntN(len(free))]}}
}

// operator is one plan on its way.
type operator struct {
	p        *placer
	plan     scheduler.Plan
	key      []byte
	deadline time.Duration
}

func (p *placer) begin(plan scheduler.Plan) {
	w := p.w
	rep := p.reports[plan.RegionID]
	if rep == nil {
		return
	}
	p.busy[plan.RegionID] = true
	key := rep.GetRegion().GetStartKey()
	if len(key) == 0 {
		key = []byte{1}
	}
	o := &operator{p: p, plan: plan, key: key, deadline: w.now + operatorTimeout}
	w.say("operator: %s of region %d, store %d to %d", plan.Kind, plan.RegionID, plan.From, plan.To)
	o.step()
}

func (o *operator) end(how string) {
	delete(o.p.busy, o.plan.RegionID)
	o.p.w.count("operator " + string(o.plan.Kind) + " " + how)
}

func (o *operator) later() {
	o.p.w.after(between(o.p.w.rngClient, 30*time.Millisecond, 150*time.Millisecond), "operator", o.step)
}

// step looks at the region as it is now and does what is next; it comes again until
// nothing is left to do.
func (o *operator) step() {
	w := o.p.w
	d := w.directory(o.key)
	switch {
	case w.now > o.deadline:
		o.end("late")
		return
	case d == nil || region.IsJoint(d):
		o.later()
		return
	case d.GetId() != o.plan.RegionID:
		o.end("overtaken")
		return
	}
	o.p.c.learn(d)
	from, to := region.PeerOn(d, o.plan.From), region.PeerOn(d, o.plan.To)
	switch o.plan.Kind {
	case scheduler.AddPeer:
		if to != nil {
			o.end("done")
			return
		}
		o.change(d, o.learner())
	case scheduler.Promote:
		var cs []*kvpb.Change
		for _, q := range o.plan.Peers {
			if now := region.PeerByID(d, q.GetId()); now.GetRole() == metapb.PeerRole_LEARNER && now != nil {
				cs = append(cs, &kvpb.Change{Type: kvpb.ChangeType_PROMOTE, Peer: now})
			}
		}
		if len(cs) == 0 {
			o.end("done")
			return
		}
		o.change(d, cs...)
	case scheduler.TransferLeader:
		if o.leader(d) == o.plan.To || to == nil {
			o.end("done")
			return
		}
		o.transfer(d, o.plan.To)
	case scheduler.RemovePeer:
		o.remove(d, from)
	case scheduler.MovePeer:
		o.move(d, from, to)
	default:
		o.end("unknown")
	}
}

func (o *operator) learner() *kvpb.Change {
	w := o.p.w
	return &kvpb.Change{Type: kvpb.ChangeType_ADD_LEARNER, Peer: &metapb.Peer{
		Id: w.newIDs(1), NodeId: o.plan.To, StoreId: o.plan.To, Role: metapb.PeerRole_LEARNER}}
}

// remove takes a peer away; a leader hands over first.
func (o *operator) remove(d *metapb.Region, from *metapb.Peer) {
	if from == nil {
		o.end("done")
		return
	}
	if region.CompareEpoch(d.GetEpoch(), o.plan.Epoch) != 0 {
		o.end("overtaken") // as placement does: it may be a voter by now
		return
	}
	if o.leader(d) == o.plan.From {
		o.handOver(d)
		return
	}
	o.change(d, &kvpb.Change{Type: kvpb.ChangeType_REMOVE, Peer: from})
}

// move brings the peer on one store to another: a learner first, then one joint
// change that promotes it and removes the other.
func (o *operator) move(d *metapb.Region, from, to *metapb.Peer) {
	switch {
	case from == nil:
		o.end("done")
	case to == nil:
		o.change(d, o.learner())
	case to.GetRole() != metapb.PeerRole_LEARNER:
		o.end("refused") // as placement does: to take from away now may cost the quorum
	case o.leader(d) == o.plan.From:
		o.handOver(d)
	default:
		o.p.c.describe(d, o.key, func(r *kvpb.DescribeResponse) {
			for _, q := range r.GetProgress() {
				if q.GetPeerId() == to.GetId() && q.GetMatch() > 0 && q.GetMatch()+64 >= r.GetLastIndex() {
					o.change(d, &kvpb.Change{Type: kvpb.ChangeType_PROMOTE, Peer: to}, &kvpb.Change{Type: kvpb.ChangeType_REMOVE, Peer: from})
					return
				}
			}
			o.later()
		})
	}
}

// leader is the store that leads the region, as far as the stores know.
func (o *operator) leader(d *metapb.Region) uint64 {
	for _, n := range o.p.w.nodes {
		if n.s == nil {
			continue
		}
		if _, ok := n.s.Local(d.GetId()).Leader(); ok {
			return n.id
		}
	}
	return 0
}

// handOver makes another voter lead.
func (o *operator) handOver(d *metapb.Region) {
	w := o.p.w
	var others []uint64
	for _, q := range d.GetPeers() {
		if q.GetRole() == metapb.PeerRole_VOTER && q.GetStoreId() != o.plan.From && !w.node(q.GetStoreId()).dead {
			others = append(others, q.GetStoreId())
		}
	}
	if len(others) == 0 {
		o.end("stuck")
		return
	}
	o.transfer(d, others[w.rngClient.IntN(len(others))])
}

func (o *operator) transfer(d *metapb.Region, to uint64) {
	o.p.c.order("transfer", d, o.key, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
		TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to}}}, func(bool) { o.later() })
}

func (o *operator) change(d *metapb.Region, cs ...*kvpb.Change) {
	what := "change"
	for _, c := range cs {
		what += " " + c.GetType().String()
	}
	o.p.c.order(what, d, o.key, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
		ChangePeers: &kvpb.ChangePeersRequest{Changes: cs}}}, func(bool) { o.later() })
}
