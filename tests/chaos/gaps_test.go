package chaos

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// gapBounds is what the gaps of a test must keep.
type gapBounds struct {
	median time.Duration // 0: any
	// at most over gaps, and a share of all, may be longer than most; none than max.
	most  time.Duration
	over  int
	share float64
	max   time.Duration
}

// gapFault is what is done to the node that leads the written region.
type gapFault struct {
	hurt func(ctx context.Context, c *cluster.Cluster, victim *cluster.Node) error
	mend func(ctx context.Context, c *cluster.Cluster, victim *cluster.Node) error
	// settle: wait until the cluster is healthy before the next round.
	settle bool
}

var (
	killFault = gapFault{
		hurt:   func(_ context.Context, _ *cluster.Cluster, n *cluster.Node) error { n.Kill(); return nil },
		mend:   func(ctx context.Context, _ *cluster.Cluster, n *cluster.Node) error { return n.Start(ctx) },
		settle: true,
	}
	pauseFault = gapFault{
		hurt:   func(_ context.Context, _ *cluster.Cluster, n *cluster.Node) error { return n.Pause() },
		mend:   func(_ context.Context, _ *cluster.Cluster, n *cluster.Node) error { return n.Resume() },
		settle: true,
	}
)

// cutFault cuts a node off: what it sends, what it is sent, or both.
func cutFault(in, out bool) gapFault {
	set := func(c *cluster.Cluster, n *cluster.Node, r cluster.Rule) error {
		for _, o := range c.Nodes() {
			if o != n && out {
				c.Network.Set(n, o, r)
			}
			if o != n && in {
				c.Network.Set(o, n, r)
			}
		}
		return nil
	}
	return gapFault{
		hurt: func(_ context.Context, c *cluster.Cluster, n *cluster.Node) error {
			return set(c, n, cluster.Rule{Mode: cluster.Drop})
		},
		mend: func(_ context.Context, c *cluster.Cluster, n *cluster.Node) error {
			return set(c, n, cluster.Rule{})
		},
		settle: true,
	}
}

// gapLoad says which rows the prober writes, and what else goes on.
type gapLoad struct {
	setup []string
	write func(ctx context.Context, conn *pgx.Conn, n int) error
	// around starts what works beside the prober; the result ends it, and returns how
	// many writes were acknowledged. It may be nil.
	around func(c *cluster.Cluster) (stop func() int)
	// before is called right before a fault; the result ends what it began.
	before func(ctx context.Context, victim *cluster.Node) (end func(), err error)
	// check looks at the end state through one node. beside were acknowledged to
	// others than the prober.
	check func(ctx context.Context, conn *pgx.Conn, acked []int, beside int) error
	// follower: not the node that leads the written region is hurt, but another one.
	follower bool
	// placement: it is the node that leads the placement group.
	placement bool
}

// freeRows writes a new row each time: nothing but the region's leader is in its
// way.
var freeRows = gapLoad{
	setup: []string{"CREATE TABLE gap_rows (id bigint PRIMARY KEY)"},
	write: func(ctx context.Context, conn *pgx.Conn, n int) error {
		_, err := conn.Exec(ctx, "INSERT INTO gap_rows VALUES ($1)", n)
		return err
	},
	check: func(ctx context.Context, conn *pgx.Conn, acked []int, _ int) error {
		have := map[int]bool{}
		rows, err := conn.Query(ctx, "SELECT id FROM gap_rows")
		if err != nil {
			return err
		}
		ids, err := pgx.CollectRows(rows, pgx.RowTo[int])
		if err != nil {
			return err
		}
		for _, id := range ids {
			have[id] = true
		}
		for _, n := range acked {
			if !have[n] {
				return fmt.Errorf("row %d was acknowledged and is not there", n)
			}
		}
		return nil
	},
}

// judgedFrom is how many gaps there must be to be judged by the figures of a test: a
// few say little, and only show that it works at all.
const judgedFrom = 10

// gapKinds chooses which kinds of a fault a test tries: all, or when it only shows
// that it works one of them, each day another.
func gapKinds(all ...string) []string {
	if os.Getenv("CHAOS_GAPS") != "" {
		return all
	}
	return all[time.Now().YearDay()%len(all):][:1]
}

// restPeriod is how long writes go on undisturbed before a fault and after it, and
// what is looked at when a gap is measured.
const restPeriod = 500 * time.Millisecond

// gaps hurts the node that leads gap_rows again and again while a client of another
// node writes, and measures how long that one goes without an acknowledgement.
func gaps(t *testing.T, opts cluster.Options, load gapLoad, fault gapFault, bounds gapBounds) {
	t.Helper()
	c := newClusterWith(t, opts)
	ctx := within(t, 2*time.Minute)
	must(t, c.Start(ctx, 3))
	conn, err := c.Nodes()[0].Connect(ctx)
	must(t, err)
	must(t, executeAll(ctx, conn, load.setup...))
	must(t, conn.Close(ctx))
	stop := func() int { return 0 }
	if load.around != nil {
		stop = load.around(c)
		defer stop()
	}
	p := startProber(c.Nodes()[0], load.write)
	defer p.close()
	var during, after, calm []time.Duration
	rounds := number(t, "CHAOS_GAPS", 1)
	if rounds < judgedFrom {
		bounds = gapBounds{max: gapMax}
	}
	for round := range rounds {
		g := oneGap(t, c, p, load, fault, round)
		during, after, calm = append(during, g.during), append(after, g.after), append(calm, g.calm)
	}
	p.close()
	beside := stop()
	report(t, "undisturbed", calm, gapBounds{})
	report(t, "gaps", during, bounds)
	report(t, "gaps when it was mended", after, gapBounds{max: bounds.max})
	ctx = within(t, time.Minute)
	for _, n := range c.Nodes() {
		conn, err := n.Connect(ctx)
		must(t, err)
		if err := load.check(ctx, conn, p.numbers(), beside); err != nil {
			t.Errorf("as node %d reads it: %v", n.ID, err)
		}
		must(t, conn.Close(ctx))
	}
}

// gap of one round: before the fault, from it on, and from its end on.
type gap struct{ calm, during, after time.Duration }

func oneGap(t *testing.T, c *cluster.Cluster, p *prober, load gapLoad, fault gapFault, round int) gap {
	t.Helper()
	ctx := within(t, 90*time.Second)
	region, victim, err := c.Leader(ctx, "gap_rows")
	must(t, err)
	if load.placement {
		victim, err = placementLeader(ctx, c)
		must(t, err)
	} else if round%2 == 1 { // it gives the timestamps, too
		must(t, c.CLI(ctx, "region", "transfer-leader", "1", "--to", fmt.Sprint(victim.ID)).Err())
		region, victim, err = c.Leader(ctx, "gap_rows")
		must(t, err)
	}
	leads, err := leaderships(ctx, c)
	must(t, err)
	if load.follower {
		victim = c.Nodes()[int(victim.ID)%3]
	}
	at := c.Nodes()[int(victim.ID)%3] // the one after the victim, or
	if round%4 >= 2 {
		at = c.Nodes()[int(victim.ID+1)%3] // the one before it
	}
	p.move(at)
	began := time.Now()
	must(t, p.await(ctx, began.Add(restPeriod)))
	end := func() {}
	if load.before != nil {
		end, err = load.before(ctx, victim)
		must(t, err)
	}
	g := gap{calm: p.longest(began.Add(restPeriod/2), time.Now())}
	hurtAt := time.Now()
	must(t, fault.hurt(ctx, c, victim))
	must(t, p.await(ctx, time.Now()))
	first := time.Now()
	must(t, p.await(ctx, first.Add(restPeriod)))
	g.during = p.longest(hurtAt, time.Now())
	mendAt := time.Now()
	must(t, fault.mend(ctx, c, victim))
	if fault.settle {
		must(t, victim.WaitSQL(ctx))
		must(t, c.WaitFor(ctx, "healthy"))
	}
	must(t, p.await(ctx, time.Now().Add(restPeriod)))
	end()
	g.after = p.longest(mendAt, time.Now())
	t.Logf("round %d: node %d, which leads %v, is hurt, region %d is written through node %d: gap %v (before %v, mended %v, load %s) %v",
		round+1, victim.ID, leads[victim.ID], region.ID, at.ID, ms(g.during), ms(g.calm), ms(g.after), loadAverage(), p.errors())
	return g
}

// placementLeader waits until all nodes name the same leader of region 1.
func placementLeader(ctx context.Context, c *cluster.Cluster) (*cluster.Node, error) {
	for {
		named := map[uint64]bool{}
		for _, n := range c.Running() {
			rs, err := n.Regions(ctx, "")
			if err != nil {
				return nil, err
			}
			for _, r := range rs {
				if r.ID == 1 && r.Leader != nil {
					named[r.Leader.NodeID] = true
				}
			}
		}
		if len(named) == 1 {
			for id := range named {
				return c.Node(id), nil
			}
		}
		if idle(ctx, 50*time.Millisecond); ctx.Err() != nil {
			return nil, fmt.Errorf("the nodes do not agree who leads region 1: %v", named)
		}
	}
}

// leaderships lists the regions that each node leads.
func leaderships(ctx context.Context, c *cluster.Cluster) (map[uint64][]uint64, error) {
	rs, err := c.Regions(ctx, "")
	if err != nil {
		return nil, err
	}
	out := map[uint64][]uint64{}
	for _, r := range rs {
		if r.Leader != nil {
			out[r.Leader.NodeID] = append(out[r.Leader.NodeID], r.ID)
		}
	}
	return out, nil
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// loadAverage is how many processes wanted to run in the last minute: on a busy
// machine a gap says less.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}

// report prints how long gaps were and judges them.
func report(t *testing.T, what string, list []time.Duration, b gapBounds) {
	t.Helper()
	sorted := slices.Sorted(slices.Values(list))
	at := func(share float64) time.Duration { return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))] }
	over := 0
	for _, d := range sorted {
		if b.most > 0 && d > b.most {
			over++
		}
	}
	t.Logf("%s: median %v, p90 %v, p99 %v, longest %v of %d", what, ms(at(0.5)), ms(at(0.9)), ms(at(0.99)), ms(sorted[len(sorted)-1]), len(sorted))
	if b.median > 0 && at(0.5) > b.median {
		t.Errorf("%s: median %v, the bar is %v", what, ms(at(0.5)), b.median)
	}
	if over > b.over+int(b.share*float64(len(sorted))) {
		t.Errorf("%s: %d of %d are over %v, the bar is %d", what, over, len(sorted), b.most, b.over)
	}
	if longest := sorted[len(sorted)-1]; b.max > 0 && longest > b.max {
		t.Errorf("%s: the longest is %v, the bar is %v", what, ms(longest), b.max)
	}
}

var (
	killBounds = gapBounds{median: 700 * time.Millisecond, most: time.Second, over: 2, max: 2 * time.Second}
	cutBounds  = gapBounds{max: 1500 * time.Millisecond}
)

// The leader of the written region is killed: a client of another node, which
// writes every 5 ms, goes on within a second.
func TestGapsKill(t *testing.T) { gaps(t, cluster.Options{}, freeRows, killFault, killBounds) }

// The same for a leader that stands still: its connections stay open.
func TestGapsPause(t *testing.T) { gaps(t, cluster.Options{}, freeRows, pauseFault, cutBounds) }

// cuts around a node.
var cuts = map[string]gapFault{"both": cutFault(true, true), "outgoing": cutFault(false, true), "incoming": cutFault(true, false)}

// The same for cuts around the leader's node, in both directions or only one.
func TestGapsCut(t *testing.T) {
	for _, how := range gapKinds(slices.Sorted(maps.Keys(cuts))...) {
		t.Run(how, func(t *testing.T) { gaps(t, cluster.Options{Proxied: true}, freeRows, cuts[how], cutBounds) })
	}
}
