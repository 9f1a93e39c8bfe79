package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

func newRegionMap(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "map [TABLE]", Short: "Draw which node holds and leads which region, and where the writes go", Args: usageArgs(cobra.MaximumNArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		table := ""
		if len(args) > 0 {
			table = args[0]
		}
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			resp, err := cl.RegionMap(ctx, &adminpb.RegionsRequest{Table: table})
			if err != nil {
				return err
			}
			if resp.Error != "" {
				return &exitError{code: exitFailed, what: resp.Error, try: "quorate region ls"}
			}
			return show(w, g.output, mapJSON(resp), func(w io.Writer, wide bool) { mapText(w, resp, wide) })
		})
	}}
	listingFlags(cmd, g)
	return cmd
}

// The cells of the map.
const (
	cellLeader  = "L"
	cellReplica = "r"
	cellPending = "p"
	cellLost    = "!"
)

var cellNames = map[string]string{cellLeader: "leader", cellReplica: "replica", cellPending: "pending", cellLost: "lost"}

// cell is what a node has of a region, "" for nothing. What is lost counts before what
// is behind: the leader of a lost node is no leader any more.
func cell(m *adminpb.MapRegion, node uint64) string {
	for _, p := range m.Info.Region.Peers {
		switch {
		case p.NodeId != node:
		case slices.Contains(m.LostNodes, node):
			return cellLost
		case m.Info.LeaderNode == node:
			return cellLeader
		case slices.Contains(m.PendingNodes, node) || p.Role != metapb.PeerRole_VOTER:
			return cellPending
		default:
			return cellReplica
		}
	}
	return ""
}

func mapJSON(resp *adminpb.RegionMapResponse) any {
	type nodeCell struct {
		Node  uint64 `json:"node_id"`
		State string `json:"state"` // leader, replica, pending, lost
	}
	type entry struct {
		regionJSON
		Cells  []nodeCell `json:"cells"`
		Writes *float64   `json:"writes_per_second"` // null: not known
		Heat   []float64  `json:"heat"`              // writes per second by period, oldest first
		Period uint32     `json:"heat_period_ms"`
	}
	out := []entry{}
	for _, m := range resp.Regions {
		e := entry{regionJSON: toRegionJSON(m.Info), Cells: []nodeCell{}, Heat: []float64{}, Period: resp.RatePeriodMs}
		for _, p := range m.Info.Region.Peers {
			e.Cells = append(e.Cells, nodeCell{p.NodeId, cellNames[cell(m, p.NodeId)]})
		}
		if m.RatesKnown {
			e.Writes = &m.WritesPerSecond[0]
			e.Heat = append(e.Heat, m.WritesPerSecond...)
			slices.Reverse(e.Heat)
		}
		out = append(out, e)
	}
	return out
}

// keyWidth is how much of a key a table shows on a terminal of 80 columns.
const keyWidth = 26

func mapText(w io.Writer, resp *adminpb.RegionMapResponse, wide bool) {
	hottest := 0.0
	for _, m := range resp.Regions {
		hottest = max(hottest, maxOf(m.WritesPerSecond))
	}
	fmt.Fprintf(w, "L leader  r replica  p pending  ! lost      heat: entries/s by %ds, newest right, highest %s\n", resp.RatePeriodMs/1000, rateText(hottest))
	fmt.Fprint(w, "START\tREGION\tSIZE")
	for _, n := range resp.Nodes {
		fmt.Fprintf(w, "\tn%d", n.Store.NodeId)
	}
	fmt.Fprint(w, "\tWR/S\tHEAT")
	if wide {
		fmt.Fprint(w, "\tTABLES")
	}
	fmt.Fprintln(w)
	leads := map[uint64]int{}
	for _, m := range resp.Regions {
		start := m.Info.Start
		if !wide {
			start = clipText(start, keyWidth)
		}
		fmt.Fprintf(w, "%s\t%d\t%s", start, m.Info.Region.Id, bytesText(m.Info.SizeBytes))
		for _, n := range resp.Nodes {
			c := cell(m, n.Store.NodeId)
			if c == cellLeader {
				leads[n.Store.NodeId]++
			}
			fmt.Fprintf(w, "\t%s", c)
		}
		rate, heat := "-", ""
		if m.RatesKnown {
			rate, heat = rateText(m.WritesPerSecond[0]), heatText(m.WritesPerSecond, hottest)
		}
		fmt.Fprintf(w, "\t%s\t%s", rate, heat)
		if wide {
			fmt.Fprintf(w, "\t%s", strings.Join(m.Info.Tables, ","))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "leaders\t\t")
	for _, n := range resp.Nodes {
		fmt.Fprintf(w, "\t%d", leads[n.Store.NodeId])
	}
	fmt.Fprintln(w, "\t\t")
}

var heatBars = []rune("▁▂▃▄▅▆▇█")

// heatText draws rates, newest first, as bars with the newest on the right. The highest
// bar stands for most; what is zero is a dot.
func heatText(rates []float64, most float64) string {
	var b strings.Builder
	for _, r := range slices.Backward(rates) {
		switch {
		case r <= 0 || most <= 0:
			b.WriteRune('·')
		default:
			i := int(r / most * float64(len(heatBars)))
			b.WriteRune(heatBars[min(i, len(heatBars)-1)])
		}
	}
	return b.String()
}

func maxOf(list []float64) float64 {
	most := 0.0
	for _, v := range list {
		most = max(most, v)
	}
	return most
}

// clipText cuts a text to a number of characters, with … in the place of the rest.
func clipText(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
