package store

import "sync"

// queue is a first in, first out queue that one consumer waits on.
type queue[T any] struct {
	mu     sync.Mutex
	items  []T
	closed bool
	signal chan struct{} // of capacity one
}

func newQueue[T any]() *queue[T] { return &queue[T]{signal: make(chan struct{}, 1)} }

// push adds without a bound: what goes in is bounded by its origin (one per
// replica and kind of work).
func (q *queue[T]) push(v T) { q.pushMax(v, 0) }

// pushMax adds v unless the queue holds most items (0: no bound) or is closed.
func (q *queue[T]) pushMax(v T, most int) bool {
	q.mu.Lock()
	if q.closed || (most > 0 && len(q.items) >= most) {
		q.mu.Unlock()
		return false
	}
	q.items = append(q.items, v)
	q.mu.Unlock()
	select {
	case q.signal <- struct{}{}:
	default:
	}
	return true
}

func (q *queue[T]) pop() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.items) == 0 {
		return v, false
	}
	v = q.items[0]
	var zero T
	q.items[0] = zero
	q.items = q.items[1:]
	return v, true
}

// popAll takes everything.
func (q *queue[T]) popAll() []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := q.items
	q.items = nil
	return out
}

func (q *queue[T]) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
}
