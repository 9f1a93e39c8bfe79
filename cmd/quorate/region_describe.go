package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func newRegionDescribe(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "describe ID", Short: "Show one region: replicas, how far they are, history, advice", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		id, err := regionID(args[0])
		if err != nil {
			return err
		}
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			resp, err := cl.DescribeRegion(ctx, &adminpb.DescribeRegionRequest{RegionId: id})
			if err != nil {
				return err
			}
			if resp.Error != "" {
				return &exitError{code: exitFailed, what: resp.Error, try: "quorate region ls"}
			}
			return show(w, g.output, describeJSON(resp), func(w io.Writer, _ bool) { describeText(w, resp) })
		})
	}}
	listingFlags(cmd, g)
	return cmd
}

type replicaJSON struct {
	PeerID      uint64 `json:"peer_id"`
	NodeID      uint64 `json:"node_id"`
	Role        string `json:"role"`
	Leader      bool   `json:"leader"`
	Match       uint64 `json:"match"`
	Applied     uint64 `json:"applied_index"`
	Lag         uint64 `json:"lag"`
	State       string `json:"state"`
	Active      bool   `json:"recently_active"`
	HeardMsAgo  *int64 `json:"heard_ms_ago"` // null: never, or unknown
	Unreachable bool   `json:"unreachable"`
}

type eventJSON struct {
	UnixMs int64  `json:"unix_ms"`
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Why    string `json:"why"`
}

type describedJSON struct {
	regionJSON
	Term         uint64         `json:"term"`
	Applied      uint64         `json:"applied_index"`
	Last         uint64         `json:"last_index"`
	Lease        bool           `json:"lease"`
	LeaderSince  *int64         `json:"leader_since_unix_ms"` // null: unknown
	LeaderWhy    string         `json:"leader_why"`
	SplitSize    uint64         `json:"split_size_bytes"`
	Writes       []float64      `json:"writes_per_second"` // newest first
	Replicas     []replicaJSON  `json:"replicas"`
	HistorySince *int64         `json:"history_since_unix_ms"` // null: placement did not answer
	Events       []eventJSON    `json:"events"`
	Operators    []operatorJSON `json:"operators"`
	Advice       []string       `json:"advice"`
}

// known returns n, or nil for the zero that stands for unknown.
func known(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

func eventsJSON(events []*placementpb.RegionEvent) []eventJSON {
	out := []eventJSON{}
	for _, e := range events {
		out = append(out, eventJSON{e.UnixMs, e.Kind, e.Text, e.Why})
	}
	return out
}

func operatorsJSON(ops []*placementpb.Operator) []operatorJSON {
	out := []operatorJSON{}
	for _, o := range ops {
		out = append(out, toOperatorJSON(o))
	}
	return out
}

func describeJSON(d *adminpb.DescribeRegionResponse) describedJSON {
	out := describedJSON{regionJSON: toRegionJSON(d.Region), Term: d.Term, Applied: d.AppliedIndex, Last: d.LastIndex, Lease: d.Lease,
		LeaderSince: known(d.LeadsSinceUnixMs), LeaderWhy: d.LeaderWhy, SplitSize: d.SplitSizeBytes, Writes: append([]float64{}, d.WritesPerSecond...), Replicas: []replicaJSON{},
		HistorySince: known(d.HistorySinceUnixMs), Events: eventsJSON(d.Events), Operators: operatorsJSON(d.Operators), Advice: append([]string{}, d.Advice...)}
	for _, r := range d.Replicas {
		j := replicaJSON{PeerID: r.PeerId, NodeID: r.NodeId, Role: roleOf(d, r.PeerId), Leader: r.NodeId == d.Region.LeaderNode, Match: r.Match, Applied: r.Applied,
			Lag: lag(d, r), State: r.State, Active: r.RecentlyActive, Unreachable: r.Unreachable}
		if r.HeardMsAgo >= 0 {
			j.HeardMsAgo = &r.HeardMsAgo
		}
		out.Replicas = append(out.Replicas, j)
	}
	return out
}

func roleOf(d *adminpb.DescribeRegionResponse, peer uint64) string {
	for _, p := range d.Region.Region.Peers {
		if p.Id == peer {
			return roleNames[p.Role]
		}
	}
	return ""
}

// lag is by how many entries a replica's log is behind its leader's, 0 if that is not
// known.
func lag(d *adminpb.DescribeRegionResponse, r *adminpb.ReplicaInfo) uint64 {
	if r.Match == 0 || d.LastIndex <= r.Match {
		return 0
	}
	return d.LastIndex - r.Match
}

func describeText(w io.Writer, d *adminpb.DescribeRegionResponse) {
	r := d.Region
	fmt.Fprintf(w, "region %d\t[%s, %s)\t%s\n", r.Region.Id, r.Start, r.End, tablesText(r.Tables))
	fmt.Fprintf(w, "leader\t%s\n", leaderText(d))
	size := bytesText(r.SizeBytes)
	if d.SplitSizeBytes > 0 {
		size += fmt.Sprintf(", split above %s", bytesText(d.SplitSizeBytes))
	}
	fmt.Fprintf(w, "size\t%s\n", size)
	fmt.Fprintf(w, "writes\t%s\n", writesText(d.WritesPerSecond))
	fmt.Fprintf(w, "epoch\tmembers %d, range %d\n\n", r.Region.Epoch.GetConfVer(), r.Region.Epoch.GetVersion())
	replicasText(w, d)
	historyText(w, d)
	for _, a := range d.Advice {
		fmt.Fprintf(w, "\nadvice: %s\n", a)
	}
}

func tablesText(tables []string) string {
	switch len(tables) {
	case 0:
		return "no table"
	case 1:
		return "table " + tables[0]
	}
	return "tables " + strings.Join(tables, ", ")
}

func leaderText(d *adminpb.DescribeRegionResponse) string {
	if d.Region.LeaderNode == 0 {
		return "unknown"
	}
	parts := []string{fmt.Sprintf("node %d", d.Region.LeaderNode), fmt.Sprintf("term %d", d.Term)}
	if d.LeadsSinceUnixMs > 0 {
		parts = append(parts, "since "+clockText(d.LeadsSinceUnixMs))
	}
	if d.LeaderWhy != "" {
		parts = append(parts, d.LeaderWhy)
	}
	if d.Lease {
		parts = append(parts, "holds the lease")
	} else {
		parts = append(parts, "no lease now")
	}
	return strings.Join(parts, ", ")
}

func writesText(rates []float64) string {
	if len(rates) == 0 {
		return "not known yet"
	}
	return fmt.Sprintf("%s entries/s   %s", rateText(rates[0]), heatText(rates, maxOf(rates)))
}

func rateText(n float64) string {
	switch {
	case n == 0:
		return "0"
	case n < 10:
		return strconv.FormatFloat(n, 'f', 1, 64)
	}
	return strconv.FormatFloat(n, 'f', 0, 64)
}

func replicasText(w io.Writer, d *adminpb.DescribeRegionResponse) {
	fmt.Fprintln(w, "NODE\tPEER\tROLE\tSTATE\tMATCH\tAPPLIED\tLAG\tLAST CONTACT")
	number := func(n uint64) string {
		if n == 0 {
			return "?"
		}
		return strconv.FormatUint(n, 10)
	}
	for _, rep := range d.Replicas {
		state, behind, contact := raftStateText(rep.State), "?", "?"
		if rep.Match > 0 {
			behind = strconv.FormatUint(lag(d, rep), 10)
		}
		if rep.HeardMsAgo >= 0 {
			contact = ageText(time.Duration(rep.HeardMsAgo)*time.Millisecond) + " ago"
		}
		switch {
		case rep.NodeId == d.Region.LeaderNode:
			state, contact = "leader", "-"
		case rep.Unreachable:
			state += ", node away"
		}
		fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\n", rep.NodeId, rep.PeerId, roleOf(d, rep.PeerId), state, number(rep.Match), number(rep.Applied), behind, contact)
	}
}

// raftStateText turns Raft's StateReplicate into replicate.
func raftStateText(s string) string { return strings.ToLower(strings.TrimPrefix(s, "State")) }

// historyText lists what happened to a region, newest last.
func historyText(w io.Writer, d *adminpb.DescribeRegionResponse) {
	if d.HistorySinceUnixMs == 0 {
		fmt.Fprintln(w, "\nhistory: placement does not answer")
		return
	}
	fmt.Fprintf(w, "\nhistory, as placement's leader knows it since %s\n", clockText(d.HistorySinceUnixMs))
	if len(d.Events) == 0 && len(d.Operators) == 0 {
		fmt.Fprintln(w, "nothing has changed")
	}
	for _, e := range d.Events {
		why := ""
		if e.Why != "" {
			why = "(" + e.Why + ")"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", clockText(e.UnixMs), e.Kind, e.Text, why)
	}
	for _, o := range d.Operators {
		if o.State != "done" {
			fmt.Fprintf(w, "%s\toperator %d\t%s %s %s\t(%s) %s\n", clockText(o.CreatedUnixMs), o.Id, o.Kind, o.Detail, o.State, o.Reason, o.Error)
		}
	}
}
