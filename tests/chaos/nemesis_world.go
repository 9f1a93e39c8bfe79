package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// What is wrong with the clock and the disk of a node lies in a file that its process
// obeys, for a test build (cluster.BuildFaulty). The machine's own are left alone.

// world hurts one node by such words; mend ends that.
func (f *faults) world(rng *rand.Rand, what, text string) (string, *cluster.Node, func(context.Context) error, error) {
	nodes := f.claim(rng, 1, 0)
	if len(nodes) == 0 {
		return "", nil, nil, nil
	}
	n := nodes[0]
	if err := n.SetFaults(text); err != nil {
		f.release(nodes)
		return "", nil, nil, err
	}
	return fmt.Sprintf("%s of node %d: %s", what, n.ID, text), n, func(context.Context) error {
		defer f.release(nodes)
		return n.SetFaults("")
	}, nil
}

// clockJump sets a node's wall clock back or forth by up to an hour, and back again.
func clockJump(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	d := between(rng, time.Second, time.Hour).Truncate(time.Second)
	if rng.IntN(2) == 0 {
		d = -d
	}
	what, _, mend, err := f.world(rng, "the clock", fmt.Sprintf("clock offset=%v", d))
	return what, mend, err
}

// clockRate lets a node's time pass too fast or too slowly, within what leases allow
// for (rule A4).
func clockRate(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	what, _, mend, err := f.world(rng, "the clock", fmt.Sprintf("clock rate=%.3f", 0.95+0.1*rng.Float64()))
	return what, mend, err
}

// diskSlow makes each sync of a node take longer, up to standing still.
func diskSlow(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	d := between(rng, 5*time.Millisecond, 3*time.Second).Round(time.Millisecond)
	what, _, mend, err := f.world(rng, "the disk", fmt.Sprintf("disk slow=%v", d))
	return what, mend, err
}

// diskError makes syncs or writes of a node fail. The process must end by itself, and
// at once: what a failed sync has left is not known.
func diskError(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	what, n, mend, err := f.world(rng, "the disk", "disk "+[]string{"eio", "enospc"}[rng.IntN(2)])
	if what == "" || err != nil {
		return what, nil, err
	}
	return what, func(ctx context.Context) error {
		err := n.WaitEnd(failWithin)
		if err == nil {
			err = n.SetFaults("")
		}
		if err == nil {
			err = n.Start(ctx) // still claimed: nobody else may hurt it meanwhile
		}
		return errors.Join(err, mend(ctx))
	}, nil
}

// diskFull lets a node's file system say that there is no room: it refuses writes and
// goes on.
func diskFull(_ context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	what, _, mend, err := f.world(rng, "the disk", "disk full")
	return what, mend, err
}

// failWithin is how soon after its disk has failed a process must be over: idle
// regions write nothing, but each heartbeat syncs.
const failWithin = 5 * time.Second
