package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// churnOrders is how often each kind of change is made. CHAOS_CHURN is the percentage
// of these numbers; without it there are a few of each.
var churnOrders = []struct {
	kind string
	all  int
}{{"split", 1000}, {"transfer", 1000}, {"move", 300}, {"merge", 300}}

const (
	// churnGapP999 and churnGapMax bound what a client that writes all the time sees of
	// splits, transfers, moves and merges, where nothing else disturbs it.
	churnGapP999 = 500 * time.Millisecond
	churnGapMax  = time.Second
	// churnKeys of the table that the probers write, over the range that is split.
	churnKeys = 64
)

// Regions that are split, merged, moved and led elsewhere all the time under clients:
// no anomaly, no error that an autocommit statement could have hidden, and no long
// silence.
func TestChurn(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, 3*time.Hour)
	must(t, c.Start(ctx, 4))
	must(t, c.WaitFor(ctx, "replicated"))
	conn, err := c.Nodes()[0].Connect(ctx)
	must(t, err)
	must(t, executeAll(ctx, conn, "CREATE TABLE churn (k int PRIMARY KEY, v int NOT NULL)",
		fmt.Sprintf("INSERT INTO churn SELECT i * %d, 0 FROM generate_series(0, %d) i", splitBelow/churnKeys, churnKeys-1)))
	var runs []*run
	for i, s := range []setting{{Workload: "append", Level: "serializable"}, {Workload: "bank", Level: "serializable"}} {
		s.Seed = uint64(i + 1)
		r := &run{setting: s, log: t.Logf, c: c, servers: nodesOf(c), level: levels[slices.Index(levelNames(), s.Level)]}
		r.load = loads[slices.Index(loadNames(), s.Workload)].make()
		must(t, r.load.setup(ctx, conn))
		must(t, split(ctx, conn, r.load))
		runs = append(runs, r)
	}
	must(t, conn.Close(ctx))
	for _, name := range []string{"balance-leader", "balance-region"} {
		// They would undo what the test does.
		must(t, c.CLI(ctx, "scheduler", "pause", name, "--for", "3h").Err())
	}
	var stops []func()
	for _, r := range runs {
		stop, wait := r.startClients(ctx)
		stops = append(stops, func() { stop(); wait() })
	}
	var probers []*prober
	for i := range 2 {
		p := startProber(c.Nodes()[i], func(ctx context.Context, conn *pgx.Conn, n int) error {
			k := n % churnKeys * (splitBelow / churnKeys)
			_, err := conn.Exec(ctx, "UPDATE churn SET v = v + 1 WHERE k = $1", k)
			return err
		})
		defer p.close()
		must(t, p.await(ctx, time.Now()))
		probers = append(probers, p)
	}
	began := time.Now()
	full := number(t, "CHAOS_CHURN", 1)
	ch := &churn{t: t, c: c, rng: rand.New(rand.NewPCG(1, 7)), tables: []string{"churn", "chaos_lists", "chaos_bank"}, did: map[string]int{}}
	for _, o := range churnOrders {
		ch.left = append(ch.left, max(3, o.all*full/100))
	}
	ch.run(ctx)
	ended := time.Now()
	for _, p := range probers {
		p.close()
	}
	for _, stop := range stops {
		stop()
	}
	t.Logf("%v in %v", ch.did, ended.Sub(began).Round(time.Second))
	ch.gaps(probers, began, ended, full >= 10)
	for _, r := range runs {
		if err := r.judge(within(t, 5*time.Minute)); err != nil {
			t.Errorf("%v: %v", r.setting, err)
			keep(t, r)
		}
	}
	ch.total(ctx, probers)
	must(t, c.WaitFor(within(t, time.Minute), "healthy"))
}

type churn struct {
	t      *testing.T
	c      *cluster.Cluster
	rng    *rand.Rand
	tables []string
	left   []int // of churnOrders
	did    map[string]int
}

// run gives orders until all are carried out. An order that is refused, because the
// region has changed or somebody else works on it, is given again to another one.
func (ch *churn) run(ctx context.Context) {
	refused := 0
	for ctx.Err() == nil {
		i, ok := ch.choose()
		if !ok {
			return
		}
		kind := churnOrders[i].kind
		if err := ch.order(ctx, kind); err != nil {
			if refused++; refused%50 == 1 {
				ch.t.Logf("%s refused, the %dth time: %v", kind, refused, err)
			}
			ch.did[kind+" refused"]++
			continue
		}
		ch.did[kind]++
		ch.left[i]--
	}
	ch.t.Errorf("the time was not enough: %v are left of %v", ch.left, churnOrders)
}

// choose draws a kind in proportion to what is left.
func (ch *churn) choose() (int, bool) {
	sum := 0
	for _, n := range ch.left {
		sum += n
	}
	if sum == 0 {
		return 0, false
	}
	k := ch.rng.IntN(sum)
	for i, n := range ch.left {
		if k < n {
			return i, true
		}
		k -= n
	}
	return 0, false
}

func (ch *churn) order(ctx context.Context, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	nodes := ch.c.Nodes()
	if kind == "split" {
		at := ch.rng.IntN(splitBelow)
		return execute(ctx, nodes[ch.rng.IntN(len(nodes))], fmt.Sprintf("ALTER TABLE %s SPLIT AT VALUES (%d)", ch.tables[ch.rng.IntN(len(ch.tables))], at))
	}
	rs, err := nodes[ch.rng.IntN(len(nodes))].Regions(ctx, "")
	if err != nil {
		return err
	}
	r := rs[1+ch.rng.IntN(len(rs)-1)] // the first is placement's
	here := map[uint64]bool{}
	for _, p := range r.Peers {
		here[p.NodeID] = true
	}
	switch kind {
	case "transfer":
		to := r.Peers[ch.rng.IntN(len(r.Peers))].NodeID
		return ch.c.CLI(ctx, "region", "transfer-leader", fmt.Sprint(r.ID), "--to", fmt.Sprint(to)).Err()
	case "move":
		for _, n := range nodes {
			if !here[n.ID] {
				from := r.Peers[ch.rng.IntN(len(r.Peers))].NodeID
				return ch.c.CLI(ctx, "region", "move-peer", fmt.Sprint(r.ID), "--from", fmt.Sprint(from), "--to", fmt.Sprint(n.ID)).Err()
			}
		}
		return fmt.Errorf("region %d is everywhere", r.ID)
	}
	return ch.c.CLI(ctx, "region", "merge", fmt.Sprint(r.ID)).Err()
}

// gaps compares the silences that the probers saw with the bars. A bar of a time says
// something only of a machine that has nothing else to do, and of many orders.
func (ch *churn) gaps(probers []*prober, from, to time.Time, bars bool) {
	var all []time.Duration
	for i, p := range probers {
		p.mu.Lock()
		last := from
		for _, a := range p.mu.acks {
			if a.at.After(from) && a.at.Before(to) {
				gap := a.at.Sub(last)
				if all = append(all, gap); gap >= churnGapP999 {
					ch.t.Logf("a gap of %v through node %d until %s", gap.Round(time.Millisecond), i+1, a.at.UTC().Format("15:04:05.000"))
				}
				last = a.at
			}
		}
		p.mu.Unlock()
		for text, n := range p.errors() {
			ch.t.Errorf("%d statements outside of a block failed: %s", n, text)
		}
	}
	slices.Sort(all)
	if len(all) == 0 {
		ch.t.Fatal("nothing was acknowledged")
	}
	q := func(f float64) time.Duration {
		return all[min(int(f*float64(len(all))), len(all)-1)].Round(time.Millisecond)
	}
	ch.t.Logf("gaps between %d acknowledged statements: p50 %v, p99 %v, p99.9 %v, longest %v", len(all), q(.5), q(.99), q(.999), q(1))
	longest, p999 := churnGapMax, churnGapP999
	if !bars {
		longest, p999 = gapMax, gapMax
	}
	if q(.999) >= p999 || q(1) >= longest {
		ch.t.Errorf("the bars are %v for p99.9 and %v for the longest", p999, longest)
	}
}

// total compares what the probers wrote with what is there, through each node: every
// acknowledged addition once. (None failed, so there is none of an unknown outcome.)
func (ch *churn) total(ctx context.Context, probers []*prober) {
	want := 0
	for _, p := range probers {
		want += len(p.numbers())
	}
	for _, n := range ch.c.Nodes() {
		conn, err := n.Connect(ctx)
		must(ch.t, err)
		var got int
		must(ch.t, conn.QueryRow(ctx, "SELECT sum(v) FROM churn").Scan(&got))
		must(ch.t, conn.Close(ctx))
		// The last statement of each prober may have been cut off.
		if got < want || got > want+len(probers) {
			ch.t.Errorf("node %d reads %d additions, %d were acknowledged", n.ID, got, want)
		}
	}
	if rs, err := ch.c.Regions(ctx, ""); err == nil {
		var ids []string
		for _, r := range rs {
			ids = append(ids, fmt.Sprint(r.ID))
		}
		ch.t.Logf("%d regions at the end: %s", len(rs), strings.Join(ids, " "))
	}
}
