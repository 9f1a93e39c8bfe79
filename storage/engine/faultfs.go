//go:build faults

package engine

import (
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// DiskFault is how a FaultyFS is wrong. The zero value is not.
type DiskFault struct {
	// SlowSync is how much longer each sync takes.
	SlowSync time.Duration
	// FailSync makes syncs fail with EIO, FailWrite writes with ENOSPC.
	FailSync, FailWrite bool
	// Full: the file system says that it has no room.
	Full bool
}

// FaultyFS is a file system with faults that can be set at any time. For test builds.
type FaultyFS struct {
	FS
	fault atomic.Pointer[DiskFault]
	sleep func(time.Duration)
}

// NewFaultyFS returns fs, well until Set is called. sleep waits for a slow sync.
func NewFaultyFS(fs FS, sleep func(time.Duration)) *FaultyFS {
	f := &FaultyFS{sleep: sleep}
	f.fault.Store(&DiskFault{})
	f.FS = errorfs.Wrap(fs, errorfs.InjectorFunc(f.maybe))
	return f
}

// Set makes the file system wrong from now on.
func (f *FaultyFS) Set(d DiskFault) { f.fault.Store(&d) }

func (f *FaultyFS) maybe(op errorfs.Op) error {
	d := f.fault.Load()
	switch op.Kind {
	case errorfs.OpFileSync, errorfs.OpFileSyncData, errorfs.OpFileSyncTo:
		if d.SlowSync > 0 {
			f.sleep(d.SlowSync)
		}
		if d.FailSync {
			return syscall.EIO
		}
	case errorfs.OpFileWrite, errorfs.OpFileWriteAt:
		if d.FailWrite {
			return syscall.ENOSPC
		}
	}
	return nil
}

// GetDiskUsage implements FS.
func (f *FaultyFS) GetDiskUsage(path string) (DiskUsage, error) {
	u, err := f.FS.GetDiskUsage(path)
	if err == nil && f.fault.Load().Full {
		u.AvailBytes = 0
	}
	return u, err
}
