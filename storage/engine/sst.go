package engine

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// StagingPath returns the path of a file in the engine's staging directory,
// which is on the same file system (so that an ingest can link it) and emptied
// by Open.
func (e *Engine) StagingPath(name string) string {
	return e.fs.PathJoin(e.dir, stagingDir, name)
}

// SSTWriter writes a file for IngestAndExcise. Keys are added in ascending order,
// each once; range deletions in ascending order too, independent of the keys. A
// range deletion does not delete keys of the same file.
type SSTWriter struct {
	eng      *Engine
	path     string
	w        *sstable.Writer
	rows     int
	done     bool
	finished bool
}

// NewSSTWriter creates the file at path on the engine's FS.
func (e *Engine) NewSSTWriter(path string) (*SSTWriter, error) {
	f, err := e.fs.Create(path, WriteCategory)
	if err != nil {
		return nil, fmt.Errorf("create sstable %s: %w", path, err)
	}
	o := e.opts.MakeWriterOptions(0, e.db.FormatMajorVersion().MaxTableFormat())
	return &SSTWriter{
		eng:  e,
		path: path,
		w:    sstable.NewWriter(objstorageprovider.NewFileWritable(f), o),
	}, nil
}

// Path returns the path of the file.
func (w *SSTWriter) Path() string { return w.path }

// Set adds a key. Both slices are copied.
func (w *SSTWriter) Set(key, value []byte) error {
	if err := w.w.Set(key, value); err != nil {
		return fmt.Errorf("write sstable %s: %w", w.path, err)
	}
	w.rows++
	return nil
}

// DeleteRange adds the deletion of what the engine holds in [start, end).
func (w *SSTWriter) DeleteRange(start, end []byte) error {
	if w.eng.opts.Comparer.Compare(start, end) >= 0 {
		return fmt.Errorf("write sstable %s: empty range", w.path)
	}
	if err := w.w.DeleteRange(start, end); err != nil {
		return fmt.Errorf("write sstable %s: %w", w.path, err)
	}
	w.rows++
	return nil
}

// Size returns an estimate of the bytes written so far.
func (w *SSTWriter) Size() uint64 { return w.w.Raw().EstimatedSize() }

// Empty reports whether nothing was added. An empty file cannot be ingested.
func (w *SSTWriter) Empty() bool { return w.rows == 0 }

// Finish completes and syncs the file and returns its size in bytes. Empty files
// are refused.
func (w *SSTWriter) Finish() (uint64, error) {
	if w.done {
		return 0, errors.New("finish sstable: it is closed")
	}
	if w.rows == 0 {
		return 0, errors.Join(fmt.Errorf("finish sstable %s: it is empty", w.path), w.Abort())
	}
	w.done = true
	if err := w.w.Close(); err != nil {
		return 0, fmt.Errorf("finish sstable %s: %w", w.path, err)
	}
	w.finished = true
	m, err := w.w.Metadata()
	if err != nil {
		return 0, fmt.Errorf("finish sstable %s: %w", w.path, err)
	}
	return m.Size, nil
}

// Abort closes and removes the file, if it is not finished. It is harmless
// afterwards, so that it can be deferred.
func (w *SSTWriter) Abort() error {
	if w.finished {
		return nil
	}
	var err error
	if !w.done {
		w.done = true
		err = w.w.Close()
	}
	// The writer may already have removed it.
	if _, serr := w.eng.fs.Stat(w.path); serr == nil {
		err = errors.Join(err, w.eng.fs.Remove(w.path))
	}
	return err
}
