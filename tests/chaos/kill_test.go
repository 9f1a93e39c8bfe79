package chaos

import (
	"context"
	"fmt"
	"sort"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

const (
	// gapMax is how long writes may stand still after one node was killed.
	gapMax = 5 * time.Second
	// pauseGapMax is the same for a node that stands still: its connections stay
	// open, so that nothing but time tells it from a slow one.
	pauseGapMax = 10 * time.Second
)

// okPerRound is how many writes succeed before each fault and after it.
const okPerRound = 150

// hurtRounds hurts a node of three again and again under writers, and mends it.
func hurtRounds(t *testing.T, bar time.Duration, pick picker, hurt func(*cluster.Node) error, mend func(context.Context, *cluster.Node) error) {
	t.Helper()
	c := startThree(t)
	w := StartWorkload(c, 8, AllKinds, 1)
	var gaps []time.Duration
	for round := range number(t, "CHAOS_ROUNDS", 2) {
		ctx := within(t, 90*time.Second)
		must(t, w.AwaitOK(ctx, okPerRound))
		victim, err := pick(ctx, c, round)
		must(t, err)
		must(t, hurt(victim))
		hurtAt := time.Now()
		gap, err := w.Gap(ctx, hurtAt)
		must(t, err)
		gaps = append(gaps, gap)
		t.Logf("round %d: hurt node %d, the first write that began afterwards ended after %v", round+1, victim.ID, gap.Round(time.Millisecond))
		if gap >= bar {
			t.Errorf("round %d: writes stood still for %v, the bar is %v", round+1, gap, bar)
		}
		must(t, w.AwaitOK(ctx, okPerRound))
		must(t, mend(ctx, victim))
		must(t, victim.WaitSQL(ctx))
		must(t, c.WaitFor(ctx, "healthy"))
	}
	sort.Slice(gaps, func(i, j int) bool { return gaps[i] < gaps[j] })
	t.Logf("gaps: median %v, longest %v of %d", gaps[len(gaps)/2].Round(time.Millisecond), gaps[len(gaps)-1].Round(time.Millisecond), len(gaps))
	finish(t, c, w)
}

// picker chooses the node of a round that is hurt.
type picker func(ctx context.Context, c *cluster.Cluster, round int) (*cluster.Node, error)

func leader(ctx context.Context, c *cluster.Cluster, _ int) (*cluster.Node, error) {
	_, n, err := c.Leader(ctx, "chaos_rows")
	return n, err
}

// follower takes the other two in turns.
func follower(ctx context.Context, c *cluster.Cluster, round int) (*cluster.Node, error) {
	_, lead, err := c.Leader(ctx, "chaos_rows")
	if err != nil {
		return nil, err
	}
	var others []*cluster.Node
	for _, n := range c.Running() {
		if n != lead {
			others = append(others, n)
		}
	}
	if len(others) == 0 {
		return nil, fmt.Errorf("only node %d runs", lead.ID)
	}
	return others[round%len(others)], nil
}

func restart(ctx context.Context, n *cluster.Node) error { return n.Start(ctx) }

// kill -9 of the node that leads the written region: nothing acknowledged is lost,
// nothing unknown is torn, and writes go on soon.
func TestKillLeader(t *testing.T) { hurtRounds(t, gapMax, leader, kill, restart) }

// The same for a node that does not lead the written region.
func TestKillFollower(t *testing.T) { hurtRounds(t, gapMax, follower, kill, restart) }

// A leader that stands still (SIGSTOP) and comes back with its old state of mind:
// others take over, and it neither answers reads from before nor loses a write.
func TestPauseLeader(t *testing.T) {
	hurtRounds(t, pauseGapMax, leader, (*cluster.Node).Pause, func(_ context.Context, n *cluster.Node) error { return n.Resume() })
}

// kill -9 of all nodes at once: everything acknowledged is there after a restart,
// which needs nothing but the directories.
func TestKillAll(t *testing.T) {
	c := startThree(t)
	w := StartWorkload(c, 8, AllKinds, 2)
	for round := range number(t, "CHAOS_KILL_ALL", 2) {
		ctx := within(t, 2*time.Minute)
		must(t, w.AwaitOK(ctx, okPerRound))
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
