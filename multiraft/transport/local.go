package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/invariants"
	"github.com/quorate-db/quorate/multiraft"
)

// LocalNetwork connects the stores of one process: those of a demo cluster, or
// of a test. A message is delivered by a call to the other store's Receiver, on
// the sender's goroutine, without being encoded.
//
// That is safe because nothing that two stores share is ever written. The
// receiver gets an Envelope, a Message and a slice of entries of its own: the
// Raft library fills in fields of messages that it forwards and keeps and extends
// slices that it was given. The entries themselves, their data, and contexts are
// shared: the library sets an entry's term and index before the entry enters a
// log and changes nothing afterwards, and the log store promises the same.
// Snapshot metadata is copied deeply.
//
// The zero value is not usable: see NewLocalNetwork.
type LocalNetwork struct {
	clock env.Clock
	mu    struct {
		sync.RWMutex
		stores map[uint64]*Local
	}
}

// NewLocalNetwork returns a network without stores. The clock paces snapshots
// that are sent with a limit.
func NewLocalNetwork(clock env.Clock) *LocalNetwork {
	n := &LocalNetwork{clock: clock}
	n.mu.stores = make(map[uint64]*Local)
	return n
}

// Join adds a store and returns its transport. A store of the same id that is
// still there is replaced, as after a restart. snapshots may be nil: the store
// then refuses them.
func (n *LocalNetwork) Join(storeID uint64, r multiraft.Receiver, snapshots multiraft.SnapshotHandler) *Local {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Local{net: n, storeID: storeID, receiver: r, snapshots: snapshots, ctx: ctx, cancel: cancel}
	n.mu.Lock()
	n.mu.stores[storeID] = l
	n.mu.Unlock()
	return l
}

func (n *LocalNetwork) store(id uint64) *Local {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.mu.stores[id]
}

// Local is one store's end of a LocalNetwork.
type Local struct {
	net       *LocalNetwork
	storeID   uint64
	receiver  multiraft.Receiver
	snapshots multiraft.SnapshotHandler
	ctx       context.Context
	cancel    context.CancelFunc
}

var _ multiraft.Transport = (*Local)(nil)

// Close takes the store off the network: messages to it are reported
// unreachable, its snapshot transfers are cancelled. It does not wait for calls
// of the Receiver that other stores have begun.
func (l *Local) Close() {
	l.cancel()
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	if l.net.mu.stores[l.storeID] == l {
		delete(l.net.mu.stores, l.storeID)
	}
}

// Send implements multiraft.Transport.
func (l *Local) Send(env *multiraft.Envelope) {
	invariants.Assert(env.Class() != multiraft.ClassSnapshot,
		"raft snapshot of region %d among ordinary messages", env.RegionID)
	if l.ctx.Err() != nil {
		return
	}
	to := l
	if env.ToStore != l.storeID {
		to = l.net.store(env.ToStore)
	}
	if to == nil {
		l.receiver.ReportUnreachable(env.RegionID, env.ToPeer)
		return
	}
	to.receiver.Receive(unshare(env))
}

// Flush implements multiraft.Transport. Nothing is ever queued.
func (l *Local) Flush() {}

// SendSnapshot implements multiraft.Transport. HandleSnapshot runs on the
// caller's goroutine.
func (l *Local) SendSnapshot(ctx context.Context, toStore uint64, header multiraft.SnapshotHeader,
	bytesPerSecond int64, chunks func() ([]byte, error)) error {
	to := l.net.store(toStore)
	if to == nil || to.snapshots == nil {
		return fmt.Errorf("send raft snapshot to store %d: %w", toStore, ErrUnreachable)
	}
	if err := checkHeader(header); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, end := range []*Local{l, to} {
		defer context.AfterFunc(end.ctx, cancel)()
	}
	pace := newPacer(l.net.clock, bytesPerSecond)
	var failed error // of the sender's side, which the receiver saw as its end
	ended := false
	next := func() ([]byte, error) {
		if failed == nil {
			failed = ctx.Err()
		}
		if failed != nil {
			return nil, failed
		}
		c, err := nextChunk(chunks)
		if err == nil {
			err = pace.wait(ctx, len(c))
		}
		switch {
		case errors.Is(err, io.EOF):
			ended = true
		case err != nil:
			failed = err
		}
		return c, err
	}
	h := multiraft.SnapshotHeader{Envelope: unshare(header.Envelope), Meta: slices.Clone(header.Meta)}
	err := to.snapshots.HandleSnapshot(ctx, h, next)
	if failed != nil {
		err = failed
	}
	if err == nil && !ended {
		err = errNotRead
	}
	if err != nil {
		return fmt.Errorf("send raft snapshot to store %d: %w", toStore, err)
	}
	return nil
}

// unshare copies what the receiver or the sender may still write to.
func unshare(env *multiraft.Envelope) *multiraft.Envelope {
	c := *env
	if env.Liveness != nil {
		m := *env.Liveness
		c.Liveness = &m
		return &c
	}
	m := env.Message
	c.Message = &raftpb.Message{
		Type: m.Type, To: m.To, From: m.From, Term: m.Term, LogTerm: m.LogTerm, Index: m.Index,
		Entries: slices.Clone(m.Entries), Commit: m.Commit, Vote: m.Vote,
		Reject: m.Reject, RejectHint: m.RejectHint, Context: m.Context,
	}
	if m.Snapshot != nil {
		c.Message.Snapshot = proto.Clone(m.Snapshot).(*raftpb.Snapshot)
	}
	return &c
}
