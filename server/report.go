package server

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region/store"
)

const (
	reportPeriod = time.Second
	// reportPause bounds how often changes are reported: they come in bursts
	// when a node takes over many regions.
	reportPause = 20 * time.Millisecond
)

// reporter tells placement what changed in the regions that this node leads. It
// implements store.Reporter.
type reporter struct {
	n    *Node
	wake chan struct{}
	// splitSize is what placement said last, 0: nothing yet.
	splitSize atomic.Int64
	mu        struct {
		sync.Mutex
		full    bool
		pending map[uint64]*placementpb.RegionReport
	}
}

func newReporter(n *Node) *reporter {
	r := &reporter{n: n, wake: make(chan struct{}, 1)}
	r.mu.full = true
	r.mu.pending = map[uint64]*placementpb.RegionReport{}
	return r
}

// RegionsChanged implements store.Reporter.
func (r *reporter) RegionsChanged(changed []*placementpb.RegionReport) {
	r.mu.Lock()
	for _, c := range changed {
		r.mu.pending[c.Region.Id] = c
	}
	r.mu.Unlock()
	r.n.rates.led(changed, r.n.cfg.Env.Clock.Now())
	r.kick()
}

// sendFull makes the next report a full one: placement has a new leader.
func (r *reporter) sendFull() {
	r.mu.Lock()
	r.mu.full = true
	r.mu.Unlock()
	r.kick()
}

func (r *reporter) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *reporter) run(ctx context.Context) {
	select {
	case <-r.n.built:
	case <-ctx.Done():
		return
	}
	t := r.n.cfg.Env.Clock.NewTicker(reportPeriod)
	defer t.Stop()
	var last time.Time
	for {
		r.report(ctx)
		last = r.n.cfg.Env.Clock.Now()
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		case <-r.wake:
			if env.Sleep(ctx, r.n.cfg.Env.Clock, reportPause-r.n.cfg.Env.Clock.Now().Sub(last)) != nil {
				return
			}
		}
	}
}

// report sends what is pending. What could not be sent is sent with the next
// report, which is then a full one.
func (r *reporter) report(ctx context.Context) {
	req := &placementpb.ReportRequest{ClusterId: r.n.ident.ClusterID, Store: r.n.self(), Stats: &placementpb.StoreStats{}}
	r.mu.Lock()
	req.Full = r.mu.full
	for _, c := range r.mu.pending {
		req.Regions = append(req.Regions, c)
	}
	r.mu.full = false
	clear(r.mu.pending)
	r.mu.Unlock()
	if req.Full {
		req.Regions = r.n.store.Report()
	}
	st := r.n.store.Stats()
	req.Stats.AvailableBytes, req.Stats.CapacityBytes = r.n.store.DiskSpace()
	req.Stats.Replicas, req.Stats.Leaders = uint32(st.Replicas), uint32(st.Leaders)
	req.OldestStartTs = uint64(r.n.txn.OldestActive())
	resp, err := r.n.client.Report(ctx, req)
	again := resp.GetSendFull()
	if p := resp.GetGc(); err == nil && p != nil {
		r.n.store.SetGC(store.GCPoint{Fence: timestamp.Timestamp(p.Fence), Collect: timestamp.Timestamp(p.Collect), Now: timestamp.Timestamp(p.Now)})
	}
	if err == nil {
		r.splitSize.Store(int64(resp.GetSplitSizeBytes()))
		r.n.store.SetSplitSize(int64(resp.GetSplitSizeBytes()))
		r.n.store.SetSplitRequests(resp.GetSplitRequests())
	}
	if err != nil && ctx.Err() == nil {
		r.n.log.Debug("report to placement", "err", err)
	}
	if err != nil || again {
		r.mu.Lock()
		r.mu.full = true
		r.mu.Unlock()
		if again {
			r.kick()
		}
	}
}
