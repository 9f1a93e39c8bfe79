package sim

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	points "github.com/quorate-db/quorate/internal/fault"
)

var (
	flagSeeds  = flag.Int("seeds", 20, "how many seeds TestSeeds runs")
	flagFirst  = flag.Uint64("first", 1, "the first seed")
	flagSeed   = flag.Uint64("seed", 0, "run this seed alone")
	flagTrace  = flag.Bool("trace", false, "print every event")
	flagDrop   = flag.String("drop", "", "faults of the plan to leave out, separated by commas")
	flagMost   = flag.Int("most", 5, "how many failing seeds end the run")
	flagShrink = flag.Bool("shrink", true, "look for a smaller plan when a seed fails")
)

// oneProcessor makes the goroutines that Pebble keeps run in turns.
func oneProcessor(t *testing.T) {
	n := runtime.GOMAXPROCS(1)
	// The heap is small: collect it less often.
	gc := debug.SetGCPercent(400)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(n)
		debug.SetGCPercent(gc)
	})
}

func dropped(t *testing.T) map[int]bool {
	drop := make(map[int]bool)
	for _, s := range strings.Split(*flagDrop, ",") {
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("-drop %s: %v", *flagDrop, err)
		}
		drop[n] = true
	}
	return drop
}

// Whole stores keep their promises under drawn faults; every seed contains crashes
// that drop all unsynced data.
func TestSeeds(t *testing.T) {
	oneProcessor(t)
	first, n := *flagFirst, *flagSeeds
	if *flagSeed != 0 {
		first, n = *flagSeed, 1
	}
	drop := dropped(t)
	var verbose io.Writer
	if *flagTrace {
		verbose = os.Stdout
	}
	begun := time.Now()
	failed := 0
	var steps, messages uint64
	var virtual time.Duration
	for seed := first; seed < first+uint64(n); seed++ {
		p := newPlan(seed).without(drop)
		at := time.Now()
		r := simulate(p, mutant{}, verbose)
		t.Logf("seed %d: %d steps, %v virtual, %v real, writable after %v, hash %016x; %s", seed, r.steps, r.virtual.Round(time.Millisecond),
			time.Since(at).Round(time.Millisecond), r.longest.Round(time.Millisecond), r.hash, r.stats)
		steps, messages, virtual = steps+r.steps, messages+uint64(r.counts["messages"]), virtual+r.virtual
		if r.failure == nil {
			if r.virtual < time.Minute {
				t.Errorf("seed %d: %v of virtual time, a minute is wanted", seed, r.virtual)
			}
			continue
		}
		failed++
		fail(t, r, drop)
		if failed >= *flagMost {
			t.Fatalf("%d seeds failed, no more are run", failed)
		}
	}
	took := time.Since(begun)
	// Printed without -v too, and in the order of the seeds: a long run is judged by it.
	fmt.Printf("seeds %d to %d: %d failed; %v of virtual time in %v, %d steps (%.0f a second), %d messages (%.0f a second)\n",
		first, first+uint64(n)-1, failed, virtual.Round(time.Second), took.Round(time.Millisecond),
		steps, float64(steps)/took.Seconds(), messages, float64(messages)/took.Seconds())
}

// fail prints what broke and how to see it again, with as few faults as possible.
func fail(t *testing.T, r *report, drop map[int]bool) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n", r.plan.seed, r.failure)
	fmt.Fprintf(&b, "again: go test%s ./tests/sim -run 'TestSeeds$' -v -seed %d", tags(), r.plan.seed)
	if len(drop) > 0 {
		fmt.Fprintf(&b, " -drop %s", *flagDrop)
	}
	b.WriteByte('\n')
	if *flagShrink {
		smaller, dropped, runs := shrink(r, drop, func(drop map[int]bool) *report { return simulate(r.plan.without(drop), mutant{}, nil) })
		if len(dropped) > len(drop) {
			fmt.Fprintf(&b, "still fails (%s) with %d of %d faults, found in %d runs: -seed %d -drop %s\n", smaller.failure.name,
				len(smaller.plan.faults), len(r.plan.faults), runs, r.plan.seed, list(dropped))
			r = smaller
		}
	}
	p := r.plan
	fmt.Fprintf(&b, "stores %d, voters at first %d, leases %v, wild clocks %v, splits %v, transfers %v, membership %v, by placement %v, net %+v\nsettings: %v\n",
		p.stores, p.voters, !p.noLeases, p.wild, p.split, p.transfer, p.membership, p.placed, p.net, p.settings)
	for _, f := range r.plan.faults {
		fmt.Fprintf(&b, "  fault %v\n", f)
	}
	fmt.Fprintf(&b, "%v\nthe last steps:\n  %s", r.failure, strings.Join(r.failure.tail, "\n  "))
	t.Error(b.String())
}

// tags are what the test was built with, for whoever wants to see a run again: with
// the build tag faults, plans have more faults.
func tags() string {
	if points.Enabled {
		return " -tags faults"
	}
	return ""
}

func list(drop map[int]bool) string {
	var out []string
	for i := range 1000 {
		if drop[i] {
			out = append(out, strconv.Itoa(i))
		}
	}
	return strings.Join(out, ",")
}

// shrink leaves faults out by bisection, as long as the run still fails: first one
// half of them and the other, then quarters, down to single ones. run simulates the
// plan without some faults. It returns the last run that failed, what is left out of
// its plan, and how many runs that took.
func shrink(r *report, drop map[int]bool, run func(drop map[int]bool) *report) (*report, map[int]bool, int) {
	var kept []int
	for _, f := range r.plan.faults {
		kept = append(kept, f.id)
	}
	out := maps.Clone(drop)
	if out == nil {
		out = make(map[int]bool)
	}
	runs := 0
	for size := (len(kept) + 1) / 2; size > 0 && len(kept) > 0; size /= 2 {
		for at := 0; at < len(kept); {
			end := min(at+size, len(kept))
			try := maps.Clone(out)
			for _, id := range kept[at:end] {
				try[id] = true
			}
			runs++
			if s := run(try); s.failure != nil {
				r, out = s, try
				kept = slices.Delete(kept, at, end)
			} else {
				at = end
			}
		}
	}
	return r, out, runs
}

// The same seed gives the same run, event by event.
func TestSameSeedSameTrace(t *testing.T) {
	oneProcessor(t)
	for seed := uint64(1); seed <= 3; seed++ {
		a := simulate(newPlan(seed), mutant{}, nil)
		b := simulate(newPlan(seed), mutant{}, nil)
		if a.hash != b.hash || a.steps != b.steps {
			t.Errorf("seed %d: %d steps with hash %016x, then %d with %016x", seed, a.steps, a.hash, b.steps, b.hash)
		}
	}
	if a, b := simulate(newPlan(1), mutant{}, nil), simulate(newPlan(2), mutant{}, nil); a.hash == b.hash {
		t.Error("two seeds give the same run")
	}
}
