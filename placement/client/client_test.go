package client

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/suspect"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// fake is the placement service of this process; only what a test sets works.
type fake struct {
	placementpb.PlacementClient
	timestamps func(ctx context.Context) (*placementpb.TimestampsResponse, error)
	operate    func(ctx context.Context) (*placementpb.OperateResponse, error)
}

func (f *fake) Timestamps(ctx context.Context, _ *placementpb.TimestampsRequest, _ ...grpc.CallOption) (*placementpb.TimestampsResponse, error) {
	return f.timestamps(ctx)
}

func (f *fake) Operators(context.Context, *placementpb.OperatorsRequest, ...grpc.CallOption) (*placementpb.OperatorsResponse, error) {
	return &placementpb.OperatorsResponse{}, nil
}

func (f *fake) Operate(ctx context.Context, _ *placementpb.OperateRequest, _ ...grpc.CallOption) (*placementpb.OperateResponse, error) {
	return f.operate(ctx)
}

func newClient(f *fake, suspects *suspect.Stores, dial func(context.Context, uint64) (*grpc.ClientConn, error)) *Client {
	return New(Options{StoreID: 1, Local: f, Suspects: suspects, Dial: dial, Peers: func() []uint64 { return []uint64{1} },
		Clock: env.SystemClock(), Rand: env.SeededRand(1)})
}

// A call that hangs at a leader is tried elsewhere as soon as its store is
// suspected, and a suspect is not waited for as long.
func TestCallLeavesASuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		suspects := suspect.New(env.SystemClock())
		var thawed atomic.Bool
		var tried atomic.Int32
		c := newClient(&fake{timestamps: func(ctx context.Context) (*placementpb.TimestampsResponse, error) {
			if tried.Add(1); !thawed.Load() {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return &placementpb.TimestampsResponse{First: 7}, nil
		}}, suspects, nil)
		c.setLeader(1)
		done := make(chan time.Time)
		go func() {
			if _, err := c.Timestamps(context.Background(), 1, 0); err != nil {
				t.Error(err)
			}
			done <- time.Now()
		}()
		time.Sleep(300 * time.Millisecond)
		lost := time.Now()
		suspects.Suspect(1, errors.New("silent"))
		c.Forget(1)
		if c.Leader() == 1 {
			t.Error("the suspect is still taken for the leader")
		}
		time.Sleep(50 * time.Millisecond)
		thawed.Store(true) // what is under way hangs on
		if d := (<-done).Sub(lost); d > suspect.Patience+50*time.Millisecond {
			t.Errorf("an answer came %v after the leader was suspected", d)
		}
		if n := tried.Load(); n != 3 || suspects.Suspected(1) {
			t.Errorf("%d attempts, suspected still: %v", n, suspects.Suspected(1))
		}
	})
}

// An order that never left this process is sent again; one that may have been taken
// is not, and the error says so.
func TestOperateUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("connection reset")
		calls, dials := 0, 0
		c := newClient(&fake{operate: func(context.Context) (*placementpb.OperateResponse, error) {
			calls++
			return nil, lost
		}}, nil, func(context.Context, uint64) (*grpc.ClientConn, error) {
			dials++
			return nil, errors.New("no connection")
		})
		c.setLeader(2) // cannot be reached; then the leader is found here
		_, err := c.Operate(context.Background(), &placementpb.OperateRequest{Kind: "split"})
		var unknown *UnknownError
		if !errors.As(err, &unknown) || unknown.Store != 1 || !errors.Is(err, lost) {
			t.Errorf("got %v", err)
		}
		if calls != 1 || dials != 1 {
			t.Errorf("%d orders were sent, %d connections tried", calls, dials)
		}
	})
}
