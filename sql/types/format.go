package types

import "time"

// ByteaOutput, IntervalStyle and DateStyle are the settings of those names.
type (
	ByteaOutput   uint8
	IntervalStyle uint8
	DateStyle     uint8
	DateOrder     uint8
)

const (
	ByteaHex ByteaOutput = iota
	ByteaEscape
)

const (
	IntervalPostgres IntervalStyle = iota
	IntervalPostgresVerbose
	IntervalISO8601
	IntervalSQLStandard
)

// The output half of DateStyle.
const (
	DateStyleISO DateStyle = iota
	DateStylePostgres
	DateStyleSQL
	DateStyleGerman
)

// The input half of DateStyle: how 01/02/03 is read.
const (
	OrderMDY DateOrder = iota
	OrderDMY
	OrderYMD
)

// FormatContext holds the settings that text forms depend on. The zero value is
// PostgreSQL's default with time zone UTC, except that Now is missing. A nil
// *FormatContext means the zero value everywhere.
type FormatContext struct {
	// TimeZone is the setting TimeZone; nil is UTC.
	TimeZone      *time.Location
	DateStyle     DateStyle
	DateOrder     DateOrder
	IntervalStyle IntervalStyle
	ByteaOutput   ByteaOutput
	// ExtraFloatDigits is the setting minus 1, so that zero is PostgreSQL's
	// default of 1: shortest exact output. At -1 and below, digits are cut.
	ExtraFloatDigits int
	// Now is the transaction's time, for the inputs 'now', 'today', 'tomorrow'
	// and 'yesterday'. Those are an error while it is zero.
	Now time.Time
	// Names resolves the names of regclass and its relatives. While nil, they
	// print as numbers, and names cannot be read (except of types).
	Names ObjectNames
	// Domains tests the CHECK constraints of domains. While nil, no value of a domain
	// that has some can be made.
	Domains DomainChecker
}

// ObjectNames turns names of catalogue objects into numbers and back, for the
// input and output of the reg… types.
type ObjectNames interface {
	// ObjectName returns the text of an object as the reg type prints it,
	// qualified and quoted as far as needed; false if there is no such object.
	ObjectName(reg OID, object OID) (string, bool)
	// ObjectOID reads such a text. The error for a missing object is the one
	// that the client shall see (42P01 for regclass, 42704, 3F000, …).
	ObjectOID(reg OID, name string) (OID, error)
}

// Location returns the time zone, never nil.
func (c *FormatContext) Location() *time.Location {
	if c == nil || c.TimeZone == nil {
		return time.UTC
	}
	return c.TimeZone
}

// defaultContext stands for a nil *FormatContext.
var defaultContext FormatContext

func (c *FormatContext) orDefault() *FormatContext {
	if c == nil {
		return &defaultContext
	}
	return c
}
