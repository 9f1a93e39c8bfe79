package multiraft

import (
	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft/liveness"
)

// Envelope is a Raft message between two peers with what the receiving store
// needs to route it: the region, both ends, and the sender's version of the
// region.
//
// An envelope and everything that it points to is immutable once it has been
// handed to a Transport or a Receiver: it may be encoded later, on another
// goroutine.
type Envelope struct {
	RegionID           uint64
	FromStore, ToStore uint64
	FromPeer, ToPeer   uint64
	// ConfVer and Version are the sender's region epoch. Zero for a peer that
	// does not know its region yet.
	ConfVer, Version uint64
	// HasRange says that StartKey and EndKey hold the sender's range of the
	// region, [StartKey, EndKey), an empty EndKey being infinity. A receiver
	// without that region uses it to hold the message back while a replica of
	// another region still covers the range.
	HasRange         bool
	StartKey, EndKey []byte
	// Epoch goes with append and heartbeat responses: the support epoch in which
	// the sender is bound to the receiver as its leader, zero if it is not. Commit is
	// the sender's commit index then.
	Epoch  liveness.Epoch
	Commit uint64
	// Message is never local to a store (no MsgStorage…, MsgHup and so on). It is nil
	// if and only if Liveness is set.
	Message *raftpb.Message
	// Liveness is a message between stores instead of peers: of the other fields only
	// FromStore and ToStore are set.
	Liveness *liveness.Message
}

// Class returns the class that the envelope travels in.
func (e *Envelope) Class() Class {
	if e.Liveness != nil {
		return ClassStores
	}
	return ClassOf(e.Message)
}

// Class separates traffic so that bulk never delays what keeps a leader alive.
type Class uint8

const (
	// ClassLiveness is for heartbeats, votes and their answers: small messages
	// whose delay starts elections.
	ClassLiveness Class = iota + 1
	// ClassAppend is for everything else that is not a raft snapshot.
	ClassAppend
	// ClassSnapshot is for raft snapshots, which have streams of their own and
	// never pass through Transport.Send.
	ClassSnapshot
	// ClassStores is for store liveness: a few small messages a second, that must
	// not stand behind the heartbeats of many thousand regions.
	ClassStores
)

// ClassOf returns the class of a message.
func ClassOf(m *raftpb.Message) Class {
	switch m.GetType() {
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp,
		raftpb.MsgVote, raftpb.MsgVoteResp,
		raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
		raftpb.MsgTimeoutNow, raftpb.MsgForgetLeader:
		return ClassLiveness
	case raftpb.MsgSnap:
		return ClassSnapshot
	default:
		return ClassAppend
	}
}

func (c Class) String() string {
	switch c {
	case ClassLiveness:
		return "liveness"
	case ClassAppend:
		return "append"
	case ClassSnapshot:
		return "snapshot"
	case ClassStores:
		return "stores"
	default:
		return "unknown"
	}
}
