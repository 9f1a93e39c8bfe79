package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// formatVersion is the version of everything that this program writes into an
// engine. An older program must refuse a newer one.
const formatVersion = 1

const (
	markerName = "QUORATE-FORMAT"
	markerText = "quorate %s engine, format %d\n"
	stagingDir = "staging"
)

// Open opens the engine in dir, or creates one. A created directory survives a
// crash: its parents are synced too.
func Open(dir string, o Options) (*Engine, error) {
	if o.Kind != StateEngine && o.Kind != LogEngine {
		return nil, fmt.Errorf("open engine %s: invalid %v", dir, o.Kind)
	}
	if o.FS == nil {
		o.FS = DefaultFS()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	prepare := prepareDir
	if o.ReadOnly {
		prepare = checkMarker
	}
	if err := prepare(o.FS, dir, o.Kind); err != nil {
		return nil, fmt.Errorf("open %v engine %s: %w", o.Kind, dir, err)
	}
	e := &Engine{fs: o.FS, dir: dir, kind: o.Kind, logger: o.Logger, onFatal: o.OnFatal}
	e.opts = e.pebbleOptions(o)
	db, err := openPebble(dir, e.opts)
	if err != nil {
		return nil, fmt.Errorf("open %v engine %s: %w", o.Kind, dir, err)
	}
	e.db = db
	return e, nil
}

// openPebble turns a panic about damaged files into an error.
func openPebble(dir string, opts *pebble.Options) (db *pebble.DB, err error) {
	defer func() {
		if p := recover(); p != nil {
			db, err = nil, fmt.Errorf("pebble: %v", p)
		}
	}()
	return pebble.Open(dir, opts)
}

func (e *Engine) pebbleOptions(o Options) *pebble.Options {
	p := &pebble.Options{
		FS:                          o.FS,
		FormatMajorVersion:          pebble.FormatNewest,
		Logger:                      pebbleLogger{e},
		EventListener:               e.listener(),
		MemTableSize:                o.MemTableBytes,
		MemTableStopWritesThreshold: 4,
		// Enough that a burst of ingested snapshots does not stop writes.
		L0StopWritesThreshold:       1000,
		L0CompactionThreshold:       2,
		LBaseMaxBytes:               64 << 20,
		DisableAutomaticCompactions: o.DeterministicForSim,
		DisableTableStats:           o.DeterministicForSim,
		ReadOnly:                    o.ReadOnly,
	}
	if o.Cache != nil {
		p.Cache = o.Cache.c
	}
	compression := block.SnappyCompression
	if o.Kind == StateEngine {
		p.Comparer = stateComparer()
		for i := range p.Levels {
			p.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
			p.Levels[i].BlockSize = 32 << 10
		}
		if p.MemTableSize == 0 {
			p.MemTableSize = 32 << 20
		}
	} else {
		// Log entries live for seconds; compressing them costs more than it saves.
		compression = block.NoCompression
		if p.MemTableSize == 0 {
			p.MemTableSize = 64 << 20
		}
	}
	for i := range p.Levels {
		p.Levels[i].Compression = func() *block.CompressionProfile { return compression }
	}
	p.EnsureDefaults()
	return p
}

func (e *Engine) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { e.fail(fmt.Errorf("background: %w", err)) },
		DataCorruption: func(i pebble.DataCorruptionInfo) {
			e.fail(fmt.Errorf("corrupt data: %v", i))
		},
		DiskSlow: func(i pebble.DiskSlowInfo) {
			e.logger.Warn("disk is slow", "dir", e.dir, "info", i.String())
		},
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) {
			e.logger.Warn("writes stall", "dir", e.dir, "reason", i.Reason)
		},
		WriteStallEnd: func() { e.logger.Warn("writes go on", "dir", e.dir) },
	}
}

// pebbleLogger passes Pebble's messages on. Fatalf must not end the process: the
// owner decides, see Options.OnFatal.
type pebbleLogger struct{ e *Engine }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.e.logger.Debug("pebble", "dir", l.e.dir, "msg", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.e.logger.Warn("pebble", "dir", l.e.dir, "msg", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	for _, a := range args {
		// Pebble formats with %v; keep the cause for errors.Is.
		if cause, ok := a.(error); ok {
			err = fmt.Errorf("%v: %w", strings.TrimSuffix(err.Error(), ": "+cause.Error()), cause)
		}
	}
	l.e.fail(err)
}

// prepareDir creates the directory, the staging directory and the format
// marker, or checks the marker that is there. The marker is written first, so a
// directory with files but without it was not made by this program.
func prepareDir(fsys FS, dir string, kind Kind) error {
	if err := mkdirSynced(fsys, dir); err != nil {
		return err
	}
	names, err := fsys.List(dir)
	if err != nil {
		return err
	}
	marked, foreign := false, ""
	for _, n := range names {
		switch {
		case n == markerName:
			marked = true
		case n == markerName+".tmp" || n == stagingDir:
		default:
			foreign = n
		}
	}
	switch {
	case marked:
		if err := checkMarker(fsys, dir, kind); err != nil {
			return err
		}
	case foreign != "":
		return fmt.Errorf("the directory holds %q but no %s: it is not a store of this program; choose an empty directory", foreign, markerName)
	default:
		if err := writeMarker(fsys, dir, kind); err != nil {
			return err
		}
	}
	// What a crash left half-written there is of no use.
	staging := fsys.PathJoin(dir, stagingDir)
	if err := fsys.RemoveAll(staging); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return mkdirSynced(fsys, staging)
}

// mkdirSynced creates dir and its missing parents and syncs every directory
// that got a new entry.
func mkdirSynced(fsys FS, dir string) error {
	var changed []string
	for d := dir; ; {
		if _, err := fsys.Stat(d); err == nil {
			break
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		parent := fsys.PathDir(d)
		changed = append(changed, parent)
		if parent == d {
			break
		}
		d = parent
	}
	if err := fsys.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, d := range changed {
		if err := syncDir(fsys, d); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(fsys FS, dir string) error {
	if dir == "" {
		dir = "."
	}
	f, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func writeMarker(fsys FS, dir string, kind Kind) error {
	tmp := fsys.PathJoin(dir, markerName+".tmp")
	f, err := fsys.Create(tmp, WriteCategory)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, markerText, kind, formatVersion)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(tmp, fsys.PathJoin(dir, markerName)); err != nil {
		return err
	}
	return syncDir(fsys, dir)
}

func checkMarker(fsys FS, dir string, kind Kind) error {
	f, err := fsys.Open(fsys.PathJoin(dir, markerName))
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(f, 1024))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	// Split by hand: the version must be readable even when the rest of a newer
	// marker looks different.
	words := strings.Fields(string(text))
	if len(words) < 5 || words[0] != "quorate" || words[3] != "format" {
		return fmt.Errorf("unreadable format marker %q", text)
	}
	version, err := strconv.Atoi(words[4])
	if err != nil {
		return fmt.Errorf("unreadable format marker %q", text)
	}
	if version > formatVersion {
		return fmt.Errorf("the store has format %d, this program reads up to %d: start the newer version of quorate that wrote it, or restore an older backup", version, formatVersion)
	}
	if words[1] != kind.String() {
		return fmt.Errorf("the directory holds a %s engine, not a %v engine", words[1], kind)
	}
	return nil
}
