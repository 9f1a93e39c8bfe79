package multiraft_test

import (
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
