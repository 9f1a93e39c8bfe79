package store

import (
	"sync/atomic"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
)

// Below a fiftieth of the disk, writes that add data are refused, so that what must
// go on still can: reads, deletions, the ends of transactions, compactions. They are
// taken again above a fortieth.
const (
	fullBelow  = 50
	roomyAbove = 40
)

// space is what the store knows of its disk.
type space struct {
	full         atomic.Bool
	avail, total atomic.Uint64 // bytes; zero: not known
}

// checkSpace looks at the disk. A file system that cannot tell counts as roomy.
func (s *Store) checkSpace() {
	u, err := s.eng.State.FS().GetDiskUsage(s.eng.State.Dir())
	if err != nil || u.TotalBytes == 0 {
		return
	}
	p := &s.space
	p.avail.Store(u.AvailBytes)
	p.total.Store(u.TotalBytes)
	switch {
	case u.AvailBytes < u.TotalBytes/fullBelow:
		if p.full.CompareAndSwap(false, true) {
			s.log.Error("the disk is full: writes that add data are refused", "available", u.AvailBytes, "total", u.TotalBytes)
		}
	case u.AvailBytes >= u.TotalBytes/roomyAbove:
		if p.full.CompareAndSwap(true, false) {
			s.log.Info("the disk has room again: writes are taken", "available", u.AvailBytes)
		}
	}
}

// refuses returns the answer to a request that the disk has no room for, nil if it
// may go on. What was prewritten may always be committed.
func (p *space) refuses(req *kvpb.Request) *kvpb.RegionError {
	if !p.full.Load() {
		return nil
	}
	for _, m := range req.GetPrewrite().GetMutations() {
		if m.GetOp() == kvpb.MutationOp_PUT {
			return region.DiskFull(p.avail.Load(), p.total.Load())
		}
	}
	return nil
}

// DiskSpace returns the bytes that are available and in all on the store's disk, zero
// while they are not known.
func (s *Store) DiskSpace() (avail, total uint64) { return s.space.avail.Load(), s.space.total.Load() }
