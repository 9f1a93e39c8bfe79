package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/placement/client"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
)

// Unsplit lets go of all boundaries in [start, end) that somebody asked for: from then
// on they are merged away when what they part is small. It returns when this node's
// directory says so.
func (n *Node) Unsplit(ctx context.Context, start, end []byte) error {
	until := n.cfg.Env.Clock.Now().Add(splitPatience)
	for {
		kept := n.keptBoundaries(start, end)
		if len(kept) == 0 {
			return nil
		}
		var failure error
		for _, id := range kept {
			resp, err := n.client.Operate(ctx, &placementpb.OperateRequest{RegionId: id, Kind: "unsplit", Wait: true})
			var unknown *client.UnknownError
			switch {
			case err != nil && (!errors.As(err, &unknown) || ctx.Err() != nil):
				return fmt.Errorf("unsplit region %d: %w", id, err)
			case err != nil:
				failure = fmt.Errorf("unsplit region %d: %w", id, err)
			case resp.Error != nil:
				failure = fmt.Errorf("unsplit region %d: %s", id, resp.Error.Message)
			case resp.Operator.GetState() != "done":
				failure = fmt.Errorf("unsplit region %d: %s", id, resp.Operator.GetError())
			}
		}
		if failure != nil && n.cfg.Env.Clock.Now().After(until) {
			return failure
		}
		if err := env.Sleep(ctx, n.cfg.Env.Clock, 20*time.Millisecond); err != nil {
			return errors.Join(err, failure)
		}
	}
}

// keptBoundaries returns the regions that begin in [start, end) where somebody wanted
// it.
func (n *Node) keptBoundaries(start, end []byte) (out []uint64) {
	for _, r := range n.dir.regions() {
		if r.Region.StickyStart && region.ContainsKey(start, end, r.Region.StartKey) {
			out = append(out, r.Region.Id)
		}
	}
	return out
}

// waitMerged waits until this node's copy of the directory has no region that begins
// where one ended that took its right neighbour.
func (n *Node) waitMerged(ctx context.Context, boundary []byte) {
	_ = n.dir.wait(ctx, func() bool {
		for _, r := range n.dir.regions() {
			if bytes.Equal(r.Region.StartKey, boundary) {
				return false
			}
		}
		return true
	})
}
