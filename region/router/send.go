package router

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

const (
	backoffMin = 2 * time.Millisecond
	backoffMax = 50 * time.Millisecond
	// A busy store may ask for a longer pause, up to this.
	backoffBusyMax = time.Second
	// hintsInARow is how often leader hints are followed without a pause: two
	// stores that point at each other must not be asked in a tight loop.
	hintsInARow = 3
)

// Send gets a request answered by the region that holds its keys, which are taken
// from the request itself. The answer never carries a region error; key errors
// are the caller's.
//
// It tries again until ctx ends as long as nothing ran. Errors: ErrRegionChanged,
// *AmbiguousError (only for writes), *EntryTooLargeError, *RegionError, and the
// error of ctx, joined with the last thing that stood in the way.
func (r *Router) Send(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error) {
	sp, err := requestSpan(req)
	if err != nil {
		return nil, err
	}
	return r.send(ctx, req, func() (Route, error) {
		rt, err := r.Lookup(ctx, sp.low)
		if err == nil && !sp.within(rt.Region) {
			return rt, ErrRegionChanged
		}
		return rt, err
	})
}

// SendRegion gets a request answered by the leader of a region that is named by
// its id: administration. ErrRegionChanged is returned if the region's epoch
// turned out to be newer than the router knew, because what was asked for may
// rest on the old one.
func (r *Router) SendRegion(ctx context.Context, regionID uint64, req *kvpb.Request) (*kvpb.Response, error) {
	var first *metapb.Epoch
	return r.send(ctx, req, func() (Route, error) {
		rt, err := r.LookupID(ctx, regionID)
		if err != nil {
			return rt, err
		}
		if first == nil {
			first = rt.Region.GetEpoch()
		} else if compareEpoch(first, rt.Region.GetEpoch()) != 0 {
			return rt, ErrRegionChanged
		}
		return rt, nil
	})
}

// attempts is the memory of one Send call.
type attempts struct {
	count int
	hints int
	tried []uint64 // stores asked since the last full round
	last  error    // what stood in the way
}

func (r *Router) send(ctx context.Context, req *kvpb.Request, target func() (Route, error)) (*kvpb.Response, error) {
	var st attempts
	read := isRead(req)
	for {
		if err := ctx.Err(); err != nil {
			return nil, st.ctxError(ctx)
		}
		rt, err := target()
		if errors.Is(err, ErrRegionChanged) {
			return nil, err
		}
		if err != nil {
			// A hole in the table and a directory that cannot help now.
			st.last = err
			if !r.pause(ctx, &st, 0, 0) {
				return nil, st.ctxError(ctx)
			}
			continue
		}
		store := r.pickStore(rt, &st)
		if store == 0 {
			st.last = fmt.Errorf("region %d has no peers", rt.Region.GetId())
			r.distrust(rt)
			if !r.pause(ctx, &st, 0, 0) {
				return nil, st.ctxError(ctx)
			}
			continue
		}
		resp, err := r.attempt(ctx, store, rt, req)
		if err != nil {
			var (
				notSent *NotSentError
				final   *RegionError
			)
			switch {
			case errors.As(err, &final):
				return nil, err
			case errors.As(err, &notSent):
			case !read:
				r.notLeading(rt, store)
				return nil, &AmbiguousError{RegionID: rt.Region.GetId(), StoreID: store, Err: err}
			}
			st.last = err
			r.notLeading(rt, store)
			if !r.pause(ctx, &st, rt.Region.GetId(), 0) {
				return nil, st.ctxError(ctx)
			}
			continue
		}
		regionErr := resp.GetRegionError()
		if regionErr == nil {
			r.leads(rt, store)
			return resp, nil
		}
		wait, err := r.learn(rt, store, regionErr, read, &st)
		if err != nil {
			return nil, err
		}
		if wait >= 0 && !r.pause(ctx, &st, rt.Region.GetId(), wait) {
			return nil, st.ctxError(ctx)
		}
	}
}

// attempt sends once.
func (r *Router) attempt(ctx context.Context, store uint64, rt Route, req *kvpb.Request) (*kvpb.Response, error) {
	header := &kvpb.Header{RegionId: rt.Region.GetId(), Epoch: rt.Region.GetEpoch(), StoreId: store}
	if r.opts.ClusterID != nil {
		header.ClusterId = r.opts.ClusterID()
	}
	a := &attemptContext{parent: ctx}
	a.store, a.timeout = r.stores.Enter(store, r.opts.AttemptTimeout)
	defer a.finish()
	resp, err := r.opts.Sender.Send(a, store, &kvpb.Request{Header: header, Cmd: req.GetCmd()})
	if err != nil {
		if cause := context.Cause(a); cause != nil && !errors.Is(err, cause) {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, err
	}
	if resp == nil {
		return nil, errors.New("no answer")
	}
	r.stores.Answered(store)
	return resp, nil
}

// learn repairs the table from a region error. It returns how long the region
// asked to wait before the next attempt (negative: not at all), or the error that
// ends the call.
func (r *Router) learn(rt Route, store uint64, re *kvpb.RegionError, read bool, st *attempts) (wait time.Duration, err error) {
	id := rt.Region.GetId()
	st.last = &RegionError{RegionID: id, StoreID: store, Message: regionErrorText(re), DiskFull: re.GetDiskFull() != nil}
	switch k := re.GetKind().(type) {
	case *kvpb.RegionError_NotLeader:
		if r.hint(rt, store, k.NotLeader) && st.hints < hintsInARow {
			st.hints++
			return -1, nil
		}
		return 0, nil
	case *kvpb.RegionError_EpochNotMatch:
		if r.learnRegions(rt, store, k.EpochNotMatch.GetCurrent()) {
			return -1, nil
		}
		// The store knows nothing newer: its replica lags, or the table is ahead.
		r.notLeading(rt, store)
		return 0, nil
	case *kvpb.RegionError_KeyNotInRegion:
		if reg := k.KeyNotInRegion.GetRegion(); reg != nil && r.learnRegions(rt, store, []*metapb.Region{reg}) {
			return -1, nil
		}
		r.distrust(rt)
		return 0, nil
	case *kvpb.RegionError_RegionNotFound, *kvpb.RegionError_StoreNotMatch, *kvpb.RegionError_Unavailable:
		r.notLeading(rt, store)
		return 0, nil
	case *kvpb.RegionError_ServerBusy:
		return min(time.Duration(k.ServerBusy.GetBackoffMs())*time.Millisecond, backoffBusyMax), nil
	case *kvpb.RegionError_Ambiguous:
		if read {
			return 0, nil
		}
		return 0, &AmbiguousError{RegionID: id, StoreID: store, Err: st.last}
	case *kvpb.RegionError_EntryTooLarge:
		return 0, &EntryTooLargeError{RegionID: id, Size: k.EntryTooLarge.GetSize(), Limit: k.EntryTooLarge.GetLimit()}
	default:
		return 0, st.last
	}
}

func regionErrorText(re *kvpb.RegionError) string {
	kind := "refused"
	switch re.GetKind().(type) {
	case *kvpb.RegionError_NotLeader:
		kind = "not the leader"
	case *kvpb.RegionError_EpochNotMatch:
		kind = "epoch does not match"
	case *kvpb.RegionError_RegionNotFound:
		kind = "region not found"
	case *kvpb.RegionError_KeyNotInRegion:
		kind = "key not in region"
	case *kvpb.RegionError_ServerBusy:
		kind = "busy"
	case *kvpb.RegionError_Ambiguous:
		kind = "outcome unknown"
	case *kvpb.RegionError_StoreNotMatch:
		kind = "another store answered"
	case *kvpb.RegionError_EntryTooLarge:
		kind = "write too large"
	case *kvpb.RegionError_Unavailable:
		kind = "unavailable"
	}
	if re.GetMessage() == "" {
		return kind
	}
	return kind + ": " + re.GetMessage()
}

// pickStore returns the store to ask next: the leader, else the peers in turn,
// this process's own store first and suspects last. After a full round without
// luck the route counts as stale.
func (r *Router) pickStore(rt Route, st *attempts) uint64 {
	if rt.LeaderStore != 0 {
		if !slices.Contains(st.tried, rt.LeaderStore) {
			st.tried = append(st.tried, rt.LeaderStore)
		}
		return rt.LeaderStore
	}
	r.mu.RLock()
	var avoid uint64
	if e := r.mu.table.byID(rt.Region.GetId()); e != nil {
		avoid = e.avoid
	}
	r.mu.RUnlock()
	for range 2 {
		if s := r.untried(rt.Region, st, avoid); s != 0 {
			st.tried = append(st.tried, s)
			return s
		}
		st.tried = st.tried[:0]
		r.distrust(rt)
	}
	return 0
}

func (r *Router) untried(region *metapb.Region, st *attempts, avoid uint64) uint64 {
	var best uint64
	rank := func(store uint64) int {
		switch {
		case store == avoid || r.stores.Suspected(store):
			return 1
		case store == r.opts.LocalStore:
			return 3
		default:
			return 2
		}
	}
	for _, p := range region.GetPeers() {
		s := p.GetStoreId()
		if p.GetRole() == metapb.PeerRole_LEARNER || slices.Contains(st.tried, s) {
			continue
		}
		if best == 0 || rank(s) > rank(best) {
			best = s
		}
	}
	return best
}

// pause waits before the next attempt and reports false if ctx ended instead. When a
// leader of the region that was not known becomes known it waits no longer. 0: no region.
func (r *Router) pause(ctx context.Context, st *attempts, region uint64, atLeast time.Duration) bool {
	d := backoffMin << min(st.count, 10)
	st.count++
	st.hints = 0
	d = max(min(d, backoffMax), atLeast)
	r.rand.Lock()
	d = env.Jitter(r.rand.Rand, d)
	r.rand.Unlock()
	r.mu.Lock()
	found := r.mu.table.awaitLeader(region)
	r.mu.Unlock()
	t := r.opts.Clock.NewTimer(d)
	defer t.Stop()
	select {
	case <-found:
	case <-t.C():
	case <-ctx.Done():
		return false
	}
	return true
}

func (st *attempts) ctxError(ctx context.Context) error {
	err := context.Cause(ctx)
	if st.last == nil {
		return err
	}
	return fmt.Errorf("%w (last obstacle: %w)", err, st.last)
}
