package store

import (
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

func (n *node) validate(id uint64, start, end string, read, commit timestamp.Timestamp) *kvpb.Response {
	return n.call(n.request(id, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Validate{Validate: &kvpb.ValidateRequest{ReadTs: uint64(read), CommitTs: uint64(commit),
			Spans: []*kvpb.KeySpan{{Start: []byte(start), End: []byte(end)}}}}
	}))
}

// A span that was found unchanged up to c stays so, though its region is taken by its
// neighbour: no later write commits below c, in one phase or by a lock. c may lie above
// what the oracle has issued, and the read may have been of the source or of the target.
func TestMergeKeepsWhatWasValidated(t *testing.T) {
	for name, id := range map[string]uint64{"of the source": right, "of the target": user} {
		t.Run(name, func(t *testing.T) {
			c, n := halves(t)
			key := map[uint64]string{right: "tq", user: "tb"}[id]
			read := c.timestamp()
			high := read + 1_000_000 // far above what the merge gets of the oracle
			if resp := n.validate(id, key, key+"z", read, high); resp.GetRegionError() != nil || resp.GetValidate().GetError() != nil {
				t.Fatal(resp)
			}
			n.merge(user, right)
			if c.timestamp() >= high {
				t.Fatal("the oracle has come to the validated timestamp: the test proves nothing")
			}
			resp := n.call(n.putReq(user, read+1, key+"1", "x"))
			if got := timestamp.Timestamp(resp.GetPrewrite().GetOnePcCommitTs()); got <= high {
				t.Errorf("a write in one phase commits at %d, below the validated %d (%v)", got, high, resp)
			}
			resp = n.call(n.request(user, func(r *kvpb.Request) {
				r.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: uint64(read + 2), Primary: []byte(key + "2"), TtlMs: 1000, Async: true,
					Mutations: []*kvpb.Mutation{{Key: []byte(key + "2"), Value: []byte("v")}}}}
			}))
			if got := timestamp.Timestamp(resp.GetPrewrite().GetMinCommitTs()); got <= high {
				t.Errorf("a lock may commit at %d, below the validated %d (%v)", got, high, resp)
			}
		})
	}
}

// What was written, or only locked, in the source between a read and the merge is found
// by the validation in the merged region.
func TestValidationFindsWhatWasBeforeTheMerge(t *testing.T) {
	c, n := halves(t)
	read := c.timestamp()
	n.put(right, "tq1", "new")
	lock := c.timestamp()
	resp := n.call(n.request(right, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: uint64(lock), Primary: []byte("tr1"), TtlMs: 10_000,
			Mutations: []*kvpb.Mutation{{Key: []byte("tr1"), Value: []byte("v")}}}}
	}))
	if resp.GetRegionError() != nil || len(resp.GetPrewrite().GetErrors()) > 0 {
		t.Fatal(resp)
	}
	n.merge(user, right)
	at := c.timestamp()
	if e := n.validate(user, "tq", "tr", read, at).GetValidate().GetError(); e.GetConflict() == nil {
		t.Errorf("a version that was written before the merge: %v", e)
	}
	if e := n.validate(user, "tr", "ts", read, at).GetValidate().GetError(); e.GetLocked().GetStartTs() != uint64(lock) {
		t.Errorf("a lock that was set before the merge: %v", e)
	}
	if resp := n.validate(user, "ta", "tp", c.ts-1, c.timestamp()); resp.GetRegionError() != nil || resp.GetValidate().GetError() != nil {
		t.Errorf("a span over the former boundary that nobody touched: %v", resp)
	}
}
