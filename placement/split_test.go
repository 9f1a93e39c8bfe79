package placement

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
)

// fakeSplits is one region that is cut as a replica would cut it. The answer to the
// first order is lost.
type fakeSplits struct {
	mu       sync.Mutex
	region   *metapb.Region
	children []*metapb.Region
	orders   int
	// stale is called, once, for a command that carries an epoch of the past.
	stale func()
}

func (c *fakeSplits) Admin(_ context.Context, _ uint64, r *metapb.Region, req *kvpb.AdminRequest) (*kvpb.AdminResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !proto.Equal(r.Epoch, c.region.Epoch) {
		if c.stale != nil {
			go c.stale()
			c.stale = nil
		}
		return nil, &RetryableError{errors.New("stale")}
	}
	split := req.GetSplit()
	for _, k := range split.GetKeys() {
		if !region.Contains(c.region, k) || bytes.Equal(k, c.region.StartKey) {
			return nil, &ErrRefused{"key is not inside"}
		}
	}
	c.orders++
	end := c.region.EndKey
	c.region = region.Clone(c.region)
	c.region.EndKey = split.Keys[0]
	c.region.Epoch.Version += uint64(len(split.Keys))
	for i, k := range split.Keys {
		child := region.Clone(c.region)
		child.Id, child.StartKey, child.EndKey = split.NewRegions[i].RegionId, k, end
		if i+1 < len(split.Keys) {
			child.EndKey = split.Keys[i+1]
		}
		c.children = append(c.children, child)
	}
	if c.orders == 1 {
		return nil, &LostError{errors.New("connection reset")}
	}
	return &kvpb.AdminResponse{Cmd: &kvpb.AdminResponse_Split{Split: &kvpb.SplitResponse{}}}, nil
}

// reports are what a store tells of the regions.
func (c *fakeSplits) reports() (out []*placementpb.RegionReport) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range append([]*metapb.Region{c.region}, c.children...) {
		out = append(out, &placementpb.RegionReport{Region: r, LeaderStore: 1, Term: 1})
	}
	return out
}

// A split whose answer was lost and that is ordered again is done, and cuts nothing a
// second time, whether its outcome is known when the order comes or only then.
func TestSplitAgainAfterALostAnswer(t *testing.T) {
	for name, before := range map[string]bool{"known before": true, "learned meanwhile": false} {
		t.Run(name, func(t *testing.T) {
			g := &fakeGroup{kv: map[string][]byte{}}
			c := &fakeSplits{region: &metapb.Region{Id: 2, Epoch: &metapb.Epoch{Version: 1, ConfVer: 1}, Peers: []*metapb.Peer{{Id: 2, StoreId: 1, NodeId: 1}}}}
			s := newService(t, g, 1, c)
			ctx := t.Context()
			tell := func() {
				_, _ = s.Report(ctx, &placementpb.ReportRequest{ClusterId: 7, Full: true, Store: &metapb.Store{Id: 1}, Regions: c.reports()})
			}
			lead(g, 1)
			await(t, "leadership", func() bool { return s.current() != nil })
			if _, err := s.Join(ctx, &placementpb.JoinRequest{ClusterId: 7, Store: &metapb.Store{Id: 1}}); err != nil {
				t.Fatal(err)
			}
			tell()
			order := func() *placementpb.Operator {
				op, _, err := s.Operate(ctx, &placementpb.OperateRequest{RegionId: 2, Kind: "split", Keys: [][]byte{[]byte("k"), []byte("p")}, Wait: true})
				if err != nil {
					t.Fatal(err)
				}
				return op
			}
			if op := order(); op.State != "failed" {
				t.Fatalf("an order whose answer was lost: %v", op)
			}
			if before {
				tell()
			} else {
				c.stale = tell
			}
			if op := order(); op.State != "done" || c.orders != 1 || len(c.children) != 2 {
				t.Errorf("ordered again: %v, %d cuts", op, c.orders)
			}
		})
	}
}
