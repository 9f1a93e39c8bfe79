package liveness

import (
	"flag"
	"testing"
	"time"
)

var (
	flagRuns  = flag.Int("model-runs", 1500, "how many seeds the model runs")
	flagFirst = flag.Uint64("model-first", 1, "the model's first seed")
	flagFull  = flag.Bool("model-full", false, "search for violations from the first seed on, not from where one is known")
)

func run(p params) (*world, *violation) {
	w := newWorld(p)
	return w, w.run()
}

func honest(seed uint64) params {
	return params{seed: seed, regions: 1 + int(seed%2), rateMin: 0.95, rateMax: 1.05, chaos: 20 * time.Second}
}

// At clock rates within 5 % no region ever has a lease beside a newer leader, no
// read is stale, and every region is led again when the faults stop.
func TestModel(t *testing.T) {
	begun := time.Now()
	steps, stats := 0, map[string]int{}
	var virtual time.Duration
	for i := range *flagRuns {
		seed := *flagFirst + uint64(i)
		w, v := run(honest(seed))
		steps += w.steps
		virtual += w.now
		for k, n := range w.stats {
			stats[k] += n
		}
		if v != nil {
			t.Fatalf("seed %d: %v", seed, v)
		}
	}
	t.Logf("%d runs, %d steps, %v of virtual time in %v: %v", *flagRuns, steps, virtual, time.Since(begun).Round(time.Millisecond), stats)
}

// searchMax bounds the seeds of a search.
const searchMax = 30000

// search runs seeds, from first on, until one breaks a promise of that name.
func search(t *testing.T, name string, first uint64, change func(*params)) {
	t.Helper()
	if *flagFull {
		first = 1
	}
	begun := time.Now()
	steps := 0
	others := map[string]int{}
	for seed := first; seed < first+searchMax; seed++ {
		p := honest(seed)
		change(&p)
		w, v := run(p)
		steps += w.steps
		if v == nil {
			continue
		}
		if v.what == name {
			t.Logf("found after %d seeds, %d steps, %v (others: %v): %v", seed-first+1, steps, time.Since(begun).Round(time.Millisecond), others, v)
			return
		}
		others[v.what]++
	}
	t.Errorf("%d seeds (%d steps) do not find: %s; they find %v", searchMax, steps, name, others)
}

// Without each rule the model finds the schedule that the rule prevents.
func TestModelMutants(t *testing.T) {
	for _, c := range []struct {
		name, finds string
		first       uint64 // where to begin: a seed a little before one that was found
		mut         mutation
	}{
		{"A1: epochs do not name the supporting process", "two leases", 1300, mutation{a1: true}},
		{"A2: votes count for the lease", "two leases", 1950, mutation{a2: true}},
		{"A3: a failed transfer gives the lease back", "two leases", 1, mutation{a3: true}},
		{"A5: support passes to a restarted process", "no leader", 1, mutation{a5: true}},
		{"A6: heartbeats need no echo", "no leader", 1, mutation{a6: true}},
		{"A11: a restarted store votes", "two leases", 1800, mutation{a11: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.mut.twoLeasesOnly = true
			search(t, c.finds, c.first, func(p *params) { p.mut = c.mut })
		})
	}
}

// Rule A4: at clock rates of 0.5 to 2 there are two leases.
func TestModelWildClocks(t *testing.T) {
	search(t, "two leases", 1, func(p *params) {
		p.rateMin, p.rateMax = 0.5, 2
		p.mut.twoLeasesOnly = true
	})
}

// Rule A4: without leases reads are right at any clock rates.
func TestModelWildClocksWithoutLeases(t *testing.T) {
	reads := 0
	for seed := uint64(1); seed <= uint64(*flagRuns); seed++ {
		p := honest(seed)
		p.rateMin, p.rateMax, p.mut.noLeases = 0.5, 2, true
		w, v := run(p)
		if v != nil {
			t.Fatalf("seed %d: %v", seed, v)
		}
		reads += w.stats["quorum reads"]
	}
	t.Logf("%d reads", reads)
}
