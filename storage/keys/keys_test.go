package keys

import (
	"bytes"
	"math"
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// Engine keys come apart into what they were made of.
func TestStateKeysRoundTrip(t *testing.T) {
	for _, u := range []User{{}, User("a"), User("a\x00"), {0x09}, {0, 0, 0, 0, 0, 0, 0, 0, 9}, bytes.Repeat([]byte{0xff}, 20)} {
		for _, ts := range []timestamp.Timestamp{1, 9, 1 << 40, timestamp.Max} {
			for kind, k := range map[Kind]Encoded{KindData: DataVersion(u, ts), KindRollback: RollbackMark(u, ts)} {
				d, err := Decode(k)
				if err != nil || d.Kind != kind || !bytes.Equal(d.User, u) || d.TS != ts || !d.HasTS {
					t.Errorf("%x at %d: %+v, %v", u, ts, d, err)
				}
				if n := SplitSuffix(k); n != len(k)-SuffixLen {
					t.Errorf("%x: split at %d", k, n)
				}
			}
		}
		for kind, k := range map[Kind]Encoded{KindData: DataPrefix(u), KindLock: Lock(u), KindRaw: Raw(u)} {
			d, err := Decode(k)
			if err != nil || d.Kind != kind || !bytes.Equal(d.User, u) || d.HasTS {
				t.Errorf("%x: %+v, %v", u, d, err)
			}
			if n := SplitSuffix(k); n != len(k) {
				t.Errorf("%x: split at %d", k, n)
			}
		}
	}
	d, err := Decode(RegionLocal(7, NameApplied))
	if err != nil || d.RegionID != 7 || d.Name != NameApplied {
		t.Errorf("region-local: %+v, %v", d, err)
	}
	d, err = Decode(StoreLocal("ident"))
	if err != nil || d.Name != "ident" {
		t.Errorf("store-local: %+v, %v", d, err)
	}
	for _, bad := range []Encoded{nil, {}, {'d'}, {'x', 0}, {'g', 1, 0}, Encoded("dabc"), append(Lock(User("a")), DataVersion(nil, 1)[2:]...)} {
		if d, err := Decode(bad); err == nil {
			t.Errorf("%x decodes as %+v", []byte(bad), d)
		}
	}
}

// A user span's engine spans hold exactly the keys of the user keys in it.
func TestUserSpans(t *testing.T) {
	users := []User{{}, {0}, {0, 0}, User("a"), User("a\x00"), User("a\x00\x00"), User("ab"), User("b"), {0xff}, {0xff, 0xff}}
	for _, start := range users {
		for _, end := range users {
			spans := UserSpans(start, end)
			for i := 1; i < len(spans); i++ {
				if bytes.Compare(spans[i-1].End, spans[i].Start) > 0 {
					t.Errorf("spans %d and %d overlap", i-1, i)
				}
			}
			for _, u := range users {
				want := bytes.Compare(u, start) >= 0 && (len(end) == 0 || bytes.Compare(u, end) < 0)
				for _, k := range []Encoded{DataPrefix(u), DataVersion(u, 1), DataVersion(u, timestamp.Max), Lock(u), RollbackMark(u, 5), Raw(u)} {
					got := false
					for _, s := range spans {
						// The bounds have no suffix, so comparing prefixes is enough.
						p := k[:SplitSuffix(k)]
						got = got || (bytes.Compare(p, s.Start) >= 0 && bytes.Compare(p, s.End) < 0)
					}
					if got != want {
						t.Errorf("[%x, %x): key %v inside=%v, want %v", start, end, k, got, want)
					}
				}
			}
		}
	}
}

// A region's local keys are in its span, its neighbours' are not.
func TestRegionLocalSpan(t *testing.T) {
	for _, id := range []uint64{0, 1, 255, 256, math.MaxUint64} {
		s := RegionLocalSpan(id)
		for _, other := range []uint64{id - 1, id, id + 1} {
			k := RegionLocal(other, NameDescriptor)
			if got := bytes.Compare(k, s.Start) >= 0 && bytes.Compare(k, s.End) < 0; got != (other == id) {
				t.Errorf("span of %d, key of %d: inside=%v", id, other, got)
			}
		}
		all := AllRegionLocalSpan()
		if bytes.Compare(s.Start, all.Start) < 0 || bytes.Compare(s.End, all.End) > 0 {
			t.Errorf("span of %d is not inside the span of all", id)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	for _, c := range []struct{ in, want string }{{"a", "b"}, {"a\xff", "b"}, {"\xff\xff", ""}, {"", ""}, {"t\xf8\xff", "t\xf9"}} {
		if got := PrefixEnd([]byte(c.in)); string(got) != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

// Unsigned numbers keep their order and come back.
func TestUint(t *testing.T) {
	var prev []byte
	for _, v := range []uint64{0, 1, 53, 246, 247, 248, 255, 256, 65535, 65536, 1 << 56, math.MaxUint64} {
		b := AppendUint(nil, v)
		if prev != nil && bytes.Compare(prev, b) >= 0 {
			t.Errorf("%d: %x is not above %x", v, b, prev)
		}
		prev = b
		rest, got, err := DecodeUint(append(bytes.Clone(b), 'x'))
		if err != nil || got != v || string(rest) != "x" {
			t.Errorf("%d: %d, %q, %v", v, got, rest, err)
		}
	}
	for _, bad := range [][]byte{nil, {0xf8}, {0xf8, 3}, {0xf9, 0, 1}, {0xff, 1, 2}} {
		if _, v, err := DecodeUint(bad); err == nil {
			t.Errorf("%x decodes as %d", bad, v)
		}
	}
}

// Log keys of a region sort together, entries last and by index.
func TestLogKeys(t *testing.T) {
	order := [][]byte{
		LogRegionStart(5), LogHardStateKey(5), LogTombstoneKey(5), LogTruncatedKey(5),
		LogEntryKey(5, 0), LogEntryKey(5, 1), LogEntryKey(5, 256), LogEntryKey(5, math.MaxUint64), LogEntriesEnd(5),
		LogRegionEnd(5), LogHardStateKey(6),
	}
	for i := 1; i < len(order); i++ {
		if bytes.Compare(order[i-1], order[i]) >= 0 {
			t.Errorf("key %d: %x is not below %x", i, order[i-1], order[i])
		}
	}
	if d, err := DecodeLog(LogEntryKey(5, 256)); err != nil || d != (DecodedLog{RegionID: 5, Kind: LogEntry, Index: 256}) {
		t.Errorf("entry key: %+v, %v", d, err)
	}
	if bytes.Compare(LogEntriesEnd(math.MaxUint64), LogRegionEnd(math.MaxUint64)) >= 0 {
		t.Error("the last region has no end")
	}
	for _, bad := range [][]byte{nil, {'G'}, LogRegionStart(5), append(LogHardStateKey(5), 0), LogEntryKey(5, 1)[:17]} {
		if d, err := DecodeLog(bad); err == nil {
			t.Errorf("%x decodes as %+v", bad, d)
		}
	}
}

func TestPretty(t *testing.T) {
	row := AppendString(AppendInt(IndexPrefix(53, 1), Ascending, 42), Descending, "abc")
	for _, c := range []struct{ got, want string }{
		{User(row).String(), `/t/53/1/42/"abc"`},
		{User(AppendNull(AppendBytes(IndexPrefix(300, 2), Ascending, []byte{1}), Ascending)).String(), `/t/300/2/'\x01'/NULL`},
		{User(AppendDecimal(AppendFloat(IndexPrefix(1, 1), Ascending, 1.5), Ascending, dec(t, "-1.50"))).String(), `/t/1/1/1.5/-1.5`},
		{User(nil).String(), "/min"},
		{User("\x01ids").String(), "/placement/ids"},
		{User("\x02").String(), "/sys"},
		{User("t").String(), "/t"},
		{User("t\x05\xff").String(), "/t/5/0xff"},
		{DataVersion(User(row), timestamp.Make(1000, 3)).String(), `/data/t/53/1/42/"abc"@1000.3`},
		{Lock(User("k")).String(), "/lock/k"},
		{RollbackMark(User("k"), timestamp.Make(1, 0)).String(), "/rollback/k@1.0"},
		{RegionLocal(7, NameApplied).String(), "/region/7/applied"},
		{StoreLocal("ident").String(), "/store/ident"},
		{Encoded("zzz").String(), "/bad/0x7a7a7a"},
		{FormatLog(LogEntryKey(7, 12)), "/log/7/entry/12"},
		{FormatLog(LogHardStateKey(7)), "/log/7/hardstate"},
	} {
		if c.got != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}
