package multiraft

import "sync/atomic"

// Metrics are totals since the driver was made.
type Metrics struct {
	Rounds      uint64 // rounds of all workers
	RoundGroups uint64 // groups processed, a group counting once per round
	Messages    uint64 // sent at the end of rounds and with responses
	StateBatch  uint64 // commits of the state engine
	LogBatches  uint64 // batches written to the log
	LogSyncs    uint64 // of these, those that asked for a sync
	LogAppends  uint64 // appends in them
	LogEntries  uint64 // entries in them
	LogBytes    uint64 // bytes of the entries' data
	LogFull     uint64 // times that a worker waited for room in the log queue
	LogQueued   uint64 // bytes queued or being written now
}

type counters struct {
	rounds, roundGroups, messages, stateBatch  atomic.Uint64
	logBatches, logSyncs, logAppends           atomic.Uint64
	logEntries, logBytes, logFull, logQueuedAt atomic.Uint64
}

// Metrics returns the counters. They are read one after the other, not at one
// instant.
func (d *Driver) Metrics() Metrics {
	c := &d.counters
	return Metrics{
		Rounds:      c.rounds.Load(),
		RoundGroups: c.roundGroups.Load(),
		Messages:    c.messages.Load(),
		StateBatch:  c.stateBatch.Load(),
		LogBatches:  c.logBatches.Load(),
		LogSyncs:    c.logSyncs.Load(),
		LogAppends:  c.logAppends.Load(),
		LogEntries:  c.logEntries.Load(),
		LogBytes:    c.logBytes.Load(),
		LogFull:     c.logFull.Load(),
		LogQueued:   c.logQueuedAt.Load(),
	}
}
