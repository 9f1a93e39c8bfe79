package server

import (
	"context"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region/store"
)

const (
	// ratePeriod is over which writes are counted, and rateKept how many periods are
	// remembered: one minute.
	ratePeriod = 5 * time.Second
	rateKept   = 12
)

// rates counts the entries that the regions led here apply, and remembers since when
// they are led here. It may be used concurrently.
type rates struct {
	mu struct {
		sync.Mutex
		regions map[uint64]*regionRate
		at      time.Time // of the last look
	}
}

type regionRate struct {
	term    uint64
	since   time.Time // of the term's leadership
	applied uint64    // at the last look, 0: there was none in this term
	writes  []float64 // per second, newest first, at most rateKept
}

func newRates() *rates {
	r := &rates{}
	r.mu.regions = map[uint64]*regionRate{}
	return r
}

// led takes note of regions that this node reports as their leader.
func (r *rates) led(reports []*placementpb.RegionReport, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, rep := range reports {
		if have := r.mu.regions[rep.Region.GetId()]; have == nil || have.term != rep.Term {
			r.mu.regions[rep.Region.GetId()] = &regionRate{term: rep.Term, since: now}
		}
	}
}

// look takes the applied indexes of all replicas, and forgets what is not led here.
func (r *rates) look(looks []store.Look, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	passed := now.Sub(r.mu.at).Seconds()
	first := r.mu.at.IsZero() || passed <= 0
	r.mu.at = now
	leads := make(map[uint64]bool, len(r.mu.regions))
	for i := range looks {
		l := &looks[i]
		have := r.mu.regions[l.RegionID]
		if !l.Leads || have == nil || have.term != l.Term {
			continue
		}
		leads[l.RegionID] = true
		if have.applied != 0 && !first {
			have.writes = append([]float64{float64(l.Applied-min(have.applied, l.Applied)) / passed}, have.writes[:min(len(have.writes), rateKept-1)]...)
		}
		have.applied = l.Applied
	}
	for id, have := range r.mu.regions {
		if !leads[id] && now.Sub(have.since) > ratePeriod {
			delete(r.mu.regions, id)
		}
	}
}

// of returns what is known of a region led here in a term. The zero time stands for
// unknown; writes are newest first.
func (r *rates) of(region, term uint64) (since time.Time, writes []float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if have := r.mu.regions[region]; have != nil && have.term == term {
		return have.since, have.writes
	}
	return time.Time{}, nil
}

func (n *Node) rateLoop(ctx context.Context) {
	for env.Sleep(ctx, n.cfg.Env.Clock, ratePeriod) == nil {
		now := n.cfg.Env.Clock.Now()
		n.rates.look(n.store.Looks(0), now)
		n.load.look(n.sql.StatementTotals(), n.sql.Sessions(), now)
	}
}
