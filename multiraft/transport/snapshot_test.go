package transport_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
)

func snapshotTo(store uint64) multiraft.SnapshotHeader {
	env := envelope(1, store, raftpb.MsgSnap, 0, 0)
	env.Message.Entries = nil
	env.Message.Snapshot = &raftpb.Snapshot{Data: []byte("data"), Metadata: &raftpb.SnapshotMetadata{
		Index: new(uint64(42)), Term: new(uint64(3)), ConfState: &raftpb.ConfState{Voters: []uint64{11, 12}},
	}}
	return multiraft.SnapshotHeader{Envelope: env, Meta: []byte("meta")}
}

// chunksOf returns the chunks one by one in the same memory, and then err, or
// io.EOF.
func chunksOf(err error, chunks [][]byte) func() ([]byte, error) {
	buf := make([]byte, 0, multiraft.SnapshotChunkBytesMax+1)
	return func() ([]byte, error) {
		if len(chunks) == 0 {
			if err == nil {
				err = io.EOF
			}
			return nil, err
		}
		buf = append(buf[:0], chunks[0]...)
		chunks = chunks[1:]
		return buf, nil
	}
}

func readAll(_ context.Context, _ multiraft.SnapshotHeader, next func() ([]byte, error)) error {
	for {
		if _, err := next(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// A snapshot arrives with its header and every byte.
func TestSnapshot(t *testing.T) {
	forBoth(t, func(t *testing.T, p *pair) {
		var chunks [][]byte
		var want bytes.Buffer
		for i := range 20 {
			c := bytes.Repeat([]byte{byte(i)}, []int{1, 0, 1000, multiraft.SnapshotChunkBytesMax}[i%4])
			chunks = append(chunks, c)
			want.Write(c)
		}
		var got bytes.Buffer
		var header multiraft.SnapshotHeader
		p.eb.snapshot = func(_ context.Context, h multiraft.SnapshotHeader, next func() ([]byte, error)) error {
			header = h
			for {
				c, err := next()
				if errors.Is(err, io.EOF) {
					return nil
				}
				if err != nil {
					return err
				}
				got.Write(c)
			}
		}
		if err := p.a.SendSnapshot(t.Context(), 2, snapshotTo(2), 0, chunksOf(nil, chunks)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("%d bytes arrived of %d", got.Len(), want.Len())
		}
		if string(header.Meta) != "meta" || header.Envelope.RegionID != 7 ||
			header.Envelope.Message.GetSnapshot().GetMetadata().GetIndex() != 42 {
			t.Errorf("header %+v", header)
		}
	})
}

// What goes wrong on one side is an error on both; half a snapshot is never taken
// for a whole one.
func TestSnapshotErrors(t *testing.T) {
	boom := errors.New("boom")
	big := make([]byte, multiraft.SnapshotChunkBytesMax+1)
	forBoth(t, func(t *testing.T, p *pair) {
		for name, tc := range map[string]struct {
			header  multiraft.SnapshotHeader
			chunks  func() ([]byte, error)
			handle  func(context.Context, multiraft.SnapshotHeader, func() ([]byte, error)) error
			wantErr string
		}{
			"chunks fail":     {snapshotTo(2), chunksOf(boom, [][]byte{{1}, {2}}), readAll, "boom"},
			"chunk too large": {snapshotTo(2), chunksOf(nil, [][]byte{{1}, big}), readAll, "at most"},
			"handler fails": {snapshotTo(2), chunksOf(nil, [][]byte{{1}, {2}}), func(_ context.Context, _ multiraft.SnapshotHeader, next func() ([]byte, error)) error {
				_, err := next()
				return errors.Join(err, boom)
			}, "boom"},
			"handler reads half": {snapshotTo(2), chunksOf(nil, [][]byte{{1}, {2}}), func(_ context.Context, _ multiraft.SnapshotHeader, next func() ([]byte, error)) error {
				_, err := next()
				return err
			}, "not read to its end"},
			"no snapshot message": {multiraft.SnapshotHeader{Envelope: envelope(1, 2, raftpb.MsgApp, 1, 0)}, chunksOf(nil, nil), readAll, "opened by"},
			"meta too large":      {multiraft.SnapshotHeader{Envelope: snapshotTo(2).Envelope, Meta: make([]byte, 2<<20)}, chunksOf(nil, nil), readAll, "header of"},
		} {
			t.Run(name, func(t *testing.T) {
				started, handled := make(chan struct{}), make(chan error, 1)
				p.eb.mu.Lock()
				p.eb.snapshot = func(ctx context.Context, h multiraft.SnapshotHeader, next func() ([]byte, error)) error {
					close(started)
					err := tc.handle(ctx, h, next)
					handled <- err
					return err
				}
				p.eb.mu.Unlock()
				chunks := func() ([]byte, error) {
					<-started // or the stream could be gone before its handler begins
					return tc.chunks()
				}
				err := p.a.SendSnapshot(t.Context(), 2, tc.header, 0, chunks)
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("sender's error: %v", err)
				}
				if strings.HasPrefix(name, "chunk") {
					select {
					case err := <-handled:
						if err == nil {
							t.Error("the receiver took half a snapshot for a whole one")
						}
					case <-time.After(10 * time.Second):
						t.Error("the receiver was not told")
					}
				}
			})
		}
	})
}

// A transfer ends when either side closes, and when its context does.
func TestSnapshotIsCancelled(t *testing.T) {
	forBoth(t, func(t *testing.T, p *pair) {
		started := make(chan struct{}, 1)
		p.eb.snapshot = func(ctx context.Context, _ multiraft.SnapshotHeader, _ func() ([]byte, error)) error {
			started <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-started; cancel() }()
		if err := p.a.SendSnapshot(ctx, 2, snapshotTo(2), 0, chunksOf(nil, nil)); err == nil {
			t.Error("no error though the sender gave up")
		}
		go func() { <-started; p.closeB() }()
		if err := p.a.SendSnapshot(t.Context(), 2, snapshotTo(2), 0, chunksOf(nil, nil)); err == nil {
			t.Error("no error though the receiver closed")
		}
		if err := p.a.SendSnapshot(t.Context(), 2, snapshotTo(2), 0, chunksOf(nil, nil)); !errors.Is(err, transport.ErrUnreachable) {
			t.Errorf("to a store that is gone: %v", err)
		}
	})
}

// fakeClock advances by itself whenever somebody sleeps.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) NewTimer(d time.Duration) env.Timer {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	ch := make(chan time.Time, 1)
	ch <- c.now
	return fakeTimer(ch)
}

func (c *fakeClock) NewTicker(time.Duration) env.Ticker { panic("no ticker is expected") }

type fakeTimer chan time.Time

func (f fakeTimer) C() <-chan time.Time { return f }
func (f fakeTimer) Stop() bool          { return false }
func (f fakeTimer) Reset(time.Duration) {}

// A limit of 1 MB a second makes 10 MB take ten seconds, less the last chunk, for
// which nobody waits.
func TestSnapshotRate(t *testing.T) {
	clock := &fakeClock{now: time.Unix(1000, 0)}
	n := transport.NewLocalNetwork(clock)
	e := newEndpoint()
	e.snapshot = readAll
	a := n.Join(1, newEndpoint(), nil)
	n.Join(2, e, e)
	chunks := make([][]byte, 50)
	for i := range chunks {
		chunks[i] = make([]byte, 200_000)
	}
	start := clock.Now()
	if err := a.SendSnapshot(t.Context(), 2, snapshotTo(2), 1_000_000, chunksOf(nil, chunks)); err != nil {
		t.Fatal(err)
	}
	if d := clock.Now().Sub(start); d < 9700*time.Millisecond || d > 10*time.Second {
		t.Errorf("10 MB at 1 MB a second took %v", d)
	}
}
