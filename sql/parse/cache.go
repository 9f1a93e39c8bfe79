package parse

import (
	"container/list"
	"sync"
)

const (
	// cachedTextBytesMax keeps bulk inserts, which never come twice, out of the cache.
	cachedTextBytesMax = 16 << 10
	// A tree takes about 16 bytes for each byte of its text, and an entry about 512 besides: an estimate from the sizes of the nodes, not measured.
	costPerByte  = 16
	costPerEntry = 512
)

// Cache is a statement cache by text in front of Parse: a client that sends the same text again gets the same tree. It holds successes
// only, gives up the least recently used text first, and is safe for concurrent use.
type Cache struct {
	bytesMax int64

	mu struct {
		sync.Mutex
		// Invariant: used is the sum of the entries' costs, and at most bytesMax between calls.
		used    int64
		entries map[string]*list.Element
		recent  *list.List // front: used last; values are *cacheEntry
		hits    uint64
		misses  uint64
	}
}

type cacheEntry struct {
	text  string
	stmts []Statement
	cost  int64
}

// NewCache makes a cache of about bytesMax bytes; with zero nothing is kept.
func NewCache(bytesMax int64) *Cache {
	c := &Cache{bytesMax: bytesMax}
	c.mu.entries = map[string]*list.Element{}
	c.mu.recent = list.New()
	return c
}

// Parse is the package's Parse with the cache in front. The caller must not change the returned statements.
func (c *Cache) Parse(sql string) ([]Statement, error) {
	if stmts, ok := c.lookup(sql); ok {
		return stmts, nil
	}
	stmts, err := Parse(sql)
	if err == nil {
		c.keep(sql, stmts)
	}
	return stmts, err
}

// CacheStats are the counters of a Cache.
type CacheStats struct {
	Hits, Misses uint64
	Entries      int
	Bytes        int64
}

// Stats are the counters so far.
func (c *Cache) Stats() CacheStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return CacheStats{Hits: c.mu.hits, Misses: c.mu.misses, Entries: len(c.mu.entries), Bytes: c.mu.used}
}

func (c *Cache) lookup(sql string) ([]Statement, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.mu.entries[sql]
	if !ok {
		c.mu.misses++
		return nil, false
	}
	c.mu.hits++
	c.mu.recent.MoveToFront(e)
	return e.Value.(*cacheEntry).stmts, true
}

func (c *Cache) keep(sql string, stmts []Statement) {
	cost := int64(costPerEntry + costPerByte*len(sql))
	if len(sql) > cachedTextBytesMax || cost > c.bytesMax {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.mu.entries[sql]; ok {
		return // another session was faster
	}
	c.mu.entries[sql] = c.mu.recent.PushFront(&cacheEntry{text: sql, stmts: stmts, cost: cost})
	c.mu.used += cost
	for c.mu.used > c.bytesMax {
		last := c.mu.recent.Back()
		e := c.mu.recent.Remove(last).(*cacheEntry)
		delete(c.mu.entries, e.text)
		c.mu.used -= e.cost
	}
}
