package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

const (
	// clockSkewMax is how far wall clock and monotonic clock may part between two
	// looks before all leases are given up: the machine was suspended (rule A4).
	clockSkewMax = 50 * time.Millisecond
	// campaignsMax bounds the elections that one withdrawal starts at once; the
	// others follow tick by tick (rule A9).
	campaignsMax = 500
)

// storeLiveness is the shell around liveness.Table: its clock, its lock, and what
// it sends.
type storeLiveness struct {
	s      *Store
	origin time.Time
	view   atomic.Pointer[liveView]
	// peersChanged: the stores to talk to may be others than before.
	peersChanged atomic.Bool
	// open: the store is loaded. Messages that come earlier are dropped.
	open atomic.Bool
	// beat wakes run before its time.
	beat chan struct{} // of capacity one

	mu struct {
		sync.Mutex
		table   *liveness.Table
		syncing bool
		drift   time.Duration
	}
}

// liveView is a look at the table and the clocks at that moment.
type liveView struct {
	*liveness.View
	// drift is by how much the wall clock had run ahead of the monotonic one.
	drift time.Duration
}

func newStoreLiveness(s *Store, boot uint64) *storeLiveness {
	l := &storeLiveness{s: s, origin: s.o.Clock.Now(), beat: make(chan struct{}, 1)}
	now, drift := l.clock()
	l.mu.table, l.mu.drift = liveness.NewTable(s.ident.StoreID, boot, now), drift
	l.peersChanged.Store(true)
	l.publishLocked()
	return l
}

// clock returns the instant on the lease clock and how far the wall clock is ahead
// of it.
func (l *storeLiveness) clock() (now, drift time.Duration) {
	t := l.s.o.Clock.Now()
	now = t.Sub(l.origin)
	return now, t.Round(0).Sub(l.origin.Round(0)) - now
}

// look returns the newest view and the present instant. trusted is false if the
// clocks have parted since: then nothing that was promised may be relied on.
func (l *storeLiveness) look() (v *liveness.View, now time.Duration, trusted bool) {
	// The view comes first: a later one only knows of more promises.
	lv := l.view.Load()
	now, drift := l.clock()
	return lv.View, now, (drift - lv.drift).Abs() <= clockSkewMax
}

// publishLocked makes the table's state known. Requires: l.mu held, or nobody else
// knows l yet.
func (l *storeLiveness) publishLocked() {
	l.view.Store(&liveView{View: l.mu.table.View(), drift: l.mu.drift})
}

// compareClocksLocked distrusts all promises if the clocks have parted since the
// last look. Requires: l.mu held.
func (l *storeLiveness) compareClocksLocked() (now time.Duration) {
	now, drift := l.clock()
	if (drift - l.mu.drift).Abs() > clockSkewMax {
		l.mu.table.Distrust(now)
	}
	l.mu.drift = drift
	return now
}

// receive takes a message of another store.
func (l *storeLiveness) receive(m liveness.Message) {
	if !l.open.Load() {
		return
	}
	l.mu.Lock()
	now := l.compareClocksLocked()
	out := l.mu.table.Receive(now, m)
	l.publishLocked()
	var reply liveness.Message
	if out.Reply {
		reply = l.mu.table.Message(now, m.From)
	}
	l.mu.Unlock()
	if out.Beat {
		select {
		case l.beat <- struct{}{}:
		default:
		}
	}
	if out.Reply {
		l.send(reply)
		l.s.transport.Flush()
	}
	if out.Withdrawn != nil {
		l.s.withdrawn(*out.Withdrawn)
	}
	if out.Granted {
		for _, r := range l.s.all() {
			r.Wake()
		}
	}
}

func (l *storeLiveness) send(m liveness.Message) {
	l.s.transport.Send(&multiraft.Envelope{FromStore: m.From, ToStore: m.To, Liveness: &m})
}

// tick does what is due and returns how long until the next time.
func (l *storeLiveness) tick() time.Duration {
	if l.peersChanged.Swap(false) {
		peers := l.s.neighbours()
		l.mu.Lock()
		l.mu.table.SetPeers(peers)
		l.mu.Unlock()
	}
	l.mu.Lock()
	now := l.compareClocksLocked()
	send, gone := l.mu.table.Tick(now)
	deaf := l.mu.table.Deafened()
	l.publishLocked()
	next := l.mu.table.Next() - now
	ask := len(send) > 0 && !l.mu.syncing
	if ask {
		l.mu.syncing = true
	}
	l.mu.Unlock()
	for _, m := range send {
		l.send(m)
	}
	if len(send) > 0 {
		l.s.transport.Flush()
	}
	// Rule A10: the next messages ask for support only if this ends before.
	if ask && !l.s.driver.SyncLog(l.synced) {
		l.mu.Lock()
		l.mu.syncing = false
		l.mu.Unlock()
	}
	for _, store := range deaf {
		l.s.log.Info("store does not hear this one", "from", store)
		l.s.suspect(store)
	}
	for _, w := range gone {
		l.s.withdrawn(w)
	}
	// Who wants a tick follows from the time, too.
	l.s.driver.Stir()
	return next
}

func (l *storeLiveness) synced() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.syncing = false
	now, _ := l.clock()
	l.mu.table.Synced(now)
}

// run ticks until ctx ends.
func (l *storeLiveness) run(ctx context.Context) {
	t := l.s.o.Clock.NewTimer(l.tick())
	defer t.Stop()
	for {
		select {
		case <-t.C():
		case <-l.beat:
		case <-ctx.Done():
			return
		}
		// Messages that come meanwhile only put the end of a support off.
		t.Reset(max(l.tick(), time.Millisecond))
	}
}

// neighbours returns the stores that have a replica of a region that has one here.
func (s *Store) neighbours() []uint64 {
	var out []uint64 // few, and looked through for many replicas
	for _, r := range s.all() {
		for _, p := range r.Descriptor().GetPeers() {
			if id := p.GetStoreId(); id != s.ident.StoreID && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

// withdrawn lets the regions go that are led from a store which is not supported
// any more (rules A7 and A9).
func (s *Store) withdrawn(w liveness.Withdrawal) {
	s.withdrawals.Add(1)
	s.log.Info("support withdrawn", "from", w.Store, "restarted", w.Restarted)
	s.suspect(w.Store)
	n := 0
	for _, r := range s.all() {
		if r.LetGo(w.Store, n/campaignsMax) {
			n++
		}
	}
}

// suspect tells that what is sent to a store is probably lost.
func (s *Store) suspect(store uint64) {
	if s.o.OnSuspected != nil {
		s.o.OnSuspected(store)
	}
}

// TickLiveness does what is due of store liveness and returns how long until it
// wants to be called again. Manual mode only.
func (s *Store) TickLiveness() time.Duration { return s.live.tick() }

// Lease returns the term in which this store holds a valid lease for a region now;
// held is false if it holds none.
func (s *Store) Lease(regionID uint64) (term uint64, held bool) {
	r := s.replica(regionID)
	if r == nil {
		return 0, false
	}
	return r.Lease()
}

// Leases returns the regions for which this store holds a valid lease now.
func (s *Store) Leases() []uint64 {
	var out []uint64
	for _, r := range s.all() {
		if _, held := r.Lease(); held {
			out = append(out, r.RegionID())
		}
	}
	return out
}

var bootKey = keys.StoreLocal("boot")

const bootVersion = 1

// LoadBoot returns how often the store was started, 0 if it never was.
func LoadBoot(r engine.Reader) (uint64, error) {
	b, found, err := r.Get(bootKey)
	if err != nil || !found {
		return 0, err
	}
	if len(b) < 2 || b[0] != bootVersion {
		return 0, errors.New("boot id of the store: unknown format")
	}
	boot, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return 0, errors.New("boot id of the store: truncated")
	}
	return boot, nil
}

// nextBoot returns a number that is larger than at every earlier start of the
// store, durably.
func (e *Engines) nextBoot() (uint64, error) {
	boot, err := LoadBoot(e.State)
	if err != nil {
		return 0, err
	}
	boot++
	batch := e.State.NewBatch()
	defer batch.Close()
	if err := batch.Set(bootKey, binary.AppendUvarint([]byte{bootVersion}, boot)); err != nil {
		return 0, err
	}
	fault.Hit("boot/before-write")
	if err := e.State.Apply(batch, true); err != nil {
		return 0, fmt.Errorf("write the boot id: %w", err)
	}
	fault.Hit("boot/after-write")
	return boot, nil
}
