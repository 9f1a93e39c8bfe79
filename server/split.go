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
	"github.com/quorate-db/quorate/proto/placementpb"
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
	// region begins already does nothing: so look again, for a while.
	// Every key that has become a border renews the patience.
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
			break
		}
		switch now := n.cfg.Env.Clock.Now(); {
		case left < least:
			least, until = left, now.Add(splitPatience)
		case failure != nil && now.After(until):
			return failure
		}
		var err error
		if failure, err = n.cut(ctx, orders); err != nil {
			return err
		}
		if failure != nil {
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
		if err := n.dir.wait(ctx, func() bool {
			_, left := splitOrders(n.dir.regions(), asked)
			return left == 0
		}); err != nil {
			return fmt.Errorf("wait for the new regions: %w", err)
		}
	}
	return n.dir.wait(ctx, func() bool { return allLed(n.dir.regions(), at) })
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
// keys in the end, and how many of the keys are left. Both arguments are sorted. No
// order: the directory does not know where the keys lie yet.
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
		if i < 0 {
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
