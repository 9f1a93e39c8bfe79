package types

import (
	"math"
	"strconv"
	"unsafe"

	"github.com/cockroachdb/apd/v3"
)

// Kind says how a Datum is stored. It is not an SQL type.
type Kind uint8

const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindNumeric
	KindInterval
	KindArray
	KindRecord
)

func (k Kind) String() string {
	switch k {
	case KindNull:
		return "null"
	case KindBool:
		return "bool"
	case KindInt:
		return "int"
	case KindFloat:
		return "float"
	case KindString:
		return "string"
	case KindNumeric:
		return "numeric"
	case KindInterval:
		return "interval"
	case KindArray:
		return "array"
	case KindRecord:
		return "record"
	}
	return "?"
}

// Datum is one SQL value in three words. The zero Datum is NULL. It is copied
// freely and must not be compared with ==, which would compare addresses: use
// Compare or Equal with the type.
type Datum struct {
	// ptr is the text's first byte, or the value of a kind that is stored out
	// of line: *apd.Decimal, *Interval, *Array, *Record. See num for its use.
	ptr unsafe.Pointer
	// num is the integer, the float's bits, the bool, the text's length, or the
	// coefficient of an inline numeric (ptr nil).
	num  int64
	kind Kind
	// scale belongs to an inline numeric.
	scale uint16
}

// Null is the NULL of every type.
var Null = Datum{}

// True and False are the two booleans.
var (
	True  = Datum{kind: KindBool, num: 1}
	False = Datum{kind: KindBool}
)

// NewBool returns a bool.
func NewBool(b bool) Datum {
	if b {
		return True
	}
	return False
}

// NewInt returns an integer of any width, a date, a time, a timestamp or an OID
// (see the package comment for the units). The caller checks the range.
func NewInt(i int64) Datum { return Datum{kind: KindInt, num: i} }

// NewOID returns an oid.
func NewOID(o OID) Datum { return Datum{kind: KindInt, num: int64(o)} }

// NewFloat returns a float8, or a float4 if f was rounded to 32 bits.
func NewFloat(f float64) Datum { return Datum{kind: KindFloat, num: int64(math.Float64bits(f))} }

// NewString returns a value of a textual type. The text is not checked.
func NewString(s string) Datum {
	return Datum{kind: KindString, num: int64(len(s)), ptr: unsafe.Pointer(unsafe.StringData(s))}
}

// NewBytes returns a bytea. It takes over b, which must not change afterwards.
func NewBytes(b []byte) Datum {
	return Datum{kind: KindString, num: int64(len(b)), ptr: unsafe.Pointer(unsafe.SliceData(b))}
}

// NewUUID returns a uuid.
func NewUUID(u [16]byte) Datum { return NewString(string(u[:])) }

// NewInterval returns an interval.
func NewInterval(v Interval) Datum { return Datum{kind: KindInterval, ptr: unsafe.Pointer(&v)} }

// NewArray returns an array. It takes over a, which must not change afterwards.
func NewArray(a *Array) Datum { return Datum{kind: KindArray, ptr: unsafe.Pointer(a)} }

// NewRecord returns a row value. It takes over r.
func NewRecord(r *Record) Datum { return Datum{kind: KindRecord, ptr: unsafe.Pointer(r)} }

// Kind says how d is stored.
func (d Datum) Kind() Kind { return d.kind }

// IsNull reports whether d is NULL.
func (d Datum) IsNull() bool { return d.kind == KindNull }

// The accessors below must only be called on a Datum of their kind; on another
// one they return the zero value, never something made up.

// Bool returns the value of a bool.
func (d Datum) Bool() bool { return d.kind == KindBool && d.num != 0 }

// IsTrue reports whether d is the boolean true, neither false nor NULL: what a
// WHERE clause asks.
func (d Datum) IsTrue() bool { return d.kind == KindBool && d.num != 0 }

// Int returns the value of an integer, date, time, timestamp or OID.
func (d Datum) Int() int64 {
	if d.kind != KindInt {
		return 0
	}
	return d.num
}

// OID returns the value of an oid.
func (d Datum) OID() OID { return OID(uint32(d.Int())) }

// Float returns the value of a float4 or float8.
func (d Datum) Float() float64 {
	if d.kind != KindFloat {
		return 0
	}
	return math.Float64frombits(uint64(d.num))
}

// Str returns the text (or the bytes of a bytea or uuid) without copying it.
func (d Datum) Str() string {
	if d.kind != KindString {
		return ""
	}
	return unsafe.String((*byte)(d.ptr), int(d.num))
}

// UnsafeBytes returns the bytes behind Str. They must not be changed.
func (d Datum) UnsafeBytes() []byte {
	if d.kind != KindString || d.num == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(d.ptr), int(d.num))
}

// UUID returns the value of a uuid.
func (d Datum) UUID() (u [16]byte) {
	copy(u[:], d.Str())
	return u
}

// Interval returns the value of an interval.
func (d Datum) Interval() Interval {
	if d.kind != KindInterval {
		return Interval{}
	}
	return *(*Interval)(d.ptr)
}

// Array returns the value of an array, int2vector or oidvector, nil for any
// other kind. It must not be changed.
func (d Datum) Array() *Array {
	if d.kind != KindArray {
		return nil
	}
	return (*Array)(d.ptr)
}

// Record returns the value of a row, nil for any other kind. It must not be
// changed.
func (d Datum) Record() *Record {
	if d.kind != KindRecord {
		return nil
	}
	return (*Record)(d.ptr)
}

// Size estimates the memory d holds, itself included, in bytes.
func (d Datum) Size() int {
	const word = int(unsafe.Sizeof(Datum{}))
	switch d.kind {
	case KindString:
		return word + int(d.num)
	case KindNumeric:
		if d.ptr == nil {
			return word
		}
		return word + int((*apd.Decimal)(d.ptr).Size())
	case KindInterval:
		return word + int(unsafe.Sizeof(Interval{}))
	case KindArray:
		n := word + int(unsafe.Sizeof(Array{}))
		for _, e := range d.Array().Elems {
			n += e.Size()
		}
		return n
	case KindRecord:
		n := word + int(unsafe.Sizeof(Record{}))
		for _, e := range d.Record().Fields {
			n += e.Size()
		}
		return n
	}
	return word
}

// Record is the value of a row.
type Record struct {
	Types  []Type
	Fields []Datum
	// Names are the names of the fields, nil for a row constructor's.
	Names []string
	// Nums are the numbers of the attributes of a composite type, nil for a record
	// of no such type. Only values that have them can be stored.
	Nums []int16
}

// Name returns the name of a field; without names they are f1, f2, ….
func (r *Record) Name(i int) string {
	if i < len(r.Names) {
		return r.Names[i]
	}
	return "f" + strconv.Itoa(i+1)
}
