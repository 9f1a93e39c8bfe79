package multiraft

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.etcd.io/raft/v3"
)

// The settings of every Raft group.
const (
	// TickInterval is the time between ticks.
	TickInterval = 100 * time.Millisecond
	// ElectionTicks is how long a follower waits for its leader: 1 s, and up to
	// twice that with the spread. Far above a LAN round trip plus a slow fsync.
	ElectionTicks = 10
	// HeartbeatTicks gives a follower that nothing else binds to its leader two
	// chances to hear from it before it campaigns. Whether a leader's store lives is
	// known from store to store (multiraft/liveness); what is left for a heartbeat is
	// to find lost appends, and to tell the last commit index when writes have ended.
	// With many groups heartbeats cost more than the writes between them.
	HeartbeatTicks = 5
	// MaxAppendBytes bounds an append message, so that no message holds a stream
	// for long. One entry may be larger; it then travels alone.
	MaxAppendBytes = 256 << 10
	// MaxInflightMessages and MaxInflightBytes bound what a leader sends to one
	// follower without an answer, and so the follower's inbox.
	MaxInflightMessages = 256
	MaxInflightBytes    = 16 << 20
	// MaxUncommittedBytes bounds a leader's proposals that are not committed yet;
	// beyond it Propose returns ErrProposalDropped. Without it a leader that has
	// lost its quorum grows until CheckQuorum steps in. A single proposal is
	// always admitted.
	MaxUncommittedBytes = 64 << 20
	// MaxApplyingBytes bounds committed entries handed out and not yet applied.
	MaxApplyingBytes = 16 << 20
	// MaxEntryBytes bounds one proposal. It is checked by the proposer; the
	// transport is sized for it.
	MaxEntryBytes = 4 << 20
)

// RaftSettings overrides settings, for tests. Zero fields keep the constants.
type RaftSettings struct {
	ElectionTicks, HeartbeatTicks int
	MaxAppendBytes                uint64
	MaxInflightMessages           int
	MaxInflightBytes              uint64
	MaxUncommittedBytes           uint64
	MaxApplyingBytes              uint64
	// ElectionSpreadTicks is the width of the interval that timeouts are drawn from.
	ElectionSpreadTicks int
	// InboxMessages bounds a replica's messages from peers that wait.
	InboxMessages int
	// LogKeepBytes is how much of a log is kept for peers that lag.
	LogKeepBytes int64
}

// RaftConfig returns the configuration of one peer's RawNode. storage must show
// entries as soon as the log writer has written them; applied is the applied
// index found in the state engine.
//
// The caller drives the RawNode's clock with an ElectionTimer, and with
// AsyncStorageWrites it never calls Advance.
func RaftConfig(peer uint64, storage raft.Storage, applied uint64, s RaftSettings, logger *slog.Logger) *raft.Config {
	return &raft.Config{
		ID:            peer,
		Storage:       storage,
		Applied:       applied,
		ElectionTick:  orDefault(s.ElectionTicks, ElectionTicks),
		HeartbeatTick: orDefault(s.HeartbeatTicks, HeartbeatTicks),
		// A leader sends in parallel with its own fsync, and apply does not wait
		// for the log (Raft thesis §10.2.1).
		AsyncStorageWrites: true,
		// A peer that comes back from a partition must not depose a healthy
		// leader (Raft thesis §9.6), and a leader without a quorum must step
		// down; leases stand on the two together.
		PreVote:     true,
		CheckQuorum: true,
		// Reads go through ReadIndex answered by a quorum. The library's own
		// lease has no margin for clock rates and does not end with a transfer.
		ReadOnlyOption: raft.ReadOnlySafe,
		// A command is evaluated at the leader: one from elsewhere is stale.
		DisableProposalForwarding: true,
		// A removed leader would go on sending heartbeats and hold the group up.
		StepDownOnRemoval:         true,
		MaxSizePerMsg:             orDefault(s.MaxAppendBytes, MaxAppendBytes),
		MaxCommittedSizePerReady:  orDefault(s.MaxApplyingBytes, MaxApplyingBytes),
		MaxInflightMsgs:           orDefault(s.MaxInflightMessages, MaxInflightMessages),
		MaxInflightBytes:          orDefault(s.MaxInflightBytes, MaxInflightBytes),
		MaxUncommittedEntriesSize: orDefault(s.MaxUncommittedBytes, MaxUncommittedBytes),
		Logger:                    raftLogger{logger},
	}
}

func orDefault[T comparable](v, def T) T {
	var zero T
	if v == zero {
		return def
	}
	return v
}

// raftLogger hands the library's messages to slog, one level lower than it means
// them: with thousands of groups its Info is our Debug.
type raftLogger struct{ l *slog.Logger }

var _ raft.Logger = raftLogger{}

func (r raftLogger) log(level slog.Level, v []any) {
	if r.l.Enabled(context.Background(), level) {
		r.l.Log(context.Background(), level, fmt.Sprint(v...))
	}
}

func (r raftLogger) logf(level slog.Level, format string, v []any) {
	if r.l.Enabled(context.Background(), level) {
		r.l.Log(context.Background(), level, fmt.Sprintf(format, v...))
	}
}

const levelTrace = slog.LevelDebug - 4

func (r raftLogger) Debug(v ...any)                   { r.log(levelTrace, v) }
func (r raftLogger) Debugf(format string, v ...any)   { r.logf(levelTrace, format, v) }
func (r raftLogger) Info(v ...any)                    { r.log(slog.LevelDebug, v) }
func (r raftLogger) Infof(format string, v ...any)    { r.logf(slog.LevelDebug, format, v) }
func (r raftLogger) Warning(v ...any)                 { r.log(slog.LevelDebug, v) }
func (r raftLogger) Warningf(format string, v ...any) { r.logf(slog.LevelDebug, format, v) }
func (r raftLogger) Error(v ...any)                   { r.log(slog.LevelWarn, v) }
func (r raftLogger) Errorf(format string, v ...any)   { r.logf(slog.LevelWarn, format, v) }

// Fatal and Panic are broken invariants of the library: they end the process.
func (r raftLogger) Fatal(v ...any)                 { r.Panic(v...) }
func (r raftLogger) Fatalf(format string, v ...any) { r.Panicf(format, v...) }
func (r raftLogger) Panic(v ...any) {
	r.log(slog.LevelError, v)
	panic("raft: " + fmt.Sprint(v...))
}
func (r raftLogger) Panicf(format string, v ...any) {
	r.logf(slog.LevelError, format, v)
	panic("raft: " + fmt.Sprintf(format, v...))
}
