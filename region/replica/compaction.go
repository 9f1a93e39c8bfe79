package replica

import (
	"slices"

	"go.etcd.io/raft/v3"

	"github.com/quorate-db/quorate/internal/fault"
)

const (
	// logKeepBytes is how much of a log a leader keeps for peers that lag; beyond
	// it they are served by a raft snapshot.
	logKeepBytes = 16 << 20
	// logFollowerBytes is how much a follower keeps, in case it leads next.
	logFollowerBytes = 1 << 20
	// compactStep avoids many small compactions.
	compactStep = 64
)

// LogBytes estimates what the replica's log takes.
func (r *Replica) LogBytes() int64 { return r.group.SizeBytes() }

// Shorten drops entries because the store's logs together are too long: those that are
// kept for peers that are down, and with all set for peers that only lag, too; none
// beyond what the last Compact was told to be durable. Those peers are served by a raft
// snapshot.
func (r *Replica) Shorten(all bool) {
	r.mu.Lock()
	safe := r.mu.compacted
	r.mu.Unlock()
	r.enqueueQuietly(func(rn *raft.RawNode) {
		to := safe
		r.mu.Lock()
		var down []uint64
		if r.mu.lead != nil {
			down = r.mu.lead.down
		}
		r.mu.Unlock()
		if !all && r.soft.state == raft.StateLeader {
			rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
				if !slices.Contains(down, id) {
					to = min(to, p.Match)
				}
			})
		}
		r.compactTo(to)
	})
}

// compactTo drops the entries up to an index, unless the log may be needed to decide
// about a merge. Process only.
func (r *Replica) compactTo(to uint64) {
	if r.apl.desc.GetMerging() != nil {
		// Whether the region is given up is not decided: see DESIGN.md.
		return
	}
	if first, err := r.group.FirstIndex(); err != nil || to < first {
		return
	}
	fault.Hit("compact/before-write")
	if err := r.cfg.Logs.CompactTo(r.cfg.RegionID, to); err != nil {
		r.fatal("compact log", err)
	}
	fault.Hit("compact/after-write")
}

// Compact drops entries that nobody needs, none beyond durable: the index up to
// which the state engine would hold their effects after a crash.
func (r *Replica) Compact(durable uint64) {
	r.mu.Lock()
	again := r.mu.compacted == durable
	r.mu.compacted = durable
	leads := r.mu.lead != nil
	r.mu.Unlock()
	if again || r.keepsAll(leads, durable) {
		return // an idle region costs nothing, and one with a short log no look
	}
	r.enqueueQuietly(func(rn *raft.RawNode) {
		first, err := r.group.FirstIndex()
		if err != nil || durable < first {
			return
		}
		to := durable
		if size := r.group.SizeBytes(); r.soft.state == raft.StateLeader && size <= r.logKeep {
			rn.WithProgress(func(_ uint64, _ raft.ProgressType, p progress) { to = min(to, p.Match) })
		}
		if r.keepsAll(r.soft.state == raft.StateLeader, to) {
			return
		}
		r.compactTo(to)
	})
}

// keepsAll reports whether a log of which the entries up to index are not needed for a
// restart is kept as it is.
func (r *Replica) keepsAll(leads bool, index uint64) bool {
	size := r.group.SizeBytes()
	if !leads && size <= min(logFollowerBytes, r.logKeep) {
		return true
	}
	first, err := r.group.FirstIndex()
	return err != nil || index < first+compactStep && size <= r.logKeep
}
