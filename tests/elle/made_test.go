package elle

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// made builds a history of which all transactions run at the same time, unless
// during says otherwise.
type made struct{ h History }

func (m *made) add(o Outcome, invoked, done int64, ops ...Op) *made {
	m.h.Txns = append(m.h.Txns, Txn{ID: len(m.h.Txns) + 1, Outcome: o, Invoked: invoked, Done: done, Ops: ops})
	return m
}

func (m *made) ok(ops ...Op) *made      { return m.add(OK, 0, 1000, ops...) }
func (m *made) failed(ops ...Op) *made  { return m.add(Failed, 0, 1000, ops...) }
func (m *made) unknown(ops ...Op) *made { return m.add(Unknown, 0, 1000, ops...) }

func (m *made) during(invoked, done int64, ops ...Op) *made { return m.add(OK, invoked, done, ops...) }

func (m *made) final(lists map[int][]int) *made { m.h.Final = lists; return m }

func kindsOf(t *testing.T, h History) []Kind {
	t.Helper()
	r, err := Check(h)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Sorted(maps.Keys(r.Kinds()))
}

// Each anomaly is found in a history made to have it and nothing else, and none in
// histories that are right.
func TestMadeHistories(t *testing.T) {
	for _, c := range []struct {
		name string
		m    *made
		want []Kind
	}{
		{"nothing", new(made), nil},
		{"one after the other", new(made).during(0, 1, Append(1, 1)).during(2, 3, Read(1, 1), Append(1, 2)).during(4, 5, Read(1, 1, 2)), nil},
		{"own appends are seen", new(made).ok(Append(1, 1), Read(1, 1), Append(1, 2), Read(1, 1, 2)), nil},
		{"own appends after others", new(made).ok(Append(1, 1)).ok(Read(1, 1), Append(1, 2), Read(1, 1, 2)), nil},
		{"an unknown transaction took effect", new(made).unknown(Append(1, 1), Append(2, 1)).ok(Read(1, 1), Read(2, 1)).final(map[int][]int{1: {1}, 2: {1}}), nil},
		{"an unknown transaction did not", new(made).unknown(Append(1, 1), Append(2, 1)).ok(Read(1), Read(2)).final(map[int][]int{}), nil},
		{"an unknown transaction took effect late", new(made).add(Unknown, 0, 1, Append(1, 1)).during(2, 3, Read(1)).during(4, 5, Read(1, 1)), nil},
		{"a failed transaction did not", new(made).failed(Append(1, 1)).ok(Read(1)).final(map[int][]int{}), nil},
		{"what a failed transaction read does not matter", new(made).failed(Read(1, 7)).final(map[int][]int{}), nil},
		{"times that are equal are concurrent", new(made).during(0, 5, Append(1, 1)).during(5, 9, Read(1)), nil},

		{"another key's list changed", new(made).ok(Append(1, 1)).ok(Read(1), Read(1, 1)), []Kind{GSingle, Internal}},
		{"own append not seen", new(made).ok(Append(1, 1), Read(1)), []Kind{Internal}},
		{"own append not the last", new(made).ok(Append(1, 2)).ok(Append(1, 1), Read(1, 1, 2)), []Kind{Internal}},
		{"an element twice", new(made).ok(Append(1, 1)).ok(Read(1, 1, 1)), []Kind{DuplicateElement}},
		{"an element from nowhere", new(made).ok(Read(1, 1)), []Kind{GarbageRead}},
		{"an element of a failed transaction", new(made).failed(Append(1, 1)).ok(Read(1, 1)), []Kind{G1a}},
		{"an element of a failed transaction at the end", new(made).failed(Append(1, 1)).final(map[int][]int{1: {1}}), []Kind{G1a}},
		{"half of another transaction", new(made).ok(Append(1, 1), Append(1, 2)).ok(Read(1, 1)).ok(Read(1, 1, 2)), []Kind{GSingle, G1b}},
		{"two orders", new(made).ok(Append(1, 1)).ok(Append(1, 2)).ok(Read(1, 1)).ok(Read(1, 2)), []Kind{IncompatibleOrder}},
		{"an append that was lost", new(made).ok(Append(1, 1)).ok(Append(1, 2)).final(map[int][]int{1: {1}}), []Kind{LostWrite}},
		{"a key that was lost", new(made).ok(Append(1, 1)).final(map[int][]int{}), []Kind{LostWrite}},
		{"half of an unknown transaction", new(made).unknown(Append(1, 1), Append(2, 2)).final(map[int][]int{2: {2}}), []Kind{TornTxn}},
		{"two appends to the same version", new(made).ok(Read(1), Append(1, 1)).ok(Read(1), Append(1, 2)).ok(Read(1, 1, 2)), []Kind{GSingle, LostUpdate}},

		{"appends in two orders", new(made).ok(Append(1, 1), Append(2, 1)).ok(Append(1, 2), Append(2, 2)).final(map[int][]int{1: {1, 2}, 2: {2, 1}}), []Kind{G0}},
		{"information in a circle", new(made).ok(Append(1, 1), Read(2, 1)).ok(Append(2, 1), Read(1, 1)), []Kind{G1c}},
		{"a read that is torn", new(made).ok(Append(1, 1), Append(2, 1)).ok(Read(1, 1), Read(2)).ok(Read(2, 1)), []Kind{GSingle}},
		{"a long fork", new(made).ok(Append(1, 1)).ok(Append(2, 1)).ok(Read(1, 1), Read(2)).ok(Read(1), Read(2, 1)), []Kind{GNonadjacent}},
		{"write skew", new(made).ok(Read(1), Read(2), Append(1, 1)).ok(Read(1), Read(2), Append(2, 1)).ok(Read(1, 1), Read(2, 1)), []Kind{G2Item}},
		{"three in a skew", new(made).ok(Read(1), Append(2, 1)).ok(Read(2), Append(3, 1)).ok(Read(3), Append(1, 1)).final(map[int][]int{1: {1}, 2: {1}, 3: {1}}), []Kind{G2Item}},
		// O'Neil and O'Neil, "A Read-Only Transaction Anomaly Under Snapshot
		// Isolation", 2004. The one that only reads saw 2's deposit, not 1's.
		{"a reader between two writers", new(made).ok(Read(1), Read(2), Append(1, 1)).ok(Read(2), Append(2, 1)).ok(Read(1), Read(2, 1)).ok(Read(1, 1)), []Kind{G2Item}},

		{"a stale read", new(made).during(0, 1, Append(1, 1)).during(2, 3, Read(1)).during(4, 5, Read(1, 1)), []Kind{GSingle + Realtime}},
		{"a stale read of an unknown reader's past", new(made).during(0, 1, Append(1, 1)).during(2, 3, Append(2, 1)).during(4, 5, Read(2, 1), Read(1)).during(6, 7, Read(1, 1)), []Kind{GSingle + Realtime}},
		{"an append before its turn", new(made).during(0, 1, Append(1, 1)).during(2, 3, Append(1, 2)).during(4, 5, Read(1, 2, 1)), []Kind{G0 + Realtime}},
		{"reading the future", new(made).during(0, 1, Read(1, 1)).during(2, 3, Append(1, 1)), []Kind{G1c + Realtime}},
		// What 1 sees lies before 2, which had ended before 3 began; what 3 sees lies
		// before 4; and 1 sees 4.
		{"two snapshots and time between them", new(made).during(0, 9, Read(1), Read(2, 1)).during(0, 1, Append(1, 1)).during(2, 5, Read(2)).during(0, 9, Append(2, 1)).final(map[int][]int{1: {1}, 2: {1}}), []Kind{GNonadjacent + Realtime}},
		// Serializable in the order 1, 2, 3, but 3 had ended before 1 began.
		{"a skew against time", new(made).during(4, 7, Read(1)).during(0, 9, Read(2), Append(1, 1)).during(0, 3, Append(2, 1)).final(map[int][]int{1: {1}, 2: {1}}), []Kind{G2Item + Realtime}},
		{"a skew with time on its side", new(made).during(0, 5, Read(1), Append(2, 1)).during(0, 9, Read(2), Append(4, 1)).during(6, 9, Read(4, 1)).during(10, 11, Read(4, 1), Read(2, 1)), nil},
	} {
		if got := kindsOf(t, c.m.h); !reflect.DeepEqual(got, c.want) {
			r, _ := Check(c.m.h) // it gave no error just now
			t.Errorf("%s: found %v, want %v\n%+v", c.name, got, c.want, r.Anomalies)
		}
	}
}

// A history in which values repeat, or time runs backwards, is the tester's mistake.
func TestMalformedHistories(t *testing.T) {
	for _, m := range []*made{new(made).ok(Append(1, 1)).failed(Append(1, 1)), new(made).during(5, 4)} {
		if _, err := Check(m.h); err == nil {
			t.Errorf("%v: no error", m.h)
		}
	}
}

// The table of what is illegal where.
func TestForbids(t *testing.T) {
	all := []Level{ReadCommitted, SnapshotIsolation, StrongSnapshotIsolation, Serializable, StrictSerializable}
	for _, c := range []struct {
		kinds []Kind
		want  []Level
	}{
		{[]Kind{G0, G1a, G1b, G1c, DuplicateElement, GarbageRead, IncompatibleOrder, LostWrite, TornTxn}, all},
		{[]Kind{Internal, LostUpdate, GSingle, GNonadjacent}, all[1:]},
		{[]Kind{G2Item}, all[3:]},
		{[]Kind{G0 + Realtime, G1c + Realtime, GSingle + Realtime, GNonadjacent + Realtime}, []Level{StrongSnapshotIsolation, StrictSerializable}},
		{[]Kind{G2Item + Realtime}, []Level{StrictSerializable}},
	} {
		for _, k := range c.kinds {
			var got []Level
			for _, l := range all {
				if l.Forbids(k) {
					got = append(got, l)
				}
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s is illegal at %v, want %v", k, got, c.want)
			}
		}
	}
}

// A verdict shows the cycle and why each edge is there.
func TestVerdict(t *testing.T) {
	m := new(made).ok(Append(1, 1), Append(2, 5)).ok(Read(1, 1), Read(2)).ok(Read(2, 5))
	r, err := Check(m.h)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Verdict(ReadCommitted); err != nil {
		t.Errorf("G-single is legal under read committed: %v", err)
	}
	err = r.Verdict(SnapshotIsolation)
	for _, want := range []string{"G-single", "append 1 to 1; append 5 to 2", "T2 -rw-> T1: T2 read the first 0 elements of key 2 and not 5, which T1 appended next", "T1 -wr-> T2: T2 read key 1 with T1's 1 as the last element"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the verdict lacks %q: %v", want, err)
		}
	}
}

// A history survives a file.
func TestHistoryFile(t *testing.T) {
	m := new(made).during(1, 2, Append(1, 1), Read(2, 3, 4)).unknown(Read(1)).final(map[int][]int{1: {1}, 2: {3, 4}})
	m.h.Txns[1].Error = "EOF"
	var b bytes.Buffer
	if err := m.h.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadHistory(&b)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(m.h) {
		t.Errorf("wrote %v, read %v", m.h, got)
	}
	if _, err := ReadHistory(strings.NewReader(`{"id": 1}` + "\nnonsense")); err == nil {
		t.Error("nonsense was read")
	}
}

var (
	historyFile  = flag.String("history", "", "judge a kept history: go test ./tests/elle -run TestKept -v -history FILE -level N")
	historyLevel = flag.Int("level", int(StrictSerializable), "the level to judge it at, 0 (read committed) to 4 (strict serializable)")
)

// A history that a run has kept is judged again.
func TestKept(t *testing.T) {
	if *historyFile == "" {
		t.Skip("no -history FILE")
	}
	f, err := os.Open(*historyFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h, err := ReadHistory(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Check(h)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r.Summary())
	if err := r.Verdict(Level(*historyLevel)); err != nil {
		t.Error(err)
	}
}
