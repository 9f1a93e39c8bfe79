package replica

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// A target that took more regions than it remembers says so, and never that the one it
// has forgotten was not taken: also if what pushed it out was taken by another region
// with younger versions of its own.
func TestForgottenMergeIsNotDenied(t *testing.T) {
	r, _ := applier(t, applyHost{})
	settle := func(source, version uint64) (committed bool, refused string) {
		t.Helper()
		payload, err := proto.Marshal(&kvpb.SettleMergeRequest{SourceId: source, Merging: &metapb.Merging{
			Target: r.cfg.RegionID, TargetEpoch: &metapb.Epoch{ConfVer: 3, Version: version}, Index: 5,
		}})
		if err != nil {
			t.Fatal(err)
		}
		resp, e, err := r.applySettleMerge(payload)
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetAdmin().GetSettleMerge().GetCommitted(), e.GetMessage()
	}
	take := func(id uint64, past ...*metapb.Absorbed) (at uint64) {
		at = r.apl.desc.GetEpoch().GetVersion()
		r.apl.desc = absorbing(r.apl.desc, &metapb.Region{
			Id: id, Epoch: &metapb.Epoch{ConfVer: 3, Version: 1}, Merging: &metapb.Merging{Index: 5}, Absorbed: past,
		})
		return at
	}
	r.apl.desc.Epoch.Version = 100
	first := take(50)
	if committed, refused := settle(50, first); !committed {
		t.Fatalf("what was taken is told as not taken: %s", refused)
	}
	var past []*metapb.Absorbed
	for i := range uint64(absorbedMax - 1) {
		past = append(past, &metapb.Absorbed{RegionId: 60 + i, Index: 9, TargetVersion: 2 + i})
	}
	second := take(51, past...)
	if region.Absorbed(r.apl.desc, 50) {
		t.Fatal("nothing was forgotten")
	}
	if _, refused := settle(50, first); !strings.Contains(refused, "not known any more") {
		t.Fatalf("of a merge that is forgotten: %q", refused)
	}
	if committed, refused := settle(51, second); !committed {
		t.Fatalf("the last one is told as not taken: %s", refused)
	}
}
