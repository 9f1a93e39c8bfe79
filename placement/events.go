package placement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/quorate-db/quorate/placement/scheduler"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// eventsMax is how many events of a region are kept.
const eventsMax = 8

// recentOperator is for how long after its end an operator explains a change that is
// only reported now.
const recentOperator = 3 * time.Second

// past is what this leader of placement has seen of one region. It is not stored: the
// next leader begins anew.
type past struct {
	leader, term uint64
	since        time.Time // of leader and term; zero: they were there before
	why          string
	parent       uint64 // that it was split from, 0: it was there before
	last         *entry // as it was reported last, also while another region hides it
	events       []*placementpb.RegionEvent
}

// noteChange keeps in mind what a report has changed. parent is what covered the start of
// a region that was not known. What a split made may be reported in any order: then the
// right part hides the left one for a moment. Requires: Service.mu held.
func (s *Service) noteChange(l *leadership, e, parent *entry) {
	now := s.o.Clock.Now()
	id := e.region.Id
	p := l.past[id]
	if p == nil {
		p = &past{}
		l.past[id] = p
		l.forgetPast()
	}
	add := func(kind, text, why string) {
		p.events = append(p.events, &placementpb.RegionEvent{UnixMs: now.UnixMilli(), Kind: kind, Text: text, Why: why})
		if n := len(p.events); n > eventsMax {
			p.events = slices.Clone(p.events[n-eventsMax:])
		}
	}
	old := p.last
	p.last = e
	if old == nil {
		p.parent = l.parentOf(e, parent)
	}
	switch {
	case e.leader == 0 || e.leader == p.leader && e.term == p.term:
	case old == nil && p.leader == 0 && p.parent != 0:
		p.leader, p.term, p.since, p.why = e.leader, e.term, now, "born in a split: its first leader is where its parent was led"
	case p.leader == 0:
		p.leader, p.term = e.leader, e.term // it may lead for long
	default:
		why := s.whyLeader(l, id, p.leader, e.leader, now)
		text := fmt.Sprintf("node %d → node %d, term %d", p.leader, e.leader, e.term)
		if p.leader == e.leader {
			text = fmt.Sprintf("node %d again, term %d", e.leader, e.term)
		}
		p.leader, p.term, p.since, p.why = e.leader, e.term, now, why
		add("leader", text, why)
	}
	if old == nil {
		if p.parent != 0 {
			add("range", fmt.Sprintf("split from region %d", p.parent), s.whyChanged(l, p.parent, now, s.whySplit(l, e, l.dir.byID[p.parent])))
		}
		return
	}
	if e.region.Epoch.GetVersion() != old.region.Epoch.GetVersion() {
		if text, why := rangeChange(old.region, e.region); text != "" {
			if why == bySize {
				why = s.whySplit(l, old)
			}
			add("range", text, s.whyChanged(l, id, now, why))
		}
	}
	if text := memberChange(old.region, e.region); text != "" {
		add("members", text, s.whyChanged(l, id, now, ""))
	}
}

// forgetPast drops regions that are gone, now and then. Requires: Service.mu held.
func (l *leadership) forgetPast() {
	if len(l.past) <= 2*len(l.dir.order)+16 {
		return
	}
	for id := range l.past {
		if l.dir.byID[id] == nil {
			delete(l.past, id)
		}
	}
}

// parentOf is the region that a new one was split from, 0 if it was there before this
// leader: it knows of all that went before only once the directory is whole.
func (l *leadership) parentOf(e, parent *entry) uint64 {
	if parent != nil && parent.region.Id != e.region.Id {
		return parent.region.Id
	}
	i := l.dir.after(e.region.StartKey) - 1
	if i <= 0 {
		return 0
	}
	// All parts of a split have the same version, and the left one was known before.
	left := l.dir.order[i-1].region
	p := l.past[left.Id]
	if p == nil || left.Epoch.GetVersion() != e.region.Epoch.GetVersion() || len(p.events) == 0 {
		return 0
	}
	switch last := p.events[len(p.events)-1]; {
	case last.Kind == "range" && p.parent != 0 && strings.HasPrefix(last.Text, "split from"):
		return p.parent
	case last.Kind == "range" && strings.HasPrefix(last.Text, "was split"):
		return left.Id
	}
	return 0
}

// whyLeader says why the leader is another one. An operator that has ended is the reason
// only if it wanted that: an election may follow it at once. Requires: s.mu held.
func (s *Service) whyLeader(l *leadership, id, was, is uint64, now time.Time) string {
	if op := l.ops[id]; op != nil {
		return operatorWhy(op.info)
	}
	for _, o := range slices.Backward(s.mu.history) {
		if now.UnixMilli()-o.EndedUnixMs > recentOperator.Milliseconds() {
			break
		}
		if o.RegionId == id && o.Kind == string(scheduler.TransferLeader) && strings.HasSuffix(o.Detail, fmt.Sprintf("store %d to store %d", was, is)) {
			return operatorWhy(o)
		}
	}
	st := l.stores[was]
	switch {
	case st == nil:
		return "election"
	case st.silent:
		return fmt.Sprintf("election: node %d, which led, is silent", was)
	case st.rec.Store.State == metapb.StoreState_DRAINING:
		return fmt.Sprintf("node %d drained and handed it over", was)
	}
	return "election"
}

// whyChanged names the operator that works on a region or did a moment ago, or else
// answers with other. Requires: s.mu held.
func (s *Service) whyChanged(l *leadership, id uint64, now time.Time, other string) string {
	if op := l.ops[id]; op != nil {
		return operatorWhy(op.info)
	}
	for _, o := range slices.Backward(s.mu.history) {
		if now.UnixMilli()-o.EndedUnixMs > recentOperator.Milliseconds() {
			break
		}
		if o.RegionId == id {
			return operatorWhy(o)
		}
	}
	return other
}

func operatorWhy(o *placementpb.Operator) string {
	return fmt.Sprintf("operator %d, %s: %s", o.Id, o.Kind, o.Reason)
}

func rangeChange(old, now *metapb.Region) (text, why string) {
	if n := len(now.Absorbed); n > 0 && (len(old.Absorbed) == 0 || old.Absorbed[len(old.Absorbed)-1].RegionId != now.Absorbed[n-1].RegionId) &&
		string(now.EndKey) != string(old.EndKey) && overlap(old, now) && wider(now, old) {
		return fmt.Sprintf("took region %d", now.Absorbed[n-1].RegionId), ""
	}
	switch {
	case now.Merging != nil && old.Merging == nil:
		return fmt.Sprintf("closed, to be merged into region %d", now.Merging.Target), ""
	case now.Merging == nil && old.Merging != nil:
		return "open again: the merge did not happen", ""
	case wider(old, now):
		return "was split", bySize
	}
	return "", ""
}

const bySize = "by size"

// whySplit says why a region was split that nobody ordered to be. Its size tells: the
// sum of what is given, which may be the region before, or its parts.
// Requires: s.mu held.
func (s *Service) whySplit(l *leadership, parts ...*entry) string {
	size := uint64(0)
	for _, e := range parts {
		if e != nil {
			size += e.size
		}
	}
	if size < uint64(l.setting(&s.o, settingSplitSize))/2 {
		return "by load"
	}
	return bySize
}

// wider reports whether a ends behind b.
func wider(a, b *metapb.Region) bool {
	return len(b.EndKey) > 0 && (len(a.EndKey) == 0 || string(a.EndKey) > string(b.EndKey))
}

var roleText = map[metapb.PeerRole]string{metapb.PeerRole_VOTER: "voter", metapb.PeerRole_LEARNER: "learner",
	metapb.PeerRole_INCOMING_VOTER: "incoming voter", metapb.PeerRole_OUTGOING_VOTER: "outgoing voter"}

// memberChange says which replicas came, went, or changed their role.
func memberChange(old, now *metapb.Region) string {
	var parts []string
	for _, p := range now.Peers {
		switch was := peerOn(old, p.StoreId); {
		case was == nil:
			parts = append(parts, fmt.Sprintf("%s on node %d is new", roleText[p.Role], p.NodeId))
		case was.Role != p.Role:
			parts = append(parts, fmt.Sprintf("node %d: %s → %s", p.NodeId, roleText[was.Role], roleText[p.Role]))
		}
	}
	for _, p := range old.Peers {
		if peerOn(now, p.StoreId) == nil {
			parts = append(parts, fmt.Sprintf("node %d holds none any more", p.NodeId))
		}
	}
	return strings.Join(parts, ", ")
}
