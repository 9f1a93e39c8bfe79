package server

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// How much harm a problem does: what is worst comes first.
const (
	harmData    = 1 // an answer may be wrong
	harmService = 2 // something cannot be read or written
	harmWrites  = 3 // something cannot be written
	harmSafety  = 4 // the next failure does more harm than it should
	harmNote    = 9 // worth knowing; the cluster is healthy
)

const (
	// diskFew is the share of free disk below which a note is due; below
	// diskRefuses the node refuses writes (region/store).
	diskFew     = 0.10
	diskRefuses = 0.02
	// failuresSince is for how long an operator that failed is worth a note.
	failuresSince = 10 * time.Minute
	// namedMax bounds the regions and nodes that one line names.
	namedMax = 5
)

// statusView is what a status is made from.
type statusView struct {
	n       *Node
	st      *adminpb.StatusResponse
	nodes   []*adminpb.Node
	live    map[uint64]bool          // by store
	heard   map[uint64]time.Duration // by store: how long ago
	regions []*placementpb.RegionRoute
	// blind: placement does not answer, so what it told is old, and this node judges by
	// whom it hears.
	blind bool
}

func (v *statusView) problem(harm uint32, what, why, try string) {
	p := &adminpb.Problem{What: what, Why: why, Try: try, Harm: harm}
	if harm == harmNote {
		v.st.Notes = append(v.st.Notes, p)
		return
	}
	v.st.Problems = append(v.st.Problems, p)
}

// Status names everything that is wrong as far as this node sees, the worst first, and
// the command that mends it or shows more.
func (a *admin) Status(ctx context.Context, req *adminpb.StatusRequest) (*adminpb.StatusResponse, error) {
	return a.status(ctx, req.GetDetail()).st, nil
}

func (a *admin) status(ctx context.Context, detail bool) *statusView {
	n := a.n
	v := &statusView{n: n, nodes: n.nodes(), regions: n.regionsNow(), live: map[uint64]bool{}, heard: n.store.Heard(), st: &adminpb.StatusResponse{
		ClusterId: n.ident.ClusterID, NodeId: n.ident.NodeID, Version: Version, StartedUnixMs: n.began.UnixMilli(),
		PlacementLeader: n.client.Leader(),
	}}
	probe, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := n.probe(probe)
	v.st.Ready = n.serves.Load() && err == nil
	if err != nil {
		v.problem(harmService, fmt.Sprintf("node %d cannot run statements", n.ident.NodeID), err.Error(), "quorate node ls")
	}
	known := v.addPlacement(probe)
	v.blind = !known
	v.addNodes()
	replicas, leaders := v.addRegions()
	if detail {
		v.addDetail(ctx)
	}
	quiet := n.cfg.Env.Clock.Now().UnixMilli()-v.st.LastOperatorUnixMs >= 5000
	v.st.Balanced = known && quiet && v.st.OperatorsRunning == 0 && v.st.RegionsUnderReplicated == 0 && v.st.RegionsWithoutLeader == 0 &&
		v.st.RegionsWithLearner == 0 && even(v.nodes, replicas) && even(v.nodes, leaders)
	slices.SortStableFunc(v.st.Problems, func(a, b *adminpb.Problem) int { return cmp.Compare(a.Harm, b.Harm) })
	return v
}

func (v *statusView) addNodes() {
	versions := map[string]bool{}
	for _, s := range v.nodes {
		if s.Store.State == metapb.StoreState_REMOVED {
			continue
		}
		v.st.NodesTotal++
		versions[s.Store.Version] = true
		if why := v.unheard(s.Store); why != "" {
			v.problem(harmSafety, fmt.Sprintf("node %d is away", s.Store.NodeId), why, startCommand(s.Store))
			continue
		}
		if s.Live || s.Store.State == metapb.StoreState_DECOMMISSIONING {
			v.live[s.Store.Id] = true
			continue
		}
		v.problem(harmSafety, fmt.Sprintf("node %d is %s", s.Store.NodeId, s.Store.State), "it has not reported for some seconds",
			startCommand(s.Store))
	}
	v.st.NodesLive = uint32(len(v.live))
	if len(versions) > 1 {
		v.problem(harmNote, "the nodes run different versions", strings.Join(sortedKeys(versions), ", "), "quorate node ls -o wide")
	}
}

func startCommand(s *metapb.Store) string {
	return fmt.Sprintf("start it again: quorate start --store DIR (it listened on %s); if it is lost: quorate node decommission %d", s.RpcAddress, s.NodeId)
}

// unheardFor is how long a store is silent before this node, on its own, takes it for
// lost: as long as placement waits.
const unheardFor = 3 * time.Second

// unheard says for how long this node has not heard of another one, while it has to
// judge by itself; "" if it has.
func (v *statusView) unheard(s *metapb.Store) string {
	heard, shares := v.heard[s.Id]
	switch {
	case !v.blind || s.Id == v.n.ident.StoreID || !shares:
		return ""
	case heard < 0:
		return fmt.Sprintf("node %d has not heard of it since it started", v.n.ident.NodeID)
	case heard >= unheardFor:
		return fmt.Sprintf("node %d has not heard of it for %v", v.n.ident.NodeID, heard.Round(100*time.Millisecond))
	}
	return ""
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// addRegions counts replicas and leaders by store, and says which regions are short of
// something.
func (v *statusView) addRegions() (replicas, leaders map[uint64]int) {
	replicas, leaders = map[uint64]int{}, map[uint64]int{}
	want := min(3, len(v.live))
	survives := -1
	var short, leaderless []*placementpb.RegionRoute
	for _, r := range v.regions {
		v.st.Regions++
		v.st.SizeBytes += r.SizeBytes
		voters, alive := 0, 0
		for _, p := range r.Region.Peers {
			replicas[p.StoreId]++
			if p.Role != metapb.PeerRole_VOTER {
				v.st.RegionsWithLearner++
				continue
			}
			voters++
			if v.live[p.StoreId] {
				alive++
			}
		}
		if spare := alive - voters/2 - 1; survives < 0 || spare < survives {
			survives = max(spare, 0)
		}
		if voters < want && want != 2 {
			short = append(short, r)
		}
		if r.LeaderStore == 0 || v.blind && (!v.live[r.LeaderStore] || alive <= voters/2) {
			leaderless = append(leaderless, r)
		} else {
			leaders[r.LeaderStore]++
		}
	}
	v.st.SurvivesNodes = uint32(max(survives, 0))
	v.st.RegionsUnderReplicated, v.st.RegionsWithoutLeader = uint32(len(short)), uint32(len(leaderless))
	if len(leaderless) > 0 {
		v.problem(harmService, regionsText(leaderless)+" no leader", v.whyLeaderless(leaderless), v.startAgain(leaderless[0]))
	}
	if len(short) > 0 {
		v.problem(harmSafety, regionsText(short)+fmt.Sprintf(" fewer than %d voters", want), "replicas are being made, or something stands in their way",
			fmt.Sprintf("quorate wait --for replicated; quorate region why %d", short[0].Region.Id))
	}
	return replicas, leaders
}

// regionsText names regions, with the verb.
func regionsText(rs []*placementpb.RegionRoute) string {
	if len(rs) == 1 {
		return fmt.Sprintf("region %d has", rs[0].Region.Id)
	}
	var ids []string
	for _, r := range rs[:min(len(rs), namedMax)] {
		ids = append(ids, fmt.Sprint(r.Region.Id))
	}
	if len(rs) > namedMax {
		ids = append(ids, "…")
	}
	return fmt.Sprintf("%d regions (%s) have", len(rs), strings.Join(ids, ", "))
}

// lostVoters are the nodes of a region's voters that do not live.
func (v *statusView) lostVoters(r *placementpb.RegionRoute) (voters int, lost []string) {
	for _, p := range r.Region.Peers {
		if p.Role == metapb.PeerRole_VOTER {
			voters++
			if !v.live[p.StoreId] {
				lost = append(lost, fmt.Sprint(p.NodeId))
			}
		}
	}
	return voters, lost
}

func (v *statusView) whyLeaderless(rs []*placementpb.RegionRoute) string {
	for _, r := range rs {
		if voters, lost := v.lostVoters(r); voters-len(lost) <= voters/2 {
			return fmt.Sprintf("of region %d's %d voters those on node %s are away, and %d are needed", r.Region.Id, voters, strings.Join(lost, " and "), voters/2+1)
		}
	}
	return "no quorum of their replicas answers, or an election is going on"
}

func (v *statusView) startAgain(r *placementpb.RegionRoute) string {
	if voters, lost := v.lostVoters(r); voters-len(lost) <= voters/2 {
		return fmt.Sprintf("start node %s again; quorate region describe %d", strings.Join(lost, " and "), r.Region.Id)
	}
	return fmt.Sprintf("quorate region describe %d", r.Region.Id)
}

// addPlacement asks the leader of placement and reports whether it answered.
func (v *statusView) addPlacement(ctx context.Context) bool {
	n := v.n
	ops, err := n.client.Operators(ctx, true)
	if err != nil {
		v.problem(harmService, "placement does not answer", err.Error(), "quorate node ls")
	}
	alarms, alarmErr := n.client.Alarms(ctx, nil, 0)
	if alarmErr != nil && err == nil {
		v.problem(harmSafety, "the alarms of the cluster are not known", alarmErr.Error(), "quorate status")
	}
	for _, a := range alarms {
		v.problem(harmData, a.Text, "noticed at "+time.UnixMilli(a.SinceUnixMs).UTC().Format(time.DateTime)+" UTC", fmt.Sprintf("quorate debug check-replicas --region %d", a.RegionId))
	}
	now := n.cfg.Env.Clock.Now()
	failed := 0
	var last *placementpb.Operator
	for _, op := range ops {
		if op.State == "running" {
			v.st.OperatorsRunning++
			continue
		}
		v.st.LastOperatorUnixMs = max(v.st.LastOperatorUnixMs, op.EndedUnixMs)
		if op.State == "failed" && now.Sub(time.UnixMilli(op.EndedUnixMs)) < failuresSince {
			failed++
			last = op
		}
	}
	if last != nil {
		v.problem(harmNote, fmt.Sprintf("%d operators failed in the last %v", failed, failuresSince), fmt.Sprintf("the last one, %s of region %d: %s", last.Kind, last.RegionId, last.Error), "quorate operator ls --history")
	}
	return err == nil
}

// addDetail asks what only placement and the other nodes know.
func (v *statusView) addDetail(ctx context.Context) {
	n := v.n
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	if list, err := n.client.Schedulers(ctx, &placementpb.SchedulersRequest{}); err == nil {
		for _, s := range list {
			if s.Paused {
				v.problem(harmNote, "scheduler "+s.Name+" is paused", "until "+time.UnixMilli(s.PausedUntilUnixMs).UTC().Format(time.DateTime)+" UTC; it "+s.Does, "quorate scheduler resume "+s.Name)
			}
		}
	}
	for _, node := range v.nodes {
		state := node.Store.State
		if state != metapb.StoreState_DRAINING && state != metapb.StoreState_DECOMMISSIONING {
			continue
		}
		if r, err := n.client.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: node.Store.Id, OnlyLook: true}); err == nil && r.Blocked != "" {
			v.problem(harmNote, fmt.Sprintf("node %d is %s and comes to no end", node.Store.NodeId, strings.ToLower(state.String())), r.Blocked, fmt.Sprintf("quorate node recommission %d", node.Store.NodeId))
		}
	}
	for _, here := range n.nodesHere(ctx, v.liveStores()) {
		v.addDisk(here)
	}
}

func (v *statusView) liveStores() []uint64 {
	var out []uint64
	for id := range v.live {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func (v *statusView) addDisk(here *adminpb.NodeHereResponse) {
	if here.CapacityBytes == 0 {
		return
	}
	free := float64(here.AvailableBytes) / float64(here.CapacityBytes)
	why := fmt.Sprintf("%.1f GB of %.1f GB are free", float64(here.AvailableBytes)/1e9, float64(here.CapacityBytes)/1e9)
	switch id := here.Store.NodeId; {
	case free < diskRefuses:
		v.problem(harmWrites, fmt.Sprintf("the disk of node %d is full: it refuses writes", id), why, fmt.Sprintf("give it room, or move what it holds: quorate node decommission %d", id))
	case free < diskFew:
		v.problem(harmNote, fmt.Sprintf("the disk of node %d fills up", id), why, fmt.Sprintf("quorate node describe %d", id))
	}
}

// even reports whether each live node's count is within max(2, 5 %) of the mean.
func even(nodes []*adminpb.Node, count map[uint64]int) bool {
	total, live := 0, 0
	for _, n := range nodes {
		if n.Live {
			live++
			total += count[n.Store.Id]
		}
	}
	if live == 0 {
		return false
	}
	mean := float64(total) / float64(live)
	slack := max(2, mean*0.05)
	for _, n := range nodes {
		if n.Live && (float64(count[n.Store.Id]) > mean+slack || float64(count[n.Store.Id]) < mean-slack) {
			return false
		}
	}
	return true
}
