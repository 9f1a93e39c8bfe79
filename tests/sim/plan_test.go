package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	points "github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/proto/metapb"
)

// plan is everything that a seed decides before the first step.
type plan struct {
	seed   uint64
	stores int
	voters int // of the initial regions: all stores, or the first one
	rates  []float64
	chaos  time.Duration // how long faults last

	net struct {
		delayMin, delayMax          time.Duration
		slowMax                     time.Duration
		lose, slow, repeat          float64
		breakSnapshot, lateSnapshot float64
		reorder                     bool
	}
	fsyncMin, fsyncMax, fsyncSlow time.Duration
	flushEvery                    time.Duration // 0: never
	lateTicks                     float64
	eagerSync                     bool // state engine synced ten times as often, logs compacted as often
	noLeases                      bool
	wild                          bool // clocks beyond what leases allow; without leases
	placed                        bool // placement's schedulers change the membership
	settings                      settings
	crashStart                    float64       // chance that a start is cut short by another power loss
	splitSize                     int64         // 0: the product's
	retention                     time.Duration // of old versions; 0: they are kept for ever

	clients, readers, keys       int
	split, transfer, membership  bool
	adminEvery                   time.Duration
	abandon, twoPhase, readShare float64

	// crashAt is a named point at which stores crash, crashes times at most.
	crashAt string
	crashes int
	// diesThere: the first store that comes there is lost with its disk instead.
	diesThere bool

	faults []fault
}

type faultKind string

const (
	crashOne   faultKind = "crash"         // one store loses power between two steps
	crashSync  faultKind = "crash at sync" // one store loses power at one of its next syncs
	powerLoss  faultKind = "power loss"    // all stores at once
	cutOneWay  faultKind = "one-way cut"
	isolate    faultKind = "isolation" // one store hears nobody and is heard by nobody
	storm      faultKind = "storm"     // a third of all messages lost, a third late
	slowDisk   faultKind = "slow disk"
	lazySync   faultKind = "lazy state sync"
	pause      faultKind = "pause" // the process is stopped and goes on
	wallJump   faultKind = "wall clock jump"
	rateChange faultKind = "clock rate"
	diskError  faultKind = "log sync error"
	oracleAway faultKind = "oracle away"
	partition  faultKind = "partition"        // some stores hear nothing of the others
	stateError faultKind = "state sync error" // of the other engine
	diskFull   faultKind = "disk full"
	storeDies  faultKind = "loss of a store"  // with its disk, for good
	crashPoint faultKind = "crash at a point" // whichever named point comes next
)

// optional faults are on in about half of the seeds each; crashes are always.
var optional = []faultKind{cutOneWay, isolate, storm, slowDisk, lazySync, pause, wallJump, rateChange, diskError, oracleAway,
	partition, stateError, diskFull}

type fault struct {
	id      int
	at, dur time.Duration
	kind    faultKind
	store   uint64
	other   uint64  // of a cut
	percent int     // of unsynced data that a crash keeps
	seed    uint64  // of what exactly it keeps
	count   int     // syncs until it happens
	before  bool    // crash before that sync
	rate    float64 // of a clock
	jump    time.Duration
}

func (f fault) String() string {
	s := fmt.Sprintf("%d: %v %s", f.id, f.at.Round(time.Millisecond), f.kind)
	if f.kind != powerLoss && f.kind != storm && f.kind != oracleAway && f.kind != crashPoint && f.kind != partition {
		s += fmt.Sprintf(" store %d", f.store)
	}
	switch f.kind {
	case cutOneWay:
		s += fmt.Sprintf(" to %d", f.other)
	case crashOne, powerLoss:
		s += fmt.Sprintf(" keep %d%%", f.percent)
	case crashSync:
		s += fmt.Sprintf(" in %d syncs, before %v, keep %d%%", f.count, f.before, f.percent)
	case wallJump:
		s += " by " + f.jump.String()
	case crashPoint:
		s += fmt.Sprintf(" in %d hits, keep %d%%", f.count, f.percent)
	case rateChange:
		s += fmt.Sprintf(" %.3f", f.rate)
	}
	return s + fmt.Sprintf(" for %v", f.dur.Round(time.Millisecond))
}

const clockRateError = 0.05 // rule A4

// chaosTime is how long faults last. With the quiet end, in which everything must
// come together again, a seed takes more than a minute of virtual time.
const chaosTime = 40 * time.Second

func newPlan(seed uint64) *plan {
	r := rand.New(rand.NewPCG(seed, 0x706c616e))
	p := &plan{seed: seed, stores: 3, chaos: chaosTime, settings: drawSettings(seed)}
	switch r.IntN(6) {
	case 0:
		p.stores = 4
	case 1:
		p.stores = 5
	}
	p.voters = 3
	if r.IntN(4) == 0 {
		p.voters = 1
	}
	for range p.stores {
		p.rates = append(p.rates, drawRate(r))
	}
	n := &p.net
	n.delayMin = 50 * time.Microsecond
	n.delayMax = []time.Duration{300 * time.Microsecond, time.Millisecond, 20 * time.Millisecond}[r.IntN(3)]
	n.slowMax = between(r, 10*time.Millisecond, 2*time.Second)
	n.reorder = r.IntN(2) == 0
	if r.IntN(2) == 0 {
		n.lose = r.Float64() * 0.05
	}
	if r.IntN(2) == 0 {
		n.slow = r.Float64() * 0.03
	}
	if r.IntN(2) == 0 {
		n.repeat = r.Float64() * 0.1
	}
	n.breakSnapshot, n.lateSnapshot = 0.2*r.Float64(), 0.2*r.Float64()
	p.fsyncMin = 50 * time.Microsecond
	p.fsyncMax = []time.Duration{100 * time.Microsecond, 2 * time.Millisecond, 15 * time.Millisecond}[r.IntN(3)]
	p.fsyncSlow = between(r, 50*time.Millisecond, time.Second)
	if r.IntN(2) == 0 {
		p.flushEvery = between(r, 500*time.Millisecond, 4*time.Second)
	}
	if r.IntN(2) == 0 {
		p.lateTicks = r.Float64() * 0.3
	}
	p.eagerSync = r.IntN(3) == 0
	p.noLeases = r.IntN(6) == 0

	if r.IntN(2) == 0 {
		p.crashStart = 0.3
	}
	if r.IntN(4) == 0 {
		p.splitSize = 1<<10 + r.Int64N(8<<10)
	}
	p.clients, p.readers, p.keys = 2+r.IntN(4), 1+r.IntN(2), 4+r.IntN(16)
	p.split, p.transfer, p.membership = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0 || p.stores > 3 || p.voters == 1
	p.adminEvery = between(r, 150*time.Millisecond, 1500*time.Millisecond)
	p.abandon = r.Float64() * 0.15
	p.twoPhase = 0.1 + r.Float64()*0.4
	p.readShare = 0.2 + r.Float64()*0.4

	// Drawn apart, so that the rest of older plans is what it was.
	if g := rand.New(rand.NewPCG(seed, 0x67630000)); g.IntN(2) == 0 {
		p.retention = between(g, 200*time.Millisecond, 3*time.Second)
	}

	on := []faultKind{crashOne, crashOne, crashSync, powerLoss}
	for _, k := range optional {
		if r.IntN(2) == 0 {
			on = append(on, k)
		}
	}
	// Drawn apart too: these are only heard of with the build tag faults.
	if points.Enabled {
		g := rand.New(rand.NewPCG(seed, 0x66617573))
		for range g.IntN(5) {
			p.add(p.draw(g, crashPoint), func(f *fault) { f.count = 1 + g.IntN(300) })
		}
	}
	// At least one power loss and one crash that drop everything unsynced.
	p.add(p.draw(r, powerLoss), func(f *fault) { f.percent = 0 })
	p.add(p.draw(r, crashOne), func(f *fault) { f.percent = 0 })
	for range 12 + r.IntN(30) {
		p.add(p.draw(r, on[r.IntN(len(on))]), nil)
	}
	p.drawPlacement()
	p.drawWild()
	slices.SortStableFunc(p.faults, func(a, b fault) int { return int(a.at - b.at) })
	for i := range p.faults {
		p.faults[i].id = i
	}
	return p
}

func drawRate(r *rand.Rand) float64 { return 1 + clockRateError*(2*r.Float64()-1) }

func (p *plan) add(f fault, change func(*fault)) {
	if change != nil {
		change(&f)
	}
	p.faults = append(p.faults, f)
}

func (p *plan) draw(r *rand.Rand, k faultKind) fault {
	f := fault{
		kind: k, at: between(r, 2*time.Second, p.chaos), dur: between(r, 100*time.Millisecond, 3*time.Second),
		store: 1 + uint64(r.IntN(p.stores)), seed: r.Uint64(),
	}
	f.other = 1 + uint64(r.IntN(p.stores-1))
	if f.other >= f.store {
		f.other++
	}
	if r.IntN(2) == 0 {
		f.percent = r.IntN(101)
	}
	f.count, f.before = 1+r.IntN(12), r.IntN(2) == 0
	f.rate = drawRate(r)
	f.jump = between(r, -time.Hour, time.Hour)
	if r.IntN(2) == 0 {
		f.jump = between(r, -time.Second, time.Second)
	}
	if k == crashOne || k == powerLoss {
		// Restarts within a tick and after several election timeouts.
		f.dur = between(r, 10*time.Millisecond, 3*time.Second)
	}
	return f
}

// without returns the plan less some faults.
func (p *plan) without(drop map[int]bool) *plan {
	c := *p
	c.faults = nil
	for _, f := range p.faults {
		if !drop[f.id] {
			c.faults = append(c.faults, f)
		}
	}
	return &c
}

// inject schedules the faults.
func (w *world) inject() {
	for _, f := range w.plan.faults {
		w.after(f.at, "fault", func() {
			if w.quiet {
				return
			}
			w.say("fault %v", f)
			w.count("fault " + string(f.kind))
			w.apply(f)
		})
	}
}

// undo runs f when the fault is over, at the latest when the quiet begins.
func (w *world) undo(after time.Duration, f func()) {
	w.after(min(after, max(w.plan.chaos-w.now, 0)), "end of fault", f)
}

func (w *world) apply(f fault) {
	n := w.node(f.store)
	switch f.kind {
	case crashOne:
		w.crashFor(n, f.percent, f.seed, f.dur)
	case powerLoss:
		for i, n := range w.nodes {
			w.crashFor(n, f.percent, f.seed+uint64(i), f.dur+between(w.rngFault, 0, 200*time.Millisecond))
		}
	case crashSync:
		if n.s != nil {
			n.disk.lightFuse(f.count, f.before, f.percent, f.seed)
		}
	case cutOneWay:
		w.net.setCut(f.store, f.other, 1)
		w.undo(f.dur, func() { w.net.setCut(f.store, f.other, -1) })
	case isolate:
		n := w.mutant.isolating(w, n)
		set := func(by int) {
			for _, o := range w.nodes {
				if o != n {
					w.net.setCut(n.id, o.id, by)
					w.net.setCut(o.id, n.id, by)
				}
			}
		}
		set(1)
		w.undo(f.dur, func() { set(-1) })
	case storm:
		w.net.storm++
		w.undo(f.dur, func() { w.net.storm-- })
	case slowDisk:
		n.slowDisk++
		w.undo(f.dur, func() { n.slowDisk-- })
	case lazySync:
		n.lazySync++
		w.undo(f.dur, func() { n.lazySync-- })
	case pause:
		n.sleepUntil = max(n.sleepUntil, w.now+min(f.dur, max(w.plan.chaos-w.now, 0)))
	case wallJump:
		n.clock.jump += f.jump
	case rateChange:
		n.clock.setRate(f.rate)
	case diskError:
		if n.s != nil {
			n.disk.failSyncs("/log/", f.count)
		}
	case stateError:
		n.failState = n.s != nil
	case diskFull:
		n.fill(1)
		w.undo(f.dur+time.Second, func() { n.fill(-1) })
	case partition:
		side := f.seed | 1<<f.store
		set := func(by int) {
			for _, a := range w.nodes {
				for _, b := range w.nodes {
					if side>>a.id&1 != side>>b.id&1 {
						w.net.setCut(a.id, b.id, by)
					}
				}
			}
		}
		set(1)
		w.undo(f.dur, func() { set(-1) })
	case storeDies:
		w.loseStore(f)
	case crashPoint:
		w.armed = &armed{countdown: f.count, crashes: 1, percent: f.percent, seed: f.seed}
	case oracleAway:
		w.oracle.away = true
		w.undo(f.dur, func() { w.oracle.away = false })
	}
}

// crashFor takes a store down and starts it again after a while.
func (w *world) crashFor(n *node, percent int, seed uint64, d time.Duration) {
	if n.s == nil || n.dead {
		return
	}
	n.crash(percent, seed)
	life := n.life
	w.after(min(d, max(w.plan.chaos-w.now, 0)), "restart", func() {
		if n.life == life && n.s == nil {
			n.start()
		}
	})
}

// loseStore takes a store away with its disk, once every region is known to have
// three voters: one more than it needs.
func (w *world) loseStore(f fault) {
	if w.quiet {
		return
	}
	for _, n := range w.nodes {
		if n.s == nil {
			w.after(200*time.Millisecond, "loss of a store", func() { w.loseStore(f) })
			return
		}
		for _, i := range n.s.Regions() {
			voters := 0
			for _, p := range i.Region.GetPeers() {
				if p.GetRole() == metapb.PeerRole_VOTER {
					voters++
				}
			}
			if voters < 3 {
				w.after(200*time.Millisecond, "loss of a store", func() { w.loseStore(f) })
				return
			}
		}
	}
	w.node(f.store).die()
}

// fill makes a disk full or gives room again.
func (n *node) fill(by int) {
	n.full += by
	if n.disk != nil {
		n.disk.setFull(n.full > 0)
	}
}

// beQuiet ends all faults.
func (w *world) beQuiet() {
	w.quiet = true
	w.say("quiet")
	w.net.cut = make(map[[2]uint64]int)
	w.net.storm = 0
	w.oracle.away = false
	for _, n := range w.nodes {
		n.slowDisk, n.lazySync, n.full, n.sleepUntil, n.failState = 0, 0, 0, 0, false
		if n.dead {
			continue
		}
		if n.s == nil {
			n.start()
		} else {
			n.disk.lightFuse(0, false, 0, 0)
			n.disk.failSyncs("", 0)
			n.disk.setFull(false)
			n.pollAt = 0
			n.pollIn(0)
		}
	}
}
