package keys

import "bytes"

// Span is a half-open range of engine keys. Both bounds are always set.
type Span struct {
	Start, End Encoded
}

// KindSpan returns the engine keys of one kind whose user keys lie in
// [start, end). An empty end means no upper bound.
func KindSpan(kind Kind, start, end User) Span {
	s := Span{Start: AppendPrefix(nil, kind, start)}
	if len(end) == 0 {
		s.End = Encoded{byte(kind) + 1, sentinel}
	} else {
		s.End = AppendPrefix(nil, kind, end)
	}
	return s
}

// UserSpans returns all engine keys that belong to the user keys in
// [start, end): data, locks, rollback marks and raw values, in engine order and
// disjoint. An empty end means no upper bound. Region-local keys are not among
// them; see RegionLocalSpan.
func UserSpans(start, end User) []Span {
	return []Span{
		KindSpan(KindData, start, end),
		KindSpan(KindLock, start, end),
		KindSpan(KindRollback, start, end),
		KindSpan(KindRaw, start, end),
	}
}

// RegionLocalSpan returns the region-local keys of one region.
func RegionLocalSpan(regionID uint64) Span {
	start := RegionLocal(regionID, "")
	if regionID == 1<<64-1 {
		return Span{Start: start, End: Encoded{byte(KindRegionLocal) + 1, sentinel}}
	}
	return Span{Start: start, End: RegionLocal(regionID+1, "")}
}

// AllRegionLocalSpan returns the region-local keys of all regions.
func AllRegionLocalSpan() Span {
	return Span{
		Start: Encoded{byte(KindRegionLocal), sentinel},
		End:   Encoded{byte(KindRegionLocal) + 1, sentinel},
	}
}

// PrefixEnd returns the smallest key above all keys with the given prefix, or
// nil (no upper bound) if there is none. The result does not share memory.
func PrefixEnd(prefix []byte) User {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			end := bytes.Clone(prefix[:i+1])
			end[i]++
			return end
		}
	}
	return nil
}

// Next returns the smallest user key above k. The result does not share memory.
func Next(k User) User {
	return append(append(make(User, 0, len(k)+1), k...), 0)
}
