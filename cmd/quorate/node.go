package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

func newNode(g *globals) *cobra.Command {
	node := group("node", "Nodes of the cluster")
	ls := &cobra.Command{Use: "ls", Short: "List the nodes", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			resp, err := cl.Nodes(ctx, &adminpb.NodesRequest{})
			if err != nil {
				return err
			}
			return show(w, g.output, nodesJSON(resp.Nodes), nodesTable(resp.Nodes))
		})
	}}
	listingFlags(ls, g)
	describe := &cobra.Command{Use: "describe N", Short: "Show one node: what it holds, what it does, whom it hears", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		id, err := regionID(args[0])
		if err != nil {
			return usageFault{fmt.Errorf("%q is no node id", args[0])}
		}
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			d, err := cl.DescribeNode(ctx, &adminpb.DescribeNodeRequest{NodeId: id})
			if err != nil {
				return err
			}
			if d.Error != "" {
				return &exitError{code: exitFailed, what: d.Error, try: "quorate node ls"}
			}
			return show(w, g.output, nodeDescribeJSON(d), func(w io.Writer, _ bool) { nodeDescribeText(w, d) })
		})
	}}
	listingFlags(describe, g)
	node.AddCommand(ls, describe, newDrain(g), newDecommission(g), newRecommission(g))
	return node
}

func stateText(n *adminpb.Node) string {
	if n.Store.State == metapb.StoreState_UP {
		return "live"
	}
	return strings.ToLower(n.Store.State.String())
}

func localityText(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k+"="+m[k])
	}
	return strings.Join(parts, ",")
}

func nodesTable(nodes []*adminpb.Node) func(io.Writer, bool) {
	return func(w io.Writer, wide bool) {
		fmt.Fprint(w, "ID\tSTATE\tSQL\tRPC\tHTTP\tLEADERS\tREPLICAS")
		if wide {
			fmt.Fprint(w, "\tVERSION\tLOCALITY\tSTARTED")
		}
		fmt.Fprintln(w)
		for _, n := range nodes {
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%d\t%d", n.Store.NodeId, stateText(n), n.Store.SqlAddress, n.Store.RpcAddress, n.Store.HttpAddress, n.Leaders, n.Replicas)
			if wide {
				fmt.Fprintf(w, "\t%s\t%s\t%s", n.Store.Version, localityText(n.Store.Locality), time.UnixMilli(n.Store.StartedUnixMs).Format(time.DateTime))
			}
			fmt.Fprintln(w)
		}
	}
}

type nodeJSON struct {
	ID       uint64            `json:"id"`
	StoreID  uint64            `json:"store_id"`
	State    string            `json:"state"`
	Live     bool              `json:"live"`
	SQL      string            `json:"sql_address"`
	RPC      string            `json:"rpc_address"`
	HTTP     string            `json:"http_address"`
	Version  string            `json:"version"`
	Locality map[string]string `json:"locality"`
	Leaders  uint32            `json:"leaders"`
	Replicas uint32            `json:"replicas"`
	Started  int64             `json:"started_unix_ms"`
}

func toNodeJSON(n *adminpb.Node) nodeJSON {
	loc := n.Store.Locality
	if loc == nil {
		loc = map[string]string{}
	}
	return nodeJSON{n.Store.NodeId, n.Store.Id, stateText(n), n.Live, n.Store.SqlAddress, n.Store.RpcAddress, n.Store.HttpAddress, n.Store.Version, loc, n.Leaders, n.Replicas, n.Store.StartedUnixMs}
}

func nodesJSON(nodes []*adminpb.Node) any {
	out := []nodeJSON{}
	for _, n := range nodes {
		out = append(out, toNodeJSON(n))
	}
	return out
}

func nodeDescribeJSON(d *adminpb.DescribeNodeResponse) any {
	type contact struct {
		Node  uint64 `json:"node_id"`
		MsAgo *int64 `json:"heard_ms_ago"` // null: never
	}
	type here struct {
		Serves     bool              `json:"serves_sql"`
		Sessions   uint32            `json:"sessions"`
		Capacity   uint64            `json:"disk_capacity_bytes"`
		Available  uint64            `json:"disk_available_bytes"`
		Memory     uint64            `json:"memory_bytes"`
		Heap       uint64            `json:"heap_bytes"`
		Goroutines uint32            `json:"goroutines"`
		Go         string            `json:"go_version"`
		Contacts   []contact         `json:"contacts"`
		Counters   map[string]uint64 `json:"counters"`
		Failure    string            `json:"failure,omitempty"`
	}
	out := struct {
		nodeJSON
		LeadsPlacement bool           `json:"leads_placement"`
		Blocked        string         `json:"blocked,omitempty"`
		Unreachable    string         `json:"unreachable,omitempty"`
		Here           *here          `json:"here"` // null: it does not answer
		Operators      []operatorJSON `json:"operators"`
	}{nodeJSON: toNodeJSON(d.Node), LeadsPlacement: d.PlacementLeader == d.Node.Store.Id, Blocked: d.Blocked, Unreachable: d.Unreachable, Operators: operatorsJSON(d.Operators)}
	if h := d.Here; h != nil {
		j := &here{h.Serves, h.Sessions, h.CapacityBytes, h.AvailableBytes, h.MemoryBytes, h.HeapBytes, h.Goroutines, h.GoVersion, []contact{}, map[string]uint64{}, h.Failure}
		for _, c := range h.Contacts {
			e := contact{Node: c.StoreId}
			if c.HeardMsAgo >= 0 {
				e.MsAgo = &c.HeardMsAgo
			}
			j.Contacts = append(j.Contacts, e)
		}
		for _, c := range h.Counters {
			j.Counters[c.Name] = c.Value
		}
		out.Here = j
	}
	return out
}

// operatorsShown is how many of a node's last operators its description shows.
const operatorsShown = 8

func nodeDescribeText(w io.Writer, d *adminpb.DescribeNodeResponse) {
	s := d.Node.Store
	state := stateText(d.Node)
	if d.PlacementLeader == s.Id {
		state += ", leads placement"
	}
	fmt.Fprintf(w, "node %d\t%s\tversion %s\n", s.NodeId, state, s.Version)
	fmt.Fprintf(w, "addresses\tsql %s   rpc %s   http %s\n", s.SqlAddress, s.RpcAddress, s.HttpAddress)
	if len(s.Locality) > 0 {
		fmt.Fprintf(w, "locality\t%s\n", localityText(s.Locality))
	}
	fmt.Fprintf(w, "started\t%s (up %s)\n", time.UnixMilli(s.StartedUnixMs).Format(time.DateTime), ageText(time.Since(time.UnixMilli(s.StartedUnixMs))))
	fmt.Fprintf(w, "regions\t%d replicas, leads %d\n", d.Node.Replicas, d.Node.Leaders)
	if d.Blocked != "" {
		fmt.Fprintf(w, "blocked\t%s\n", d.Blocked)
	}
	if h := d.Here; h != nil {
		nodeHereText(w, h)
	} else {
		fmt.Fprintf(w, "\n!  %s\n   try: start it again: quorate start --store DIR\n", d.Unreachable)
	}
	ops := d.Operators[max(0, len(d.Operators)-operatorsShown):]
	if len(ops) > 0 {
		fmt.Fprintln(w, "\nlast operators that concern it")
		operatorsTable(ops)(w, false)
	}
}

func nodeHereText(w io.Writer, h *adminpb.NodeHereResponse) {
	serves := "serves SQL"
	if !h.Serves {
		serves = "does not serve SQL"
	}
	fmt.Fprintf(w, "clients\t%s, %d sessions\n", serves, h.Sessions)
	if h.CapacityBytes > 0 {
		fmt.Fprintf(w, "disk\t%s free of %s (%.0f %%)\n", bytesText(h.AvailableBytes), bytesText(h.CapacityBytes), 100*float64(h.AvailableBytes)/float64(h.CapacityBytes))
	}
	fmt.Fprintf(w, "process\t%s memory, %s of it Go's heap, %d goroutines, %s\n", bytesText(h.MemoryBytes), bytesText(h.HeapBytes), h.Goroutines, h.GoVersion)
	if h.Failure != "" {
		fmt.Fprintf(w, "failure\t%s\n", h.Failure)
	}
	if len(h.Contacts) > 0 {
		var parts []string
		for _, c := range h.Contacts {
			when := "never"
			if c.HeardMsAgo >= 0 {
				when = ageText(time.Duration(c.HeardMsAgo)*time.Millisecond) + " ago"
			}
			parts = append(parts, fmt.Sprintf("node %d %s", c.StoreId, when))
		}
		fmt.Fprintf(w, "heard of\t%s\n", strings.Join(parts, ", "))
	}
	fmt.Fprintln(w, "\nsince it started")
	for i := 0; i < len(h.Counters); i += 3 {
		for j, c := range h.Counters[i:min(i+3, len(h.Counters))] {
			if j > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprintf(w, "%s\t%d", strings.ReplaceAll(c.Name, "_", " "), c.Value)
		}
		fmt.Fprintln(w)
	}
}
