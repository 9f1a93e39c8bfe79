package keys

import (
	"encoding/binary"
	"fmt"
)

// First bytes of user keys.
//
//	\x01…   placement state, region 1 = ["", "\x02")
//	\x02…   SQL catalog and system tables; the first user region starts here
//	t…      SQL tables: 't', table id, index id, datums
const (
	PrefixPlacement = 0x01
	PrefixSystem    = 0x02
	PrefixTable     = 't'
)

// PlacementEnd returns the end of the placement region and the start of the
// first user region.
func PlacementEnd() User { return User{PrefixSystem} }

// TablePrefix returns the prefix of all keys of a table.
func TablePrefix(tableID uint64) User { return AppendUint([]byte{PrefixTable}, tableID) }

// IndexPrefix returns the prefix of all keys of one index of a table.
func IndexPrefix(tableID, indexID uint64) User { return AppendUint(TablePrefix(tableID), indexID) }

// DecodeIndexPrefix reads table id and index id and returns the datums behind
// them as a part of key.
func DecodeIndexPrefix(key []byte) (tableID, indexID uint64, rest []byte, err error) {
	if len(key) == 0 || key[0] != PrefixTable {
		return 0, 0, nil, fmt.Errorf("key %x is not of a table: %w", key, ErrMalformed)
	}
	if rest, tableID, err = DecodeUint(key[1:]); err != nil {
		return 0, 0, nil, err
	}
	if rest, indexID, err = DecodeUint(rest); err != nil {
		return 0, 0, nil, err
	}
	return tableID, indexID, rest, nil
}

// uintInlineMax is the largest number that AppendUint writes as one byte; the
// first bytes above it say how many bytes follow.
const uintInlineMax = 0xf7

// AppendUint appends an unsigned number so that bytewise order is numeric order
// and no encoding is a prefix of another. Numbers up to 247 take one byte.
func AppendUint(dst []byte, v uint64) []byte {
	if v <= uintInlineMax {
		return append(dst, byte(v))
	}
	n := byteLen(v)
	dst = append(dst, uintInlineMax+byte(n))
	return appendBig(dst, v, n)
}

// DecodeUint reads what AppendUint wrote and returns the bytes behind it.
// Encodings that AppendUint does not make are refused.
func DecodeUint(b []byte) (rest []byte, v uint64, err error) {
	if len(b) == 0 {
		return nil, 0, fmt.Errorf("empty number: %w", ErrMalformed)
	}
	if b[0] <= uintInlineMax {
		return b[1:], uint64(b[0]), nil
	}
	n := int(b[0] - uintInlineMax)
	v, rest, ok := readBig(b[1:], n)
	if !ok || v <= uintInlineMax {
		return nil, 0, fmt.Errorf("number %x: %w", b, ErrMalformed)
	}
	return rest, v, nil
}

// byteLen returns how many bytes v needs, at least one.
func byteLen(v uint64) int {
	n := 1
	for v >>= 8; v != 0; v >>= 8 {
		n++
	}
	return n
}

// appendBig appends the lowest n bytes of v, big endian.
func appendBig(dst []byte, v uint64, n int) []byte {
	var buf [8]byte
	binary.BigEndian.PutUint64(buf[:], v)
	return append(dst, buf[8-n:]...)
}

// readBig reads n big endian bytes and refuses a leading zero byte, so that
// every number has one encoding.
func readBig(b []byte, n int) (v uint64, rest []byte, ok bool) {
	if n < 1 || n > 8 || len(b) < n || (n > 1 && b[0] == 0) {
		return 0, nil, false
	}
	for _, c := range b[:n] {
		v = v<<8 | uint64(c)
	}
	return v, b[n:], true
}
