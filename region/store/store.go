package store

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

var errNotBuilt = errors.New("region/store: not built yet")

// Bootstrap writes the store's identity and its first regions into fresh
// engines, durably. Each region must have a peer on this store; its peers on other
// stores must bootstrap the same descriptor. A second call with the same ident
// does nothing if the first one finished.
func Bootstrap(e *Engines, ident Ident, regions []*metapb.Region) error { return errNotBuilt }

// Store is one store's replicas and what serves them.
type Store struct{}

// Open loads the store from its engines and, unless Manual, starts to serve. The
// engines must hold an identity (Bootstrap or WriteIdent).
func Open(e *Engines, o Options) (*Store, error) { return nil, errNotBuilt }

// Ident returns which store this is.
func (s *Store) Ident() Ident { return Ident{} }

// Send runs a request in its region and waits for the answer. If ctx ends first
// the answer is ServerBusy when nothing was proposed, else Ambiguous. A response
// is never nil. Keys and values of the request must not be changed until then;
// those of the response belong to the caller.
func (s *Store) Send(ctx context.Context, req *kvpb.Request) *kvpb.Response { return nil }

// SendAsync runs a request and calls done once, from any goroutine, possibly
// before it returns. done must not block.
func (s *Store) SendAsync(req *kvpb.Request, done func(*kvpb.Response)) {}

// RegisterKV serves the KV service of kvpb on a gRPC server.
func (s *Store) RegisterKV(server grpc.ServiceRegistrar) {}

// Local returns the handle of one region on this store, which need not exist yet
// or any more.
func (s *Store) Local(regionID uint64) *Local { return &Local{} }

// Regions lists the initialised replicas, ordered by start key.
func (s *Store) Regions() []RegionInfo { return nil }

// Report returns a report for each region that this store leads, ordered by id.
func (s *Store) Report() []*placementpb.RegionReport { return nil }

// Drain asks other voters to take over what this store leads and waits until it
// leads nothing that another voter could, or ctx ends.
func (s *Store) Drain(ctx context.Context) error { return errNotBuilt }

// Stats returns counters.
func (s *Store) Stats() Stats { return Stats{} }

// Close stops serving: requests under way are answered with Unavailable or
// Ambiguous. The engines stay open; their owner closes them afterwards. A second
// Close does nothing.
func (s *Store) Close() error { return nil }

// Tick gives every replica one tick. Manual mode only.
func (s *Store) Tick() {}

// Poll does one piece of pending work and reports whether there was any: a round
// of the scheduler, a write and sync of the log, a timestamp, a raft snapshot.
// Manual mode only.
func (s *Store) Poll() bool { return false }

// SyncState makes the state engine durable, publishes the durable applied indexes
// and compacts logs, as a goroutine does once a second otherwise. Manual mode only.
func (s *Store) SyncState() error { return errNotBuilt }
