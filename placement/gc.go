package placement

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// DefaultRetention is for how long a snapshot stays readable after it was the
// present.
const DefaultRetention = 10 * time.Minute

var keyGC = []byte("\x01gc")

// gcState is how far old versions are given up.
//
// Invariants: both bounds only rise, over all terms; collect <= fence. The fence is a
// timestamp that this leader itself saw as the present at least one retention ago on
// its monotonic clock, so it rises no faster than that clock and a jump of the wall
// clock shortens nothing (rule B7). collect is at most what every region has
// reported: it refuses what started below, and holds no lock of it (rule B6).
type gcState struct {
	fence, collect timestamp.Timestamp
	raisedAt       time.Time // of the fence, zero: not in this term
	// seen are presents with the time when they were seen, oldest first, gcSamples
	// to a retention.
	seen []present
}

type present struct {
	at time.Time
	ts timestamp.Timestamp
}

// gcSamples is how finely the fence follows: a tenth of the retention per step, so
// that an idle region has an entry a minute and not one a second.
const gcSamples = 10

func (g *gcState) encode() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(g.fence)), uint64(g.collect))
}

func (g *gcState) decode(p KV) error {
	if len(p.Value) != 16 {
		return fmt.Errorf("placement state at %q holds %d bytes, not two timestamps", p.Key, len(p.Value))
	}
	g.fence = timestamp.Timestamp(binary.BigEndian.Uint64(p.Value))
	g.collect = timestamp.Timestamp(binary.BigEndian.Uint64(p.Value[8:]))
	return nil
}

// next returns the bounds as they should be now. running is the oldest timestamp at
// which a transaction of a gateway may still read (0: none), clean what all regions
// have reported.
func (g *gcState) next(now time.Time, ts timestamp.Timestamp, retention time.Duration, running, clean timestamp.Timestamp) gcState {
	out := *g
	if n := len(out.seen); n == 0 || now.Sub(out.seen[n-1].at) >= retention/gcSamples {
		out.seen = append(out.seen, present{now, ts})
	}
	to := timestamp.Timestamp(0)
	for len(out.seen) > 0 && now.Sub(out.seen[0].at) >= retention {
		to = out.seen[0].ts
		out.seen = out.seen[1:]
	}
	if running != 0 {
		to = min(to, running)
	}
	if to > out.fence {
		out.fence, out.raisedAt = to, now
	}
	out.collect = max(out.collect, min(clean, g.fence))
	return out
}

// gcLoop moves the bounds. What is told to stores is stored before.
func (s *Service) gcLoop(ctx context.Context) {
	period := min(time.Second, s.o.Retention/gcSamples)
	t := s.o.Clock.NewTicker(max(period, 10*time.Millisecond))
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		}
		if err := s.moveGC(ctx); err != nil && ctx.Err() == nil {
			s.o.Logger.Warn("placement: move the bounds of the garbage collection", "err", err)
		}
	}
}

func (s *Service) moveGC(ctx context.Context) error {
	now := s.o.Clock.Now()
	s.mu.Lock()
	l := s.mu.lead
	if l == nil {
		s.mu.Unlock()
		return nil
	}
	old := l.gc
	running, heard := l.oldestRunning()
	next := old.next(now, l.oracle.Now(now), l.duration(&s.o, settingRetention), running, l.clean())
	if !heard || l.restsSince(old.fence) {
		next.fence, next.raisedAt = old.fence, old.raisedAt
	}
	if next.fence == old.fence && next.collect == old.collect {
		l.gc = next
		s.mu.Unlock()
		return nil
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{keyGC, next.encode()}}); err != nil {
		return err
	}
	s.mu.Lock()
	l.gc = next
	s.mu.Unlock()
	return nil
}

// fenceSlack is by how much a transaction may commit above the newest timestamp that
// the oracle gave: regions choose commit timestamps that run ahead by logical steps.
const fenceSlack = time.Second

// restsSince reports whether no transaction began after ts, or committed there. A fence
// above it would give up nothing more, and be an entry in every region.
// Requires: Service.mu held.
func (l *leadership) restsSince(ts timestamp.Timestamp) bool {
	return l.asked != 0 && after(l.asked, fenceSlack) < ts
}

// oldestRunning is the oldest transaction of the nodes that live, 0 for none. It
// reports false while one of them has not said yet. What runs on a node that is
// silent is not waited for: should it live after all, it is refused.
// Requires: Service.mu held.
func (l *leadership) oldestRunning() (oldest timestamp.Timestamp, heard bool) {
	for _, st := range l.stores {
		if st.silent {
			continue
		}
		if st.lastSeen.IsZero() {
			return 0, false
		}
		if st.oldest != 0 && (oldest == 0 || st.oldest < oldest) {
			oldest = st.oldest
		}
	}
	return oldest, true
}

// clean is the timestamp below which no region holds a lock, or takes one, 0 while
// the regions are not all known. The group's own region has no transactions.
// Requires: Service.mu held.
func (l *leadership) clean() timestamp.Timestamp {
	if !l.dir.complete() {
		return 0
	}
	clean := timestamp.Max
	for _, e := range l.dir.order {
		if e.region.Id != groupRegion {
			clean = min(clean, e.clean)
		}
	}
	return clean
}

// gcPointLocked is what stores are told. Requires: s.mu held.
func (s *Service) gcPointLocked(l *leadership) *placementpb.GCPoint {
	return &placementpb.GCPoint{Fence: uint64(l.gc.fence), Collect: uint64(l.gc.collect), Now: uint64(l.oracle.Now(s.o.Clock.Now()))}
}
