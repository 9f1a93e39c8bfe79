package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

	"github.com/quorate-db/quorate/placement"
	"github.com/quorate-db/quorate/placement/client"
	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/keys"
)

// admin answers the command line. Listings come from the node's own memory, so
// any live node gives them, with or without a quorum.
type admin struct {
	adminpb.UnimplementedAdminServer
	n *Node
}

// regionsNow are the regions as this node knows them: placement's directory,
// corrected by the replicas that are here.
func (n *Node) regionsNow() []*placementpb.RegionRoute {
	byID := map[uint64]*placementpb.RegionRoute{}
	for _, r := range n.dir.regions() {
		byID[r.Region.Id] = r
	}
	for _, own := range n.store.Regions() {
		known := byID[own.Region.Id]
		size := uint64(max(own.SizeBytes, 0))
		switch {
		case known == nil || older(known.Region.Epoch, own.Region.Epoch):
			r := &placementpb.RegionRoute{Region: own.Region, Term: own.Term, SizeBytes: size}
			if own.Leader != nil {
				r.LeaderStore = own.Leader.StoreId
			} else if known != nil {
				r.LeaderStore = known.LeaderStore
			}
			byID[own.Region.Id] = r
		case own.Leader != nil && own.Term > known.Term && !older(own.Region.Epoch, known.Region.Epoch):
			byID[own.Region.Id] = &placementpb.RegionRoute{Region: known.Region, LeaderStore: own.Leader.StoreId, Term: own.Term, SizeBytes: known.SizeBytes}
		}
	}
	all := make([]*placementpb.RegionRoute, 0, len(byID))
	for _, r := range byID {
		all = append(all, r)
	}
	// Of regions that overlap, the one with the newer range stays: the other is
	// what it was before a split.
	sort.Slice(all, func(i, j int) bool {
		if a, b := all[i].Region.Epoch.GetVersion(), all[j].Region.Epoch.GetVersion(); a != b {
			return a > b
		}
		return all[i].Region.Id < all[j].Region.Id
	})
	return disjoint(all)
}

// disjoint returns the routes, ordered by start key, without those that overlap one
// before them.
func disjoint(all []*placementpb.RegionRoute) []*placementpb.RegionRoute {
	out := make([]*placementpb.RegionRoute, 0, len(all))
	for _, r := range all {
		i := sort.Search(len(out), func(i int) bool { return bytes.Compare(out[i].Region.StartKey, r.Region.StartKey) > 0 })
		if i > 0 && overlaps(out[i-1].Region, r.Region) || i < len(out) && overlaps(out[i].Region, r.Region) {
			continue
		}
		out = slices.Insert(out, i, r)
	}
	return out
}

func older(a, b *metapb.Epoch) bool {
	return a.GetVersion() < b.GetVersion() || a.GetVersion() == b.GetVersion() && a.GetConfVer() < b.GetConfVer()
}

func (n *Node) regionInfo(r *placementpb.RegionRoute) *adminpb.RegionInfo {
	info := &adminpb.RegionInfo{
		Region: r.Region, LeaderStore: r.LeaderStore, LeaderNode: r.LeaderStore, SizeBytes: r.SizeBytes,
		Start: keys.User(r.Region.StartKey).String(), End: keys.User(r.Region.EndKey).String(),
	}
	if len(r.Region.StartKey) == 0 {
		info.Start = "min"
	}
	if len(r.Region.EndKey) == 0 {
		info.End = "max"
	}
	info.Tables = n.tablesIn(r.Region.StartKey, r.Region.EndKey)
	return info
}

func (a *admin) Hello(_ context.Context, req *adminpb.HelloRequest) (*adminpb.HelloResponse, error) {
	n := a.n
	if req.ClusterId == n.ident.ClusterID && req.Store.GetId() != 0 && req.Store.GetId() != n.ident.StoreID {
		if _, err := n.book.learn([]*metapb.Store{req.Store}); err != nil {
			n.log.Warn("keep the address book", "err", err)
		}
	}
	resp := &adminpb.HelloResponse{ClusterId: n.ident.ClusterID, PlacementLeader: n.client.Leader()}
	if req.ClusterId == n.ident.ClusterID {
		resp.Stores = n.book.list()
	}
	return resp, nil
}

// members lists the stores as known here.
func (n *Node) members() []*metapb.Store {
	if s := n.dir.storeList(); len(s) > 0 {
		return s
	}
	return n.book.list()
}

func (a *admin) Nodes(context.Context, *adminpb.NodesRequest) (*adminpb.NodesResponse, error) {
	return &adminpb.NodesResponse{Nodes: a.n.nodes()}, nil
}

func (n *Node) nodes() []*adminpb.Node {
	replicas, leaders := map[uint64]uint32{}, map[uint64]uint32{}
	for _, r := range n.regionsNow() {
		for _, p := range r.Region.Peers {
			replicas[p.StoreId]++
		}
		leaders[r.LeaderStore]++
	}
	var out []*adminpb.Node
	for _, s := range n.members() {
		out = append(out, &adminpb.Node{Store: s, Live: s.State == metapb.StoreState_UP || s.State == metapb.StoreState_DRAINING,
			Replicas: replicas[s.Id], Leaders: leaders[s.Id]})
	}
	return out
}

func (a *admin) Regions(ctx context.Context, req *adminpb.RegionsRequest) (*adminpb.RegionsResponse, error) {
	infos, err := a.n.regionInfos(ctx, req.Table, req.NodeId)
	if err != nil {
		return &adminpb.RegionsResponse{Error: err.Error()}, nil
	}
	return &adminpb.RegionsResponse{Regions: infos}, nil
}

func (n *Node) regionInfos(ctx context.Context, table string, node uint64) ([]*adminpb.RegionInfo, error) {
	var spans [][2][]byte
	if table != "" {
		var err error
		if spans, err = n.tableSpans(ctx, table); err != nil {
			return nil, err
		}
	}
	var out []*adminpb.RegionInfo
	for _, r := range n.regionsNow() {
		if table != "" && !inSpans(r.Region, spans) {
			continue
		}
		if node != 0 {
			here := false
			for _, p := range r.Region.Peers {
				here = here || p.NodeId == node
			}
			if !here {
				continue
			}
		}
		out = append(out, n.regionInfo(r))
	}
	return out, nil
}

func inSpans(r *metapb.Region, spans [][2][]byte) bool {
	for _, s := range spans {
		if overlaps(r, &metapb.Region{StartKey: s[0], EndKey: s[1]}) {
			return true
		}
	}
	return false
}

func (a *admin) Operate(ctx context.Context, req *placementpb.OperateRequest) (*placementpb.OperateResponse, error) {
	var boundary []byte
	if rt, err := a.n.dir.LookupID(ctx, req.RegionId); err == nil && req.Kind == string(scheduler.Merge) {
		boundary = rt.Region.EndKey
	}
	resp, err := a.n.client.Operate(ctx, req)
	// A transfer can be ordered twice without harm, so it outlives a change of the
	// placement leader and a broken connection to it.
	for req.Kind == string(scheduler.TransferLeader) && ctx.Err() == nil {
		var unknown *client.UnknownError
		if !errors.As(err, &unknown) && (err != nil || !req.Wait || resp.GetOperator().GetError() != placement.LeaderChanged) {
			break
		}
		resp, err = a.n.client.Operate(ctx, req)
	}
	if err != nil {
		return &placementpb.OperateResponse{Error: &placementpb.Error{Message: err.Error()}}, nil
	}
	if req.Wait && len(boundary) > 0 && resp.GetOperator().GetState() == "done" {
		a.n.waitMerged(ctx, boundary)
	}
	if req.Wait && req.Kind == string(scheduler.TransferLeader) && resp.GetOperator().GetState() == "done" {
		// Seen by the caller's next listing at this node.
		_ = a.n.dir.wait(ctx, func() bool {
			rt, err := a.n.dir.LookupID(ctx, req.RegionId)
			return err == nil && rt.LeaderStore == req.ToStore
		})
	}
	return resp, nil
}

func (a *admin) Operators(ctx context.Context, req *placementpb.OperatorsRequest) (*placementpb.OperatorsResponse, error) {
	ops, err := a.n.client.Operators(ctx, req.History)
	if err != nil {
		return &placementpb.OperatorsResponse{Error: &placementpb.Error{Message: err.Error()}}, nil
	}
	return &placementpb.OperatorsResponse{Operators: ops}, nil
}

func (a *admin) Split(ctx context.Context, req *adminpb.SplitRequest) (*adminpb.SplitResponse, error) {
	n := a.n
	rt, err := n.dir.LookupID(ctx, req.RegionId)
	if err != nil {
		return &adminpb.SplitResponse{Error: fmt.Sprintf("there is no region %d", req.RegionId)}, nil
	}
	key, err := n.splitKey(ctx, rt.Region, req.At)
	if err != nil {
		return &adminpb.SplitResponse{Error: err.Error()}, nil
	}
	cut := n.cutBefore(rt.Region, key)
	if !cut && (!region.Contains(rt.Region, key) || bytes.Equal(key, rt.Region.StartKey)) {
		return &adminpb.SplitResponse{Refused: true, Error: fmt.Sprintf("key %s does not lie inside region %d", keys.User(key).String(), req.RegionId)}, nil
	}
	if err := n.SplitAt(ctx, [][]byte{key}); err != nil {
		return &adminpb.SplitResponse{Error: err.Error()}, nil
	}
	resp := &adminpb.SplitResponse{}
	for _, r := range n.regionsNow() {
		if overlaps(r.Region, rt.Region) || cut && bytes.Equal(r.Region.StartKey, key) {
			resp.Regions = append(resp.Regions, n.regionInfo(r))
		}
	}
	return resp, nil
}

// middle returns the middle one of the keys of a region.
func (n *Node) middle(ctx context.Context, r *metapb.Region) ([]byte, error) {
	const most = 200_000
	var found [][]byte
	start := r.StartKey
	for len(found) < most {
		ts, err := n.oracle.Timestamp(ctx)
		if err != nil {
			return nil, err
		}
		resp, err := n.router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{
			Read: &kvpb.ReadContext{ReadTs: uint64(ts)}, StartKey: start, EndKey: r.EndKey, KeysOnly: true}}})
		if err != nil {
			return nil, err
		}
		s := resp.GetScan()
		for _, p := range s.Pairs {
			found = append(found, p.Key)
		}
		if e := s.Error.GetLocked(); e != nil { // a lock hides one key: the middle does not depend on it
			start = append(bytes.Clone(e.Key), 0)
			continue
		}
		if !s.More {
			break
		}
		start = s.ResumeKey
	}
	for _, k := range found[len(found)/2:] {
		if bytes.Compare(k, r.StartKey) > 0 {
			return k, nil
		}
	}
	return nil, errors.New("the region has too few keys to be cut in the middle: name a key with --at")
}
