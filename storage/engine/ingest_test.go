package engine

import (
	"testing"

	"github.com/quorate-db/quorate/storage/keys"
)

func sst(t testing.TB, e *Engine, name string, fill func(w *SSTWriter)) string {
	t.Helper()
	w, err := e.NewSSTWriter(e.StagingPath(name))
	must(t, err)
	defer w.Abort()
	fill(w)
	_, err = w.Finish()
	must(t, err)
	return w.Path()
}

// An ingest replaces the excised span and, by range deletions, others, in one
// step; the file's own keys are not deleted by its range deletions.
func TestIngestAndExcise(t *testing.T) {
	fs := NewCrashableMemFS()
	e := open(t, fs, StateEngine)
	set(t, e, false, "a", "old", "b", "old", "c", "old", "m", "old", "n", "old", "z", "old")
	path := sst(t, e, "1.sst", func(w *SSTWriter) {
		must(t, w.Set(lock("b"), []byte("new")))
		must(t, w.DeleteRange(lock("m"), lock("z")))
		must(t, w.Set(lock("n"), []byte("new")))
	})
	must(t, e.IngestAndExcise(t.Context(), []string{path}, keys.Span{Start: lock("b"), End: lock("d")}))
	want(t, dump(t, e), "a=old b=new n=new z=old")
	// All of it survives a crash, the unsynced writes before it as well.
	want(t, dump(t, open(t, CrashClone(fs, 0, 1), StateEngine)), "a=old b=new n=new z=old")
}

// An ingest does not overtake earlier unsynced writes to other keys: otherwise a
// crash keeps the ingest and loses them.
func TestIngestSyncsEarlierWrites(t *testing.T) {
	fs := NewCrashableMemFS()
	e := open(t, fs, StateEngine)
	set(t, e, false, "a", "1")
	path := sst(t, e, "1.sst", func(w *SSTWriter) { must(t, w.Set(lock("x"), []byte("2"))) })
	must(t, e.IngestAndExcise(t.Context(), []string{path}, keys.Span{Start: lock("x"), End: lock("y")}))
	want(t, dump(t, open(t, CrashClone(fs, 0, 1), StateEngine)), "a=1 x=2")
}

// Mistakes with files are errors and leave nothing behind.
func TestSSTWriterErrors(t *testing.T) {
	fs := NewMemFS()
	e := open(t, fs, StateEngine)
	w, err := e.NewSSTWriter(e.StagingPath("1.sst"))
	must(t, err)
	if _, err := w.Finish(); err == nil {
		t.Error("an empty file can be finished")
	}
	w, err = e.NewSSTWriter(e.StagingPath("2.sst"))
	must(t, err)
	must(t, w.Set(lock("b"), nil))
	if err := w.Set(lock("a"), nil); err == nil {
		t.Error("keys can be out of order")
	}
	if err := w.DeleteRange(lock("b"), lock("a")); err == nil {
		t.Error("a range can be empty")
	}
	w.Abort()
	names, err := fs.List(e.fs.PathJoin(e.Dir(), stagingDir))
	must(t, err)
	if len(names) != 0 {
		t.Errorf("left behind: %v", names)
	}
	if err := e.IngestAndExcise(t.Context(), []string{"nowhere.sst"}, keys.Span{Start: lock("a"), End: lock("b")}); err == nil {
		t.Error("a missing file can be ingested")
	}
	if err := e.IngestAndExcise(t.Context(), nil, keys.Span{Start: lock("b"), End: lock("a")}); err == nil {
		t.Error("a reversed span can be excised")
	}
	must(t, e.Err())
}
