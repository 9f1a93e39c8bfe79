// Package types holds PostgreSQL's data types: their numbers and names, the
// values, their order, and their text and binary forms.
//
//	Type  = OID + typmod      what a column or an expression is
//	Info  = row of pg_type    what is known about an OID
//	Datum = one value         says how it is stored, not which type it has
//
// A Datum does not know its SQL type: int4 and date are both integers in it. So
// everything whose result depends on the type (Compare, Hash, EncodeText, …)
// takes the Type beside the value. How each built type is stored:
//
//	bool                             Bool
//	int2 int4 int8 oid reg* xid cid  Int (the unsigned ones as 0 … 2^32-1)
//	float4 float8                    Float (float4 rounded to 32 bits)
//	numeric                          Numeric
//	text varchar bpchar name "char"  String; bpchar keeps its blanks, "char" has 0 or 1 bytes
//	bytea                            String, any bytes
//	bit, varbit                      String of digits 0 and 1
//	json                             String as written; jsonb: see JSONDoc
//	jsonpath                         String in its normal form
//	uuid                             String of 16 bytes
//	date                             Int, days since 2000-01-01
//	timestamp timestamptz            Int, microseconds since 2000-01-01 00:00 (UTC)
//	time                             Int, microseconds since midnight
//	timetz                           Int, see timetz.go
//	interval                         Interval
//	arrays, int2vector, oidvector    Array
//	record, composite types          Record
//	enums                            String, the label's key (Label.Key)
//	domains                          as the type under them
//	unknown, cstring                 String
//	void                             String, empty
//
// The infinities of date are MinInt32 and MaxInt32, those of the timestamps
// MinInt64 and MaxInt64, as PostgreSQL has them on the wire.
//
// A type of a user's carries its definition (Def), which the catalogue makes; see
// user.go.
//
// A type that is registered but not built (xml, inet, …) has an Info, so that
// catalogues can list it and names resolve; decoding a value of it is
// feature_not_supported with its name. No Datum of such a type ever exists.
//
// # Invariants
//
//   - Text is valid UTF-8 without NUL; whoever makes a Datum from outside bytes
//     goes through DecodeText or DecodeBinary, which check it.
//   - A numeric that fits a 64-bit coefficient is stored inline (see numeric.go),
//     and is always in that form, so equal scale and value mean equal bits.
//   - Values are immutable. What a Datum points to is never changed after the
//     Datum was made; slices handed in are owned by the Datum from then on.
//
// # Concurrency
//
// Everything here is safe for concurrent use; there is no state beyond tables
// that are built once.
package types
