package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
)

// ErrUnreachable is wrapped by SendSnapshot's error when the store is not there
// or takes no snapshots.
var ErrUnreachable = errors.New("store is unreachable")

// errNotRead is the answer to a handler that says yes to half a snapshot.
var errNotRead = errors.New("the raft snapshot was not read to its end")

// snapshotMetaBytesMax bounds SnapshotHeader.Meta.
const snapshotMetaBytesMax = 1 << 20

// Kinds of frames on a snapshot's stream, each the first byte of its frame: one
// header, chunks, one end. The end carries the number of bytes in all chunks: a
// stream that breaks off is never taken for a whole one.
const (
	snapshotHeader = 'H' // length of the envelope, envelope, meta
	snapshotChunk  = 'C' // bytes
	snapshotEnd    = 'E' // number of bytes
)

// SendSnapshot implements multiraft.Transport.
func (t *GRPC) SendSnapshot(ctx context.Context, toStore uint64, header multiraft.SnapshotHeader,
	bytesPerSecond int64, chunks func() ([]byte, error)) error {
	if err := checkHeader(header); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(t.group.Context(), cancel)()
	if err := t.sendSnapshot(ctx, toStore, header, bytesPerSecond, chunks); err != nil {
		switch status.Code(err) {
		case codes.Unavailable, codes.Unimplemented:
			err = fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		return fmt.Errorf("send raft snapshot to store %d: %w", toStore, err)
	}
	return nil
}

func (t *GRPC) sendSnapshot(ctx context.Context, toStore uint64, header multiraft.SnapshotHeader,
	bytesPerSecond int64, chunks func() ([]byte, error)) error {
	h, err := appendHeader([]byte{snapshotHeader}, header)
	if err != nil {
		return err
	}
	s, err := t.open(ctx, t.o.DialSnapshots, toStore, methodSnapshot, false)
	if err != nil {
		return err
	}
	send := func(content ...mem.Buffer) error {
		if err := s.SendMsg(newFrame(content...)); err == nil || !errors.Is(err, io.EOF) {
			return err
		}
		return streamError(s) // the receiver has given up and says why
	}
	if err := send(mem.SliceBuffer(h)); err != nil {
		return err
	}
	pace := newPacer(t.o.Clock, bytesPerSecond)
	total := uint64(0)
	for {
		c, err := nextChunk(chunks)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err // the deferred cancel tells the receiver
		}
		if err := pace.wait(ctx, len(c)); err != nil {
			return err
		}
		total += uint64(len(c))
		// gRPC may still hold the last chunk when the caller makes the next.
		if err := send(mem.SliceBuffer{snapshotChunk}, mem.Copy(c, mem.DefaultBufferPool())); err != nil {
			return err
		}
	}
	if err := send(mem.SliceBuffer(binary.AppendUvarint([]byte{snapshotEnd}, total))); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	return s.RecvMsg(new(wrapperspb.BytesValue))
}

// handleSnapshot is the receiving side.
func (t *GRPC) handleSnapshot(s grpc.ServerStream) error {
	if t.o.Snapshots == nil {
		return status.Error(codes.Unimplemented, "this store takes no raft snapshots")
	}
	if err := t.checkCluster(s.Context()); err != nil {
		return err
	}
	return t.serve(func() error {
		in := snapshotReader{s: s}
		header, err := in.header()
		if err != nil {
			return status.Error(codes.InvalidArgument, err.Error())
		}
		if to := header.Envelope.ToStore; to != t.o.StoreID {
			return errWrongStore(to, t.o.StoreID)
		}
		// The stream's context ends when the sender gives up, and when serve
		// returns because the transport closes.
		if err := t.o.Snapshots.HandleSnapshot(s.Context(), header, in.next); err != nil {
			return status.Error(codes.Aborted, err.Error())
		}
		if !in.ended {
			return status.Error(codes.Internal, errNotRead.Error())
		}
		return s.SendMsg(new(wrapperspb.BytesValue))
	})
}

// snapshotReader takes a snapshot's frames apart.
type snapshotReader struct {
	s     grpc.ServerStream
	f     wrapperspb.BytesValue
	total uint64
	ended bool
	err   error
}

// recv returns the next frame's kind and content, valid until the next call.
func (r *snapshotReader) recv() (byte, []byte, error) {
	if err := r.s.RecvMsg(&r.f); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return 0, nil, fmt.Errorf("receive raft snapshot: %w", err)
	}
	b := r.f.GetValue()
	if len(b) == 0 {
		return 0, nil, errCorruptFrame
	}
	return b[0], b[1:], nil
}

func (r *snapshotReader) header() (multiraft.SnapshotHeader, error) {
	kind, b, err := r.recv()
	if err == nil && kind != snapshotHeader {
		err = fmt.Errorf("%w: no raft snapshot header", errCorruptFrame)
	}
	if err != nil {
		return multiraft.SnapshotHeader{}, err
	}
	return decodeHeader(b)
}

// next returns a chunk, io.EOF at the end, or an error that it goes on
// returning.
func (r *snapshotReader) next() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	kind, b, err := r.recv()
	switch {
	case err != nil:
	case kind == snapshotChunk && len(b) <= multiraft.SnapshotChunkBytesMax:
		r.total += uint64(len(b))
		return b, nil
	case kind == snapshotEnd:
		if total, n := binary.Uvarint(b); n == len(b) && n > 0 && total == r.total {
			r.ended, err = true, io.EOF
		} else {
			err = fmt.Errorf("%w: raft snapshot ends after %d bytes", errCorruptFrame, r.total)
		}
	default:
		err = fmt.Errorf("%w: raft snapshot frame of kind %q with %d bytes", errCorruptFrame, kind, len(b))
	}
	r.err = err
	return nil, err
}

func appendHeader(dst []byte, h multiraft.SnapshotHeader) ([]byte, error) {
	e, err := multiraft.AppendEnvelope(nil, h.Envelope)
	if err != nil {
		return nil, err
	}
	dst = binary.AppendUvarint(dst, uint64(len(e)))
	dst = append(dst, e...)
	return append(dst, h.Meta...), nil
}

func decodeHeader(b []byte) (multiraft.SnapshotHeader, error) {
	var h multiraft.SnapshotHeader
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return h, fmt.Errorf("%w: raft snapshot header", errCorruptFrame)
	}
	b = b[k:]
	env, err := multiraft.DecodeEnvelope(b[:n])
	if err != nil {
		return h, err
	}
	h.Envelope, h.Meta = env, append([]byte(nil), b[n:]...)
	return h, checkHeader(h)
}

func checkHeader(h multiraft.SnapshotHeader) error {
	switch {
	case h.Envelope == nil || h.Envelope.Message == nil:
		return errors.New("raft snapshot without a message")
	case multiraft.ClassOf(h.Envelope.Message) != multiraft.ClassSnapshot:
		return fmt.Errorf("raft snapshot opened by a %v", h.Envelope.Message.GetType())
	case len(h.Meta) > snapshotMetaBytesMax:
		return fmt.Errorf("raft snapshot header of %d bytes, at most %d are allowed", len(h.Meta), snapshotMetaBytesMax)
	}
	return nil
}

// nextChunk calls chunks and checks what it gives.
func nextChunk(chunks func() ([]byte, error)) ([]byte, error) {
	c, err := chunks()
	if err == nil && len(c) > multiraft.SnapshotChunkBytesMax {
		err = fmt.Errorf("raft snapshot chunk of %d bytes, at most %d are allowed", len(c), multiraft.SnapshotChunkBytesMax)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// pacer keeps a stream at a number of bytes a second. It pays for the last chunk
// before the next, and forgives what it waited too long: there is no burst after
// a pause.
type pacer struct {
	clock env.Clock
	rate  int64
	// free is when the bytes sent so far are paid for.
	free time.Time
}

func newPacer(c env.Clock, bytesPerSecond int64) *pacer {
	return &pacer{clock: c, rate: bytesPerSecond}
}

// wait accounts for n bytes that are about to be sent and waits for the turn.
func (p *pacer) wait(ctx context.Context, n int) error {
	if p.rate <= 0 {
		return ctx.Err()
	}
	now := p.clock.Now()
	if p.free.Before(now) {
		p.free = now
	}
	d := p.free.Sub(now)
	p.free = p.free.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
	return env.Sleep(ctx, p.clock, d)
}
