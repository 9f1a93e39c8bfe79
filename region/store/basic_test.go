package store

import (
	"testing"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/region"
)

const user = region.FirstUserID

// One replica: a write is read back, before and after a restart.
func TestSingleReplica(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	c.settle()
	n := c.leader(user)
	n.put(user, "ta", "1", "tb", "2")
	n.wantGet(user, "ta", "1")
	n.wantGet(user, "tc", "")
	n.crash()
	n.restart()
	c.settle()
	// Rule A11 does not make the only voter wait.
	if i := n.s.replica(user).Info(); !i.Ready {
		t.Fatal("the only voter waits after a restart")
	}
	n.wantGet(user, "tb", "2")
	n.put(user, "ta", "3")
	n.wantGet(user, "ta", "3")
}

// Three replicas: all of them apply the same, and another leader serves it.
func TestThreeReplicas(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1")
	// The followers hear of the commit with a heartbeat.
	for range 2 * multiraft.HeartbeatTicks {
		c.tick()
	}
	for _, o := range c.stores {
		if a, b := o.s.replica(user).AppliedIndex(), n.s.replica(user).AppliedIndex(); a != b {
			t.Errorf("store %d applied %d, the leader %d", o.id, a, b)
		}
	}
	n.crash()
	o := c.leader(user)
	if o == n {
		t.Fatal("the crashed store leads")
	}
	o.wantGet(user, "ta", "1")
	o.put(user, "ta", "2")
	n.restart()
	o = c.leader(user)
	o.wantGet(user, "ta", "2")
	c.until("the restarted store catches up", func() bool {
		return n.s.replica(user).AppliedIndex() == o.s.replica(user).AppliedIndex()
	})
}
