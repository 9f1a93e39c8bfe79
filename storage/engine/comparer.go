package engine

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quorate-db/quorate/storage/keys"
)

// comparerName is written into every file of a state engine. Changing the order
// of keys needs a new name.
const comparerName = "quorate.state.v1"

// stateComparer orders state engine keys: by the part before the version
// suffix, then without suffix first, then newest timestamp first (the suffix is
// inverted, so this is bytewise). Any bytes are accepted: what is no version is
// a key without suffix.
func stateComparer() *pebble.Comparer {
	return &pebble.Comparer{
		Name:                 comparerName,
		Split:                keys.SplitSuffix,
		Compare:              compareState,
		Equal:                bytes.Equal,
		ComparePointSuffixes: bytes.Compare,
		CompareRangeSuffixes: bytes.Compare,
		AbbreviatedKey:       abbreviate,
		Separator:            separator,
		Successor:            successor,
		ImmediateSuccessor:   func(dst, a []byte) []byte { return append(append(dst, a...), 0) },
		FormatKey:            func(k []byte) fmt.Formatter { return formatted(k) },
	}
}

func compareState(a, b []byte) int {
	an, bn := keys.SplitSuffix(a), keys.SplitSuffix(b)
	if c := bytes.Compare(a[:an], b[:bn]); c != 0 {
		return c
	}
	return bytes.Compare(a[an:], b[bn:])
}

func abbreviate(k []byte) uint64 {
	p := k[:keys.SplitSuffix(k)]
	if len(p) >= 8 {
		return binary.BigEndian.Uint64(p)
	}
	var buf [8]byte
	copy(buf[:], p)
	return binary.BigEndian.Uint64(buf[:])
}

// separator appends a key k with a <= k < b, shorter than a where that is
// possible. A made-up key ends in the sentinel, so that it has no suffix.
func separator(dst, a, b []byte) []byte {
	ap, bp := a[:keys.SplitSuffix(a)], b[:keys.SplitSuffix(b)]
	i := 0
	for i < len(ap) && i < len(bp) && ap[i] == bp[i] {
		i++
	}
	if i == len(ap) || i == len(bp) || ap[i] >= bp[i] {
		return append(dst, a...)
	}
	if ap[i]+1 == bp[i] {
		// Only a longer part of a can be increased and stay below b.
		for i++; i < len(ap) && ap[i] == 0xff; i++ {
		}
	}
	return increaseAt(dst, a, ap, i)
}

// successor appends a key at or above a, shorter where that is possible.
func successor(dst, a []byte) []byte {
	ap := a[:keys.SplitSuffix(a)]
	i := 0
	for i < len(ap) && ap[i] == 0xff {
		i++
	}
	return increaseAt(dst, a, ap, i)
}

// increaseAt appends ap[:i], ap[i]+1 and the sentinel if that is shorter than a,
// otherwise a. Requires: i == len(ap) or ap[i] != 0xff.
func increaseAt(dst, a, ap []byte, i int) []byte {
	if i+2 >= len(a) || i >= len(ap) {
		return append(dst, a...)
	}
	dst = append(dst, ap[:i]...)
	return append(dst, ap[i]+1, 0)
}

// formatted prints a state engine key in Pebble's messages.
type formatted []byte

// Format implements fmt.Formatter.
func (k formatted) Format(s fmt.State, _ rune) { fmt.Fprint(s, keys.Encoded(k).String()) }
