package sim

import (
	"errors"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/store"
)

// administer orders a split, a transfer or a change of membership now and then,
// as placement would.
func (c *client) administer() {
	w := c.w
	p := w.plan
	if !p.split && !p.transfer && !p.membership {
		return
	}
	w.after(between(c.rng(), p.adminEvery/2, p.adminEvery*3/2), "administration", func() {
		if w.quiet {
			return
		}
		key := []byte(w.key(c.rng().IntN(p.keys)))
		if c.rng().IntN(8) == 0 {
			key = []byte{1, 'r'} // the placement region
		}
		desc := w.directory(key)
		if desc == nil {
			c.administer()
			return
		}
		c.learn(desc)
		var kinds []func(*metapb.Region, []byte)
		if p.split && desc.GetId() != region.PlacementID {
			kinds = append(kinds, c.split)
		}
		if p.transfer {
			kinds = append(kinds, c.transfer)
		}
		if p.membership {
			kinds = append(kinds, c.changeMembers, c.changeMembers)
		}
		if len(kinds) > 0 {
			kinds[c.rng().IntN(len(kinds))](desc, key)
		}
		c.administer()
	})
}

// order sends an administrative command, made for the region as it is, to its leader.
// done hears whether it was carried out; it may have been nevertheless.
func (c *client) order(what string, desc *metapb.Region, key []byte, a *kvpb.AdminRequest, done func(ok bool)) {
	w := c.w
	w.say("order: %s of %s", what, region.Describe(desc))
	r := c.route(key)
	if r == nil {
		w.after(time.Millisecond, "order", func() { done(false) })
		return
	}
	tries := 0
	var try func()
	try = func() {
		req := &kvpb.Request{
			Header: &kvpb.Header{RegionId: desc.GetId(), Epoch: desc.GetEpoch()},
			Cmd:    &kvpb.Request_Admin{Admin: a},
		}
		c.exchange(r.leader, req, func(resp *kvpb.Response) {
			e := resp.GetRegionError()
			if resp != nil && e == nil {
				w.count(what)
				w.say("done: %s of region %d", what, desc.GetId())
				done(true)
				return
			}
			if resp == nil || e.GetUnavailable() != nil || e.GetRegionNotFound() != nil {
				c.nextPeer(r)
			}
			if tries++; resp == nil || tries > 6 || e.GetNotLeader() == nil {
				w.say("not done: %s of region %d: %v", what, desc.GetId(), e.GetMessage())
				done(false)
				return
			}
			if l := e.GetNotLeader().GetLeader(); l != nil {
				r.leader = l.GetStoreId()
			} else {
				c.nextPeer(r)
			}
			try()
		})
	}
	try()
}

// regionsMax bounds the regions that splits make.
const regionsMax = 8

func (c *client) split(desc *metapb.Region, key []byte) {
	w := c.w
	if w.stats["split"]-w.stats["merge"] >= regionsMax-2 || !region.Contains(desc, key) || string(key) == string(desc.GetStartKey()) {
		return
	}
	first := w.newIDs(1 + len(desc.GetPeers()))
	nr := &kvpb.NewRegion{RegionId: first}
	for i := range desc.GetPeers() {
		nr.PeerIds = append(nr.PeerIds, first+1+uint64(i))
	}
	c.order("split", desc, key, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{
		Keys: [][]byte{key}, NewRegions: []*kvpb.NewRegion{nr},
	}}}, func(bool) {})
}

func (c *client) transfer(desc *metapb.Region, key []byte) {
	p := desc.GetPeers()[c.rng().IntN(len(desc.GetPeers()))]
	c.order("transfer", desc, key, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
		TransferLeader: &kvpb.TransferLeaderRequest{ToStore: p.GetStoreId()},
	}}, func(bool) {})
}

// changeMembers takes the next step towards three voters, or away from them.
func (c *client) changeMembers(desc *metapb.Region, key []byte) {
	w := c.w
	change := func(t kvpb.ChangeType, p *metapb.Peer) *kvpb.Change { return &kvpb.Change{Type: t, Peer: p} }
	var voters, learners []*metapb.Peer
	for _, p := range desc.GetPeers() {
		switch p.GetRole() {
		case metapb.PeerRole_VOTER:
			voters = append(voters, p)
		case metapb.PeerRole_LEARNER:
			learners = append(learners, p)
		}
	}
	if region.IsJoint(desc) || len(voters) == 0 {
		return
	}
	var free []uint64
	for _, n := range w.nodes {
		if region.PeerOn(desc, n.id) == nil {
			free = append(free, n.id)
		}
	}
	var cs []*kvpb.Change
	victim := voters[c.rng().IntN(len(voters))]
	switch {
	case len(learners) > 0 && len(voters) >= 3 && c.rng().IntN(4) > 0:
		// A replacement in one step, through a joint configuration.
		cs = append(cs, change(kvpb.ChangeType_PROMOTE, learners[0]), change(kvpb.ChangeType_REMOVE, victim))
	case len(learners) > 0 && c.rng().IntN(6) == 0:
		cs = append(cs, change(kvpb.ChangeType_REMOVE, learners[0]))
	case len(learners) > 0:
		for _, p := range learners {
			cs = append(cs, change(kvpb.ChangeType_PROMOTE, p))
		}
	case len(free) > 0 && (len(voters) < 3 || c.rng().IntN(2) == 0):
		s := free[c.rng().IntN(len(free))]
		cs = append(cs, change(kvpb.ChangeType_ADD_LEARNER, &metapb.Peer{Id: w.newIDs(1), NodeId: s, StoreId: s}))
	case len(voters) >= 3 && c.rng().IntN(4) == 0:
		cs = append(cs, change(kvpb.ChangeType_DEMOTE, victim))
	case len(voters) >= 3:
		cs = append(cs, change(kvpb.ChangeType_REMOVE, victim))
	default:
		return
	}
	what := "change"
	promote := make(map[uint64]bool)
	for _, ch := range cs {
		what += fmt.Sprintf(" %v", ch.GetType())
		if ch.GetType() == kvpb.ChangeType_PROMOTE {
			promote[ch.GetPeer().GetId()] = true
		}
	}
	change1 := func() {
		c.order(what, desc, key, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
			ChangePeers: &kvpb.ChangePeersRequest{Changes: cs},
		}}, func(bool) {})
	}
	if len(promote) == 0 {
		change1()
		return
	}
	// A learner that holds nothing yet must not become a voter: with it missing the
	// region may have no majority, and only a leader could fill it.
	c.describe(desc, key, func(d *kvpb.DescribeResponse) {
		for _, p := range d.GetProgress() {
			if promote[p.GetPeerId()] && p.GetState() == "StateReplicate" && p.GetRecentlyActive() {
				delete(promote, p.GetPeerId())
			}
		}
		if len(promote) == 0 {
			change1()
		}
	})
}

// describe asks the leader, as far as it is known, for the progress of its peers.
func (c *client) describe(desc *metapb.Region, key []byte, done func(*kvpb.DescribeResponse)) {
	r := c.route(key)
	if r == nil {
		c.w.after(time.Millisecond, "describe", func() { done(nil) })
		return
	}
	for _, n := range c.w.nodes {
		if n.s == nil {
			continue
		}
		for _, i := range n.s.Regions() {
			if i.Region.GetId() == desc.GetId() && i.Leader.GetStoreId() == n.id {
				r.leader = n.id
			}
		}
	}
	c.exchange(r.leader, &kvpb.Request{
		Header: &kvpb.Header{RegionId: desc.GetId(), Epoch: desc.GetEpoch()},
		Cmd:    &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Describe{Describe: &kvpb.DescribeRequest{}}}},
	}, func(resp *kvpb.Response) { done(resp.GetAdmin().GetDescribe()) })
}

// register writes and reads one raw key of the placement region at whatever store
// leads it, as the placement service does: one after the other, values rising.
type register struct {
	w       *world
	written uint64 // the newest value that was handed over
	floor   uint64 // the newest that is known to be there
}

var registerKey = []byte("\x01register")

func (g *register) run() {
	w := g.w
	w.after(between(w.rngClient, 10*time100us, 100*time100us*10), "register", func() {
		if w.quiet {
			return
		}
		g.step(func(bool) { g.run() })
	})
}

// step does one operation at a leader, if there is one.
func (g *register) step(next func(ok bool)) {
	w := g.w
	var l *store.Local
	var term uint64
	var n *node
	for _, o := range w.nodes {
		if o.s == nil || o.asleep() {
			continue
		}
		if t, ok := o.s.Local(region.PlacementID).Leader(); ok && (l == nil || w.rngClient.IntN(2) == 0) {
			l, term, n = o.s.Local(region.PlacementID), t, o
		}
	}
	if l == nil {
		next(false)
		return
	}
	life, over := n.life, false
	finish := func(f func() bool) {
		if over || n.life != life || n.dying() {
			return
		}
		over = true
		w.after(0, "register", func() { next(f()) })
	}
	w.after(attemptTimeout, "register timeout", func() {
		if !over {
			over = true
			next(false)
		}
	})
	if w.rngClient.IntN(2) == 0 {
		floor := g.floor
		l.ReadRawAsync(registerKey, append(registerKey[:len(registerKey):len(registerKey)], 0), func(kvs []store.KV, err error) {
			finish(func() bool {
				if err != nil {
					return false
				}
				g.saw(kvs, floor)
				return true
			})
		})
	} else {
		g.written++
		v := g.written
		kv := store.KV{Key: registerKey, Value: []byte(fmt.Sprint(v))}
		l.WriteRawAsync(term, []store.KV{kv}, nil, func(err error) {
			finish(func() bool {
				w.trace.add(9, v, uint64(len(fmt.Sprint(err))))
				if err == nil {
					g.floor = max(g.floor, v)
					w.count("register writes")
				} else if e := (*region.Error)(nil); !errors.As(err, &e) {
					w.violate("answers make sense", "raw write: %v", err)
				}
				return err == nil
			})
		})
	}
	n.kick()
}

func (g *register) saw(kvs []store.KV, floor uint64) {
	var v uint64
	if len(kvs) > 0 {
		if _, err := fmt.Sscan(string(kvs[0].Value), &v); err != nil {
			g.w.violate("answers make sense", "register holds %q", kvs[0].Value)
			return
		}
	}
	g.w.trace.add(10, v)
	g.w.count("register reads")
	if v < floor || v > g.written {
		g.w.violate("linearizability", "the register holds %d, %d was acknowledged or read before, %d written", v, floor, g.written)
	}
	g.floor = max(g.floor, v)
}
