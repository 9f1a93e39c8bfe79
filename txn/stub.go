package txn

import (
	"context"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
)

// Savepoint names a state of a transaction's write buffer. The zero value names
// none.
type Savepoint struct{ id uint64 }

type buffer struct {
	count int
	bytes int64
	limit int64
}

var errBuffer = &UnsupportedError{What: "write buffer"}

func (b *buffer) init(limit int64)              { b.limit = limit }
func (b *buffer) put(key, value []byte) error   { return errBuffer }
func (b *buffer) delete(key []byte) error       { return errBuffer }
func (b *buffer) lock(key []byte) error         { return errBuffer }
func (b *buffer) savepoint() Savepoint          { return Savepoint{} }
func (b *buffer) rollbackTo(sp Savepoint) error { return errBuffer }
func (b *buffer) release(sp Savepoint) error    { return errBuffer }
func (b *buffer) drop()                         {}

type ignoreSet struct{ m map[timestamp.Timestamp]struct{} }

func (s *ignoreSet) reset() { s.m = nil }

type settledCache struct{}

func (s *settledCache) init() {}

type heartbeats struct{}

func (h *heartbeats) init() {}

func (c *Client) heartbeatLoop(ctx context.Context) {}

type background struct{}

func (b *background) start(c *Client)                 {}
func (b *background) drain(ctx context.Context) error { return nil }

func (c *Client) pause(ctx context.Context, attempt int) error {
	c.rand.Lock()
	d := env.Jitter(c.rand.Rand, min(backoffMin<<min(attempt, 10), backoffMax))
	c.rand.Unlock()
	return env.Sleep(ctx, c.opts.Clock, d)
}
