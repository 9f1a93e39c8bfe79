package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quorate-db/quorate/placement"
	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// askTimeout bounds what one question to another node takes: listings are answered
// without those that are away.
const askTimeout = time.Second

// Replicas tells of this node's own replicas.
func (a *admin) Replicas(_ context.Context, req *adminpb.ReplicasRequest) (*adminpb.ReplicasResponse, error) {
	return a.n.replicasHere(req.RegionId), nil
}

func (n *Node) replicasHere(only uint64) *adminpb.ReplicasResponse {
	out := &adminpb.ReplicasResponse{RatePeriodMs: uint32(ratePeriod.Milliseconds()), Contacts: n.contacts()}
	for _, l := range n.store.Looks(only) {
		r := &adminpb.LocalReplica{RegionId: l.RegionID, PeerId: l.PeerID, LeaderStore: l.LeaderStore, Term: l.Term, AppliedIndex: l.Applied, SizeBytes: uint64(max(l.SizeBytes, 0))}
		if l.Leads {
			if only != 0 {
				_, r.Lease = n.store.Lease(l.RegionID)
			}
			since, writes := n.rates.of(l.RegionID, l.Term)
			if !since.IsZero() {
				r.LeadsSinceUnixMs = since.UnixMilli()
			}
			r.WritesPerSecond, r.PendingStores, r.DownStores = writes, l.PendingStores, l.DownStores
		}
		out.Replicas = append(out.Replicas, r)
	}
	return out
}

// contacts is when the other stores were heard of last, ordered by id.
func (n *Node) contacts() []*adminpb.Contact {
	heard := n.store.Heard()
	var out []*adminpb.Contact
	for _, id := range slices.Sorted(maps.Keys(heard)) {
		c := &adminpb.Contact{StoreId: id, HeardMsAgo: -1}
		if d := heard[id]; d >= 0 {
			c.HeardMsAgo = d.Milliseconds()
		}
		out = append(out, c)
	}
	return out
}

// askStores asks stores at once, each for at most askTimeout. f is called for several at
// a time and says whether there was an answer.
func (n *Node) askStores(ctx context.Context, stores []uint64, f func(ctx context.Context, store uint64, cl adminpb.AdminClient) error) {
	var wg sync.WaitGroup
	for _, id := range stores {
		conn, err := n.dial.store(ctx, id)
		if err != nil {
			continue // its address is not known: it has never been here
		}
		wg.Go(func() {
			ctx, cancel := n.suspects.Bound(ctx, id, askTimeout)
			defer cancel()
			if f(ctx, id, adminpb.NewAdminClient(conn)) == nil {
				n.suspects.Answered(id)
			}
		})
	}
	wg.Wait()
}

// replicasOf asks stores for their replicas of a region (0: all). Stores that do not
// answer are missing in the result.
func (n *Node) replicasOf(ctx context.Context, stores []uint64, region uint64) map[uint64]*adminpb.ReplicasResponse {
	out := map[uint64]*adminpb.ReplicasResponse{}
	var mu sync.Mutex
	var others []uint64
	for _, id := range stores {
		if id == n.ident.StoreID {
			out[id] = n.replicasHere(region)
			continue
		}
		others = append(others, id)
	}
	n.askStores(ctx, others, func(ctx context.Context, id uint64, cl adminpb.AdminClient) error {
		resp, err := cl.Replicas(ctx, &adminpb.ReplicasRequest{RegionId: region})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out[id] = resp
		return nil
	})
	return out
}

func (n *Node) regionNow(id uint64) *placementpb.RegionRoute {
	for _, r := range n.regionsNow() {
		if r.Region.Id == id {
			return r
		}
	}
	return nil
}

// DescribeRegion gathers what the nodes with a replica, and placement, know of a region.
// What does not answer is left out.
func (a *admin) DescribeRegion(ctx context.Context, req *adminpb.DescribeRegionRequest) (*adminpb.DescribeRegionResponse, error) {
	n := a.n
	r := n.regionNow(req.RegionId)
	if r == nil {
		return &adminpb.DescribeRegionResponse{Error: fmt.Sprintf("there is no region %d", req.RegionId)}, nil
	}
	explain, _ := n.explain(ctx, r.Region.Id) // without it the history is not known
	return n.describeRegion(ctx, r, explain), nil
}

// explain asks placement about a region, not for long: what else there is to say does
// not wait for it.
func (n *Node) explain(ctx context.Context, region uint64) (*placementpb.ExplainResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	return n.client.Explain(ctx, region)
}

func (n *Node) describeRegion(ctx context.Context, r *placementpb.RegionRoute, explain *placementpb.ExplainResponse) *adminpb.DescribeRegionResponse {
	var stores []uint64
	for _, p := range r.Region.Peers {
		stores = append(stores, p.StoreId)
	}
	looks := n.replicasOf(ctx, stores, r.Region.Id)
	leader := r.LeaderStore
	term := r.Term
	for id, l := range looks { // who leads knows it best
		for _, rep := range l.Replicas {
			if rep.LeaderStore == id && rep.Term >= term {
				leader, term = id, rep.Term
			}
		}
	}
	if looks[leader] == nil && n.deserted(looks, leader) {
		leader = 0
	}
	info := n.regionInfo(&placementpb.RegionRoute{Region: r.Region, LeaderStore: leader, Term: term, SizeBytes: r.SizeBytes})
	resp := &adminpb.DescribeRegionResponse{Region: info, Term: term}
	for _, p := range r.Region.Peers {
		rep := &adminpb.ReplicaInfo{PeerId: p.Id, NodeId: p.NodeId, State: "unknown", HeardMsAgo: -1}
		l, answered := looks[p.StoreId]
		rep.Unreachable = !answered
		for _, here := range l.GetReplicas() {
			if here.PeerId == p.Id {
				rep.Applied = here.AppliedIndex
			}
		}
		if answered && rep.Applied == 0 {
			rep.State = "missing"
		}
		for _, c := range looks[leader].GetContacts() {
			if c.StoreId == p.StoreId {
				rep.HeardMsAgo = c.HeardMsAgo
			}
		}
		if p.StoreId == leader {
			rep.HeardMsAgo = 0
		}
		resp.Replicas = append(resp.Replicas, rep)
	}
	for _, here := range looks[leader].GetReplicas() {
		resp.Lease, resp.LeadsSinceUnixMs, resp.WritesPerSecond = here.Lease, here.LeadsSinceUnixMs, here.WritesPerSecond
		info.SizeBytes = max(info.SizeBytes, here.SizeBytes)
	}
	if leader != 0 {
		n.addProgress(ctx, r.Region, leader, resp)
	}
	if explain != nil {
		resp.Events, resp.Operators, resp.HistorySinceUnixMs = explain.Events, explain.Operators, explain.KnownSinceUnixMs
		resp.LeaderWhy = explain.LeaderWhy
		if explain.LeaderStore != leader || explain.Term != term {
			resp.LeaderWhy = "" // of another one
		}
		if resp.LeadsSinceUnixMs == 0 && explain.LeaderStore == leader && explain.Term == term {
			resp.LeadsSinceUnixMs = explain.LeaderSinceUnixMs
		}
	}
	resp.SplitSizeBytes = uint64(n.splitSizeKnown())
	resp.Advice = regionAdvice(r.Region, resp)
	return resp
}

// deserted reports whether a leader that does not answer leads nobody who does.
func (n *Node) deserted(looks map[uint64]*adminpb.ReplicasResponse, leader uint64) bool {
	asked := false
	for _, l := range looks {
		for _, rep := range l.Replicas {
			asked = true
			if rep.LeaderStore == leader {
				return false
			}
		}
	}
	return asked
}

// addProgress adds what the leader alone knows: how far its followers are.
func (n *Node) addProgress(ctx context.Context, r *metapb.Region, leader uint64, resp *adminpb.DescribeRegionResponse) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ar, err := regionAdmin{n}.Admin(ctx, leader, r, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Describe{Describe: &kvpb.DescribeRequest{}}})
	if err != nil {
		return // the leader is away: what memory has is the answer
	}
	d := ar.GetDescribe()
	resp.Term, resp.AppliedIndex, resp.LastIndex = max(resp.Term, d.Term), d.AppliedIndex, d.LastIndex
	for _, rep := range resp.Replicas {
		for _, p := range d.Progress {
			if p.PeerId != rep.PeerId {
				continue
			}
			rep.Match, rep.RecentlyActive, rep.State = p.Match, p.RecentlyActive, p.State
		}
	}
}

// farBehind is a lag in entries that is worth a word.
const farBehind = 10_000

// regionAdvice says in whole sentences what deserves attention.
func regionAdvice(r *metapb.Region, d *adminpb.DescribeRegionResponse) []string {
	var out []string
	voters, away := 0, []string{}
	for i, p := range r.Peers {
		rep := d.Replicas[i]
		if p.Role != metapb.PeerRole_LEARNER {
			voters++
			if rep.Unreachable {
				away = append(away, fmt.Sprint(p.NodeId))
			}
		}
		if lag := int64(d.LastIndex) - int64(rep.Match); rep.Match > 0 && lag > farBehind {
			out = append(out, fmt.Sprintf("the replica on node %d is %d entries behind: look at its disk and network (quorate node describe %d)", p.NodeId, lag, p.NodeId))
		}
	}
	switch live := voters - len(away); {
	case live <= voters/2:
		out = append(out, fmt.Sprintf("no quorum: %d of %d voters answer and %d are needed; start node %s again", live, voters, voters/2+1, strings.Join(away, " or ")))
	case d.Region.LeaderStore == 0:
		out = append(out, "no leader although a quorum answers: an election is going on; ask again in a second")
	case len(away) > 0:
		out = append(out, fmt.Sprintf("node %s does not answer: start it again, or look with quorate region why %d when its replica is replaced", strings.Join(away, " and "), r.Id))
	}
	if d.SplitSizeBytes > 0 && d.Region.SizeBytes > d.SplitSizeBytes {
		out = append(out, fmt.Sprintf("it is larger than a region should be and will be split; at once: quorate region split %d", r.Id))
	}
	if r.Merging != nil {
		out = append(out, fmt.Sprintf("it is being merged into region %d and serves nothing meanwhile", r.Merging.Target))
	}
	return out
}

// splitSizeKnown is the size at which this node splits regions.
func (n *Node) splitSizeKnown() int64 {
	if s := n.reports.splitSize.Load(); s > 0 {
		return s
	}
	if n.cfg.SplitSizeBytes > 0 {
		return n.cfg.SplitSizeBytes
	}
	return placement.DefaultSplitSize
}

// WhyRegion says why a region is where it is and as it is.
func (a *admin) WhyRegion(ctx context.Context, req *adminpb.WhyRegionRequest) (*adminpb.WhyRegionResponse, error) {
	n := a.n
	r := n.regionNow(req.RegionId)
	if r == nil {
		return &adminpb.WhyRegionResponse{Error: fmt.Sprintf("there is no region %d", req.RegionId)}, nil
	}
	resp := &adminpb.WhyRegionResponse{}
	var err error
	if resp.Explain, err = n.explain(ctx, r.Region.Id); err != nil {
		resp.Explain, resp.Unexplained = nil, err.Error()
	}
	resp.Region = n.describeRegion(ctx, r, resp.Explain)
	return resp, nil
}

// RegionMap lists regions with what their leaders say of them.
func (a *admin) RegionMap(ctx context.Context, req *adminpb.RegionsRequest) (*adminpb.RegionMapResponse, error) {
	n := a.n
	infos, err := n.regionInfos(ctx, req.Table, req.NodeId)
	if err != nil {
		return &adminpb.RegionMapResponse{Error: err.Error()}, nil
	}
	out := &adminpb.RegionMapResponse{RatePeriodMs: uint32(ratePeriod.Milliseconds())}
	var live []uint64
	lost := map[uint64]bool{}
	for _, node := range n.nodes() {
		if node.Store.State == metapb.StoreState_REMOVED {
			continue
		}
		out.Nodes = append(out.Nodes, node)
		if node.Live || node.Store.State == metapb.StoreState_DECOMMISSIONING {
			live = append(live, node.Store.Id)
		} else {
			lost[node.Store.Id] = true
		}
	}
	leads := map[uint64]*adminpb.LocalReplica{}
	looks := n.replicasOf(ctx, live, 0)
	for _, id := range live {
		lost[id] = looks[id] == nil
	}
	for id, l := range looks {
		for _, rep := range l.Replicas {
			if have := leads[rep.RegionId]; rep.LeaderStore == id && (have == nil || have.Term < rep.Term) {
				leads[rep.RegionId] = rep
			}
		}
	}
	for _, info := range infos {
		m := &adminpb.MapRegion{Info: info}
		lead := leads[info.Region.Id]
		if lead != nil {
			m.PendingNodes, m.WritesPerSecond, m.RatesKnown = lead.PendingStores, lead.WritesPerSecond, len(lead.WritesPerSecond) > 0
			info.SizeBytes = lead.SizeBytes
		}
		for _, p := range info.Region.Peers {
			if lost[p.StoreId] || slices.Contains(lead.GetDownStores(), p.StoreId) {
				m.LostNodes = append(m.LostNodes, p.NodeId)
			}
		}
		out.Regions = append(out.Regions, m)
	}
	return out, nil
}

// Settings changes a setting of the cluster, if asked to, and lists all.
func (a *admin) Settings(ctx context.Context, req *placementpb.SettingsRequest) (*placementpb.SettingsResponse, error) {
	resp, err := a.n.client.Settings(ctx, req)
	if err != nil {
		return &placementpb.SettingsResponse{Error: &placementpb.Error{Message: err.Error()}}, nil
	}
	return resp, nil
}
