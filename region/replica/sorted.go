package replica

import (
	"maps"
	"slices"
)

// sortedKeys returns the keys of a map in order: what others can see must not
// depend on the order of maps.
func sortedKeys[V any](m map[uint64]V) []uint64 { return slices.Sorted(maps.Keys(m)) }
