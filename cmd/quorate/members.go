package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// progressEvery is how often a command that waits says how far it is.
const progressEvery = 10 * time.Second

func newDrain(g *globals) *cobra.Command {
	return memberVerb(g, "drain N", "Move a node's leaders away, as before a restart; its next start ends it", metapb.StoreState_DRAINING, "leaders",
		func(r *placementpb.SetStoreResponse) (left uint32, done bool) { return r.Leaders, r.Leaders == 0 }, 5*time.Minute)
}

func newDecommission(g *globals) *cobra.Command {
	return memberVerb(g, "decommission N", "Move everything off a node and remove it from the cluster", metapb.StoreState_DECOMMISSIONING, "replicas",
		func(r *placementpb.SetStoreResponse) (left uint32, done bool) {
			return r.Replicas, r.Store.State == metapb.StoreState_REMOVED
		}, time.Hour)
}

func newRecommission(g *globals) *cobra.Command {
	return memberVerb(g, "recommission N", "Take a node that drains or leaves back", metapb.StoreState_UP, "replicas",
		func(r *placementpb.SetStoreResponse) (uint32, bool) { return 0, true }, 10*time.Second)
}

// memberVerb is a verb that sets the state of a node and waits for what follows of
// it. With --no-wait, or when it is interrupted, the cluster goes on by itself.
func memberVerb(g *globals, use, short string, state metapb.StoreState, what string,
	left func(*placementpb.SetStoreResponse) (uint32, bool), timeout time.Duration) *cobra.Command {
	var noWait bool
	cmd := &cobra.Command{Use: use, Short: short, Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		id, err := regionID(args[0])
		if err != nil {
			return usageFault{fmt.Errorf("%q is no node id", args[0])}
		}
		w := memberWait{cmd: cmd, what: what, left: left}
		err = g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
			resp, err := cl.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: id, State: state})
			for {
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
					return &exitError{code: code, what: resp.Error.Message, try: "quorate node ls"}
				}
				if w.seen(resp); w.done || noWait {
					return show(cmd.OutOrStdout(), g.output, memberJSON(resp), memberTable(resp))
				}
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(200 * time.Millisecond):
				}
				resp, err = cl.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: id, OnlyLook: true})
			}
		})
		var ee *exitError
		if errors.As(err, &ee) && ee.code == exitTimeout && w.last != nil {
			n, _ := left(w.last)
			return &exitError{code: exitTimeout, what: fmt.Sprintf("node %d still holds %d %s", id, n, what), cause: w.last.Blocked,
				try: "it goes on by itself; look with quorate node ls, take it back with quorate node recommission " + args[0]}
		}
		return err
	}}
	cmd.Flags().BoolVar(&noWait, "no-wait", false, "return when it is ordered")
	cmd.Flags().Bool("yes", false, "do not ask (nothing is asked)")
	outputFlag(cmd, g)
	timeoutFlag(cmd, g, timeout)
	return cmd
}

// memberWait tells how far a node is with giving up what it holds, on stderr.
type memberWait struct {
	cmd   *cobra.Command
	what  string
	left  func(*placementpb.SetStoreResponse) (uint32, bool)
	last  *placementpb.SetStoreResponse
	first uint32
	told  time.Time
	done  bool
}

func (w *memberWait) seen(r *placementpb.SetStoreResponse) {
	n, done := w.left(r)
	first := w.last == nil
	if first {
		w.first = n
	}
	news := first || r.Blocked != w.last.Blocked || time.Since(w.told) >= progressEvery
	w.last, w.done = r, done
	if done || !news {
		return
	}
	w.told = time.Now()
	line := fmt.Sprintf("node %d: %d of %d %s left", r.Store.NodeId, n, max(w.first, n), w.what)
	if r.Blocked != "" {
		line += "; waiting: " + r.Blocked
	}
	fmt.Fprintln(w.cmd.ErrOrStderr(), line)
}

func memberJSON(r *placementpb.SetStoreResponse) any {
	return struct {
		ID       uint64 `json:"id"`
		State    string `json:"state"`
		Leaders  uint32 `json:"leaders"`
		Replicas uint32 `json:"replicas"`
		Blocked  string `json:"blocked"`
	}{r.Store.NodeId, memberState(r), r.Leaders, r.Replicas, r.Blocked}
}

func memberState(r *placementpb.SetStoreResponse) string {
	if r.Store.State == metapb.StoreState_UP {
		return "live"
	}
	return strings.ToLower(r.Store.State.String())
}

func memberTable(r *placementpb.SetStoreResponse) func(io.Writer, bool) {
	return func(w io.Writer, _ bool) {
		fmt.Fprintln(w, "ID\tSTATE\tLEADERS\tREPLICAS\tBLOCKED")
		fmt.Fprintf(w, "%d\t%s\t%d\t%d\t%s\n", r.Store.NodeId, memberState(r), r.Leaders, r.Replicas, r.Blocked)
	}
}

// ---- operator cancel, scheduler ----

func newCancel(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "cancel ID", Short: "Cancel a running operator", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		id, err := strconv.ParseUint(args[0], 10, 64)
		if err != nil || id == 0 {
			return usageFault{fmt.Errorf("%q is no operator id", args[0])}
		}
		return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
			resp, err := cl.Operate(ctx, &placementpb.OperateRequest{Kind: "cancel", OperatorId: id})
			if err != nil {
				return err
			}
			if resp.Error != nil {
				code := exitFailed
				if resp.Refused {
					code = exitRefused
				}
				return &exitError{code: code, what: resp.Error.Message, try: "quorate operator ls --history"}
			}
			return show(cmd.OutOrStdout(), g.output, toOperatorJSON(resp.Operator), operatorsTable([]*placementpb.Operator{resp.Operator}))
		})
	}}
	outputFlag(cmd, g)
	timeoutFlag(cmd, g, 10*time.Second)
	return cmd
}

func newScheduler(g *globals) *cobra.Command {
	sched := group("scheduler", "What moves regions by itself")
	verb := func(use, short string, args cobra.PositionalArgs, req func(args []string) *placementpb.SchedulersRequest) *cobra.Command {
		cmd := &cobra.Command{Use: use, Short: short, Args: usageArgs(args), RunE: func(cmd *cobra.Command, args []string) error {
			return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
				resp, err := cl.Schedulers(ctx, req(args))
				if err != nil {
					return err
				}
				if resp.Error != nil {
					return &exitError{code: exitFailed, what: resp.Error.Message, try: "quorate scheduler ls"}
				}
				return show(cmd.OutOrStdout(), g.output, schedulersJSON(resp.Schedulers), schedulersTable(resp.Schedulers))
			})
		}}
		outputFlag(cmd, g)
		timeoutFlag(cmd, g, 10*time.Second)
		return cmd
	}
	var pauseFor time.Duration
	pause := verb("pause NAME [--for 30m]", "Stop a scheduler for a while", cobra.ExactArgs(1), func(args []string) *placementpb.SchedulersRequest {
		return &placementpb.SchedulersRequest{Pause: args[0], PauseMs: pauseFor.Milliseconds()}
	})
	pause.Flags().DurationVar(&pauseFor, "for", 30*time.Minute, "how long")
	sched.AddCommand(
		verb("ls", "List the schedulers", cobra.NoArgs, func([]string) *placementpb.SchedulersRequest { return &placementpb.SchedulersRequest{} }),
		pause,
		verb("resume NAME", "Let a scheduler work again", cobra.ExactArgs(1), func(args []string) *placementpb.SchedulersRequest {
			return &placementpb.SchedulersRequest{Resume: args[0]}
		}))
	return sched
}

func schedulersJSON(list []*placementpb.Scheduler) any {
	type entry struct {
		Name   string `json:"name"`
		Paused bool   `json:"paused"`
		Until  int64  `json:"paused_until_unix_ms,omitempty"`
		Does   string `json:"does"`
	}
	out := []entry{}
	for _, s := range list {
		out = append(out, entry{s.Name, s.Paused, s.PausedUntilUnixMs, s.Does})
	}
	return out
}

func schedulersTable(list []*placementpb.Scheduler) func(io.Writer, bool) {
	return func(w io.Writer, _ bool) {
		fmt.Fprintln(w, "NAME\tSTATE\tDOES")
		for _, s := range list {
			state := "works"
			if s.Paused {
				state = "paused until " + time.UnixMilli(s.PausedUntilUnixMs).Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, state, s.Does)
		}
	}
}

// ---- region scatter ----

func newScatter(g *globals) *cobra.Command {
	cmd := &cobra.Command{Use: "scatter [TABLE]", Short: "Spread the leaders of a table's regions over the nodes", Args: usageArgs(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			table := ""
			if len(args) > 0 {
				table = args[0]
			}
			return g.call(cmd.Context(), func(ctx context.Context, cl adminpb.AdminClient) error {
				rs, err := cl.Regions(ctx, &adminpb.RegionsRequest{Table: table})
				if err != nil {
					return err
				}
				if rs.Error != "" {
					return &exitError{code: exitFailed, what: rs.Error}
				}
				if err := scatter(ctx, cl, rs.Regions); err != nil {
					return err
				}
				if rs, err = cl.Regions(ctx, &adminpb.RegionsRequest{Table: table}); err != nil {
					return err
				}
				return show(cmd.OutOrStdout(), g.output, regionsJSON(rs.Regions), regionsTable(rs.Regions))
			})
		}}
	outputFlag(cmd, g)
	timeoutFlag(cmd, g, time.Minute)
	return cmd
}

// scatter gives each region's leadership to the voter that leads the fewest of them
// so far, in the order of the keys.
func scatter(ctx context.Context, cl adminpb.AdminClient, rs []*adminpb.RegionInfo) error {
	count := map[uint64]int{}
	for _, r := range rs {
		to := r.LeaderStore
		for _, p := range r.Region.Peers {
			if p.Role == metapb.PeerRole_VOTER && (to == 0 || count[p.StoreId] < count[to]) {
				to = p.StoreId
			}
		}
		count[to]++
		if to == r.LeaderStore || to == 0 {
			continue
		}
		resp, err := cl.Operate(ctx, &placementpb.OperateRequest{RegionId: r.Region.Id, Kind: "transfer-leader", ToStore: to, Wait: true})
		if err != nil {
			return err
		}
		if resp.Error != nil {
			return &exitError{code: exitFailed, what: fmt.Sprintf("region %d: %s", r.Region.Id, resp.Error.Message), try: "quorate region ls"}
		}
		if op := resp.Operator; op.State != "done" {
			return &exitError{code: exitFailed, what: fmt.Sprintf("region %d does not get another leader", r.Region.Id), cause: op.Error}
		}
	}
	return nil
}
