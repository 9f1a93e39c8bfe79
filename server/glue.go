package server

import (
	"context"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/placement"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/router"
	"github.com/quorate-db/quorate/region/store"
)

// placementGroup lets the placement service use its region.
type placementGroup struct{ *store.Local }

func (g placementGroup) ReadRaw(ctx context.Context, start, end []byte) ([]placement.KV, error) {
	pairs, err := g.Local.ReadRaw(ctx, start, end)
	if err != nil {
		return nil, err
	}
	out := make([]placement.KV, len(pairs))
	for i, p := range pairs {
		out[i] = placement.KV(p)
	}
	return out, nil
}

func (g placementGroup) WriteRaw(ctx context.Context, term uint64, puts []placement.KV) error {
	kvs := make([]store.KV, len(puts))
	for i, p := range puts {
		kvs[i] = store.KV(p)
	}
	return g.Local.WriteRaw(ctx, term, kvs, nil)
}

// regionAdmin carries placement's commands to regions.
type regionAdmin struct{ n *Node }

func (a regionAdmin) Admin(ctx context.Context, leader uint64, region *metapb.Region, req *kvpb.AdminRequest) (*kvpb.AdminResponse, error) {
	// Steps of operators may take long; one to a store that is gone must not.
	ctx, cancel := a.n.suspects.Bound(ctx, leader, 0)
	defer cancel()
	resp, err := a.n.senders.Send(ctx, leader, &kvpb.Request{
		Header: &kvpb.Header{ClusterId: a.n.ident.ClusterID, RegionId: region.Id, Epoch: region.Epoch, StoreId: leader},
		Cmd:    &kvpb.Request_Admin{Admin: req},
	})
	var unsent *router.NotSentError
	if errors.As(err, &unsent) {
		return nil, &placement.RetryableError{Err: err}
	}
	if err != nil {
		return nil, &placement.LostError{Err: err}
	}
	a.n.suspects.Answered(leader)
	if e := resp.RegionError; e != nil {
		err := fmt.Errorf("region %d: %s", region.Id, e.Message)
		if e.GetAmbiguous() != nil {
			return nil, &placement.LostError{Err: err}
		}
		if e.GetNotLeader() != nil || e.GetEpochNotMatch() != nil || e.GetServerBusy() != nil || e.GetRegionNotFound() != nil || e.GetUnavailable() != nil {
			return nil, &placement.RetryableError{Err: err}
		}
		if e.Kind == nil {
			return nil, &placement.ErrRefused{Why: err.Error()}
		}
		return nil, err
	}
	return resp.GetAdmin(), nil
}

// splitPlanner supplies ids to splits by size.
type splitPlanner struct{ n *Node }

func (s splitPlanner) AllocIDs(ctx context.Context, count int) (uint64, error) {
	select {
	case <-s.n.built:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return s.n.client.AllocIDs(ctx, uint32(count))
}
