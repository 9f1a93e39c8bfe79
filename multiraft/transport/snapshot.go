package transport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
)

// ErrUnreachable is returned by SendSnapshot when the store is not there.
var ErrUnreachable = errors.New("store is unreachable")

// snapshotMetaBytesMax bounds SnapshotHeader.Meta.
const snapshotMetaBytesMax = 1 << 20

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

// pacer keeps a stream at a number of bytes a second. It sleeps after what was
// sent, and forgives what it slept too long: there is no burst after a pause.
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
