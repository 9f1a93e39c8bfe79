package multiraft

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/engine"
)

// Append is what one Ready of a group wants in the log: a MsgStorageAppend
// without a snapshot (a replica installs snapshots itself).
type Append struct {
	Group uint64
	// HardState is nil or empty when it did not change.
	HardState *raftpb.HardState
	// Entries must not be changed by anybody from here on.
	Entries []*raftpb.Entry
	// MustSync is Ready.MustSync: entries, term or vote changed. An append
	// without it is written but not synced by itself; its responses still wait
	// for all earlier synced ones.
	MustSync bool
	// Responses are those of the MsgStorageAppend that are addressed to this
	// very peer, in their order. They go to Processor.Deliver once durable.
	Responses []*raftpb.Message
	// Envelopes are those of the responses that are addressed to other peers
	// (votes, acknowledged appends), in their order. They go to the transport
	// once durable.
	Envelopes []*Envelope
	// Durable, if set, is called after all of them, on the log writer's goroutine.
	// It must not block.
	Durable func()

	size int // bytes that it counts for in queues, set by Round.Append
}

// Round collects the output of the groups that a worker handles together. It is
// valid during Process and during the round's callbacks, for that worker's
// goroutine only.
type Round struct {
	d          *Driver
	appends    []Append
	sends      []*Envelope
	afterApply []func()
	state      *engine.Batch
	logBytes   int // of appends
}

// roundBytesMax ends a round early: with a group that catches up on megabytes,
// others of the round would wait long and the batches would grow without bound.
const roundBytesMax = 4 << 20

func (r *Round) full() bool {
	return r.logBytes >= roundBytesMax || (r.state != nil && r.state.Len() >= roundBytesMax)
}

// Append adds to the log. The order of one group's appends is kept.
func (r *Round) Append(a Append) {
	a.size = appendOverheadBytes
	for _, e := range a.Entries {
		a.size += appendOverheadBytes + len(e.GetData())
	}
	r.logBytes += a.size
	r.appends = append(r.appends, a)
}

// Send adds a message that needs no durability: Ready.Messages to other peers.
// Never use it for the responses of an append.
func (r *Round) Send(env *Envelope) { r.sends = append(r.sends, env) }

// StateBatch returns the batch for the state engine that all groups of the round
// share. It is committed, unsynced, at the end of the round, after the appends
// were handed to the log writer. Groups of a round cover different keys, so
// their operations do not meet.
func (r *Round) StateBatch() *engine.Batch {
	if r.state == nil {
		r.state = r.d.state.NewBatch()
	}
	return r.state
}

// AfterApply registers a callback that runs on this worker after the commit of
// the state batch, in the order of registration, while all groups of the round
// are still owned by this worker: it may touch the RawNode, for example to step
// a MsgStorageApplyResp. A callback that leaves new output in a RawNode calls
// Driver.Enqueue with Ready. Callbacks do not run when the commit failed. A
// callback must not add to the round.
func (r *Round) AfterApply(f func()) { r.afterApply = append(r.afterApply, f) }
