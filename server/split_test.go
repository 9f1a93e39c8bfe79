package server

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func route(id uint64, start, end string) *placementpb.RegionRoute {
	return &placementpb.RegionRoute{Region: &metapb.Region{Id: id, StartKey: []byte(start), EndKey: []byte(end)}, LeaderStore: 1}
}

func numbered(n int) (at [][]byte) {
	for i := range n {
		at = append(at, fmt.Appendf(nil, "k%06d", i))
	}
	return at
}

// However many keys are asked for, no command has more than a region takes, the
// commands of a round concern different regions, and few rounds cut them all.
func TestManyKeysAreCutInFewRounds(t *testing.T) {
	for _, n := range []int{1, 64, 65, 66, 1000, 4225, 10000, 100000} {
		at := numbered(n)
		d := newDirectory()
		d.update(&placementpb.DirectoryUpdate{Full: true, Regions: []*placementpb.RegionRoute{route(1, "", "a"), route(2, "a", "")}})
		id, rounds, commands := uint64(3), 0, 0
		for ; ; rounds++ {
			orders, left := splitOrders(d.regions(), at)
			if left == 0 {
				break
			}
			if rounds == 4 {
				t.Fatalf("%d of %d keys are left after %d rounds", left, n, rounds)
			}
			commands += len(orders)
			seen := map[uint64]bool{}
			for _, o := range orders {
				if len(o.keys) == 0 || len(o.keys) > splitKeysMax || seen[o.region] {
					t.Fatalf("%d keys: region %d is to be cut at %d keys, before: %v", n, o.region, len(o.keys), seen[o.region])
				}
				seen[o.region] = true
				r := d.mu.byID[o.region].Region
				made := []*placementpb.RegionRoute{route(o.region, string(r.StartKey), string(o.keys[0]))}
				for i, k := range o.keys {
					end := r.EndKey
					if i+1 < len(o.keys) {
						end = o.keys[i+1]
					}
					made = append(made, route(id, string(k), string(end)))
					id++
				}
				d.update(&placementpb.DirectoryUpdate{Regions: made})
			}
		}
		if !allLed(d.regions(), at) {
			t.Errorf("%d keys: a region is missing at the end", n)
		}
		if most := 2*n/splitKeysMax + 100; commands > most {
			t.Errorf("%d keys need %d commands, more than %d", n, commands, most)
		}
		t.Logf("%d keys: %d rounds, %d commands", n, rounds, commands)
	}
}

// The directory holds after any updates what a plain list holds of which each update
// throws out what overlaps it.
func TestDirectoryAgainstList(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	d := newDirectory()
	var list []*placementpb.RegionRoute
	for range 5000 {
		a, b := rng.IntN(60), rng.IntN(60)
		r := route(uint64(1+rng.IntN(30)), fmt.Sprintf("%02d", min(a, b)), fmt.Sprintf("%02d", max(a, b)+1))
		if rng.IntN(10) == 0 {
			r.Region.EndKey = nil
		}
		d.update(&placementpb.DirectoryUpdate{Regions: []*placementpb.RegionRoute{r}})
		kept := list[:0]
		for _, o := range list {
			if o.Region.Id != r.Region.Id && !overlaps(o.Region, r.Region) {
				kept = append(kept, o)
			}
		}
		list = append(kept, r)
		got := d.regions()
		if len(got) != len(list) || len(d.mu.byID) != len(list) {
			t.Fatalf("seed %d: %d routes in order, %d by id, %d in the list", seed, len(got), len(d.mu.byID), len(list))
		}
		for i, o := range got {
			if i > 0 && bytes.Compare(got[i-1].Region.StartKey, o.Region.StartKey) >= 0 {
				t.Fatalf("seed %d: routes out of order", seed)
			}
		}
		for _, o := range list {
			if d.mu.byID[o.Region.Id] != o {
				t.Fatalf("seed %d: region %d is not what the list holds", seed, o.Region.Id)
			}
		}
	}
}

// What is kept of overlapping routes is what comparing each with all before it keeps.
func TestDisjointAgainstPairs(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		var all, want []*placementpb.RegionRoute
		for i := range rng.IntN(40) {
			a, b := rng.IntN(60), rng.IntN(60)
			all = append(all, route(uint64(i+1), fmt.Sprintf("%02d", min(a, b)), fmt.Sprintf("%02d", min(a, b)+1+rng.IntN(8))))
		}
		for _, r := range all {
			if !slices.ContainsFunc(want, func(o *placementpb.RegionRoute) bool { return overlaps(o.Region, r.Region) }) {
				want = append(want, r)
			}
		}
		slices.SortFunc(want, func(a, b *placementpb.RegionRoute) int { return bytes.Compare(a.Region.StartKey, b.Region.StartKey) })
		if got := disjoint(all); !slices.Equal(got, want) {
			t.Fatalf("seed %d: %d routes are kept, not %d", seed, len(got), len(want))
		}
	}
}

// A key that lies in no known region is left, and nobody is told to cut there: the
// parent of a split is known to be smaller before its child is listed, or the other way
// round.
func TestNoOrderIntoAGap(t *testing.T) {
	at := [][]byte{[]byte("c"), []byte("d"), []byte("p")}
	for _, regions := range [][]*placementpb.RegionRoute{
		{route(1, "", "a"), route(2, "a", "c"), route(4, "m", "")},
		{route(1, "", "a"), route(4, "m", "")},
	} {
		orders, left := splitOrders(regions, at)
		if left != 3 || len(orders) != 1 || orders[0].region != 4 || len(orders[0].keys) != 1 {
			t.Errorf("%d keys are left, orders %v", left, orders)
		}
	}
}
