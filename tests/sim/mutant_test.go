package sim

import (
	"slices"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/region"
)

// mutant is a mistake put in from outside, between a store and its disk or clock:
// what no change of the product's source would express. Those that are mistakes of
// the product are in tests/mutants. The zero value makes none.
type mutant struct {
	// swallow names the part of the store whose write-ahead log is never synced.
	swallow string
	// wildClocks makes a leader's clock four times slower than the others', and cuts
	// it off.
	wildClocks bool
}

func (m mutant) swallows() string { return m.swallow }

// change adapts a plan.
func (m mutant) change(p *plan) *plan {
	if !m.wildClocks {
		return p
	}
	c := *p
	c.faults = slices.Clone(p.faults)
	for i := range c.faults {
		if f := &c.faults[i]; f.kind == rateChange || i%3 == 0 {
			f.kind = isolate
		}
	}
	return &c
}

// isolating chooses whom to cut off: the leader, whose clock becomes four times
// slower than the others'.
func (m mutant) isolating(w *world, n *node) *node {
	if !m.wildClocks {
		return n
	}
	term := w.check.newest[region.FirstUserID]
	if l := w.node(w.check.leaders[[2]uint64{region.FirstUserID, term}]); l != nil {
		n = l
	}
	for _, o := range w.nodes {
		o.clock.setRate(2)
	}
	n.clock.setRate(0.5)
	return n
}

// opened is called before a store is opened on its engines.
func (m mutant) opened(n *node) {
	if m.swallow != "" {
		n.disk.swallow(m.swallow)
	}
}

// Seeded mistakes of the surroundings are found: for each some seed fails, which is
// printed.
func TestMutantsAreCaught(t *testing.T) {
	oneProcessor(t)
	for _, c := range []struct {
		name  string
		m     mutant
		first uint64 // where to begin: a seed that caught it when this was written
		seeds uint64 // to look through
	}{
		{"a disk that never syncs the log", mutant{swallow: "/log/"}, 1, 20},
		{"a disk that never syncs the state", mutant{swallow: "/state/"}, 1, 20},
		{"clock rates beyond what leases allow", mutant{wildClocks: true}, 156, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := c.first; seed < c.first+c.seeds; seed++ {
				if r := simulate(c.m.change(newPlan(seed)), c.m, nil); r.failure != nil {
					what, _, _ := strings.Cut(r.failure.Error(), "\n")
					t.Logf("caught by seed %d: %s", seed, what)
					return
				}
			}
			t.Errorf("%d seeds do not notice", c.seeds)
		})
	}
}

// Rule A4: with clocks that differ four times reads are still right when no lease
// is trusted.
func TestWildClocksWithoutLeases(t *testing.T) {
	oneProcessor(t)
	m := mutant{wildClocks: true}
	for seed := uint64(155); seed < 157; seed++ {
		p := m.change(newPlan(seed))
		p.noLeases = true
		if r := simulate(p, m, nil); r.failure != nil {
			t.Errorf("seed %d: %v", seed, r.failure)
		}
	}
}
