package txn

import "sync/atomic"

// Stats counts what a client has done since it was made.
type Stats struct {
	OnePhase       uint64 // transactions committed in one phase
	TwoPhase       uint64 // transactions committed in two phases
	Async          uint64 // transactions in several regions that committed with their locks
	ReadOnly       uint64 // transactions that committed without writes
	RolledBack     uint64
	Conflicts      uint64 // ended by a write conflict
	Aborted        uint64 // ended because somebody else aborted them
	Unknown        uint64 // ended with an unknown outcome
	Settled        uint64 // outcomes that were unknown for a while and then found
	Retries        uint64 // autocommit functions run again
	LocksMet       uint64 // requests that met another transaction's lock
	LocksResolved  uint64
	RegionChanges  uint64 // requests whose keys had to be grouped again
	BackgroundLost uint64 // background work given up
}

type counters struct {
	onePhase, twoPhase, async, readOnly, rolledBack, conflicts, aborted, unknown, settled,
	retries, locksMet, locksResolved, regionChanges, backgroundLost atomic.Uint64
}

func (c *counters) load() Stats {
	return Stats{
		OnePhase: c.onePhase.Load(), TwoPhase: c.twoPhase.Load(), Async: c.async.Load(), ReadOnly: c.readOnly.Load(),
		RolledBack: c.rolledBack.Load(), Conflicts: c.conflicts.Load(), Aborted: c.aborted.Load(),
		Unknown: c.unknown.Load(), Settled: c.settled.Load(), Retries: c.retries.Load(),
		LocksMet: c.locksMet.Load(), LocksResolved: c.locksResolved.Load(),
		RegionChanges: c.regionChanges.Load(), BackgroundLost: c.backgroundLost.Load(),
	}
}
