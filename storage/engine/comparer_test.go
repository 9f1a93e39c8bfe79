package engine

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/keys"
)

// Pebble's own rules for a comparer hold for the keys that we make.
func TestComparerKeepsPebblesRules(t *testing.T) {
	var prefixes, suffixes [][]byte
	for _, u := range []string{"", "a", "a\x00", "a\x09", "ab", "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x09", "\xff"} {
		prefixes = append(prefixes, keys.AppendPrefix(nil, keys.KindData, keys.User(u)))
	}
	for _, ts := range []timestamp.Timestamp{1, 9, 1 << 40, timestamp.Max} {
		suffixes = append(suffixes, keys.AppendSuffix(nil, ts))
	}
	if err := pebble.CheckComparer(stateComparer(), prefixes, suffixes); err != nil {
		t.Fatal(err)
	}
}

// For arbitrary bytes the order is total, agrees with prefix and suffix order,
// and made-up separators lie between.
func FuzzComparer(f *testing.F) {
	a, b := keys.DataVersion(keys.User("a"), 5), keys.DataVersion(keys.User("b"), 7)
	f.Add([]byte(a), []byte(b), []byte("abc"))
	f.Add([]byte(keys.Lock(keys.User("abcdef"))), []byte(keys.Lock(keys.User("abx"))), []byte{9})
	f.Add([]byte("ab\xff\xff\x00"), []byte("ac\x00"), []byte(a[len(a)-9:]))
	// A separator without the sentinel would read as a version here.
	f.Add([]byte("d\x0012345678\x08zzzz\x00"), []byte("d\x0012345678\x0b\x00"), []byte{9})
	c := stateComparer()
	f.Fuzz(func(t *testing.T, a, b, d []byte) {
		for _, k := range [][]byte{a, b, d} {
			n := c.Split(k)
			if m := c.Split(k[:n]); m != n {
				t.Fatalf("prefix %x of %x splits again at %d", k[:n], k, m)
			}
			if n < len(k) && c.Compare(k[:n], k) >= 0 {
				t.Fatalf("prefix of %x is not below it", k)
			}
			if len(k) > 0 {
				if s := c.Successor(nil, k); c.Compare(k, s) > 0 {
					t.Fatalf("successor %x of %x is below it", s, k)
				}
			}
		}
		ab := c.Compare(a, b)
		if ab != -c.Compare(b, a) || (ab == 0) != bytes.Equal(a, b) {
			t.Fatalf("%x against %x: %d and %d", a, b, ab, c.Compare(b, a))
		}
		if ab < 0 && c.Compare(b, d) < 0 && c.Compare(a, d) >= 0 {
			t.Fatalf("%x < %x < %x, but not the first and the last", a, b, d)
		}
		pa, pb := a[:c.Split(a)], b[:c.Split(b)]
		if p := bytes.Compare(pa, pb); p != 0 && p != ab {
			t.Fatalf("%x against %x: %d, prefixes %d", a, b, ab, p)
		}
		if x, y := c.AbbreviatedKey(a), c.AbbreviatedKey(b); (x < y && ab >= 0) || (x > y && ab <= 0) {
			t.Fatalf("%x against %x: %d, abbreviated %x, %x", a, b, ab, x, y)
		}
		if ab < 0 && len(a) > 0 {
			if s := c.Separator(nil, a, b); c.Compare(a, s) > 0 || c.Compare(s, b) >= 0 {
				t.Fatalf("separator %x is not in [%x, %x)", s, a, b)
			}
		}
	})
}

// Separators are shorter than the key where that is possible: index blocks would
// otherwise hold whole keys.
func TestSeparatorIsShort(t *testing.T) {
	a := keys.DataVersion(keys.User("apple pie"), 5)
	b := keys.DataVersion(keys.User("cherry"), 5)
	if s := separator(nil, a, b); len(s) > 3 {
		t.Errorf("separator of %v and %v is %x", a, b, s)
	}
	if s := successor(nil, a); len(s) > 3 {
		t.Errorf("successor of %v is %x", a, s)
	}
}
