package multiraft_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Three stores with twenty groups elect leaders and commit in all of them, with
// real workers and a real clock.
func TestClusterCommitsInProcess(t *testing.T) {
	net := transport.NewLocalNetwork(env.SystemClock())
	c := newToyCluster(t, toyOptions{stores: 3, groups: 20, tick: 10 * time.Millisecond}, func(s *toyStore) multiraft.Transport {
		return net.Join(s.id, s, nil)
	})
	c.commitEverywhere(10)
}

// The same over gRPC on loopback.
func TestClusterCommitsOverGRPC(t *testing.T) {
	net := newGRPCNet(t)
	c := newToyCluster(t, toyOptions{stores: 3, groups: 20, tick: 20 * time.Millisecond}, func(s *toyStore) multiraft.Transport {
		return net.join(s.id, s, nil)
	})
	c.commitEverywhere(10)
}

// And with the log on its engine, where the entries are read back from.
func TestClusterCommitsOnEngine(t *testing.T) {
	net := transport.NewLocalNetwork(env.SystemClock())
	c := newToyCluster(t, toyOptions{
		stores: 3, groups: 20, tick: 20 * time.Millisecond,
		log: func(uint64) toyLog { return newRealLog(t) },
	}, func(s *toyStore) multiraft.Transport {
		return net.Join(s.id, s, nil)
	})
	c.commitEverywhere(10)
}

// A store whose log cannot be synced stops by itself; the two others go on, and
// what it had not acknowledged is not lost.
func TestClusterSurvivesFailedLog(t *testing.T) {
	net := transport.NewLocalNetwork(env.SystemClock())
	logs := map[uint64]*memLog{}
	c := newToyCluster(t, toyOptions{
		stores: 3, groups: 5, tick: 10 * time.Millisecond,
		log: func(id uint64) toyLog { logs[id] = newMemLog(); return logs[id] },
	}, func(s *toyStore) multiraft.Transport {
		return net.Join(s.id, s, nil)
	})
	c.commitEverywhere(2)
	gate := func() error { return errors.New("disk on fire") }
	logs[2].gate.Store(&gate)
	bad := c.stores[1]
	poke := 0
	c.waitFor("store 2 stops", func() bool {
		for _, g := range bad.ids {
			poke++
			if l := c.leader(g); l != nil && bad.drv.Failed() == nil {
				l.propose(g, fmt.Sprint("poke", poke))
			}
		}
		return bad.drv.Failed() != nil
	})
	if err := <-bad.fatal; err == nil {
		t.Error("no error was reported")
	}
	bad.drv.Stop()
	for _, g := range bad.groups {
		g.mu.Lock()
		g.mu.leader = false
		g.mu.Unlock()
	}
	rest := &toyCluster{t: t, stores: []*toyStore{c.stores[0], c.stores[2]}}
	rest.commitEverywhere(4)
	if len(bad.fatal) != 0 {
		t.Error("the failure was reported twice")
	}
}
