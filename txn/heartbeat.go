package txn

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// heartbeatsPerTTL is how often a lock's life is renewed within it.
const heartbeatsPerTTL = 5

// heartbeats holds the commits whose locks must be kept alive.
type heartbeats struct {
	mu struct {
		sync.Mutex
		active map[*heartbeat]struct{}
	}
}

// heartbeat is one commit under way.
type heartbeat struct {
	primary []byte
	startTS uint64
	// began is when the start timestamp arrived, from which a lock's life counts.
	began time.Time
	since time.Time // registered
	// locked: the primary's lock stands, so there is something to renew.
	locked atomic.Bool
}

func (h *heartbeats) init() { h.mu.active = make(map[*heartbeat]struct{}) }

func (h *heartbeats) add(b *heartbeat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.active[b] = struct{}{}
}

func (h *heartbeats) remove(b *heartbeat) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.mu.active, b)
}

// due returns the commits that have lasted for at least one period.
func (h *heartbeats) due(now time.Time, period time.Duration) []*heartbeat {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []*heartbeat
	for b := range h.mu.active {
		if b.locked.Load() && now.Sub(b.since) >= period {
			out = append(out, b)
		}
	}
	return out
}

// heartbeatLoop renews locks until the client stops.
func (c *Client) heartbeatLoop(ctx context.Context) {
	period := c.opts.LockTTL / heartbeatsPerTTL
	ticker := c.opts.Clock.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return
		}
		due := c.beats.due(c.opts.Clock.Now(), period)
		if len(due) == 0 {
			continue
		}
		_ = parallel(ctx, len(due), func(ctx context.Context, i int) error {
			c.beat(ctx, due[i], period)
			return nil
		})
	}
}

// beat renews one lock. A failure is not reported: if the lock is gone the
// commit finds out by itself.
func (c *Client) beat(ctx context.Context, b *heartbeat, period time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	_, err := c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Heartbeat{Heartbeat: &kvpb.HeartbeatRequest{
		Primary: b.primary, StartTs: b.startTS, TtlMs: c.lockLifeMs(b.began),
	}}})
	if err != nil {
		c.opts.Logger.Debug("heartbeat failed", "txn", b.startTS, "err", err)
	}
}

// lockLifeMs returns the life to give to a lock now. It counts from the start
// timestamp, so a transaction that has been open for long gets a longer one.
func (c *Client) lockLifeMs(began time.Time) uint64 {
	age := max(0, c.opts.Clock.Now().Sub(began))
	return uint64((age + c.opts.LockTTL).Milliseconds())
}
