package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"go.etcd.io/raft/v3"
	pb "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, fs engine.FS, o Options) *LogStore {
	t.Helper()
	e, err := engine.Open("log", engine.Options{FS: fs, Kind: engine.LogEngine})
	must(t, err)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := Open(e, o)
	must(t, err)
	return s
}

func entry(index, term uint64, data string) *pb.Entry {
	e := &pb.Entry{Index: new(index), Term: new(term), Type: new(pb.EntryNormal)}
	if data != "" {
		e.Data = []byte(data)
	}
	return e
}

// run returns entries from…to of one term.
func run(from, to, term uint64) (out []*pb.Entry) {
	for i := from; i <= to; i++ {
		out = append(out, entry(i, term, fmt.Sprintf("%d.%d", term, i)))
	}
	return out
}

func hard(term, vote, commit uint64) *pb.HardState {
	return &pb.HardState{Term: new(term), Vote: new(vote), Commit: new(commit)}
}

func write(t testing.TB, s *LogStore, region uint64, hs *pb.HardState, entries []*pb.Entry) {
	t.Helper()
	w := s.NewBatch()
	defer w.Close()
	must(t, w.Append(region, hs, entries))
	must(t, w.Commit())
}

// describe writes a log as first…last and its terms and data, read through Entries.
func describe(t testing.TB, s *LogStore, region uint64) string {
	t.Helper()
	g, err := s.Group(region)
	must(t, err)
	first, _ := g.FirstIndex()
	last, _ := g.LastIndex()
	hs, _, err := g.InitialState()
	must(t, err)
	out := fmt.Sprintf("%d…%d hs=%d/%d/%d", first, last, hs.GetTerm(), hs.GetVote(), hs.GetCommit())
	entries, err := g.Entries(first, last+1, math.MaxUint64)
	must(t, err)
	if uint64(len(entries)) != last+1-first {
		t.Fatalf("%s: %d entries", out, len(entries))
	}
	for i, e := range entries {
		term, err := g.Term(e.GetIndex())
		must(t, err)
		if e.GetIndex() != first+uint64(i) || term != e.GetTerm() {
			t.Fatalf("entry %d: index %d, term %d, Term() %d", i, e.GetIndex(), e.GetTerm(), term)
		}
		out += " " + string(e.Data)
	}
	return out
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Appends, overwrites and several regions in one batch; the same after reopening.
func TestAppend(t *testing.T) {
	fs := engine.NewCrashableMemFS()
	s := open(t, fs, Options{})
	w := s.NewBatch()
	must(t, w.Append(1, hard(1, 2, 0), run(1, 5, 1)))
	must(t, w.Append(2, nil, run(1, 2, 7)))
	must(t, w.Append(1, hard(2, 3, 2), run(4, 6, 2)))
	must(t, w.Append(2, hard(7, 0, 2), nil))
	must(t, w.Commit())
	must(t, w.Close())
	check := func(s *LogStore) {
		t.Helper()
		want(t, describe(t, s, 1), "1…6 hs=2/3/2 1.1 1.2 1.3 2.4 2.5 2.6")
		want(t, describe(t, s, 2), "1…2 hs=7/0/2 7.1 7.2")
		want(t, describe(t, s, 3), "1…0 hs=0/0/0")
	}
	check(s)
	check(open(t, engine.CrashClone(fs, 0, 1), Options{}))
	// A shorter suffix replaces a longer one.
	write(t, s, 1, nil, run(3, 4, 3))
	want(t, describe(t, s, 1), "1…4 hs=2/3/2 1.1 1.2 3.3 3.4")
	s = open(t, engine.CrashClone(fs, 0, 1), Options{})
	want(t, describe(t, s, 1), "1…4 hs=2/3/2 1.1 1.2 3.3 3.4")
	ids, err := s.Regions()
	must(t, err)
	want(t, fmt.Sprint(ids), "[1 2]")
}

// What breaks the rules is refused before anything is written.
func TestAppendRefuses(t *testing.T) {
	s := open(t, engine.NewMemFS(), Options{})
	write(t, s, 1, nil, run(1, 5, 1))
	must(t, s.CompactTo(1, 2))
	for name, f := range map[string]func(w *WriteBatch) error{
		"gap inside":        func(w *WriteBatch) error { return w.Append(1, nil, append(run(6, 6, 1), run(8, 8, 1)...)) },
		"index zero":        func(w *WriteBatch) error { return w.Append(1, nil, run(0, 0, 1)) },
		"gap to the log":    func(w *WriteBatch) error { return w.Append(1, nil, run(7, 8, 1)) },
		"compacted":         func(w *WriteBatch) error { return w.Append(1, nil, run(2, 8, 1)) },
		"commit above last": func(w *WriteBatch) error { return w.Append(1, hard(1, 0, 6), nil) },
		"gap inside a batch": func(w *WriteBatch) error {
			return errors.Join(w.Append(1, nil, run(6, 6, 1)), w.Append(1, nil, run(8, 8, 1)))
		},
		"second commit":       func(w *WriteBatch) error { return w.Commit() },
		"wait before a start": func(w *WriteBatch) error { return w.Wait() },
	} {
		w := s.NewBatch()
		if f(w) == nil && w.Commit() == nil {
			t.Errorf("%s was accepted", name)
		}
		must(t, w.Close())
	}
	want(t, describe(t, s, 1), "3…5 hs=0/0/0 1.3 1.4 1.5")
}

// A batch is visible when it is written, and durable after Wait.
func TestCommitAsync(t *testing.T) {
	fs := engine.NewCrashableMemFS()
	s := open(t, fs, Options{})
	w1, w2 := s.NewBatch(), s.NewBatch()
	must(t, w1.Append(1, hard(1, 1, 0), run(1, 2, 1)))
	must(t, w2.Append(1, hard(1, 1, 2), run(3, 3, 1)))
	must(t, w1.CommitAsync())
	want(t, describe(t, s, 1), "1…2 hs=1/1/0 1.1 1.2")
	must(t, w2.CommitAsync())
	if w1.Close() == nil {
		t.Error("closed during its sync")
	}
	must(t, w2.Wait())
	want(t, describe(t, open(t, engine.CrashClone(fs, 0, 1), Options{}), 1), "1…3 hs=1/1/2 1.1 1.2 1.3")
	must(t, w1.Wait())
	must(t, w1.Close())
	must(t, w2.Close())
	// Without a sync it may be lost, without a trace.
	w3 := s.NewBatch()
	must(t, w3.Append(1, nil, run(4, 4, 1)))
	must(t, w3.CommitNoSync())
	must(t, w3.Close())
	want(t, describe(t, s, 1), "1…4 hs=1/1/2 1.1 1.2 1.3 1.4")
	want(t, describe(t, open(t, engine.CrashClone(fs, 0, 1), Options{}), 1), "1…3 hs=1/1/2 1.1 1.2 1.3")
	empty := s.NewBatch()
	must(t, empty.Commit())
	must(t, empty.Close())
}

// The bounds of raft.Storage, with and without the cache.
func TestStorageBounds(t *testing.T) {
	for _, cacheBytes := range []int64{0, 1, 600} {
		s := open(t, engine.NewMemFS(), Options{CacheBytes: cacheBytes})
		write(t, s, 1, nil, run(1, 10, 1))
		must(t, s.CompactTo(1, 3))
		g, err := s.Group(1)
		must(t, err)
		if term, err := g.Term(3); term != 1 || err != nil {
			t.Errorf("term of the truncated index: %d, %v", term, err)
		}
		if _, err := g.Term(2); !errors.Is(err, raft.ErrCompacted) {
			t.Errorf("term below it: %v", err)
		}
		if _, err := g.Term(11); !errors.Is(err, raft.ErrUnavailable) {
			t.Errorf("term behind the end: %v", err)
		}
		if _, err := g.Entries(3, 5, 100); !errors.Is(err, raft.ErrCompacted) {
			t.Errorf("compacted entries: %v", err)
		}
		if _, err := g.Entries(5, 12, 100); !errors.Is(err, raft.ErrUnavailable) {
			t.Errorf("entries behind the end: %v", err)
		}
		one := uint64(proto.Size(entry(4, 1, "1.4")))
		for size, n := range map[uint64]int{0: 1, one: 1, 2*one - 1: 1, 2 * one: 2, math.MaxUint64: 7} {
			if entries, err := g.Entries(4, 11, size); err != nil || len(entries) != n {
				t.Errorf("cache %d, size %d: %d entries, want %d, err %v", cacheBytes, size, len(entries), n, err)
			}
		}
		// The slice is the caller's.
		a, _ := g.Entries(4, 6, math.MaxUint64)
		_ = append(a, entry(99, 9, "x"))
		want(t, describe(t, s, 1), "4…10 hs=0/0/0 1.4 1.5 1.6 1.7 1.8 1.9 1.10")
		if _, err := g.Snapshot(); !errors.Is(err, raft.ErrSnapshotTemporarilyUnavailable) {
			t.Errorf("snapshot: %v", err)
		}
	}
}

// The cache keeps its bound over many groups and gives back what leaves the log.
func TestCacheBound(t *testing.T) {
	const limit = 20000
	s := open(t, engine.NewMemFS(), Options{CacheBytes: limit})
	for i := range uint64(50) {
		for region := range uint64(20) {
			write(t, s, region+1, nil, run(i+1, i+1, 1))
			if c := s.CachedBytes(); c > limit || c < 0 {
				t.Fatalf("cache holds %d bytes", c)
			}
		}
	}
	for region := range uint64(20) {
		switch region % 3 {
		case 0:
			must(t, s.CompactTo(region+1, 50))
		case 1:
			must(t, s.ResetTo(region+1, 60, 2))
		default:
			must(t, s.Destroy(region+1, Tombstone{}))
		}
		if region%3 == 0 {
			g, _ := s.Group(region + 1)
			if n := g.SizeBytes(); n != 0 {
				t.Errorf("an empty log has %d bytes", n)
			}
		}
	}
	if c := s.CachedBytes(); c != 0 {
		t.Errorf("cache of empty logs holds %d bytes", c)
	}
}

// Rule C2: a log that ends below the applied index, or disagrees with it, starts
// again there, and commit is raised, durably. A log that cannot be trusted is an
// error.
func TestRecover(t *testing.T) {
	for _, c := range []struct {
		name          string
		compact       uint64
		applied, term uint64
		want          string
		reset         bool
		err           bool
	}{
		{"applied is the commit", 0, 5, 1, "1…8 hs=2/1/5 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8", false, false},
		{"applied above the commit", 0, 7, 1, "1…8 hs=2/1/7 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8", false, false},
		{"applied at the end", 0, 8, 1, "1…8 hs=2/1/8 1.1 1.2 1.3 1.4 1.5 1.6 1.7 1.8", false, false},
		{"applied behind the end", 0, 20, 2, "21…20 hs=2/1/20", true, false},
		{"of a newer term", 0, 20, 4, "21…20 hs=4/0/20", true, false},
		{"another term there", 0, 7, 2, "8…7 hs=2/1/7", true, false},
		{"at the compacted index", 5, 5, 1, "6…8 hs=2/1/5 1.6 1.7 1.8", false, false},
		{"below the compacted index", 5, 4, 1, "", false, true},
		{"disagrees below the commit", 0, 4, 2, "", false, true},
	} {
		fs := engine.NewCrashableMemFS()
		s := open(t, fs, Options{})
		write(t, s, 9, hard(2, 1, 5), run(1, 8, 1))
		if c.compact > 0 {
			must(t, s.CompactTo(9, c.compact))
			write(t, s, 9, hard(2, 1, 5), nil)
		}
		fs = engine.CrashClone(fs, 0, 1)
		s = open(t, fs, Options{})
		got, err := s.Recover(9, c.applied, c.term)
		if c.err {
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil || got.Reset != c.reset || got.HardState.GetCommit() < c.applied {
			t.Errorf("%s: %+v, %v", c.name, got, err)
			continue
		}
		want(t, c.name+": "+describe(t, s, 9), c.name+": "+c.want)
		must(t, s.SyncRecovered())
		crashed := open(t, engine.CrashClone(fs, 0, 1), Options{})
		want(t, c.name+", after a crash: "+describe(t, crashed, 9), c.name+", after a crash: "+c.want)
	}
	// A new region.
	s := open(t, engine.NewMemFS(), Options{})
	got, err := s.Recover(1, 5, 5)
	if err != nil || got.First != 6 || got.Last != 5 || !got.Reset {
		t.Errorf("new region: %+v, %v", got, err)
	}
	got, err = s.Recover(2, 0, 0)
	if err != nil || got.First != 1 || got.Last != 0 || got.Reset {
		t.Errorf("unborn region: %+v, %v", got, err)
	}
}

// A raft node starts from what Recover leaves.
func TestRecoveredStateStartsRaft(t *testing.T) {
	s := open(t, engine.NewMemFS(), Options{})
	write(t, s, 1, hard(1, 1, 2), run(1, 4, 1))
	_, err := s.Recover(1, 4, 1)
	must(t, err)
	g, err := s.Group(1)
	must(t, err)
	g.SetConfState(&pb.ConfState{Voters: []uint64{1}})
	n, err := raft.NewRawNode(&raft.Config{ID: 1, ElectionTick: 10, HeartbeatTick: 1, Storage: g, Applied: 4,
		MaxSizePerMsg: 1 << 20, MaxInflightMsgs: 10, AsyncStorageWrites: true, Logger: &raft.DefaultLogger{Logger: log.New(io.Discard, "", 0)}})
	must(t, err)
	if st := n.BasicStatus(); st.HardState.GetCommit() != 4 {
		t.Errorf("status %+v", st)
	}
}

// A tombstone is durable with the removal, survives, only grows, and lets a new
// peer begin.
func TestDestroy(t *testing.T) {
	fs := engine.NewCrashableMemFS()
	s := open(t, fs, Options{})
	write(t, s, 1, hard(1, 1, 1), run(1, 3, 1))
	write(t, s, 2, nil, run(1, 1, 1))
	old, _ := s.Group(1)
	stale := s.NewBatch()
	must(t, stale.Append(1, nil, run(4, 4, 1)))
	must(t, s.Destroy(1, Tombstone{MinPeerID: 7}))
	must(t, s.Destroy(1, Tombstone{MinPeerID: 3}))
	if _, err := old.LastIndex(); !errors.Is(err, ErrDestroyed) {
		t.Errorf("old handle: %v", err)
	}
	if err := stale.Commit(); !errors.Is(err, ErrDestroyed) {
		t.Errorf("late append: %v", err)
	}
	must(t, stale.Close())
	for _, s := range []*LogStore{s, open(t, engine.CrashClone(fs, 0, 1), Options{})} {
		if ts, found, err := s.Tombstone(1); ts.MinPeerID != 7 || !found || err != nil {
			t.Errorf("tombstone %+v, %v, %v", ts, found, err)
		}
		if _, found, err := s.Tombstone(2); found || err != nil {
			t.Errorf("tombstone of a living region: %v, %v", found, err)
		}
		ids, err := s.Regions()
		must(t, err)
		want(t, fmt.Sprint(ids), "[2]")
		want(t, describe(t, s, 1), "1…0 hs=0/0/0")
	}
	must(t, s.ResetTo(1, 10, 3))
	want(t, describe(t, s, 1), "11…10 hs=3/0/10")
}

// Damage is an error that names region and entry, and never a panic.
func TestCorruption(t *testing.T) {
	s := open(t, engine.NewMemFS(), Options{CacheBytes: 1})
	write(t, s, 7, hard(1, 1, 1), run(1, 4, 1))
	damage := func(key []byte, change func([]byte) []byte) {
		v, found, err := s.eng.Get(key)
		must(t, err)
		if !found {
			t.Fatalf("no %s", keys.FormatLog(key))
		}
		b := s.eng.NewBatch()
		defer b.Close()
		must(t, b.Set(key, change(v)))
		must(t, s.eng.Apply(b, false))
	}
	damage(keys.LogEntryKey(7, 2), func(v []byte) []byte { v[len(v)/2] ^= 1; return v })
	g, err := s.Group(7)
	must(t, err)
	if _, err := g.Entries(1, 5, math.MaxUint64); !errors.Is(err, ErrCorrupt) || !bytes.Contains([]byte(err.Error()), []byte("/log/7/entry/2")) {
		t.Errorf("flipped bit: %v", err)
	}
	// A whole entry in another's place.
	v, _, err := s.eng.Get(keys.LogEntryKey(7, 3))
	must(t, err)
	damage(keys.LogEntryKey(7, 2), func([]byte) []byte { return v })
	if _, err := g.Term(2); !errors.Is(err, ErrCorrupt) {
		t.Errorf("misplaced entry: %v", err)
	}
	// A lost entry, found when the store is opened.
	b := s.eng.NewBatch()
	defer b.Close()
	must(t, b.Delete(keys.LogEntryKey(7, 2)))
	must(t, s.eng.Apply(b, false))
	if _, err := g.Entries(1, 5, math.MaxUint64); !errors.Is(err, ErrCorrupt) {
		t.Errorf("lost entry: %v", err)
	}
	again, err := Open(s.eng, Options{})
	must(t, err)
	if _, err := again.Group(7); !errors.Is(err, ErrCorrupt) {
		t.Errorf("lost entry at open: %v", err)
	}
	damage(keys.LogHardStateKey(7), func(v []byte) []byte { return v[:len(v)-1] })
	if _, err := again.Recover(7, 1, 1); !errors.Is(err, ErrCorrupt) {
		t.Errorf("hard state: %v", err)
	}
}

// After a crash the log is what some prefix of the written batches left, at least
// the synced ones, whatever part of the unsynced bytes survived.
func TestCrashLeavesAPrefix(t *testing.T) {
	for seed := range uint64(15) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		fs := engine.NewCrashableMemFS()
		s := open(t, fs, Options{CacheBytes: 500})
		states := []string{describe(t, s, 1)}
		synced := 0
		last, term := uint64(0), uint64(1)
		for range 40 {
			w := s.NewBatch()
			from := last + 1
			if last > 0 && rnd.IntN(4) == 0 {
				term++
				from = last - min(last-1, uint64(rnd.IntN(3)))
			}
			last = from + uint64(rnd.IntN(3))
			must(t, w.Append(1, hard(term, 1, 0), run(from, last, term)))
			must(t, w.Append(2, nil, nil))
			if rnd.IntN(3) == 0 {
				must(t, w.Commit())
				states = append(states, describe(t, s, 1))
				synced = len(states) - 1
			} else {
				must(t, w.CommitNoSync())
				states = append(states, describe(t, s, 1))
			}
			must(t, w.Close())
		}
		got := describe(t, open(t, engine.CrashClone(fs, rnd.IntN(101), seed), Options{}), 1)
		found := -1
		for i, st := range states {
			if st == got {
				found = i
			}
		}
		if found < synced {
			t.Errorf("seed %d: state %d of %d, synced was %d: %s", seed, found, len(states), synced, got)
		}
	}
}

// Many goroutines, each with its own region, share the store.
func TestConcurrentRegions(t *testing.T) {
	s := open(t, engine.NewMemFS(), Options{CacheBytes: 5000})
	var wg sync.WaitGroup
	for region := range uint64(8) {
		wg.Go(func() {
			for i := uint64(1); i <= 60; i++ {
				w := s.NewBatch()
				if err := errors.Join(w.Append(region, hard(1, 1, i-1), run(i, i, 1)), w.Commit(), w.Close()); err != nil {
					t.Error(err)
					return
				}
				g, err := s.Group(region)
				if err != nil {
					t.Error(err)
					return
				}
				first, _ := g.FirstIndex()
				if e, err := g.Entries(first, i+1, math.MaxUint64); err != nil || uint64(len(e)) != i+1-first {
					t.Errorf("region %d: %d entries from %d, %v", region, len(e), first, err)
				}
				if i%10 == 0 {
					if err := s.CompactTo(region, i-5); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
}

func FuzzDecodeEntry(f *testing.F) {
	key := keys.LogEntryKey(7, 9)
	f.Add(appendEntry(nil, key, entry(9, 3, "data")))
	f.Add(appendEntry(nil, key, entry(9, 3, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decodeEntry(key, b, 9)
		if err != nil {
			// Beyond the checksum, which the fuzzer does not guess.
			sealed := appendSum(bytes.Clone(b), 0, key, castagnoli())
			if e, err = decodeEntry(key, sealed, 9); err != nil {
				return
			}
		}
		again, err := decodeEntry(key, appendEntry(nil, key, e), 9)
		if err != nil || !proto.Equal(e, again) {
			t.Fatalf("%x: %v, again %v, %v", b, e, again, err)
		}
		if FormatKV(key, b) == "" {
			t.Fatal("prints as nothing")
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	for _, regions := range []uint64{1, 100} {
		b.Run(fmt.Sprintf("regions=%d", regions), func(b *testing.B) {
			s := open(b, engine.NewMemFS(), Options{})
			data := string(make([]byte, 256))
			b.ReportAllocs()
			for i := range b.N {
				w := s.NewBatch()
				for r := range regions {
					must(b, w.Append(r, hard(1, 1, uint64(i)), []*pb.Entry{entry(uint64(i)+1, 1, data)}))
				}
				must(b, w.Commit())
				must(b, w.Close())
			}
		})
	}
}
