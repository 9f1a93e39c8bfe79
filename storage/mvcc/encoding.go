package mvcc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/keys"
)

// Stored values start with the version of their format.
//
//	Version  format, kind, uvarint(commit − start), value; of a lock record its mode,
//	         left out if that is not known; the highest bit of the kind is for a put
//	         that leaves the key of its row
//	Lock     format, kind, flags, then uvarints and byte strings in the order of
//	         encodeLock, the value last; the gateway only with its flag
//	mark     format
const (
	versionFormat = 1
	lockFormat    = 1
	markFormat    = 1
)

const (
	flagAsync   = 1 << 0
	flagGateway = 1 << 1
	// flagKeyStays marks a put under ModeNoKeyUpdate.
	flagKeyStays = 1 << 2
)

// kindKeyStays is flagKeyStays of a version.
const kindKeyStays = 1 << 7

// secondariesMax bounds what a lock may list; async commits are for fewer keys.
const secondariesMax = 4096

func encodeVersion(v Version) []byte {
	out := make([]byte, 0, 2+binary.MaxVarintLen64+len(v.Value))
	kind := byte(v.Kind)
	if v.Kind == Put && v.Held == ModeNoKeyUpdate {
		kind |= kindKeyStays
	}
	out = append(out, versionFormat, kind)
	out = binary.AppendUvarint(out, uint64(v.CommitTS-v.StartTS))
	if v.Kind == LockOnly && v.Held != 0 {
		return append(out, byte(v.Held))
	}
	return append(out, v.Value...)
}

// decodeVersion reads a version; commitTS comes from its key. Value points into b.
func decodeVersion(b []byte, commitTS timestamp.Timestamp) (Version, error) {
	if len(b) < 3 || b[0] != versionFormat {
		return Version{}, fmt.Errorf("%w: version %x: unknown format", ErrCorrupt, clip(b))
	}
	v := Version{Kind: Kind(b[1] &^ kindKeyStays), CommitTS: commitTS}
	if v.Kind < Put || v.Kind > LockOnly || b[1]&kindKeyStays != 0 && v.Kind != Put {
		return Version{}, fmt.Errorf("%w: version %x: unknown kind", ErrCorrupt, clip(b))
	}
	delta, n := binary.Uvarint(b[2:])
	if n <= 0 || delta == 0 || delta >= uint64(commitTS) {
		return Version{}, fmt.Errorf("%w: version %x at %v: bad start timestamp", ErrCorrupt, clip(b), commitTS)
	}
	v.StartTS = commitTS - timestamp.Timestamp(delta)
	rest := b[2+n:]
	if v.Kind == Put {
		v.Value = rest[:len(rest):len(rest)]
		if b[1]&kindKeyStays != 0 {
			v.Held = ModeNoKeyUpdate
		}
	} else if held, ok := decodeHeld(rest); ok && v.Kind == LockOnly {
		v.Held = held
	} else if len(rest) != 0 {
		return Version{}, fmt.Errorf("%w: version %x: a %v with a value", ErrCorrupt, clip(b), v.Kind)
	}
	return v, nil
}

// decodeHeld reads the mode of a lock, nothing for none.
func decodeHeld(b []byte) (Mode, bool) {
	switch {
	case len(b) == 0:
		return 0, true
	case len(b) == 1 && Mode(b[0]) >= ModeKeyShare && Mode(b[0]) <= ModeUpdate:
		return Mode(b[0]), true
	}
	return 0, false
}

func encodeLock(l *Lock) []byte {
	out := make([]byte, 0, 48+len(l.Primary)+len(l.Value))
	var flags byte
	if l.Async {
		flags |= flagAsync
	}
	if l.Gateway != (Gateway{}) {
		flags |= flagGateway
	}
	if l.Kind == Put && l.Held == ModeNoKeyUpdate {
		flags |= flagKeyStays
	}
	out = append(out, lockFormat, byte(l.Kind), flags)
	out = appendBytes(out, l.Primary)
	for _, v := range [...]uint64{uint64(l.StartTS), l.TTLms, uint64(l.ForUpdateTS), uint64(l.MinCommitTS), l.TxnSize, uint64(len(l.Secondaries))} {
		out = binary.AppendUvarint(out, v)
	}
	for _, s := range l.Secondaries {
		out = appendBytes(out, s)
	}
	if flags&flagGateway != 0 {
		out = binary.AppendUvarint(binary.AppendUvarint(out, l.Gateway.Store), l.Gateway.Boot)
	}
	if (l.Kind == LockOnly || l.Kind == Shared) && l.Held != 0 {
		return append(out, byte(l.Held))
	}
	return append(out, l.Value...)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

// decodeLock reads a lock. The result does not share memory with b.
func decodeLock(b []byte) (*Lock, error) {
	bad := func(what string) (*Lock, error) {
		return nil, fmt.Errorf("%w: lock %x: %s", ErrCorrupt, clip(b), what)
	}
	if len(b) < 3 || b[0] != lockFormat {
		return bad("unknown format")
	}
	l := &Lock{Kind: Kind(b[1]), Async: b[2]&flagAsync != 0}
	if l.Kind < Put || l.Kind > Shared || b[2]&^(flagAsync|flagGateway|flagKeyStays) != 0 || b[2]&flagKeyStays != 0 && l.Kind != Put {
		return bad("unknown kind or flag")
	}
	d := decoder{b: b[3:]}
	l.Primary = d.bytes()
	l.StartTS = timestamp.Timestamp(d.uint())
	l.TTLms = d.uint()
	l.ForUpdateTS = timestamp.Timestamp(d.uint())
	l.MinCommitTS = timestamp.Timestamp(d.uint())
	l.TxnSize = d.uint()
	n := d.uint()
	if d.failed || n > secondariesMax {
		return bad("truncated")
	}
	for ; n > 0 && !d.failed; n-- {
		l.Secondaries = append(l.Secondaries, d.bytes())
	}
	if b[2]&flagGateway != 0 {
		l.Gateway.Store, l.Gateway.Boot = d.uint(), d.uint()
	}
	if d.failed {
		return bad("truncated")
	}
	if l.StartTS == 0 || len(l.Primary) == 0 {
		return bad("no transaction or primary")
	}
	if l.Kind == Put {
		l.Value = append([]byte{}, d.b...)
		if b[2]&flagKeyStays != 0 {
			l.Held = ModeNoKeyUpdate
		}
	} else if held, ok := decodeHeld(d.b); ok && l.Kind != Delete {
		l.Held = held
	} else if len(d.b) != 0 {
		return bad("a value without a put")
	}
	return l, nil
}

// decoder reads fields until the first failure.
type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// bytes returns a copy.
func (d *decoder) bytes() []byte {
	n := d.uint()
	if d.failed || n > uint64(len(d.b)) {
		d.failed, d.b = true, nil
		return nil
	}
	out := bytes.Clone(d.b[:n])
	d.b = d.b[n:]
	return out
}

func encodeMark() []byte { return []byte{markFormat} }

func checkMark(b []byte) error {
	if len(b) != 1 || b[0] != markFormat {
		return fmt.Errorf("%w: rollback mark %x: unknown format", ErrCorrupt, clip(b))
	}
	return nil
}

// clip bounds how much of a value an error shows.
func clip(b []byte) []byte { return b[:min(len(b), 64)] }

// String writes the lock for people, without its value.
func (l *Lock) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%v by %v primary=%v ttl=%dms", l.Kind, l.StartTS, l.Primary, l.TTLms)
	if l.ForUpdateTS != 0 {
		fmt.Fprintf(&out, " forUpdate=%v", l.ForUpdateTS)
	}
	fmt.Fprintf(&out, " minCommit=%v", l.MinCommitTS)
	if l.Gateway != (Gateway{}) {
		fmt.Fprintf(&out, " gateway=%d/%d", l.Gateway.Store, l.Gateway.Boot)
	}
	if l.Async {
		fmt.Fprintf(&out, " async secondaries=%d", len(l.Secondaries))
	}
	fmt.Fprintf(&out, " value=%dB", len(l.Value))
	return out.String()
}

// String writes the version for people, without its value.
func (v Version) String() string {
	return fmt.Sprintf("%v by %v at %v value=%dB", v.Kind, v.StartTS, v.CommitTS, len(v.Value))
}

// FormatKV writes a pair of the state engine for people, as far as this package
// knows its meaning. It never fails.
func FormatKV(key, value []byte) string {
	name := keys.Encoded(key).String()
	d, err := keys.Decode(key)
	if err != nil {
		return fmt.Sprintf("%s = 0x%x", name, value)
	}
	switch d.Kind {
	case keys.KindData:
		v, err := decodeVersion(value, d.TS)
		if err != nil {
			return fmt.Sprintf("%s = ! %v", name, err)
		}
		return fmt.Sprintf("%s = %v 0x%x", name, v, v.Value)
	case keys.KindLock:
		l, err := decodeLock(value)
		if err != nil {
			return fmt.Sprintf("%s = ! %v", name, err)
		}
		return fmt.Sprintf("%s = %v", name, l)
	case keys.KindRollback:
		if err := checkMark(value); err != nil {
			return fmt.Sprintf("%s = ! %v", name, err)
		}
		return name
	}
	return fmt.Sprintf("%s = 0x%x", name, value)
}
