package replica

import (
	"math"
	"slices"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// A change of membership is complete when a majority of the voters of the new
// configuration hold it durably: only then does the peer that it removes go, is the
// caller told, and may the next change begin (DESIGN.md, "Why a removed replica
// stays"). Who has to know asks, with a question that names the configuration's
// version; the answer comes when the state engine has synced that version.

// knowing counts the peers that durably hold a configuration, or a newer one.
type knowing struct {
	desc  *metapb.Region
	peers map[uint64]uint64 // peer → conf version that is durable there
	ticks int
}

func newKnowing(desc *metapb.Region) *knowing {
	return &knowing{desc: desc, peers: make(map[uint64]uint64)}
}

func (k *knowing) version() uint64 { return k.desc.GetEpoch().GetConfVer() }

func (k *knowing) note(peer, confVer uint64) {
	if region.PeerByID(k.desc, peer) != nil {
		k.peers[peer] = max(k.peers[peer], confVer)
	}
}

// enough reports whether a majority knows, of both halves of a joint configuration.
func (k *knowing) enough() bool {
	return hasMajority(k.desc, func(p *metapb.Peer) bool { return k.peers[p.GetId()] >= k.version() })
}

// hasMajority reports whether what holds of a peer holds of a majority of the voters,
// in a joint configuration of a majority of each half.
func hasMajority(desc *metapb.Region, holds func(*metapb.Peer) bool) bool {
	var in, inHolds, out, outHolds int
	for _, p := range desc.GetPeers() {
		yes := 0
		if holds(p) {
			yes = 1
		}
		if region.VotesAfter(p.GetRole()) {
			in, inHolds = in+1, inHolds+yes
		}
		if region.VotesBefore(p.GetRole()) {
			out, outHolds = out+1, outHolds+yes
		}
	}
	return 2*inHolds > in && 2*outHolds > out
}

// askPeriodTicks is how often the voters are asked that have not answered.
const askPeriodTicks = 3

// ask sends the question to the voters that are not known to know.
func (r *Replica) ask(k *knowing) {
	for _, p := range k.desc.GetPeers() {
		switch {
		case !region.IsVoter(p.GetRole()) || k.peers[p.GetId()] >= k.version():
		case p.GetId() == r.cfg.PeerID:
			r.answerKnown(p.GetId(), k.version())
		default:
			m := &raftpb.Message{
				Type: memberQuestion.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(p.GetId()),
				Commit: proto.Uint64(k.version()),
			}
			r.peerOf[p.GetId()] = p.GetStoreId() // it may be no member here
			if env := r.envelope(m); env != nil {
				r.cfg.Host.SendMessage(env)
			}
		}
	}
}

// answerKnown tells a peer, which may be this one, that a configuration is durable
// here: now, or as soon as it is.
func (r *Replica) answerKnown(peer, confVer uint64) {
	if r.durableConf < confVer {
		if len(r.askers) >= peersMetMax {
			clear(r.askers) // they ask again
		}
		r.askers[peer] = confVer
		r.makeDurable()
		return
	}
	delete(r.askers, peer)
	if peer == r.cfg.PeerID {
		r.noteKnown(peer, r.durableConf)
		return
	}
	m := &raftpb.Message{
		Type: memberAnswer.Enum(), From: proto.Uint64(r.cfg.PeerID), To: proto.Uint64(peer), Commit: proto.Uint64(r.durableConf),
	}
	if env := r.envelope(m); env != nil {
		r.cfg.Host.SendMessage(env)
	}
}

// makeDurable syncs the configuration that is applied if somebody has asked for it.
// Process only; finishApply calls it too, for those who asked too early.
func (r *Replica) makeDurable() {
	r.mu.Lock()
	applied := r.mu.desc.GetEpoch().GetConfVer() // committed to the engine
	r.mu.Unlock()
	asked := false
	for _, v := range r.askers {
		asked = asked || r.durableConf < v && v <= applied
	}
	if !asked || r.syncingConf {
		return
	}
	r.syncingConf = true
	r.cfg.Host.RunBlocking(func() {
		if err := r.cfg.State.Sync(); err != nil {
			r.fatal("sync a change of membership", err)
			return
		}
		r.enqueueQuietly(func(*raft.RawNode) {
			r.syncingConf = false
			r.durableConf = max(r.durableConf, applied)
			for _, peer := range sortedKeys(r.askers) {
				if v := r.askers[peer]; v <= r.durableConf {
					r.answerKnown(peer, v)
				}
			}
			r.makeDurable()
		})
	})
}

// noteKnown takes the answer of a peer. Process only.
func (r *Replica) noteKnown(peer, confVer uint64) {
	if k := r.leaving; k != nil {
		k.note(peer, confVer)
		r.goIfKnown()
	}
	r.mu.Lock()
	l := r.mu.lead
	r.mu.Unlock()
	if l == nil || l.knowing == nil {
		return
	}
	if l.knowing.note(peer, confVer); l.knowing.enough() {
		r.endKnowing(l, true)
	}
}

// beginKnowing is called when the leader has applied a change of membership, or wants to
// know about the present one: it asks for it. Process only.
func (r *Replica) beginKnowing(l *leadership) {
	r.mu.Lock()
	l.known, l.asleep = false, false
	r.mu.Unlock()
	l.knowing = newKnowing(r.apl.desc)
	r.ask(l.knowing)
}

// endKnowing runs what has waited for the configuration to be known.
func (r *Replica) endKnowing(l *leadership, known bool) {
	r.mu.Lock()
	if known {
		l.known, l.knowing = true, nil
	}
	waiters := l.waitKnown
	l.waitKnown = nil
	r.mu.Unlock()
	for _, f := range waiters {
		f(known)
	}
}

// waitKnownMax bounds the changes of membership that wait for the one before.
const waitKnownMax = 16

// whenKnown has f called once the configuration is durably known to a majority of it,
// or with false when the leadership ends before. Process only.
func (r *Replica) whenKnown(l *leadership, f func(known bool)) {
	r.mu.Lock()
	if r.mu.lead != l || len(l.waitKnown) >= waitKnownMax {
		r.mu.Unlock()
		f(false)
		return
	}
	if l.known {
		r.mu.Unlock()
		f(true)
		return
	}
	l.waitKnown = append(l.waitKnown, f)
	r.mu.Unlock()
	if l.knowing == nil {
		r.beginKnowing(l)
	}
}

// tickKnowing asks again. Process only.
func (r *Replica) tickKnowing(k *knowing) {
	if k == nil {
		return
	}
	if k.ticks++; k.ticks%askPeriodTicks == 0 {
		r.ask(k)
	}
}

// leave begins the end of a replica that is no member in desc: it stays, and votes,
// until a majority of desc durably knows. Process only.
func (r *Replica) leave(desc *metapb.Region) {
	if r.apl.desc == nil {
		r.cfg.Host.Removed(r) // a shell has no say
		return
	}
	if r.leaving != nil && r.leaving.version() >= desc.GetEpoch().GetConfVer() {
		return
	}
	k := newKnowing(desc)
	if old := r.leaving; old != nil {
		for peer, v := range old.peers {
			k.note(peer, v)
		}
	} else {
		r.log.Info("is no member any more", "epoch", desc.GetEpoch())
	}
	r.leaving = k
	r.mu.Lock()
	r.mu.leaving = true
	r.mu.Unlock()
	r.cfg.Host.Changed(r) // it wants ticks
	r.ask(k)
	r.goIfKnown()
}

func (r *Replica) goIfKnown() {
	if r.leaving.enough() {
		r.cfg.Host.Removed(r)
	}
}

// withdraws is called when a change of membership was applied that this peer is no
// member after. If it was a voter before, that must not have happened yet: in memory
// and on the disk the replica goes back to what it was and applies nothing more, though
// Raft has the new configuration, so that it neither leads nor campaigns. It reports
// whether it did so. Process only.
func (r *Replica) withdraws(before applyCursor) bool {
	if region.PeerByID(r.apl.desc, r.cfg.PeerID) != nil || !region.HasVoter(before.desc, r.cfg.PeerID) {
		return false
	}
	after := r.apl.desc
	r.apl = before
	r.withdrawn = true
	r.leave(after)
	return true
}

// appliedPart is what to tell Raft of a batch of entries that was applied up to index.
func appliedPart(responses []*raftpb.Message, index uint64) (out []*raftpb.Message) {
	for _, m := range responses {
		n := slices.IndexFunc(m.GetEntries(), func(e *raftpb.Entry) bool { return e.GetIndex() > index })
		if n <= 0 {
			continue
		}
		out = append(out, &raftpb.Message{Type: m.Type, To: m.To, From: m.From, Term: m.Term, Entries: m.GetEntries()[:n]})
	}
	return out
}

// heed takes from a member that has applied a newer configuration, now, what follows
// for this one. index and term are of the last entry that the other one has applied.
// Process only.
func (r *Replica) heed(now *metapb.Region, index, term uint64) {
	r.mu.Lock()
	free := !region.HasVoter(now, r.mu.bound.Peer)
	if free {
		// The leader is no voter in a configuration that a member has applied: rule A5.
		r.mu.bound = liveness.Bound{}
	}
	r.mu.Unlock()
	if lead := r.soft.leader; free && lead != 0 && r.soft.state == raft.StateFollower && !region.HasVoter(now, lead) {
		_ = r.rn.ForgetLeader()
		r.lookAround()
	}
	if free {
		r.cfg.Host.Changed(r)
		r.stepHeld()
		r.lookAround()
	}
	r.commitUpTo(index, term)
}

// nobody is the id of a peer that no region has. (The two above are the library's.)
const nobody = math.MaxUint64 - 2

// commitUpTo makes Raft know that an entry is committed, if the log has it and no
// leader is there to tell: without the change of membership in what is committed this
// peer may ask voters that are gone.
func (r *Replica) commitUpTo(index, term uint64) {
	st := r.rn.BasicStatus()
	if r.soft.leader != 0 || st.RaftState == raft.StateLeader || index <= st.GetCommit() {
		return
	}
	if last, err := r.group.LastIndex(); err != nil || index > last {
		return
	}
	if have, err := r.group.Term(index); err != nil || have != term {
		return
	}
	// The library has no call for it. A heartbeat says what is committed and nothing
	// else; that it comes from a leader is forgotten at once, and its answer is addressed
	// to nobody.
	err := r.rn.Step(&raftpb.Message{
		Type: raftpb.MsgHeartbeat.Enum(), From: proto.Uint64(nobody), To: proto.Uint64(r.cfg.PeerID),
		Term: proto.Uint64(st.GetTerm()), Commit: proto.Uint64(index),
	})
	if err != nil {
		r.log.Debug("commit index refused", "error", err)
	}
	_ = r.rn.ForgetLeader()
	r.lookAround()
}

// answerChange gives the answer to a change of membership that is applied, when it is
// known. Process only.
func (r *Replica) answerChange(l *leadership, c *Call, resp *kvpb.Response) {
	r.whenKnown(l, func(known bool) {
		if !known {
			resp = region.Response(region.Ambiguous("the leadership was lost before the change of membership was known to a majority"))
		}
		c.finish(resp)
	})
}
