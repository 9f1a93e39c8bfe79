package placement

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// Register adds the service to a gRPC server.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	placementpb.RegisterPlacementServer(r, &rpc{s: s})
	placementpb.RegisterOracleServer(r, &oracle{r: &rpc{s: s}})
}

// oracle answers requests for timestamps over streams.
type oracle struct {
	placementpb.UnimplementedOracleServer
	r *rpc
}

func (o *oracle) Stream(st grpc.BidiStreamingServer[placementpb.TimestampsRequest, placementpb.TimestampsResponse]) error {
	for {
		req, err := st.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		resp, err := o.r.Timestamps(st.Context(), req)
		if err == nil {
			err = st.Send(resp)
		}
		if err != nil || resp.GetError() != nil {
			return err
		}
	}
}

// rpc is the gRPC face of a Service. Errors that a caller acts on travel in the
// answer; cancelled calls end with gRPC's own codes.
type rpc struct {
	placementpb.UnimplementedPlacementServer
	s *Service
}

func (r *rpc) fail(err error) *placementpb.Error {
	if err == nil {
		return nil
	}
	e := &placementpb.Error{Message: err.Error()}
	var nl *ErrNotLeader
	if _, leads := r.s.o.Group.Leader(); !leads && !errors.As(err, &nl) {
		// Whatever failed did so because the leadership went: ask the next leader.
		// Calls can be repeated; a broken connection has them repeated too.
		errors.As(r.s.notLeader(), &nl)
	}
	if nl != nil || errors.As(err, &nl) {
		e.NotLeader, e.LeaderStore = true, nl.LeaderStore
		if nl.LeaderStore != 0 {
			e.LeaderAddress = r.s.o.AddressOf(nl.LeaderStore)
		}
	}
	return e
}

func (r *rpc) Join(ctx context.Context, req *placementpb.JoinRequest) (*placementpb.JoinResponse, error) {
	resp, err := r.s.Join(ctx, req)
	if err != nil {
		return &placementpb.JoinResponse{Error: r.fail(err)}, nil
	}
	return resp, nil
}

func (r *rpc) Timestamps(ctx context.Context, req *placementpb.TimestampsRequest) (*placementpb.TimestampsResponse, error) {
	first, err := r.s.Timestamps(ctx, req.Count, timestamp.Timestamp(req.AtLeast))
	return &placementpb.TimestampsResponse{Error: r.fail(err), First: uint64(first), Count: req.Count}, nil
}

func (r *rpc) AllocIDs(ctx context.Context, req *placementpb.AllocIDsRequest) (*placementpb.AllocIDsResponse, error) {
	first, err := r.s.AllocIDs(ctx, req.Count)
	return &placementpb.AllocIDsResponse{Error: r.fail(err), First: first, Count: req.Count}, nil
}

func (r *rpc) Report(ctx context.Context, req *placementpb.ReportRequest) (*placementpb.ReportResponse, error) {
	resp, err := r.s.Report(ctx, req)
	if err != nil {
		return &placementpb.ReportResponse{Error: r.fail(err)}, nil
	}
	return resp, nil
}

func (r *rpc) Watch(_ *placementpb.WatchRequest, stream grpc.ServerStreamingServer[placementpb.DirectoryUpdate]) error {
	err := r.s.Watch(stream.Context(), stream.Send)
	var nl *ErrNotLeader
	if errors.As(err, &nl) {
		return stream.Send(&placementpb.DirectoryUpdate{Error: r.fail(err)})
	}
	if err != nil {
		return status.Error(codes.Aborted, err.Error())
	}
	return nil
}

func (r *rpc) Operators(_ context.Context, req *placementpb.OperatorsRequest) (*placementpb.OperatorsResponse, error) {
	ops, err := r.s.Operators(req.History)
	return &placementpb.OperatorsResponse{Error: r.fail(err), Operators: ops}, nil
}

func (r *rpc) Operate(ctx context.Context, req *placementpb.OperateRequest) (*placementpb.OperateResponse, error) {
	op, regions, err := r.s.Operate(ctx, req)
	var refused *ErrRefused
	return &placementpb.OperateResponse{Error: r.fail(err), Operator: op, Regions: regions, Refused: errors.As(err, &refused)}, nil
}

func (r *rpc) Alarms(ctx context.Context, req *placementpb.AlarmsRequest) (*placementpb.AlarmsResponse, error) {
	list, err := r.s.Alarms(ctx, req.Add, req.ClearRegion)
	return &placementpb.AlarmsResponse{Error: r.fail(err), Alarms: list}, nil
}

func (r *rpc) SetStore(ctx context.Context, req *placementpb.SetStoreRequest) (*placementpb.SetStoreResponse, error) {
	resp, err := r.s.SetStore(ctx, req)
	if err != nil {
		var refused *ErrRefused
		return &placementpb.SetStoreResponse{Error: r.fail(err), Refused: errors.As(err, &refused)}, nil
	}
	return resp, nil
}

func (r *rpc) Schedulers(ctx context.Context, req *placementpb.SchedulersRequest) (*placementpb.SchedulersResponse, error) {
	list, err := r.s.Schedulers(ctx, req)
	return &placementpb.SchedulersResponse{Error: r.fail(err), Schedulers: list}, nil
}

func (r *rpc) Explain(_ context.Context, req *placementpb.ExplainRequest) (*placementpb.ExplainResponse, error) {
	resp, err := r.s.Explain(req.RegionId)
	if err != nil {
		return &placementpb.ExplainResponse{Error: r.fail(err)}, nil
	}
	return resp, nil
}

func (r *rpc) Settings(ctx context.Context, req *placementpb.SettingsRequest) (*placementpb.SettingsResponse, error) {
	list, err := r.s.Settings(ctx, req)
	if err != nil {
		var refused *ErrRefused
		return &placementpb.SettingsResponse{Error: r.fail(err), Refused: errors.As(err, &refused)}, nil
	}
	return &placementpb.SettingsResponse{Settings: list}, nil
}

func (r *rpc) SchemaLease(ctx context.Context, req *placementpb.SchemaLeaseRequest) (*placementpb.SchemaLeaseResponse, error) {
	resp, err := r.s.SchemaLease(ctx, req)
	if err != nil {
		return &placementpb.SchemaLeaseResponse{Error: r.fail(err)}, nil
	}
	return resp, nil
}
