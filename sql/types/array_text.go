package types

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

func delimOf(elem Type) byte {
	if i, ok := elem.Info(); ok {
		return i.Delim
	}
	return ','
}

func appendArray(dst []byte, a *Array, ctx *FormatContext) []byte {
	if len(a.Elems) == 0 {
		return append(dst, "{}"...)
	}
	plain := true
	for _, d := range a.Dims {
		plain = plain && d.Lower == 1
	}
	if !plain {
		for _, d := range a.Dims {
			dst = append(dst, '[')
			dst = strconv.AppendInt(dst, int64(d.Lower), 10)
			dst = append(dst, ':')
			dst = strconv.AppendInt(dst, int64(d.Lower)+int64(d.Len)-1, 10)
			dst = append(dst, ']')
		}
		dst = append(dst, '=')
	}
	delim := delimOf(a.Elem)
	elems := a.Elems
	var level func(dst []byte, dims []Dim) []byte
	level = func(dst []byte, dims []Dim) []byte {
		dst = append(dst, '{')
		for i := int32(0); i < dims[0].Len; i++ {
			if i > 0 {
				dst = append(dst, delim)
			}
			if len(dims) > 1 {
				dst = level(dst, dims[1:])
				continue
			}
			dst = appendElem(dst, elems[0], a.Elem, delim, ctx)
			elems = elems[1:]
		}
		return append(dst, '}')
	}
	return level(dst, a.Dims)
}

func appendElem(dst []byte, d Datum, t Type, delim byte, ctx *FormatContext) []byte {
	if d.IsNull() {
		return append(dst, "NULL"...)
	}
	var buf [64]byte
	s := EncodeText(buf[:0], d, t, ctx)
	quote := len(s) == 0 || len(s) == 4 && strings.EqualFold(string(s), "null")
	for _, c := range s {
		if quote {
			break
		}
		quote = c == '"' || c == '\\' || c == '{' || c == '}' || c == delim || isBlank(c)
	}
	if !quote {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func appendVector(dst []byte, a *Array) []byte {
	for i, e := range a.Elems {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = strconv.AppendInt(dst, e.Int(), 10)
	}
	return dst
}

func parseVector(s string, t Type, ctx *FormatContext) (Datum, error) {
	fields := strings.Fields(s)
	elems := make([]Datum, len(fields))
	for i, f := range fields {
		d, err := decodeText(f, t.Elem().Bare(), ctx)
		if err != nil {
			return Null, err
		}
		elems[i] = d
	}
	return NewArray(NewVector(t.Elem().Bare(), elems)), nil
}

func appendRecord(dst []byte, r *Record, ctx *FormatContext) []byte {
	dst = append(dst, '(')
	for i, f := range r.Fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		if f.IsNull() {
			continue
		}
		var buf [64]byte
		s := EncodeText(buf[:0], f, r.Types[i], ctx)
		quote := len(s) == 0
		for _, c := range s {
			quote = quote || c == '"' || c == '\\' || c == '(' || c == ')' || c == ',' || isBlank(c)
		}
		if !quote {
			dst = append(dst, s...)
			continue
		}
		dst = append(dst, '"')
		for _, c := range s {
			if c == '"' || c == '\\' {
				dst = append(dst, c)
			}
			dst = append(dst, c)
		}
		dst = append(dst, '"')
	}
	return append(dst, ')')
}

// arrayReader reads {…}, with the dimensions found on the way.
type arrayReader struct {
	text  string
	at    int
	elem  Type
	delim byte
	ctx   *FormatContext
	dims  []int32 // lengths seen; -1 while a level is open for the first time
	elems []Datum
	leaf  int // level that holds elements, 0 while unknown
}

func (r *arrayReader) malformed(detail string) error {
	e := sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed array literal: \"%s\"", r.text)
	if detail != "" {
		e.WithDetail("%s", detail)
	}
	return e
}

func (r *arrayReader) skip() {
	for r.at < len(r.text) && isBlank(r.text[r.at]) {
		r.at++
	}
}

func (r *arrayReader) peek() byte {
	if r.at < len(r.text) {
		return r.text[r.at]
	}
	return 0
}

func parseArray(s string, t Type, ctx *FormatContext) (Datum, error) {
	elem := t.Elem().Bare()
	r := arrayReader{text: s, elem: elem, delim: delimOf(elem), ctx: ctx}
	r.skip()
	bounds, err := r.bounds()
	if err != nil {
		return Null, err
	}
	if r.peek() != '{' {
		if bounds != nil {
			return Null, r.malformed("Array contents must start with \"{\".")
		}
		return Null, r.malformed("Array value must start with \"{\" or dimension information.")
	}
	if err := r.level(1); err != nil {
		return Null, err
	}
	r.skip()
	if r.at != len(s) {
		return Null, r.malformed("Junk after closing right brace.")
	}
	a := &Array{Elem: elem, Elems: r.elems}
	if len(r.elems) > 0 {
		for _, n := range r.dims {
			a.Dims = append(a.Dims, Dim{Len: n, Lower: 1})
		}
	}
	if bounds != nil {
		if len(bounds) != len(a.Dims) {
			return Null, r.malformed("Specified array dimensions do not match array contents.")
		}
		for i, b := range bounds {
			if a.Dims[i].Len != b.Len {
				return Null, r.malformed("Specified array dimensions do not match array contents.")
			}
			a.Dims[i].Lower = b.Lower
		}
	}
	return NewArray(a), nil
}

// bounds reads [l:u][l:u]…=, if it is there.
func (r *arrayReader) bounds() ([]Dim, error) {
	var out []Dim
	for r.peek() == '[' {
		end := strings.IndexByte(r.text[r.at:], ']')
		if end < 0 || len(out) == MaxArrayDims {
			return nil, r.malformed("Missing \"]\" after array dimensions.")
		}
		lo, up, has := strings.Cut(r.text[r.at+1:r.at+end], ":")
		if !has {
			lo, up = "1", lo
		}
		l, err1 := strconv.ParseInt(trimSpace(lo), 10, 32)
		u, err2 := strconv.ParseInt(trimSpace(up), 10, 32)
		if err1 != nil || err2 != nil {
			return nil, r.malformed("\"[\" must introduce explicitly-specified array dimensions.")
		}
		if u < l {
			return nil, sqlerr.New(sqlerr.ArraySubscriptError, "upper bound cannot be less than lower bound")
		}
		if u-l+1 > MaxArrayElems {
			return nil, errArraySize()
		}
		out = append(out, Dim{Len: int32(u - l + 1), Lower: int32(l)})
		r.at += end + 1
		r.skip()
	}
	if out != nil {
		if r.peek() != '=' {
			return nil, r.malformed("Missing \"=\" after array dimensions.")
		}
		r.at++
		r.skip()
	}
	return out, nil
}

func errArraySize() error {
	return sqlerr.New(sqlerr.ProgramLimitExceeded, "array size exceeds the maximum allowed (%d)", MaxArrayElems)
}

// level reads one pair of braces. Requires: the next byte is the opening one.
func (r *arrayReader) level(depth int) error {
	if depth > MaxArrayDims {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", depth, MaxArrayDims)
	}
	uneven := func() error {
		return r.malformed("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	first := depth > len(r.dims)
	if first {
		if r.leaf != 0 {
			return uneven()
		}
		r.dims = append(r.dims, -1)
	}
	r.at++
	var n int32
	r.skip()
	if r.peek() == '}' {
		r.at++
		if depth > 1 {
			// Only {} itself may be empty.
			if !first || r.leaf != 0 {
				return uneven()
			}
			return r.malformed("Unexpected \"}\" character.")
		}
		r.dims = nil
		return nil
	}
	for {
		r.skip()
		switch {
		case r.at >= len(r.text):
			return r.malformed("Unexpected end of input.")
		case r.peek() == '{':
			if r.leaf == depth {
				return r.malformed("Unexpected \"{\" character.")
			}
			if err := r.level(depth + 1); err != nil {
				return err
			}
		default:
			if r.leaf == 0 {
				r.leaf = depth
			}
			if r.leaf != depth {
				return uneven()
			}
			if err := r.element(); err != nil {
				return err
			}
		}
		n++
		r.skip()
		switch {
		case r.at >= len(r.text):
			return r.malformed("Unexpected end of input.")
		case r.peek() == r.delim:
			r.at++
			continue
		case r.peek() == '}':
			r.at++
		default:
			return r.malformed("Unexpected array element.")
		}
		break
	}
	if r.dims[depth-1] < 0 {
		r.dims[depth-1] = n
	} else if r.dims[depth-1] != n {
		return uneven()
	}
	return nil
}

func (r *arrayReader) element() error {
	var buf []byte
	quoted := false
	if r.peek() == '"' {
		quoted = true
		for r.at++; ; r.at++ {
			if r.at >= len(r.text) {
				return r.malformed("Unexpected end of input.")
			}
			c := r.text[r.at]
			if c == '"' {
				r.at++
				break
			}
			if c == '\\' {
				if r.at++; r.at >= len(r.text) {
					return r.malformed("Unexpected end of input.")
				}
				c = r.text[r.at]
			}
			buf = append(buf, c)
		}
	} else {
		keep := 0 // bytes up to the last that is no blank
		escaped := false
		for r.at < len(r.text) {
			c := r.text[r.at]
			if c == '}' || c == r.delim {
				break
			}
			if c == '{' || c == '"' {
				return r.malformed("Unexpected \"" + string(c) + "\" character.")
			}
			if c == '\\' {
				if r.at++; r.at >= len(r.text) {
					return r.malformed("Unexpected end of input.")
				}
				c = r.text[r.at]
				escaped = true
				keep = len(buf) + 1
			} else if !isBlank(c) {
				keep = len(buf) + 1
			}
			buf = append(buf, c)
			r.at++
		}
		buf = buf[:keep]
		if len(buf) == 0 {
			return r.malformed("Unexpected \"" + string(r.delimOrBrace()) + "\" character.")
		}
		if !escaped && strings.EqualFold(string(buf), "null") {
			r.elems = append(r.elems, Null)
			return CheckDomain(Null, r.elem, r.ctx)
		}
	}
	_ = quoted
	d, err := decodeText(string(buf), r.elem, r.ctx)
	if err != nil {
		return err
	}
	r.elems = append(r.elems, d)
	return nil
}

func (r *arrayReader) delimOrBrace() byte {
	if c := r.peek(); c != 0 {
		return c
	}
	return '}'
}

func appendArrayBinary(dst []byte, a *Array, ctx *FormatContext) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(a.Dims)))
	dst = binary.BigEndian.AppendUint32(dst, uint32(b2i(a.HasNull())))
	dst = binary.BigEndian.AppendUint32(dst, uint32(a.Elem.OID))
	for _, d := range a.Dims {
		dst = binary.BigEndian.AppendUint32(dst, uint32(d.Len))
		dst = binary.BigEndian.AppendUint32(dst, uint32(d.Lower))
	}
	var err error
	for _, e := range a.Elems {
		if dst, err = appendItemBinary(dst, e, a.Elem, ctx); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func decodeArrayBinary(b []byte, t Type, ctx *FormatContext, depth int) (Datum, error) {
	if depth > 0 {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "array inside an array")
	}
	if len(b) < 12 {
		return Null, errShort()
	}
	ndim := int32(binary.BigEndian.Uint32(b))
	flags := binary.BigEndian.Uint32(b[4:])
	elemOID := OID(binary.BigEndian.Uint32(b[8:]))
	b = b[12:]
	if ndim < 0 || ndim > MaxArrayDims {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid number of dimensions: %d", ndim)
	}
	if flags > 1 {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid array flags")
	}
	elem := t.Elem().Bare()
	if elemOID != elem.OID {
		return Null, sqlerr.New(sqlerr.DatatypeMismatch, "binary data has array element type %d (%s) instead of expected %d (%s)", elemOID, Of(elemOID), elem.OID, elem)
	}
	a := &Array{Elem: elem}
	total := int64(1)
	if len(b) < 8*int(ndim) {
		return Null, errShort()
	}
	for i := int32(0); i < ndim; i++ {
		d := Dim{Len: int32(binary.BigEndian.Uint32(b)), Lower: int32(binary.BigEndian.Uint32(b[4:]))}
		b = b[8:]
		if d.Len < 0 || int64(d.Lower)+int64(d.Len) > math.MaxInt32 {
			return Null, sqlerr.New(sqlerr.ArraySubscriptError, "array lower bound is too large: %d", d.Lower)
		}
		total *= int64(d.Len)
		if total > MaxArrayElems {
			return Null, errArraySize()
		}
		a.Dims = append(a.Dims, d)
	}
	if isVector(t.OID) && ndim != 1 {
		return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid %s data", t.Bare())
	}
	if ndim == 0 || total == 0 {
		if len(b) != 0 {
			return Null, errLong(t)
		}
		if isVector(t.OID) {
			return NewArray(NewVector(elem, nil)), nil
		}
		return NewArray(&Array{Elem: elem}), nil
	}
	// Each element has at least its length word: the message bounds the memory.
	if total > int64(len(b)/4) {
		return Null, errShort()
	}
	a.Elems = make([]Datum, 0, total)
	for i := int64(0); i < total; i++ {
		if len(b) < 4 {
			return Null, errShort()
		}
		n := int32(binary.BigEndian.Uint32(b))
		b = b[4:]
		if n == -1 {
			if isVector(t.OID) {
				return Null, sqlerr.New(sqlerr.InvalidBinaryRepresentation, "invalid %s data", t.Bare())
			}
			if err := CheckDomain(Null, elem, ctx); err != nil {
				return Null, err
			}
			a.Elems = append(a.Elems, Null)
			continue
		}
		if n < 0 || int(n) > len(b) {
			return Null, errShort()
		}
		d, err := decodeBinary(b[:n], elem, ctx, depth+1)
		if err != nil {
			return Null, err
		}
		a.Elems = append(a.Elems, d)
		b = b[n:]
	}
	if len(b) != 0 {
		return Null, errLong(t)
	}
	return NewArray(a), nil
}
