package expr

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Functions of the manual's section 9.26 that tell of the server, as far as they are
// not systemFuncs.

// rowIter yields rows that are all there already.
type rowIter struct{ rows []Row }

func (it *rowIter) Next(*EvalContext) (Row, error) {
	if len(it.rows) == 0 {
		return nil, nil
	}
	row := it.rows[0]
	it.rows = it.rows[1:]
	return row, nil
}

// encodingLengths are the bytes that a character may take by the number of an encoding
// (PostgreSQL's pg_wchar_table), one digit each.
const encodingLengths = "133343441111111111111111111111111112222432"

func (k kernels) admin() {
	null := func(*EvalContext, *Signature, []datum) (datum, error) { return types.Null, nil }
	k.fn("pg_get_partition_constraintdef(oid) pg_database_collation_actual_version(oid) pg_column_compression(any) pg_get_function_arg_default(oid,int4)", null)
	k.set("pg_listening_channels()", func(ctx *EvalContext, _ *Signature, _ []datum) (SetIter, error) {
		if ctx.System == nil {
			return nil, sqlerr.Unsupported("function pg_listening_channels")
		}
		list, err := ctx.System.Call(ctx, "pg_listening_channels", nil)
		if err != nil {
			return nil, err
		}
		return &sliceIter{items: list.Array().Elems}, nil
	})
	// Notifications wait for nobody.
	k.fn("pg_notification_queue_usage()", func(*EvalContext, *Signature, []datum) (datum, error) { return types.NewFloat(0), nil })
	k.fn("getpgusername()", func(ctx *EvalContext, _ *Signature, _ []datum) (datum, error) {
		if ctx.System == nil {
			return types.Null, sqlerr.Unsupported("function getpgusername")
		}
		return str(ctx.System.CurrentUser())
	})
	k.f1("pg_encoding_max_length(int4)", func(_ *EvalContext, a datum) (datum, error) {
		if n := a.Int(); n >= 0 && n < int64(len(encodingLengths)) {
			return types.NewInt(int64(encodingLengths[n] - '0')), nil
		}
		return types.Null, nil
	})
	k.f1("pg_safe_snapshot_blocking_pids(int4)", func(*EvalContext, datum) (datum, error) {
		return types.NewArray(types.NewArrayOf(types.Int4, nil)), nil
	})
	k.f1("pg_xact_commit_timestamp(xid)", func(*EvalContext, datum) (datum, error) {
		return types.Null, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "could not get commit timestamp data").
			WithHint("Make sure the configuration parameter \"track_commit_timestamp\" is set.")
	})
	k.set("pg_options_to_table(_text)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		it := &rowIter{}
		for _, e := range a[0].Array().Elems {
			if e.IsNull() {
				return nil, sqlerr.New(sqlerr.NullValueNotAllowed, "null array element not allowed in this context")
			}
			name, value, has := strings.Cut(e.Str(), "=")
			row := Row{types.NewString(name), types.Null}
			if has {
				row[1] = types.NewString(value)
			}
			it.rows = append(it.rows, row)
		}
		return it, nil
	})
	k.inEncodings()
}

// inEncodings has the functions over bytes in an encoding.
func (k kernels) inEncodings() {
	k.f2("length(bytea,name)", func(_ *EvalContext, a, b datum) (datum, error) {
		enc, err := encodingNamed(b.Str())
		if err == nil {
			err = checkEncoded(a.Str(), enc)
		}
		if err != nil {
			return types.Null, err
		}
		if enc != encodingUTF8 {
			return types.NewInt(int64(len(a.Str()))), nil
		}
		return types.NewInt(int64(utf8.RuneCountInString(a.Str()))), nil
	})
	k.fn("convert(bytea,name,name)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		from, err := encodingNamed(a[1].Str())
		if err != nil {
			return types.Null, err
		}
		to, err := encodingNamed(a[2].Str())
		if err != nil {
			return types.Null, err
		}
		return convertBytes(a[0].Str(), from, to)
	})
	k.f2("like_escape(bytea,bytea)", func(_ *EvalContext, a, b datum) (datum, error) { return likeEscapeBytes(a.Str(), b.Str()) })
	k.fn("similar_escape(text,text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		switch {
		case a[0].IsNull():
			return types.Null, nil
		case a[1].IsNull():
			return similarToRegex(a[0].Str(), `\`)
		}
		return similarToRegex(a[0].Str(), a[1].Str())
	})
}

// The encodings that are built.
const (
	encodingASCII = iota // SQL_ASCII: bytes
	encodingUTF8
	encodingLatin1
)

func encodingNamed(name string) (int, error) {
	switch strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name)) {
	case "utf8", "unicode":
		return encodingUTF8, nil
	case "latin1", "iso88591":
		return encodingLatin1, nil
	case "sqlascii":
		return encodingASCII, nil
	}
	return 0, sqlerr.Unsupported("encoding \"%s\"", name)
}

func convertBytes(s string, from, to int) (datum, error) {
	check := from
	if from == encodingASCII {
		check = to // bytes of no encoding are taken for those of the other
	}
	if err := checkEncoded(s, check); err != nil {
		return types.Null, err
	}
	switch {
	case from == encodingLatin1 && to == encodingUTF8:
		b := make([]byte, 0, len(s))
		for i := range len(s) {
			b = utf8.AppendRune(b, rune(s[i]))
		}
		return types.NewBytes(b), nil
	case from == encodingUTF8 && to == encodingLatin1:
		b := make([]byte, 0, len(s))
		for _, r := range s {
			if r > 0xff {
				return types.Null, sqlerr.New(sqlerr.UntranslatableCharacter, "character with byte sequence %s in encoding \"UTF8\" has no equivalent in encoding \"LATIN1\"", hexOf(string(r)))
			}
			b = append(b, byte(r))
		}
		return types.NewBytes(b), nil
	}
	return types.NewBytes([]byte(s)), nil
}

// checkEncoded refuses what is no text in an encoding.
func checkEncoded(s string, enc int) error {
	switch {
	case enc == encodingUTF8:
		return types.CheckText(s)
	case strings.IndexByte(s, 0) >= 0:
		return sqlerr.New(sqlerr.CharacterNotInRepertoire, "invalid byte sequence for encoding \"%s\": 0x00",
			map[int]string{encodingASCII: "SQL_ASCII", encodingLatin1: "LATIN1"}[enc])
	}
	return nil
}

// hexOf writes bytes as PostgreSQL's messages do.
func hexOf(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "0x%02x", s[i])
	}
	return b.String()
}

// likeEscapeBytes is likeEscape byte by byte.
func likeEscapeBytes(p, esc string) (datum, error) {
	if len(esc) > 1 {
		return types.Null, sqlerr.New(sqlerr.InvalidEscapeSequence, "invalid escape string").
			WithHint("Escape string must be empty or one character.")
	}
	out := make([]byte, 0, 2*len(p))
	after := false
	for i := range len(p) {
		c := p[i]
		switch {
		case esc == `\`:
			out = append(out, c)
		case esc != "" && c == esc[0] && !after:
			out, after = append(out, '\\'), true
		case c == '\\' && !after:
			out = append(out, '\\', '\\')
		default:
			out, after = append(out, c), false
		}
	}
	return types.NewBytes(out), nil
}
