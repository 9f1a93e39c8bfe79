package router

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/suspect"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

// Route is what is known of one region: where it is and who leads it.
type Route struct {
	// Region is never changed after it was handed over.
	Region *metapb.Region
	// LeaderStore is 0 while unknown.
	LeaderStore uint64
	// Term is the term in which LeaderStore leads; 0 if unknown.
	Term uint64
}

// Directory is asked for routes that the table lacks. Answers may be old; the
// router corrects them from what regions say.
type Directory interface {
	// LookupKey returns the region that contains key.
	LookupKey(ctx context.Context, key []byte) (Route, error)
	// LookupID returns the region with that id.
	LookupID(ctx context.Context, regionID uint64) (Route, error)
}

// Sender carries a request to a store and brings its answer. An error of type
// *NotSentError means that the request never got there, one of type *RegionError
// that trying again is of no use; any other error leaves open whether it ran. A Sender must be safe for concurrent use and must not
// change the request.
type Sender interface {
	Send(ctx context.Context, storeID uint64, req *kvpb.Request) (*kvpb.Response, error)
}

// Options configures a Router.
type Options struct {
	// Directory may be nil: then only pushed routes are known, and Send waits
	// for them.
	Directory Directory
	Sender    Sender
	Clock     env.Clock
	Rand      env.Rand
	Logger    *slog.Logger // nil: silent
	// ClusterID is put into every header; nil or an answer of 0: not checked.
	ClusterID func() uint64
	// LocalStore is tried first while a region's leader is unknown; may be 0.
	LocalStore uint64
	// AttemptTimeout bounds one attempt; 0 means 5 s. A write that exceeds it is
	// ambiguous, a read is tried elsewhere.
	AttemptTimeout time.Duration
	// Suspects is shared with others who send to stores; nil: the router's own.
	Suspects *suspect.Stores
}

const defaultAttemptTimeout = 5 * time.Second

func (o *Options) validate() error {
	if o.Sender == nil {
		return errors.New("router: no sender")
	}
	if o.Clock == nil || o.Rand == nil {
		return errors.New("router: no clock or no random source")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.AttemptTimeout <= 0 {
		o.AttemptTimeout = defaultAttemptTimeout
	}
	if o.Suspects == nil {
		o.Suspects = suspect.New(o.Clock)
	}
	return nil
}

// Router sends requests to the leaders of regions. See the package comment.
type Router struct {
	opts Options

	mu struct {
		sync.RWMutex
		table table
	}
	stores *suspect.Stores

	rand struct {
		sync.Mutex
		env.Rand
	}
}

// New returns a router with an empty table.
func New(opts Options) (*Router, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	r := &Router{opts: opts, stores: opts.Suspects}
	r.rand.Rand = opts.Rand
	r.mu.table = newTable()
	return r, nil
}

// Update takes routes that were pushed or learned. Older ones than known are
// ignored. With full set, routes are all there are: known regions that are
// missing from them and not newer than what covers their range are forgotten.
func (r *Router) Update(routes []Route, full bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.table.update(routes, full)
}

// Routes returns all known routes in the order of their start keys.
func (r *Router) Routes() []Route {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mu.table.routes()
}

// MarkSuspect says that a store is probably gone: all regions that it led count
// as leaderless until another leader is known, and requests in flight to it fail
// at once (reads are tried elsewhere, writes are ambiguous). A suspect store is
// still asked, after the other peers, but not waited for as long until it has
// answered.
func (r *Router) MarkSuspect(storeID uint64) {
	r.mu.Lock()
	r.mu.table.suspect(storeID)
	r.mu.Unlock()
	r.stores.Suspect(storeID, fmt.Errorf("store %d is suspected to be down", storeID))
}

// Lookup returns the route of the region that contains key.
func (r *Router) Lookup(ctx context.Context, key []byte) (Route, error) {
	return r.find(ctx, key, false)
}

// LookupBefore returns the route of the region that holds the keys right below
// key; an empty key stands for infinity, so that it finds the last region.
func (r *Router) LookupBefore(ctx context.Context, key []byte) (Route, error) {
	return r.find(ctx, key, true)
}

// LookupID returns the route of the region with that id.
func (r *Router) LookupID(ctx context.Context, regionID uint64) (Route, error) {
	r.mu.RLock()
	e := r.mu.table.byID(regionID)
	var rt Route
	stale := true
	if e != nil {
		rt, stale = e.route(), e.stale
	}
	r.mu.RUnlock()
	if rt.Region != nil && (!stale || r.opts.Directory == nil) {
		return rt, nil
	}
	if r.opts.Directory == nil {
		return Route{}, fmt.Errorf("region %d is not known", regionID)
	}
	fresh, err := r.opts.Directory.LookupID(ctx, regionID)
	if err == nil && (fresh.Region == nil || fresh.Region.GetId() != regionID) {
		err = fmt.Errorf("the directory answered with region %d", fresh.Region.GetId())
	}
	if err != nil {
		if rt.Region != nil && ctx.Err() == nil {
			return rt, nil
		}
		return Route{}, fmt.Errorf("look up region %d: %w", regionID, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.table.insert(fresh)
	if e := r.mu.table.byID(regionID); e != nil {
		e.stale = false
		return e.route(), nil
	}
	return fresh, nil
}

// contains reports whether key lies in the region; with before set, whether the
// keys right below key do.
func contains(region *metapb.Region, key []byte, before bool) bool {
	start, end := region.GetStartKey(), region.GetEndKey()
	if !before {
		return bytes.Compare(key, start) >= 0 && (len(end) == 0 || bytes.Compare(key, end) < 0)
	}
	if len(key) == 0 {
		return len(end) == 0
	}
	return bytes.Compare(key, start) > 0 && (len(end) == 0 || bytes.Compare(key, end) <= 0)
}
