package router

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

func region(id uint64, start, end string, version uint64) *metapb.Region {
	m := &metapb.Region{Id: id, StartKey: []byte(start), EndKey: []byte(end), Epoch: &metapb.Epoch{ConfVer: 1, Version: version}}
	for s := uint64(1); s <= 3; s++ {
		m.Peers = append(m.Peers, &metapb.Peer{Id: id*10 + s, StoreId: s})
	}
	return m
}

func describe(t *table) string {
	s := ""
	for _, e := range t.entries {
		s += fmt.Sprintf("%d[%s,%s)v%d", e.region.Id, e.region.StartKey, e.region.EndKey, e.region.Epoch.Version)
		if e.leader != 0 {
			s += fmt.Sprintf("@%d", e.leader)
		}
		s += " "
	}
	return s
}

// Newer epochs replace what they overlap, older ones are ignored, and news of a
// leader counts by term.
func TestTableInsert(t *testing.T) {
	tab := newTable()
	steps := []struct {
		what  string
		route Route
		want  string
	}{
		{"first", Route{Region: region(2, "", "", 1), LeaderStore: 1, Term: 5}, "2[,)v1@1 "},
		{"right half of a split, left unknown yet", Route{Region: region(3, "m", "", 2)}, "3[m,)v2 "},
		{"left half", Route{Region: region(2, "", "m", 2), LeaderStore: 1, Term: 5}, "2[,m)v2@1 3[m,)v2 "},
		{"the region before the split comes late", Route{Region: region(2, "", "", 1), LeaderStore: 2, Term: 9}, "2[,m)v2@1 3[m,)v2 "},
		{"leader of an older term", Route{Region: region(2, "", "m", 2), LeaderStore: 3, Term: 4}, "2[,m)v2@1 3[m,)v2 "},
		{"leader of a newer term", Route{Region: region(2, "", "m", 2), LeaderStore: 3, Term: 6}, "2[,m)v2@3 3[m,)v2 "},
		{"leader unknown is no news", Route{Region: region(2, "", "m", 2), Term: 6}, "2[,m)v2@3 3[m,)v2 "},
		{"middle cut out of the left one", Route{Region: region(4, "c", "f", 3)}, "4[c,f)v3 3[m,)v2 "},
		{"merge", Route{Region: region(3, "f", "", 4), LeaderStore: 2, Term: 1}, "4[c,f)v3 3[f,)v4@2 "},
		{"old neighbour", Route{Region: region(2, "", "m", 2)}, "4[c,f)v3 3[f,)v4@2 "},
		{"region that moved away", Route{Region: region(3, "x", "", 5)}, "4[c,f)v3 3[x,)v5@2 "},
	}
	for _, s := range steps {
		tab.update([]Route{s.route}, false)
		if got := describe(&tab); got != s.want {
			t.Fatalf("%s: got %s, want %s", s.what, got, s.want)
		}
	}
	tab.suspect(2)
	if got := describe(&tab); got != "4[c,f)v3 3[x,)v5 " {
		t.Errorf("after suspicion: %s", got)
	}
	tab.update([]Route{{Region: region(3, "x", "", 5), LeaderStore: 2, Term: 1}}, false)
	if got := describe(&tab); got != "4[c,f)v3 3[x,)v5 " {
		t.Errorf("old news of a suspect leader was believed: %s", got)
	}
	tab.update([]Route{{Region: region(3, "x", "", 5), LeaderStore: 2, Term: 2}}, false)
	if got := describe(&tab); got != "4[c,f)v3 3[x,)v5@2 " {
		t.Errorf("a new term of the suspect was not believed: %s", got)
	}
	// A full update forgets what it does not cover with something as new.
	tab.update([]Route{{Region: region(2, "", "f", 3)}, {Region: region(3, "f", "", 4)}}, true)
	if got := describe(&tab); got != "2[,f)v3 3[x,)v5@2 " {
		t.Errorf("full update: %s", got)
	}
}

// Any order of news about splits ends in the newest tiling, without overlaps on
// the way.
func TestTableConverges(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 7))
		regions := []*metapb.Region{region(2, "", "", 1)}
		history := []*metapb.Region{regions[0]}
		id := uint64(3)
		for range 12 {
			i := r.IntN(len(regions))
			old := regions[i]
			key := fmt.Sprintf("%02d", r.IntN(100))
			if !contains(old, []byte(key), false) || key == string(old.StartKey) {
				continue
			}
			v := old.Epoch.Version + 1
			left, right := region(old.Id, string(old.StartKey), key, v), region(id, key, string(old.EndKey), v)
			id++
			regions = append(append(append([]*metapb.Region{}, regions[:i]...), left, right), regions[i+1:]...)
			history = append(history, left, right)
		}
		r.Shuffle(len(history), func(i, j int) { history[i], history[j] = history[j], history[i] })
		tab := newTable()
		for _, h := range history {
			tab.update([]Route{{Region: h}}, false)
			for i := 1; i < len(tab.entries); i++ {
				prev := tab.entries[i-1].region.EndKey
				if len(prev) == 0 || bytes.Compare(prev, tab.entries[i].region.StartKey) > 0 {
					t.Fatalf("seed %d: overlap in %s", seed, describe(&tab))
				}
			}
		}
		for _, want := range regions {
			for _, before := range []bool{false, true} {
				key := want.StartKey
				if before {
					key = want.EndKey
				}
				if e := tab.find(key, before); e == nil || e.region != want {
					t.Fatalf("seed %d: %q (before %v) not found in %s", seed, key, before, describe(&tab))
				}
			}
		}
		if len(tab.ids) != len(tab.entries) {
			t.Fatalf("seed %d: %d ids for %d entries", seed, len(tab.ids), len(tab.entries))
		}
	}
}

func TestGroupAndSplit(t *testing.T) {
	r := newRouter(t, nil, nil)
	r.Update([]Route{{Region: region(2, "", "c", 1)}, {Region: region(3, "c", "f", 1)}, {Region: region(4, "f", "", 1)}}, true)
	ctx := context.Background()
	keys := [][]byte{[]byte("z"), []byte("a"), []byte("c"), []byte("b"), []byte("a"), []byte("e\xff")}
	groups, err := r.GroupKeys(ctx, keys)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, g := range groups {
		got += fmt.Sprintf("%d:", g.Region.Region.Id)
		for i, k := range g.Keys {
			if string(keys[g.Index[i]]) != string(k) {
				t.Errorf("index of %q is wrong", k)
			}
			got += fmt.Sprintf("%q ", k)
		}
	}
	if want := `2:"a" "a" "b" 3:"c" "e\xff" 4:"z" `; got != want {
		t.Errorf("groups %s, want %s", got, want)
	}
	for _, tc := range []struct {
		start, end string
		limit      int
		want       string
	}{
		{"", "", 0, "2[,c) 3[c,f) 4[f,) "},
		{"b", "d", 0, "2[b,c) 3[c,d) "},
		{"b", "f", 0, "2[b,c) 3[c,f) "},
		{"d", "", 1, "3[d,f) "},
	} {
		parts, err := r.SplitRange(ctx, []byte(tc.start), []byte(tc.end), tc.limit)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, p := range parts {
			got += fmt.Sprintf("%d[%s,%s) ", p.Region.Region.Id, p.Start, p.End)
		}
		if got != tc.want {
			t.Errorf("[%s,%s): %s, want %s", tc.start, tc.end, got, tc.want)
		}
	}
}

func newRouter(t testing.TB, dir Directory, send func(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error)) *Router {
	t.Helper()
	r, err := New(Options{Directory: dir, Sender: senderFunc(send), Clock: env.SystemClock(), Rand: env.SeededRand(1)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

type senderFunc func(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error)

func (f senderFunc) Send(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error) {
	return f(ctx, store, req)
}
