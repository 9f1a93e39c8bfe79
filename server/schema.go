package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
)

const (
	// leasePeriod is how often the lease on the schema is renewed: a tenth of
	// its life, so that several lost renewals do no harm.
	leasePeriod = 200 * time.Millisecond
	// quietLeasePeriod is the same while nobody works with the schema: half of its life,
	// so that who comes finds a lease that holds until the next renewal.
	quietLeasePeriod = time.Second
	// quietAfter is how long that is so before the lease is renewed less often.
	quietAfter  = 2 * time.Second
	confirmPoll = 5 * time.Millisecond
	// publishRetry is the pause after a failure: a new leader of placement is
	// elected within a second.
	publishRetry = 50 * time.Millisecond
)

// schemaLease is the node's right to commit with the schema version it has heard
// of. It implements catalog.Lease and catalog.InUser.
//
// A transaction commits with the version it began with or the one after that
// (the catalog checks it), at a timestamp up to Until. Placement calls a version
// confirmed when every gateway has heard of it or its lease has run out, so at
// most two adjacent versions are at work at any timestamp.
type schemaLease struct {
	nodeID uint64
	pc     schemaPlacement
	clock  env.Clock
	log    *slog.Logger
	wake   chan struct{}
	// inUse says which version up to the latest this node may confirm: a commit
	// that is under way with an older one holds it back. Set before run.
	inUse func(latest uint64) uint64
	// used: somebody has worked with the schema since the last renewal. quiet: nobody
	// has for long.
	used, quiet atomic.Bool
	mu          struct {
		sync.Mutex
		version uint64
		until   timestamp.Timestamp
	}
}

// schemaPlacement is what the lease asks of placement.
type schemaPlacement interface {
	SchemaLease(ctx context.Context, req *placementpb.SchemaLeaseRequest) (*placementpb.SchemaLeaseResponse, error)
}

func newSchemaLease(nodeID uint64, pc schemaPlacement, clock env.Clock, log *slog.Logger) *schemaLease {
	return &schemaLease{nodeID: nodeID, pc: pc, clock: clock, log: log, wake: make(chan struct{}, 1),
		inUse: func(latest uint64) uint64 { return latest }}
}

// SetInUse implements catalog.InUser.
func (s *schemaLease) SetInUse(f func(latest uint64) uint64) { s.inUse = f }

// Version implements catalog.Lease.
func (s *schemaLease) Version() uint64 {
	s.use()
	return s.version()
}

func (s *schemaLease) version() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.version
}

// use notes that somebody works with the schema: the lease is renewed at its full pace.
func (s *schemaLease) use() {
	if !s.used.Load() {
		s.used.Store(true)
	}
	if s.quiet.Load() {
		s.renewNow()
	}
}

func (s *schemaLease) renewNow() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Until implements catalog.Lease.
func (s *schemaLease) Until() timestamp.Timestamp {
	s.use()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.until
}

// heard takes note of a version, and has it confirmed at once.
func (s *schemaLease) heard(version uint64) {
	s.mu.Lock()
	newer := version > s.mu.version
	if newer {
		s.mu.version = version
	}
	s.mu.Unlock()
	if newer {
		s.renewNow()
	}
}

// Publish implements catalog.Lease. The version is committed already, and to publish
// it twice does no harm: so it goes on through changes of the placement leader until
// ctx ends.
func (s *schemaLease) Publish(ctx context.Context, version uint64) error {
	s.heard(version)
	for {
		r, err := s.ask(ctx, version)
		if err == nil && r.Confirmed {
			return nil
		}
		pause := confirmPoll
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			s.log.Warn("publish the schema", "version", version, "err", err)
			pause = publishRetry
		}
		if serr := env.Sleep(ctx, s.clock, pause); serr != nil {
			return errors.Join(serr, err)
		}
	}
}

func (s *schemaLease) ask(ctx context.Context, publish uint64) (*placementpb.SchemaLeaseResponse, error) {
	r, err := s.pc.SchemaLease(ctx, &placementpb.SchemaLeaseRequest{NodeId: s.nodeID, Version: s.inUse(s.version()), Publish: publish})
	if err != nil {
		return nil, err
	}
	s.heard(r.Version)
	s.mu.Lock()
	s.mu.until = max(s.mu.until, timestamp.Timestamp(r.LeaseUntil))
	s.mu.Unlock()
	return r, nil
}

// run renews the lease until ctx ends.
func (s *schemaLease) run(ctx context.Context) {
	slow := s.clock.NewTicker(quietLeasePeriod)
	defer slow.Stop()
	fast := s.clock.NewTimer(leasePeriod)
	defer fast.Stop()
	usedAt := s.clock.Now()
	for {
		_, err := s.ask(ctx, 0)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("renew the schema lease", "err", err)
		}
		now := s.clock.Now()
		if s.used.Swap(false) {
			usedAt = now
		}
		quiet := now.Sub(usedAt) >= quietAfter
		s.quiet.Store(quiet)
		if !quiet || err != nil {
			fast.Reset(leasePeriod)
		}
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return
			case <-slow.C():
				again = quiet
			case <-fast.C():
				again = true
			case <-s.wake:
				again = true
			}
		}
	}
}
