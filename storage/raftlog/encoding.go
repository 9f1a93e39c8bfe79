package raftlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/keys"
)

// ErrCorrupt is wrapped by errors about stored bytes that cannot be read.
var ErrCorrupt = errors.New("corrupt raft log")

// Every value is: format, payload, CRC-32C of key, format and payload. The key is
// covered so that a value in the wrong place is found too.
//
//	entry            type, uvarint(term), data
//	hard state       uvarints: term, vote, commit
//	truncated state  uvarints: index, term
//	tombstone        uvarint: smallest peer id
const format = 1

const crcLen = 4

// appendSum completes the value that starts at dst[from].
func appendSum(dst []byte, from int, key []byte, table *crc32.Table) []byte {
	sum := crc32.Update(crc32.Checksum(key, table), table, dst[from:])
	return binary.LittleEndian.AppendUint32(dst, sum)
}

// castagnoli returns the table for CRC-32C; the standard library keeps one.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

func seal(key []byte, fields ...uint64) []byte {
	out := []byte{format}
	for _, f := range fields {
		out = binary.AppendUvarint(out, f)
	}
	return appendSum(out, 0, key, castagnoli())
}

// unseal checks the sum and returns the payload, which points into value.
func unseal(key, value []byte) ([]byte, error) {
	n := len(value) - crcLen
	if n < 1 {
		return nil, fmt.Errorf("%w: %s: %d bytes", ErrCorrupt, keys.FormatLog(key), len(value))
	}
	table := castagnoli()
	if crc32.Update(crc32.Checksum(key, table), table, value[:n]) != binary.LittleEndian.Uint32(value[n:]) {
		return nil, fmt.Errorf("%w: %s: checksum mismatch", ErrCorrupt, keys.FormatLog(key))
	}
	if value[0] != format {
		return nil, fmt.Errorf("%w: %s: unknown format %d", ErrCorrupt, keys.FormatLog(key), value[0])
	}
	return value[1:n], nil
}

// unsealFields reads what seal wrote into the fields.
func unsealFields(key, value []byte, fields ...*uint64) error {
	b, err := unseal(key, value)
	if err != nil {
		return err
	}
	for _, f := range fields {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w: %s: truncated", ErrCorrupt, keys.FormatLog(key))
		}
		*f, b = v, b[n:]
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %s: %d bytes too many", ErrCorrupt, keys.FormatLog(key), len(b))
	}
	return nil
}

// appendEntry appends the value of an entry whose key is given.
func appendEntry(dst, key []byte, e *pb.Entry) []byte {
	from := len(dst)
	dst = append(dst, format, byte(e.GetType()))
	dst = binary.AppendUvarint(dst, e.GetTerm())
	dst = append(dst, e.GetData()...)
	return appendSum(dst, from, key, castagnoli())
}

// entryBox holds an entry and what its fields point to: one allocation.
type entryBox struct {
	entry       pb.Entry
	term, index uint64
	typ         pb.EntryType
}

// decodeEntry reads an entry. Its data is a copy; empty data is nil.
func decodeEntry(key, value []byte, index uint64) (*pb.Entry, error) {
	b, err := unseal(key, value)
	if err != nil {
		return nil, err
	}
	if len(b) < 2 {
		return nil, fmt.Errorf("%w: %s: truncated", ErrCorrupt, keys.FormatLog(key))
	}
	box := &entryBox{index: index, typ: pb.EntryType(b[0])}
	if _, known := pb.EntryType_name[int32(b[0])]; !known {
		return nil, fmt.Errorf("%w: %s: unknown type %d", ErrCorrupt, keys.FormatLog(key), b[0])
	}
	term, n := binary.Uvarint(b[1:])
	if n <= 0 {
		return nil, fmt.Errorf("%w: %s: truncated", ErrCorrupt, keys.FormatLog(key))
	}
	box.term = term
	box.entry.Term, box.entry.Index, box.entry.Type = &box.term, &box.index, &box.typ
	if data := b[1+n:]; len(data) > 0 {
		box.entry.Data = append([]byte(nil), data...)
	}
	return &box.entry, nil
}

// FormatKV writes a pair of the log engine for people. It never fails.
func FormatKV(key, value []byte) string {
	name := keys.FormatLog(key)
	d, err := keys.DecodeLog(key)
	if err != nil {
		return fmt.Sprintf("%s = 0x%x", name, value)
	}
	var a, b, c uint64
	switch d.Kind {
	case keys.LogEntry:
		e, err := decodeEntry(key, value, d.Index)
		if err != nil {
			return fmt.Sprintf("%s = ! %v", name, err)
		}
		return fmt.Sprintf("%s = term %d %v %dB", name, e.GetTerm(), e.GetType(), len(e.GetData()))
	case keys.LogHardState:
		if err = unsealFields(key, value, &a, &b, &c); err == nil {
			return fmt.Sprintf("%s = term %d vote %d commit %d", name, a, b, c)
		}
	case keys.LogTruncated:
		if err = unsealFields(key, value, &a, &b); err == nil {
			return fmt.Sprintf("%s = index %d term %d", name, a, b)
		}
	case keys.LogTombstone:
		if err = unsealFields(key, value, &a); err == nil {
			return fmt.Sprintf("%s = peers from %d", name, a)
		}
	}
	return fmt.Sprintf("%s = ! %v", name, err)
}
