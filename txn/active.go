package txn

import (
	"context"
	"sync"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// activeSet holds the start timestamps of transactions that are open: what they may
// read must not be given up.
type activeSet struct {
	mu     sync.Mutex
	starts map[timestamp.Timestamp]int
}

func (a *activeSet) add(ts timestamp.Timestamp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.starts == nil {
		a.starts = make(map[timestamp.Timestamp]int)
	}
	a.starts[ts]++
}

func (a *activeSet) remove(ts timestamp.Timestamp) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.starts[ts]--; a.starts[ts] <= 0 {
		delete(a.starts, ts)
	}
}

// OldestActive returns the smallest timestamp at which a transaction that is open
// may still read, 0 if none is open.
func (c *Client) OldestActive() timestamp.Timestamp {
	c.active.mu.Lock()
	defer c.active.mu.Unlock()
	var oldest timestamp.Timestamp
	for ts := range c.active.starts {
		if oldest == 0 || ts < oldest {
			oldest = ts
		}
	}
	return oldest
}

// SettleLocks settles locks of transactions that are over, so that nothing old is
// left (rule B6), in the background. Those that live are left alone.
func (c *Client) SettleLocks(locks []*kvpb.LockInfo) {
	c.work.offer(func(ctx context.Context) error {
		_, err := c.passForWrite(ctx, locks)
		return err
	})
}
