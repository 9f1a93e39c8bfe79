package txn

import "sync"

// collector gathers what parallel requests bring.
type collector[T any] struct {
	mu    sync.Mutex
	items []T
}

func (c *collector[T]) add(items []T) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.items = append(c.items, items...)
}
