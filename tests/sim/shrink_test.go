package sim

import (
	"testing"
)

// A failure that one power loss explains is reduced to very few faults, in fewer
// runs than there are faults to try, and what is left out reproduces it.
func TestShrink(t *testing.T) {
	oneProcessor(t)
	m := mutant{swallow: "/log/"}
	run := func(drop map[int]bool) *report { return simulate(newPlan(3).without(drop), m, nil) }
	r := run(nil)
	if r.failure == nil {
		t.Fatal("the seed does not notice that the log is never synced")
	}
	smaller, dropped, runs := shrink(r, nil, run)
	before, after := len(r.plan.faults), len(smaller.plan.faults)
	t.Logf("%d faults, then %d, in %d runs: %v", before, after, runs, smaller.failure.name)
	if before < 10 || after > 2 || runs > before {
		t.Errorf("%d faults are left of %d, in %d runs", after, before, runs)
	}
	if again := run(dropped); again.failure == nil || again.hash != smaller.hash {
		t.Errorf("without %s it fails otherwise, or not at all", list(dropped))
	}
}
