package router

import (
	"bytes"
	"context"
	"sort"
)

// KeyGroup is a set of keys in one region, as known now.
type KeyGroup struct {
	Region Route
	// Keys are in bytewise order; Index holds their positions in the argument of
	// GroupKeys.
	Keys  [][]byte
	Index []int
}

// GroupKeys sorts keys into groups by region, in the order of the key space. The
// argument is not changed. By the time a group is sent its region may have been
// split: Send says so.
func (r *Router) GroupKeys(ctx context.Context, keys [][]byte) ([]KeyGroup, error) {
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	if !sort.SliceIsSorted(keys, func(i, j int) bool { return bytes.Compare(keys[i], keys[j]) < 0 }) {
		sort.SliceStable(order, func(i, j int) bool { return bytes.Compare(keys[order[i]], keys[order[j]]) < 0 })
	}
	var groups []KeyGroup
	for _, i := range order {
		key := keys[i]
		if n := len(groups); n > 0 && contains(groups[n-1].Region.Region, key, false) {
			groups[n-1].Keys = append(groups[n-1].Keys, key)
			groups[n-1].Index = append(groups[n-1].Index, i)
			continue
		}
		rt, err := r.Lookup(ctx, key)
		if err != nil {
			return nil, err
		}
		groups = append(groups, KeyGroup{Region: rt, Keys: [][]byte{key}, Index: []int{i}})
	}
	return groups, nil
}

// RangePart is the part of a key range that lies in one region.
type RangePart struct {
	Region     Route
	Start, End []byte // [Start, End); an empty End is infinity
}

// SplitRange cuts [start, end) at the region boundaries known now, in the order
// of the key space. An empty end is infinity. At most limit parts are returned
// (0: all); the caller goes on at the last part's End.
func (r *Router) SplitRange(ctx context.Context, start, end []byte, limit int) ([]RangePart, error) {
	var parts []RangePart
	for {
		rt, err := r.Lookup(ctx, start)
		if err != nil {
			return nil, err
		}
		partEnd := MinEnd(end, rt.Region.GetEndKey())
		parts = append(parts, RangePart{Region: rt, Start: start, End: partEnd})
		if len(partEnd) == 0 || bytes.Equal(partEnd, end) || len(parts) == limit {
			return parts, nil
		}
		start = partEnd
	}
}

// MinEnd returns the smaller of two range ends, where an empty one is infinity.
func MinEnd(a, b []byte) []byte {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 || bytes.Compare(a, b) < 0 {
		return a
	}
	return b
}
