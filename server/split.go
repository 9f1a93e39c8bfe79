package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/placement/client"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region"
)

const (
	// splitKeysMax is how many places a region is cut at in one command
	// (region/replica refuses more), and splitsAtOnce how many regions are cut at the
	// same time.
	splitKeysMax = 64
	splitsAtOnce = 8
	// splitPatience is for how long a split is tried again that fails.
	splitPatience = 15 * time.Second
)

// SplitAt makes a region begin at each of the keys and returns when all of them
// exist, have a leader and are listed. Many keys are cut as a tree: first into parts
// that can be cut side by side.
//
// An error leaves open how many of the keys have become borders. To ask again does
// no harm.
func (n *Node) SplitAt(ctx context.Context, at [][]byte) error {
	at = append([][]byte(nil), at...)
	sort.Slice(at, func(i, j int) bool { return bytes.Compare(at[i], at[j]) < 0 })
	at = slices.CompactFunc(at, bytes.Equal)
	// A split fails when the region was changed by somebody else meanwhile, when
	// this node's copy of the directory is behind, or when a connection breaks. What
	// an order that got lost has done shows in the directory, and to split where a
	// region begins already does nothing: so look again, for a while, which begins
	// with a failure. Every key that has become a border renews the patience.
	var failure error
	var until time.Time
	for least := len(at) + 1; ; {
		var orders []splitOrder
		left := 0
		if err := n.dir.wait(ctx, func() bool {
			orders, left = splitOrders(n.dir.regions(), at)
			return left == 0 || len(orders) > 0
		}); err != nil {
			return fmt.Errorf("find the regions to split: %w", err)
		}
		if left == 0 {
			if led, err := n.seen(ctx, func() bool { return allLed(n.dir.regions(), at) }); led || err != nil {
				return err
			}
			continue
		}
		now := n.cfg.Env.Clock.Now()
		switch {
		case left < least:
			least, until = left, time.Time{}
		case failure != nil && now.After(until):
			return failure
		}
		var err error
		if failure, err = n.cut(ctx, orders); err != nil {
			return err
		}
		if failure != nil {
			if until.IsZero() {
				until = n.cfg.Env.Clock.Now().Add(splitPatience)
			}
			if err := env.Sleep(ctx, n.cfg.Env.Clock, 50*time.Millisecond); err != nil {
				return fmt.Errorf("%w (%w)", failure, err)
			}
			continue
		}
		// What was asked for is there: it must be seen before the next look.
		var asked [][]byte
		for _, o := range orders {
			asked = append(asked, o.keys...)
		}
		if _, err := n.seen(ctx, func() bool {
			_, left := splitOrders(n.dir.regions(), asked)
			return left == 0
		}); err != nil {
			return fmt.Errorf("wait for the new regions: %w", err)
		}
	}
}

// seen waits until the directory shows something, for a second at most: a merge may have
// taken a border away again. An error is that of ctx.
func (n *Node) seen(ctx context.Context, f func() bool) (bool, error) {
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := n.dir.wait(short, f)
	return err == nil, ctx.Err()
}

// allLed reports whether a region with a leader begins at each of the keys. Both
// are sorted.
func allLed(regions []*placementpb.RegionRoute, at [][]byte) bool {
	i := 0
	for _, k := range at {
		for i < len(regions) && bytes.Compare(regions[i].Region.StartKey, k) < 0 {
			i++
		}
		if i == len(regions) || !bytes.Equal(regions[i].Region.StartKey, k) || regions[i].LeaderStore == 0 {
			return false
		}
	}
	return true
}

// splitOrder is one command: where to cut one region.
type splitOrder struct {
	region uint64
	keys   [][]byte
}

// splitOrders says where to cut which regions now so that one begins at each of the
// keys in the end, and how many of the keys are left. Both arguments are sorted. There
// is no order for a key that lies in no known region: one that has just been born is
// listed later than the one that it was cut off.
func splitOrders(regions []*placementpb.RegionRoute, at [][]byte) (orders []splitOrder, left int) {
	i := -1
	for _, k := range at {
		for i+1 < len(regions) && bytes.Compare(regions[i+1].Region.StartKey, k) <= 0 {
			i++
		}
		if i >= 0 && bytes.Equal(regions[i].Region.StartKey, k) {
			continue
		}
		left++
		if i < 0 || !region.Contains(regions[i].Region, k) {
			continue
		}
		id := regions[i].Region.Id
		if len(orders) == 0 || orders[len(orders)-1].region != id {
			orders = append(orders, splitOrder{region: id})
		}
		o := &orders[len(orders)-1]
		o.keys = append(o.keys, k)
	}
	for j := range orders {
		orders[j].keys = firstCuts(orders[j].keys, splitKeysMax)
	}
	return orders, left
}

// firstCuts returns at most the given number of the keys: all, or those that cut
// them into even parts. The parts are so few that they, cut in turn, need no further
// level if one is enough, and about the square root of what all of them need else.
func firstCuts(keys [][]byte, most int) [][]byte {
	if len(keys) <= most {
		return keys
	}
	parts := (len(keys) + 1 + most) / (most + 1) // with at most that many keys inside
	if parts > most+1 {
		for n := 2; ; n++ {
			if n*n >= parts {
				parts = min(n, most+1)
				break
			}
		}
	}
	out := make([][]byte, 0, parts-1)
	for i := 1; i < parts; i++ {
		out = append(out, keys[i*len(keys)/parts])
	}
	return out
}

// cut carries out orders, several at a time. failure is what may go well when it is
// tried again.
func (n *Node) cut(ctx context.Context, orders []splitOrder) (failure, err error) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, splitsAtOnce)
	for _, o := range orders {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			retry, fatal := n.cutOne(ctx, o)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				err = fatal
			}
			if failure == nil {
				failure = retry
			}
		})
	}
	wg.Wait()
	return failure, err
}

func (n *Node) cutOne(ctx context.Context, o splitOrder) (failure, err error) {
	resp, err := n.client.Operate(ctx, &placementpb.OperateRequest{RegionId: o.region, Kind: "split", Keys: o.keys, Wait: true})
	var unknown *client.UnknownError
	if errors.As(err, &unknown) && ctx.Err() == nil {
		return fmt.Errorf("split region %d: %w", o.region, err), nil
	}
	if err != nil {
		return nil, fmt.Errorf("split region %d: %w", o.region, err)
	}
	if resp.Error != nil {
		// The leader of placement does not know the region, or it or its node is
		// about to go: that passes.
		return fmt.Errorf("split region %d: %s", o.region, resp.Error.Message), nil
	}
	if op := resp.Operator; op.GetState() != "done" {
		return fmt.Errorf("split region %d: %s", o.region, op.GetError()), nil
	}
	return nil, nil
}

// cutBefore reports whether a region ends at a key at which somebody has ordered to
// cut: an order that is repeated, because its answer was lost, finds that done.
func (n *Node) cutBefore(r *metapb.Region, key []byte) bool {
	if len(key) == 0 || !bytes.Equal(r.GetEndKey(), key) {
		return false
	}
	return slices.ContainsFunc(n.dir.regions(), func(o *placementpb.RegionRoute) bool {
		return bytes.Equal(o.Region.GetStartKey(), key) && o.Region.GetStickyStart()
	})
}
