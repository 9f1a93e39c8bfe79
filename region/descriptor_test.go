package region

import (
	"errors"
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
)

func r(start, end string) *metapb.Region {
	return &metapb.Region{Id: 1, StartKey: []byte(start), EndKey: []byte(end)}
}

// Bounds are half open, an empty end is infinity.
func TestRanges(t *testing.T) {
	for _, tc := range []struct {
		a, b               *metapb.Region
		overlaps, contains bool
	}{
		{r("a", "c"), r("c", "e"), false, false},
		{r("a", "c"), r("b", "c"), true, true},
		{r("a", "c"), r("b", ""), true, false},
		{r("a", ""), r("b", ""), true, true},
		{r("", ""), r("", ""), true, true},
		{r("b", "c"), r("", "b"), false, false},
		{r("b", "c"), r("a", "d"), true, false},
	} {
		if got := Overlaps(tc.a, tc.b); got != tc.overlaps || Overlaps(tc.b, tc.a) != got {
			t.Errorf("%s and %s overlap: %v", Describe(tc.a), Describe(tc.b), got)
		}
		if got := ContainsRange(tc.a, tc.b.StartKey, tc.b.EndKey); got != tc.contains {
			t.Errorf("%s contains %s: %v", Describe(tc.a), Describe(tc.b), got)
		}
	}
	if !Contains(r("a", "c"), []byte("a")) || Contains(r("a", "c"), []byte("c")) || !Contains(r("a", ""), []byte("z")) {
		t.Error("Contains")
	}
}

// A newer range beats a newer membership.
func TestCompareEpoch(t *testing.T) {
	e := func(conf, version uint64) *metapb.Epoch { return &metapb.Epoch{ConfVer: conf, Version: version} }
	for _, tc := range []struct {
		a, b *metapb.Epoch
		want int
	}{{e(1, 2), e(9, 1), 1}, {e(1, 2), e(2, 2), -1}, {e(3, 3), e(3, 3), 0}, {nil, e(1, 1), -1}} {
		if got := CompareEpoch(tc.a, tc.b); got != tc.want || CompareEpoch(tc.b, tc.a) != -tc.want {
			t.Errorf("%v against %v: %d, want %d", tc.a, tc.b, got, tc.want)
		}
	}
}

// Descriptors that come from outside are checked.
func TestValidate(t *testing.T) {
	p := func(id, store uint64) *metapb.Peer { return &metapb.Peer{Id: id, StoreId: store} }
	if err := Validate(Initial(2, []byte("a"), nil, p(1, 1), p(2, 2))); err != nil {
		t.Error(err)
	}
	for _, bad := range []*metapb.Region{
		nil, Initial(0, nil, nil, p(1, 1)), Initial(2, nil, nil), Initial(2, []byte("b"), []byte("b"), p(1, 1)),
		Initial(2, nil, nil, p(1, 1), p(1, 2)), Initial(2, nil, nil, p(1, 1), p(2, 1)), Initial(2, nil, nil, p(0, 1)),
	} {
		if Validate(bad) == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

// Region errors keep their kind as Go errors.
func TestErrors(t *testing.T) {
	err := fmt.Errorf("write: %w", Err(NotLeader(1, nil, 2)))
	if !IsNotLeader(err) || IsAmbiguous(err) || !IsAmbiguous(Err(Ambiguous("x"))) || Err(nil) != nil || IsNotLeader(errors.New("x")) {
		t.Error("kinds are lost")
	}
}
