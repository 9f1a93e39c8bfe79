package sim

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/region"
)

// mutant is a mistake put in from outside, between a store and its disk, network
// or clock. The zero value makes none.
type mutant struct {
	// swallow names the part of the store whose write-ahead log is never synced.
	swallow string
	// voteTwice turns a refusal into a second vote in the same term, on its way.
	voteTwice bool
	// forgetVote loses the vote of the hard state at each start.
	forgetVote bool
	// wildClocks makes a leader's clock four times slower than the others', and cuts
	// it off.
	wildClocks bool
	// staleLog grants votes to candidates whose log is behind.
	staleLog bool

	votes map[[3]uint64]uint64 // (region, term, peer) → candidate
}

func (m mutant) swallows() string { return m.swallow }

// change adapts a plan.
func (m mutant) change(p *plan) *plan {
	c := *p
	c.faults = slices.Clone(p.faults)
	if m.forgetVote {
		// A second vote in a term takes a request that is late by more than the time
		// for which a restarted store votes for nobody (rule A11).
		c.net.slow, c.net.slowMax = 0.2, 3*time.Second
		for i := range c.faults {
			if f := &c.faults[i]; f.kind != powerLoss && i%2 == 0 {
				f.kind, f.dur = crashOne, 50*time.Millisecond
			}
		}
	}
	if !m.wildClocks {
		return &c
	}
	for i := range c.faults {
		if f := &c.faults[i]; f.kind == rateChange || i%3 == 0 {
			f.kind = isolate
		}
	}
	return &c
}

// isolating chooses whom to cut off: the leader, whose clock becomes four times
// slower than the others'.
func (m mutant) isolating(w *world, n *node) *node {
	if !m.wildClocks {
		return n
	}
	term := w.check.newest[region.FirstUserID]
	if l := w.node(w.check.leaders[[2]uint64{region.FirstUserID, term}]); l != nil {
		n = l
	}
	for _, o := range w.nodes {
		o.clock.setRate(2)
	}
	n.clock.setRate(0.5)
	return n
}

// opened is called before a store is opened on its engines.
func (m mutant) opened(n *node) {
	if m.swallow != "" {
		n.disk.swallow(m.swallow)
	}
	if !m.forgetVote {
		return
	}
	ids, err := n.eng.Logs.Regions()
	must(err)
	for _, id := range ids {
		g, err := n.eng.Logs.Group(id)
		must(err)
		hs := g.HardState()
		if hs.GetVote() == 0 {
			continue
		}
		b := n.eng.Logs.NewBatch()
		must(b.Append(id, &raftpb.HardState{Term: hs.Term, Vote: proto.Uint64(0), Commit: hs.Commit}, nil))
		must(b.Commit())
		must(b.Close())
	}
}

// sending may change a message that leaves a store.
func (m mutant) sending(env *multiraft.Envelope) {
	if env.Liveness != nil {
		return
	}
	msg := env.Message
	k := [3]uint64{env.RegionID, msg.GetTerm(), env.FromPeer}
	if msg.GetType() == raftpb.MsgVote {
		m.votes[k] = env.FromPeer // a candidate votes for itself
	}
	if m.staleLog && msg.GetType() == raftpb.MsgPreVoteResp && msg.GetReject() {
		env.Message = proto.Clone(msg).(*raftpb.Message)
		env.Message.Reject = nil
	}
	if msg.GetType() != raftpb.MsgVoteResp {
		return
	}
	other := m.votes[k]
	switch {
	case !msg.GetReject():
		m.votes[k] = env.ToPeer
		return
	case m.voteTwice && other != 0 && other != env.ToPeer:
	case m.staleLog && (other == 0 || other == env.ToPeer):
		m.votes[k] = env.ToPeer
	default:
		return
	}
	env.Message = proto.Clone(msg).(*raftpb.Message)
	env.Message.Reject = nil
}

// Seeded mistakes are found: for each some seed fails, which is printed.
func TestMutantsAreCaught(t *testing.T) {
	oneProcessor(t)
	for _, c := range []struct {
		name  string
		m     mutant
		first uint64 // where to begin: a seed that caught it when this was written
		seeds uint64 // to look through
	}{
		{"skip the log sync", mutant{swallow: "/log/"}, 1, 20},
		{"skip the state sync", mutant{swallow: "/state/"}, 1, 20},
		{"vote twice", mutant{voteTwice: true}, 51, 400},
		{"forget the vote", mutant{forgetVote: true}, 56, 400},
		{"vote for a stale log", mutant{staleLog: true}, 2, 400},
		{"clock rates beyond what leases allow", mutant{wildClocks: true}, 156, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			for seed := c.first; seed < c.first+c.seeds; seed++ {
				if r := simulate(c.m.change(newPlan(seed)), c.m, nil); r.failure != nil {
					what, _, _ := strings.Cut(r.failure.Error(), "\n")
					t.Logf("caught by seed %d: %s", seed, what)
					return
				}
			}
			t.Errorf("%d seeds do not notice", c.seeds)
		})
	}
}

// Rule A4: with clocks that differ four times reads are still right when no lease
// is trusted.
func TestWildClocksWithoutLeases(t *testing.T) {
	oneProcessor(t)
	m := mutant{wildClocks: true}
	for seed := uint64(155); seed < 160; seed++ {
		p := m.change(newPlan(seed))
		p.noLeases = true
		if r := simulate(p, m, nil); r.failure != nil {
			t.Errorf("seed %d: %v", seed, r.failure)
		}
	}
}
