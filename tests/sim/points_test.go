package sim

import (
	"math/rand/v2"

	points "github.com/quorate-db/quorate/internal/fault"
)

// armed says that the power of whoever comes to a named point goes there.
type armed struct {
	point     string // empty: any
	countdown int    // hits until then
	crashes   int    // that are left
	percent   int    // of unsynced data that is kept
	seed      uint64
	dies      bool // with its disk, for good
}

// watchPoints hears of named points until the returned function is called. Without
// the build tag faults there are none.
func (w *world) watchPoints() func() {
	if p := w.plan; p.crashAt != "" {
		w.armed = &armed{point: p.crashAt, crashes: p.crashes, dies: p.diesThere}
		w.armed.again(w.rngFault)
	}
	return points.Watch(w.hit)
}

// again draws when and how the next crash comes: early ones more often than late
// ones, and nothing or all that is not synced kept as often as a part of it.
func (a *armed) again(r *rand.Rand) {
	a.countdown = 1 + r.IntN(1+r.IntN(12))
	a.percent = []int{0, 100, r.IntN(101)}[r.IntN(3)]
	a.seed = r.Uint64()
}

// hit is called where the product comes to a named point.
func (w *world) hit(point string) {
	n := w.running
	if n == nil || n.disk == nil || n.disk.burnt() != nil || w.failure != nil {
		return
	}
	w.trace.add(11, n.id, hashString(point))
	a := w.armed
	if a == nil || w.quiet || a.crashes == 0 || a.point != "" && a.point != point {
		return
	}
	if a.countdown--; a.countdown > 0 {
		return
	}
	w.say("store %d loses power at %s, %d %% of what is not synced is kept", n.id, point, a.percent)
	w.count("crashes at a point")
	n.doomed = a.dies
	n.disk.cutPower(a.percent, a.seed)
	if a.crashes--; a.crashes > 0 {
		a.again(w.rngFault)
	}
}
