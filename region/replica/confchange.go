package replica

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// confChange is a change of membership as Raft wants it.
type confChange struct {
	raft *raftpb.ConfChangeV2
}

// changesMax bounds one change of membership.
const changesMax = 16

// checkChanges says what is wrong with a change of membership of desc.
func checkChanges(desc *metapb.Region, changes []*kvpb.Change) error {
	if len(changes) == 0 || len(changes) > changesMax {
		return fmt.Errorf("%d changes", len(changes))
	}
	voters := 0
	for _, p := range desc.GetPeers() {
		if p.GetRole() != metapb.PeerRole_LEARNER {
			voters++
		}
	}
	seen := make(map[uint64]bool)
	for _, c := range changes {
		id := c.GetPeer().GetId()
		if id == 0 || seen[id] {
			return fmt.Errorf("peer %d is named twice or has no id", id)
		}
		seen[id] = true
		have := region.PeerByID(desc, id)
		if c.GetType() == kvpb.ChangeType_ADD_LEARNER {
			if have != nil {
				return fmt.Errorf("peer %d is a member already", id)
			}
			if c.GetPeer().GetStoreId() == 0 {
				return fmt.Errorf("peer %d has no store", id)
			}
			for _, p := range desc.GetPeers() {
				// Ids only rise: one below any that was given out might be old.
				if p.GetStoreId() == c.GetPeer().GetStoreId() {
					return fmt.Errorf("store %d has peer %d already", p.GetStoreId(), p.GetId())
				}
			}
			continue
		}
		if have == nil {
			return fmt.Errorf("peer %d is no member", id)
		}
		learner := have.GetRole() == metapb.PeerRole_LEARNER
		switch c.GetType() {
		case kvpb.ChangeType_PROMOTE:
			if !learner {
				return fmt.Errorf("peer %d is a voter already", id)
			}
			voters++
		case kvpb.ChangeType_DEMOTE:
			if learner {
				return fmt.Errorf("peer %d is a learner already", id)
			}
			voters--
		case kvpb.ChangeType_REMOVE:
			if !learner {
				voters--
			}
		default:
			return fmt.Errorf("unknown change %v", c.GetType())
		}
	}
	if voters < 1 {
		return fmt.Errorf("no voter would be left")
	}
	return nil
}

// raftChange translates a checked request.
func raftChange(changes []*kvpb.Change, context []byte) *raftpb.ConfChangeV2 {
	cc := &raftpb.ConfChangeV2{Context: context}
	for _, c := range changes {
		t := raftpb.ConfChangeAddNode
		switch c.GetType() {
		case kvpb.ChangeType_ADD_LEARNER, kvpb.ChangeType_DEMOTE:
			t = raftpb.ConfChangeAddLearnerNode
		case kvpb.ChangeType_REMOVE:
			t = raftpb.ConfChangeRemoveNode
		}
		cc.Changes = append(cc.Changes, &raftpb.ConfChangeSingle{Type: t.Enum(), NodeId: proto.Uint64(c.GetPeer().GetId())})
	}
	return cc
}

// changePeers proposes a change of membership. It takes no latches: it touches no
// key.
func (r *Replica) changePeers(c *Call, req *kvpb.ChangePeersRequest) {
	l, desc, e := r.check(c.req, true)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	if r.cfg.Host.Awaited(r.cfg.RegionID) {
		c.finish(region.Response(region.ServerBusy("a region is being merged into this one", 100)))
		return
	}
	if region.IsJoint(desc) {
		c.finish(region.Response(region.ServerBusy("another change of membership is under way", 100)))
		return
	}
	if err := checkChanges(desc, req.GetChanges()); err != nil {
		c.finish(region.Response(region.Refused("change of membership of region %d: %v", desc.GetId(), err)))
		return
	}
	// The progress of peers is the worker's.
	if !r.enqueueOp(func(rn *raft.RawNode) { r.changeWith(rn, c, l, desc, req) }) {
		c.finish(region.Response(region.NotFound(r.cfg.RegionID)))
	}
}

// changeWith goes on with a checked change of membership. Process only.
func (r *Replica) changeWith(rn *raft.RawNode, c *Call, l *leadership, desc *metapb.Region, req *kvpb.ChangePeersRequest) {
	r.mu.Lock()
	known := l.known
	r.mu.Unlock()
	if !known {
		r.changeWhenKnown(c, l, req)
		return
	}
	if e := r.checkLive(rn, desc, req.GetChanges()); e != nil {
		c.finish(region.Response(e))
		return
	}
	if leaves(req.GetChanges(), r.cfg.PeerID) {
		r.handOver(rn, c, l, desc, req.GetChanges())
		return
	}
	if id := notFilled(rn, promotions(req.GetChanges())); id != 0 {
		c.finish(region.Response(region.ServerBusy(fmt.Sprintf("peer %d has not caught up: it cannot become a voter yet", id), 50)))
		return
	}
	payload, err := proto.Marshal(req)
	if err != nil {
		c.finish(region.Response(region.Refused("encode change of membership: %v", err)))
		return
	}
	r.propose(l, desc, &proposal{
		call: c, cmd: command{kind: cmdChangePeers, payload: payload},
		conf: &confChange{raft: raftChange(req.GetChanges(), nil)},
	})
}

// changeWhenKnown begins again when the change of membership before is complete.
// Process only.
func (r *Replica) changeWhenKnown(c *Call, l *leadership, req *kvpb.ChangePeersRequest) {
	r.whenKnown(l, func(known bool) {
		if known {
			c.exec(func() { r.changePeers(c, req) })
			return
		}
		r.mu.Lock()
		e := r.notLeaderLocked()
		if r.mu.lead == l {
			e = region.ServerBusy("too many changes of membership wait for the last one", 100)
		}
		r.mu.Unlock()
		c.finish(region.Response(e))
	})
}

// voterLagMax is how many entries a voter may lack that is needed once another one is
// gone: nothing is committed until it has them.
const voterLagMax = 64

// checkLive says why the voters that changes leave could not go on: too few of them
// are live, or hold the log. Only what takes a vote away is judged. Process only.
func (r *Replica) checkLive(rn *raft.RawNode, desc *metapb.Region, changes []*kvpb.Change) errorAnswer {
	after := region.Clone(desc)
	takes := false
	for _, c := range changes {
		p := region.PeerByID(after, c.GetPeer().GetId())
		switch {
		case p == nil:
		case c.GetType() == kvpb.ChangeType_PROMOTE:
			p.Role = metapb.PeerRole_VOTER
		default:
			takes = takes || region.IsVoter(p.GetRole())
			p.Role = metapb.PeerRole_LEARNER // or gone, which is the same here
		}
	}
	if !takes {
		return nil
	}
	v, now, _ := r.cfg.Host.Liveness()
	active, filled := make(map[uint64]bool), make(map[uint64]bool)
	rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		active[id] = p.RecentActive
		filled[id] = id == r.cfg.PeerID || p.State == tracker.StateReplicate && p.Match+voterLagMax >= r.apl.index
	})
	live := func(p *metapb.Peer) bool {
		if s := v.Peer(p.GetStoreId()); s.HeardAt >= 0 {
			return s.Alive(now)
		}
		return active[p.GetId()] // this one, or on a store that came just now
	}
	if !hasMajority(after, live) {
		var silent []uint64
		for _, p := range after.GetPeers() {
			if region.IsVoter(p.GetRole()) && !live(p) {
				silent = append(silent, p.GetStoreId())
			}
		}
		return region.Refused("change of membership of region %d: it would have no quorum, for of the voters that stay those on stores %v do not answer; wait until they are back, or add replicas on other stores first",
			desc.GetId(), silent)
	}
	if !hasMajority(after, func(p *metapb.Peer) bool { return live(p) && filled[p.GetId()] }) {
		// One that holds nothing yet does not vote, and only a leader can fill it.
		return region.ServerBusy("too few of the voters that stay have caught up", 50)
	}
	return nil
}

// leaves reports whether a peer is a voter no more after the changes.
func leaves(changes []*kvpb.Change, peer uint64) bool {
	return slices.ContainsFunc(changes, func(c *kvpb.Change) bool {
		return c.GetPeer().GetId() == peer && c.GetType() != kvpb.ChangeType_PROMOTE
	})
}

// handOver transfers the leadership before a change that ends this peer's vote, to a
// voter that stays, the one with the most of the log. The caller is answered NotLeader
// then, and asks the new leader. A leader does not remove itself: the row locks in its
// memory would be lost, and its followers could be led by another one, which they are
// free to follow as soon as they have applied the change, while it still holds its
// lease (rule A5).
func (r *Replica) handOver(rn *raft.RawNode, c *Call, l *leadership, desc *metapb.Region, changes []*kvpb.Change) {
	var to *metapb.Peer
	most := uint64(0)
	rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		peer := region.PeerByID(desc, id)
		if peer.GetRole() == metapb.PeerRole_VOTER && id != r.cfg.PeerID && !leaves(changes, id) && p.RecentActive && p.Match >= most {
			to, most = peer, p.Match
		}
	})
	if to == nil {
		c.finish(region.Response(region.Refused("change of membership of region %d: peer %d leads, and no other voter that stays is there to lead",
			desc.GetId(), r.cfg.PeerID)))
		return
	}
	transfer := &Call{req: c.req, exec: c.exec, done: func(resp *kvpb.Response) {
		if resp.GetRegionError() == nil {
			resp = region.Response(region.NotLeader(desc.GetId(), to, l.term+1))
		}
		c.finish(resp)
	}}
	c.onAbandon(func() { transfer.Abandon("the caller waits no longer") })
	c.exec(func() { r.transferLeader(transfer, to.GetStoreId()) })
}

func promotions(changes []*kvpb.Change) (ids []uint64) {
	for _, c := range changes {
		if c.GetType() == kvpb.ChangeType_PROMOTE {
			ids = append(ids, c.GetPeer().GetId())
		}
	}
	return ids
}

// notFilled returns one of the peers that does not follow the log right now, 0 if
// all do. Such a peer must not become a voter: it may be a shell, which never
// votes and which only a leader can fill, so a region that came to depend on its
// vote would have no leader ever again.
func notFilled(rn *raft.RawNode, ids []uint64) (missing uint64) {
	for _, id := range ids {
		ok := false
		rn.WithProgress(func(peer uint64, _ raft.ProgressType, p progress) {
			ok = ok || peer == id && p.State == tracker.StateReplicate && p.RecentActive && p.Match > 0
		})
		if !ok {
			missing = id
		}
	}
	return missing
}

// applyConfChange applies a change of membership, or the end of a joint one.
func (r *Replica) applyConfChange(e *raftpb.Entry) (appliedEntry, error) {
	res := appliedEntry{term: e.GetTerm(), conf: true}
	if e.GetType() != raftpb.EntryConfChangeV2 {
		return res, fmt.Errorf("%w: configuration change of the first format", errBadCommand)
	}
	cc := &raftpb.ConfChangeV2{}
	if err := proto.Unmarshal(e.GetData(), cc); err != nil {
		return res, fmt.Errorf("configuration change: %w", err)
	}
	if len(cc.GetChanges()) == 0 {
		if !region.IsJoint(r.apl.desc) {
			return res, fmt.Errorf("%w: end of a joint configuration that is none", errBadCommand)
		}
		r.setConf(r.rn.ApplyConfChange(cc), nil)
		return res, nil
	}
	c, err := decodeCommand(cc.GetContext())
	if err != nil {
		return res, err
	}
	res.id, res.term = c.id, c.term
	if res.refused = r.checkCommand(&c, e.GetTerm()); res.refused != nil {
		return res, nil
	}
	req := &kvpb.ChangePeersRequest{}
	if err := proto.Unmarshal(c.payload, req); err != nil {
		return res, fmt.Errorf("configuration change: %w", err)
	}
	r.setConf(r.rn.ApplyConfChange(cc), req.GetChanges())
	res.leaving = region.IsJoint(r.apl.desc)
	res.resp = changedPeers(r.apl.desc)
	return res, nil
}

// setConf derives the region's peers from Raft's new configuration.
func (r *Replica) setConf(cs *raftpb.ConfState, changes []*kvpb.Change) {
	desc := region.Clone(r.apl.desc)
	known := make(map[uint64]*metapb.Peer)
	for _, p := range desc.GetPeers() {
		known[p.GetId()] = p
	}
	order := desc.GetPeers()
	for _, c := range changes {
		if p := c.GetPeer(); known[p.GetId()] == nil {
			known[p.GetId()] = proto.Clone(p).(*metapb.Peer)
			order = append(order, known[p.GetId()])
		}
	}
	desc.Peers = nil
	for _, p := range order {
		if role, member := roleIn(cs, p.GetId()); member {
			p.Role = role
			desc.Peers = append(desc.Peers, p)
		}
	}
	desc.Epoch.ConfVer++
	r.apl.desc, r.apl.conf = desc, cs
}

// roleIn returns a peer's role in a configuration, and whether it has one.
func roleIn(cs *raftpb.ConfState, id uint64) (metapb.PeerRole, bool) {
	in := slices.Contains(cs.GetVoters(), id)
	out := slices.Contains(cs.GetVotersOutgoing(), id)
	joint := len(cs.GetVotersOutgoing()) > 0
	switch {
	case in && (out || !joint):
		return metapb.PeerRole_VOTER, true
	case in:
		return metapb.PeerRole_INCOMING_VOTER, true
	case out:
		return metapb.PeerRole_OUTGOING_VOTER, true
	case slices.Contains(cs.GetLearners(), id):
		return metapb.PeerRole_LEARNER, true
	}
	return 0, false
}

func changedPeers(desc *metapb.Region) *kvpb.Response {
	return &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
		Cmd: &kvpb.AdminResponse_ChangePeers{ChangePeers: &kvpb.ChangePeersResponse{Region: desc}},
	}}}
}
