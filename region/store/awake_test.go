package store

import (
	"slices"
	"testing"
	"time"

	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/replica"
)

// wants reports whether the region's replica on this store asks for the next tick.
func (n *node) wants(id uint64) bool {
	if n.s == nil {
		return false
	}
	v, now, trusted := n.s.live.look()
	if !trusted {
		v = &liveness.View{}
	}
	r := n.s.replica(id)
	return slices.Contains(n.s.awake(), id) || r != nil && r.WantsTick(v, now) && r.Marks.Awake.Load()
}

// Who sleeps is not even asked, neither by the ticker nor by the sync loop: their
// lists are empty however many regions there are.
func TestNobodyLooksAtSleepers(t *testing.T) {
	c, _, _ := resting(t)
	for _, n := range c.stores {
		if err := n.s.SyncState(); err != nil {
			t.Fatal(err)
		}
		n.s.reports.todo.take()
	}
	for range 20 {
		c.pass(100 * time.Millisecond)
		for id, n := range c.stores {
			if err := n.s.SyncState(); err != nil {
				t.Fatal(err)
			}
			if a, b, d := len(n.s.wakeful.list), len(n.s.touched.list), len(n.s.reports.todo.list); a+b+d > 0 {
				t.Fatalf("store %d looks at %d, %d and %d replicas of a region at rest", id, a, b, d)
			}
		}
	}
}

// Whatever happens to a region at rest wakes its leader.
func TestLeaderWakes(t *testing.T) {
	for _, e := range []struct {
		name  string
		event func(c *cluster, lead *node, others []*node)
	}{
		{"proposal", func(_ *cluster, lead *node, _ []*node) { lead.begin(lead.putReq(user, 1, "tb", "2")) }},
		{"transfer", func(_ *cluster, lead *node, others []*node) {
			lead.begin(lead.request(user, func(r *kvpb.Request) {
				r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
					TransferLeader: &kvpb.TransferLeaderRequest{ToStore: others[0].id}}}}
			}))
		}},
		{"change of membership", func(_ *cluster, lead *node, others []*node) {
			lead.begin(lead.request(user, func(r *kvpb.Request) {
				r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_ChangePeers{
					ChangePeers: &kvpb.ChangePeersRequest{Changes: []*kvpb.Change{change(kvpb.ChangeType_REMOVE, 10+others[0].id, others[0].id)}}}}}
			}))
		}},
		{"fence of the garbage collection", func(_ *cluster, lead *node, _ []*node) {
			lead.s.SetGC(GCPoint{Fence: 1})
			if err := lead.s.SyncState(); err != nil {
				t.Fatal(err)
			}
		}},
		{"message that was lost", func(_ *cluster, lead *node, others []*node) {
			receiver{lead.s}.ReportUnreachable(user, 10+others[0].id)
		}},
		{"store that is gone", func(_ *cluster, _ *node, others []*node) { others[0].stop() }},
		{"cut to one store", func(c *cluster, _ *node, others []*node) { c.isolate(others[0].id) }},
		{"clocks that part", func(_ *cluster, lead *node, _ []*node) {
			l := lead.s.live
			l.mu.Lock()
			l.mu.drift -= time.Second
			l.publishLocked()
			l.mu.Unlock()
		}},
	} {
		t.Run(e.name, func(t *testing.T) {
			c, lead, others := resting(t)
			if lead.wants(user) {
				t.Fatal("the leader is awake before anything has happened")
			}
			e.event(c, lead, others)
			for lead.s.Poll() { // one piece of work after the other
				if lead.wants(user) {
					return
				}
			}
			for range 100 {
				if lead.wants(user) {
					return
				}
				c.pass(10 * time.Millisecond)
			}
			t.Fatal("the leader sleeps on")
		})
	}
}

// A follower ticks as soon as it is free, whatever frees it.
func TestFollowersWake(t *testing.T) {
	for _, e := range []struct {
		name  string
		event func(c *cluster, lead *node)
	}{
		{"the leader's store is gone", func(_ *cluster, lead *node) { lead.stop() }},
		{"the leader's store restarts in place", func(_ *cluster, lead *node) { lead.crash(); lead.restart() }},
		{"the leader's store is cut off", func(c *cluster, lead *node) { c.isolate(lead.id) }},
		{"clocks that part", func(c *cluster, lead *node) {
			for _, n := range c.stores {
				if n != lead {
					was := n.s.live.view.Load()
					n.s.live.view.Store(&liveView{View: was.View, drift: was.drift - time.Second})
				}
			}
		}},
	} {
		t.Run(e.name, func(t *testing.T) {
			c, lead, others := resting(t)
			if others[0].wants(user) || others[1].wants(user) {
				t.Fatal("a follower is awake before anything has happened")
			}
			e.event(c, lead)
			for range 150 {
				if others[0].wants(user) || others[1].wants(user) {
					return
				}
				c.pass(10 * time.Millisecond)
			}
			t.Fatal("the followers sleep on")
		})
	}
}

// Followers at rest ask in turn whether they are still members, each within two
// periods, while there are few of them.
func TestFollowersProbeInTurn(t *testing.T) {
	c := newCluster(t, 3)
	regions := []*metapb.Region{userRegion(1, 2, 3)}
	c.bootstrap(regions...)
	c.leader(user)
	c.within(3*time.Second, "the region falls asleep", func() bool { return c.asleep(user) })
	var follower *node
	for _, n := range c.stores {
		if !n.leads(user) {
			follower = n
		}
	}
	c.within(2*replica.ProbePeriod, "a follower is due", func() bool { return follower.s.replica(user).ProbeDue() })
	c.within(replica.ProbePeriod, "it asks", func() bool { return !follower.s.replica(user).ProbeDue() })
}
