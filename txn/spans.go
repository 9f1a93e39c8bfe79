package txn

import (
	"bytes"
	"slices"
)

// readBytesMax bounds what a transaction remembers of its reads. Beyond it
// neighbours are taken together with what lies between them: that can only make
// it conflict where it need not.
const readBytesMax = 1 << 20

// keySpan is [start, end); an empty end is infinity.
type keySpan struct{ start, end []byte }

// isKey reports whether the span is one key.
func (s keySpan) isKey() bool {
	n := len(s.start)
	return len(s.end) == n+1 && s.end[n] == 0 && bytes.Equal(s.end[:n], s.start)
}

// spanSet is the keys that a SERIALIZABLE transaction has looked at, whether
// something was there or not.
type spanSet struct {
	list  []keySpan
	bytes int
	limit int // 0: readBytesMax
	clean bool
}

func (s *spanSet) add(start, end []byte) {
	if n := len(s.list); n > 0 && bytes.Equal(s.list[n-1].end, start) && len(start) > 0 {
		// A scan that goes on.
		s.bytes += len(end) - len(s.list[n-1].end)
		s.list[n-1].end = end
		s.clean = false
		return
	}
	s.list = append(s.list, keySpan{start, end})
	s.bytes += len(start) + len(end)
	s.clean = false
	if s.bytes > s.max() {
		s.merge()
		for s.bytes > s.max()/2 && len(s.list) > 1 {
			s.coarsen()
		}
	}
}

func (s *spanSet) addKey(key []byte) {
	s.add(key, append(bytes.Clone(key), 0))
}

func (s *spanSet) max() int {
	if s.limit > 0 {
		return s.limit
	}
	return readBytesMax
}

// spans returns the set as spans that rise and do not touch.
func (s *spanSet) spans() []keySpan {
	s.merge()
	return s.list
}

func (s *spanSet) merge() {
	if s.clean {
		return
	}
	slices.SortFunc(s.list, func(a, b keySpan) int { return bytes.Compare(a.start, b.start) })
	out := s.list[:0]
	for _, sp := range s.list {
		if n := len(out); n > 0 && (len(out[n-1].end) == 0 || bytes.Compare(sp.start, out[n-1].end) <= 0) {
			if len(out[n-1].end) != 0 && (len(sp.end) == 0 || bytes.Compare(sp.end, out[n-1].end) > 0) {
				out[n-1].end = sp.end
			}
			continue
		}
		out = append(out, sp)
	}
	clear(s.list[len(out):])
	s.list, s.clean = out, true
	s.count()
}

func (s *spanSet) count() {
	s.bytes = 0
	for _, sp := range s.list {
		s.bytes += len(sp.start) + len(sp.end)
	}
}

// coarsen takes every two neighbours of a merged set together.
func (s *spanSet) coarsen() {
	out := s.list[:0]
	for i := 0; i < len(s.list); i += 2 {
		sp := s.list[i]
		if i+1 < len(s.list) {
			sp.end = s.list[i+1].end
		}
		out = append(out, sp)
	}
	clear(s.list[len(out):])
	s.list = out
	s.count()
}
