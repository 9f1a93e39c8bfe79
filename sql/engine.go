package sql

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/stmtstats"
)

// Options configures an Engine.
type Options struct {
	Store Store
	Clock env.Clock
	// NewRand returns a random source for one session.
	NewRand func() env.Rand
	Logger  *slog.Logger // nil: silent
	// NodeID tells the row ids of nodes apart: 1 … 32767.
	NodeID uint32
	// Lease and IDs are handed to the catalog; both may be nil.
	Lease catalog.Lease
	IDs   catalog.IDs
	// Entropy gives salts; nil is crypto/rand.Reader. Safe for concurrent use.
	Entropy io.Reader
	// Observed returns a timestamp that the oracle has reached; may be nil.
	Observed func() timestamp.Timestamp
	// Admin reaches the regions; nil refuses what needs it.
	Admin Admin
	// Version is the version of the program.
	Version string
	// MemoryLimit bounds what one statement sorts, hashes and materializes; 0 is
	// exec.DefaultMemoryLimit.
	MemoryLimit int64
	// Retention is for how long old versions are kept; 0 is placement's default.
	Retention time.Duration
	// Wake tells the engines of all other nodes to look for notifications (Engine.Wake);
	// it does not wait for them. Nil: they look by themselves now and then.
	Wake func()
	// Peers reaches the sessions of other nodes; nil: there are none.
	Peers Peers
}

// Admin is what statements need to know and ask of the cluster.
type Admin interface {
	// SplitAt cuts regions so that each key begins one. It returns when all of
	// them exist and have a leader.
	SplitAt(ctx context.Context, keys [][]byte) error
	// Unsplit lets go of all boundaries in [start, end) that somebody asked for.
	Unsplit(ctx context.Context, start, end []byte) error
	// Regions lists the regions that overlap [start, end), ordered by start key.
	Regions(ctx context.Context, start, end []byte) ([]RegionInfo, error)
	Nodes(ctx context.Context) ([]NodeInfo, error)
	// Locks lists the row locks and advisory locks in the memory of all leaders, and
	// who waits for them.
	Locks(ctx context.Context) ([]LockInfo, error)
	// Settings lists the settings of the cluster by name.
	Settings(ctx context.Context) ([]ClusterSetting, error)
}

// ClusterSetting is a setting of the cluster. Its values are text, such as 10m or 96MiB.
type ClusterSetting struct {
	Name, Value, Type, Default, Min, Max, About string
	// Set says that somebody chose the value.
	Set bool
}

// RegionInfo describes a region.
type RegionInfo struct {
	ID               uint64
	Start, End       []byte
	ConfVer, Version uint64
	LeaderNode       uint64 // 0: unknown
	LeaderStore      uint64
	Peers            []PeerInfo
	SizeBytes        uint64
}

// PeerInfo describes a member of a region.
type PeerInfo struct {
	PeerID, NodeID, StoreID uint64
	Role                    string
}

// NodeInfo describes a node.
type NodeInfo struct {
	ID       uint64
	SQLAddr  string
	RPCAddr  string
	State    string
	Version  string
	Started  time.Time
	Replicas int64
	Leaders  int64
}

// Engine runs statements for sessions.
type Engine struct {
	o       Options
	catalog *catalog.Catalog
	exprs   *expr.Catalog
	defs    map[string]*settingDef
	virtual map[catalog.ID]*virtualTable
	rowIDs  rowIDs
	// sequences makes sessions that change one sequence take turns.
	sequences keyedLocks
	// noRules runs plans as they were bound; tests compare.
	noRules bool
	started time.Time
	// plannedAhead counts plans that were made before their timestamp was there.
	plannedAhead atomic.Uint64
	channels     channels
	stats        *stmtstats.Recorder
	known        statistics

	mu struct {
		sync.Mutex
		sessions map[*Session]struct{}
	}
}

// New returns an engine.
func New(o Options) (*Engine, error) {
	if o.Store == nil || o.Clock == nil || o.NewRand == nil {
		return nil, errors.New("sql: no store, clock or random source")
	}
	if o.NodeID == 0 || o.NodeID > maxRowIDNode {
		return nil, errors.New("sql: the node id must be between 1 and 32767")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Entropy == nil {
		o.Entropy = rand.Reader
	}
	e := &Engine{o: o, exprs: expr.NewCatalog(), defs: settingDefs(), started: o.Clock.Now(), stats: stmtstats.New(0, o.Clock.Now())}
	e.rowIDs = rowIDs{clock: o.Clock, node: uint64(o.NodeID)}
	var tables []*catalog.Table
	e.virtual = map[catalog.ID]*virtualTable{}
	for _, v := range virtualTables() {
		t := v.descriptor()
		tables = append(tables, t)
		e.virtual[t.ID] = v
	}
	e.catalog = catalog.New(catalog.Options{Lease: o.Lease, IDs: o.IDs, Virtual: tables, Observed: o.Observed})
	e.mu.sessions = map[*Session]struct{}{}
	e.known.init()
	return e, nil
}

// PlannedAhead returns how many plans were made while the oracle was asked for the
// timestamp of their transaction.
func (e *Engine) PlannedAhead() uint64 { return e.plannedAhead.Load() }

// Catalog gives the server access to what the schema lease needs.
func (e *Engine) Catalog() *catalog.Catalog { return e.catalog }

// NewSession opens a session. It implements pgwire.Engine.
func (e *Engine) NewSession(ctx context.Context, p pgwire.SessionParams) (pgwire.Session, error) {
	s := &Session{e: e, params: p, settings: newSettings(e.defs), rand: e.o.NewRand(),
		prepared: map[string]*prepared{}, portals: map[string]*portal{}, cursors: map[string]*cursor{}}
	if p.User == "" {
		return nil, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "no PostgreSQL user name specified in startup packet")
	}
	role, defaults, err := e.admit(ctx, p)
	if err != nil {
		return nil, err
	}
	defaults["session_authorization"] = p.User
	if !role.Super {
		defaults["is_superuser"] = "off"
	}
	for _, v := range p.Settings {
		d := e.defs[lower(v.Name)]
		if d == nil {
			return nil, sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter %q", v.Name)
		}
		if d.readOnly {
			return nil, sqlerr.New(sqlerr.CantChangeRuntimeParam, "parameter %q cannot be changed", d.name)
		}
		val, err := d.check(v.Value)
		if err != nil {
			return nil, err
		}
		defaults[lower(v.Name)] = val
	}
	s.settings.defaults = defaults
	if err := s.settings.derive(); err != nil {
		return nil, err
	}
	now := e.o.Clock.Now()
	s.mu.activity = activity{started: now, changed: now, status: pgwire.TxIdle, application: s.settings.must("application_name")}
	e.mu.Lock()
	e.mu.sessions[s] = struct{}{}
	e.mu.Unlock()
	return s, nil
}

// sleep waits for a duration of the engine's clock.
func (e *Engine) sleep(ctx context.Context, d time.Duration) error {
	t := e.o.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// rowIDs makes row ids: 48 bits of time in units of 10 µs, 15 bits of the node.
// They rise on each node and are unique as long as a node's clock does not go back
// over a restart; inserts of single statements check that for free.
type rowIDs struct {
	clock env.Clock
	node  uint64
	mu    struct {
		sync.Mutex
		last uint64
	}
}

const (
	rowIDNodeBits = 15
	maxRowIDNode  = 1<<rowIDNodeBits - 1
	rowIDUnit     = 10 * time.Microsecond
)

func (r *rowIDs) next() (int64, error) {
	now := uint64(r.clock.Now().UnixNano()) / uint64(rowIDUnit)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.last = max(r.mu.last+1, now)
	if r.mu.last >= 1<<(63-rowIDNodeBits) {
		return 0, sqlerr.New(sqlerr.ProgramLimitExceeded, "row ids are exhausted: the clock is wrong")
	}
	return int64(r.mu.last<<rowIDNodeBits | r.node), nil
}
