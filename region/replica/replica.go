package replica

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/mvcc"
	"github.com/quorate-db/quorate/storage/raftlog"
)

// Host is the store as its replicas see it. Methods are called without a
// replica's mutex held and must not block.
type Host interface {
	// Enqueue schedules the replica.
	Enqueue(regionID uint64, f multiraft.Flags)
	// NeedTimestamp asks for a fresh timestamp, to be handed to SetTimestamp.
	NeedTimestamp(r *Replica, term uint64)
	// FreshTimestamp calls f once with a timestamp that was asked for after the call, as
	// soon as the oracle gives one, unless the replica does not lead in term any more.
	FreshTimestamp(r *Replica, term uint64, f func(timestamp.Timestamp))
	// Replica returns this store's replica of a region, or nil.
	Replica(regionID uint64) *Replica
	// Taker returns the replica here of the region that has taken that one, or nil.
	Taker(regionID uint64) *Replica
	// Awaited reports whether a region here is being merged into that one.
	Awaited(target uint64) bool
	// Quiesce ends the replicas of regions that target takes, in memory, and calls then
	// on a goroutine that may wait: from then on nothing writes their state. Those that
	// are not here are passed over.
	Quiesce(target *Replica, sources []uint64, then func())
	// Absorbed is called, on a goroutine that may wait, when the state engine durably
	// holds a target that has taken sources, and no state of theirs: what is left of
	// them is removed.
	Absorbed(target *metapb.Region, sources []uint64) error
	// MergedAway is called when the replica is told that its region is part of another
	// one.
	MergedAway(r *Replica)
	// SendSnapshot asks for StreamSnapshot of a raft snapshot to be called on a
	// goroutine that may wait, and then for SnapshotDone.
	SendSnapshot(r *Replica, m *raftpb.Message, to *multiraft.Envelope)
	// RunBlocking runs f on a goroutine that may wait, in order per replica.
	RunBlocking(f func())
	// RunSlowly runs f on a goroutine that may take long and wait, at low priority. It
	// reports false if too much waits there already.
	RunSlowly(f func()) bool
	// SendMessage sends a message outside of a round.
	SendMessage(env *multiraft.Envelope)
	// Tombstoned reports whether that peer of a region must not live here (again).
	Tombstoned(regionID, peerID uint64) (bool, error)
	// Born is called when the split of parent is applied and committed, before
	// anybody hears of it. children are the new regions that have a peer here and
	// no tombstone; lead says that the parent leads. The host syncs the state
	// engine before it makes their replicas.
	Born(parent *Replica, children []*metapb.Region, lead bool)
	// Initialised is called when a raft snapshot filled the replica.
	Initialised(r *Replica)
	// Removed is called when the replica learned that it is not a member.
	Removed(r *Replica)
	// Changed is called when leader, term or descriptor changed.
	Changed(r *Replica)
	// Applied is called when the applied index, or what Info says besides, has
	// changed. It may be called with a replica's mutex held.
	Applied(r *Replica)
	// Liveness shows which stores support which, the present instant of the lease
	// clock, and whether the clocks allow to trust what was promised. It may be called
	// with a replica's mutex held.
	Liveness() (v *liveness.View, now time.Duration, trusted bool)
	// LockWaits is called when a request has begun to wait for a row lock: from now
	// on, and as long as it reports true, TendLocks is to be called.
	LockWaits()
	// Fatal ends the store.
	Fatal(err error)
}

// Counters are shared by the replicas of a store.
type Counters struct {
	Leaders                    atomic.Int64 // replicas that lead now
	Proposals, ProposalsFailed atomic.Uint64
	LeaseReads, ReadIndexReads atomic.Uint64
	Splits, Merges             atomic.Uint64
}

// Config is what a replica is made of. All fields without another remark are
// required.
type Config struct {
	StoreID  uint64
	RegionID uint64
	PeerID   uint64
	State    *engine.Engine
	Logs     *raftlog.LogStore
	Clock    env.Clock
	Rand     env.Rand // the replica's own
	Logger   *slog.Logger
	Host     Host
	Counters *Counters
	Observer Observer // may be nil
	Raft     multiraft.RaftSettings
	// TickInterval is the real time of one tick.
	TickInterval  time.Duration
	DisableLeases bool
}

// Replica is one member of a region's group. See the package documentation for
// concurrency.
type Replica struct {
	cfg           Config
	log           *slog.Logger
	group         *raftlog.GroupLog
	electionTicks int
	inboxMax      int         // messages
	logKeep       int64       // bytes
	shells        atomic.Bool // not initialised
	// written counts bytes applied since the replica was loaded.
	written atomic.Uint64
	pass    gcPass
	sums    checksums

	// Marks are the store's, which keeps lists of replicas that it has to look at:
	// whether this one is in them.
	Marks struct{ Awake, Touched, Unreported, Loaded atomic.Bool }
	// Load is the store's, too: the requests that come here.
	Load Load

	// Owned by the worker that processes the group (and by the snapshot install,
	// during which nothing is processed).
	rn         *raft.RawNode
	timer      multiraft.ElectionTimer
	apl        applyCursor
	soft       softState
	commit     uint64            // index, as of the last look; and
	transferee uint64            // whom the leadership is being handed to
	peerOf     map[uint64]uint64 // store of peers met in messages
	quiet      int               // ticks without hearing from a leader
	expects    *Incoming         // snapshot being stepped
	round      *multiraft.Round  // of the present Process
	leaveTicks int
	cutSince   time.Duration       // see cutOff; 0: it is not
	released   uint64              // term that this peer led and leads no more, while nobody is known to lead; 0: none
	campaignIn int                 // ticks until it campaigns after a withdrawal; 0: not
	held       map[uint64]heldVote // by peer: see LetGo
	// shunned is a store that has just lost its support, until when: see letGo.
	shunned      uint64
	shunnedUntil time.Time
	sent         map[uint64]int    // peer → ticks since a raft snapshot was queued for it
	fenced       uint64            // index of the merge's beginning that is durable here
	fences       map[uint64]uint64 // peer → the newest such index that is durable there
	paused       *pausedApply      // the apply goes on with it when the state is there
	news         news

	// durableConf is the newest conf version that the state engine is known to have
	// synced, askers who wants to hear of which: see known.go.
	durableConf uint64
	askers      map[uint64]uint64
	syncingConf bool
	// leaving is set when this peer is known to be no member any more. withdrawn: the
	// entry that says so is the next one to apply, and is not applied.
	leaving   *knowing
	withdrawn bool

	mu struct {
		sync.Mutex
		destroyed  bool
		stopped    string // why, if the store is stopping
		installing bool
		desc       *metapb.Region // nil: shell; immutable
		applied    appliedState
		clean      timestamp.Timestamp // see Info.CleanTS
		term       uint64
		leader     uint64 // peer id, 0 unknown
		lead       *leadership
		bound      liveness.Bound
		leaving    bool // Replica.leaving is set
		// silentUntil: neither votes nor campaigns before (rule A11).
		silentUntil time.Time
		awaitsStart bool // see start.go
		probedAt    time.Time
		owed        int    // ticks that the next look brings, see TickDue
		compacted   uint64 // durable index of the last compaction that was asked for

		patience patience
		local    []*raftpb.Message     // storage responses: never dropped
		inbox    []*multiraft.Envelope // from peers: bounded
		incoming *Incoming             // received raft snapshot
		ops      []func(*raft.RawNode) // run by Process, bounded by their callers
		barriers map[*raftpb.Message]func()
		lostPeer map[uint64]struct{} // unreachable

		// carried is what the log says about the row locks of the leader before, and
		// bequest about those of the children of the last split.
		carried carried
		bequest []*kvpb.HeldLock
	}
}

// carried is the row locks that a leader has written down. They are those of the
// leader of the next term, and of no other (rule E5). A zero term means none.
type carried struct {
	term  uint64
	locks []*kvpb.HeldLock
}

// InheritLocks gives a child that was born just now the row locks that the split
// left to it. Nothing may have been processed yet.
func (r *Replica) InheritLocks(parent *Replica) {
	parent.mu.Lock()
	list := parent.mu.bequest
	parent.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.desc == nil || r.mu.applied.index != InitialIndex {
		return
	}
	c := carried{term: InitialTerm}
	for _, h := range list {
		if region.Contains(r.mu.desc, h.GetKey()) {
			c.locks = append(c.locks, h)
		}
	}
	r.mu.carried = c
}

// softState is what the last look at the RawNode showed.
type softState struct {
	term   uint64
	leader uint64
	state  raft.StateType
}

// applyCursor is the state up to the last entry handled, which is ahead of what
// is published until the round's batch is committed.
type applyCursor struct {
	appliedState
	desc *metapb.Region
}

// inboxMax bounds messages from peers that wait: what MaxInflightMessages allows
// for appends, and some more for the rest.
const inboxMax = 1024

// ErrTombstone: the peer was removed from this store.
var ErrTombstone = errors.New("replica was removed from this store")

// New loads a replica from the engines, or makes a shell if the state engine does
// not know the region. fresh says that the region was born in this process just
// now, not found when the store was opened.
func New(cfg Config, fresh bool) (*Replica, error) {
	r := &Replica{
		cfg:           cfg,
		log:           cfg.Logger.With("region", cfg.RegionID, "peer", cfg.PeerID, "store", cfg.StoreID),
		electionTicks: cfg.Raft.ElectionTicks,
		held:          make(map[uint64]heldVote),
		peerOf:        make(map[uint64]uint64),
		sent:          make(map[uint64]int),
		fences:        make(map[uint64]uint64),
		askers:        make(map[uint64]uint64),
	}
	if r.electionTicks == 0 {
		r.electionTicks = multiraft.ElectionTicks
	}
	if r.inboxMax = cfg.Raft.InboxMessages; r.inboxMax == 0 {
		r.inboxMax = inboxMax
	}
	if r.logKeep = cfg.Raft.LogKeepBytes; r.logKeep == 0 {
		r.logKeep = logKeepBytes
	}
	r.mu.barriers = make(map[*raftpb.Message]func())
	r.mu.lostPeer = make(map[uint64]struct{})
	// Spread over the period.
	r.mu.probedAt = cfg.Clock.Now().Add(-time.Duration(cfg.RegionID%60) * ProbePeriod / 60)
	desc, err := LoadDescriptor(cfg.State, cfg.RegionID)
	if err != nil {
		return nil, err
	}
	if desc != nil {
		a, err := loadApplied(cfg.State, cfg.RegionID)
		if err != nil {
			return nil, err
		}
		r.apl = applyCursor{appliedState: a, desc: desc}
		// What an open finds it has made durable; what a birth makes was synced before.
		r.durableConf = desc.GetEpoch().GetConfVer()
		p := region.PeerByID(desc, cfg.PeerID)
		if p == nil || p.GetStoreId() != cfg.StoreID {
			return nil, fmt.Errorf("region %d: peer %d on store %d is no member: %w", cfg.RegionID, cfg.PeerID, cfg.StoreID, ErrTombstone)
		}
	} else {
		r.apl.conf = &raftpb.ConfState{}
		r.shells.Store(true)
	}
	rec, err := cfg.Logs.Recover(cfg.RegionID, r.apl.index, r.apl.term)
	if err != nil {
		return nil, fmt.Errorf("recover log of region %d: %w", cfg.RegionID, err)
	}
	if r.group, err = cfg.Logs.Group(cfg.RegionID); err != nil {
		return nil, fmt.Errorf("log of region %d: %w", cfg.RegionID, err)
	}
	r.group.SetConfState(r.apl.conf)
	r.group.SetSnapshotter(r.snapshotMetadata)
	rc := multiraft.RaftConfig(cfg.PeerID, r.group, r.apl.index, cfg.Raft, r.log)
	if r.rn, err = raft.NewRawNode(rc); err != nil {
		return nil, fmt.Errorf("region %d: %w", cfg.RegionID, err)
	}
	r.timer = multiraft.NewElectionTimer(cfg.Rand, cfg.Raft)
	st := r.rn.BasicStatus()
	r.soft, r.commit = softState{term: st.GetTerm(), state: st.RaftState}, st.GetCommit()
	r.mu.desc, r.mu.applied, r.mu.term = r.apl.desc, r.apl.appliedState, st.GetTerm()

	// Rule A11: what this peer promised before a restart is forgotten, also that it
	// heard of a leader, whose term may not have reached the disk. Only a replica
	// that was born in this process, with an empty log, has promised nothing.
	untouched := fresh && rec.HardState.GetVote() == 0 && rec.HardState.GetTerm() <= InitialTerm
	alone, err := r.onlyVoter(rec)
	if err != nil {
		return nil, err
	}
	if desc != nil && !untouched && !alone {
		r.mu.silentUntil = cfg.Clock.Now().Add(liveness.Support)
	}
	r.mu.awaitsStart = !fresh && !alone && desc != nil && region.IsVoter(region.PeerByID(desc, cfg.PeerID).GetRole())
	if desc != nil && alone {
		r.mu.ops = append(r.mu.ops, func(rn *raft.RawNode) { r.campaign(rn) })
	}
	return r, nil
}

// onlyVoter reports whether this peer is the only voter of its group and no entry
// in its log could have changed that at others.
func (r *Replica) onlyVoter(rec raftlog.Recovered) (bool, error) {
	cs := r.apl.conf
	if len(cs.GetVoters()) != 1 || cs.GetVoters()[0] != r.cfg.PeerID || len(cs.GetVotersOutgoing()) != 0 {
		return false, nil
	}
	for lo := r.apl.index + 1; lo <= rec.Last; {
		ents, err := r.group.Entries(lo, rec.Last+1, 1<<20)
		if err != nil {
			return false, fmt.Errorf("read log of region %d: %w", r.cfg.RegionID, err)
		}
		for _, e := range ents {
			if e.GetType() != raftpb.EntryNormal {
				return false, nil
			}
		}
		if len(ents) == 0 {
			break
		}
		lo += uint64(len(ents))
	}
	return true, nil
}

func (r *Replica) campaign(rn *raft.RawNode) {
	r.timer.Reset()
	if err := rn.Campaign(); err != nil {
		r.log.Debug("campaign refused", "error", err)
	}
}

// Campaign makes the replica start an election. Only for a replica that was born
// by a split at the leader of its parent.
func (r *Replica) Campaign() { r.enqueueOp(func(rn *raft.RawNode) { r.campaign(rn) }) }

// enqueueOp has f run by the worker that processes the group. It is dropped when
// the replica is destroyed.
func (r *Replica) enqueueOp(f func(*raft.RawNode)) bool {
	r.mu.Lock()
	ok := r.enqueueLocked(f)
	if ok && r.mu.lead != nil {
		r.mu.lead.asleep = false
	}
	r.mu.Unlock()
	if ok {
		r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
	}
	return ok
}

// enqueueQuietly is enqueueOp for what needs no ticks afterwards.
func (r *Replica) enqueueQuietly(f func(*raft.RawNode)) bool {
	r.mu.Lock()
	ok := r.enqueueLocked(f)
	r.mu.Unlock()
	if ok {
		r.cfg.Host.Enqueue(r.cfg.RegionID, multiraft.Requests)
	}
	return ok
}

func (r *Replica) enqueueLocked(f func(*raft.RawNode)) bool {
	if !r.mu.destroyed {
		r.mu.ops = append(r.mu.ops, f)
	}
	return !r.mu.destroyed
}

// RegionID returns the region's id.
func (r *Replica) RegionID() uint64 { return r.cfg.RegionID }

// PeerID returns the replica's own id.
func (r *Replica) PeerID() uint64 { return r.cfg.PeerID }

// Shell reports whether the replica waits for its first snapshot.
func (r *Replica) Shell() bool { return r.shells.Load() }

// Info is a look at a replica.
type Info struct {
	Region       *metapb.Region // nil for a shell; must not be changed
	Peer         *metapb.Peer
	Leader       *metapb.Peer // nil while unknown
	IsLeader     bool
	Ready        bool // leads and has applied an entry of its term
	Term         uint64
	AppliedIndex uint64
	SizeBytes    int64
	// CleanTS: no lock of a transaction that started below it is left, and none
	// can come.
	CleanTS timestamp.Timestamp
	// Reads and Writes are about how many requests a second come here: see Load.Rates.
	Reads, Writes uint32
	// DownPeers have not been heard of for a while, PendingPeers lag: at the leader.
	DownPeers, PendingPeers []uint64
	Destroyed               bool
}

// Info returns a look at the replica.
func (r *Replica) Info() Info {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := Info{
		Region: r.mu.desc, Term: r.mu.term, AppliedIndex: r.mu.applied.index,
		SizeBytes: r.mu.applied.sizeBytes, CleanTS: r.mu.clean, IsLeader: r.mu.lead != nil, Destroyed: r.mu.destroyed,
	}
	i.Reads, i.Writes = r.Load.Rates()
	if r.mu.lead != nil {
		i.Ready = r.mu.lead.ready
		i.DownPeers, i.PendingPeers = r.mu.lead.down, r.mu.lead.pending
	}
	if r.mu.desc != nil {
		i.Peer = region.PeerByID(r.mu.desc, r.cfg.PeerID)
		i.Leader = region.PeerByID(r.mu.desc, r.mu.leader)
	}
	return i
}

// Descriptor returns the region's descriptor, which must not be changed, or nil
// for a shell.
func (r *Replica) Descriptor() *metapb.Region {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.desc
}

// AppliedIndex returns the index up to which the state engine holds the log's
// effects, synced or not.
func (r *Replica) AppliedIndex() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.applied.index
}

// SetSize corrects the estimate of the region's size.
func (r *Replica) SetSize(bytes int64) {
	r.enqueueQuietly(func(*raft.RawNode) {
		r.apl.sizeBytes = bytes
		r.mu.Lock()
		r.mu.applied.sizeBytes = bytes
		r.mu.Unlock()
		r.cfg.Host.Applied(r)
	})
}

// SetTimestamp hands over a timestamp that was asked for with NeedTimestamp.
func (r *Replica) SetTimestamp(term uint64, ts timestamp.Timestamp) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.mu.lead; l != nil && l.term == term {
		l.raiseMaxTS(ts)
		l.tsReady = true
	}
}

// Deliver takes a message of the log writer. It reports whether the replica has to
// be processed for it now.
func (r *Replica) Deliver(m *raftpb.Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.local = append(r.mu.local, m)
	return r.mu.barriers[m] != nil || !r.mu.patience.withLog(m)
}

// Receive takes a message from a peer, or drops it if too many wait. It reports
// whether the replica has to be processed for it now.
func (r *Replica) Receive(env *multiraft.Envelope) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.destroyed || len(r.mu.inbox) >= r.inboxMax {
		return false
	}
	r.mu.inbox = append(r.mu.inbox, env)
	return !r.mu.patience.withPeer(r.mu.lead, env) || len(r.mu.inbox) >= r.inboxMax/2
}

// ReportUnreachable notes that a message to a peer was dropped.
func (r *Replica) ReportUnreachable(peer uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.mu.destroyed {
		r.mu.lostPeer[peer] = struct{}{}
		if r.mu.lead != nil {
			r.mu.lead.asleep = false
		}
	}
}

// Stop is Retire for a store that stops: what comes is answered with Unavailable.
func (r *Replica) Stop(why string) {
	r.mu.Lock()
	r.mu.stopped = why
	r.mu.Unlock()
	r.Retire(why)
}

// Retire makes the replica answer everything that waits and refuse what comes:
// writes under way are ambiguous. Process does nothing any more.
func (r *Replica) Retire(why string) {
	r.mu.Lock()
	r.mu.destroyed = true
	l := r.mu.lead
	r.mu.lead = nil
	r.mu.ops, r.mu.inbox = nil, nil
	inc := r.mu.incoming
	r.mu.incoming = nil
	r.mu.Unlock()
	if inc != nil {
		inc.Discard()
	}
	if l != nil {
		r.cfg.Counters.Leaders.Add(-1)
		l.end(r, why)
	}
}

// Barrier has f called once everything that the replica gave to the log writer
// before is durable. Called from Process, with its round.
func (r *Replica) barrier(round *multiraft.Round, hs *raftpb.HardState, f func()) {
	marker := &raftpb.Message{
		Type: raftpb.MsgStorageAppendResp.Enum(), To: proto.Uint64(r.cfg.PeerID),
		From: proto.Uint64(raft.LocalAppendThread),
	}
	r.mu.Lock()
	r.mu.barriers[marker] = f
	r.mu.Unlock()
	round.Append(multiraft.Append{
		Group: r.cfg.RegionID, HardState: hs, MustSync: hs != nil, Responses: []*raftpb.Message{marker},
	})
}

// damaged notes a failure of the state engine. One that comes from damaged data ends
// the store: what else it would answer cannot be trusted, and the other replicas hold
// what this one has lost.
func (r *Replica) damaged(what string, err error) {
	r.log.Error(what+" failed", "error", err)
	if errors.Is(err, mvcc.ErrCorrupt) {
		r.fatal(what, err)
	}
}

func (r *Replica) fatal(what string, err error) {
	r.cfg.Host.Fatal(fmt.Errorf("region %d: %s: %w", r.cfg.RegionID, what, err))
}
