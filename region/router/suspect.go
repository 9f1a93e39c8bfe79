package router

import (
	"context"
	"sync"
)

// storeContexts lets all requests in flight to a store be ended at once. There
// is one entry per store that was ever asked.
type storeContexts struct {
	mu struct {
		sync.Mutex
		byStore map[uint64]*storeContext
	}
}

type storeContext struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func (s *storeContexts) init() { s.mu.byStore = make(map[uint64]*storeContext) }

// attach returns a context that also ends when the store is marked suspect. The
// function must be called when the request is over.
func (s *storeContexts) attach(ctx context.Context, store uint64) (context.Context, func()) {
	s.mu.Lock()
	sc := s.mu.byStore[store]
	if sc == nil {
		sc = &storeContext{}
		sc.ctx, sc.cancel = context.WithCancelCause(context.Background())
		s.mu.byStore[store] = sc
	}
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	unhook := context.AfterFunc(sc.ctx, func() { cancel(context.Cause(sc.ctx)) })
	return ctx, func() {
		unhook()
		cancel(nil)
	}
}

// fail ends all requests in flight to a store. Later ones are not concerned.
func (s *storeContexts) fail(store uint64, cause error) {
	s.mu.Lock()
	sc := s.mu.byStore[store]
	delete(s.mu.byStore, store)
	s.mu.Unlock()
	if sc != nil {
		sc.cancel(cause)
	}
}
