package engine

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/quorate-db/quorate/storage/keys"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, fs FS, kind Kind) *Engine {
	t.Helper()
	e, err := Open("store/"+kind.String(), Options{FS: fs, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

func lock(u string) []byte { return keys.Lock(keys.User(u)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func set(t testing.TB, e *Engine, sync bool, kv ...string) {
	t.Helper()
	b := e.NewBatch()
	defer b.Close()
	for i := 0; i < len(kv); i += 2 {
		must(t, b.Set(lock(kv[i]), []byte(kv[i+1])))
	}
	must(t, e.Apply(b, sync))
}

// dump lists the lock keys of a reader.
func dump(t testing.TB, r Reader) string {
	t.Helper()
	it, err := r.NewIter(IterOptions{})
	must(t, err)
	defer it.Close()
	var out []string
	for ok := it.First(); ok; ok = it.Next() {
		u, err := keys.DecodeUser(it.Key(), keys.KindLock)
		must(t, err)
		out = append(out, string(u)+"="+string(it.Value()))
	}
	must(t, it.Error())
	return strings.Join(out, " ")
}

func want(t testing.TB, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Batches, snapshots and indexed batches see what they should.
func TestReadYourWrites(t *testing.T) {
	e := open(t, NewMemFS(), StateEngine)
	set(t, e, false, "a", "1", "b", "2", "c", "3")
	s := e.NewSnapshot()
	defer s.Close()
	b := e.NewIndexedBatch()
	defer b.Close()
	must(t, b.Set(lock("d"), []byte("4")))
	must(t, b.Delete(lock("a")))
	must(t, b.DeleteRange(lock("b"), lock("c")))
	want(t, dump(t, b), "c=3 d=4")
	want(t, dump(t, e), "a=1 b=2 c=3")
	if _, found, err := b.Get(lock("a")); found || err != nil {
		t.Errorf("deleted key: found=%v, err=%v", found, err)
	}
	must(t, e.Apply(b, true))
	want(t, dump(t, e), "c=3 d=4")
	want(t, dump(t, s), "a=1 b=2 c=3")
	must(t, e.DeleteRange(lock("c"), lock("d")))
	want(t, dump(t, e), "d=4")
	if v, found, err := e.Get(lock("d")); string(v) != "4" || !found || err != nil {
		t.Errorf("get d: %q, %v, %v", v, found, err)
	}
	if _, _, err := e.NewBatch().Get(lock("d")); err == nil {
		t.Error("a batch that is not indexed can be read")
	}
}

// A batch's bytes do the same on another engine.
func TestReprTravels(t *testing.T) {
	e1, e2 := open(t, NewMemFS(), StateEngine), open(t, NewMemFS(), StateEngine)
	set(t, e2, false, "x", "old", "y", "old")
	b1 := e1.NewBatch()
	defer b1.Close()
	must(t, b1.Set(lock("a"), nil))
	must(t, b1.DeleteRange(lock("x"), lock("y")))
	must(t, b1.Delete(lock("y")))
	repr := append([]byte(nil), b1.Repr()...)

	for _, indexed := range []bool{false, true} {
		b2 := e2.NewBatch()
		if indexed {
			b2 = e2.NewIndexedBatch()
		}
		must(t, b2.Set(lock("z"), []byte("9")))
		must(t, b2.ApplyRepr(repr))
		must(t, b2.ApplyRepr(EmptyRepr()))
		if b2.Count() != 4 {
			t.Errorf("%d operations, want 4", b2.Count())
		}
		if indexed {
			want(t, dump(t, b2), "a= z=9")
		}
		must(t, b2.SetRepr(repr))
		if b2.Count() != 3 {
			t.Errorf("%d operations after SetRepr, want 3", b2.Count())
		}
		if indexed {
			must(t, e2.Apply(b2, false))
		}
		must(t, b2.Close())
		// The bytes have not been taken over.
		must(t, CheckRepr(repr))
	}
	want(t, dump(t, e2), "a=")
	var ops []OpKind
	must(t, VisitRepr(repr, func(o Op) error { ops = append(ops, o.Kind); return nil }))
	want(t, fmt.Sprint(ops), fmt.Sprint([]OpKind{OpSet, OpDeleteRange, OpDelete}))
}

// Bytes that are no batch are an error that leaves the batch as it was.
func FuzzApplyRepr(f *testing.F) {
	e, err := Open("fuzz", Options{FS: NewMemFS(), Kind: StateEngine})
	must(f, err)
	f.Cleanup(func() { e.Close() })
	b := e.NewBatch()
	must(f, b.Set(lock("a"), []byte("1")))
	must(f, b.DeleteRange(lock("x"), lock("y")))
	good := append([]byte(nil), b.Repr()...)
	b.Close()
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte{})
	f.Add(append(EmptyRepr(), 0))
	f.Fuzz(func(t *testing.T, repr []byte) {
		for _, b := range []*Batch{e.NewBatch(), e.NewIndexedBatch()} {
			must(t, b.Set(lock("q"), []byte("1")))
			before := string(b.Repr())
			if err := b.ApplyRepr(repr); err != nil {
				if !errors.Is(err, ErrBadRepr) || string(b.Repr()) != before {
					t.Fatalf("%x: %v", repr, err)
				}
			} else {
				must(t, e.Apply(b, false))
			}
			b.Close()
		}
	})
}

// What was synced survives a crash, what was not is lost, in order.
func TestCrash(t *testing.T) {
	for _, kind := range []Kind{StateEngine, LogEngine} {
		fs := NewCrashableMemFS()
		e := open(t, fs, kind)
		set(t, e, true, "a", "1")
		set(t, e, false, "b", "2")
		lost := CrashClone(fs, 0, 1)
		must(t, e.Sync())
		set(t, e, false, "c", "3")
		kept := CrashClone(fs, 0, 1)
		want(t, dump(t, open(t, lost, kind)), "a=1")
		want(t, dump(t, open(t, kept, kind)), "a=1 b=2")
		for seed := range uint64(20) {
			got := dump(t, open(t, CrashClone(fs, 50, seed), kind))
			if got != "a=1 b=2" && got != "a=1 b=2 c=3" {
				t.Errorf("%v, seed %d: %q", kind, seed, got)
			}
		}
	}
}

// A pipelined batch is visible at once and durable after SyncWait; a later
// SyncWait covers an earlier unsynced write.
func TestApplyNoSyncWait(t *testing.T) {
	fs := NewCrashableMemFS()
	e := open(t, fs, LogEngine)
	set(t, e, false, "a", "1")
	b1, b2 := e.NewBatch(), e.NewBatch()
	must(t, b1.Set(lock("b"), []byte("2")))
	must(t, b2.Set(lock("c"), []byte("3")))
	must(t, e.ApplyNoSyncWait(b1))
	must(t, e.ApplyNoSyncWait(b2))
	want(t, dump(t, e), "a=1 b=2 c=3")
	if b1.Close() == nil {
		t.Error("a batch can be closed during its sync")
	}
	must(t, b1.SyncWait())
	must(t, b2.SyncWait())
	must(t, b1.Close())
	must(t, b2.Close())
	want(t, dump(t, open(t, CrashClone(fs, 0, 1), LogEngine)), "a=1 b=2 c=3")
	if err := b1.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	empty := e.NewBatch()
	defer empty.Close()
	if e.ApplyNoSyncWait(empty) == nil {
		t.Error("an empty batch can be waited for")
	}
}

// A store that was just created survives a crash, with its directories.
func TestCreatedStoreSurvivesCrash(t *testing.T) {
	fs := NewCrashableMemFS()
	e, err := Open("a/b/c", Options{FS: fs, Kind: StateEngine})
	must(t, err)
	set(t, e, true, "a", "1")
	clone := CrashClone(fs, 0, 1)
	must(t, e.Close())
	if _, err := clone.Stat("a/b/c"); err != nil {
		t.Fatal(err)
	}
	e, err = Open("a/b/c", Options{FS: clone, Kind: StateEngine})
	must(t, err)
	want(t, dump(t, e), "a=1")
	must(t, e.Close())
}

// The format marker keeps out what this program cannot read.
func TestFormatMarker(t *testing.T) {
	fs := NewMemFS()
	e := open(t, fs, StateEngine)
	dir := e.Dir()
	must(t, e.Close())
	must(t, e.Close()) // harmless

	if _, err := Open(dir, Options{FS: fs, Kind: LogEngine}); err == nil || !strings.Contains(err.Error(), "holds a state engine") {
		t.Errorf("opened as another kind: %v", err)
	}
	path := fs.PathJoin(dir, markerName)
	write := func(text string) {
		f, err := fs.Create(path, WriteCategory)
		must(t, err)
		_, err = io.WriteString(f, text)
		must(t, err)
		must(t, f.Close())
	}
	write("quorate state engine, format 2 and more\n")
	if _, err := Open(dir, Options{FS: fs, Kind: StateEngine}); err == nil || !strings.Contains(err.Error(), "start the newer version") {
		t.Errorf("newer format: %v", err)
	}
	write("nonsense")
	if _, err := Open(dir, Options{FS: fs, Kind: StateEngine}); err == nil || !strings.Contains(err.Error(), "unreadable") {
		t.Errorf("bad marker: %v", err)
	}
	must(t, fs.Remove(path))
	if _, err := Open(dir, Options{FS: fs, Kind: StateEngine}); err == nil || !strings.Contains(err.Error(), "empty directory") {
		t.Errorf("foreign directory: %v", err)
	}
	if _, err := Open("x", Options{FS: fs}); err == nil {
		t.Error("opened without a kind")
	}
}

// Every call after Close says so, and none panics.
func TestClosed(t *testing.T) {
	e := open(t, NewMemFS(), StateEngine)
	must(t, e.Close())
	_, _, getErr := e.Get(lock("a"))
	_, iterErr := e.NewIter(IterOptions{})
	s := e.NewSnapshot()
	_, _, snapErr := s.Get(lock("a"))
	_, duErr := e.DiskUsage(nil, []byte("z"))
	for i, err := range []error{
		getErr, iterErr, snapErr, duErr, e.Sync(), e.Flush(), e.Checkpoint("x"), e.DeleteRange(lock("a"), lock("b")),
		e.IngestAndExcise(t.Context(), nil, keys.Span{}), e.Compact(t.Context(), lock("a"), lock("b")),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	must(t, s.Close())
}

// A checkpoint is a store of its own, with everything written before.
func TestCheckpoint(t *testing.T) {
	fs := NewMemFS()
	e := open(t, fs, StateEngine)
	set(t, e, false, "a", "1")
	must(t, e.Checkpoint("copy"))
	set(t, e, false, "b", "2")
	c, err := Open("copy", Options{FS: fs, Kind: StateEngine})
	must(t, err)
	defer c.Close()
	want(t, dump(t, c), "a=1")
}

// Two engines share a cache, and an engine works on the real file system.
func TestRealFSAndSharedCache(t *testing.T) {
	c := NewCache(1 << 20)
	defer c.Close()
	dir := t.TempDir()
	for _, kind := range []Kind{StateEngine, LogEngine} {
		e, err := Open(dir+"/n1/"+kind.String(), Options{Kind: kind, Cache: c})
		must(t, err)
		set(t, e, true, "a", "1")
		must(t, e.Flush())
		want(t, dump(t, e), "a=1")
		if m := e.Metrics(); m.DiskBytes == 0 || m.Files == 0 {
			t.Errorf("metrics: %+v", m)
		}
		must(t, e.Close())
	}
}
