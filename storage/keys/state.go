package keys

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// User is a key as transactions, regions and routers see it.
type User []byte

// Encoded is a key of the state engine.
type Encoded []byte

// Kind is the first byte of a state engine key.
type Kind byte

// The kinds, in the order of the engine.
const (
	// KindData holds MVCC versions: user key, commit timestamp.
	KindData Kind = 'd'
	// KindRegionLocal holds what a replica keeps about its own region, by region id.
	KindRegionLocal Kind = 'g'
	// KindLock holds at most one transaction lock for each user key.
	KindLock Kind = 'l'
	// KindRollback holds rollback marks: user key, start timestamp.
	KindRollback Kind = 'r'
	// KindStoreLocal holds what a store keeps about itself.
	KindStoreLocal Kind = 's'
	// KindRaw holds unversioned values of user keys (the placement state).
	KindRaw Kind = 'w'
)

const (
	sentinel = 0x00
	// SuffixLen is the length of a version suffix: an inverted timestamp and the
	// length byte.
	SuffixLen = 9
)

// ErrMalformed is wrapped by every error about a key that no builder of this
// package makes.
var ErrMalformed = errors.New("malformed key")

// Names of region-local keys. A name is free text without a zero byte; these
// are the ones that exist.
const (
	// NameApplied is the applied index, its term and what must agree with it.
	NameApplied = "applied"
	// NameDescriptor is the region descriptor.
	NameDescriptor = "descriptor"
	// NameTombstone says that the replica was removed from this store.
	NameTombstone = "tombstone"
)

// SplitSuffix returns the length of the part of k before its version suffix:
// len(k) if it has none. It accepts any bytes. A suffix alone (a key whose
// prefix was cut off) splits at zero.
func SplitSuffix(k []byte) int {
	n := len(k)
	if n < SuffixLen || k[n-1] != SuffixLen {
		return n
	}
	// Without the sentinel in front of it the byte is not a length. Checking it
	// keeps prefix(prefix(k)) = prefix(k) for arbitrary bytes.
	if n > SuffixLen && k[n-SuffixLen-1] != sentinel {
		return n
	}
	return n - SuffixLen
}

// AppendSuffix appends the version suffix for ts.
func AppendSuffix(dst []byte, ts timestamp.Timestamp) []byte {
	dst = binary.BigEndian.AppendUint64(dst, ^uint64(ts))
	return append(dst, SuffixLen)
}

// DecodeSuffix reads a version suffix as cut off by SplitSuffix.
func DecodeSuffix(suffix []byte) (timestamp.Timestamp, error) {
	if len(suffix) != SuffixLen || suffix[SuffixLen-1] != SuffixLen {
		return 0, fmt.Errorf("version suffix %x: %w", suffix, ErrMalformed)
	}
	return timestamp.Timestamp(^binary.BigEndian.Uint64(suffix)), nil
}

// AppendPrefix appends the suffix-less engine key of a user key. It is the
// smallest engine key of that kind and user key.
func AppendPrefix(dst []byte, kind Kind, user User) Encoded {
	dst = append(dst, byte(kind))
	dst = append(dst, user...)
	return append(dst, sentinel)
}

// AppendVersion appends the engine key of a kind, user key and timestamp.
func AppendVersion(dst []byte, kind Kind, user User, ts timestamp.Timestamp) Encoded {
	return AppendSuffix(AppendPrefix(dst, kind, user), ts)
}

// DataPrefix returns the prefix that all versions of a user key share.
func DataPrefix(user User) Encoded {
	return AppendPrefix(make([]byte, 0, len(user)+2), KindData, user)
}

// DataVersion returns the key of the version of user that was committed at ts.
// Seeking it finds the newest version at or below ts.
func DataVersion(user User, ts timestamp.Timestamp) Encoded {
	return AppendVersion(make([]byte, 0, len(user)+2+SuffixLen), KindData, user, ts)
}

// Lock returns the key of the lock on user.
func Lock(user User) Encoded {
	return AppendPrefix(make([]byte, 0, len(user)+2), KindLock, user)
}

// RollbackMark returns the key of the mark that the transaction startTS has
// been rolled back on user.
func RollbackMark(user User, startTS timestamp.Timestamp) Encoded {
	return AppendVersion(make([]byte, 0, len(user)+2+SuffixLen), KindRollback, user, startTS)
}

// Raw returns the key of an unversioned value.
func Raw(user User) Encoded {
	return AppendPrefix(make([]byte, 0, len(user)+2), KindRaw, user)
}

// StoreLocal returns the key of a fact about the store.
func StoreLocal(name string) Encoded {
	return AppendPrefix(make([]byte, 0, len(name)+2), KindStoreLocal, User(name))
}

// RegionLocal returns the key of a fact about the local replica of a region.
func RegionLocal(regionID uint64, name string) Encoded {
	k := make([]byte, 0, len(name)+10)
	k = append(k, byte(KindRegionLocal))
	k = binary.BigEndian.AppendUint64(k, regionID)
	k = append(k, name...)
	return append(k, sentinel)
}

// Decoded is a state engine key taken apart. Only the fields of its kind are set.
type Decoded struct {
	Kind     Kind
	User     User                // KindData, KindLock, KindRollback, KindRaw
	TS       timestamp.Timestamp // KindData: commit; KindRollback: start
	HasTS    bool                // false for a bare prefix
	RegionID uint64              // KindRegionLocal
	Name     string              // KindRegionLocal, KindStoreLocal
}

// Decode takes a state engine key apart. User points into key.
func Decode(key []byte) (Decoded, error) {
	var d Decoded
	n := SplitSuffix(key)
	if n < 2 || key[n-1] != sentinel {
		return d, fmt.Errorf("state engine key %x: no sentinel: %w", key, ErrMalformed)
	}
	d.Kind = Kind(key[0])
	body := key[1 : n-1]
	if n < len(key) {
		ts, err := DecodeSuffix(key[n:])
		if err != nil {
			return Decoded{}, err
		}
		d.TS, d.HasTS = ts, true
	}
	switch d.Kind {
	case KindData, KindRollback:
		d.User = body
		return d, nil
	case KindLock, KindRaw:
		d.User = body
	case KindStoreLocal:
		d.Name = string(body)
	case KindRegionLocal:
		if len(body) < 8 {
			return Decoded{}, fmt.Errorf("region-local key %x: short region id: %w", key, ErrMalformed)
		}
		d.RegionID, d.Name = binary.BigEndian.Uint64(body), string(body[8:])
	default:
		return Decoded{}, fmt.Errorf("state engine key %x: unknown kind: %w", key, ErrMalformed)
	}
	if d.HasTS {
		return Decoded{}, fmt.Errorf("state engine key %x: kind %c takes no timestamp: %w", key, d.Kind, ErrMalformed)
	}
	return d, nil
}

// DecodeVersion reads a key of KindData or KindRollback with its timestamp.
// The user key points into key.
func DecodeVersion(key []byte) (User, timestamp.Timestamp, error) {
	d, err := Decode(key)
	if err != nil {
		return nil, 0, err
	}
	if !d.HasTS {
		return nil, 0, fmt.Errorf("state engine key %x: no timestamp: %w", key, ErrMalformed)
	}
	return d.User, d.TS, nil
}

// DecodeUser reads the user key of a suffix-less key of the given kind. It
// points into key.
func DecodeUser(key []byte, kind Kind) (User, error) {
	n := len(key)
	if n < 2 || key[0] != byte(kind) || key[n-1] != sentinel {
		return nil, fmt.Errorf("key %x is not of kind %c: %w", key, kind, ErrMalformed)
	}
	return key[1 : n-1], nil
}
