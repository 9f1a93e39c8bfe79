package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/server"
)

// dial returns a client of the node that --host names.
func (g *globals) dial() (adminpb.AdminClient, func(), error) {
	shown, err := g.certificates("postgres")
	if err != nil {
		return nil, nil, err
	}
	c, err := server.Dial(g.host, shown)
	if err != nil {
		return nil, nil, err
	}
	return adminpb.NewAdminClient(c), func() { _ = c.Close() }, nil
}

// call runs f with a client and the command's timeout.
func (g *globals) call(ctx context.Context, f func(context.Context, adminpb.AdminClient) error) error {
	if g.timeout <= 0 {
		return usageFault{fmt.Errorf("--timeout %v is not a time", g.timeout)}
	}
	cl, done, err := g.dial()
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	if err := f(ctx, cl); err != nil {
		return callFailed(g.host, err)
	}
	return nil
}

// ---- wait ----

const waitPoll = 100 * time.Millisecond

func newWait(g *globals) *cobra.Command {
	var what string
	cmd := &cobra.Command{Use: "wait --for ready|healthy|replicated|balanced", Short: "Wait for a state of the cluster", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cond, ok := waitFor[what]
			if !ok {
				return usageFault{fmt.Errorf("--for %q: there are ready, healthy, replicated and balanced", what)}
			}
			return g.waitUntil(cmd.Context(), what, cond)
		}}
	cmd.Flags().StringVar(&what, "for", "", "ready, healthy, replicated or balanced")
	oneOf(cmd, "for", "ready", "healthy", "replicated", "balanced")
	timeoutFlag(cmd, g, time.Minute)
	return cmd
}

var waitFor = map[string]func(*adminpb.StatusResponse, *adminpb.RegionsResponse) bool{
	"ready":      func(st *adminpb.StatusResponse, _ *adminpb.RegionsResponse) bool { return st.Ready },
	"healthy":    func(st *adminpb.StatusResponse, _ *adminpb.RegionsResponse) bool { return len(st.Problems) == 0 },
	"replicated": func(st *adminpb.StatusResponse, r *adminpb.RegionsResponse) bool { return replicated(st, r) },
	"balanced": func(st *adminpb.StatusResponse, r *adminpb.RegionsResponse) bool {
		return st.Balanced && replicated(st, r)
	},
}

// replicated: every region has min(3, live stores) voters and nothing else.
func replicated(st *adminpb.StatusResponse, rs *adminpb.RegionsResponse) bool {
	if len(rs.Regions) == 0 {
		return false
	}
	want := min(3, int(st.NodesLive))
	for _, r := range rs.Regions {
		voters := 0
		for _, p := range r.Region.Peers {
			if p.Role != metapb.PeerRole_VOTER {
				return false
			}
			voters++
		}
		if voters < want {
			return false
		}
	}
	return true
}

// waitUntil asks until the condition holds or the time is over. A node that
// cannot be reached yet is waited for too.
func (g *globals) waitUntil(ctx context.Context, what string, cond func(*adminpb.StatusResponse, *adminpb.RegionsResponse) bool) error {
	if g.timeout <= 0 {
		return usageFault{fmt.Errorf("--timeout %v is not a time", g.timeout)}
	}
	cl, done, err := g.dial()
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, g.timeout)
	defer cancel()
	var st *adminpb.StatusResponse
	var last error
	for {
		var rs *adminpb.RegionsResponse
		if st, err = cl.Status(ctx, &adminpb.StatusRequest{Detail: what == "healthy"}); err == nil {
			if rs, err = cl.Regions(ctx, &adminpb.RegionsRequest{}); err == nil && cond(st, rs) {
				return nil
			}
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if st == nil && last != nil {
				return callFailed(g.host, last)
			}
			e := &exitError{code: exitTimeout, what: fmt.Sprintf("the cluster was not %s within %v", what, g.timeout), try: "quorate status"}
			if len(st.GetProblems()) > 0 {
				e.cause = st.Problems[0].What + ": " + st.Problems[0].Why
			}
			return e
		case <-time.After(waitPoll):
		}
	}
}

// ---- region ----

type regionJSON struct {
	ID       uint64 `json:"id"`
	StartKey string `json:"start_key"`
	EndKey   string `json:"end_key"`
	Start    string `json:"start"`
	End      string `json:"end"`
	Epoch    struct {
		ConfVer uint64 `json:"conf_ver"`
		Version uint64 `json:"version"`
	} `json:"epoch"`
	Leader *leaderJSON `json:"leader"`
	Peers  []peerJSON  `json:"peers"`
	Size   uint64      `json:"size_bytes"`
	Tables []string    `json:"tables"`
}

type leaderJSON struct {
	NodeID  uint64 `json:"node_id"`
	StoreID uint64 `json:"store_id"`
}

type peerJSON struct {
	PeerID  uint64 `json:"peer_id"`
	NodeID  uint64 `json:"node_id"`
	StoreID uint64 `json:"store_id"`
	Role    string `json:"role"`
}

var roleNames = map[metapb.PeerRole]string{
	metapb.PeerRole_VOTER: "voter", metapb.PeerRole_LEARNER: "learner",
	metapb.PeerRole_INCOMING_VOTER: "incoming", metapb.PeerRole_OUTGOING_VOTER: "outgoing",
}

func toRegionJSON(r *adminpb.RegionInfo) regionJSON {
	out := regionJSON{ID: r.Region.Id, StartKey: hex.EncodeToString(r.Region.StartKey), EndKey: hex.EncodeToString(r.Region.EndKey),
		Start: r.Start, End: r.End, Size: r.SizeBytes, Tables: append([]string{}, r.Tables...), Peers: []peerJSON{}}
	out.Epoch.ConfVer, out.Epoch.Version = r.Region.Epoch.GetConfVer(), r.Region.Epoch.GetVersion()
	if r.LeaderStore != 0 {
		out.Leader = &leaderJSON{r.LeaderNode, r.LeaderStore}
	}
	for _, p := range r.Region.Peers {
		out.Peers = append(out.Peers, peerJSON{p.Id, p.NodeId, p.StoreId, roleNames[p.Role]})
	}
	return out
}

func regionsTable(rs []*adminpb.RegionInfo) func(io.Writer, bool) {
	return func(w io.Writer, wide bool) {
		fmt.Fprint(w, "ID\tSTART\tEND\tLEADER\tPEERS\tSIZE\tTABLES")
		if wide {
			fmt.Fprint(w, "\tCONF\tVERSION")
		}
		fmt.Fprintln(w)
		for _, r := range rs {
			leader := "-"
			if r.LeaderNode != 0 {
				leader = strconv.FormatUint(r.LeaderNode, 10)
			}
			var peers []string
			for _, p := range r.Region.Peers {
				s := strconv.FormatUint(p.NodeId, 10)
				if p.Role != metapb.PeerRole_VOTER {
					s += "(" + roleNames[p.Role] + ")"
				}
				peers = append(peers, s)
			}
			fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s", r.Region.Id, r.Start, r.End, leader, strings.Join(peers, ","), bytesText(r.SizeBytes), strings.Join(r.Tables, ","))
			if wide {
				fmt.Fprintf(w, "\t%d\t%d", r.Region.Epoch.GetConfVer(), r.Region.Epoch.GetVersion())
			}
			fmt.Fprintln(w)
		}
	}
}

func regionsJSON(rs []*adminpb.RegionInfo) []regionJSON {
	out := []regionJSON{}
	for _, r := range rs {
		out = append(out, toRegionJSON(r))
	}
	return out
}

func newRegion(g *globals) *cobra.Command {
	region := group("region", "Regions: key ranges with their replicas")
	var table string
	var node, to, from uint64
	var at string
	ls := &cobra.Command{Use: "ls", Short: "List the regions in the order of their keys", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			resp, err := cl.Regions(ctx, &adminpb.RegionsRequest{Table: table, NodeId: node})
			if err != nil {
				return err
			}
			if resp.Error != "" {
				return &exitError{code: exitFailed, what: resp.Error}
			}
			return show(w, g.output, regionsJSON(resp.Regions), regionsTable(resp.Regions))
		})
	}}
	ls.Flags().StringVar(&table, "table", "", "only regions that overlap this table or its indexes")
	ls.Flags().Uint64Var(&node, "node", 0, "only regions with a peer on this node")
	listingFlags(ls, g)

	split := &cobra.Command{Use: "split ID [--at KEY]", Short: "Cut a region in two", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		id, err := regionID(args[0])
		if err != nil {
			return err
		}
		return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
			resp, err := cl.Split(ctx, &adminpb.SplitRequest{RegionId: id, At: at})
			if err != nil {
				return err
			}
			if resp.Error != "" {
				code := exitFailed
				if resp.Refused {
					code = exitRefused
				}
				return &exitError{code: code, what: resp.Error}
			}
			return show(cmd.OutOrStdout(), g.output, regionsJSON(resp.Regions), regionsTable(resp.Regions))
		})
	}}
	split.Flags().StringVar(&at, "at", "", "where: 0x… or (v1,v2,…); without it in the middle")
	outputFlag(split, g)
	timeoutFlag(split, g, 30*time.Second)

	order := func(use, short, kind string, flags func(*cobra.Command)) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
			id, err := regionID(args[0])
			if err != nil {
				return err
			}
			for _, name := range []string{"from", "to"} {
				if f := cmd.Flags().Lookup(name); f != nil && !f.Changed {
					return usageFault{fmt.Errorf("%s needs --%s N", cmd.CommandPath(), name)}
				}
			}
			noWait, _ := cmd.Flags().GetBool("no-wait")
			return g.operate(cmd, &placementpb.OperateRequest{RegionId: id, Kind: kind, FromStore: from, ToStore: to, Wait: !noWait})
		}}
		flags(cmd)
		cmd.Flags().Bool("no-wait", false, "return when the operator is made")
		outputFlag(cmd, g)
		timeoutFlag(cmd, g, time.Minute)
		return cmd
	}
	toFlag := func(cmd *cobra.Command) {
		cmd.Flags().Uint64Var(&to, "to", 0, "node that gets it")
	}
	fromFlag := func(cmd *cobra.Command) {
		cmd.Flags().Uint64Var(&from, "from", 0, "node that gives it")
	}
	region.AddCommand(ls, newRegionDescribe(g), newRegionWhy(g), newRegionMap(g), split,
		order("merge ID", "Merge a region with its right neighbour", "merge", func(*cobra.Command) {}),
		order("transfer-leader ID --to N", "Make another node lead a region", "transfer-leader", toFlag),
		order("add-peer ID --to N", "Give a node a replica of a region", "add-peer", toFlag),
		order("remove-peer ID --from N", "Take a node's replica of a region away", "remove-peer", fromFlag),
		order("move-peer ID --from N --to N", "Move a replica to another node", "move-peer", func(c *cobra.Command) { fromFlag(c); toFlag(c) }),
		newScatter(g))
	return region
}

func regionID(s string) (uint64, error) {
	id, err := strconv.ParseUint(s, 10, 64)
	if err != nil || id == 0 {
		return 0, usageFault{fmt.Errorf("%q is not the id of a region", s)}
	}
	return id, nil
}

// ---- operators ----

type operatorJSON struct {
	ID      uint64 `json:"id"`
	Region  uint64 `json:"region_id"`
	Kind    string `json:"kind"`
	Detail  string `json:"detail"`
	Reason  string `json:"reason"`
	State   string `json:"state"`
	Error   string `json:"error,omitempty"`
	Created int64  `json:"created_unix_ms"`
	Ended   int64  `json:"ended_unix_ms,omitempty"`
}

func toOperatorJSON(o *placementpb.Operator) operatorJSON {
	return operatorJSON{o.Id, o.RegionId, o.Kind, o.Detail, o.Reason, o.State, o.Error, o.CreatedUnixMs, o.EndedUnixMs}
}

func operatorsTable(ops []*placementpb.Operator) func(io.Writer, bool) {
	return func(w io.Writer, wide bool) {
		fmt.Fprint(w, "ID\tREGION\tKIND\tDETAIL\tBEGAN\tTOOK\tSTATE\tREASON")
		if wide {
			fmt.Fprint(w, "\tCONF\tVERSION")
		}
		fmt.Fprintln(w)
		for _, o := range ops {
			state, took := o.State, "-"
			if o.Error != "" {
				state += ": " + o.Error
			}
			if o.EndedUnixMs > 0 {
				took = ageText(time.Duration(o.EndedUnixMs-o.CreatedUnixMs) * time.Millisecond)
			}
			fmt.Fprintf(w, "%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s", o.Id, o.RegionId, o.Kind, o.Detail, clockText(o.CreatedUnixMs), took, state, o.Reason)
			if wide {
				fmt.Fprintf(w, "\t%d\t%d", o.Epoch.GetConfVer(), o.Epoch.GetVersion())
			}
			fmt.Fprintln(w)
		}
	}
}

func (g *globals) operate(cmd *cobra.Command, req *placementpb.OperateRequest) error {
	return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
		resp, err := cl.Operate(ctx, req)
		if err != nil {
			return err
		}
		if resp.Error != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			code := exitFailed
			if resp.Refused {
				code = exitRefused
			}
			return &exitError{code: code, what: resp.Error.Message, try: "quorate region ls"}
		}
		op := resp.Operator
		if op.State == "failed" || op.State == "cancelled" {
			return &exitError{code: exitFailed, what: fmt.Sprintf("%s of region %d %s", op.Kind, op.RegionId, op.State), cause: op.Error}
		}
		return show(cmd.OutOrStdout(), g.output, toOperatorJSON(op), operatorsTable([]*placementpb.Operator{op}))
	})
}

func newOperator(g *globals) *cobra.Command {
	operator := group("operator", "Orders of placement: moves, splits, transfers")
	var history bool
	ls := &cobra.Command{Use: "ls", Short: "List running operators", Args: usageArgs(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return g.listing(cmd, func(ctx context.Context, cl adminpb.AdminClient, w io.Writer) error {
			resp, err := cl.Operators(ctx, &placementpb.OperatorsRequest{History: history})
			if err != nil {
				return err
			}
			if resp.Error != nil {
				return &exitError{code: exitFailed, what: resp.Error.Message}
			}
			out := []operatorJSON{}
			for _, o := range resp.Operators {
				out = append(out, toOperatorJSON(o))
			}
			return show(w, g.output, out, operatorsTable(resp.Operators))
		})
	}}
	ls.Flags().BoolVar(&history, "history", false, "those that ended too")
	listingFlags(ls, g)
	operator.AddCommand(ls, newCancel(g))
	return operator
}
