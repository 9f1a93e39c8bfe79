package server

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/adminpb"
)

// Replicas that differ make the status of the cluster degraded, in every listing
// until a later comparison finds them equal.
func TestDifferentReplicasAreLoud(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := startNode(t, Config{})
	told := func() bool {
		t.Helper()
		st, err := (&admin{n: n}).Status(ctx, &adminpb.StatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range st.Problems {
			if strings.Contains(p.What, "replicas of region 2 differ") {
				return true
			}
		}
		return false
	}
	differ := &adminpb.CheckReplicasResponse{RegionId: 2, Index: 9, Verdict: replicasDifferent,
		Replicas: []*adminpb.ReplicaState{{NodeId: 1, Hash: 1, Pairs: 1}, {NodeId: 2, Hash: 2, Pairs: 1}}}
	if err := n.note(ctx, differ); err != nil || !told() {
		t.Fatalf("a difference is silent (%v)", err)
	}
	if err := n.note(ctx, &adminpb.CheckReplicasResponse{RegionId: 2, Verdict: replicasIncomplete}); err != nil || !told() {
		t.Fatalf("a comparison that found nothing out ended the alarm (%v)", err)
	}
	// A real comparison of the region, which is well.
	c, err := (&admin{n: n}).CheckReplicas(ctx, &adminpb.CheckReplicasRequest{RegionId: 2})
	if err != nil || c.Verdict != replicasEqual || len(c.Replicas) != 1 || c.Replicas[0].Hash == 0 {
		t.Fatalf("comparison: %v, %v", c, err)
	}
	if told() {
		t.Error("the alarm stays although the replicas are equal again")
	}
}
