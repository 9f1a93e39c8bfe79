package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
)

func newStatus(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "status", Short: "Say whether the cluster is healthy, and if not, what to do", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
				st, err := cl.Status(ctx, &adminpb.StatusRequest{Detail: true})
				if err != nil {
					return err
				}
				if err := show(w, g.output, statusJSON(st), func(w io.Writer, _ bool) { statusText(w, st) }); err != nil {
					return err
				}
				if len(st.Problems) > 0 {
					return &exitError{code: exitDegraded, quiet: true}
				}
				return nil
			})
		}}
	listingFlags(cmd, g)
	return cmd
}

// harmNames say how bad a problem is.
var harmNames = map[uint32]string{1: "data", 2: "service", 3: "writes", 4: "safety", 9: "note"}

type problemJSON struct {
	What string `json:"what"`
	Why  string `json:"why"`
	Try  string `json:"try"`
	Harm string `json:"harm"`
}

func problemsJSON(list []*adminpb.Problem) []problemJSON {
	out := []problemJSON{}
	for _, p := range list {
		out = append(out, problemJSON{p.What, p.Why, p.Try, harmNames[p.Harm]})
	}
	return out
}

func statusJSON(st *adminpb.StatusResponse) any {
	return struct {
		ClusterID       uint64        `json:"cluster_id"`
		NodeID          uint64        `json:"node_id"`
		Version         string        `json:"version"`
		Started         int64         `json:"started_unix_ms"`
		Healthy         bool          `json:"healthy"`
		Ready           bool          `json:"ready"`
		Balanced        bool          `json:"balanced"`
		NodesLive       uint32        `json:"nodes_live"`
		NodesTotal      uint32        `json:"nodes_total"`
		Survives        uint32        `json:"survives_nodes"`
		Regions         uint32        `json:"regions"`
		UnderReplicated uint32        `json:"regions_under_replicated"`
		WithoutLeader   uint32        `json:"regions_without_leader"`
		WithLearner     uint32        `json:"regions_with_learner"`
		SizeBytes       uint64        `json:"size_bytes"`
		Operators       uint32        `json:"operators_running"`
		PlacementLeader uint64        `json:"placement_leader"`
		Problems        []problemJSON `json:"problems"`
		Notes           []problemJSON `json:"notes"`
	}{st.ClusterId, st.NodeId, st.Version, st.StartedUnixMs, len(st.Problems) == 0, st.Ready, st.Balanced, st.NodesLive, st.NodesTotal, st.SurvivesNodes, st.Regions,
		st.RegionsUnderReplicated, st.RegionsWithoutLeader, st.RegionsWithLearner, st.SizeBytes, st.OperatorsRunning, st.PlacementLeader,
		problemsJSON(st.Problems), problemsJSON(st.Notes)}
}

func statusText(w io.Writer, st *adminpb.StatusResponse) {
	state := "healthy"
	if len(st.Problems) > 0 {
		state = "DEGRADED"
	}
	up := time.Since(time.UnixMilli(st.StartedUnixMs))
	fmt.Fprintf(w, "cluster\t%016x\t%s\tversion %s\tseen from node %d, up %s\n", st.ClusterId, state, st.Version, st.NodeId, ageText(up))
	fmt.Fprintf(w, "nodes\t%d live of %d\tsurvives the loss of %s\tplacement led by %s\n", st.NodesLive, st.NodesTotal, survivesText(st.SurvivesNodes), nodeText(st.PlacementLeader))
	fmt.Fprintf(w, "regions\t%d, %s\tunder-replicated %d\twithout leader %d\toperators running %d\n", st.Regions, bytesText(st.SizeBytes), st.RegionsUnderReplicated, st.RegionsWithoutLeader, st.OperatorsRunning)
	for _, p := range st.Problems {
		fmt.Fprintf(w, "\n!  %s: %s\n   try: %s\n", p.What, p.Why, p.Try)
	}
	for _, p := range st.Notes {
		fmt.Fprintf(w, "\n-  %s: %s\n   try: %s\n", p.What, p.Why, p.Try)
	}
}

func survivesText(n uint32) string {
	switch n {
	case 0:
		return "no node"
	case 1:
		return "any 1 node"
	}
	return fmt.Sprintf("any %d nodes", n)
}

func nodeText(id uint64) string {
	if id == 0 {
		return "nobody known"
	}
	return fmt.Sprintf("node %d", id)
}

// ageText writes a time in one or two units, as 4m10s or 3h12m or 12d4h.
func ageText(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%dh", int(d.Hours())/24, int(d.Hours())%24)
}

// clockText writes the time of day, with the date if it is another one.
func clockText(unixMs int64) string {
	if unixMs == 0 {
		return "-"
	}
	t, now := time.UnixMilli(unixMs), time.Now()
	if t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}
