package sqlerr

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Severities, as they stand in the S and V fields of a message.
const (
	SeverityError   = "ERROR"
	SeverityFatal   = "FATAL"
	SeverityPanic   = "PANIC"
	SeverityWarning = "WARNING"
	SeverityNotice  = "NOTICE"
	SeverityDebug   = "DEBUG"
	SeverityInfo    = "INFO"
	SeverityLog     = "LOG"
)

// Error is an error as a client sees it. Empty fields are not sent.
type Error struct {
	// Severity is one of the constants above; empty means SeverityError.
	Severity string
	// Code is the SQLSTATE, five characters.
	Code    string
	Message string
	Detail  string
	Hint    string
	// Position is where in the client's statement, counted in characters (not
	// bytes) from 1; 0 means unknown.
	Position int
	Where    string

	// Names of the objects the error is about.
	Schema, Table, Column, DataType, Constraint string
	Routine                                     string

	// Cause is the error underneath, for the log; it is never sent.
	Cause error
}

// Notice is a message that does not end the statement: an Error whose severity
// is one of WARNING, NOTICE, DEBUG, INFO or LOG.
type Notice = Error

// New returns an error of severity ERROR.
func New(code, format string, args ...any) *Error {
	return &Error{Severity: SeverityError, Code: code, Message: message(format, args)}
}

// NewNotice returns a notice of severity NOTICE with the code
// successful_completion.
func NewNotice(format string, args ...any) *Notice {
	return &Notice{Severity: SeverityNotice, Code: SuccessfulCompletion, Message: message(format, args)}
}

// NewWarning returns a notice of severity WARNING.
func NewWarning(code, format string, args ...any) *Notice {
	return &Notice{Severity: SeverityWarning, Code: code, Message: message(format, args)}
}

// Unsupported returns feature_not_supported (0A000) for what is not built. The
// text names the thing and reads on before "is not supported", as in
// Unsupported("type %s", name).
func Unsupported(format string, args ...any) *Error {
	return &Error{Severity: SeverityError, Code: FeatureNotSupported, Message: message(format, args) + " is not supported"}
}

// Internal returns internal_error (XX000).
func Internal(format string, args ...any) *Error {
	return New(InternalError, format, args...)
}

// Wrap makes an internal error (XX000) out of a lower layer's, saying what was
// tried. If err already carries an Error, its code and fields are kept and only
// the cause chain grows, so that wrapping never hides a code from the client.
// Wrap of nil is nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := message(format, args)
	if e := find(err); e != nil {
		c := *e
		c.Cause = fmt.Errorf("%s: %w", what, err)
		return &c
	}
	e := As(err)
	e.Message = what + ": " + e.Message
	return e
}

// As returns the Error a client is to be told for err: the outermost Error of
// its chain if there is one; query_canceled (57014) for context.Canceled and
// context.DeadlineExceeded; otherwise internal_error (XX000) with err as cause.
// As of nil is nil. The result may be shared and must not be changed when err
// held an Error.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	if e := find(err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, context.Canceled):
		return &Error{Severity: SeverityError, Code: QueryCanceled, Message: "canceling statement due to user request", Cause: err}
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Severity: SeverityError, Code: QueryCanceled, Message: "canceling statement due to statement timeout", Cause: err}
	}
	return &Error{Severity: SeverityError, Code: InternalError, Message: err.Error(), Cause: err}
}

// CodeOf returns the SQLSTATE a client is told for err, "" for nil.
func CodeOf(err error) string {
	if err == nil {
		return ""
	}
	return As(err).Code
}

// Is reports whether err would be told to a client under the given code.
func Is(err error, code string) bool { return err != nil && As(err).Code == code }

// Class returns the first two characters of a code.
func Class(code string) string {
	if len(code) < 2 {
		return code
	}
	return code[:2]
}

// Error gives the message with its code. Detail and hint are left to the
// protocol's fields.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Message)
	if e.Code != "" {
		b.WriteString(" (SQLSTATE ")
		b.WriteString(e.Code)
		b.WriteByte(')')
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Cause }

// IsNotice reports whether the message leaves the statement running.
func (e *Error) IsNotice() bool {
	switch e.Severity {
	case SeverityWarning, SeverityNotice, SeverityDebug, SeverityInfo, SeverityLog:
		return true
	}
	return false
}

func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = message(format, args)
	return e
}

func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = message(format, args)
	return e
}

// WithPosition sets the place in the statement, in characters from 1.
func (e *Error) WithPosition(chars int) *Error {
	e.Position = chars
	return e
}

func (e *Error) WithWhere(format string, args ...any) *Error {
	e.Where = message(format, args)
	return e
}

func (e *Error) WithTable(schema, table string) *Error {
	e.Schema, e.Table = schema, table
	return e
}

func (e *Error) WithColumn(column string) *Error {
	e.Column = column
	return e
}

func (e *Error) WithDataType(name string) *Error {
	e.DataType = name
	return e
}

func (e *Error) WithConstraint(name string) *Error {
	e.Constraint = name
	return e
}

func (e *Error) WithRoutine(name string) *Error {
	e.Routine = name
	return e
}

func (e *Error) WithSeverity(severity string) *Error {
	e.Severity = severity
	return e
}

func (e *Error) WithCause(err error) *Error {
	e.Cause = err
	return e
}

// message formats only when there are arguments, so that a ready text with a
// per cent sign in it passes unharmed.
func message(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}

func find(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return nil
}
