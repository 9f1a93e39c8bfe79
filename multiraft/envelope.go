package multiraft

import (
	"go.etcd.io/raft/v3/raftpb"
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
	// Message is never nil and never local to a store (no MsgStorage…, MsgHup
	// and so on).
	Message *raftpb.Message
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
)

// ClassOf returns the class of a message.
func ClassOf(m *raftpb.Message) Class {
	switch m.GetType() {
	case raftpb.MsgHeartbeat, raftpb.MsgHeartbeatResp,
		raftpb.MsgVote, raftpb.MsgVoteResp,
		raftpb.MsgPreVote, raftpb.MsgPreVoteResp,
		raftpb.MsgTimeoutNow:
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
	default:
		return "unknown"
	}
}
