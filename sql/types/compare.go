package types

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Compare orders two values of type t as PostgreSQL's btree operator class does
// and returns -1, 0 or 1. NULLs are equal to each other and greater than
// everything else, the default of ORDER BY. NaN is greater than all numbers and
// equal to itself; bpchar ignores blanks at the end; text is ordered by bytes.
func Compare(a, b Datum, t Type) int {
	if t.def != nil {
		t = t.Base()
	}
	if a.kind != b.kind {
		switch {
		case a.kind == KindNull:
			return 1
		case b.kind == KindNull:
			return -1
		}
		// Never reached by values of one type; an order all the same.
		return cmpInt(int64(a.kind), int64(b.kind))
	}
	switch a.kind {
	case KindBool, KindInt:
		return cmpInt(a.num, b.num)
	case KindFloat:
		return cmpFloat(a.Float(), b.Float())
	case KindString:
		if t.OID == OIDBpchar {
			return strings.Compare(strings.TrimRight(a.Str(), " "), strings.TrimRight(b.Str(), " "))
		}
		if t.OID == OIDJSONB {
			return CompareJSONB(a.JSON(), b.JSON())
		}
		return bytes.Compare(a.UnsafeBytes(), b.UnsafeBytes())
	case KindNumeric:
		return CompareNumeric(a, b)
	case KindInterval:
		return a.Interval().Compare(b.Interval())
	case KindArray:
		return compareArrays(a.Array(), b.Array())
	case KindRecord:
		return compareRecords(a.Record(), b.Record())
	}
	return 0
}

// Equal reports whether Compare is 0, possibly faster.
func Equal(a, b Datum, t Type) bool {
	if t.def != nil {
		t = t.Base()
	}
	if a.kind == b.kind && (a.kind == KindInt || a.kind == KindBool) {
		return a.num == b.num
	}
	if a.kind == KindString && b.kind == KindString && t.OID != OIDBpchar && t.OID != OIDJSONB {
		return a.Str() == b.Str()
	}
	return Compare(a, b, t) == 0
}

func cmpInt(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func cmpFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	case a == b:
		return 0
	case math.IsNaN(a) && math.IsNaN(b):
		return 0
	case math.IsNaN(a):
		return 1
	}
	return -1
}

// compareArrays orders by the elements, then their number, then the dimensions.
func compareArrays(a, b *Array) int {
	for i := 0; i < len(a.Elems) && i < len(b.Elems); i++ {
		if c := Compare(a.Elems[i], b.Elems[i], a.Elem); c != 0 {
			return c
		}
	}
	if c := cmpInt(int64(len(a.Elems)), int64(len(b.Elems))); c != 0 {
		return c
	}
	if c := cmpInt(int64(len(a.Dims)), int64(len(b.Dims))); c != 0 {
		return c
	}
	for i := range a.Dims {
		if c := cmpInt(int64(a.Dims[i].Len), int64(b.Dims[i].Len)); c != 0 {
			return c
		}
	}
	for i := range a.Dims {
		if c := cmpInt(int64(a.Dims[i].Lower), int64(b.Dims[i].Lower)); c != 0 {
			return c
		}
	}
	return 0
}

func compareRecords(a, b *Record) int {
	for i := 0; i < len(a.Fields) && i < len(b.Fields); i++ {
		if c := Compare(a.Fields[i], b.Fields[i], a.Types[i]); c != 0 {
			return c
		}
	}
	return cmpInt(int64(len(a.Fields)), int64(len(b.Fields)))
}

// Hash mixes d, a value of type t, into the running hash h: equal values of one
// type give equal hashes. It is neither stable across versions nor secret, and
// not for disk.
func Hash(h uint64, d Datum, t Type) uint64 {
	if t.def != nil {
		t = t.Base()
	}
	switch d.kind {
	case KindNull:
		return mix(h, 0x9e3779b97f4a7c15)
	case KindBool, KindInt:
		return mix(h, uint64(d.num))
	case KindFloat:
		f := d.Float()
		if f == 0 {
			f = 0 // -0 equals 0
		}
		if math.IsNaN(f) {
			f = math.NaN()
		}
		return mix(h, math.Float64bits(f))
	case KindString:
		s := d.Str()
		if t.OID == OIDBpchar {
			s = strings.TrimRight(s, " ")
		}
		if t.OID == OIDJSONB {
			return hashJSON(h, JSONDoc(s))
		}
		return hashString(h, s)
	case KindNumeric:
		return hashNumeric(h, d)
	case KindInterval:
		days, micros := d.Interval().compareKey()
		return mix(mix(h, uint64(days)), uint64(micros))
	case KindArray:
		a := d.Array()
		for _, e := range a.Elems {
			h = Hash(h, e, a.Elem)
		}
		return mix(h, uint64(len(a.Elems)))
	case KindRecord:
		r := d.Record()
		for i, f := range r.Fields {
			h = Hash(h, f, r.Types[i])
		}
		return mix(h, uint64(len(r.Fields)))
	}
	return h
}

// mix is a step of the multiply-and-shift family (as in wyhash and Murmur3's
// finaliser).
func mix(h, x uint64) uint64 {
	h ^= x
	h *= 0xff51afd7ed558ccd
	h ^= h >> 32
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>29
}

func hashString(h uint64, s string) uint64 {
	n := len(s)
	for len(s) >= 8 {
		h = mix(h, uint64(s[0])|uint64(s[1])<<8|uint64(s[2])<<16|uint64(s[3])<<24|
			uint64(s[4])<<32|uint64(s[5])<<40|uint64(s[6])<<48|uint64(s[7])<<56)
		s = s[8:]
	}
	var tail uint64
	for i := 0; i < len(s); i++ {
		tail |= uint64(s[i]) << (8 * i)
	}
	return mix(mix(h, tail), uint64(n))
}

// hashNumeric hashes the value without the zeros at the end of its fraction.
func hashNumeric(h uint64, d Datum) uint64 {
	if c, s, ok := d.NumericInt64(); ok {
		for s > 0 && c%10 == 0 {
			c /= 10
			s--
			if c == 0 {
				s = 0
			}
		}
		return mix(mix(h, uint64(c)), uint64(s))
	}
	v := d.Decimal()
	if v.Form != 0 {
		return mix(h, uint64(v.Form)<<1|uint64(b2i(v.Negative)))
	}
	// A value that would fit inline with fewer zeros must hash as that one does.
	var digits [64]byte
	text := v.Coeff.Append(digits[:0], 10)
	s := int(-v.Exponent)
	for s > 0 && len(text) > 1 && text[len(text)-1] == '0' {
		text = text[:len(text)-1]
		s--
	}
	if n, err := parseSmall(text); err {
		if v.Negative {
			n = -n
		}
		return mix(mix(h, uint64(n)), uint64(s))
	}
	var tail [8]byte
	binary.LittleEndian.PutUint64(tail[:], uint64(s)<<1|uint64(b2i(v.Negative)))
	return hashString(h, string(text)+string(tail[:]))
}

func parseSmall(text []byte) (int64, bool) {
	if len(text) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range text {
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= math.MaxInt64
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// CheckEqual returns undefined_function (42883) if values of the type cannot be told
// equal or not, as DISTINCT, GROUP BY and UNION ask.
func CheckEqual(t Type) error {
	if err := t.CheckBuilt(); err != nil {
		return err
	}
	if b := t.Base(); b.def != nil {
		return checkParts(b, CheckEqual)
	} else if b != t {
		return CheckEqual(b)
	}
	if t.IsArray() {
		return CheckEqual(t.Elem())
	}
	switch t.OID {
	case OIDJSON, OIDJSONPath, OIDPgNodeTree, OIDVoid:
		return sqlerr.New(sqlerr.UndefinedFunction, "could not identify an equality operator for type %s", t.Bare())
	}
	return nil
}

// CheckOrdered returns undefined_function (42883) if values of the type have no
// order, as an ORDER BY or an index would ask.
func CheckOrdered(t Type) error {
	if err := t.CheckBuilt(); err != nil {
		return err
	}
	if b := t.Base(); b.def != nil {
		return checkParts(b, CheckOrdered)
	} else if b != t {
		return CheckOrdered(b)
	}
	if t.IsArray() {
		return CheckOrdered(t.Elem())
	}
	if t.storage() == storeVoid || t.OID == OIDXid || t.OID == OIDCid || t.OID == OIDPgNodeTree || t.OID == OIDAclItem || t.OID == OIDJSON || t.OID == OIDJSONPath {
		return sqlerr.New(sqlerr.UndefinedFunction, "could not identify an ordering operator for type %s", t).
			WithHint("Use an explicit ordering operator or modify the query.")
	}
	return nil
}

// checkParts applies a check to the elements of an array and the attributes of a
// composite type.
func checkParts(t Type, check func(Type) error) error {
	if t.IsArray() {
		return check(t.Elem())
	}
	for _, f := range t.def.Fields {
		if err := check(f.Type); err != nil {
			return err
		}
	}
	return nil
}
