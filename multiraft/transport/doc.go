// Package transport carries Raft messages and raft snapshots between stores:
// over gRPC between processes (GRPC), and by a call within one (LocalNetwork).
// Both implement multiraft.Transport.
//
// # Over gRPC
//
//	Send ──▶ queue per peer store and class ──▶ one stream each ──▶ Receive
//	          stores:   store liveness              (client stream, frames)
//	          liveness: heartbeats, votes
//	          append:   the rest
//	SendSnapshot ──▶ a stream of its own ──▶ HandleSnapshot
//
// The bytes are this project's own codec (multiraft.AppendEnvelope) in frames
// that gRPC carries unseen. ServerOptions and DialOptions have the settings that
// both ends should be made with.
//
// Who dials, with which credentials and to which address, is decided by the
// server through Options.Dial.
//
// # Bounds
//
// A queue that is full, or that belongs to a store that cannot be reached, drops
// the message and reports the peer unreachable: Raft repairs loss by itself and
// cannot repair a scheduler that is blocked.
//
// # Concurrency
//
// All exported methods may be called from anywhere. Locks are leaves: the
// receiver is called without any.
package transport
