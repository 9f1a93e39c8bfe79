package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
)

const (
	// leasePeriod is how often the lease on the schema is renewed: a tenth of
	// its life, so that several lost renewals do no harm.
	leasePeriod = 200 * time.Millisecond
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
	mu    struct {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.version
}

// Until implements catalog.Lease.
func (s *schemaLease) Until() timestamp.Timestamp {
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
		select {
		case s.wake <- struct{}{}:
		default:
		}
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
	r, err := s.pc.SchemaLease(ctx, &placementpb.SchemaLeaseRequest{NodeId: s.nodeID, Version: s.inUse(s.Version()), Publish: publish})
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
	t := s.clock.NewTicker(leasePeriod)
	defer t.Stop()
	for {
		if _, err := s.ask(ctx, 0); err != nil && ctx.Err() == nil {
			s.log.Warn("renew the schema lease", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		case <-s.wake:
		}
	}
}
