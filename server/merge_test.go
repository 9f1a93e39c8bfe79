package server

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/txn"
)

// A boundary that somebody asked for is kept until it is let go of, or merged away by
// hand; others go by themselves when what they part is small.
func TestNodeMergesRegions(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := startNode(t, Config{MergeRest: 200 * time.Millisecond})
	key := func(i int) []byte { return fmt.Appendf(nil, "tmerge%d", i) }
	put := func(i int, v string) {
		tx, err := n.txn.Begin(ctx, txn.TxnOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range [][]byte{key(i), key(0)} {
			if err := tx.Put(k, []byte(v)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(ctx, txn.CommitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.SplitAt(ctx, [][]byte{key(1), key(2), key(3)}); err != nil {
		t.Fatal(err)
	}
	count := func() int { return len(n.dir.regions()) }
	for i := range 4 {
		put(i, "before")
	}
	if count() != 5 {
		t.Fatalf("%d regions after three splits", count())
	}
	at := func(i int) uint64 {
		rt, err := n.dir.LookupKey(ctx, key(i))
		if err != nil {
			t.Fatal(err)
		}
		return rt.Region.Id
	}
	operate := func(id uint64, kind string) *placementpb.OperateResponse {
		resp, err := n.client.Operate(ctx, &placementpb.OperateRequest{RegionId: id, Kind: kind, Wait: true})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	for id, want := range map[uint64]string{1: "placement", at(3): "no right neighbour"} {
		if resp := operate(id, "merge"); !resp.Refused || !strings.Contains(resp.Error.GetMessage(), want) {
			t.Errorf("merge of region %d: %v", id, resp)
		}
	}
	// By hand, over a boundary that is kept.
	left := at(1)
	if resp := operate(left, "merge"); resp.Error != nil || resp.Operator.State != "done" || !strings.Contains(resp.Operator.Detail, "takes region") {
		t.Fatalf("merge by hand: %v", resp)
	}
	until(t, ctx, func() bool { return count() == 4 })
	put(2, "merged")
	if at(2) != left {
		t.Errorf("the key is in region %d", at(2))
	}
	// The others are kept, though they are small and at rest.
	if err := n.Unsplit(ctx, key(3), key(4)); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, func() bool { return count() == 3 })
	if at(1) == at(0) || at(3) != left {
		t.Errorf("regions of the keys: %d %d %d %d", at(0), at(1), at(2), at(3))
	}
	if err := n.Unsplit(ctx, key(0), key(9)); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, func() bool { return count() == 2 })
	ops, err := n.client.Operators(ctx, true)
	if err != nil {
		t.Fatal(err)
	}
	byItself := 0
	for _, op := range ops {
		if op.Kind == "merge" && strings.Contains(op.Reason, "MB together") && op.State == "done" {
			byItself++
		}
	}
	if byItself != 2 {
		t.Errorf("%d merges by themselves in the history: %v", byItself, ops)
	}
	for i, want := range []string{"merged", "before", "merged", "before"} {
		tx, err := n.txn.Begin(ctx, txn.TxnOptions{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		if v, _, err := tx.Get(ctx, key(i)); err != nil || string(v) != want {
			t.Errorf("key %d is %q (%v), want %q", i, v, err, want)
		}
		_ = tx.Rollback(ctx)
	}
}
