package server

import (
	"context"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

const (
	// checkPeriod is how often one region is compared in the background: a pass over
	// a hundred regions takes most of an hour, and reads each replica once.
	checkPeriod = 30 * time.Second
	// checkTimeout bounds the wait for a replica that is behind or hashes long.
	checkTimeout = time.Minute
	checkPoll    = 50 * time.Millisecond
)

// The verdicts of a comparison.
const (
	replicasEqual      = "equal"
	replicasDifferent  = "different"
	replicasIncomplete = "incomplete" // some did not answer, the others are equal
)

// checkReplicas has the replicas of a region hash their state at one point of the
// log, and compares what they found.
func (n *Node) checkReplicas(ctx context.Context, r *placementpb.RegionRoute) (*adminpb.CheckReplicasResponse, error) {
	if r.LeaderStore == 0 {
		return nil, fmt.Errorf("region %d has no leader", r.Region.Id)
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	begun, err := n.checksum(ctx, r.LeaderStore, r.Region, 0)
	if err != nil {
		return nil, err
	}
	out := &adminpb.CheckReplicasResponse{RegionId: r.Region.Id, Index: begun.Index, Verdict: replicasEqual}
	var first *adminpb.ReplicaState
	for _, p := range begun.Region.GetPeers() {
		st := n.replicaState(ctx, p, begun)
		out.Replicas = append(out.Replicas, st)
		switch {
		case st.Error != "":
			if out.Verdict == replicasEqual {
				out.Verdict = replicasIncomplete
			}
		case first == nil:
			first = st
		case first.Hash != st.Hash:
			out.Verdict = replicasDifferent
		}
	}
	return out, nil
}

func (n *Node) replicaState(ctx context.Context, p *metapb.Peer, begun *kvpb.ChecksumResponse) *adminpb.ReplicaState {
	st := &adminpb.ReplicaState{NodeId: p.NodeId, PeerId: p.Id}
	for {
		c, err := n.checksum(ctx, p.StoreId, begun.Region, begun.Index)
		switch {
		case err == nil && c.Done:
			st.Hash, st.Pairs = c.Hash, c.Pairs
			return st
		case err == nil && c.Error != "":
			st.Error = c.Error
			return st
		case err == nil && c.Unknown:
			st.Error = "it was filled anew, or restarted, meanwhile"
			return st
		}
		if serr := env.Sleep(ctx, n.cfg.Env.Clock, checkPoll); serr != nil {
			if st.Error = "it has not hashed its state in time"; err != nil {
				st.Error = err.Error()
			}
			return st
		}
	}
}

func (n *Node) checksum(ctx context.Context, store uint64, r *metapb.Region, index uint64) (*kvpb.ChecksumResponse, error) {
	resp, err := regionAdmin{n}.Admin(ctx, store, r, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Checksum{Checksum: &kvpb.ChecksumRequest{Index: index}}})
	if err != nil {
		return nil, err
	}
	if resp.GetChecksum() == nil {
		return nil, fmt.Errorf("region %d: store %d does not know checksums", r.Id, store)
	}
	return resp.GetChecksum(), nil
}

// note makes the outcome of a comparison known: a difference is never silent, and
// stays until a later comparison finds none.
func (n *Node) note(ctx context.Context, c *adminpb.CheckReplicasResponse) error {
	if c.Verdict == replicasDifferent {
		text := fmt.Sprintf("the replicas of region %d differ at index %d:", c.RegionId, c.Index)
		for _, r := range c.Replicas {
			if r.Error != "" {
				text += fmt.Sprintf(" node %d unknown;", r.NodeId)
				continue
			}
			text += fmt.Sprintf(" node %d %016x (%d pairs);", r.NodeId, r.Hash, r.Pairs)
		}
		n.log.Error("REPLICAS DIFFER", "region", c.RegionId, "index", c.Index, "what", text)
		_, err := n.client.Alarms(ctx, &placementpb.Alarm{RegionId: c.RegionId, Text: text}, 0)
		return err
	}
	if c.Verdict != replicasEqual {
		return nil
	}
	alarms, err := n.client.Alarms(ctx, nil, 0)
	if err != nil {
		return err
	}
	for _, a := range alarms {
		if a.RegionId == c.RegionId {
			n.log.Info("replicas are equal again", "region", c.RegionId)
			_, err = n.client.Alarms(ctx, nil, c.RegionId)
		}
	}
	return err
}

// checkLoop compares one region after the other, on the node that leads placement.
func (n *Node) checkLoop(ctx context.Context) {
	var last []byte
	for env.Sleep(ctx, n.cfg.Env.Clock, checkPeriod) == nil {
		if n.client.Leader() != n.ident.StoreID {
			continue
		}
		r := nextRegion(n.regionsNow(), last)
		if r == nil {
			last = nil
			continue
		}
		last = r.Region.EndKey
		if len(r.Region.Peers) < 2 {
			continue
		}
		c, err := n.checkReplicas(ctx, r)
		if err == nil {
			err = n.note(ctx, c)
		}
		if err != nil && ctx.Err() == nil {
			n.log.Info("replicas were not compared", "region", r.Region.Id, "err", err)
		}
	}
}

// nextRegion is the first that begins at or behind a key, nil at the end.
func nextRegion(rs []*placementpb.RegionRoute, from []byte) *placementpb.RegionRoute {
	for _, r := range rs {
		if string(r.Region.StartKey) >= string(from) {
			return r
		}
	}
	return nil
}

// CheckReplicas compares the replicas of one region for the command line.
func (a *admin) CheckReplicas(ctx context.Context, req *adminpb.CheckReplicasRequest) (*adminpb.CheckReplicasResponse, error) {
	n := a.n
	for _, r := range n.regionsNow() {
		if r.Region.Id != req.RegionId {
			continue
		}
		c, err := n.checkReplicas(ctx, r)
		if err == nil {
			err = n.note(ctx, c)
		}
		if c == nil {
			c = &adminpb.CheckReplicasResponse{RegionId: req.RegionId, Verdict: replicasIncomplete}
		}
		if err != nil {
			c.Error = err.Error()
		}
		return c, nil
	}
	return &adminpb.CheckReplicasResponse{RegionId: req.RegionId, Verdict: replicasIncomplete, Error: fmt.Sprintf("there is no region %d", req.RegionId)}, nil
}

func (a *admin) SetStore(ctx context.Context, req *placementpb.SetStoreRequest) (*placementpb.SetStoreResponse, error) {
	resp, err := a.n.client.SetStore(ctx, req)
	if err != nil {
		return &placementpb.SetStoreResponse{Error: &placementpb.Error{Message: err.Error()}}, nil
	}
	return resp, nil
}

func (a *admin) Schedulers(ctx context.Context, req *placementpb.SchedulersRequest) (*placementpb.SchedulersResponse, error) {
	list, err := a.n.client.Schedulers(ctx, req)
	if err != nil {
		return &placementpb.SchedulersResponse{Error: &placementpb.Error{Message: err.Error()}}, nil
	}
	return &placementpb.SchedulersResponse{Schedulers: list}, nil
}
