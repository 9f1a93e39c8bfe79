package multiraft_test

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
)

// BenchmarkCluster commits one entry of 128 bytes in each of the groups at a
// time, on three stores with real logs in memory. One operation is one such wave.
func BenchmarkCluster(b *testing.B) {
	for _, groups := range []int{1, 16, 128} {
		for _, kind := range []string{"local", "grpc"} {
			b.Run(fmt.Sprintf("groups=%d/%s", groups, kind), func(b *testing.B) { benchCluster(b, groups, kind) })
		}
	}
}

func benchCluster(b *testing.B, groups int, kind string) {
	local, net := transport.NewLocalNetwork(env.SystemClock()), newGRPCNet(b)
	c := newToyCluster(b, toyOptions{
		stores: 3, groups: groups, tick: multiraft.TickInterval,
		settings: multiraft.RaftSettings{ElectionTicks: 5, HeartbeatTicks: 1},
		log:      func(uint64) toyLog { return newRealLog(b) },
	}, func(s *toyStore) multiraft.Transport {
		if kind == "local" {
			return local.Join(s.id, s, nil)
		}
		return net.join(s.id, s, nil)
	})
	// All leaders on the first store, whose signal tells when a wave is done.
	first := c.stores[0]
	c.waitFor("leaders", func() bool {
		return !slices.ContainsFunc(first.ids, func(g uint64) bool { return c.leader(g) == nil })
	})
	last := time.Time{}
	c.waitFor("leaders on store 1", func() bool {
		left := 0
		for _, g := range first.ids {
			if !first.leads(g) {
				left++
			}
		}
		if left > 0 && time.Since(last) > time.Second {
			last = time.Now()
			for _, g := range first.ids {
				if l := c.leader(g); l != nil && l != first {
					l.transfer(g, toyPeer(g, first.id))
				}
			}
		}
		return left == 0
	})
	pad := fmt.Sprintf("%120d", 0)
	before, start := first.drv.Metrics(), time.Now()
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	wave := 0
	for b.Loop() {
		wave++
		for _, g := range first.ids {
			first.propose(g, fmt.Sprintf("%8d%s", wave, pad))
		}
		c.waitFor("a wave", func() bool {
			return !slices.ContainsFunc(first.ids, func(g uint64) bool { return first.count(g) < wave })
		})
	}
	runtime.ReadMemStats(&m1)
	m, secs := first.drv.Metrics(), time.Since(start).Seconds()
	b.ReportMetric(float64(wave*groups)/secs, "entries/s")
	b.ReportMetric(float64(m.Rounds-before.Rounds)/secs, "rounds/s")
	b.ReportMetric(float64(m.LogEntries-before.LogEntries)/float64(m.LogSyncs-before.LogSyncs), "entries/sync")
	b.ReportMetric(float64(m1.Mallocs-m0.Mallocs)/float64(wave*groups), "allocs/entry")
	if bad := first.fatal; len(bad) > 0 {
		b.Fatal(<-bad)
	}
}
