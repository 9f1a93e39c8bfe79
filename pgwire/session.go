package pgwire

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Engine makes sessions. It must be safe for concurrent use.
type Engine interface {
	// NewSession opens a session for a client that has passed authentication. It
	// checks that role and database exist and applies the settings, in order.
	// Its error is sent to the client as FATAL and ends the connection: 28000 for
	// an unknown role, 3D000 for an unknown database, 42704 for an unknown
	// setting, 57P03 when the node cannot serve yet.
	//
	// ctx ends when the authentication timeout does; the session must not keep it.
	NewSession(ctx context.Context, p SessionParams) (Session, error)
}

// SessionParams is what is known of a client when its session opens.
type SessionParams struct {
	User     string
	Database string // the user's name when the client gave none
	// Settings are those of the "options" startup parameter (-c name=value), then
	// the other startup parameters (application_name, client_encoding, DateStyle,
	// search_path …) in the order sent, with the names as the client spelled them.
	// Applied in this order the later one wins, as in PostgreSQL.
	Settings []Setting

	RemoteAddr net.Addr
	TLS        bool
	// ProcessID is the number that BackendKeyData names: pg_backend_pid().
	ProcessID uint32

	// Notifier may be used by the session during any of its calls.
	Notifier Notifier
	// Terminate ends the connection with the given error, sent as FATAL: at once
	// while the connection waits for its client, otherwise as soon as the running
	// call returns (Terminate calls Session.Cancel to make that soon). The first
	// call counts. It may be called from any goroutine and does not block:
	// pg_terminate_backend and the idle timeouts are built on it.
	Terminate func(*sqlerr.Error)
	// Notify sends a NotificationResponse: at once while the connection waits for its
	// client outside of a transaction, else before the next ReadyForQuery there. It may be
	// called from any goroutine and does not block. A client that lets too many wait is
	// cut off.
	Notify func(Notification)
}

// Setting is a run-time parameter with its value.
type Setting struct {
	Name, Value string
}

// Transaction states as ReadyForQuery reports them.
const (
	TxIdle   byte = 'I' // no transaction block
	TxBlock  byte = 'T' // in a transaction block
	TxFailed byte = 'E' // in a failed transaction block: all but ROLLBACK is refused
)

// Formats of a parameter or a result column.
const (
	FormatText   int16 = 0
	FormatBinary int16 = 1
)

// Session is one client's session with the SQL engine. All methods are called
// from one goroutine, one at a time, except Cancel.
//
// A returned error becomes an ErrorResponse by way of sqlerr.As: errors of
// package sqlerr keep their fields, anything else is XX000. An error whose
// severity is FATAL also ends the connection. An error that a ResultWriter
// returned means that the connection is lost or that a value could not be sent:
// the session stops the statement, fails its transaction as for any other error
// and returns it.
//
// Byte slices and slices of parameters that are passed in belong to the caller
// and are valid only during the call; strings may be kept.
//
// ctx lives as long as the connection. Statement timeouts are the session's.
type Session interface {
	// ReportedSettings returns the settings that are sent as ParameterStatus at
	// the start of the connection (server_version, client_encoding, DateStyle …).
	// Later changes go through Notifier.ParameterStatus.
	ReportedSettings() []Setting

	// ExecSimple runs a string of zero or more statements. They form one implicit
	// transaction as far as they contain no BEGIN or COMMIT. The session calls w
	// for each statement: Columns and Row if it has rows, then Complete or
	// CompleteRows. For a string without any statement it calls EmptyQuery once.
	// After an error the rest of the string is not run; the error is returned, not
	// written. ExecSimple also drops the unnamed statement and portal.
	//
	// On return an implicit transaction has ended: no Sync follows.
	ExecSimple(ctx context.Context, sql string, w ResultWriter) error

	// Parse makes a prepared statement; an empty name replaces the unnamed one. sql
	// holds at most one statement (42601 otherwise) and may hold none. paramTypes
	// are the types the client declares for $1, $2 …; 0 and missing ones are to be
	// inferred. An existing name is 42P05. The session bounds how many it keeps.
	Parse(ctx context.Context, name, sql string, paramTypes []uint32) error
	// DescribeStatement returns the parameter types and result columns of a
	// statement, 26000 if there is none of that name. cols is nil for a statement
	// that returns no rows, empty but not nil for rows without columns. Formats in
	// cols are ignored.
	DescribeStatement(ctx context.Context, name string) (params []types.Type, cols []Column, err error)
	// Bind makes a portal out of a statement. See BindRequest.
	Bind(ctx context.Context, b *BindRequest) error
	// DescribePortal returns the result columns of a portal with the formats that
	// its Bind asked for, nil if it returns no rows; 34000 for an unknown portal.
	DescribePortal(ctx context.Context, name string) ([]Column, error)
	// Execute runs a portal, or goes on with it, until it has written maxRows rows
	// (0 = no limit). It returns suspended, without having called Complete, if it
	// stopped at the limit; else it ends with Complete, CompleteRows or EmptyQuery.
	// Columns is called as in ExecSimple although nothing is sent to the client for
	// it. An unknown portal is 34000.
	Execute(ctx context.Context, portal string, maxRows int, w ResultWriter) (suspended bool, err error)
	// CloseStatement and ClosePortal drop one; an unknown name is no error.
	CloseStatement(ctx context.Context, name string) error
	ClosePortal(ctx context.Context, name string) error
	// Sync ends the implicit transaction: it commits, or rolls back after an error.
	// It is called for each Sync message, also after an error. Its own error (a
	// commit that failed) is sent before ReadyForQuery.
	Sync(ctx context.Context) error

	// Fail tells the session that the client was sent an error that did not come
	// from the session (a malformed message, text that is not UTF-8): its
	// transaction, if there is one, fails as it does after an error of its own.
	// ExecSimple's rules hold if simple is true (the implicit transaction is rolled
	// back at once), else Sync will follow.
	Fail(ctx context.Context, simple bool)

	// TxStatus is one of TxIdle, TxBlock and TxFailed.
	TxStatus() byte

	// Cancel makes the running call end soon with 57014. Without a running call, and
	// after Close, it does nothing. It is called from other goroutines, perhaps
	// during Close, and does not block.
	Cancel()

	// Close rolls back, gives up everything the session holds (locks, portals,
	// temporary state) and waits until that is done. It is called once, last.
	Close()
}

// BindRequest asks for a portal. It and all it refers to but its strings are
// valid only during the call.
type BindRequest struct {
	Portal    string // empty: the unnamed one, which is replaced; else 42P03 if it exists
	Statement string // 26000 if unknown
	// Params has one element per parameter that the client sent; a number other
	// than the statement's is 08P01 (bind message supplies 1 parameters, but
	// prepared statement "x" requires 2).
	Params []Param
	// ResultFormats is empty (all text), has one element for all columns, or one
	// for each: ResultFormat picks. Another number is 08P01, see CheckResultFormats.
	ResultFormats []int16
}

// Param is one parameter value in wire form, to be decoded by the type that the
// statement has inferred. Text values are valid UTF-8 without zero bytes.
type Param struct {
	Value  []byte // nil is NULL, empty is not
	Format int16  // FormatText or FormatBinary
}

// Column describes one result column.
type Column struct {
	Name string
	Type types.Type
	// TableOID and AttNum name the table column that it comes from, or are 0.
	TableOID uint32
	AttNum   int16
	// Format is FormatText or FormatBinary. In the simple protocol it is text.
	Format int16
}

// Notifier carries what a server may say at any time. Its messages are buffered
// and go out with the next flush, before the next ReadyForQuery at the latest. It
// may be used only from within a call of a Session's method.
type Notifier interface {
	// Notice sends a NoticeResponse; an empty severity means NOTICE. The session
	// honours client_min_messages.
	Notice(n *sqlerr.Error)
	// ParameterStatus reports the new value of a reported setting.
	ParameterStatus(name, value string)
}

// ResultWriter takes the results of statements and encodes them into the
// connection's output buffer, which is sent when it is full and at the end of
// the cycle. A call may therefore block on a slow client. An error is final.
type ResultWriter interface {
	Notifier

	// Columns begins the rows of a statement. format holds the settings that text
	// output depends on (TimeZone, DateStyle …). Both are kept until the statement
	// is complete and must not be changed before.
	Columns(cols []Column, format *types.FormatContext) error
	// Row sends one row, which has as many values as there are columns. The slice
	// is not kept.
	Row(row []types.Datum) error
	// Complete ends a statement with a command tag as PostgreSQL spells it: BEGIN,
	// CREATE TABLE. It is to be called after the commit of an autocommit statement.
	Complete(tag string) error
	// CompleteRows ends a statement whose tag has a number of rows: SELECT, UPDATE,
	// COPY …; for INSERT it adds the historical 0.
	CompleteRows(verb string, rows int64) error
	// EmptyQuery answers a string without a statement.
	EmptyQuery() error

	// Mark remembers the present end of the output, and Rewind drops all that was
	// written since, columns and notices included. It reports false, and drops
	// nothing, if a part has already been sent. A statement that the session
	// repeats by itself after a conflict calls Mark before and Rewind between.
	Mark()
	Rewind() bool

	// CopyIn begins COPY FROM STDIN: the client is told to send, and its data is read
	// from the CopyReader until io.EOF; then Complete follows. columns is the number
	// of columns, format that of the data (csv counts as text). A statement that
	// fails need not read to the end; pgwire drops the rest.
	CopyIn(format int16, columns int) (CopyReader, error)
	// CopyOut begins COPY TO STDOUT.
	CopyOut(format int16, columns int) (CopyWriter, error)
}

// CopyReader reads the data of a COPY FROM STDIN.
type CopyReader interface {
	// Next returns the payload of the next CopyData message, which need not end at a
	// row boundary and is valid until the next call. It returns io.EOF once the
	// client has ended the copy, and an *sqlerr.Error if it gave up (57014) or sent
	// something else (08P01). The caller checks the encoding of text data with the
	// rows (CheckText), because a message may end within a character.
	//
	// psql sends the end marker \. of text data as a line of its own: the caller
	// takes it for the end of the rows, and reads on to io.EOF.
	Next() ([]byte, error)
}

// CopyWriter sends the data of a COPY TO STDOUT.
type CopyWriter interface {
	// WriteRow sends one CopyData message: by convention a row with its line end.
	// The slice is not kept.
	WriteRow(data []byte) error
	// Done ends the data; Complete follows.
	Done() error
}

// ResultFormat returns the format of column i by the rule of the Bind message: no
// code means text, one code goes for all columns.
func ResultFormat(formats []int16, i int) int16 {
	switch {
	case len(formats) == 0:
		return FormatText
	case len(formats) == 1:
		return formats[0]
	default:
		return formats[i]
	}
}

// CheckResultFormats returns the error (08P01) for a Bind whose number of result
// formats fits neither rule for a statement with so many columns. A statement
// without rows takes any.
func CheckResultFormats(formats []int16, columns int) error {
	if len(formats) > 1 && columns > 0 && len(formats) != columns {
		return sqlerr.New(sqlerr.ProtocolViolation, "bind message has %d result formats but query has %d columns", len(formats), columns)
	}
	return nil
}

// CheckText returns 22021 for text that is not UTF-8 or holds a zero byte, which
// PostgreSQL has no place for in any text value.
func CheckText(b []byte) error {
	if bytes.IndexByte(b, 0) >= 0 {
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	if utf8.Valid(b) {
		return nil
	}
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size <= 1 {
			return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", hexBytes(b[i:]))
		}
		i += size
	}
	return nil
}

// hexBytes prints the bytes that the first of b announces as its character, as
// PostgreSQL's message does.
func hexBytes(b []byte) string {
	n := 1
	switch c := b[0]; {
	case c >= 0xf0 && c < 0xf8:
		n = 4
	case c >= 0xe0 && c < 0xf0:
		n = 3
	case c >= 0xc0 && c < 0xe0:
		n = 2
	}
	var sb strings.Builder
	for i := 0; i < min(n, len(b)); i++ {
		if i > 0 {
			sb.WriteByte(' ')
		}
		fmt.Fprintf(&sb, "0x%02x", b[i])
	}
	return sb.String()
}
