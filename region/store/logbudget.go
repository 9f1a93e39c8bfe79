package store

import (
	"cmp"
	"slices"

	"github.com/quorate-db/quorate/region/replica"
)

// shortenLogs keeps the logs of all regions together within their budget. Each is
// bounded by itself, but a store that is away holds the logs of all its regions up. The
// longest are cut first: what is kept for peers that are down, and, if that was not
// enough at the last look, for those that only lag. What is not durable in the state
// engine yet stays. Called behind each sync.
func (s *Store) shortenLogs() {
	over := s.eng.Logs.SizeBytes() - s.o.LogBudgetBytes
	if over <= 0 {
		s.logsLong = false
		return
	}
	type long struct {
		r    *replica.Replica
		size int64
	}
	var list []long
	for _, r := range s.all() {
		if n := r.LogBytes(); n > 0 {
			list = append(list, long{r, n})
		}
	}
	slices.SortStableFunc(list, func(a, b long) int { return cmp.Compare(b.size, a.size) })
	for _, l := range list {
		if over <= 0 {
			break
		}
		l.r.Shorten(s.logsLong)
		over -= l.size
	}
	s.logsLong = true
}
