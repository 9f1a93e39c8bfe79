package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint is a store as a transport sees it.
type endpoint struct {
	received    chan *multiraft.Envelope
	unreachable chan [2]uint64
	// hold, if set, is waited for in Receive of messages that are no heartbeats.
	hold chan struct{}

	mu       sync.Mutex
	snapshot func(ctx context.Context, h multiraft.SnapshotHeader, next func() ([]byte, error)) error
}

func newEndpoint() *endpoint {
	return &endpoint{received: make(chan *multiraft.Envelope, 1<<16), unreachable: make(chan [2]uint64, 1<<16)}
}

func (e *endpoint) Receive(env *multiraft.Envelope) {
	if e.hold != nil && multiraft.ClassOf(env.Message) == multiraft.ClassAppend {
		<-e.hold
	}
	e.received <- env
}

func (e *endpoint) ReportUnreachable(group, toPeer uint64) {
	e.unreachable <- [2]uint64{group, toPeer}
}

func (e *endpoint) HandleSnapshot(ctx context.Context, h multiraft.SnapshotHeader, next func() ([]byte, error)) error {
	e.mu.Lock()
	f := e.snapshot
	e.mu.Unlock()
	return f(ctx, h, next)
}

func (e *endpoint) next(t *testing.T) *multiraft.Envelope {
	t.Helper()
	select {
	case env := <-e.received:
		return env
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return nil
	}
}

// server is one store's gRPC server.
type server struct {
	addr string
	stop func()
}

func serve(t *testing.T, tr *transport.GRPC, addr string) *server {
	t.Helper()
	lis, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(transport.MessageBytesMax)) // nothing else is needed
	tr.Register(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis)
	}()
	s := &server{addr: lis.Addr().String(), stop: sync.OnceFunc(func() {
		srv.Stop()
		<-done
	})}
	t.Cleanup(s.stop)
	return s
}

// book is where stores are dialled.
type book struct {
	mu    sync.Mutex
	addrs map[uint64]string
	conns map[uint64]*grpc.ClientConn
	dials int
}

func newBook(t *testing.T) *book {
	b := &book{addrs: map[uint64]string{}, conns: map[uint64]*grpc.ClientConn{}}
	t.Cleanup(func() {
		for _, c := range b.conns {
			_ = c.Close()
		}
	})
	return b
}

func (b *book) set(store uint64, addr string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addrs[store] = addr
}

func (b *book) dial(_ context.Context, store uint64) (*grpc.ClientConn, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dials++
	if c := b.conns[store]; c != nil {
		return c, nil
	}
	if b.addrs[store] == "" {
		return nil, fmt.Errorf("store %d has no address", store)
	}
	c, err := grpc.NewClient(b.addrs[store], append(transport.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err == nil {
		b.conns[store] = c
	}
	return c, err
}

func newGRPC(t *testing.T, id uint64, e *endpoint, dial func(context.Context, uint64) (*grpc.ClientConn, error)) *transport.GRPC {
	t.Helper()
	return newGRPCOf(t, 1001, id, e, dial)
}

func newGRPCOf(t *testing.T, cluster uint64, id uint64, e *endpoint, dial func(context.Context, uint64) (*grpc.ClientConn, error)) *transport.GRPC {
	t.Helper()
	tr, err := transport.NewGRPC(transport.Options{
		StoreID: id, ClusterID: cluster, Receiver: e, Snapshots: e, Dial: dial,
		Clock: env.SystemClock(), Rand: env.SeededRand(id), Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tr.Close)
	return tr
}

// pair is two stores, 1 and 2, that can reach each other.
type pair struct {
	a, b   multiraft.Transport
	ea, eb *endpoint
	closeB func()
}

func localPair(t *testing.T) *pair {
	n := transport.NewLocalNetwork(env.SystemClock())
	p := &pair{ea: newEndpoint(), eb: newEndpoint()}
	a, b := n.Join(1, p.ea, p.ea), n.Join(2, p.eb, p.eb)
	p.a, p.b, p.closeB = a, b, b.Close
	return p
}

func grpcPair(t *testing.T) *pair {
	book := newBook(t)
	p := &pair{ea: newEndpoint(), eb: newEndpoint()}
	a, b := newGRPC(t, 1, p.ea, book.dial), newGRPC(t, 2, p.eb, book.dial)
	book.set(1, serve(t, a, "127.0.0.1:0").addr)
	book.set(2, serve(t, b, "127.0.0.1:0").addr)
	p.a, p.b, p.closeB = a, b, b.Close
	return p
}

func forBoth(t *testing.T, f func(t *testing.T, p *pair)) {
	t.Run("grpc", func(t *testing.T) { f(t, grpcPair(t)) })
	t.Run("local", func(t *testing.T) { f(t, localPair(t)) })
}

func envelope(from, to uint64, typ raftpb.MessageType, index uint64, data int) *multiraft.Envelope {
	return &multiraft.Envelope{
		RegionID: 7, FromStore: from, ToStore: to, FromPeer: 10 + from, ToPeer: 10 + to,
		ConfVer: 1, Version: 2, HasRange: true, StartKey: []byte("a"),
		Message: &raftpb.Message{
			Type: typ.Enum(), From: new(10 + from), To: new(10 + to), Index: new(index),
			Entries: []*raftpb.Entry{{Index: new(index), Term: new(uint64(1)), Data: make([]byte, data)}},
		},
	}
}

// Messages arrive whole, in order within a class, in both directions, the largest
// ones too; those to the own store arrive without being sent anywhere.
func TestMessages(t *testing.T) {
	forBoth(t, func(t *testing.T, p *pair) {
		const n = 2000
		for i := range uint64(n) {
			p.a.Send(envelope(1, 2, raftpb.MsgApp, i, 300))
		}
		p.a.Send(envelope(1, 2, raftpb.MsgApp, n, multiraft.MaxEntryBytes+1000))
		p.a.Flush()
		for i := range uint64(n + 1) {
			env := p.eb.next(t)
			if env.Message.GetIndex() != i || env.RegionID != 7 || env.FromPeer != 11 || !env.HasRange || string(env.StartKey) != "a" {
				t.Fatalf("message %d: %+v", i, env)
			}
			if i == n && len(env.Message.Entries[0].Data) != multiraft.MaxEntryBytes+1000 {
				t.Fatalf("large entry has %d bytes", len(env.Message.Entries[0].Data))
			}
		}
		if tr, ok := p.a.(*transport.GRPC); ok {
			m := tr.Metrics()
			if m.Sent != n+1 || m.Frames < n/256 || m.Frames > n || m.Bytes < n*300 || m.Dropped+m.Breaks != 0 {
				t.Errorf("metrics %+v", m)
			}
			if m := p.b.(*transport.GRPC).Metrics(); m.Received != n+1 {
				t.Errorf("receiver's metrics %+v", m)
			}
		}
		p.b.Send(envelope(2, 1, raftpb.MsgHeartbeatResp, 1, 0))
		p.b.Flush()
		p.ea.next(t)
		p.b.Send(envelope(2, 2, raftpb.MsgApp, 5, 0))
		if env := p.eb.next(t); env.FromStore != 2 {
			t.Errorf("to the own store: %+v", env)
		}
	})
}

// What the receiver does to a message is not seen by the sender.
func TestReceiverOwnsMessage(t *testing.T) {
	forBoth(t, func(t *testing.T, p *pair) {
		sent := envelope(1, 2, raftpb.MsgApp, 3, 10)
		entries := append(make([]*raftpb.Entry, 0, 8), sent.Message.Entries...)
		sent.Message.Entries = entries
		p.a.Send(sent)
		p.a.Flush()
		got := p.eb.next(t)
		got.ToStore = 9
		got.Message.To = new(uint64(99))
		got.Message.Entries = append(got.Message.Entries, &raftpb.Entry{})
		got.Message.Entries[0] = nil
		if sent.ToStore != 2 || sent.Message.GetTo() != 12 || entries[0] == nil || entries[:2][1] != nil {
			t.Errorf("the sender's message changed: %+v", sent)
		}
	})
}

// A store that nobody answers for costs the queue and no more: messages beyond it
// are dropped and reported, and Send does not block.
func TestFullQueueReportsUnreachable(t *testing.T) {
	e := newEndpoint()
	release := make(chan struct{})
	tr := newGRPC(t, 1, e, func(ctx context.Context, _ uint64) (*grpc.ClientConn, error) {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return nil, errors.New("gone")
	})
	const queue = 16384 // queueMessagesMax
	for i := range uint64(queue + 100) {
		tr.Send(envelope(1, 2, raftpb.MsgHeartbeat, i, 0))
	}
	tr.Flush()
	if n := len(e.unreachable); n != 100 {
		t.Fatalf("%d reports with a full queue, want 100", n)
	}
	// 32 MB in another class: the bound in bytes.
	for i := range uint64(40) {
		tr.Send(envelope(1, 2, raftpb.MsgApp, i, 1<<20))
	}
	if n := len(e.unreachable); n != 109 {
		t.Fatalf("%d reports with 40 MB to send, want 109", n)
	}
	close(release)
	for range queue + 109 + 31 {
		select {
		case r := <-e.unreachable:
			if r != [2]uint64{7, 12} {
				t.Fatalf("report %v", r)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("what was queued for a store that is away was not reported")
		}
	}
}

// Without a store at the other end every message is reported.
func TestAbsentStore(t *testing.T) {
	t.Run("grpc", func(t *testing.T) {
		e, book := newEndpoint(), newBook(t)
		tr := newGRPC(t, 1, e, book.dial)
		tr.Send(envelope(1, 2, raftpb.MsgVote, 1, 0))
		tr.Flush()
		<-e.unreachable
		// The store appears: messages get through after a pause, without anybody
		// doing anything.
		e2 := newEndpoint()
		book.set(2, serve(t, newGRPC(t, 2, e2, book.dial), "127.0.0.1:0").addr)
		sendUntilReceived(t, tr, e2)
	})
	t.Run("local", func(t *testing.T) {
		p := localPair(t)
		p.closeB()
		p.a.Send(envelope(1, 2, raftpb.MsgVote, 1, 0))
		if r := <-p.ea.unreachable; r != [2]uint64{7, 12} {
			t.Errorf("report %v", r)
		}
	})
}

func sendUntilReceived(t *testing.T, tr multiraft.Transport, e *endpoint) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case <-e.received:
			return
		case <-again.C:
			tr.Send(envelope(1, 2, raftpb.MsgVote, 2, 0))
			tr.Flush()
		case <-deadline:
			t.Fatal("nothing arrived")
		}
	}
}

// sendUntilUnreachable sends slowly, so that the queue does not fill.
func sendUntilUnreachable(t *testing.T, tr multiraft.Transport, e *endpoint) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	deadline := time.After(10 * time.Second)
	for {
		select {
		case <-e.unreachable:
			return
		case <-again.C:
			tr.Send(envelope(1, 2, raftpb.MsgVote, 2, 0))
			tr.Flush()
		case <-deadline:
			t.Fatal("nobody noticed")
		}
	}
}

// A store that restarts at the same address is found again.
func TestReconnect(t *testing.T) {
	book, ea, eb := newBook(t), newEndpoint(), newEndpoint()
	a := newGRPC(t, 1, ea, book.dial)
	b := newGRPC(t, 2, eb, book.dial)
	srv := serve(t, b, "127.0.0.1:0")
	book.set(2, srv.addr)
	sendUntilReceived(t, a, eb)
	b.Close()
	srv.stop()
	sendUntilUnreachable(t, a, ea)
	eb = newEndpoint()
	serve(t, newGRPC(t, 2, eb, book.dial), srv.addr)
	sendUntilReceived(t, a, eb)
}

// An address that has come to belong to another store takes none of the messages.
func TestWrongStore(t *testing.T) {
	book, ea, eb := newBook(t), newEndpoint(), newEndpoint()
	a := newGRPC(t, 1, ea, book.dial)
	book.set(2, serve(t, newGRPC(t, 3, eb, book.dial), "127.0.0.1:0").addr)
	sendUntilUnreachable(t, a, ea)
	if len(eb.received) > 0 {
		t.Error("a message for store 2 was taken by store 3")
	}
	err := a.SendSnapshot(t.Context(), 2, snapshotTo(2), 0, chunksOf(nil, nil))
	if err == nil || !strings.Contains(err.Error(), "arrived at store 3") {
		t.Errorf("snapshot for store 2 at store 3: %v", err)
	}
}

// The same store of another cluster takes nothing either.
func TestWrongCluster(t *testing.T) {
	book, ea, eb := newBook(t), newEndpoint(), newEndpoint()
	eb.snapshot = readAll
	a := newGRPCOf(t, 1001, 1, ea, book.dial)
	book.set(2, serve(t, newGRPCOf(t, 1002, 2, eb, book.dial), "127.0.0.1:0").addr)
	sendUntilUnreachable(t, a, ea)
	if len(eb.received) > 0 {
		t.Error("a message of another cluster was taken")
	}
	err := a.SendSnapshot(t.Context(), 2, snapshotTo(2), 0, chunksOf(nil, nil))
	if err == nil || !strings.Contains(err.Error(), "arrived at cluster") {
		t.Errorf("snapshot of another cluster: %v", err)
	}
}

// Bulk that the receiver does not take does not hold up a heartbeat.
func TestLivenessPassesBulk(t *testing.T) {
	book, ea, eb := newBook(t), newEndpoint(), newEndpoint()
	eb.hold = make(chan struct{})
	a := newGRPC(t, 1, ea, book.dial)
	book.set(2, serve(t, newGRPC(t, 2, eb, book.dial), "127.0.0.1:0").addr)
	for i := range uint64(25) {
		a.Send(envelope(1, 2, raftpb.MsgApp, i, 1<<20))
	}
	a.Flush()
	a.Send(envelope(1, 2, raftpb.MsgHeartbeat, 1, 0))
	a.Flush()
	if env := eb.next(t); env.Message.GetType() != raftpb.MsgHeartbeat {
		t.Errorf("got %v", env.Message.GetType())
	}
	close(eb.hold)
	for range 25 {
		eb.next(t)
	}
}
