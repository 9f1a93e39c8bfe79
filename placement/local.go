package placement

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/quorate-db/quorate/proto/placementpb"
)

// Local returns the service as a client of the same process sees it: calls are
// function calls, nothing is encoded.
func (s *Service) Local() placementpb.PlacementClient { return local{&rpc{s: s}} }

type local struct{ r *rpc }

func (l local) Join(ctx context.Context, in *placementpb.JoinRequest, _ ...grpc.CallOption) (*placementpb.JoinResponse, error) {
	return l.r.Join(ctx, in)
}

func (l local) Timestamps(ctx context.Context, in *placementpb.TimestampsRequest, _ ...grpc.CallOption) (*placementpb.TimestampsResponse, error) {
	return l.r.Timestamps(ctx, in)
}

func (l local) AllocIDs(ctx context.Context, in *placementpb.AllocIDsRequest, _ ...grpc.CallOption) (*placementpb.AllocIDsResponse, error) {
	return l.r.AllocIDs(ctx, in)
}

func (l local) Report(ctx context.Context, in *placementpb.ReportRequest, _ ...grpc.CallOption) (*placementpb.ReportResponse, error) {
	return l.r.Report(ctx, in)
}

func (l local) Operators(ctx context.Context, in *placementpb.OperatorsRequest, _ ...grpc.CallOption) (*placementpb.OperatorsResponse, error) {
	return l.r.Operators(ctx, in)
}

func (l local) Operate(ctx context.Context, in *placementpb.OperateRequest, _ ...grpc.CallOption) (*placementpb.OperateResponse, error) {
	return l.r.Operate(ctx, in)
}

func (l local) Alarms(ctx context.Context, in *placementpb.AlarmsRequest, _ ...grpc.CallOption) (*placementpb.AlarmsResponse, error) {
	return l.r.Alarms(ctx, in)
}

func (l local) SetStore(ctx context.Context, in *placementpb.SetStoreRequest, _ ...grpc.CallOption) (*placementpb.SetStoreResponse, error) {
	return l.r.SetStore(ctx, in)
}

func (l local) Schedulers(ctx context.Context, in *placementpb.SchedulersRequest, _ ...grpc.CallOption) (*placementpb.SchedulersResponse, error) {
	return l.r.Schedulers(ctx, in)
}

func (l local) Explain(ctx context.Context, in *placementpb.ExplainRequest, _ ...grpc.CallOption) (*placementpb.ExplainResponse, error) {
	return l.r.Explain(ctx, in)
}

func (l local) Settings(ctx context.Context, in *placementpb.SettingsRequest, _ ...grpc.CallOption) (*placementpb.SettingsResponse, error) {
	return l.r.Settings(ctx, in)
}

func (l local) SchemaLease(ctx context.Context, in *placementpb.SchemaLeaseRequest, _ ...grpc.CallOption) (*placementpb.SchemaLeaseResponse, error) {
	return l.r.SchemaLease(ctx, in)
}

func (l local) Watch(ctx context.Context, _ *placementpb.WatchRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[placementpb.DirectoryUpdate], error) {
	st := &localStream{ctx: ctx, ch: make(chan *placementpb.DirectoryUpdate), end: make(chan error, 1)}
	if !l.r.s.group.Go("placement-local-watch", func(context.Context) {
		err := l.r.s.Watch(ctx, func(u *placementpb.DirectoryUpdate) error {
			select {
			case st.ch <- u:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err == nil {
			err = io.EOF
		}
		st.end <- err
	}) {
		return nil, l.r.s.notLeader()
	}
	return st, nil
}

// localStream is the receiving end of a watch within the process.
type localStream struct {
	ctx context.Context
	ch  chan *placementpb.DirectoryUpdate
	end chan error
}

func (s *localStream) Recv() (*placementpb.DirectoryUpdate, error) {
	select {
	case u := <-s.ch:
		return u, nil
	case err := <-s.end:
		s.end <- err
		return nil, err
	}
}

func (s *localStream) Header() (metadata.MD, error) { return nil, nil }
func (s *localStream) Trailer() metadata.MD         { return nil }
func (s *localStream) CloseSend() error             { return nil }
func (s *localStream) Context() context.Context     { return s.ctx }
func (s *localStream) SendMsg(any) error            { return io.EOF }
func (s *localStream) RecvMsg(any) error            { return io.EOF }
