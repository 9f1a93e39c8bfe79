package sim

import (
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quorate-db/quorate/storage/engine"
)

var errDisk = errors.New("injected: the disk gave an error")

// disk is a file system that keeps in mind what was not synced, and that can
// stop, lie or fail at a sync. Pebble syncs on goroutines of its own, so its state
// has a mutex.
type disk struct {
	vfs.FS // what is read and written: mem
	mem    *engine.MemFS

	mu struct {
		sync.Mutex
		// swallow names the part of the store ("/log/", "/state/") whose write-ahead
		// log is not synced when Pebble asks for it: it was written to the cache of
		// the operating system, that is all; or a mutant.
		swallow string
		// fuse counts down at each sync; at zero the machine loses power.
		fuse int
		// before says whether the power goes before or after that sync.
		before  bool
		percent int
		seed    uint64
		crashed *engine.MemFS // what is left of it
		// lied names a part with syncs that did nothing. Pebble notes in its log up to
		// where it is synced, and takes a hole before that for a rotten disk, so of
		// such files a crash keeps a prefix.
		lied string
		// reached is how much of a write-ahead log had left Pebble's buffers at the
		// last time it asked for a sync. When it writes more than that is up to its
		// goroutine, so a crash takes the rest for not written.
		reached map[string]int
		// named holds the files that were synced. Journaling file systems write a
		// file's name down with its first sync, or at least before names that are
		// younger; Pebble counts on that between a manifest and the marker that
		// points to it. So a crash that keeps any unsynced name keeps these.
		named map[string]bool
		// failSync counts down at each sync of the log engine; at zero it fails, and
		// so does every later one.
		failSync int
		// failPart is the part of the store whose write-ahead log that is.
		failPart string
		failed   bool
		// full: there is next to no room, as far as anybody asks.
		full  bool
		syncs int
	}
}

func newDisk(mem *engine.MemFS) *disk {
	d := &disk{FS: mem, mem: mem}
	d.mu.reached = make(map[string]int)
	d.mu.named = make(map[string]bool)
	return d
}

// letBackgroundRun lets Pebble's goroutines end what they have begun, such as the
// flush that an ingest or an opening leaves behind. With one processor they run as
// soon as this one steps aside.
func letBackgroundRun() {
	for range 64 {
		runtime.Gosched()
	}
}

// crash returns the file system as the next start will find it.
func (d *disk) crash(percent int, seed uint64) *engine.MemFS {
	letBackgroundRun()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.crashLocked(percent, seed)
}

func (d *disk) crashLocked(percent int, seed uint64) *engine.MemFS {
	out := engine.CrashClone(d.mem, 0, 0)
	if percent > 0 {
		d.keepUnsynced(out, "", percent, seed)
	}
	return out
}

// keepUnsynced copies to what a crash left some of what was there before and
// not synced: new directory entries, and 4 KiB blocks of files. What is kept is
// decided by path and block, so that it does not depend on the order of visits.
// Requires: d.mu held.
func (d *disk) keepUnsynced(to *engine.MemFS, dir string, percent int, seed uint64) {
	from := d.mem
	const block = 4096
	names, err := from.List(dir + "/")
	if err != nil {
		panic(fmt.Sprintf("list %s: %v", dir, err))
	}
	for _, name := range names {
		path := dir + "/" + name
		st, err := from.Stat(path)
		if err != nil {
			continue // removed meanwhile by Pebble
		}
		_, err = to.Stat(path)
		there := err == nil
		if !there && !d.mu.named[path] && !lucky(seed, path, -1, percent) {
			continue
		}
		if st.IsDir() {
			if !there {
				must(to.MkdirAll(path, 0o755))
				must(syncPath(to, dir+"/"))
			}
			d.keepUnsynced(to, path, percent, seed)
			continue
		}
		live := readFile(from, path)
		isLog := strings.HasSuffix(path, ".log")
		if isLog {
			live = live[:min(len(live), d.mu.reached[path])]
		}
		var kept []byte
		if there {
			kept = readFile(to, path)
		}
		changed := !there
		if !there {
			// The entry made it to the disk before its directory was synced. Blocks
			// that were synced for themselves must be there, so all are.
			kept = live
		}
		for i := 0; there && i < len(live); i += block {
			end := min(i+block, len(live))
			if end <= len(kept) && string(kept[i:end]) == string(live[i:end]) {
				continue
			}
			if !lucky(seed, path, i, percent) {
				if isLog && d.mu.lied != "" && strings.Contains(path, d.mu.lied) {
					break
				}
				continue
			}
			changed = true
			if grow := end - len(kept); grow > 0 {
				kept = append(kept, make([]byte, grow)...)
			}
			copy(kept[i:end], live[i:end])
		}
		if changed {
			writeFile(to, path, kept)
			must(syncPath(to, dir+"/"))
		}
	}
}

func lucky(seed uint64, path string, block, percent int) bool {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", seed, path, block)
	return int(h.Sum64()>>16%100) < percent
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func readFile(fs vfs.FS, path string) []byte {
	f, err := fs.Open(path)
	must(err)
	defer f.Close()
	st, err := f.Stat()
	must(err)
	b := make([]byte, st.Size())
	if len(b) > 0 {
		_, err = f.ReadAt(b, 0)
		must(err)
	}
	return b
}

func writeFile(fs vfs.FS, path string, b []byte) {
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	must(err)
	_, err = f.Write(b)
	must(err)
	must(f.Sync())
	must(f.Close())
}

func syncPath(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// lightFuse has the power go at one of the next syncs.
func (d *disk) lightFuse(syncs int, before bool, percent int, seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.fuse, d.mu.before, d.mu.percent, d.mu.seed = syncs, before, percent, seed
}

func (d *disk) swallow(part string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.swallow = part
	if part != "" {
		d.mu.lied = part
	}
}

// failSyncs makes one of the next syncs of a part's write-ahead log fail, and every
// later one.
func (d *disk) failSyncs(part string, after int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.failSync, d.mu.failPart = after, part
}

func (d *disk) setFull(full bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.full = full
}

func (d *disk) GetDiskUsage(string) (vfs.DiskUsage, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	u := vfs.DiskUsage{TotalBytes: 1 << 30, AvailBytes: 1 << 29, UsedBytes: 1 << 29}
	if d.mu.full {
		u.AvailBytes, u.UsedBytes = 1<<20, 1<<30-1<<20
	}
	return u, nil
}

// risky reports that a sync has failed or is going to: Pebble's flush would wait
// for ever for a sync that failed.
func (d *disk) risky() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.failed || d.mu.failSync > 0
}

func (d *disk) broken() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.failed
}

// cutPower takes the power away now, unless it is gone already.
func (d *disk) cutPower(percent int, seed uint64) {
	left := d.crash(percent, seed)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.crashed == nil {
		d.mu.crashed = left
	}
}

// burnt returns what is left if the power is gone.
func (d *disk) burnt() *engine.MemFS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.crashed
}

// sync is every sync of a file or a directory.
func (d *disk) sync(path string, do func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.syncs++
	if d.mu.crashed != nil {
		return nil // whatever happens now did not happen
	}
	d.mu.named[path] = true
	if strings.HasSuffix(path, ".log") {
		if st, err := d.mem.Stat(path); err == nil {
			d.mu.reached[path] = int(st.Size())
		}
	}
	if d.mu.fuse > 0 {
		if d.mu.fuse--; d.mu.fuse == 0 {
			if !d.mu.before {
				if err := do(); err != nil {
					return err
				}
			}
			d.mu.crashed = d.crashLocked(d.mu.percent, d.mu.seed)
			return nil
		}
	}
	if isPart := d.mu.failPart != "" && strings.Contains(path, d.mu.failPart) && strings.HasSuffix(path, ".log"); !isPart {
		// Pebble waits for ever for a table that it cannot sync.
	} else if d.mu.failed {
		return errDisk
	} else if d.mu.failSync > 0 {
		if d.mu.failSync--; d.mu.failSync == 0 {
			d.mu.failed = true
			return errDisk
		}
	}
	// Of write-ahead logs only: a table is synced once, before its manifest.
	if d.mu.swallow != "" && strings.Contains(path, d.mu.swallow) && strings.HasSuffix(path, ".log") {
		return nil
	}
	return do()
}

type diskFile struct {
	vfs.File
	d    *disk
	path string
}

func (f *diskFile) Sync() error     { return f.d.sync(f.path, f.File.Sync) }
func (f *diskFile) SyncData() error { return f.d.sync(f.path, f.File.SyncData) }

func (d *disk) wrap(path string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{File: f, d: d, path: path}, nil
}

func (d *disk) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := d.FS.Create(name, c)
	return d.wrap(name, f, err)
}

func (d *disk) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := d.FS.OpenReadWrite(name, c, o...)
	return d.wrap(name, f, err)
}

// ReuseForWrite makes a new file: whether Pebble has an old log at hand when it
// needs a new one depends on how fast its goroutine cleans up.
func (d *disk) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := d.FS.Remove(old); err != nil {
		return nil, err
	}
	return d.Create(name, c)
}

func (d *disk) OpenDir(name string) (vfs.File, error) {
	f, err := d.FS.OpenDir(name)
	return d.wrap(name+"/", f, err)
}

func (d *disk) Unwrap() vfs.FS { return d.FS }
