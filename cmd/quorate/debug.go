package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
)

func newDebug(g *globals) *cobra.Command {
	debug := group("debug", "Deep looks")
	debug.AddCommand(newCheckReplicas(g), newDebugBundle(g), newDebugStore(g), newDebugRegions(g), newDebugLog(g), newDebugKeys(g), newDebugTombstones(g), newDebugKey())
	return debug
}

func newCheckReplicas(g *globals) *cobra.Command {
	var only uint64
	cmd := &cobra.Command{Use: "check-replicas [--region ID]", Short: "Compare the replicas of every region with each other", Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
				rs, err := cl.Regions(ctx, &adminpb.RegionsRequest{})
				if err != nil {
					return err
				}
				var out []*adminpb.CheckReplicasResponse
				different, incomplete := 0, 0
				for _, r := range rs.Regions {
					if only != 0 && r.Region.Id != only {
						continue
					}
					c, err := cl.CheckReplicas(ctx, &adminpb.CheckReplicasRequest{RegionId: r.Region.Id})
					if err != nil {
						return err
					}
					switch {
					case c.Verdict == "different":
						different++
					case c.Verdict != "equal" || c.Error != "":
						incomplete++
					}
					out = append(out, c)
				}
				if len(out) == 0 {
					return &exitError{code: exitFailed, what: fmt.Sprintf("there is no region %d", only), try: "quorate region ls"}
				}
				if err := show(cmd.OutOrStdout(), g.output, checksJSON(out), checksTable(out)); err != nil {
					return err
				}
				switch {
				case different > 0:
					return &exitError{code: exitDegraded, what: fmt.Sprintf("the replicas of %d regions differ", different),
						cause: "a disk, the memory of a machine, or the program damaged a replica",
						try:   "keep copies of the stores, then replace the odd replica: quorate region remove-peer ID --from N"}
				case incomplete > 0:
					return &exitError{code: exitFailed, what: fmt.Sprintf("%d regions could not be compared completely", incomplete), try: "quorate status"}
				}
				return nil
			})
		}}
	cmd.Flags().Uint64Var(&only, "region", 0, "only this region")
	outputFlag(cmd, g)
	timeoutFlag(cmd, g, 10*time.Minute)
	return cmd
}

func checksJSON(list []*adminpb.CheckReplicasResponse) any {
	type replica struct {
		Node  uint64 `json:"node_id"`
		Peer  uint64 `json:"peer_id"`
		Hash  string `json:"hash,omitempty"`
		Pairs uint64 `json:"pairs"`
		Error string `json:"error,omitempty"`
	}
	type region struct {
		ID       uint64    `json:"region_id"`
		Verdict  string    `json:"verdict"`
		Index    uint64    `json:"index"`
		Error    string    `json:"error,omitempty"`
		Replicas []replica `json:"replicas"`
	}
	out := []region{}
	for _, c := range list {
		r := region{ID: c.RegionId, Verdict: c.Verdict, Index: c.Index, Error: c.Error, Replicas: []replica{}}
		for _, s := range c.Replicas {
			rep := replica{Node: s.NodeId, Peer: s.PeerId, Pairs: s.Pairs, Error: s.Error}
			if s.Error == "" {
				rep.Hash = fmt.Sprintf("%016x", s.Hash)
			}
			r.Replicas = append(r.Replicas, rep)
		}
		out = append(out, r)
	}
	return out
}

func checksTable(list []*adminpb.CheckReplicasResponse) func(io.Writer, bool) {
	return func(w io.Writer, _ bool) {
		fmt.Fprintln(w, "REGION\tVERDICT\tINDEX\tNODE\tHASH\tPAIRS\tERROR")
		for _, c := range list {
			if len(c.Replicas) == 0 {
				fmt.Fprintf(w, "%d\t%s\t\t\t\t\t%s\n", c.RegionId, c.Verdict, c.Error)
			}
			for _, s := range c.Replicas {
				hash := ""
				if s.Error == "" {
					hash = fmt.Sprintf("%016x", s.Hash)
				}
				fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%s\t%d\t%s\n", c.RegionId, c.Verdict, c.Index, s.NodeId, hash, s.Pairs, s.Error)
			}
		}
	}
}
