package types

import (
	"iter"
	"sort"
	"strconv"
	"sync"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// OID is the number of an object of the catalogue, here of a type. Zero is none.
type OID uint32

// Numbers of the types that the code names. All others are in builtin.go.
const (
	OIDBool          OID = 16
	OIDBytea         OID = 17
	OIDChar          OID = 18 // "char", one byte
	OIDName          OID = 19
	OIDInt8          OID = 20
	OIDInt2          OID = 21
	OIDInt2Vector    OID = 22
	OIDInt4          OID = 23
	OIDRegProc       OID = 24
	OIDText          OID = 25
	OIDOid           OID = 26
	OIDTid           OID = 27
	OIDXid           OID = 28
	OIDCid           OID = 29
	OIDOidVector     OID = 30
	OIDJSON          OID = 114
	OIDPgNodeTree    OID = 194
	OIDAclItem       OID = 1033
	OIDAclItemArray  OID = 1034
	OIDFloat4        OID = 700
	OIDFloat8        OID = 701
	OIDUnknown       OID = 705
	OIDBpchar        OID = 1042 // char(n)
	OIDVarchar       OID = 1043
	OIDDate          OID = 1082
	OIDTime          OID = 1083
	OIDTimestamp     OID = 1114
	OIDTimestamptz   OID = 1184
	OIDInterval      OID = 1186
	OIDTimetz        OID = 1266
	OIDBit           OID = 1560
	OIDVarbit        OID = 1562
	OIDNumeric       OID = 1700
	OIDRegProcedure  OID = 2202
	OIDRegOper       OID = 2203
	OIDRegOperator   OID = 2204
	OIDRegClass      OID = 2205
	OIDRegType       OID = 2206
	OIDRecord        OID = 2249
	OIDCstring       OID = 2275
	OIDAny           OID = 2276
	OIDAnyArray      OID = 2277
	OIDVoid          OID = 2278
	OIDAnyElement    OID = 2283
	OIDAnyNonArray   OID = 2776
	OIDUUID          OID = 2950
	OIDAnyEnum       OID = 3500
	OIDJSONB         OID = 3802
	OIDJSONPath      OID = 4072
	OIDRegNamespace  OID = 4089
	OIDRegRole       OID = 4096
	OIDRegCollation  OID = 4191
	OIDXid8          OID = 5069
	OIDAnyCompatible OID = 5077

	OIDAnyCompatibleArray    OID = 5078
	OIDAnyCompatibleNonArray OID = 5079

	OIDBoolArray        OID = 1000
	OIDByteaArray       OID = 1001
	OIDCharArray        OID = 1002
	OIDNameArray        OID = 1003
	OIDInt2Array        OID = 1005
	OIDInt4Array        OID = 1007
	OIDTextArray        OID = 1009
	OIDBpcharArray      OID = 1014
	OIDVarcharArray     OID = 1015
	OIDInt8Array        OID = 1016
	OIDFloat4Array      OID = 1021
	OIDFloat8Array      OID = 1022
	OIDOidArray         OID = 1028
	OIDTimestampArray   OID = 1115
	OIDDateArray        OID = 1182
	OIDTimeArray        OID = 1183
	OIDTimestamptzArray OID = 1185
	OIDIntervalArray    OID = 1187
	OIDNumericArray     OID = 1231
	OIDRecordArray      OID = 2287
	OIDUUIDArray        OID = 2951
	OIDJSONArray        OID = 199
	OIDJSONBArray       OID = 3807
)

// Type is a data type with its modifier. It is comparable with ==. The zero
// value is no type.
type Type struct {
	OID OID
	// Typmod is PostgreSQL's type modifier: -1 for none; length+4 for varchar
	// and bpchar; (precision<<16 | scale)+4 for numeric; the number of
	// fractional digits for the times; fields<<16 | digits for interval.
	Typmod int32
	// def is what a user's type is, nil for a built-in one. The catalogue puts it
	// there; a type of one snapshot has one definition, so that == goes on to hold.
	def *Def
}

// The built-in types without modifier. They are constants in all but syntax.
var (
	Bool         = Of(OIDBool)
	Bytea        = Of(OIDBytea)
	Char         = Of(OIDChar) // "char"
	Name         = Of(OIDName)
	Int8         = Of(OIDInt8)
	Int2         = Of(OIDInt2)
	Int2Vector   = Of(OIDInt2Vector)
	Int4         = Of(OIDInt4)
	RegProc      = Of(OIDRegProc)
	Text         = Of(OIDText)
	Oid          = Of(OIDOid)
	OidVector    = Of(OIDOidVector)
	Xid          = Of(OIDXid)
	JSON         = Of(OIDJSON)
	JSONB        = Of(OIDJSONB)
	JSONPath     = Of(OIDJSONPath)
	PgNodeTree   = Of(OIDPgNodeTree)
	AclItem      = Of(OIDAclItem) // kept as its text
	Float4       = Of(OIDFloat4)
	Float8       = Of(OIDFloat8)
	Unknown      = Of(OIDUnknown)
	Bpchar       = Of(OIDBpchar)
	Varchar      = Of(OIDVarchar)
	Date         = Of(OIDDate)
	Time         = Of(OIDTime)
	Timestamp    = Of(OIDTimestamp)
	Timestamptz  = Of(OIDTimestamptz)
	IntervalType = Of(OIDInterval)
	Timetz       = Of(OIDTimetz)
	Bit          = Of(OIDBit)
	Varbit       = Of(OIDVarbit)
	Numeric      = Of(OIDNumeric)
	RegClass     = Of(OIDRegClass)
	RegType      = Of(OIDRegType)
	RegNamespace = Of(OIDRegNamespace)
	RegRole      = Of(OIDRegRole)
	UUID         = Of(OIDUUID)
	RecordType   = Of(OIDRecord)
	Void         = Of(OIDVoid)
	AnyElement   = Of(OIDAnyElement)
	AnyArray     = Of(OIDAnyArray)

	BoolArray        = Of(OIDBoolArray)
	CharArray        = Of(OIDCharArray)
	NameArray        = Of(OIDNameArray)
	Int2Array        = Of(OIDInt2Array)
	Int4Array        = Of(OIDInt4Array)
	Int8Array        = Of(OIDInt8Array)
	TextArray        = Of(OIDTextArray)
	OidArray         = Of(OIDOidArray)
	Float8Array      = Of(OIDFloat8Array)
	NumericArray     = Of(OIDNumericArray)
	TimestampArray   = Of(OIDTimestampArray)
	TimestamptzArray = Of(OIDTimestamptzArray)
	AclItemArray     = Of(OIDAclItemArray)
)

// Of returns the type of that number without modifier.
func Of(oid OID) Type { return Type{OID: oid, Typmod: -1} }

// IsZero reports whether t is no type at all.
func (t Type) IsZero() bool { return t.OID == 0 }

// Bare returns t without its modifier.
func (t Type) Bare() Type { return Type{OID: t.OID, Typmod: -1, def: t.def} }

// WithTypmod returns t with the given modifier.
func (t Type) WithTypmod(typmod int32) Type { return Type{OID: t.OID, Typmod: typmod, def: t.def} }

// Info is what pg_type says about a type.
type Info struct {
	OID       OID
	Name      string
	Len       int16 // typlen: bytes, -1 for varying, -2 for a C string
	ByVal     bool
	Kind      byte // typtype: b base, p pseudo, r range, m multirange
	Category  byte // typcategory: N numeric, S string, D date/time, A array, …
	Preferred bool // typispreferred
	Delim     byte // typdelim
	Elem      OID  // typelem
	Array     OID  // typarray, 0 if there is none

	// Numbers of the I/O functions in pg_proc; 0 for none.
	Input, Output, Receive, Send, TypmodIn, TypmodOut OID

	Align     byte // typalign
	Storage   byte // typstorage
	Collation OID  // typcollation
}

// Lookup returns what is known of a type, or false for a number that is no
// built-in type.
func Lookup(oid OID) (*Info, bool) {
	i := sort.Search(len(builtins), func(i int) bool { return builtins[i].OID >= oid })
	if i < len(builtins) && builtins[i].OID == oid {
		return &builtins[i], true
	}
	return nil, false
}

// LookupName returns the type with that name in pg_type ("int4", "_text",
// "bpchar"). SQL's own spellings ("integer", "varchar(10)") are for ParseType.
func LookupName(name string) (*Info, bool) {
	i, ok := namesOnce()[name]
	return i, ok
}

// All lists the built-in types in the order of their numbers.
func All() iter.Seq[*Info] {
	return func(yield func(*Info) bool) {
		for i := range builtins {
			if !yield(&builtins[i]) {
				return
			}
		}
	}
}

var namesOnce = sync.OnceValue(func() map[string]*Info {
	m := make(map[string]*Info, len(builtins))
	for i := range builtins {
		m[builtins[i].Name] = &builtins[i]
	}
	return m
})

// IsArray reports whether the type is a true array: of category A with an
// element type, but not int2vector or oidvector.
func (i *Info) IsArray() bool {
	return i.Category == 'A' && i.Elem != 0 && i.Len == -1 && !isVector(i.OID)
}

func isVector(oid OID) bool { return oid == OIDInt2Vector || oid == OIDOidVector }

// Name returns the name in pg_type, or the number for a type that is unknown.
func (t Type) Name() string {
	if i, ok := t.Info(); ok {
		return i.Name
	}
	return strconv.FormatUint(uint64(t.OID), 10)
}

// Category returns typcategory, or 0 for a type that is unknown.
func (t Type) Category() byte {
	if i, ok := t.Info(); ok {
		return i.Category
	}
	return 0
}

// IsPreferred reports whether t is the preferred type of its category.
func (t Type) IsPreferred() bool {
	i, ok := t.Info()
	return ok && i.Preferred
}

// Len returns typlen as RowDescription carries it; -1 for a type that is unknown.
func (t Type) Len() int16 {
	if i, ok := t.Info(); ok {
		return i.Len
	}
	return -1
}

// IsArray reports whether t is a true array type.
func (t Type) IsArray() bool {
	if t.def != nil {
		return !t.def.elem.IsZero()
	}
	i, ok := Lookup(t.OID)
	return ok && i.IsArray()
}

// Elem returns the element type of an array, int2vector or oidvector, carrying
// the array's modifier; the zero Type for anything else.
func (t Type) Elem() Type {
	if t.def != nil {
		return t.def.elem
	}
	if isVector(t.OID) || t.IsArray() {
		i, _ := Lookup(t.OID)
		return Type{OID: i.Elem, Typmod: t.Typmod}
	}
	return Type{}
}

// ArrayOf returns the array type of t with t's modifier, or false when there is
// none. An array's array type is itself: arrays have dimensions, not depth.
func (t Type) ArrayOf() (Type, bool) {
	if t.IsArray() {
		return t, true
	}
	if t.def != nil {
		a := t.def.ArrayType()
		return a, !a.IsZero()
	}
	if i, ok := Lookup(t.OID); ok && i.Array != 0 {
		return Type{OID: i.Array, Typmod: t.Typmod}, true
	}
	return Type{}, false
}

// IsPolymorphic reports whether t is one of the any… types of the functions'
// declarations (anyelement, anyarray, …; not "any").
func (t Type) IsPolymorphic() bool {
	switch t.OID {
	case OIDAnyElement, OIDAnyArray, OIDAnyNonArray, OIDAnyEnum,
		OIDAnyCompatible, OIDAnyCompatibleArray, OIDAnyCompatibleNonArray:
		return true
	}
	return false
}

// IsBuilt reports whether values of the type can exist.
func (t Type) IsBuilt() bool { return t.storage() != storeNone }

// CheckBuilt returns feature_not_supported naming the type when values of it
// cannot exist.
func (t Type) CheckBuilt() error {
	if t.IsBuilt() {
		return nil
	}
	return sqlerr.Unsupported("type %s", t)
}

// storage says how a type's values lie in a Datum, and with it which code
// handles them.
type storage uint8

const (
	storeNone storage = iota
	storeBool
	storeInt2
	storeInt4
	storeInt8
	storeOID // unsigned 32 bits
	storeReg // as storeOID, with names
	storeFloat4
	storeFloat8
	storeNumeric
	storeText
	storeBpchar
	storeName
	storeChar
	storeBytea
	storeUUID
	storeDate
	storeTime
	storeTimestamp
	storeTimestamptz
	storeInterval
	storeVector
	storeArray
	storeRecord
	storeVoid
	storeJSON
	storeJSONB
	storeJSONPath
	storeTimetz
	storeBit
	storeEnum
)

// storage is storageOf for any type: a domain's values are stored as its base's.
func (t Type) storage() storage {
	if t.def == nil {
		return storageOf(t.OID)
	}
	switch t.def.Kind {
	case KindOfEnum:
		return storeEnum
	case KindOfDomain:
		return t.def.Base.storage()
	case KindOfComposite:
		return storeRecord
	}
	if t.def.elem.storage() == storeNone {
		return storeNone
	}
	return storeArray
}

func storageOf(oid OID) storage {
	switch oid {
	case OIDBool:
		return storeBool
	case OIDInt2:
		return storeInt2
	case OIDInt4:
		return storeInt4
	case OIDInt8:
		return storeInt8
	case OIDOid, OIDXid, OIDCid:
		return storeOID
	case OIDRegProc, OIDRegProcedure, OIDRegOper, OIDRegOperator, OIDRegClass, OIDRegType, OIDRegNamespace, OIDRegRole, OIDRegCollation:
		return storeReg
	case OIDFloat4:
		return storeFloat4
	case OIDFloat8:
		return storeFloat8
	case OIDNumeric:
		return storeNumeric
	case OIDText, OIDVarchar, OIDUnknown, OIDCstring, OIDPgNodeTree, OIDAclItem:
		return storeText
	case OIDBpchar:
		return storeBpchar
	case OIDName:
		return storeName
	case OIDChar:
		return storeChar
	case OIDBytea:
		return storeBytea
	case OIDUUID:
		return storeUUID
	case OIDDate:
		return storeDate
	case OIDTime:
		return storeTime
	case OIDTimestamp:
		return storeTimestamp
	case OIDTimestamptz:
		return storeTimestamptz
	case OIDInterval:
		return storeInterval
	case OIDInt2Vector, OIDOidVector:
		return storeVector
	case OIDRecord:
		return storeRecord
	case OIDVoid:
		return storeVoid
	case OIDJSON:
		return storeJSON
	case OIDJSONB:
		return storeJSONB
	case OIDJSONPath:
		return storeJSONPath
	case OIDTimetz:
		return storeTimetz
	case OIDBit, OIDVarbit:
		return storeBit
	case OIDAnyArray:
		// Only pg_statistic and friends have columns of it; they are NULL here.
		return storeNone
	}
	if i, ok := Lookup(oid); ok && i.IsArray() && storageOf(i.Elem) != storeNone {
		return storeArray
	}
	return storeNone
}
