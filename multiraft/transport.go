package multiraft

import "context"

// Transport carries messages between stores. Implementations are in
// multiraft/transport. All methods are safe for concurrent use.
type Transport interface {
	// Send hands over a message for env.ToStore. It never blocks: when the
	// queue to that store is full or the store is away, the message is dropped
	// and Receiver.ReportUnreachable of the own store is called, possibly before
	// Send returns. A message to the own store goes straight to its Receiver.
	// The transport owns env from here on; the caller must not change it.
	// Requires: env.Class() != ClassSnapshot.
	Send(env *Envelope)
	// Flush lets the queued messages leave. The driver calls it at the end of
	// each round and after each batch of responses, so that what belongs
	// together travels together. It never blocks.
	Flush()
	// SendSnapshot streams a raft snapshot to another store and returns when
	// the receiver's HandleSnapshot has returned, with its error. It blocks: it
	// is not for scheduler workers. chunks is called until it returns io.EOF;
	// a chunk has at most SnapshotChunkBytesMax bytes, is not changed by the
	// transport, and need only stay valid until the next call. Any other error
	// of chunks aborts the transfer, which the receiver sees as an error.
	// bytesPerSecond limits the rate; zero or less means no limit.
	SendSnapshot(ctx context.Context, toStore uint64, header SnapshotHeader, bytesPerSecond int64,
		chunks func() ([]byte, error)) error
}

// Receiver is the side of a store that a Transport talks to. Both methods are
// called concurrently, on goroutines of the transport or of whoever called
// Send, must not block on I/O or on a scheduler worker, and must not call back
// into the transport.
type Receiver interface {
	// Receive takes a message from a peer. The envelope is the receiver's.
	// Messages may be lost, repeated and reordered.
	Receive(env *Envelope)
	// ReportUnreachable says that a message of the given group to the given
	// peer was dropped on its way. The store notes it in the group's inbox and
	// enqueues the group, which tells its RawNode.
	ReportUnreachable(group, toPeer uint64)
}

// SnapshotChunkBytesMax bounds one chunk of a raft snapshot: large enough to
// amortise a message, small enough not to hold a connection for long.
const SnapshotChunkBytesMax = 256 << 10

// SnapshotHeader opens a raft snapshot's stream.
type SnapshotHeader struct {
	// Envelope holds the MsgSnap, whose snapshot has metadata and, in its data
	// field, whatever small thing the replicas put there.
	Envelope *Envelope
	// Meta is opaque to the transport: for example the descriptor and the size
	// to be expected. At most 1 MB.
	Meta []byte
}

// SnapshotHandler is the receiving side of SendSnapshot, implemented by a store.
// HandleSnapshot may be called concurrently; to admit only one at a time is the
// handler's matter. next returns the chunks and then io.EOF, which means that
// the stream was complete; after any other error what was received must be
// thrown away. A chunk stays valid until the next call. The error of
// HandleSnapshot is returned to the sender, over a network as text.
type SnapshotHandler interface {
	HandleSnapshot(ctx context.Context, header SnapshotHeader, next func() ([]byte, error)) error
}
