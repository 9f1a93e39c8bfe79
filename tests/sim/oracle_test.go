package sim

import (
	"errors"
	"strconv"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/placement/tso"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/store"
)

// windows gives timestamps as the placement service does: at the leader of the
// placement region, from the product's oracle, by the machine's own clock, within a
// bound that is stored first. Those timestamps are only checked; transactions take
// theirs from world.oracle, which is always there.
type windows struct {
	w     *world
	lives []windowed          // by node
	given map[uint64]bool     // every timestamp that was handed out
	floor timestamp.Timestamp // the newest one that somebody was told
}

// windowed is what one process knows while it leads.
type windowed struct {
	life   uint64
	term   uint64
	oracle *tso.Oracle // nil: it is taking over
	busy   bool
}

var boundKey = []byte("\x01bound")

func newWindows(w *world) *windows { return &windows{w: w, given: make(map[uint64]bool)} }

func (o *windows) run() {
	w := o.w
	o.lives = make([]windowed, len(w.nodes))
	for i, n := range w.nodes {
		var loop func()
		loop = func() {
			w.after(between(w.rngDisk, 30*time.Millisecond, 70*time.Millisecond), "timestamps", func() {
				n.whenAwake(func() {
					if !w.quiet {
						o.follow(n, &o.lives[i])
						loop()
					}
				})
			})
		}
		loop()
	}
	var ask func()
	ask = func() {
		w.after(between(w.rngClient, 5*time.Millisecond, 200*time.Millisecond), "ask for a timestamp", func() {
			if !w.quiet {
				o.ask(w.rngClient.IntN(len(w.nodes)))
				ask()
			}
		})
	}
	ask()
}

// follow brings a process in line with its leadership and keeps its window ahead.
func (o *windows) follow(n *node, l *windowed) {
	if n.s == nil {
		return
	}
	term, leads := n.s.Local(region.PlacementID).Leader()
	switch {
	case !leads:
		*l = windowed{}
	case l.term != term || l.life != n.life:
		*l = windowed{life: n.life, term: term, busy: true}
		o.takeOver(n, l)
	case l.oracle != nil && !l.busy:
		if bound, due := l.oracle.NextBound(n.clock.Now(), n.clock.Now().Unix()%20 < 10); due {
			l.busy = true
			o.store(n, l, bound, func() { l.oracle.Extend(bound) })
		}
	}
	n.kick()
}

// same has f run if the process still lives in that term.
func (o *windows) same(n *node, l *windowed, f func()) func() {
	life, term := n.life, l.term
	return func() {
		if n.life == life && l.life == life && l.term == term && !n.dying() {
			f()
		}
	}
}

func (o *windows) takeOver(n *node, l *windowed) {
	w := o.w
	again := o.same(n, l, func() { *l = windowed{} })
	n.s.Local(region.PlacementID).ReadRawAsync(boundKey, append(boundKey[:len(boundKey):len(boundKey)], 0), func(kvs []store.KV, err error) {
		if err != nil {
			again()
			return
		}
		o.same(n, l, func() {
			var stored timestamp.Timestamp
			if len(kvs) > 0 {
				v, err := strconv.ParseUint(string(kvs[0].Value), 10, 64)
				if err != nil {
					w.violate("answers make sense", "bound of timestamps: %v", err)
				}
				stored = timestamp.Timestamp(v)
			}
			fresh := tso.New(stored, n.clock.Now())
			bound, _ := fresh.NextBound(n.clock.Now(), false)
			o.store(n, l, bound, func() {
				fresh.Extend(bound)
				l.oracle = fresh
				w.count("oracles")
			})
		})()
	})
	n.kick()
}

// store writes a bound and calls done once it is there.
func (o *windows) store(n *node, l *windowed, bound timestamp.Timestamp, done func()) {
	kv := store.KV{Key: boundKey, Value: []byte(strconv.FormatUint(uint64(bound), 10))}
	ok := o.same(n, l, func() { l.busy = false; done() })
	failed := o.same(n, l, func() { *l = windowed{} })
	n.s.Local(region.PlacementID).WriteRawAsync(l.term, []store.KV{kv}, nil, func(err error) {
		if err == nil {
			ok()
			return
		}
		if e := (*region.Error)(nil); !errors.As(err, &e) {
			o.w.violate("answers make sense", "bound of timestamps: %v", err)
		}
		failed()
	})
}

// ask wants a timestamp of a process, which gives one if it leads for certain.
func (o *windows) ask(i int) {
	w := o.w
	n, l := w.nodes[i], &o.lives[i]
	if n.s == nil || n.asleep() || l.oracle == nil || l.life != n.life {
		return
	}
	floor, term, life := o.floor, l.term, n.life
	n.s.Local(region.PlacementID).LeaseAsync(func(t uint64, err error) {
		if err != nil || t != term || n.life != life || l.term != term || l.oracle == nil || n.dying() {
			return
		}
		ts, err := l.oracle.Grant(n.clock.Now(), 1, 0)
		if err != nil {
			return
		}
		w.trace.add(12, n.id, uint64(ts))
		w.count("timestamps")
		if o.given[uint64(ts)] || ts <= floor {
			w.violate("timestamps rise and never repeat", "store %d gives %v in term %d, %v was given before the request", n.id, ts, term, floor)
		}
		o.given[uint64(ts)] = true
		o.floor = max(o.floor, ts)
	})
	n.kick()
}
