package keys

import (
	"encoding/binary"
	"fmt"
)

// LogKind is the byte after the region id in a log engine key.
type LogKind byte

// The kinds of log engine keys, in the order of the engine. Entries come last,
// so that the last entry of a region is found by one seek.
const (
	// LogHardState holds term, vote and commit index.
	LogHardState LogKind = 'h'
	// LogTombstone says that the region's replica was removed from this store.
	LogTombstone LogKind = 't'
	// LogTruncated holds index and term of the last entry that was compacted.
	LogTruncated LogKind = 'u'
	// LogEntry holds one raft entry.
	LogEntry LogKind = 'y'
)

// logGroupPrefix is the first byte of all keys that belong to a region.
const logGroupPrefix = 'G'

func appendLogKey(dst []byte, regionID uint64, kind LogKind) []byte {
	dst = append(dst, logGroupPrefix)
	dst = binary.BigEndian.AppendUint64(dst, regionID)
	return append(dst, byte(kind))
}

// LogHardStateKey returns the key of a region's hard state.
func LogHardStateKey(regionID uint64) []byte { return appendLogKey(nil, regionID, LogHardState) }

// LogTombstoneKey returns the key of a region's tombstone.
func LogTombstoneKey(regionID uint64) []byte { return appendLogKey(nil, regionID, LogTombstone) }

// LogTruncatedKey returns the key of a region's truncated state.
func LogTruncatedKey(regionID uint64) []byte { return appendLogKey(nil, regionID, LogTruncated) }

// LogEntryKey returns the key of one entry.
func LogEntryKey(regionID, index uint64) []byte {
	return AppendLogEntryKey(make([]byte, 0, 18), regionID, index)
}

// AppendLogEntryKey appends the key of one entry.
func AppendLogEntryKey(dst []byte, regionID, index uint64) []byte {
	return binary.BigEndian.AppendUint64(appendLogKey(dst, regionID, LogEntry), index)
}

// LogEntriesEnd returns the exclusive upper bound of a region's entries.
func LogEntriesEnd(regionID uint64) []byte { return appendLogKey(nil, regionID, LogEntry+1) }

// LogRegionStart returns the lower bound of all log engine keys of a region.
func LogRegionStart(regionID uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{logGroupPrefix}, regionID)
}

// LogRegionEnd returns the exclusive upper bound of all keys of a region.
func LogRegionEnd(regionID uint64) []byte {
	if regionID == 1<<64-1 {
		return []byte{logGroupPrefix + 1}
	}
	return LogRegionStart(regionID + 1)
}

// DecodedLog is a log engine key taken apart.
type DecodedLog struct {
	RegionID uint64
	Kind     LogKind
	Index    uint64 // LogEntry only
}

// DecodeLog takes a log engine key apart.
func DecodeLog(key []byte) (DecodedLog, error) {
	if len(key) < 10 || key[0] != logGroupPrefix {
		return DecodedLog{}, fmt.Errorf("log engine key %x: %w", key, ErrMalformed)
	}
	d := DecodedLog{RegionID: binary.BigEndian.Uint64(key[1:]), Kind: LogKind(key[9])}
	rest := key[10:]
	switch d.Kind {
	case LogEntry:
		if len(rest) != 8 {
			return DecodedLog{}, fmt.Errorf("log engine key %x: bad index: %w", key, ErrMalformed)
		}
		d.Index = binary.BigEndian.Uint64(rest)
		return d, nil
	case LogHardState, LogTombstone, LogTruncated:
		if len(rest) == 0 {
			return d, nil
		}
	}
	return DecodedLog{}, fmt.Errorf("log engine key %x: unknown kind: %w", key, ErrMalformed)
}
