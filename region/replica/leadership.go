package replica

import (
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"go.etcd.io/raft/v3/tracker"
	"slices"
	"sync/atomic"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
)

// Bounds of what one leader has under way. Beyond them it answers ServerBusy.
const (
	proposalsMax     = 4096
	proposalBytesMax = 64 << 20
)

// leadership is what a replica holds while it leads in one term. It is thrown
// away as a whole with the term, so nothing of an old term can be taken for
// something of a new one. Fields are guarded by Replica.mu unless stated.
type leadership struct {
	term    uint64
	latches *latch.Manager // has its own mutex
	maxTS   atomic.Uint64  // largest timestamp that a read was served at, or a 1PC committed at
	rows    *rowLocks      // has its own mutex
	recent  recent         // see newest.go

	ready   bool // an entry of the term is applied: may evaluate
	tsReady bool // maxTS covers what former leaders served (rule D5)

	// Proposals by id: waiting to be handed to Raft, and handed over.
	nextID   uint64
	queue    []*proposal
	inflight map[uint64]*proposal
	bytes    int // of both

	acks    liveness.Acks // of this term; the lease follows from them
	noLease bool          // given up for the rest of the term (rule A3)
	asleep  bool          // wants no ticks, see sleep.go
	refresh bool          // ask the followers to acknowledge, though no read waits
	ticks   int           // of the leadership, Process only
	// commits is the commit index that each peer has acknowledged last, Process only.
	commits map[uint64]uint64

	// known: a majority of the configuration durably knows it; knowing counts, Process
	// only; waitKnown is what waits for it.
	known     bool
	knowing   *knowing
	waitKnown []func(known bool)

	readSeq uint64
	asking  []func(ok bool)
	asked   []readIndex

	down, pending []uint64       // peers; replaced, never changed
	silent        map[uint64]int // ticks since a peer was heard of, Process only

	// frozen: nothing may be taken out of the lock table, because it was written
	// down for the next leader or for the children of a split.
	frozen        bool
	merge         *mergeRun    // of this region into its neighbour, led from here
	transferGuard *latch.Guard // on the whole region, while a transfer is under way
	transferTo    uint64       // peer, 0: no transfer under way
	transferTicks int
	transferDone  []func(*kvpb.Response)
}

// proposal is a command on its way through Raft.
type proposal struct {
	cmd  command
	data []byte // encoded; for a configuration change its payload is in cmd
	// conf is set for a configuration change.
	conf *confChange
	// leave says that the change goes on: answer when the joint configuration is
	// left.
	leave bool
	call  *Call
	guard *latch.Guard
	// resp is the answer when the command is applied.
	resp *kvpb.Response
	// then, if set, replaces the answer: the call goes on.
	then func()
	// keepGuard leaves the latches to then.
	keepGuard bool
	// decided is a transaction whose end the command brings here: its row locks go
	// when it is applied. 0: none.
	decided timestamp.Timestamp
}

func newLeadership(term uint64, clock env.Clock) *leadership {
	l := &leadership{
		term: term, latches: latch.NewManager(), rows: newRowLocks(clock),
		inflight: make(map[uint64]*proposal), silent: make(map[uint64]int),
		commits: make(map[uint64]uint64),
	}
	l.recent.begin(newestUnknown)
	return l
}

// raiseMaxTS makes maxTS at least ts and returns what it was.
func (l *leadership) raiseMaxTS(ts timestamp.Timestamp) timestamp.Timestamp {
	for {
		old := l.maxTS.Load()
		if uint64(ts) <= old || l.maxTS.CompareAndSwap(old, uint64(ts)) {
			return timestamp.Timestamp(old)
		}
	}
}

// end answers everything that the leadership has under way. Its proposals that
// were handed to Raft may still be applied, by any leader: their latches die with
// the manager, which is safe because nothing is evaluated here before the next
// own term has applied an entry, and so everything of this one that survives.
// Requires: no mutex held, l is no longer r.mu.lead.
func (l *leadership) end(r *Replica, why string) {
	r.mu.Lock()
	queue := l.queue
	ids := make([]uint64, 0, len(l.inflight))
	for id := range l.inflight {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	inflight := make([]*proposal, 0, len(ids))
	for _, id := range ids {
		inflight = append(inflight, l.inflight[id])
	}
	var reads []func(bool)
	for _, q := range l.asked {
		reads = append(reads, q.waiters...)
	}
	reads = append(reads, l.asking...)
	transfers := l.transferDone
	run := l.merge
	l.queue, l.asked, l.asking, l.transferDone, l.merge = nil, nil, nil, nil, nil
	l.inflight = make(map[uint64]*proposal)
	notLeader := r.notLeaderLocked()
	stopped := r.mu.destroyed
	r.mu.Unlock()

	l.latches.Close()
	l.rows.close(notLeader)
	l.latches.Release(l.transferGuard)
	run.sourceEnded(why)
	r.endKnowing(l, false)
	for _, p := range queue {
		p.call.finish(region.Response(notLeader))
		l.latches.Release(p.guard)
	}
	r.cfg.Counters.ProposalsFailed.Add(uint64(len(inflight)))
	for _, p := range inflight {
		p.call.finish(region.Response(region.Ambiguous(why)))
		l.latches.Release(p.guard)
	}
	for _, f := range reads {
		f(false)
	}
	for _, f := range transfers {
		if stopped {
			f(region.Response(region.Ambiguous(why)))
		} else {
			f(transferred())
		}
	}
}

// notLeaderLocked is the answer of a replica that does not lead.
// Requires: r.mu held.
func (r *Replica) notLeaderLocked() *kvpb.RegionError {
	if r.mu.stopped != "" {
		return region.Unavailable(r.mu.stopped)
	}
	if r.mu.destroyed {
		return region.NotFound(r.cfg.RegionID)
	}
	if r.mu.leader == 0 || r.mu.leader == r.cfg.PeerID {
		return region.NotLeader(r.cfg.RegionID, nil, r.mu.term)
	}
	return region.NotLeader(r.cfg.RegionID, region.PeerByID(r.mu.desc, r.mu.leader), r.mu.term)
}

// lookAround compares the RawNode with what was published, and starts or ends a
// leadership. Process and install only.
func (r *Replica) lookAround() {
	st := r.rn.BasicStatus()
	r.commit, r.transferee = st.GetCommit(), st.LeadTransferee
	now := softState{term: st.GetTerm(), leader: st.Lead, state: st.RaftState}
	if now == r.soft {
		return
	}
	r.soft = now
	leads := now.state == raft.StateLeader
	var ended *leadership
	var began bool
	r.mu.Lock()
	if l := r.mu.lead; l != nil && (!leads || l.term != now.term) {
		ended, r.mu.lead = l, nil
		r.cfg.Counters.Leaders.Add(-1)
	}
	changed := r.mu.term != now.term || r.mu.leader != now.leader
	r.mu.term, r.mu.leader = now.term, now.leader
	if leads && r.mu.lead == nil && !r.mu.destroyed {
		r.mu.lead = newLeadership(now.term, r.cfg.Clock)
		// Whoever led before, and began the transfer that made this one a leader, leads no
		// more: a promise to it must not keep this one from campaigning, and from letting
		// its followers go, when its own leadership has ended (rule A5).
		r.mu.bound.Released(r.mu.bound.Peer, now.term-1)
		r.cfg.Counters.Leaders.Add(1)
		began = true
	}
	r.mu.Unlock()

	if now.leader != 0 {
		r.released = 0
	}
	if ended != nil {
		if now.leader == 0 {
			r.released = ended.term
		}
		r.timer.Reset()
		ended.end(r, "the leadership was lost")
	}
	if began {
		r.log.Debug("leads", "term", now.term)
		clear(r.sent)
		if o := r.cfg.Observer; o != nil {
			// The log is as Raft sees it, not yet as it is on the disk.
			o.BecameLeader(r.cfg.RegionID, r.cfg.StoreID, now.term, r.lastIndex())
		}
		if r.cfg.RegionID != region.PlacementID {
			r.cfg.Host.NeedTimestamp(r, now.term)
		}
	}
	if changed || began {
		r.cfg.Host.Changed(r)
	}
}

// lastIndex is the end of a new leader's log. Its own progress does not count the
// empty entry of its term before that is on the disk.
func (r *Replica) lastIndex() uint64 {
	var last uint64
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		if id == r.cfg.PeerID {
			last = p.Next
		}
	})
	return last
}

// downTicks is how long a peer is silent before it is reported down.
const downTicks = 30

// leavePeriodTicks is how often a leader tries to leave a joint configuration.
const leavePeriodTicks = 10

// pendingEntries is by how much a peer may lag without being called pending.
const pendingEntries = 256

// watchPeersLocked notes which peers are silent or lag.
func (r *Replica) watchPeersLocked(l *leadership) {
	var down, pending []uint64
	r.rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
		if id == r.cfg.PeerID {
			return
		}
		if p.RecentActive {
			l.silent[id] = 0
		} else {
			l.silent[id]++
		}
		if l.silent[id] >= downTicks {
			down = append(down, id)
		}
		if p.State != tracker.StateReplicate || p.Match+pendingEntries < r.apl.index {
			pending = append(pending, id)
		}
	})
	if !slices.Equal(down, l.down) || !slices.Equal(pending, l.pending) {
		l.down, l.pending = down, pending
		r.cfg.Host.Applied(r)
	}
}

// tickLeader counts the ticks of a transfer. Process only.
func (r *Replica) tickLeader() {
	r.mu.Lock()
	var late []func(*kvpb.Response)
	l := r.mu.lead
	var guard *latch.Guard
	if l != nil && l.transferTo != 0 {
		given := false
		l.transferTicks++
		if to := region.PeerByID(r.mu.desc, l.transferTo); r.silentFor(to.GetStoreId()) > transferSilenceMax || l.transferTicks > transferTicksMax {
			// Nothing is written until the transfer ends, and the library would wait for an
			// election timeout. A transfer to the leader itself ends it.
			r.rn.TransferLeader(r.cfg.PeerID)
			given = true
		}
		if given || l.transferTicks > r.electionTicks+1 {
			late, l.transferDone, l.transferTo = l.transferDone, nil, 0
			guard, l.transferGuard, l.frozen = l.transferGuard, nil, false
		}
	}
	if l != nil {
		r.watchPeersLocked(l)
	}
	r.mu.Unlock()
	if guard != nil {
		l.latches.Release(guard)
	}
	for _, f := range late {
		f(region.Response(region.ServerBusy("the leadership was not taken over in time", 100)))
	}
	if l != nil {
		r.tickKnowing(l.knowing)
	}
	r.tickMerge()
	if r.leaveTicks++; r.leaveTicks >= leavePeriodTicks {
		r.leaveTicks = 0
		if region.IsJoint(r.apl.desc) {
			// Raft leaves a joint configuration when it applies an entry, unless a
			// transfer was under way at that moment; on an idle region there is no
			// next entry.
			if err := r.rn.ProposeConfChange(&raftpb.ConfChangeV2{}); err != nil {
				r.log.Debug("joint configuration is not left yet", "error", err)
			}
		}
	}
	for peer, n := range r.sent {
		if n++; n > snapshotPatienceTicks {
			delete(r.sent, peer)
			r.rn.ReportSnapshot(peer, raft.SnapshotFailure)
			continue
		}
		r.sent[peer] = n
	}
}
