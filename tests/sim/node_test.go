package sim

import (
	"context"
	"errors"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/store"
	"github.com/quorate-db/quorate/storage/engine"
)

const storeDir = "/store"

// node is one machine: a disk, a clock, and a store while it is up.
type node struct {
	w     *world
	id    uint64
	first []*metapb.Region // what an empty disk begins with
	mem   *engine.MemFS    // what the next start finds, while it is down
	disk  *disk            // while it is up
	clock *simClock
	eng   *store.Engines
	s     *store.Store
	port  *port
	life  uint64 // starts and ends, counted
	fatal error

	pollAt     time.Duration // of the next poll that is scheduled; 0: none
	pollSeq    uint64
	sleepUntil time.Duration // stopped by a signal until then
	slowDisk   int           // faults that make it slow
	lazySync   int           // faults that hold the sync of the state engine up
	full       int           // faults that fill the disk
	dead       bool          // for good: the disk is lost
	doomed     bool          // it dies when its power goes
	failState  bool          // the next sync of the state engine that is asked for fails
	ingested   bool          // in this step
}

func newNode(w *world, id uint64) *node {
	return &node{
		w: w, id: id, mem: engine.NewCrashableMemFS(),
		clock: &simClock{w: w, rate: w.plan.rates[id-1]},
	}
}

func (n *node) asleep() bool { return n.w.now < n.sleepUntil }

// dying reports that the power went while the store was at work: whatever it
// tells anybody from then on was never said.
func (n *node) dying() bool {
	return n.disk == nil || n.disk.burnt() != nil
}

// whenAwake runs f now, or when the machine goes on.
func (n *node) whenAwake(f func()) {
	if n.asleep() {
		n.w.after(n.sleepUntil-n.w.now, "wake", func() { n.whenAwake(f) })
		return
	}
	f()
}

func (n *node) openEngines() error {
	w := n.w
	n.disk = newDisk(n.mem)
	n.disk.setFull(n.full > 0)
	if n.life > 1 && !w.quiet && chance(w.rngFault, w.plan.crashStart) {
		n.disk.lightFuse(1+w.rngFault.IntN(6), w.rngFault.IntN(2) == 0, w.rngFault.IntN(101), w.rngFault.Uint64())
	}
	eng, err := store.OpenEngines(store.EngineOptions{
		Dir: storeDir, FS: n.disk, Cache: n.w.cache, DeterministicForSim: true, MemTableBytes: 32 << 20,
	})
	if err != nil {
		return err
	}
	letBackgroundRun()
	n.eng = eng
	return nil
}

func (n *node) ident() store.Ident { return store.Ident{ClusterID: 7, StoreID: n.id, NodeID: n.id} }

// run marks that the code of this machine runs while f does.
func (n *node) run(f func()) {
	was := n.w.running
	n.w.running = n
	f()
	n.w.running = was
}

// start opens the store on what its disk holds.
func (n *node) start() { n.run(n.open) }

// join gives an empty store its identity and its first regions.
func (n *node) join() error {
	_, found, err := n.eng.Ident()
	if err != nil || found {
		return err
	}
	if len(n.first) == 0 {
		return n.eng.WriteIdent(n.ident())
	}
	return store.Bootstrap(n.eng, n.ident(), n.first)
}

func (n *node) open() {
	w := n.w
	n.life++
	n.pollAt, n.fatal = 0, nil
	if n.eng == nil {
		if err := n.openEngines(); err != nil {
			w.violate("a store can be opened", "engines of store %d: %v", n.id, err)
			return
		}
	}
	if err := n.join(); err != nil {
		w.violate("a store can be opened", "identity of store %d: %v", n.id, err)
		return
	}
	w.mutant.opened(n)
	w.check.opening(n)
	s, err := store.Open(n.eng, store.Options{
		Transport: func(r multiraft.Receiver, h multiraft.SnapshotHandler) (multiraft.Transport, error) {
			n.port = &port{net: w.net, n: n, life: n.life, recv: r, snap: h}
			return n.port, nil
		},
		Timestamps: func(context.Context) (timestamp.Timestamp, error) {
			if w.oracle.away {
				return 0, errors.New("injected: the oracle is away")
			}
			return w.oracle.next(), nil
		},
		Clock: n.clock, Rand: env.SeededRand(w.rngDisk.Uint64()), Logger: w.logger,
		Fatal:    func(err error) { n.fatal = err },
		Observer: w.check, Manual: true, SnapshotBytesPerSecond: -1,
		OldLocks: w.collect.oldLocks,
		Raft:     w.plan.settings.raft, DisableLeases: w.plan.noLeases, Splits: splitPlanner{w}, SplitSizeBytes: w.plan.splitSize,
	})
	if err != nil {
		w.violate("a store can be opened", "store %d: %v", n.id, err)
		return
	}
	n.s = s
	w.say("store %d starts", n.id)
	w.count("starts")
	w.check.opened(n)
	if !n.settle() {
		return
	}
	life := n.life
	n.tickLater(life, between(w.rngDisk, 0, multiraft.TickInterval))
	n.livenessLater(life, between(w.rngDisk, 0, 20*time.Millisecond))
	n.syncLater(life)
	n.flushLater(life)
	n.kick()
}

// splitPlanner gives ids to splits by size.
type splitPlanner struct{ w *world }

func (p splitPlanner) AllocIDs(_ context.Context, n int) (uint64, error) {
	if p.w.oracle.away {
		return 0, errors.New("injected: placement is away")
	}
	p.w.count("splits by size")
	return p.w.newIDs(n), nil
}

// alive reports whether the store is still the one of that life.
func (n *node) alive(life uint64) bool { return n.life == life && n.s != nil }

func (n *node) tickLater(life uint64, d time.Duration) {
	w := n.w
	w.after(n.clock.toReal(d), "tick", func() {
		n.whenAwake(func() {
			if !n.alive(life) {
				return
			}
			n.run(n.s.Tick)
			if !n.alive(life) {
				return
			}
			if ids := n.s.Overslept(); len(ids) > 0 {
				w.violate("who wants a tick gets it", "store %d: regions %v sleep", n.id, ids)
			}
			n.kick()
			next := multiraft.TickInterval
			if !w.quiet && chance(w.rngDisk, w.plan.lateTicks) {
				next += between(w.rngDisk, 0, 2*multiraft.TickInterval)
			}
			n.tickLater(life, next)
		})
	})
}

// livenessLater does what is due of store liveness.
func (n *node) livenessLater(life uint64, d time.Duration) {
	w := n.w
	w.after(n.clock.toReal(max(d, time.Millisecond)), "liveness", func() {
		n.whenAwake(func() {
			if !n.alive(life) {
				return
			}
			next := n.s.TickLiveness()
			n.kick()
			if !w.quiet && chance(w.rngDisk, w.plan.lateTicks) {
				next += between(w.rngDisk, 0, 300*time.Millisecond)
			}
			n.livenessLater(life, next)
		})
	})
}

// syncLater makes the state engine durable about once a second, and now and then
// only lets its writes reach the operating system.
func (n *node) syncLater(life uint64) {
	w := n.w
	d := between(w.rngDisk, 700*time.Millisecond, 1300*time.Millisecond)
	if n.lazySync > 0 {
		d += between(w.rngDisk, 0, 4*time.Second)
	}
	if w.plan.eagerSync {
		d /= 10
	}
	w.after(d, "state sync", func() {
		n.whenAwake(func() {
			if !n.alive(life) {
				return
			}
			if !w.quiet && chance(w.rngDisk, 0.3) {
				n.disk.swallow("/state/")
				err := n.eng.State.Sync()
				n.disk.swallow(w.mutant.swallows())
				if err != nil && n.disk.broken() {
					n.fatal = err
				} else if err != nil {
					w.violate("writes reach the system", "store %d: %v", n.id, err)
					return
				}
			} else {
				w.check.syncing(n)
				if n.failState && !n.disk.risky() {
					// Here only: where it syncs by itself Pebble ends the process.
					n.failState = false
					n.disk.failSyncs("/state/", 1)
				}
				var err error
				n.run(func() { err = n.s.SyncState() })
				switch {
				case err != nil && !n.disk.broken():
					w.violate("the state engine can be synced", "store %d: %v", n.id, err)
					return
				case err != nil:
					n.fatal = err // as the goroutine that syncs does
				case !n.dying():
					w.check.synced(n)
				}
			}
			n.settle()
			n.kick()
			if n.alive(life) {
				n.syncLater(life)
			}
		})
	})
}

// flushLater writes the memtables out now and then, which Pebble does by itself
// when they are full.
func (n *node) flushLater(life uint64) {
	w := n.w
	if w.plan.flushEvery == 0 {
		return
	}
	w.after(between(w.rngDisk, w.plan.flushEvery/2, w.plan.flushEvery*3/2), "flush", func() {
		n.whenAwake(func() {
			if !n.alive(life) {
				return
			}
			e := n.eng.State
			if chance(w.rngDisk, 0.5) {
				e = n.eng.Log
			}
			if !n.disk.risky() {
				if err := e.Flush(); err != nil {
					w.violate("memtables can be flushed", "store %d: %v", n.id, err)
				}
				w.count("flushes")
			}
			n.settle()
			if n.alive(life) {
				n.flushLater(life)
			}
		})
	})
}

// kick schedules a poll soon: something came in.
func (n *node) kick() { n.pollIn(between(n.w.rngDisk, 5*time.Microsecond, 100*time.Microsecond)) }

func (n *node) pollIn(d time.Duration) {
	if n.s == nil {
		return
	}
	at := n.w.now + d
	if n.pollAt != 0 && n.pollAt <= at {
		return
	}
	n.pollAt = at
	n.pollSeq++
	life, seq := n.life, n.pollSeq
	n.w.after(d, "poll", func() {
		n.whenAwake(func() {
			if n.alive(life) && n.pollSeq == seq {
				n.pollAt = 0
				n.poll()
			}
		})
	})
}

// poll does one piece of the store's work and schedules the next. What is left
// after a round is mostly the write of the log, which takes as long as the disk
// does; whatever comes in meanwhile is handled before it.
func (n *node) poll() {
	w := n.w
	before := n.s.Stats().Driver
	busy := false
	n.run(func() { busy = n.s.Poll() })
	if n.ingested {
		n.ingested = false
		letBackgroundRun()
	}
	if !n.settle() || !busy {
		return
	}
	after := n.s.Stats().Driver
	if after.Rounds > before.Rounds && after.LogQueued > 0 {
		n.pollIn(n.fsync())
		return
	}
	n.pollIn(between(w.rngDisk, 5*time.Microsecond, 100*time.Microsecond))
}

// fsync draws how long the disk takes.
func (n *node) fsync() time.Duration {
	w, p := n.w, n.w.plan
	d := between(w.rngDisk, p.fsyncMin, p.fsyncMax)
	if n.slowDisk > 0 && !w.quiet {
		d += between(w.rngDisk, 0, p.fsyncSlow)
	}
	return d
}

// settle looks at what the last step did to the store and reports whether it is
// still up.
func (n *node) settle() bool {
	w := n.w
	if n.s == nil {
		return false
	}
	if n.doomed && n.disk.burnt() != nil {
		n.die()
		return false
	}
	if left := n.disk.burnt(); left != nil {
		w.say("store %d loses power at a sync", n.id)
		w.count("crashes at a sync")
		n.end(left)
		n.restartLater()
		return false
	}
	if n.fatal != nil {
		if !n.disk.broken() {
			w.violate("no store fails by itself", "store %d: %v", n.id, n.fatal)
			return false
		}
		w.say("store %d stops: %v", n.id, n.fatal)
		w.count("disk failures")
		n.end(n.disk.crash(w.rngFault.IntN(101), w.rngFault.Uint64()))
		n.restartLater()
		return false
	}
	w.check.stepped(n)
	return true
}

func (n *node) restartLater() {
	if n.dead {
		return
	}
	life := n.life
	n.w.after(between(n.w.rngFault, 50*time.Millisecond, 4*time.Second), "restart", func() {
		if n.life == life && n.s == nil {
			n.start()
		}
	})
}

// crash takes the power from the machine; percent of what was not synced is kept.
func (n *node) crash(percent int, seed uint64) {
	if n.s == nil {
		return
	}
	n.w.say("store %d crashes, %d %% of what is not synced is kept", n.id, percent)
	n.w.count("crashes")
	n.end(n.disk.crash(percent, seed))
}

// die takes the machine away with its disk, for good.
func (n *node) die() {
	n.w.say("store %d is lost with its disk", n.id)
	n.w.count("deaths")
	n.dead = true
	if n.s != nil {
		n.end(nil)
	}
	n.mem = nil
	n.w.check.lost(n)
}

// end throws the process away and leaves mem as its disk.
func (n *node) end(mem *engine.MemFS) {
	w := n.w
	s, eng := n.s, n.eng
	n.life++ // whatever closing tells anybody is not heard
	n.s, n.eng, n.port = nil, nil, nil
	if s != nil {
		w.check.ended(n)
		w.stats["versions collected"] += int(s.Stats().Collected)
		_ = s.Close()
	}
	if eng != nil {
		if err := eng.Close(); err != nil && n.disk.burnt() == nil && !n.disk.risky() {
			w.violate("engines can be closed", "store %d: %v", n.id, err)
		}
	}
	n.disk, n.mem, n.sleepUntil = nil, mem, 0
}

// receive takes an encoded Raft message off the network.
func (n *node) receive(b []byte) {
	if n.s == nil {
		return
	}
	n.port.receive(b)
	n.kick()
}

// ask runs a request of a client. done is called at most once, not if the store
// ends before it answers.
func (n *node) ask(req *kvpb.Request, done func(*kvpb.Response)) {
	if n.s == nil {
		return
	}
	life := n.life
	n.s.SendAsync(req, func(resp *kvpb.Response) {
		if n.life == life && !n.dying() {
			done(resp)
		}
	})
	n.kick()
}
