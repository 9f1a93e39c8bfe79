package chaos

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// nemesis hurts a cluster in one way.
type nemesis struct {
	name string
	// hurt begins a fault. It returns what was done, and what ends it (nil if it
	// has ended already); an empty text means that there was nothing to hurt.
	hurt func(ctx context.Context, f *faults, rng *rand.Rand) (what string, mend func(context.Context) error, err error)
	// A fault lasts between least and most.
	least, most time.Duration
}

// A fault follows the end of the one before after a calm of this length.
const calmLeast, calmMost = 300 * time.Millisecond, 1500 * time.Millisecond

// nemeses that a run may choose from. Two of them joined by + work at once.
var nemeses = []nemesis{
	{name: "none"},
	{"kill-one", killSome(1), 100 * time.Millisecond, 3 * time.Second},
	{"kill-leader", killLeader, 100 * time.Millisecond, 3 * time.Second},
	{"kill-majority", killSome(2), 100 * time.Millisecond, 2 * time.Second},
	{"kill-all", killSome(math.MaxInt), 0, time.Second},
	{"pause-one", pauseOne, 100 * time.Millisecond, 10 * time.Second},
	{"term-one", termOne, 0, time.Second},
	{"partition-one", partitionOne, 200 * time.Millisecond, 5 * time.Second},
	{"partition-all", partitionAll, 200 * time.Millisecond, 3 * time.Second},
	{"partition-bridge", partitionBridge, 200 * time.Millisecond, 5 * time.Second},
	{"partition-one-way", partitionOneWay, 200 * time.Millisecond, 5 * time.Second},
	{"reset", resetPair, 0, time.Second},
	{"delay", delay, 500 * time.Millisecond, 4 * time.Second},
	{"transfer", transferLeader, 0, 200 * time.Millisecond},
	{"split", splitRegion, 0, 500 * time.Millisecond},
	{"clock-jump", clockJump, 200 * time.Millisecond, 3 * time.Second},
	{"clock-rate", clockRate, time.Second, 6 * time.Second},
	{"disk-slow", diskSlow, 200 * time.Millisecond, 5 * time.Second},
	{"disk-error", diskError, 0, 2 * time.Second},
	{"disk-full", diskFull, 500 * time.Millisecond, 4 * time.Second},
	{"merge", splitOrMerge, 0, 200 * time.Millisecond},
}

// faulty reports whether a nemesis needs a test build.
func (n nemesis) faulty() bool {
	return strings.HasPrefix(n.name, "clock-") || strings.HasPrefix(n.name, "disk-")
}

// faults is what the nemeses of a run share. A node whose process is being hurt is
// claimed, so that two nemeses do not start or signal it at once.
type faults struct {
	r *run
	c *cluster.Cluster

	mu struct {
		sync.Mutex
		claimed map[*cluster.Node]bool
		splits  int
	}
}

func newFaults(r *run) *faults {
	f := &faults{r: r, c: r.c}
	f.mu.claimed = map[*cluster.Node]bool{}
	return f
}

// loop hurts and mends until ctx ends.
func (f *faults) loop(ctx context.Context, n nemesis, rng *rand.Rand) error {
	if n.hurt == nil {
		return nil
	}
	for {
		idle(ctx, between(rng, calmLeast, calmMost))
		if ctx.Err() != nil {
			return nil
		}
		what, mend, err := n.hurt(ctx, f, rng)
		if err != nil {
			return fmt.Errorf("%s: %w", n.name, err)
		}
		if what == "" {
			continue
		}
		lasts := between(rng, n.least, n.most)
		f.r.log("%v: %s for %v", time.Duration(f.r.now()).Round(time.Millisecond), what, lasts.Round(time.Millisecond))
		idle(ctx, lasts)
		if mend == nil {
			continue
		}
		// Mending goes on when the run's time is over.
		if err := mend(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("mend after %s: %w", what, err)
		}
	}
}

// between draws a duration, short ones more often: each factor is as likely.
func between(rng *rand.Rand, least, most time.Duration) time.Duration {
	if least == 0 {
		return time.Duration(rng.Int64N(int64(most) + 1))
	}
	return time.Duration(float64(least) * math.Pow(float64(most)/float64(least), rng.Float64()))
}

// mend makes sure that all nodes run and see each other.
func (f *faults) mend(ctx context.Context) error {
	f.c.Network.Heal()
	return inParallel(f.c.Nodes(), func(n *cluster.Node) error {
		if f.r.faulty {
			if err := n.SetFaults(""); err != nil {
				return err
			}
		}
		if !n.Running() {
			return n.Start(ctx)
		}
		return n.Resume()
	})
}

// claim takes up to count nodes that run and are not claimed, those that prefer
// says first.
func (f *faults) claim(rng *rand.Rand, count int, prefer uint64) []*cluster.Node {
	f.mu.Lock()
	defer f.mu.Unlock()
	nodes := f.c.Nodes()
	rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	for i, n := range nodes {
		if n.ID == prefer {
			nodes[0], nodes[i] = nodes[i], nodes[0]
		}
	}
	var out []*cluster.Node
	for _, n := range nodes {
		if len(out) < count && n.Running() && !f.mu.claimed[n] {
			f.mu.claimed[n] = true
			out = append(out, n)
		}
	}
	return out
}

func (f *faults) release(nodes []*cluster.Node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range nodes {
		delete(f.mu.claimed, n)
	}
}

func names(nodes []*cluster.Node) string {
	s := ""
	for _, n := range nodes {
		s += fmt.Sprintf(" %d", n.ID)
	}
	return s
}

// kill kills claimed nodes; mend starts them again, all at once.
func (f *faults) kill(nodes []*cluster.Node) (string, func(context.Context) error, error) {
	if len(nodes) == 0 {
		return "", nil, nil
	}
	if err := inParallel(nodes, kill); err != nil {
		return "", nil, err
	}
	return "kill -9 of node" + names(nodes), func(ctx context.Context) error {
		defer f.release(nodes)
		return inParallel(nodes, func(n *cluster.Node) error { return n.Start(ctx) })
	}, nil
}

func killSome(count int) func(context.Context, *faults, *rand.Rand) (string, func(context.Context) error, error) {
	return func(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
		return f.kill(f.claim(rng, count, 0))
	}
}

// killLeader kills the node that leads some region.
func killLeader(ctx context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	r, ok := f.someRegion(ctx, rng)
	if !ok || r.Leader == nil {
		return "", nil, nil
	}
	what, mend, err := f.kill(f.claim(rng, 1, r.Leader.NodeID))
	if what != "" {
		what += fmt.Sprintf(" (region %d was led by %d)", r.ID, r.Leader.NodeID)
	}
	return what, mend, err
}

func pauseOne(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	nodes := f.claim(rng, 1, 0)
	if len(nodes) == 0 {
		return "", nil, nil
	}
	return "SIGSTOP of node" + names(nodes), func(context.Context) error {
		defer f.release(nodes)
		return nodes[0].Resume()
	}, nodes[0].Pause()
}

// termOne stops a node in good order.
func termOne(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	nodes := f.claim(rng, 1, 0)
	if len(nodes) == 0 {
		return "", nil, nil
	}
	// Draining and closing take at most 5 s by the node's own bounds.
	code, err := nodes[0].Stop(15 * time.Second)
	if err == nil && code != 0 {
		err = fmt.Errorf("node %d ended with %d after SIGTERM", nodes[0].ID, code)
	}
	return "SIGTERM of node" + names(nodes), func(ctx context.Context) error {
		defer f.release(nodes)
		return nodes[0].Start(ctx)
	}, err
}

// cut is one of the ways in which nothing passes.
func cut(rng *rand.Rand) (cluster.Rule, string) {
	if rng.IntN(2) == 0 {
		return cluster.Rule{Mode: cluster.Hold}, "held"
	}
	return cluster.Rule{Mode: cluster.Drop}, "dropped"
}

// link is an ordered pair of nodes.
type link struct{ from, to *cluster.Node }

// rule sets a rule for links; mend lets everything pass there.
func (f *faults) rule(links []link, r cluster.Rule) func(context.Context) error {
	for _, l := range links {
		f.c.Network.Set(l.from, l.to, r)
	}
	return func(context.Context) error {
		for _, l := range links {
			f.c.Network.Set(l.from, l.to, cluster.Rule{})
		}
		return nil
	}
}

// shuffled are the nodes in a random order.
func (f *faults) shuffled(rng *rand.Rand) []*cluster.Node {
	nodes := f.c.Nodes()
	rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	return nodes
}

func partitionOne(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	nodes := f.shuffled(rng)
	var links []link
	for _, n := range nodes[1:] {
		links = append(links, link{nodes[0], n}, link{n, nodes[0]})
	}
	r, how := cut(rng)
	return fmt.Sprintf("node %d cut off (%s)", nodes[0].ID, how), f.rule(links, r), nil
}

func partitionAll(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	r, how := cut(rng)
	return fmt.Sprintf("all nodes cut off from each other (%s)", how), f.rule(f.allLinks(), r), nil
}

func (f *faults) allLinks() (links []link) {
	for _, a := range f.c.Nodes() {
		for _, b := range f.c.Nodes() {
			if a != b {
				links = append(links, link{a, b})
			}
		}
	}
	return links
}

// partitionBridge cuts two nodes from each other, while each sees the rest: every
// node sees a majority, and they are not the same ones.
func partitionBridge(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	n := f.shuffled(rng)
	r, how := cut(rng)
	return fmt.Sprintf("nodes %d and %d cut from each other (%s)", n[0].ID, n[1].ID, how), f.rule([]link{{n[0], n[1]}, {n[1], n[0]}}, r), nil
}

// partitionOneWay lets a node speak and not hear, or hear and not speak.
func partitionOneWay(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	nodes := f.shuffled(rng)
	deaf := rng.IntN(2) == 0
	others := nodes[1:]
	if rng.IntN(2) == 0 {
		others = nodes[1:2]
	}
	var links []link
	for _, n := range others {
		if deaf {
			links = append(links, link{n, nodes[0]})
		} else {
			links = append(links, link{nodes[0], n})
		}
	}
	r, how := cut(rng)
	what := "is not heard by"
	if deaf {
		what = "does not hear"
	}
	return fmt.Sprintf("node %d %s node%s (%s)", nodes[0].ID, what, names(others), how), f.rule(links, r), nil
}

// resetPair resets the connections between two nodes, and refuses new ones.
func resetPair(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	n := f.shuffled(rng)
	return fmt.Sprintf("connections between nodes %d and %d reset", n[0].ID, n[1].ID), f.rule([]link{{n[0], n[1]}, {n[1], n[0]}}, cluster.Rule{Mode: cluster.Reset}), nil
}

// delay slows everything a little, or one direction of one pair a lot.
func delay(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	if rng.IntN(2) == 0 {
		d := between(rng, 2*time.Millisecond, 50*time.Millisecond)
		return fmt.Sprintf("all bytes between nodes %v late", d), f.rule(f.allLinks(), cluster.Rule{Delay: d}), nil
	}
	n := f.shuffled(rng)
	d := between(rng, 50*time.Millisecond, 800*time.Millisecond)
	return fmt.Sprintf("bytes from node %d to node %d %v late", n[0].ID, n[1].ID, d), f.rule([]link{{n[0], n[1]}}, cluster.Rule{Delay: d}), nil
}

// askTimeout bounds a command to a cluster that may be hurt.
const askTimeout = 3 * time.Second

// someRegion picks a region, as a random node lists them; false if it does not
// answer.
func (f *faults) someRegion(ctx context.Context, rng *rand.Rand) (cluster.Region, bool) {
	running := f.c.Running()
	if len(running) == 0 {
		return cluster.Region{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	rs, err := running[rng.IntN(len(running))].Regions(ctx, "")
	if err != nil || len(rs) == 0 {
		return cluster.Region{}, false // it is hurt: somebody else, next time
	}
	return rs[rng.IntN(len(rs))], true
}

// transferLeader moves the leader of some region, which may fail in a cluster that
// something else hurts at the same time.
func transferLeader(ctx context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	r, ok := f.someRegion(ctx, rng)
	if !ok || r.Leader == nil || len(r.Peers) < 2 {
		return "", nil, nil
	}
	to := r.Peers[rng.IntN(len(r.Peers))].NodeID
	cctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	out := f.c.CLI(cctx, "region", "transfer-leader", fmt.Sprint(r.ID), "--to", fmt.Sprint(to), "--timeout", askTimeout.String())
	return fmt.Sprintf("region %d transferred from node %d to node %d (exit code %d)", r.ID, r.Leader.NodeID, to, out.Code), nil, nil
}

// splitsMax bounds the regions of a run: each costs all nodes something forever.
const splitsMax = 24

// splitRegion splits a table of the load at some key.
func splitRegion(ctx context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	tables, running := f.r.load.tables(), f.c.Running()
	f.mu.Lock()
	f.mu.splits++
	enough := f.mu.splits > splitsMax
	f.mu.Unlock()
	if enough || len(tables) == 0 || len(running) == 0 {
		return "", nil, nil
	}
	table, at := tables[rng.IntN(len(tables))], rng.IntN(splitBelow)
	cctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	err := execute(cctx, running[rng.IntN(len(running))], fmt.Sprintf("ALTER TABLE %s SPLIT AT VALUES (%d)", table, at))
	return fmt.Sprintf("%s split at %d (error: %v)", table, at, err), nil, nil
}
