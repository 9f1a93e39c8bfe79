package multiraft

import "go.etcd.io/raft/v3/raftpb"

// Processor is the store: it owns the one map of groups and is called by the
// driver for those that have work.
type Processor interface {
	// Process handles what is pending for the group, in this order: requests
	// (inbox, proposals, reads), then ticks, then Ready. A tick cannot start an
	// election that way while the heartbeat that would have prevented it is
	// waiting. Output goes into the round. It is never called for one group by
	// two workers at a time, nor while AfterApply callbacks of the group's last
	// round run. A group that the store does not have (any more) is ignored.
	Process(group uint64, work Work, round *Round)
	// Deliver puts a message into the group's inbox and enqueues the group with
	// Requests. The driver calls it, on the log writer's goroutine, with the
	// responses of an append that has become durable. It must not block and may
	// be called while the group is being processed.
	Deliver(group uint64, m *raftpb.Message)
}

// Work says what a group was scheduled for.
type Work struct {
	// Requests: something may be in the inbox or among the proposals.
	Requests bool
	// Ready: the RawNode may have output although no request came.
	Ready bool
	// Ticks is how many ticks to hand to the RawNode, at most MaxTicks.
	Ticks int
}

// Flags is a set of reasons to schedule a group.
type Flags uint8

const (
	// Requests schedules a group for its inbox and its proposals.
	Requests Flags = 1 << iota
	// Ready schedules a group to look for output of its RawNode.
	Ready
)

// MaxTicks bounds the ticks that a group can owe. A worker that comes late (a
// paused process, a slow disk) must not replay the time it was away: the ticks
// would pass an election timeout before any of the heartbeats behind them had a
// chance to be read.
const MaxTicks = 3
