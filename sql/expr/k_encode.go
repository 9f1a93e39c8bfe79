package expr

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode/utf8"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func (k kernels) encodings() {
	k.f1("md5(text) md5(bytea)", func(_ *EvalContext, a datum) (datum, error) {
		sum := md5.Sum([]byte(a.Str()))
		return str(hex.EncodeToString(sum[:]))
	})
	hash := func(name string, f func([]byte) []byte) {
		k.f1(name+"(bytea)", func(_ *EvalContext, a datum) (datum, error) { return types.NewBytes(f([]byte(a.Str()))), nil })
	}
	hash("sha224", func(b []byte) []byte { s := sha256.Sum224(b); return s[:] })
	hash("sha256", func(b []byte) []byte { s := sha256.Sum256(b); return s[:] })
	hash("sha384", func(b []byte) []byte { s := sha512.Sum384(b); return s[:] })
	hash("sha512", func(b []byte) []byte { s := sha512.Sum512(b); return s[:] })
	k.f2("encode(bytea,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		switch strings.ToLower(b.Str()) {
		case "hex":
			return str(hex.EncodeToString([]byte(a.Str())))
		case "base64":
			// MIME's lines of 76 characters.
			s := base64.StdEncoding.EncodeToString([]byte(a.Str()))
			var out strings.Builder
			for len(s) > 76 {
				out.WriteString(s[:76])
				out.WriteByte('\n')
				s = s[76:]
			}
			out.WriteString(s)
			return str(out.String())
		case "escape":
			var out []byte
			for i := 0; i < len(a.Str()); i++ {
				switch c := a.Str()[i]; {
				case c == 0 || c >= 0x80:
					out = append(out, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
				case c == '\\':
					out = append(out, '\\', '\\')
				default:
					out = append(out, c)
				}
			}
			return str(string(out))
		}
		return types.Null, errEncodingName(b.Str())
	})
	k.f2("decode(text,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		switch strings.ToLower(b.Str()) {
		case "hex":
			out, err := types.DecodeHex(a.Str())
			if err != nil {
				return types.Null, err
			}
			return types.NewBytes(out), nil
		case "base64":
			return decodeBase64(a.Str())
		case "escape":
			if strings.HasPrefix(a.Str(), `\x`) {
				return types.Null, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input syntax for type %s", "bytea")
			}
			return types.DecodeText(a.Str(), types.Bytea, nil)
		}
		return types.Null, errEncodingName(b.Str())
	})
	k.f2("get_byte(bytea,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		s, n := a.Str(), b.Int()
		if n < 0 || n >= int64(len(s)) {
			return types.Null, sqlerr.New(sqlerr.ArraySubscriptError, "index %d out of valid range, 0..%d", n, len(s)-1)
		}
		return types.NewInt(int64(s[n])), nil
	})
	utf := func(name string) bool {
		n := strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
		return n == "utf8" || n == "unicode"
	}
	k.f2("convert_from(bytea,name)", func(_ *EvalContext, a, b datum) (datum, error) {
		if !utf(b.Str()) {
			return types.Null, sqlerr.Unsupported("encoding \"%s\"", b.Str())
		}
		if err := types.CheckText(a.Str()); err != nil {
			return types.Null, err
		}
		return a, nil
	})
	k.f2("convert_to(text,name)", func(_ *EvalContext, a, b datum) (datum, error) {
		if !utf(b.Str()) {
			return types.Null, sqlerr.Unsupported("encoding \"%s\"", b.Str())
		}
		return a, nil
	})
	k.fn("gen_random_uuid()", func(ctx *EvalContext, _ *Signature, _ []datum) (datum, error) {
		var u [16]byte
		switch {
		case ctx.RandBytes != nil:
			ctx.RandBytes(u[:])
		case ctx.Rand != nil:
			for i := 0; i < 16; i += 8 {
				n := ctx.Rand.Uint64()
				for j := range 8 {
					u[i+j] = byte(n >> (8 * j))
				}
			}
		default:
			return types.Null, sqlerr.Unsupported("gen_random_uuid() here")
		}
		u[6] = u[6]&0x0f | 0x40 // version 4
		u[8] = u[8]&0x3f | 0x80
		return types.NewUUID(u), nil
	})
}

func errEncodingName(name string) error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "unrecognized encoding: \"%s\"", name)
}

func decodeBase64(s string) (datum, error) {
	clean := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '=':
			clean = append(clean, c)
		default:
			_, n := utf8.DecodeRuneInString(s[i:])
			return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "invalid symbol \"%s\" found while decoding base64 sequence", s[i:i+n])
		}
	}
	// Padding is only due behind the second digit of a group of four.
	if at := bytes.IndexByte(clean, '='); at >= 0 && at%4 < 2 {
		return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "unexpected \"=\" while decoding base64 sequence")
	}
	out, err := base64.StdEncoding.DecodeString(string(clean))
	if err != nil {
		return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "invalid base64 end sequence").
			WithHint("Input data is missing padding, is truncated, or is otherwise corrupted.")
	}
	return types.NewBytes(out), nil
}
