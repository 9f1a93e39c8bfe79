package store

import (
	"testing"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// What a leader knows without looking (region/replica/newest.go) is never less than
// what there is. A transaction that began before a key was written, or that was rolled
// back there, is refused, whatever became of the region and its leader in between; one
// that begins afterwards is not.
func TestLateWriteIsRefused(t *testing.T) {
	nothing := func(*testing.T, *cluster) {}
	split := func(t *testing.T, c *cluster) {
		if resp := c.leader(user).admin(user, splitCmd(right, 3, "tm")); resp.GetRegionError() != nil {
			t.Fatal(resp)
		}
		c.rest()
	}
	for _, tc := range []struct {
		name           string
		stores         []uint64
		first, between func(*testing.T, *cluster)
	}{
		{"nothing", nil, nothing, nothing},
		{"the leader sleeps", nil, nothing, func(_ *testing.T, c *cluster) {
			c.until("the region sleeps", func() bool { return c.asleep(user) })
		}},
		{"another store leads", nil, nothing, func(t *testing.T, c *cluster) {
			transferTo(t, c, user, c.stores[c.leader(user).id%3+1])
		}},
		{"all stores crash", nil, nothing, func(_ *testing.T, c *cluster) { c.crashAll() }},
		{"split", nil, nothing, split},
		{"merge", nil, split, func(_ *testing.T, c *cluster) {
			c.leader(user).merge(user, right)
			c.wantMerged()
		}},
		{"raft snapshot", []uint64{1}, nothing, func(t *testing.T, c *cluster) {
			c.grow()
			c.rest()
			transferTo(t, c, user, c.stores[3])
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newCluster(t, 3)
			if tc.stores == nil {
				tc.stores = []uint64{1, 2, 3}
			}
			c.bootstrap(userRegion(tc.stores...))
			c.leader(user).put(user, "ta", "0")
			tc.first(t, c)
			late, back := c.timestamp(), c.timestamp()
			at := func() (*node, uint64) {
				id := c.leader(user).regionOf("tz")
				return c.leader(id), id
			}
			n, id := at()
			n.put(id, "tz", "1")
			if resp := n.call(n.statusReq(id, "ty", back, c.timestamp(), true)); resp.GetCheckTxnStatus().GetState() != kvpb.TxnState_ROLLED_BACK {
				t.Fatal(resp)
			}
			tc.between(t, c)
			n, id = at()
			if errs := n.call(n.putReq(id, late, "tz", "late")).GetPrewrite().GetErrors(); len(errs) != 1 || errs[0].GetConflict() == nil {
				t.Errorf("a write from before the last one: %v", errs)
			}
			if errs := n.call(n.putReq(id, back, "ty", "back")).GetPrewrite().GetErrors(); len(errs) != 1 || errs[0].GetAborted() == nil {
				t.Errorf("a write of who was rolled back: %v", errs)
			}
			n.put(id, "tz", "2", "ty", "2")
			n.wantGet(id, "tz", "2")
			n.wantGet(id, "ty", "2")
		})
	}
}
