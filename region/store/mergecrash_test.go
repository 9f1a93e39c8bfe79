package store

import (
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
)

// syncWatch tells of every sync of a file, before and after it.
type syncWatch struct {
	engine.FS
	seen func(when string)
}

func (f syncWatch) Create(name string, c engine.DiskWriteCategory) (engine.File, error) {
	file, err := f.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return watchedFile{file, f.seen}, nil
}

type watchedFile struct {
	engine.File
	seen func(when string)
}

func (f watchedFile) around(sync func() error) error {
	f.seen("before")
	err := sync()
	f.seen("after")
	return err
}

func (f watchedFile) Sync() error     { return f.around(f.File.Sync) }
func (f watchedFile) SyncData() error { return f.around(f.File.SyncData) }

// A crash of a store directly before or behind any sync that it makes during a merge,
// whatever is left of what was not synced: the store opens on that disk, the merge is
// decided in one way everywhere, and nothing that was acknowledged is lost. (Rules C5
// and C7.)
func TestMergeCrashAtEverySync(t *testing.T) {
	for _, leader := range []bool{true, false} {
		for _, kept := range []int{0, 100} {
			n := syncsOfMerge(t, leader)
			if n < 8 {
				t.Fatalf("%d syncs during a merge", n)
			}
			for i := range n {
				t.Run(fmt.Sprintf("leader=%v kept=%d sync=%d", leader, kept, i), func(t *testing.T) {
					crashAtSync(t, leader, kept, i)
				})
			}
		}
	}
}

// watched makes a cluster whose victim calls f at every sync from then on.
func watched(t *testing.T, leader bool, f func(victim *node)) (*cluster, *node, *node) {
	c, n := halves(t)
	victim := n
	if !leader {
		victim = c.stores[n.id%3+1]
	}
	victim.crash()
	victim.wrap = func(fs engine.FS) engine.FS {
		return syncWatch{fs, func(string) { f(victim) }}
	}
	victim.restart()
	victim.wrap = nil
	c.rest()
	l := c.leader(user)
	if sl := c.leader(right); sl != l {
		transferTo(t, c, right, l)
	}
	if leader != (l == victim) {
		to := victim
		if !leader {
			to = n
		}
		transferTo(t, c, user, to)
		transferTo(t, c, right, to)
		l = to
	}
	c.rest()
	return c, l, victim
}

// syncsOfMerge counts the victim's.
func syncsOfMerge(t *testing.T, leader bool) (n int) {
	on := false
	c, l, _ := watched(t, leader, func(*node) {
		if on {
			n++
		}
	})
	on = true
	m := l.beginMerge(user, right)
	c.pollAll(func() bool { return false })
	on = false
	if *m == nil || (*m).GetRegionError() != nil {
		t.Fatal(*m)
	}
	return n
}

// pollAll lets the stores work in turn, until there is nothing to do.
func (c *cluster) pollAll(over func() bool) {
	for busy := true; busy && !over(); {
		busy = false
		for _, id := range c.storeIDs() {
			if o := c.stores[id]; o.s != nil && !over() {
				busy = o.s.Poll() || busy
			}
		}
	}
}

// crashAtSync runs the merge, and puts the victim back to what its disk held at the
// i-th sync: for the others it was away since then.
func crashAtSync(t *testing.T, leader bool, kept, i int) {
	var image *engine.MemFS
	on, at := false, 0
	dead, acked := false, false
	var m **kvpb.Response
	c, l, victim := watched(t, leader, func(v *node) {
		if on {
			if at == i {
				image = engine.CrashClone(v.fs, kept, uint64(i))
				dead, acked = true, *m != nil && (*m).GetRegionError() == nil
			}
			at++
		}
	})
	// From that sync on the victim says nothing any more.
	c.cut = func(e *multiraft.Envelope) bool { return dead && e.FromStore == victim.id }
	m = new(*kvpb.Response)
	on = true
	m = l.beginMerge(user, right)
	c.pollAll(func() bool { return dead })
	on = false
	if image == nil {
		t.Fatalf("sync %d did not come", i)
	}
	victim.crash()
	c.heal()
	victim.fs = image
	victim.restart()
	c.wantDecided(acked)
	for _, o := range c.stores {
		if o.fatal != nil {
			t.Fatalf("store %d: %v", o.id, o.fatal)
		}
	}
}

func transferTo(t *testing.T, c *cluster, id uint64, to *node) {
	t.Helper()
	for range 20 {
		l := c.leader(id)
		if l == to {
			return
		}
		l.admin(id, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to.id}}})
		c.rest()
	}
	t.Fatalf("store %d does not lead region %d", to.id, id)
}

// anywhere sends a request for a key to whoever leads its region until it is served.
func (c *cluster) anywhere(key string, req func(n *node, id uint64) *kvpb.Request) (resp *kvpb.Response) {
	c.t.Helper()
	c.until("a request for "+key+" is served", func() bool {
		for _, id := range c.storeIDs() {
			n := c.stores[id]
			if n.s == nil {
				continue
			}
			for _, i := range n.s.Regions() {
				if !region.Contains(i.Region, []byte(key)) || i.Leader.GetStoreId() != id || n.s.replica(i.Region.GetId()) == nil {
					continue
				}
				if resp = n.call(req(n, i.Region.GetId())); resp.GetRegionError() == nil {
					return true
				}
			}
		}
		return false
	})
	return resp
}

// wantDecided waits until a merge of the two halves has ended one way or the other:
// both hold what they held and take writes, as two regions or one, alike everywhere.
// acked says that the merge was acknowledged.
func (c *cluster) wantDecided(acked bool) {
	c.t.Helper()
	for key, want := range map[string]string{"ta": "1", "tz": "2"} {
		resp := c.anywhere(key, func(n *node, id uint64) *kvpb.Request { return n.getReq(id, key, c.timestamp()) })
		if got := string(resp.GetGet().GetValue()); got != want {
			c.t.Fatalf("%s is %q, want %q (%v)", key, got, want, resp)
		}
		resp = c.anywhere(key, func(n *node, id uint64) *kvpb.Request { return n.putReq(id, c.timestamp(), key, "3") })
		if len(resp.GetPrewrite().GetErrors()) > 0 {
			c.t.Fatal(resp)
		}
	}
	var ends map[string]bool
	c.until("all stores agree", func() bool {
		ends = make(map[string]bool)
		for _, id := range c.storeIDs() {
			if r := c.stores[id].s.replica(user); r != nil {
				ends[string(r.Descriptor().GetEndKey())] = true
			}
			if r := c.stores[id].s.replica(right); r != nil && r.Descriptor().GetMerging() != nil {
				return false
			}
		}
		return len(ends) == 1
	})
	switch {
	case ends[""]:
		c.wantMerged()
	case acked:
		c.t.Fatal("an acknowledged merge is undone")
	}
}
