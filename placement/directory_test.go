package placement

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func report(id uint64, start, end string, version, conf, leader, term uint64) *placementpb.RegionReport {
	return &placementpb.RegionReport{
		Region: &metapb.Region{Id: id, StartKey: []byte(start), EndKey: []byte(end),
			Epoch: &metapb.Epoch{Version: version, ConfVer: conf}},
		LeaderStore: leader, Term: term,
	}
}

// A split heard of from the child first must not leave two regions over one key,
// and the parent's old report must not bring the old range back.
func TestDirectoryKeepsRangesDisjoint(t *testing.T) {
	d := newDirectory()
	d.apply(report(2, "", "", 1, 1, 1, 5))
	if !d.complete() {
		t.Fatal("one region over everything, with a leader, is complete")
	}
	if !d.apply(report(3, "m", "", 2, 1, 1, 6)) {
		t.Fatal("the child is news")
	}
	if e := d.lookup([]byte("z")); e == nil || e.region.Id != 3 {
		t.Fatalf("z is in %v", e)
	}
	if d.apply(report(2, "", "", 1, 1, 1, 7)) {
		t.Fatal("the parent's old range displaced its child")
	}
	if d.complete() {
		t.Fatal("complete though the left half is unknown")
	}
	d.apply(report(2, "", "m", 2, 1, 1, 7))
	if !d.complete() {
		t.Fatal("both halves are known")
	}
	if e := d.lookup([]byte("a")); e == nil || e.region.Id != 2 {
		t.Fatalf("a is in %v", e)
	}
}

// A deposed leader's late report does not name it leader again.
func TestDirectoryIgnoresOldTerms(t *testing.T) {
	d := newDirectory()
	d.apply(report(2, "", "", 1, 1, 1, 5))
	d.apply(report(2, "", "", 1, 1, 3, 6))
	if d.apply(report(2, "", "", 1, 1, 1, 5)) {
		t.Fatal("a report of term 5 changed the leader of term 6")
	}
	if got := d.byID[2].leader; got != 3 {
		t.Fatalf("leader %d", got)
	}
	if ch := d.dropLeader(3); len(ch) != 1 || d.byID[2].leader != 0 {
		t.Fatal("a silent store stays leader")
	}
}

// The planner is woken by what it plans from, and by nothing else.
func TestPlansDiffer(t *testing.T) {
	at := func(f func(*entry)) *entry {
		e := &entry{region: &metapb.Region{Id: 2, Epoch: &metapb.Epoch{ConfVer: 1, Version: 1}}, leader: 1, term: 5, size: 100, pending: []uint64{3}}
		f(e)
		return e
	}
	same := at(func(*entry) {})
	for _, c := range []struct {
		name string
		e    *entry
		want bool
	}{
		{"nothing", at(func(*entry) {}), false},
		{"clean", at(func(e *entry) { e.clean = 7 }), false},
		{"leader", at(func(e *entry) { e.leader = 2 }), true},
		{"size", at(func(e *entry) { e.size = 101 }), true},
		{"epoch", at(func(e *entry) { e.region.Epoch.ConfVer = 2 }), true},
		{"caught up", at(func(e *entry) { e.pending = nil }), true},
		{"down", at(func(e *entry) { e.down = []uint64{2} }), true},
		{"gone", nil, true},
	} {
		if got := c.e.plansDiffer(same); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// A leader that has not heard of all regions yet does not say of one that it is not
// there, however slowly the reports come in.
func TestOrderForARegionNotHeardOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Service{o: Options{Clock: env.SystemClock()}}
		l := &leadership{dir: newDirectory(), since: time.Now()}
		l.dir.apply(report(1, "", "b", 1, 1, 1, 5))
		order := func(at time.Duration) error {
			time.Sleep(at - time.Since(l.since))
			_, err := s.orderLocked(l, &placementpb.OperateRequest{RegionId: 2, Kind: "transfer-leader", ToStore: 3})
			return err
		}
		for _, at := range []time.Duration{0, storeLiveFor, 3 * storeLiveFor} {
			if err := order(at); !errors.Is(err, errSettling) {
				t.Errorf("after %v: %v", at, err)
			}
		}
		if err := order(knowsAllAfter); err == nil || errors.Is(err, errSettling) {
			t.Errorf("of a region that does not exist: %v", err)
		}
		l.dir.apply(report(3, "b", "", 1, 1, 1, 5))
		l.since = time.Now()
		if err := order(0); err == nil || errors.Is(err, errSettling) {
			t.Errorf("with all regions known: %v", err)
		}
	})
}
