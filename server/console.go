package server

import (
	"cmp"
	"context"
	"maps"
	"math"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/proto/sqlpb"
	"github.com/quorate-db/quorate/server/certs"
	"github.com/quorate-db/quorate/server/console"
	"github.com/quorate-db/quorate/sql/stmtstats"
)

// consoleSource is the cluster as the console shows it.
type consoleSource struct{ n *Node }

// Snapshot implements console.Source.
func (c consoleSource) Snapshot(ctx context.Context) *console.Snapshot {
	n := c.n
	now := n.cfg.Env.Clock.Now()
	out := &console.Snapshot{At: now.UnixMilli(), Node: n.ident.NodeID, Version: Version, Statements: []console.Statement{}, Active: []console.Session{},
		Waits: []console.Wait{}, Jobs: []console.Job{}}
	a := &admin{n: n}
	v := a.status(ctx, true)
	out.Health = healthOf(v)
	for _, node := range v.nodes {
		out.Nodes = append(out.Nodes, consoleNode(node, v))
	}
	c.addRegions(ctx, a, out)
	c.addStatements(ctx, out, now)
	c.addWaits(ctx, out)
	if ops, err := n.client.Operators(ctx, true); err == nil {
		out.Jobs = consoleJobs(ops)
	}
	out.Load = c.Load(ctx, now.Add(-time.Minute))
	if out.Load == nil {
		out.Load = []console.LoadPoint{}
	}
	return out
}

func healthOf(v *statusView) console.Health {
	st := v.st
	return console.Health{Healthy: len(st.Problems) == 0, Stale: v.blind, Problems: consoleProblems(st.Problems), Notes: consoleProblems(st.Notes),
		NodesLive: st.NodesLive, NodesTotal: st.NodesTotal, Regions: st.Regions, Leaderless: st.RegionsWithoutLeader, Short: st.RegionsUnderReplicated,
		SizeBytes: st.SizeBytes, SurvivesNodes: st.SurvivesNodes, Balanced: st.Balanced}
}

func consoleProblems(list []*adminpb.Problem) []console.Problem {
	out := []console.Problem{}
	for _, p := range list {
		out = append(out, console.Problem{What: p.What, Why: p.Why, Try: p.Try})
	}
	return out
}

func consoleNode(node *adminpb.Node, v *statusView) console.Node {
	s := node.Store
	out := console.Node{ID: s.NodeId, State: strings.ToLower(s.State.String()), Live: v.live[s.Id], SQL: s.SqlAddress, HTTP: s.HttpAddress,
		Version: s.Version, Started: s.StartedUnixMs, Replicas: node.Replicas, Leaders: node.Leaders, Used: node.UsedBytes,
		Available: node.AvailableBytes, Capacity: node.CapacityBytes}
	if !out.Live && s.State == metapb.StoreState_UP {
		out.State = "away"
	}
	var labels []string
	for _, k := range slices.Sorted(maps.Keys(s.Locality)) {
		labels = append(labels, k+"="+s.Locality[k])
	}
	out.Locality = strings.Join(labels, ",")
	return out
}

// addRegions makes the heat strips and the list of the most written regions.
func (c consoleSource) addRegions(ctx context.Context, a *admin, out *console.Snapshot) {
	out.Tables, out.Hot = []console.Table{}, []console.Region{}
	m, err := a.RegionMap(ctx, &adminpb.RegionsRequest{})
	if err != nil || m.Error != "" {
		return
	}
	strips := map[string][]*adminpb.MapRegion{}
	var names []string
	for _, r := range m.Regions {
		name := tableOf(r)
		if strips[name] == nil {
			names = append(names, name)
		}
		strips[name] = append(strips[name], r)
		if w := writesOf(r); w > 0 {
			out.Hot = append(out.Hot, console.Region{ID: r.Info.Region.Id, Table: name, Start: r.Info.Start, End: r.Info.End, Leader: r.Info.LeaderNode,
				SizeBytes: r.Info.SizeBytes, Writes: w})
		}
	}
	for _, name := range names {
		out.Tables = append(out.Tables, strip(name, strips[name]))
	}
	slices.SortStableFunc(out.Tables, func(x, y console.Table) int {
		return cmp.Or(cmp.Compare(y.Writes, x.Writes), cmp.Compare(y.Regions, x.Regions))
	})
	out.Tables = out.Tables[:min(len(out.Tables), console.TablesMax)]
	slices.SortStableFunc(out.Hot, func(x, y console.Region) int { return cmp.Compare(y.Writes, x.Writes) })
	out.Hot = out.Hot[:min(len(out.Hot), console.HotMax)]
}

func tableOf(r *adminpb.MapRegion) string {
	switch len(r.Info.Tables) {
	case 0:
		return "(system)"
	case 1:
		return r.Info.Tables[0]
	}
	return r.Info.Tables[0] + " and others"
}

// writesOf is what a region has written per second in the last period.
func writesOf(r *adminpb.MapRegion) float64 {
	if len(r.WritesPerSecond) == 0 {
		return 0
	}
	return r.WritesPerSecond[0]
}

// strip puts the regions of a table, in order, into at most CellsMax cells.
func strip(name string, regions []*adminpb.MapRegion) console.Table {
	t := console.Table{Name: name, Regions: len(regions)}
	cells := min(len(regions), console.CellsMax)
	for i := range cells {
		part := regions[i*len(regions)/cells : (i+1)*len(regions)/cells]
		cell := console.Cell{Region: part[0].Info.Region.Id, Regions: len(part), Leader: part[0].Info.LeaderNode}
		for _, r := range part {
			cell.Writes += writesOf(r)
			cell.Bad = cell.Bad || r.Info.LeaderNode == 0 || len(r.LostNodes) > 0
			if r.Info.LeaderNode != cell.Leader {
				cell.Leader = 0
			}
			t.SizeBytes += r.Info.SizeBytes
		}
		t.Writes += cell.Writes
		t.Cells = append(t.Cells, cell)
	}
	return t
}

func (c consoleSource) addStatements(ctx context.Context, out *console.Snapshot, now time.Time) {
	lists := append([][]stmtstats.Statement{c.n.sql.Statements()}, sqlPeers{c.n.sessions}.Statements(ctx)...)
	all := stmtstats.MergeLists(lists...)
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	for _, s := range all[:min(len(all), console.StatementsMax)] {
		out.Statements = append(out.Statements, console.Statement{User: s.User, Text: s.Text, Calls: s.Calls, Errors: s.Errors, Retries: s.Retries, Rows: s.Rows,
			TotalMS: ms(s.Total), MeanMS: ms(s.Mean()), P99MS: ms(s.Durations.Quantile(0.99)), MaxMS: ms(s.Max)})
	}
	for _, s := range append(c.n.sql.SessionList(), sqlPeers{c.n.sessions}.Sessions(ctx)...) {
		if s.State == "active" {
			out.Active = append(out.Active, console.Session{Node: s.Node, PID: s.PID, User: s.User, State: s.State, MS: max(now.Sub(s.Query).Milliseconds(), 0), Text: s.Text})
		}
	}
	slices.SortStableFunc(out.Active, func(x, y console.Session) int { return cmp.Compare(y.MS, x.MS) })
	out.Active = out.Active[:min(len(out.Active), console.ActiveMax)]
}

func (c consoleSource) addWaits(ctx context.Context, out *console.Snapshot) {
	locks, err := sqlAdmin(c).Locks(ctx)
	if err != nil {
		return
	}
	for _, l := range locks {
		if l.Granted {
			continue
		}
		w := console.Wait{Node: uint64(l.Holder.Node), PID: l.Holder.PID, MS: l.Waited.Milliseconds(), Text: l.Holder.Statement, BlockedBy: []uint32{}}
		if tables := c.n.tablesIn(l.Key, append(slices.Clone(l.Key), 0)); len(tables) > 0 {
			w.Table = tables[0]
		}
		for _, b := range l.BlockedBy {
			w.BlockedBy = append(w.BlockedBy, b.PID)
		}
		out.Waits = append(out.Waits, w)
	}
	slices.SortStableFunc(out.Waits, func(x, y console.Wait) int { return cmp.Compare(y.MS, x.MS) })
}

// consoleJobs lists operators: those that run first, then the last ones that ended.
func consoleJobs(ops []*placementpb.Operator) []console.Job {
	out := []console.Job{}
	for _, op := range ops {
		out = append(out, console.Job{ID: op.Id, Kind: op.Kind, Region: op.RegionId, Detail: op.Detail, Reason: op.Reason, State: op.State, Error: op.Error,
			Created: op.CreatedUnixMs, Ended: op.EndedUnixMs})
	}
	ended := func(j console.Job) int64 {
		if j.Ended == 0 {
			return math.MaxInt64
		}
		return j.Ended
	}
	slices.SortStableFunc(out, func(x, y console.Job) int { return cmp.Or(cmp.Compare(ended(y), ended(x)), cmp.Compare(y.ID, x.ID)) })
	return out[:min(len(out), console.JobsMax)]
}

// Load implements console.Source: the points of all nodes, added up by period. The
// period that is not over yet is left out.
func (c consoleSource) Load(ctx context.Context, since time.Time) []console.LoadPoint {
	n := c.n
	own, err := n.sessions.Activity(ctx, &sqlpb.ActivityRequest{LoadSinceMs: max(since.UnixMilli(), 0)})
	if err != nil {
		return nil
	}
	lists := [][]*sqlpb.LoadPoint{own.Load}
	for _, resp := range n.sessions.askOthers(ctx, &sqlpb.ActivityRequest{LoadSinceMs: max(since.UnixMilli(), 0)}) {
		lists = append(lists, resp.Load)
	}
	return addLoad(lists, since, n.cfg.Env.Clock.Now())
}

func addLoad(lists [][]*sqlpb.LoadPoint, since, now time.Time) []console.LoadPoint {
	period := ratePeriod.Milliseconds()
	sums := map[int64]*console.LoadPoint{}
	durations := map[int64]*stmtstats.Histogram{}
	for _, list := range lists {
		for _, p := range list {
			slot := p.AtMs / period
			if slot >= now.UnixMilli()/period || slot*period < since.UnixMilli() {
				continue // not every node has told of it
			}
			sum := sums[slot]
			if sum == nil {
				sum = &console.LoadPoint{At: slot * period}
				sums[slot], durations[slot] = sum, &stmtstats.Histogram{}
			}
			seconds := ratePeriod.Seconds()
			sum.Statements += float64(p.Statements) / seconds
			sum.Errors += float64(p.Errors) / seconds
			sum.Retries += float64(p.Retries) / seconds
			sum.Sessions += p.Sessions
			h := bucketsFromPB(p.Durations)
			durations[slot].Merge(&h)
		}
	}
	out := make([]console.LoadPoint, 0, len(sums))
	for slot, sum := range sums {
		sum.P50MS = durations[slot].Quantile(0.5).Seconds() * 1000
		sum.P99MS = durations[slot].Quantile(0.99).Seconds() * 1000
		out = append(out, *sum)
	}
	slices.SortFunc(out, func(x, y console.LoadPoint) int { return cmp.Compare(x.At, y.At) })
	return out
}

// consoleDoors lets in who could log in at the SQL port, from where the request comes,
// and may see what others do.
type consoleDoors struct{ n *Node }

// Password implements console.Doors.
func (d consoleDoors) Password(r *http.Request, role, password string) (bool, error) {
	c := pgwire.Client{User: role, Database: consoleDatabase, TLS: r.TLS != nil}
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.Addr = net.TCPAddrFromAddrPort(addr)
	}
	right, err := pgwire.Admits(r.Context(), d.n.authenticator(), c, password)
	if err != nil || !right {
		return false, err
	}
	return d.n.sql.MayMonitor(r.Context(), role)
}

// consoleDatabase is the database that rules have to admit a role to.
const consoleDatabase = "postgres"

// Certificate implements console.Doors. Certificates of nodes and of the administrator
// open it without the catalogue, which cannot be read without a quorum.
func (d consoleDoors) Certificate(r *http.Request) string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return ""
	}
	name := r.TLS.VerifiedChains[0][0].Subject.CommonName
	if name == certs.NodeName || name == adminRole {
		return name
	}
	if may, err := d.n.sql.MayMonitor(r.Context(), name); err != nil || !may {
		return ""
	}
	return name
}
