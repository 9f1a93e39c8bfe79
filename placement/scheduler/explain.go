package scheduler

import (
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/proto/metapb"
)

// What a checker says of a region, in a word.
const (
	Plans   = "plans"   // it gives an order at the next opportunity
	Content = "content" // it wants nothing
	Waits   = "waits"   // it wants something, and what stands in the way passes by itself
	Blocked = "blocked" // it wants something that only a person can make possible
)

// Verdict is what one checker says of one region.
type Verdict struct {
	State string
	Why   string
	Try   string // a command that changes it, empty if there is none
}

// Notes are facts that a snapshot has only as yes or no, in words. Missing ones are
// told in general words.
type Notes struct {
	Busy   map[uint64]string // by region: what works on it, or until when it is left alone
	Rests  map[uint64]string // by region: since when it has its range
	Stores map[uint64]string // by store: since when it is silent
}

// Explain says of a region what each of the schedulers thinks of it. It plans with the
// same functions that plan in earnest: a verdict is Plans if and only if they would.
type Explain struct {
	s     *Snapshot
	r     *Region
	at    int // index of r
	notes Notes
}

// NewExplain returns the explanation of a region, false if the snapshot lacks it.
func NewExplain(s *Snapshot, region uint64, notes Notes) (*Explain, bool) {
	for i := range s.Regions {
		if s.Regions[i].ID == region {
			return &Explain{s: s, r: &s.Regions[i], at: i, notes: notes}, true
		}
	}
	return nil, false
}

// planned looks for the region's plan among those of a scheduler.
func (x *Explain) planned(plans []Plan) (Verdict, bool) {
	for i := range plans {
		for _, id := range plans[i].Regions() {
			if id == x.r.ID {
				return Verdict{Plans, fmt.Sprintf("%s: %s", plans[i].Kind, plans[i].Reason), ""}, true
			}
		}
	}
	return Verdict{}, false
}

// stopped is what keeps any scheduler from a region.
func (x *Explain) stopped(r *Region) (Verdict, bool) {
	switch {
	case r.Busy:
		why := x.notes.Busy[r.ID]
		if why == "" {
			why = "an operator works on it"
		}
		return Verdict{Waits, why, "quorate operator ls"}, true
	case r.Leader == 0:
		return Verdict{Blocked, "it has no leader: no quorum of its replicas answers, or an election is going on", "quorate status"}, true
	case r.joint():
		return Verdict{Waits, "a change of its members is under way", ""}, true
	}
	return Verdict{}, false
}

func (x *Explain) silent(store uint64) string {
	if why := x.notes.Stores[store]; why != "" {
		return why
	}
	return fmt.Sprintf("node %d is silent", store)
}

// Replicas says whether the region has the replicas it should have, and if not, why
// not yet.
func (x *Explain) Replicas() Verdict {
	s, r := x.s, x.r
	if v, ok := x.planned(append(Replicas(s), Repair(s)...)); ok {
		return v
	}
	voters, learners, good := 0, 0, 0
	var away, silent, behind []string
	for _, p := range r.Peers {
		st := s.store(p.StoreId)
		switch why := s.gone(p.StoreId); {
		case why != "":
			away = append(away, strings.Replace(why, "store", "node", 1))
		case !st.Live || r.Down[p.StoreId]:
			silent = append(silent, x.silent(p.StoreId))
		case r.Pending[p.StoreId]:
			behind = append(behind, fmt.Sprintf("the replica on node %d catches up", p.StoreId))
		}
		if p.Role == metapb.PeerRole_LEARNER {
			learners++
			continue
		}
		voters++
		if s.gone(p.StoreId) == "" {
			good++
		}
	}
	want := s.full()
	has := fmt.Sprintf("%d of %d voters", voters, want)
	if learners > 0 {
		has += fmt.Sprintf(" and %d learners", learners)
	}
	if good == want && voters == want && learners == 0 && len(silent) == 0 && len(behind) == 0 {
		return Verdict{Content, has + ", on nodes that live and stay", ""}
	}
	if v, ok := x.stopped(r); ok {
		v.Why = has + "; " + v.Why
		return v
	}
	switch {
	case len(away) > 0:
		return Verdict{Blocked, has + "; " + strings.Join(away, ", ") + ", and no other live node can take the replica", "start another node: quorate start --store DIR --join HOST:PORT"}
	case len(silent) > 0:
		return Verdict{Waits, has + "; " + strings.Join(silent, ", "), "start it again, or wait until its replicas are replaced"}
	case len(behind) > 0:
		return Verdict{Waits, has + "; " + strings.Join(behind, ", "), ""}
	case voters < want && voters+learners >= min(want, s.usable()):
		why := fmt.Sprintf("%s; %d nodes can hold replicas", has, s.usable())
		if s.usable() == 2 {
			why += ", and two voters are worse than one"
		}
		return Verdict{Blocked, why, "start another node: quorate start --store DIR --join HOST:PORT"}
	case voters < want:
		return Verdict{Blocked, has + "; no node without a replica of it can take one", "quorate node ls"}
	case r.Held:
		return Verdict{Waits, has + "; somebody moved it by hand less than half a minute ago", ""}
	}
	return Verdict{Waits, has, ""}
}

// Evict says whether the leader stands on a node that its leaders are to leave.
func (x *Explain) Evict() Verdict {
	if v, ok := x.planned(Evict(x.s)); ok {
		return v
	}
	from := x.s.store(x.r.Leader)
	switch {
	case from == nil:
		return Verdict{Content, "it has no leader that could leave", ""}
	case !from.Draining && !from.Leaving:
		return Verdict{Content, fmt.Sprintf("node %d, which leads it, neither drains nor leaves", from.ID), ""}
	}
	if v, ok := x.stopped(x.r); ok {
		return v
	}
	return Verdict{Blocked, fmt.Sprintf("node %d drains or leaves, and no other live node has a voter that has caught up", from.ID), "quorate region describe " + fmt.Sprint(x.r.ID)}
}

// Balance says whether one of the replicas would better be on another node.
func (x *Explain) Balance() Verdict {
	if v, ok := x.planned(Balance(x.s)); ok {
		return v
	}
	b := newBalance(x.s)
	if len(b.ids) < 2 {
		return Verdict{Content, "there is no second node to move a replica to", ""}
	}
	full, empty := uint64(0), uint64(0)
	for _, id := range b.ids {
		if x.r.on(id) != nil && (full == 0 || b.score[id] > b.score[full]) {
			full = id
		}
		if x.r.on(id) == nil && (empty == 0 || b.score[id] < b.score[empty]) {
			empty = id
		}
	}
	if full == 0 || empty == 0 {
		return Verdict{Content, "every node that can hold replicas has one of it", ""}
	}
	w := b.weight(1, float64(x.r.Size))
	loads := fmt.Sprintf("node %d is %.0f %% full of the mean, node %d %.0f %%", full, 50*b.score[full], empty, 50*b.score[empty])
	if diff := b.score[full] - b.score[empty]; diff <= slack || diff <= 2.5*w {
		return Verdict{Content, loads + ": to move this one would change too little", ""}
	}
	if v, ok := x.stopped(x.r); ok {
		v.Why = loads + "; " + v.Why
		return v
	}
	if !x.s.movable(x.r, full, empty) {
		return Verdict{Waits, loads + "; its replicas are not all in order, or somebody moved it by hand just now", ""}
	}
	return Verdict{Waits, loads + "; other regions are moved first", ""}
}

// Leaders says why the leader is not on another node.
func (x *Explain) Leaders() Verdict {
	if v, ok := x.planned(Leaders(x.s)); ok {
		return v
	}
	s, r := x.s, x.r
	if r.Leader == 0 {
		v, _ := x.stopped(r)
		return v
	}
	from := s.store(r.Leader)
	if from == nil || !from.Live || !from.Accepts {
		return Verdict{Content, "its leader is not on a node that takes part", ""}
	}
	var best *Store
	for _, p := range r.Peers {
		st := s.store(p.StoreId)
		if p.StoreId == r.Leader || p.Role != metapb.PeerRole_VOTER || st == nil || !st.Live || !st.Accepts || r.Pending[p.StoreId] || r.Down[p.StoreId] {
			continue
		}
		if best == nil || st.Leaders < best.Leaders {
			best = st
		}
	}
	if best == nil {
		return Verdict{Content, "no other node has a voter of it that lives and has caught up", ""}
	}
	counts := fmt.Sprintf("node %d leads %d regions, node %d leads %d", from.ID, from.Leaders, best.ID, best.Leaders)
	if from.Leaders-best.Leaders < 2 {
		return Verdict{Content, counts + ": no better elsewhere", ""}
	}
	if v, ok := x.stopped(r); ok {
		v.Why = counts + "; " + v.Why
		return v
	}
	if r.Held {
		return Verdict{Waits, counts + "; its leader was chosen by hand less than half a minute ago", ""}
	}
	return Verdict{Waits, counts + "; leaders of other regions move first", ""}
}

// Merge says why the region is not joined with its right neighbour, and why not with
// its left one. The zero Verdict stands for a neighbour that does not exist.
func (x *Explain) Merge() (right, left Verdict) {
	plans := Merges(x.s)
	if x.at+1 < len(x.s.Regions) {
		right = x.pair(x.at, plans)
	}
	if x.at > 0 {
		left = x.pair(x.at-1, plans)
	}
	return right, left
}

// pair says why the regions at i and i+1 are not one.
func (x *Explain) pair(i int, plans []Plan) Verdict {
	s := x.s
	l, r := &s.Regions[i], &s.Regions[i+1]
	for _, p := range plans {
		if p.RegionID == l.ID && p.Source == r.ID {
			return Verdict{Plans, fmt.Sprintf("%s: %s", p.Kind, p.Reason), ""}
		}
	}
	sum, most := float64(l.Size+r.Size)/(1<<20), float64(s.MergeBelow)/(1<<20)
	switch {
	case s.MergeBelow == 0:
		return Verdict{Content, "nothing is merged: region-merge-size is 0", "quorate config set region-merge-size default"}
	case l.Costly || r.Costly:
		id := l.ID
		if r.Costly {
			id = r.ID
		}
		return Verdict{Content, fmt.Sprintf("region %d holds the state of placement and stays by itself", id), ""}
	case r.Sticky:
		return Verdict{Content, fmt.Sprintf("somebody asked for the boundary between %d and %d (SPLIT AT, region split): it is kept", l.ID, r.ID),
			fmt.Sprintf("quorate region merge %d, or ALTER TABLE … UNSPLIT", l.ID)}
	case l.Size+r.Size >= s.MergeBelow:
		return Verdict{Content, fmt.Sprintf("regions %d and %d hold %.1f MB together, below %.1f MB they would be merged", l.ID, r.ID, sum, most), ""}
	}
	for _, one := range []*Region{l, r} {
		if why := x.notJoinable(one); why != "" {
			return Verdict{Waits, fmt.Sprintf("small enough together (%.1f of %.1f MB), but region %d: %s", sum, most, one.ID, why), ""}
		}
	}
	return Verdict{Waits, fmt.Sprintf("small enough together (%.1f of %.1f MB); one of the two is joined with its other neighbour first", sum, most), ""}
}

// notJoinable says why Snapshot.joinable refuses, "" if it does not.
func (x *Explain) notJoinable(r *Region) string {
	s := x.s
	if s.joinable(r) {
		return ""
	}
	if v, ok := x.stopped(r); ok {
		return v.Why
	}
	switch {
	case !r.Rested:
		if why := x.notes.Rests[r.ID]; why != "" {
			return why
		}
		return "its range changed a moment ago"
	case r.Held:
		return "somebody moved it by hand less than half a minute ago"
	case r.MergesInto != 0:
		return fmt.Sprintf("it is being merged into region %d", r.MergesInto)
	case len(r.Pending) > 0:
		return "a replica of it lags"
	}
	for _, p := range r.Peers {
		st := s.store(p.StoreId)
		switch {
		case p.Role != metapb.PeerRole_VOTER:
			return fmt.Sprintf("its replica on node %d is no voter", p.StoreId)
		case s.gone(p.StoreId) != "":
			return strings.Replace(s.gone(p.StoreId), "store", "node", 1)
		case st == nil || !st.Live || r.Down[p.StoreId]:
			return x.silent(p.StoreId)
		}
	}
	return "it has fewer replicas than it should have"
}

// Settle says whether a merge of the region must be ended from outside.
func (x *Explain) Settle() Verdict {
	if v, ok := x.planned(Settle(x.s)); ok {
		return v
	}
	if x.r.MergesInto != 0 {
		return Verdict{Waits, fmt.Sprintf("it is being merged into region %d, which takes it or turns it down", x.r.MergesInto), ""}
	}
	return Verdict{Content, "it is in no merge", ""}
}
