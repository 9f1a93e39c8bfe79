// Package stop gives goroutines an owner: a Group starts them, tells them to end
// and waits until they have.
package stop

import (
	"context"
	"sync"
)

// Group owns a set of goroutines. The zero value is not usable: see NewGroup.
// All methods are safe for concurrent use.
type Group struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	mu     struct {
		sync.Mutex
		stopped bool
	}
}

// NewGroup returns a group whose goroutines end when Stop is called or parent
// ends.
func NewGroup(parent context.Context) *Group {
	ctx, cancel := context.WithCancel(parent)
	return &Group{ctx: ctx, cancel: cancel}
}

// Context ends when the group stops.
func (g *Group) Context() context.Context { return g.ctx }

// Go starts f, which must return soon after its context ends. It reports false,
// and does not start f, once the group is stopped. The name is for the reader.
func (g *Group) Go(name string, f func(ctx context.Context)) bool {
	g.mu.Lock()
	if g.mu.stopped {
		g.mu.Unlock()
		return false
	}
	g.wg.Add(1)
	g.mu.Unlock()
	go func() {
		defer g.wg.Done()
		f(g.ctx)
	}()
	return true
}

// Stop tells all goroutines to end and waits for them. A second call waits too.
func (g *Group) Stop() {
	g.mu.Lock()
	g.mu.stopped = true
	g.mu.Unlock()
	g.cancel()
	g.wg.Wait()
}
