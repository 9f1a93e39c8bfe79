package engine

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faultyFS fails operations of files that end in suffix while on is set.
func faultyFS(base FS, on *atomic.Bool, suffix string, kinds ...errorfs.OpKind) FS {
	return errorfs.Wrap(base, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if !on.Load() || !strings.HasSuffix(op.Path, suffix) {
			return nil
		}
		for _, k := range kinds {
			if op.Kind == k {
				return errorfs.ErrInjected
			}
		}
		return nil
	}))
}

// An error while syncing the write-ahead log stops the engine: the hook hears of
// it once, the call fails, and so does every later one, also when the disk has
// recovered.
func TestSyncErrorIsFatal(t *testing.T) {
	for name, write := range map[string]func(*Engine) error{
		"apply synced": func(e *Engine) error {
			b := e.NewBatch()
			defer b.Close()
			return errors.Join(b.Set(lock("b"), nil), e.Apply(b, true))
		},
		"pipelined": func(e *Engine) error {
			b := e.NewBatch()
			if err := errors.Join(b.Set(lock("b"), nil), e.ApplyNoSyncWait(b)); err != nil {
				return err
			}
			return b.SyncWait()
		},
		"sync": func(e *Engine) error { return e.Sync() },
	} {
		t.Run(name, func(t *testing.T) {
			var on atomic.Bool
			var hooks atomic.Int32
			e, err := Open("s", Options{
				FS: faultyFS(NewMemFS(), &on, ".log", errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo), Kind: LogEngine,
				OnFatal: func(error) { hooks.Add(1) },
			})
			must(t, err)
			defer e.Close()
			set(t, e, true, "a", "1")
			on.Store(true)
			if err := write(e); !errors.Is(err, ErrFatal) || !errors.Is(err, errorfs.ErrInjected) {
				t.Errorf("first error: %v", err)
			}
			on.Store(false)
			b := e.NewBatch()
			defer b.Close()
			must(t, b.Set(lock("c"), nil))
			if err := e.Apply(b, true); !errors.Is(err, ErrFatal) {
				t.Errorf("write after it: %v", err)
			}
			if _, _, err := e.Get(lock("a")); !errors.Is(err, ErrFatal) {
				t.Errorf("read after it: %v", err)
			}
			if hooks.Load() != 1 {
				t.Errorf("hook was called %d times", hooks.Load())
			}
		})
	}
}

// An error of a flush in the background stops the engine too, instead of being
// tried again.
func TestFlushErrorIsFatal(t *testing.T) {
	var on atomic.Bool
	fatal := make(chan error, 1)
	e, err := Open("s", Options{
		FS: faultyFS(NewMemFS(), &on, ".sst", errorfs.OpFileWrite, errorfs.OpCreate), Kind: StateEngine,
		OnFatal: func(err error) { fatal <- err },
	})
	must(t, err)
	set(t, e, false, "a", "1")
	on.Store(true)
	done := make(chan error, 1)
	go func() { done <- e.Flush() }()
	if err := <-fatal; !errors.Is(err, errorfs.ErrInjected) {
		t.Errorf("hook got %v", err)
	}
	if _, _, err := e.Get(lock("a")); !errors.Is(err, ErrFatal) {
		t.Errorf("read after it: %v", err)
	}
	on.Store(false) // lets Pebble's own retry end the wait
	if err := <-done; !errors.Is(err, ErrFatal) {
		t.Errorf("flush: %v", err)
	}
	e.Close()
}

// A block that does not match its checksum stops the engine: no read returns what it
// holds, and none goes on as if it were not there.
func TestCorruptBlockIsFatal(t *testing.T) {
	fs := NewMemFS()
	e, err := Open("s", Options{FS: fs, Kind: StateEngine})
	must(t, err)
	for i := range 200 {
		set(t, e, false, fmt.Sprintf("key%03d", i), strings.Repeat("value", 50))
	}
	must(t, e.Flush())
	must(t, e.Close())
	names, err := fs.List("s")
	must(t, err)
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			damage(t, fs, fs.PathJoin("s", name))
		}
	}
	var hooks atomic.Int32
	e, err = Open("s", Options{FS: fs, Kind: StateEngine, OnFatal: func(error) { hooks.Add(1) }})
	must(t, err)
	defer e.Close()
	v, found, err := e.Get(lock("key000"))
	if err == nil {
		t.Fatalf("read %q (found %v) from a damaged block", v, found)
	}
	if _, _, err := e.Get(lock("key000")); !errors.Is(err, ErrFatal) {
		t.Errorf("the next read: %v", err)
	}
	if hooks.Load() != 1 {
		t.Errorf("hook was called %d times", hooks.Load())
	}
}

// damage flips a byte near the beginning of a file, in its first block.
func damage(t *testing.T, fs *MemFS, path string) {
	t.Helper()
	f, err := fs.Open(path)
	must(t, err)
	b, err := io.ReadAll(f)
	must(t, err)
	must(t, f.Close())
	b[20] ^= 0xff
	w, err := fs.Create(path, WriteCategory)
	must(t, err)
	_, err = w.Write(b)
	must(t, errors.Join(err, w.Sync(), w.Close()))
}
