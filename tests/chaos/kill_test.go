package chaos

import (
	"context"
	"fmt"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// gapMax is how long writes may stand still after one node was killed.
const gapMax = 5 * time.Second

// killRounds kills a node of three again and again under writers, and restarts it.
func killRounds(t *testing.T, pick func(ctx context.Context, c *cluster.Cluster) (*cluster.Node, error)) {
	c := startThree(t)
	w := StartWorkload(c, 8, AllKinds, 1)
	var gaps []time.Duration
	for round := range number(t, "CHAOS_ROUNDS", 2) {
		ctx := within(t, 90*time.Second)
		must(t, w.AwaitOK(ctx, 50))
		victim, err := pick(ctx, c)
		must(t, err)
		victim.Kill()
		killed := time.Now()
		gap, err := w.Gap(ctx, killed)
		must(t, err)
		gaps = append(gaps, gap)
		t.Logf("round %d: killed node %d, the first write that began afterwards ended after %v", round+1, victim.ID, gap.Round(time.Millisecond))
		if gap >= gapMax {
			t.Errorf("round %d: writes stood still for %v, the bar is %v", round+1, gap, gapMax)
		}
		must(t, w.AwaitOK(ctx, 50))
		must(t, victim.Start(ctx))
		must(t, victim.WaitSQL(ctx))
		must(t, c.WaitFor(ctx, "healthy"))
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	t.Logf("gaps: median %v, longest %v of %d", gaps[len(gaps)/2].Round(time.Millisecond), gaps[len(gaps)-1].Round(time.Millisecond), len(gaps))
	finish(t, c, w)
}

// kill -9 of the node that leads the written region: nothing acknowledged is lost,
// nothing unknown is torn, and writes go on soon.
func TestKillLeader(t *testing.T) {
	killRounds(t, func(ctx context.Context, c *cluster.Cluster) (*cluster.Node, error) {
		_, n, err := c.Leader(ctx, "chaos_rows")
		return n, err
	})
}

// The same for a node that does not lead the written region.
func TestKillFollower(t *testing.T) {
	killRounds(t, func(ctx context.Context, c *cluster.Cluster) (*cluster.Node, error) {
		_, leader, err := c.Leader(ctx, "chaos_rows")
		if err != nil {
			return nil, err
		}
		for _, n := range c.Running() {
			if n != leader {
				return n, nil
			}
		}
		return nil, fmt.Errorf("only node %d runs", leader.ID)
	})
}

// kill -9 of all nodes at once: everything acknowledged is there after a restart,
// which needs nothing but the directories.
func TestKillAll(t *testing.T) {
	c := startThree(t)
	w := StartWorkload(c, 8, AllKinds, 2)
	for round := range number(t, "CHAOS_KILL_ALL", 2) {
		ctx := within(t, 2*time.Minute)
		must(t, w.AwaitOK(ctx, 100))
		inParallel(c.Nodes(), func(n *cluster.Node) error { n.Kill(); return nil })
		restarted := time.Now()
		must(t, inParallel(c.Nodes(), func(n *cluster.Node) error { return n.Start(ctx) }))
		gap, err := w.Gap(ctx, restarted)
		must(t, err)
		t.Logf("round %d: killed all three; %v after the restart began a write succeeded", round+1, gap.Round(time.Millisecond))
		for _, n := range c.Nodes() {
			must(t, n.WaitSQL(ctx))
		}
		// Checked after each round, so that a loss is seen where it happened.
		w.Pause()
		ops := w.Ops()
		t.Log(Summary(ops))
		if err := Check(ctx, c, ops); err != nil {
			t.Fatalf("after round %d: %v", round+1, err)
		}
		w.Resume()
	}
	finish(t, c, w)
}

// inParallel runs f for all nodes at once and returns the first error.
func inParallel(nodes []*cluster.Node, f func(*cluster.Node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = f(n)
		}()
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", nodes[i].Name, err)
		}
	}
	return nil
}
