package sim

import (
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/storage/engine"
)

// mutant is a mistake put in from outside, between a store and its disk, network
// or clock. The zero value makes none.
type mutant struct {
	name string
	// swallow names the part of the store whose syncs do nothing.
	swallow string
	// voteTwice turns a refusal into a second vote in the same term.
	voteTwice bool
	// forgetVote loses the vote of the hard state at each start.
	forgetVote bool

	votes map[[3]uint64]uint64
}

func (m mutant) swallows() string { return m.swallow }

// opened is called before a store is opened on its engines.
func (m mutant) opened(w *world, n *node) {
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
func (m mutant) sending(w *world, n *node, env *multiraft.Envelope) {
	if !m.voteTwice || env.Message.GetType() != raftpb.MsgVoteResp {
		return
	}
	k := [3]uint64{env.RegionID, env.Message.GetTerm(), env.FromPeer}
	if !env.Message.GetReject() {
		m.votes[k] = env.ToPeer
		return
	}
	if m.votes[k] != 0 && m.votes[k] != env.ToPeer {
		env.Message = proto.Clone(env.Message).(*raftpb.Message)
		env.Message.Reject = nil
	}
}

// crashed may change what a crash leaves.
func (m mutant) crashed(w *world, n *node, mem *engine.MemFS) *engine.MemFS { return mem }
