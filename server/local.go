package server

import (
	"sync"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft/transport"
	"github.com/quorate-db/quorate/region/router"
)

// LocalCluster joins the nodes of one process, as in the demo: raft messages and
// requests to regions are function calls between them.
type LocalCluster struct {
	network *transport.LocalNetwork
	mu      struct {
		sync.Mutex
		stores  map[uint64]router.Handler
		routers map[*router.Transport]struct{}
	}
}

// NewLocalCluster returns a cluster without nodes.
func NewLocalCluster(clock env.Clock) *LocalCluster {
	c := &LocalCluster{network: transport.NewLocalNetwork(clock)}
	c.mu.stores = map[uint64]router.Handler{}
	c.mu.routers = map[*router.Transport]struct{}{}
	return c
}

// add makes a node's store known to the other nodes and theirs to it.
func (c *LocalCluster) add(storeID uint64, h router.Handler, t *router.Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.stores[storeID] = h
	c.mu.routers[t] = struct{}{}
	for id, s := range c.mu.stores {
		t.Register(id, s)
	}
	for o := range c.mu.routers {
		o.Register(storeID, h)
	}
}

func (c *LocalCluster) remove(storeID uint64, t *router.Transport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.stores, storeID)
	delete(c.mu.routers, t)
	for o := range c.mu.routers {
		o.Unregister(storeID)
	}
}
