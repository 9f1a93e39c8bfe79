package router

import (
	"context"
	"sync"
	"time"
)

// attemptContext is the context of one attempt: it ends with its parent, after a
// time, and when its store is marked suspect. What that takes (a timer, hooks in
// two other contexts) is made when somebody first wants to wait for the end: a read
// that is served in this process mostly does not wait for anything.
type attemptContext struct {
	parent  context.Context
	store   context.Context // ends when the store is marked suspect
	timeout time.Duration
	mu      struct {
		sync.Mutex
		whole   context.Context // nil until it is needed
		release func()
	}
}

var _ context.Context = (*attemptContext)(nil)

func (a *attemptContext) build() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.whole == nil {
		ctx, cancelTimeout := context.WithTimeout(a.parent, a.timeout)
		ctx, cancel := context.WithCancelCause(ctx)
		unhook := context.AfterFunc(a.store, func() { cancel(context.Cause(a.store)) })
		a.mu.whole = ctx
		a.mu.release = func() {
			unhook()
			cancel(nil)
			cancelTimeout()
		}
	}
	return a.mu.whole
}

// finish must be called when the attempt is over.
func (a *attemptContext) finish() {
	a.mu.Lock()
	release := a.mu.release
	a.mu.Unlock()
	if release != nil {
		release()
	}
}

// now is the whole context if there is one, else the parent, which has all but
// the time and the store.
func (a *attemptContext) now() context.Context {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.whole != nil {
		return a.mu.whole
	}
	return a.parent
}

func (a *attemptContext) Deadline() (time.Time, bool) { return a.build().Deadline() }
func (a *attemptContext) Done() <-chan struct{}       { return a.build().Done() }
func (a *attemptContext) Err() error                  { return a.now().Err() }

// Value also answers package context's own questions, so that children hook
// themselves into the whole context and Cause finds its cause.
func (a *attemptContext) Value(key any) any { return a.now().Value(key) }
