package store

import (
	"context"
	"sync"
	"time"

	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/locktable"
)

// A transaction lives in a process, its gateway, and what it has locked is in the
// way of others until its life is over. If the gateway's process is gone, stopped or
// cut off, store liveness knows that seconds earlier. Nothing that is safe rests on
// that knowledge, which may be wrong: see the comment of package txn.

const (
	// supportTimeout bounds the wait for another store's answer.
	supportTimeout = 100 * time.Millisecond
	// verdictLost and verdictAlive are how long a verdict is not asked for again. A
	// gateway that was lost is not any more when this store supports it again, so
	// that is looked at each time.
	verdictLost  = 200 * time.Millisecond
	verdictAlive = 50 * time.Millisecond
)

// verdicts is what was found out about gateways lately.
type verdicts struct {
	mu   sync.Mutex
	by   map[locktable.Gateway]verdict
	boot uint64 // of this process
}

type verdict struct {
	lost  bool
	until time.Time
	// asking is set while somebody finds out; closed when they have.
	asking chan struct{}
}

// Boot is the store's boot id.
func (s *Store) Boot() uint64 { return s.gateways.boot }

// support says whether this store supports a process.
func (s *Store) support(g locktable.Gateway) kvpb.Support {
	if g.Store == s.ident.StoreID {
		if g.Boot < s.gateways.boot {
			return kvpb.Support_SUPPORT_GONE
		}
		return kvpb.Support_SUPPORT_GIVEN
	}
	v, _, _ := s.live.look()
	p := v.Peer(g.Store)
	switch {
	case p.Boot > g.Boot:
		return kvpb.Support_SUPPORT_GONE
	case p.Supports != (liveness.Epoch{}):
		return kvpb.Support_SUPPORT_GIVEN
	case p.Withdrawn == g.Boot && p.Boot == g.Boot:
		return kvpb.Support_SUPPORT_WITHDRAWN
	}
	return kvpb.Support_SUPPORT_UNKNOWN
}

// GatewayLost reports whether a process is over, or a majority of the stores that
// have supported it do not any more: those that answer that they never have are left
// out, and the process counts itself. It asks other stores only if this one has
// withdrawn its own support, and waits for them a short time.
func (s *Store) GatewayLost(ctx context.Context, store, boot uint64) bool {
	if store == 0 || boot == 0 {
		return false
	}
	g := locktable.Gateway{Store: store, Boot: boot}
	for {
		switch s.support(g) {
		case kvpb.Support_SUPPORT_GONE:
			return true
		case kvpb.Support_SUPPORT_WITHDRAWN:
		default:
			return false
		}
		s.gateways.mu.Lock()
		v := s.gateways.by[g]
		if v.asking == nil {
			break // the mutex stays locked
		}
		s.gateways.mu.Unlock()
		select {
		case <-v.asking:
		case <-ctx.Done():
			return false
		}
	}
	v := s.gateways.by[g]
	now := s.o.Clock.Now()
	if now.Before(v.until) {
		s.gateways.mu.Unlock()
		return v.lost
	}
	asking := make(chan struct{})
	for k, o := range s.gateways.by { // keeps the map small
		if o.asking == nil && !now.Before(o.until) {
			delete(s.gateways.by, k)
		}
	}
	s.gateways.by[g] = verdict{asking: asking}
	s.gateways.mu.Unlock()
	lost := s.pollSupport(ctx, g)
	ttl := verdictAlive
	if lost {
		ttl = verdictLost
	}
	s.gateways.mu.Lock()
	s.gateways.by[g] = verdict{lost: lost, until: s.o.Clock.Now().Add(ttl)}
	s.gateways.mu.Unlock()
	close(asking)
	if lost {
		s.log.Debug("gateway lost", "store", g.Store, "boot", g.Boot)
	}
	return lost
}

// pollSupport asks the other stores about a process that this one does not support
// any more.
func (s *Store) pollSupport(ctx context.Context, g locktable.Gateway) (lost bool) {
	if s.o.Peers == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, supportTimeout)
	defer cancel()
	stores := s.o.Peers.Stores()
	answers := make([]kvpb.Support, len(stores))
	var wg sync.WaitGroup
	for i, id := range stores {
		answers[i] = kvpb.Support_SUPPORT_GIVEN // who does not answer may support it
		if id == g.Store {
			continue
		}
		wg.Go(func() {
			q := &kvpb.SupportRequest{Gateway: &kvpb.Gateway{Store: g.Store, Boot: g.Boot}}
			resp, err := s.o.Peers.Send(ctx, id, s.storeRequest(id, &kvpb.Request{Cmd: &kvpb.Request_Support{Support: q}}))
			if err == nil && resp.GetSupport() != nil {
				answers[i] = resp.GetSupport().GetSupport()
			}
		})
	}
	wg.Wait()
	all, against := 2, 1 // the process itself, and this store
	for i, a := range answers {
		switch {
		case stores[i] == g.Store || a == kvpb.Support_SUPPORT_UNKNOWN:
		case a == kvpb.Support_SUPPORT_GONE:
			return true
		case a == kvpb.Support_SUPPORT_WITHDRAWN:
			all++
			against++
		default:
			all++
		}
	}
	return 2*against > all
}

// expireLost releases the row locks of lost gateways that somebody waits for.
func (s *Store) expireLost(ctx context.Context) {
	awaited := map[locktable.Gateway]bool{} // whether it is lost
	for _, r := range s.all() {
		for _, g := range r.AwaitedGateways() {
			lost, asked := awaited[g]
			if !asked {
				lost = s.GatewayLost(ctx, g.Store, g.Boot)
				awaited[g] = lost
			}
			if lost {
				r.ExpireGateway(g)
			}
		}
	}
}
