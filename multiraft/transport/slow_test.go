package transport_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
)

// slowLine is a way to an address that lets so many bytes a second through on each
// connection.
func slowLine(t *testing.T, to string, bytesPerSecond int) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	t.Cleanup(func() {
		lis.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	// A line has no large buffers of its own.
	const piece = 8 << 10
	pass := func(from, to net.Conn) {
		buf := make([]byte, piece)
		tick := time.NewTicker(time.Second * piece / time.Duration(bytesPerSecond))
		defer tick.Stop()
		for {
			n, err := from.Read(buf)
			if err != nil {
				to.Close()
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			<-tick.C
		}
	}
	all.Go(func() {
		for {
			in, err := lis.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				return
			}
			mu.Lock()
			open = append(open, in, out)
			mu.Unlock()
			all.Go(func() { pass(in, out) })
			all.Go(func() { _, _ = io.Copy(in, out) })
		}
	})
	return lis.Addr().String()
}

// A raft snapshot that crawls through a slow line holds up neither the messages
// between stores nor heartbeats nor appends: it has a connection of its own.
func TestSnapshotOnASlowLine(t *testing.T) {
	ea, eb := newEndpoint(), newEndpoint()
	eb.snapshot = readAll
	b := newGRPC(t, 2, eb, newBook(t).dial)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	window := []grpc.ServerOption{grpc.InitialWindowSize(1 << 20), grpc.InitialConnWindowSize(4 << 20)} // as nodes have them
	srv := grpc.NewServer(append(transport.ServerOptions(), window...)...)
	b.Register(srv)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(lis)
	}()
	t.Cleanup(func() { srv.Stop(); <-served })
	addr := slowLine(t, lis.Addr().String(), 1<<20)
	conn := func() func(context.Context, uint64) (*grpc.ClientConn, error) {
		c, err := grpc.NewClient(addr, append(transport.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return func(context.Context, uint64) (*grpc.ClientConn, error) { return c, nil }
	}
	a, err := transport.NewGRPC(transport.Options{
		StoreID: 1, ClusterID: 1001, Receiver: ea, Snapshots: ea, Dial: conn(), DialSnapshots: conn(),
		Clock: env.SystemClock(), Rand: env.SeededRand(1), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	say := func(m raftpb.MessageType) time.Duration {
		began := time.Now()
		a.Send(envelope(1, 2, m, 1, 100))
		a.Flush()
		eb.next(t)
		return time.Since(began)
	}
	say(raftpb.MsgHeartbeat) // the streams stand
	say(raftpb.MsgApp)
	done := make(chan error, 1)
	chunks := make([][]byte, 12)
	for i := range chunks {
		chunks[i] = bytes.Repeat([]byte{1}, multiraft.SnapshotChunkBytesMax)
	}
	go func() { done <- a.SendSnapshot(t.Context(), 2, snapshotTo(2), 0, chunksOf(nil, chunks)) }()
	late, said := 0, 0
	for over := false; !over; said++ {
		for _, m := range []raftpb.MessageType{raftpb.MsgHeartbeat, raftpb.MsgApp} {
			if say(m) > 400*time.Millisecond {
				late++
			}
		}
		select {
		case err := <-done:
			if over = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	// The machine may be busy, but not each time.
	if said < 5 || late > said/5 {
		t.Errorf("while the snapshot was sent %d messages of 2 times %d came late", late, said)
	}
}
