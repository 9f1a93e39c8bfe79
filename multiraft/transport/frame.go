package transport

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"

	"github.com/quorate-db/quorate/multiraft"
)

const (
	serviceName    = "quorate.raft.Transport"
	methodMessages = "Messages"
	methodSnapshot = "Snapshot"
)

// serviceDesc describes the service by hand, since its messages are no protobuf.
func serviceDesc() *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: serviceName,
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{
			{StreamName: methodMessages, ClientStreams: true, Handler: func(srv any, s grpc.ServerStream) error {
				return srv.(*GRPC).handleMessages(s)
			}},
			{StreamName: methodSnapshot, ClientStreams: true, Handler: func(srv any, s grpc.ServerStream) error {
				return srv.(*GRPC).handleSnapshot(s)
			}},
		},
	}
}

// frame is one gRPC message of this service.
type frame struct {
	// out is what to send; gRPC takes over its references.
	out mem.BufferSlice
	// in is what was received, to be freed by the receiver.
	in mem.Buffer
}

func (f *frame) free() {
	if f.in != nil {
		f.in.Free()
		f.in = nil
	}
}

// codec carries frames as they are and leaves everything else to protobuf.
type codec struct{ proto encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return f.out, nil
	}
	return c.proto.Marshal(v)
}

func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		f.free()
		f.in = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	return c.proto.Unmarshal(data, v)
}

// Name is protobuf's, so that one codec serves all services of a server.
func (c codec) Name() string { return proto.Name }

// The frame of a stream of messages: a version, from and to store, and then each
// envelope behind its length in four bytes, little endian.
const frameVersion = 1

const (
	// frameMessagesMax and frameBytesMax bound what is sent at once.
	frameMessagesMax = 256
	frameBytesMax    = 1 << 20
	// frameBytesLimit is what a receiver takes: a frame just under its bound, one
	// more message with the largest entry, and as much again for keys.
	frameBytesLimit = 2 * (frameBytesMax + multiraft.MaxEntryBytes)
	// frameOverhead bounds the frame's own header.
	frameOverhead = 1 + 3*binary.MaxVarintLen64
)

var errCorruptFrame = errors.New("corrupt frame")

// encodeFrame makes a frame of the envelopes whose encodings take at most size
// bytes together. bad is called with those that cannot be encoded, which are left
// out.
func encodeFrame(from, to uint64, envs []*multiraft.Envelope, size int, bad func(*multiraft.Envelope, error)) mem.BufferSlice {
	pool := mem.DefaultBufferPool()
	buf := pool.Get(frameOverhead + size + len(envs)*binary.MaxVarintLen32)
	b := append((*buf)[:0], frameVersion)
	b = binary.AppendUvarint(b, from)
	b = binary.AppendUvarint(b, to)
	for _, env := range envs {
		// The length is written in a fixed number of bytes in front, since it is
		// known only afterwards.
		at := len(b)
		b = append(b, 0, 0, 0, 0)
		next, err := multiraft.AppendEnvelope(b, env)
		if err != nil {
			bad(env, err)
			b = b[:at]
			continue
		}
		b = next
		binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	if cap(b) != cap(*buf) {
		// The estimate was too small: the memory is not the pool's.
		pool.Put(buf)
		return mem.BufferSlice{mem.SliceBuffer(b)}
	}
	*buf = b
	return mem.BufferSlice{mem.NewBuffer(buf, pool)}
}

// decodeFrame calls visit for every envelope.
func decodeFrame(b []byte, visit func(*multiraft.Envelope) error) (from, to uint64, err error) {
	if len(b) == 0 || b[0] != frameVersion {
		return 0, 0, fmt.Errorf("%w: not of version %d", errCorruptFrame, frameVersion)
	}
	b = b[1:]
	for _, p := range [...]*uint64{&from, &to} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, 0, fmt.Errorf("%w: truncated header", errCorruptFrame)
		}
		*p, b = v, b[n:]
	}
	for len(b) > 0 {
		if len(b) < 4 {
			return from, to, fmt.Errorf("%w: truncated length", errCorruptFrame)
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if uint64(n) > uint64(len(b)) {
			return from, to, fmt.Errorf("%w: length beyond the end", errCorruptFrame)
		}
		env, err := multiraft.DecodeEnvelope(b[:n])
		if err != nil {
			return from, to, err
		}
		if env.FromStore != from || env.ToStore != to {
			return from, to, fmt.Errorf("%w: message from store %d to %d in a frame from %d to %d",
				errCorruptFrame, env.FromStore, env.ToStore, from, to)
		}
		if err := visit(env); err != nil {
			return from, to, err
		}
		b = b[n:]
	}
	return from, to, nil
}
