package transport

import (
	"context"
	"errors"
	"io"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/quorate-db/quorate/multiraft"
)

// clusterKey names the sender's cluster in a stream's metadata.
const clusterKey = "quorate-cluster-id"

// checkCluster refuses streams of other clusters.
func (t *GRPC) checkCluster(ctx context.Context) error {
	md, _ := metadata.FromIncomingContext(ctx)
	if v := md.Get(clusterKey); len(v) != 1 || v[0] != strconv.FormatUint(t.o.ClusterID, 10) {
		err := status.Errorf(codes.FailedPrecondition, "stream of cluster %q arrived at cluster %d", v, t.o.ClusterID)
		t.o.Logger.Warn("raft stream refused", "error", err)
		return err
	}
	return nil
}

// serve runs f on a goroutine of the transport and returns its error, or another
// one as soon as the transport closes. Returning from the handler is what ends a
// stream from this side: it makes f's next call on the stream fail.
func (t *GRPC) serve(f func() error) error {
	done := make(chan error, 1)
	if !t.group.Go("raft-receive", func(context.Context) { done <- f() }) {
		return errClosing()
	}
	select {
	case err := <-done:
		return err
	case <-t.group.Context().Done():
		return errClosing()
	}
}

func errClosing() error { return status.Error(codes.Unavailable, "the store is stopping") }

// handleMessages takes frames until the stream ends.
func (t *GRPC) handleMessages(s grpc.ServerStream) error {
	if err := t.checkCluster(s.Context()); err != nil {
		return err
	}
	// The sender keeps what it has sent for a repetition until it hears anything.
	if err := s.SendHeader(nil); err != nil {
		return err
	}
	return t.serve(func() error {
		var f wrapperspb.BytesValue
		var envs []*multiraft.Envelope
		for {
			if err := s.RecvMsg(&f); err != nil {
				if errors.Is(err, io.EOF) {
					return nil
				}
				return err
			}
			// All are handed over together: the first would wake a worker for itself.
			clear(envs)
			envs = envs[:0]
			from, to, err := decodeFrame(f.GetValue(), func(env *multiraft.Envelope) error {
				envs = append(envs, env)
				return nil
			})
			for i := 0; i < len(envs) && err == nil; i++ {
				err = t.accept(envs[i])
			}
			if err == nil && to != t.o.StoreID {
				err = errWrongStore(to, t.o.StoreID)
			}
			if err != nil {
				t.o.Logger.Warn("raft stream refused", "from_store", from, "error", err)
				if _, ok := status.FromError(err); ok {
					return err
				}
				return status.Error(codes.InvalidArgument, err.Error())
			}
		}
	})
}

// accept hands one message to the store.
func (t *GRPC) accept(env *multiraft.Envelope) error {
	if env.ToStore != t.o.StoreID {
		return errWrongStore(env.ToStore, t.o.StoreID)
	}
	if env.Class() == multiraft.ClassSnapshot {
		return errors.New("raft snapshot among ordinary messages")
	}
	t.counters.received.Add(1)
	t.o.Receiver.Receive(env)
	return nil
}

// errWrongStore tells a sender that an address is no longer who it thinks.
func errWrongStore(want, have uint64) error {
	return status.Errorf(codes.FailedPrecondition, "message for store %d arrived at store %d", want, have)
}
