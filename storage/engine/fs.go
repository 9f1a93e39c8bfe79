package engine

import (
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system below an engine, so that others need not import Pebble.
type FS = vfs.FS

// MemFS is a file system in memory.
type MemFS = vfs.MemFS

// DiskWriteCategory is what FS.Create is told about a new file.
type DiskWriteCategory = vfs.DiskWriteCategory

// DiskUsage is what FS.GetDiskUsage tells.
type DiskUsage = vfs.DiskUsage

// File is an open file of an FS.
type File = vfs.File

// WriteCategory is what FS.Create wants to know about a new file.
const WriteCategory = vfs.WriteCategoryUnspecified

// DefaultFS returns the file system of the operating system.
func DefaultFS() FS { return vfs.Default }

// NewMemFS returns an empty file system in memory.
func NewMemFS() *MemFS { return vfs.NewMem() }

// NewCrashableMemFS returns an empty file system in memory for CrashClone.
func NewCrashableMemFS() *MemFS { return vfs.NewCrashableMem() }

// CrashClone returns what a crash at this moment might leave of fs: all that was
// synced, and each unsynced block or directory entry with the given probability
// in percent, decided by seed. With 0 nothing unsynced survives. It panics if fs
// was not made by NewCrashableMemFS.
func CrashClone(fs *MemFS, unsyncedPercent int, seed uint64) *MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{
		UnsyncedDataPercent: unsyncedPercent,
		RNG:                 rand.New(rand.NewPCG(seed, 0)),
	})
}

// Cache holds blocks of files and may be shared by engines.
type Cache struct{ c *pebble.Cache }

// NewCache returns a cache of the given size. Close it after the engines.
func NewCache(bytes int64) *Cache { return &Cache{c: pebble.NewCache(bytes)} }

// Close gives up the owner's reference; engines that are open keep theirs.
func (c *Cache) Close() {
	if c.c != nil {
		c.c.Unref()
		c.c = nil
	}
}
