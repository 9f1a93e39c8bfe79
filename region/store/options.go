package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// Defaults of Options.
const (
	// DefaultSplitSizeBytes is the size at which a region is split in two.
	DefaultSplitSizeBytes = 96 << 20
	// DefaultSnapshotBytesPerSecond limits raft snapshots that are sent, so that
	// filling a new replica leaves bandwidth to those that serve.
	DefaultSnapshotBytesPerSecond = 64 << 20
	// DefaultLogBudgetBytes is what the logs of all regions of a store may take together
	// before those that are kept for peers that lag are cut.
	DefaultLogBudgetBytes = 64 << 20
)

// Options are the parameters of Open.
type Options struct {
	// Transport makes the store's connection to the other stores; it is called
	// once, within Open. Required.
	Transport func(multiraft.Receiver, multiraft.SnapshotHandler) (multiraft.Transport, error)
	// Timestamps returns a timestamp that the oracle issued after the call began.
	// A new leader takes one before it accepts one-phase commits. It is called on
	// a goroutine of the store; in manual mode within Poll, where it must not
	// block. After an error it is called again. Required.
	Timestamps func(ctx context.Context) (timestamp.Timestamp, error)
	// Clock and Rand are required.
	Clock env.Clock
	Rand  env.Rand
	// Logger is required.
	Logger *slog.Logger
	// Fatal is called once, when a disk failed and the store can do nothing more.
	// It must not call Close on its own goroutine. Required.
	Fatal func(error)
	// Splits supplies the ids for splits by size and load; nil turns these off.
	Splits SplitPlanner
	// Reporter hears about changes of regions that this store leads; may be nil.
	Reporter Reporter
	// OldLocks hears of locks that keep the garbage collection back: their
	// transactions started below the region's fence, and must be settled by whoever
	// can. It must not block; what is left is told again. May be nil.
	OldLocks func(locks []mvcc.KeyLock)
	// OnSuspected hears that a store does not hear this one, or is not supported any
	// more: it is probably gone, and what it led is led elsewhere soon. It must not block.
	// May be nil.
	OnSuspected func(store uint64)
	// OnLeader hears of a region of which this store has a replica, when its leader (0:
	// unknown), its term or its descriptor, which must not be changed, is another one. It
	// must not block. May be nil.
	OnLeader func(region *metapb.Region, leaderStore, term uint64)
	// Peers reaches the other stores for what concerns no single region: a circle of
	// waits may go through several. Nil: there are none.
	Peers Peers
	// Observer sees Raft at work, for the simulation; nil in production.
	Observer replica.Observer
	// Workers of the scheduler; zero is the driver's default.
	Workers int
	// TickInterval is zero (multiraft's default) or another tick for tests.
	TickInterval time.Duration
	// Raft overrides settings of the groups, for tests.
	Raft multiraft.RaftSettings
	// SplitSizeBytes is zero (DefaultSplitSizeBytes) or another size for tests.
	SplitSizeBytes int64
	// LoadSplitRequests is how many requests a second a region may get before it is split
	// by load, until SetSplitRequests says otherwise: zero or less means never.
	LoadSplitRequests int
	// SnapshotBytesPerSecond: zero is the default, less means no limit.
	SnapshotBytesPerSecond int64
	// LogBudgetBytes is zero (DefaultLogBudgetBytes) or another bound for tests.
	LogBudgetBytes int64
	// DisableLeases makes every read confirm the leadership with a quorum. For
	// tests whose clocks break the assumption that leases rest on.
	DisableLeases bool
	// Manual starts no goroutine; see the package documentation.
	Manual bool
}

func (o *Options) validate() error {
	switch {
	case o.Transport == nil, o.Timestamps == nil, o.Clock == nil, o.Rand == nil, o.Logger == nil, o.Fatal == nil:
		return errors.New("open store: Transport, Timestamps, Clock, Rand, Logger and Fatal are required")
	case o.TickInterval < 0 || o.SplitSizeBytes < 0 || o.Workers < 0 || o.LogBudgetBytes < 0:
		return fmt.Errorf("open store: negative option")
	}
	if o.SplitSizeBytes == 0 {
		o.SplitSizeBytes = DefaultSplitSizeBytes
	}
	if o.SnapshotBytesPerSecond == 0 {
		o.SnapshotBytesPerSecond = DefaultSnapshotBytesPerSecond
	}
	if o.LogBudgetBytes == 0 {
		o.LogBudgetBytes = DefaultLogBudgetBytes
	}
	return nil
}

// SplitPlanner supplies ids that were never given out before.
type SplitPlanner interface {
	// AllocIDs returns the first of n fresh ids.
	AllocIDs(ctx context.Context, n int) (first uint64, err error)
}

// Peers is the other stores of the cluster. It may be used concurrently.
type Peers interface {
	// Stores lists those that are believed to be alive.
	Stores() []uint64
	// Send asks a store itself; see kvpb.LocksRequest. It must not wait for a store
	// that is known to be away.
	Send(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error)
}

// Reporter hears about regions that this store leads. RegionsChanged is called at
// most fifty times a second with what changed (leader, epoch, size by a tenth, down or
// pending peers); what it misses comes with Store.Report. It must not block.
type Reporter interface {
	RegionsChanged(changed []*placementpb.RegionReport)
}

// RegionInfo is what this store knows about one of its replicas.
type RegionInfo struct {
	Region       *metapb.Region
	Peer         *metapb.Peer // this store's
	Leader       *metapb.Peer // nil while unknown
	Term         uint64
	AppliedIndex uint64
	SizeBytes    int64
	// Fence and Collect are the region's bounds of the garbage collection as
	// applied here: see GCPoint.
	Fence, Collect timestamp.Timestamp
}

// Ident says which store of which cluster a directory belongs to.
type Ident struct {
	ClusterID uint64
	StoreID   uint64
	NodeID    uint64
}

// Stats are counters of a store, for metrics.
type Stats struct {
	Replicas, Leaders           int
	Proposals, ProposalsFailed  uint64
	LeaseReads, ReadIndexReads  uint64
	SnapshotsSent, SnapshotsGot uint64
	Splits, Merges              uint64
	LoadSplits                  uint64 // splits that were ordered because of load
	Collected                   uint64 // old versions, tombstones and marks deleted
	// Withdrawals counts the supports for other stores that have ended.
	Withdrawals uint64
	// LogBytes is about what the raft logs of all regions take.
	LogBytes int64
	Driver   multiraft.Metrics
}
