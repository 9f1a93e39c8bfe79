package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

const (
	// heapStepBytes is by how much the heap may grow between two garbage collections at
	// least. A node that serves small statements keeps little and allocates much: with
	// the runtime's own rule, as much again as is kept, it would collect ten times a
	// second.
	heapStepBytes = 64 << 20
	// gcPercentMin is the runtime's own rule, for heaps above heapStepBytes.
	gcPercentMin = 100
	// gcPercentMax bounds what a heap that is nearly empty is set to.
	gcPercentMax = 1600
)

// paceCollections sets the pace of the garbage collector after each collection, for as
// long as the process lives. Whoever sets GOGC knows better. A memory limit counts first
// in any case.
func paceCollections() {
	if os.Getenv("GOGC") != "" {
		return
	}
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var again func(struct{})
	again = func(struct{}) {
		metrics.Read(sample)
		live := uint64(0)
		if sample[0].Value.Kind() == metrics.KindUint64 {
			live = sample[0].Value.Uint64()
		}
		debug.SetGCPercent(gcPercent(live))
		// The next collection finds that nobody holds the object.
		runtime.AddCleanup(&struct{ _ *int }{}, again, struct{}{})
	}
	again(struct{}{})
}

// gcPercent is how much a heap may grow of which so many bytes are kept, in per cent.
func gcPercent(live uint64) int {
	return int(min(max(100*heapStepBytes/max(live, 1), gcPercentMin), gcPercentMax))
}
