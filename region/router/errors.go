package router

import (
	"errors"
	"fmt"
)

// ErrRegionChanged is returned when the keys of a request do not (or no longer)
// lie in one region. Nothing ran. The table is already repaired: group the keys
// again and send again.
var ErrRegionChanged = errors.New("keys do not lie in one region any more")

// AmbiguousError says that a write may or may not have taken effect, or may yet.
type AmbiguousError struct {
	RegionID uint64
	StoreID  uint64
	Err      error // what went wrong
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("outcome of a write to region %d at store %d is unknown: %v", e.RegionID, e.StoreID, e.Err)
}

func (e *AmbiguousError) Unwrap() error { return e.Err }

// NotSentError is returned by a Sender when the request certainly never reached
// the store: even a write may be sent again.
type NotSentError struct {
	StoreID uint64
	Err     error
}

func (e *NotSentError) Error() string {
	return fmt.Sprintf("store %d is not reachable: %v", e.StoreID, e.Err)
}

func (e *NotSentError) Unwrap() error { return e.Err }

// EntryTooLargeError says that a write is larger than a region takes at once.
// Nothing ran: cut it.
type EntryTooLargeError struct {
	RegionID    uint64
	Size, Limit uint64
}

func (e *EntryTooLargeError) Error() string {
	return fmt.Sprintf("write of %d bytes to region %d is above the limit of %d bytes", e.Size, e.RegionID, e.Limit)
}

// RegionError is an answer of a region that the router has no cure for. Nothing
// ran.
type RegionError struct {
	RegionID uint64
	StoreID  uint64
	Message  string
	DiskFull bool // the store has no space for a write
}

func (e *RegionError) Error() string {
	return fmt.Sprintf("region %d at store %d: %s", e.RegionID, e.StoreID, e.Message)
}
