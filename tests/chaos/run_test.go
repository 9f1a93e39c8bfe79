package chaos

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

var (
	workloadFlag = flag.String("workload", "append", "what clients do: a name, several by comma, or all")
	levelFlag    = flag.String("level", "repeatable-read", "isolation level: a name, several by comma, or all")
	nemesisFlag  = flag.String("nemesis", "kill-leader", "what hurts the cluster: a name, two joined by +, several by comma, or all")
	secondsFlag  = flag.Int("seconds", 5, "length of each run, without start, mending and final reads")
	seedFlag     = flag.Uint64("seed", 1, "of the choices of clients and nemeses")
	sliceFlag    = flag.Duration("slice", 0, "a slice of all runs that fits into this time and is another one each day")
)

// loads by name, in the order in which all of them run.
var loads = []struct {
	name string
	make func() load
}{
	{"append", newAppendLoad},
	{"bank", newBankLoad},
	{"bank-tables", newBankTablesLoad},
	{"register", newRegisterLoad},
	{"set", newSetLoad},
	{"predicate", newPredicateLoad},
	{"fork", newForkLoad},
	{"monotonic", newMonotonicLoad},
	{"unique", newUniqueLoad},
	{"ddl", newDDLLoad},
}

// TestRuns runs workloads on clusters of three processes under nemeses, and judges
// what the clients saw.
func TestRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes: not with -short")
	}
	if *sliceFlag > 0 {
		runSlice(t, *sliceFlag)
		return
	}
	for _, w := range choose(t, *workloadFlag, loadNames()) {
		for _, l := range choose(t, *levelFlag, levelNames()) {
			for _, n := range choose(t, *nemesisFlag, nemesisNames()) {
				oneRun(t, setting{w, l, n, time.Duration(*secondsFlag) * time.Second, *seedFlag})
			}
		}
	}
}

func loadNames() (out []string) {
	for _, l := range loads {
		out = append(out, l.name)
	}
	return out
}

func levelNames() (out []string) {
	for _, l := range levels {
		out = append(out, l.name)
	}
	return out
}

func nemesisNames() (out []string) {
	for _, n := range nemeses {
		out = append(out, n.name)
	}
	return out
}

// choose resolves a flag.
func choose(t *testing.T, flag string, all []string) []string {
	t.Helper()
	if flag == "all" {
		return all
	}
	names := strings.Split(flag, ",")
	for _, n := range names {
		for _, part := range strings.Split(n, "+") {
			if !slices.Contains(all, part) {
				t.Fatalf("%q is none of %s", part, strings.Join(all, ", "))
			}
		}
	}
	return names
}

// oneRun does one run as a subtest. If it fails, the history is kept. It reports
// whether the server offers the level.
func oneRun(t *testing.T, s setting) (offered bool) {
	t.Run(strings.Join([]string{s.Workload, s.Level, s.Nemesis}, "/"), func(t *testing.T) {
		t.Logf("repeat with: go test ./tests/chaos -run TestRuns -v %v", s)
		r := &run{setting: s, log: t.Logf, level: levels[slices.Index(levelNames(), s.Level)]}
		r.load = loads[slices.Index(loadNames(), s.Workload)].make()
		var ns []nemesis
		for _, n := range strings.Split(s.Nemesis, "+") {
			ns = append(ns, nemeses[slices.Index(nemesisNames(), n)])
			r.faulty = r.faulty || ns[len(ns)-1].faulty()
		}
		ctx := within(t, s.Time+4*time.Minute)
		opts := cluster.Options{Proxied: true}
		if r.faulty {
			opts.Binary = faultyBinary(t)
		}
		r.c = newClusterWith(t, opts)
		r.servers = nodesOf(r.c)
		must(t, r.c.Start(ctx, 3))
		conn, err := r.c.Nodes()[0].Connect(ctx)
		must(t, err)
		defer func() { _ = conn.Close(context.Background()) }() // all answers were read
		if err := r.level.offered(ctx, conn); err != nil {
			t.Skip(err)
		}
		offered = true
		must(t, r.load.setup(ctx, conn))
		must(t, split(ctx, conn, r.load))
		if err := r.execute(ctx, ns); err != nil {
			t.Errorf("%v\n%v", s, err)
			keep(t, r)
		}
	})
	return offered
}

// proxiedCluster is newCluster with a Network between the nodes.
func proxiedCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	return newClusterWith(t, cluster.Options{Proxied: true})
}

// keep writes the history of a failed run to a file that stays.
func keep(t *testing.T, r *run) {
	t.Helper()
	name := fmt.Sprintf("quorate-chaos-%s-%s-%s-%d-*.jsonl", r.Workload, r.Level, strings.ReplaceAll(r.Nemesis, "+", "-"), r.Seed)
	dir := os.Getenv("CHAOS_HISTORIES")
	if dir == "" {
		dir = os.TempDir()
	}
	f, err := os.CreateTemp(dir, name)
	if err != nil {
		t.Error(err)
		return
	}
	err = r.load.save(f)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		t.Error(err)
	}
	t.Logf("the history is kept in %s", filepath.Clean(f.Name()))
}

// runSlice does one run of each workload, each day with another level and nemesis,
// until the time is up.
func runSlice(t *testing.T, budget time.Duration) {
	began := time.Now()
	day := int(began.Unix() / 86400)
	pairs := nemesisNames()[1:]
	for i, w := range loadNames() {
		nemesis := pairs[(day+5*i)%len(pairs)]
		if i%3 == day%3 { // a third of the runs under two at once
			nemesis += "+" + pairs[(day/3+7*i+1)%len(pairs)]
		}
		for j := range levels {
			s := setting{w, levels[(day+i+j)%len(levels)].name, nemesis, sliceSeconds * time.Second, uint64(day)}
			if left := budget - time.Since(began); left < sliceRunMax {
				t.Logf("left out, the time is up: %v", s)
				break
			}
			if oneRun(t, s) {
				break
			}
		}
	}
}

const (
	// sliceSeconds is the length of a run of a slice, and sliceRunMax what it takes
	// with start, mending and final reads on two busy cores.
	sliceSeconds = 8
	sliceRunMax  = 25 * time.Second
)
