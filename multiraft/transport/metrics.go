package transport

import "sync/atomic"

// Metrics are totals since the transport was made. Raft snapshots are not in
// them.
type Metrics struct {
	Sent     uint64 // messages handed to gRPC
	Frames   uint64 // gRPC messages that carried them
	Bytes    uint64 // in these
	Dropped  uint64 // messages dropped and reported unreachable
	Received uint64 // messages handed to the Receiver
	Breaks   uint64 // streams that could not be opened or broke
}

type counters struct {
	sent, frames, bytes, dropped, received, breaks atomic.Uint64
}

// Metrics returns the counters. They are read one after the other, not at one
// instant.
func (t *GRPC) Metrics() Metrics {
	c := &t.counters
	return Metrics{
		Sent: c.sent.Load(), Frames: c.frames.Load(), Bytes: c.bytes.Load(),
		Dropped: c.dropped.Load(), Received: c.received.Load(), Breaks: c.breaks.Load(),
	}
}
