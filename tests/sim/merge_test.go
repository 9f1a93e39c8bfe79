package sim

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// merger orders merges of neighbours, as placement would, and settles those that
// nobody looks after.
type merger struct {
	w     *world
	c     *client
	since map[[2]uint64]time.Duration // region, index of the attempt → when it was seen first
}

func newMerger(w *world) *merger {
	return &merger{w: w, c: newClient(w, 7000), since: make(map[[2]uint64]time.Duration)}
}

func (m *merger) run() {
	w := m.w
	if !w.plan.split {
		return
	}
	every := w.plan.adminEvery
	w.after(between(w.rngClient, every/2, every*2), "merges", func() {
		m.settle()
		if !w.quiet {
			m.merge()
		}
		m.run()
	})
}

// led returns a region as its leader has it, and the leader.
func (w *world) led(id uint64) (*metapb.Region, uint64) {
	var desc *metapb.Region
	var at, term uint64
	for _, n := range w.nodes {
		if n.s == nil {
			continue
		}
		for _, i := range n.s.Regions() {
			if i.Region.GetId() == id && i.Leader.GetStoreId() == n.id && i.Term >= term {
				desc, at, term = i.Region, n.id, i.Term
			}
		}
	}
	return desc, at
}

// taker returns the region that has taken another one, as its leader has it.
func (w *world) taker(id uint64) (*metapb.Region, uint64) {
	for _, n := range w.nodes {
		if n.s == nil {
			continue
		}
		for _, i := range n.s.Regions() {
			if region.Absorbed(i.Region, id) && i.Leader.GetStoreId() == n.id {
				return i.Region, n.id
			}
		}
	}
	return nil, 0
}

func (m *merger) order(desc *metapb.Region, store uint64, a *kvpb.AdminRequest, done func(*kvpb.Response)) {
	m.c.exchange(store, &kvpb.Request{
		Header: &kvpb.Header{RegionId: desc.GetId(), Epoch: desc.GetEpoch()},
		Cmd:    &kvpb.Request_Admin{Admin: a},
	}, done)
}

// merge joins some region with its right neighbour, if they are on the same stores; if
// they are led by two of them it moves a leader instead.
func (m *merger) merge() {
	w := m.w
	d := w.directory([]byte(w.key(w.rngClient.IntN(w.plan.keys))))
	if d == nil || len(d.GetEndKey()) == 0 || d.GetId() == region.PlacementID {
		return
	}
	r := w.directory(d.GetEndKey())
	if r == nil {
		return
	}
	left, at := w.led(d.GetId())
	right, other := w.led(r.GetId())
	if at == 0 || other == 0 {
		return
	}
	if at != other {
		m.order(right, other, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
			TransferLeader: &kvpb.TransferLeaderRequest{ToStore: at}}}, func(*kvpb.Response) {})
		return
	}
	w.say("order: merge of %s into %s", region.Describe(right), region.Describe(left))
	m.order(left, at, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Merge{Merge: &kvpb.MergeRequest{Source: right}}}, func(resp *kvpb.Response) {
		switch {
		case resp == nil:
			w.count("merge unknown")
		case resp.GetRegionError() != nil:
			w.count("merge refused")
			w.say("not done: merge of region %d: %s", right.GetId(), resp.GetRegionError().GetMessage())
		default:
			w.count("merge")
		}
	})
}

// settle ends attempts that go on for a second, as placement does after two.
func (m *merger) settle() {
	w := m.w
	for _, n := range w.nodes {
		if n.s == nil {
			continue
		}
		for _, i := range n.s.Regions() {
			merging := i.Region.GetMerging()
			if merging == nil || i.Leader.GetStoreId() != n.id {
				continue
			}
			k := [2]uint64{i.Region.GetId(), merging.GetIndex()}
			if _, seen := m.since[k]; !seen {
				m.since[k] = w.now
			}
			if w.now-m.since[k] < time.Second {
				continue
			}
			target, at := w.led(merging.GetTarget())
			if at == 0 {
				target, at = w.taker(merging.GetTarget())
			}
			if at == 0 {
				continue
			}
			source, store := i.Region, n.id
			m.order(target, at, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_SettleMerge{
				SettleMerge: &kvpb.SettleMergeRequest{SourceId: source.GetId(), Merging: merging}}}, func(resp *kvpb.Response) {
				v := resp.GetAdmin().GetSettleMerge()
				if resp == nil || v == nil || v.GetCommitted() {
					return
				}
				w.count("merge settled")
				m.order(source, store, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_RollbackMerge{
					RollbackMerge: &kvpb.RollbackMergeRequest{Index: merging.GetIndex()}}}, func(*kvpb.Response) {})
			})
		}
	}
}

// taken are the regions that others have absorbed: what is left of them somewhere
// serves nothing.
func taken(all map[uint64]*metapb.Region) map[uint64]bool {
	out := make(map[uint64]bool)
	for _, d := range all {
		for _, a := range d.GetAbsorbed() {
			out[a.GetRegionId()] = true
		}
	}
	return out
}

// mergePlan is a plan in which regions are split and merged all the time, beside the
// faults of the seed; in half of the plans nothing else changes them, so that most
// merges come to their end.
func mergePlan(seed uint64) *plan {
	p := newPlan(seed)
	p.split, p.eagerSync = true, seed%3 == 0
	p.transfer, p.membership = seed%2 == 0, seed%4 == 0
	p.adminEvery = 150 * time.Millisecond
	p.clients = max(p.clients, 3)
	return p
}

// Splits and merges under faults break no promise: ranges tile the key space, applied
// states and logs agree, and what was acknowledged stays.
func TestMergeSeeds(t *testing.T) {
	oneProcessor(t)
	first, n := *flagFirst, max(1, *flagSeeds/5)
	if *flagSeed != 0 {
		first, n = *flagSeed, 1
	}
	var verbose io.Writer
	if *flagTrace {
		verbose = os.Stdout
	}
	counts := make(map[string]int)
	for seed := first; seed < first+uint64(n); seed++ {
		r := simulate(mergePlan(seed), mutant{}, verbose)
		for _, what := range []string{"split", "merge", "merge refused", "merge unknown", "merge settled", "installed", "crashes"} {
			counts[what] += r.counts[what]
		}
		if r.failure != nil {
			fail(t, r, nil)
			t.Fatalf("again: go test ./tests/sim -run TestMergeSeeds -v -seed %d (%s)", seed, r.stats)
		}
	}
	t.Logf("%d seeds: %v", n, counts)
	if n >= 5 && counts["merge"] < n {
		t.Errorf("%d merges in %d seeds", counts["merge"], n)
	}
}

// mergingOf tells of a merge under way.
func mergingOf(d *metapb.Region) string {
	if m := d.GetMerging(); m != nil {
		return fmt.Sprintf("merging since %d into region %d at %d/%d; ", m.GetIndex(), m.GetTarget(), m.GetTargetEpoch().GetConfVer(), m.GetTargetEpoch().GetVersion())
	}
	return ""
}
