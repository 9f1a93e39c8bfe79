package region

import (
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

// NotLeader says who leads the region, as far as known.
func NotLeader(regionID ID, leader *metapb.Peer, term uint64) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: fmt.Sprintf("replica does not lead region %d", regionID),
		Kind:    &kvpb.RegionError_NotLeader{NotLeader: &kvpb.NotLeader{RegionId: regionID, Leader: leader, Term: term}},
	}
}

// EpochNotMatch carries the regions that the store knows over the range.
func EpochNotMatch(current ...*metapb.Region) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: "region epoch does not match",
		Kind:    &kvpb.RegionError_EpochNotMatch{EpochNotMatch: &kvpb.EpochNotMatch{Current: current}},
	}
}

// NotFound says that the store has no replica of the region.
func NotFound(regionID ID) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: fmt.Sprintf("region %d has no replica on this store", regionID),
		Kind:    &kvpb.RegionError_RegionNotFound{RegionNotFound: &kvpb.RegionNotFound{RegionId: regionID}},
	}
}

// KeyNotInRegion says that a key of the request is outside of the region.
func KeyNotInRegion(key []byte, r *metapb.Region) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: fmt.Sprintf("key is not in region %d", r.GetId()),
		Kind:    &kvpb.RegionError_KeyNotInRegion{KeyNotInRegion: &kvpb.KeyNotInRegion{Key: key, Region: r}},
	}
}

// ServerBusy asks to come back after backoffMs.
func ServerBusy(reason string, backoffMs int64) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: "server is busy: " + reason,
		Kind:    &kvpb.RegionError_ServerBusy{ServerBusy: &kvpb.ServerBusy{Reason: reason, BackoffMs: backoffMs}},
	}
}

// Ambiguous says that the command was proposed and that nobody here will learn
// its outcome.
func Ambiguous(why string) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: "outcome is unknown: " + why,
		Kind:    &kvpb.RegionError_Ambiguous{Ambiguous: &kvpb.Ambiguous{}},
	}
}

// StoreNotMatch says that the request was meant for another store.
func StoreNotMatch(have uint64) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: fmt.Sprintf("this is store %d", have),
		Kind:    &kvpb.RegionError_StoreNotMatch{StoreNotMatch: &kvpb.StoreNotMatch{Have: have}},
	}
}

// EntryTooLarge says that a write does not fit one raft entry.
func EntryTooLarge(size, limit uint64) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: fmt.Sprintf("write of %d bytes exceeds the limit of %d", size, limit),
		Kind:    &kvpb.RegionError_EntryTooLarge{EntryTooLarge: &kvpb.EntryTooLarge{Size: size, Limit: limit}},
	}
}

// Unavailable says that the store is starting, stopping or failed.
func Unavailable(why string) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: "store is unavailable: " + why,
		Kind:    &kvpb.RegionError_Unavailable{Unavailable: &kvpb.Unavailable{}},
	}
}

// DiskFull says that the store takes no write that needs more space.
func DiskFull(availBytes, totalBytes uint64) *kvpb.RegionError {
	return &kvpb.RegionError{
		Message: fmt.Sprintf("the disk is full: %d MB of %d MB are left", availBytes>>20, totalBytes>>20),
		Kind:    &kvpb.RegionError_DiskFull{DiskFull: &kvpb.DiskFull{}},
	}
}

// Refused is a region error without a kind: the request itself is wrong, nothing
// ran, and sending it again will not help.
func Refused(format string, args ...any) *kvpb.RegionError {
	return &kvpb.RegionError{Message: fmt.Sprintf(format, args...)}
}

// Response wraps a region error.
func Response(e *kvpb.RegionError) *kvpb.Response { return &kvpb.Response{RegionError: e} }

// Error is a region error as a Go error, for callers inside the process.
type Error struct{ *kvpb.RegionError }

func (e *Error) Error() string { return e.GetMessage() }

// Err wraps e, or returns nil for nil.
func Err(e *kvpb.RegionError) error {
	if e == nil {
		return nil
	}
	return &Error{e}
}

// IsNotLeader reports whether err says that the replica does not lead. Nothing ran.
func IsNotLeader(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.GetNotLeader() != nil
}

// IsAmbiguous reports whether err says that the outcome is unknown.
func IsAmbiguous(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.GetAmbiguous() != nil
}
