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

// On the wire every gRPC message of this service is the protobuf message
// google.protobuf.BytesValue, so that a server needs no codec of its own to take
// it: receivers use that type. Senders put it together by hand, around buffers
// that come from a pool and are not copied again.

// frame is a message to be sent. gRPC takes over the references of its buffers.
type frame struct{ out mem.BufferSlice }

// newFrame wraps the bytes of the buffers.
func newFrame(content ...mem.Buffer) *frame {
	n := 0
	for _, b := range content {
		n += b.Len()
	}
	head := binary.AppendUvarint([]byte{1<<3 | 2}, uint64(n)) // field 1, bytes
	return &frame{out: append(mem.BufferSlice{mem.SliceBuffer(head)}, content...)}
}

// codec sends frames as they are and leaves everything else to protobuf.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if f, ok := v.(*frame); ok {
		return f.out, nil
	}
	return c.CodecV2.Marshal(v)
}

// The frame of a stream of messages: a version, from and to store, and then each
// envelope behind its length in four bytes, little endian.
const frameVersion = 1

const (
	// frameMessagesMax and frameBytesMax bound what is sent at once.
	frameMessagesMax = 256
	frameBytesMax    = 1 << 20
	// MessageBytesMax is the largest gRPC message that a server must take: a
	// frame just under its bound, one more Raft message with the largest entry,
	// and as much again for keys.
	MessageBytesMax = 2 * (frameBytesMax + multiraft.MaxEntryBytes)
	// frameOverhead bounds the frame's own header.
	frameOverhead = 1 + 3*binary.MaxVarintLen64
)

var errCorruptFrame = errors.New("corrupt frame")

// encodeFrame makes a frame of the envelopes whose encodings take at most size
// bytes together. bad is called with those that cannot be encoded, which are left
// out.
func encodeFrame(from, to uint64, envs []*multiraft.Envelope, size int, bad func(*multiraft.Envelope, error)) mem.Buffer {
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
		return mem.SliceBuffer(b)
	}
	*buf = b
	return mem.NewBuffer(buf, pool)
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
