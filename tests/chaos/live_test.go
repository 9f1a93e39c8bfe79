package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// Leaders move and regions split while writers write: no operation fails, each
// command does what it says, and region ls shows it. The operations touch rows of
// their own, so that there is no conflict that could excuse a failure.
func TestTransferAndSplitUnderLoad(t *testing.T) {
	c := startThree(t)
	ctx := within(t, 5*time.Minute)
	w := StartWorkload(c, 8, Mix{Single: 1, Pair: 1}, 3)
	must(t, w.AwaitOK(ctx, 50))
	t.Logf("%s: SPLIT AT begins", clockText())
	must(t, execute(ctx, c.Nodes()[1], fmt.Sprintf("ALTER TABLE chaos_rows SPLIT AT VALUES (0), (%d)", pairOffset)))
	t.Logf("%s: SPLIT AT is done", clockText())
	// SPLIT AT returns when the regions are listed. From here on a pair spans two.
	regions, err := c.Regions(ctx, "chaos_rows")
	must(t, err)
	if len(regions) < 3 {
		t.Fatalf("chaos_rows has %d regions after SPLIT AT two places: %+v", len(regions), regions)
	}
	for round := range number(t, "CHAOS_ROUNDS", 2) {
		must(t, w.AwaitOK(ctx, 50))
		before, err := c.Regions(ctx, "chaos_rows")
		must(t, err)
		// The last but one ends at the second rows of the pairs.
		region := before[len(before)-2]
		if region.Leader == nil {
			t.Fatalf("region %d has no leader", region.ID)
		}
		to := region.Leader.NodeID%3 + 1
		must(t, c.CLI(ctx, "region", "transfer-leader", fmt.Sprint(region.ID), "--to", fmt.Sprint(to)).Err())
		t.Logf("%s: region %d went from node %d to node %d", clockText(), region.ID, region.Leader.NodeID, to)
		if got := regionByID(t, ctx, c, region.ID); got.Leader == nil || got.Leader.NodeID != to {
			t.Errorf("region %d was to be led by node %d after the transfer; region ls says %+v", region.ID, to, got.Leader)
		}
		must(t, w.AwaitOK(ctx, 20))
		at := fmt.Sprintf("(%d)", 100*(round+1))
		must(t, c.CLI(ctx, "region", "split", fmt.Sprint(region.ID), "--at", at).Err())
		t.Logf("%s: region %d was split at %s", clockText(), region.ID, at)
		after, err := c.Regions(ctx, "chaos_rows")
		must(t, err)
		if len(after) != len(before)+1 {
			t.Errorf("split %d --at %s: %d regions before, %d after", region.ID, at, len(before), len(after))
		}
	}
	must(t, w.AwaitOK(ctx, 50))
	all, err := c.Regions(ctx, "")
	must(t, err)
	checkTiling(t, all)
	for _, o := range finish(t, c, w) {
		if o.Outcome != OK {
			t.Errorf("operation %d (kind %d) was not done, %v after %s: %v", o.ID, o.Kind, o.Done.Sub(o.Invoked), o.Invoked.Format("15:04:05.000"), o.Err)
		}
	}
}

// clockText is the time of day as the operations of a verdict give it.
func clockText() string { return time.Now().Format("15:04:05.000") }

func regionByID(t *testing.T, ctx context.Context, c *cluster.Cluster, id uint64) cluster.Region {
	t.Helper()
	rs, err := c.Regions(ctx, "")
	must(t, err)
	for _, r := range rs {
		if r.ID == id {
			return r
		}
	}
	t.Fatalf("region ls does not list region %d", id)
	return cluster.Region{}
}

// checkTiling checks that the regions cover all keys, each once, in order.
func checkTiling(t *testing.T, rs []cluster.Region) {
	t.Helper()
	at := ""
	for i, r := range rs {
		if r.StartKey != at {
			t.Errorf("region %d starts at %q, the one before ends at %q", r.ID, r.StartKey, at)
		}
		if (r.EndKey == "") != (i == len(rs)-1) {
			t.Errorf("region %d ends at %q as number %d of %d", r.ID, r.EndKey, i+1, len(rs))
		}
		at = r.EndKey
	}
}

// One node becomes three by two joins, and every region gets three voters without
// a command; what was written is there on all.
func TestGrow(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, 2*time.Minute)
	first := c.NewNode()
	first.PortZero = true // ports of the kernel are a promise, too
	must(t, first.Start(ctx))
	must(t, first.WaitSQL(ctx))
	must(t, Setup(ctx, first))
	w := StartWorkload(c, 4, AllKinds, 4)
	must(t, w.AwaitOK(ctx, 50))
	for range 2 {
		n, err := c.Add(ctx)
		must(t, err)
		must(t, n.WaitSQL(ctx))
	}
	must(t, c.WaitFor(ctx, "replicated"))
	rs, err := c.Regions(ctx, "")
	must(t, err)
	if len(rs) == 0 {
		t.Fatal("region ls lists nothing")
	}
	for _, r := range rs {
		if r.Voters() != 3 || len(r.Peers) != 3 {
			t.Errorf("region %d has %d voters of %d peers after `wait --for replicated`", r.ID, r.Voters(), len(r.Peers))
		}
	}
	checkTiling(t, rs)
	must(t, w.AwaitOK(ctx, 50))
	finish(t, c, w)
	for i, n := range c.Nodes() {
		if n.ID != uint64(i+1) {
			t.Errorf("node number %d to be accepted has id %d", i+1, n.ID)
		}
	}
}

// A restart keeps a node's id and store, on all nodes and with nobody else alive.
func TestRestartKeepsIds(t *testing.T) {
	c := startThree(t)
	ctx := within(t, 2*time.Minute)
	before := nodeIDs(t, ctx, c)
	for _, n := range c.Nodes() {
		code, err := n.Stop(10 * time.Second)
		must(t, err)
		if code != 0 {
			t.Errorf("%s ended with %d after SIGTERM", n.Name, code)
		}
	}
	// Node.Start fails if the id in the ready line is another than before.
	must(t, inParallel(c.Nodes(), func(n *cluster.Node) error { return n.Start(ctx) }))
	for _, n := range c.Nodes() {
		must(t, n.WaitSQL(ctx))
	}
	if after := nodeIDs(t, ctx, c); after != before {
		t.Errorf("nodes were %s and are %s", before, after)
	}
	must(t, c.WaitFor(ctx, "healthy"))
}

// nodeIDs lists node and store ids with their addresses.
func nodeIDs(t *testing.T, ctx context.Context, c *cluster.Cluster) string {
	t.Helper()
	out := c.CLI(ctx, "node", "ls", "-o", "json")
	must(t, out.Err())
	var nodes []struct {
		ID      uint64 `json:"id"`
		StoreID uint64 `json:"store_id"`
		RPC     string `json:"rpc_address"`
	}
	must(t, json.Unmarshal([]byte(out.Stdout), &nodes))
	return fmt.Sprint(nodes)
}

// SIGTERM ends a node in good order: exit code 0, one line on stdout, the pid file
// gone; the others go on, and nothing acknowledged is lost.
func TestSIGTERM(t *testing.T) {
	c := startThree(t)
	ctx := within(t, 90*time.Second)
	w := StartWorkload(c, 4, AllKinds, 5)
	must(t, w.AwaitOK(ctx, 50))
	_, lead, err := c.Leader(ctx, "chaos_rows")
	must(t, err)
	if b, err := os.ReadFile(lead.Dir + ".pid"); err != nil || strings.TrimSpace(string(b)) != fmt.Sprint(lead.PID()) {
		t.Errorf("--pid-file holds %q (%v), the process is %d", b, err, lead.PID())
	}
	began := time.Now()
	code, err := lead.Stop(15 * time.Second)
	must(t, err)
	t.Logf("ended %v after SIGTERM", time.Since(began).Round(time.Millisecond))
	if code != 0 {
		t.Errorf("exit code %d after SIGTERM", code)
	}
	if lines := lead.Stdout(); len(lines) != 1 || !strings.HasPrefix(lines[0], "ready ") {
		t.Errorf("stdout carries %q, want the ready line alone", lines)
	}
	gap, err := w.Gap(ctx, began)
	must(t, err)
	t.Logf("the first write that began after SIGTERM ended after %v", gap.Round(time.Millisecond))
	must(t, w.AwaitOK(ctx, 50))
	must(t, lead.Start(ctx))
	must(t, lead.WaitSQL(ctx))
	finish(t, c, w)
}

// Regions are split and led from elsewhere while connections between the nodes are
// reset all the time: no statement and no command hands a broken connection to the
// client, and every border is there in the end.
func TestSplitUnderResets(t *testing.T) {
	c := proxiedCluster(t)
	ctx := within(t, 2*time.Minute)
	must(t, c.Start(ctx, 3))
	must(t, execute(ctx, c.Nodes()[0], "CREATE TABLE chaos_rows (id bigint PRIMARY KEY)"))
	rctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() { // ends with stop
		defer close(ended)
		rng := rand.New(rand.NewPCG(1, 1))
		for rctx.Err() == nil {
			i := rng.IntN(3)
			a, b := c.Nodes()[i], c.Nodes()[(i+1)%3]
			c.Network.Set(a, b, cluster.Rule{Mode: cluster.Reset})
			c.Network.Set(a, b, cluster.Rule{})
			idle(rctx, between(rng, 50*time.Millisecond, 500*time.Millisecond))
		}
	}()
	const splits = 6
	for i := range splits {
		n := c.Nodes()[i%3]
		must(t, execute(ctx, n, fmt.Sprintf("ALTER TABLE chaos_rows SPLIT AT VALUES (%d)", 100*(i+1))))
		rs, err := c.Regions(ctx, "chaos_rows")
		must(t, err)
		out := n.CLI(ctx, "region", "transfer-leader", fmt.Sprint(rs[0].ID), "--to", fmt.Sprint(i%3+1), "--timeout", "30s")
		must(t, out.Err())
	}
	stop()
	<-ended
	for _, n := range c.Nodes() {
		must(t, n.WaitSQL(ctx))
	}
	rs, err := c.Regions(ctx, "chaos_rows")
	must(t, err)
	if len(rs) < splits+1 {
		t.Errorf("chaos_rows has %d regions after %d splits", len(rs), splits)
	}
}
