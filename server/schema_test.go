package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// leaderless fails the first calls, as placement does while its leader changes.
type leaderless struct{ calls, failing int }

func (l *leaderless) SchemaLease(_ context.Context, req *placementpb.SchemaLeaseRequest) (*placementpb.SchemaLeaseResponse, error) {
	if l.calls++; l.calls <= l.failing {
		return nil, errors.New("outcome is unknown: the leadership was lost")
	}
	return &placementpb.SchemaLeaseResponse{Version: req.Publish, Confirmed: true}, nil
}

// A schema that is committed is published in spite of a change of the placement
// leader: its statement succeeds. When the statement is cancelled it says so.
func TestPublishOutlivesThePlacementLeader(t *testing.T) {
	p := &leaderless{failing: 2}
	l := newSchemaLease(1, p, env.SystemClock(), slog.New(slog.DiscardHandler))
	if err := l.Publish(t.Context(), 7); err != nil || p.calls != 3 || l.Version() != 7 {
		t.Errorf("%d calls, version %d: %v", p.calls, l.Version(), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newSchemaLease(1, &leaderless{failing: 1 << 30}, env.SystemClock(), slog.New(slog.DiscardHandler)).Publish(ctx, 8); err == nil {
		t.Error("published by nobody")
	}
}

// unconfirmed says that somebody still works with an older version, for some calls.
type unconfirmed struct{ calls, old int }

func (u *unconfirmed) SchemaLease(_ context.Context, req *placementpb.SchemaLeaseRequest) (*placementpb.SchemaLeaseResponse, error) {
	u.calls++
	return &placementpb.SchemaLeaseResponse{Version: req.Publish, Confirmed: u.calls > u.old}, nil
}

// A change of schema is done only when no gateway can commit with an older version.
func TestPublishWaitsForTheOthers(t *testing.T) {
	p := &unconfirmed{old: 3}
	l := newSchemaLease(1, p, env.SystemClock(), slog.New(slog.DiscardHandler))
	if err := l.Publish(t.Context(), 7); err != nil || p.calls != 4 {
		t.Errorf("done after %d questions, the others were ready at the fourth: %v", p.calls, err)
	}
}

// granting gives a lease whenever it is asked.
type granting struct{ calls atomic.Int64 }

func (g *granting) SchemaLease(context.Context, *placementpb.SchemaLeaseRequest) (*placementpb.SchemaLeaseResponse, error) {
	g.calls.Add(1)
	return &placementpb.SchemaLeaseResponse{Version: 1, LeaseUntil: 1}, nil
}

// A lease that nobody needs is renewed once a second; whoever needs it has it renewed at
// once, and at its full pace from then on.
func TestLeaseThatNobodyNeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &granting{}
		l := newSchemaLease(1, p, env.SystemClock(), slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { l.run(ctx); close(done) }()
		pass := func(d time.Duration) int64 {
			synctest.Wait()
			before := p.calls.Load()
			time.Sleep(d)
			synctest.Wait()
			return p.calls.Load() - before
		}
		pass(quietAfter + quietLeasePeriod)
		if n := pass(time.Minute); n < 59 || n > 61 {
			t.Errorf("%d renewals in a quiet minute", n)
		}
		before := p.calls.Load()
		l.Version()
		synctest.Wait()
		if n := p.calls.Load() - before; n != 1 {
			t.Errorf("%d renewals for who comes", n)
		}
		n := int64(0)
		for range 50 {
			n += pass(leasePeriod / 2)
			l.Until()
		}
		if n < 24 || n > 26 {
			t.Errorf("%d renewals in the time of 25", n)
		}
		cancel()
		<-done
	})
}
