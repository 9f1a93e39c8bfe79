package sim

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

var (
	flagSeeds  = flag.Int("seeds", 50, "how many seeds TestSeeds runs")
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
	t.Cleanup(func() { runtime.GOMAXPROCS(n) })
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
	for seed := first; seed < first+uint64(n); seed++ {
		p := newPlan(seed).without(drop)
		at := time.Now()
		r := simulate(p, mutant{}, verbose)
		t.Logf("seed %d: %d steps, %v virtual, %v real, writable after %v, hash %016x; %s", seed, r.steps, r.virtual.Round(time.Millisecond),
			time.Since(at).Round(time.Millisecond), r.longest.Round(time.Millisecond), r.hash, r.stats)
		if r.failure == nil {
			continue
		}
		failed++
		fail(t, r, drop)
		if failed >= *flagMost {
			t.Fatalf("%d seeds failed, no more are run", failed)
		}
	}
	t.Logf("%d seeds in %v", n, time.Since(begun).Round(time.Millisecond))
}

// fail prints what broke and how to see it again, with as few faults as possible.
func fail(t *testing.T, r *report, drop map[int]bool) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %v\n", r.plan.seed, r.failure)
	fmt.Fprintf(&b, "again: go test ./tests/sim -run 'TestSeeds$' -v -seed %d", r.plan.seed)
	if len(drop) > 0 {
		fmt.Fprintf(&b, " -drop %s", *flagDrop)
	}
	b.WriteByte('\n')
	if *flagShrink {
		smaller, dropped := shrink(r, drop)
		if len(dropped) > len(drop) {
			fmt.Fprintf(&b, "still fails (%s) with fewer faults: -seed %d -drop %s\n", smaller.failure.name, r.plan.seed, list(dropped))
			r = smaller
		}
	}
	p := r.plan
	fmt.Fprintf(&b, "stores %d, voters at first %d, leases %v, splits %v, transfers %v, membership %v, net %+v\n", p.stores, p.voters, !p.noLeases, p.split, p.transfer, p.membership, p.net)
	for _, f := range r.plan.faults {
		fmt.Fprintf(&b, "  fault %v\n", f)
	}
	fmt.Fprintf(&b, "%v\nthe last steps:\n  %s", r.failure, strings.Join(r.failure.tail, "\n  "))
	t.Error(b.String())
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

// shrink leaves faults out, one after the other, as long as the run still fails.
func shrink(r *report, drop map[int]bool) (*report, map[int]bool) {
	out := make(map[int]bool)
	for i := range drop {
		out[i] = true
	}
	for _, f := range r.plan.faults {
		out[f.id] = true
		if s := simulate(newPlan(r.plan.seed).without(out), mutant{}, nil); s.failure != nil {
			r = s
		} else {
			delete(out, f.id)
		}
	}
	return r, out
}

// The same seed gives the same run, event by event.
func TestSameSeedSameTrace(t *testing.T) {
	oneProcessor(t)
	for seed := uint64(1); seed <= 4; seed++ {
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
