package expr

import (
	"math/bits"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// bitCast returns the casts to and from bit and bit varying.
func bitCast(from, to types.OID) func1 {
	switch {
	case from == types.OIDInt4 && to == types.OIDBit:
		return func(_ *EvalContext, d datum) (datum, error) { return str(intBits(uint64(d.Int()), 32)) }
	case from == types.OIDInt8 && to == types.OIDBit:
		return func(_ *EvalContext, d datum) (datum, error) { return str(intBits(uint64(d.Int()), 64)) }
	case to == types.OIDInt4:
		return func(_ *EvalContext, d datum) (datum, error) {
			v, err := bitsInt(d.Str(), 32, types.Int4)
			return types.NewInt(int64(int32(v))), err
		}
	case to == types.OIDInt8:
		return func(_ *EvalContext, d datum) (datum, error) {
			v, err := bitsInt(d.Str(), 64, types.Int8)
			return types.NewInt(int64(v)), err
		}
	}
	return same
}

func intBits(v uint64, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = '0' + byte(v>>(n-1-i)&1)
	}
	return string(out)
}

func bitsInt(s string, most int, t types.Type) (uint64, error) {
	if len(s) > most {
		return 0, errOutOfRange(t)
	}
	var v uint64
	for i := 0; i < len(s); i++ {
		v = v<<1 | uint64(s[i]&1)
	}
	return v, nil
}

// intToBit casts an integer to bit(n): the lowest n bits, with the sign in front.
func intToBit(v int64, n int) string {
	out := make([]byte, n)
	for i := range out {
		shift := n - 1 - i
		out[i] = '0' + byte(v>>min(shift, 63)&1)
	}
	return string(out)
}

func (k kernels) bits() {
	logic := func(name, word string, f func(a, b byte) byte) {
		k.f2(name+"(bit,bit)", func(_ *EvalContext, a, b datum) (datum, error) {
			x, y := a.Str(), b.Str()
			if len(x) != len(y) {
				return types.Null, sqlerr.New(sqlerr.StringDataLengthMismatch, "cannot %s bit strings of different sizes", word)
			}
			out := make([]byte, len(x))
			for i := range out {
				out[i] = '0' + f(x[i], y[i])&1
			}
			return types.NewBytes(out), nil
		})
	}
	logic("bitand", "AND", func(a, b byte) byte { return a & b })
	logic("bitor", "OR", func(a, b byte) byte { return a | b })
	logic("bitxor", "XOR", func(a, b byte) byte { return a ^ b })
	k.f1("bitnot(bit)", func(_ *EvalContext, a datum) (datum, error) {
		out := []byte(a.Str())
		for i := range out {
			out[i] ^= 1
		}
		return types.NewBytes(out), nil
	})
	shift := func(s string, left int64) (datum, error) {
		n := int64(len(s))
		left = min(max(left, -n), n)
		if left < 0 {
			return str(strings.Repeat("0", int(-left)) + s[:n+left])
		}
		return str(s[left:] + strings.Repeat("0", int(left)))
	}
	k.f2("bitshiftleft(bit,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return shift(a.Str(), b.Int()) })
	k.f2("bitshiftright(bit,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return shift(a.Str(), -b.Int()) })
	k.f2("bitcat(varbit,varbit)", func(_ *EvalContext, a, b datum) (datum, error) { return str(a.Str() + b.Str()) })
	length := func(_ *EvalContext, a datum) (datum, error) { return types.NewInt(int64(len(a.Str()))), nil }
	k.f1("length(bit)", length)
	k.f1("bit_length(bit)", length)
	k.f1("octet_length(bit)", func(_ *EvalContext, a datum) (datum, error) { return types.NewInt(int64(len(a.Str())+7) / 8), nil })
	k.f1("bit_count(bit)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewInt(int64(strings.Count(a.Str(), "1"))), nil
	})
	k.f1("bit_count(bytea)", func(_ *EvalContext, a datum) (datum, error) {
		n := 0
		for _, c := range a.UnsafeBytes() {
			n += bits.OnesCount8(c)
		}
		return types.NewInt(int64(n)), nil
	})
	k.f2("position(bit,bit)", func(_ *EvalContext, a, b datum) (datum, error) {
		if b.Str() == "" {
			return types.NewInt(1), nil
		}
		return types.NewInt(int64(strings.Index(a.Str(), b.Str()) + 1)), nil
	})
	index := func(i, n int64) error {
		if i < 0 || i >= n {
			return sqlerr.New(sqlerr.ArraySubscriptError, "bit index %d out of valid range (0..%d)", i, n-1)
		}
		return nil
	}
	oneBit := func(v int64) error {
		if v != 0 && v != 1 {
			return sqlerr.New(sqlerr.InvalidParameterValue, "new bit must be 0 or 1")
		}
		return nil
	}
	k.f2("get_bit(bit,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		if err := index(b.Int(), int64(len(a.Str()))); err != nil {
			return types.Null, err
		}
		return types.NewInt(int64(a.Str()[b.Int()] & 1)), nil
	})
	k.fn("set_bit(bit,int4,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if err := index(a[1].Int(), int64(len(a[0].Str()))); err != nil {
			return types.Null, err
		}
		if err := oneBit(a[2].Int()); err != nil {
			return types.Null, err
		}
		out := []byte(a[0].Str())
		out[a[1].Int()] = '0' + byte(a[2].Int())
		return types.NewBytes(out), nil
	})
	byteIndex := func(i, n int64) error {
		if i < 0 || i >= n {
			return sqlerr.New(sqlerr.ArraySubscriptError, "index %d out of valid range, 0..%d", i, n-1)
		}
		return nil
	}
	k.f2("get_byte(bytea,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		if err := byteIndex(b.Int(), int64(len(a.Str()))); err != nil {
			return types.Null, err
		}
		return types.NewInt(int64(a.Str()[b.Int()])), nil
	})
	k.fn("set_byte(bytea,int4,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if err := byteIndex(a[1].Int(), int64(len(a[0].Str()))); err != nil {
			return types.Null, err
		}
		out := []byte(a[0].Str())
		out[a[1].Int()] = byte(a[2].Int())
		return types.NewBytes(out), nil
	})
	// The bits of a bytea count from the lowest one of each byte.
	k.f2("get_bit(bytea,int8)", func(_ *EvalContext, a, b datum) (datum, error) {
		i := b.Int()
		if err := byteIndex(i, int64(len(a.Str()))*8); err != nil {
			return types.Null, err
		}
		return types.NewInt(int64(a.Str()[i/8] >> (i % 8) & 1)), nil
	})
	k.fn("set_bit(bytea,int8,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		i := a[1].Int()
		if err := byteIndex(i, int64(len(a[0].Str()))*8); err != nil {
			return types.Null, err
		}
		if err := oneBit(a[2].Int()); err != nil {
			return types.Null, err
		}
		out := []byte(a[0].Str())
		out[i/8] = out[i/8]&^(1<<(i%8)) | byte(a[2].Int())<<(i%8)
		return types.NewBytes(out), nil
	})
	substr := func(s string, from, n int64, toEnd bool) (datum, error) {
		size := int64(len(s))
		if n < 0 && !toEnd {
			return types.Null, sqlerr.New(sqlerr.SubstringError, "negative substring length not allowed")
		}
		end := size + 1
		if !toEnd && from <= size {
			end = min(end, from+n)
		}
		from = max(from, 1)
		if from >= end || from > size {
			return str("")
		}
		return str(s[from-1 : end-1])
	}
	k.f2("substring(bit,int4)", func(_ *EvalContext, a, b datum) (datum, error) { return substr(a.Str(), b.Int(), 0, true) })
	k.fn("substring(bit,int4,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return substr(a[0].Str(), a[1].Int(), a[2].Int(), false)
	})
	k.fn("overlay(bit,bit,int4) overlay(bit,bit,int4,int4)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		s, with, at := a[0].Str(), a[1].Str(), a[2].Int()
		n := int64(len(with))
		if len(a) == 4 {
			n = a[3].Int()
		}
		if at <= 0 {
			return types.Null, sqlerr.New(sqlerr.SubstringError, "negative substring length not allowed")
		}
		head := s[:min(at-1, int64(len(s)))]
		tail := ""
		if from := at + n - 1; from < int64(len(s)) {
			tail = s[max(from, 0):]
		}
		return str(head + with + tail)
	})
	for _, name := range []struct {
		fn string
		f  func(a, b byte) byte
	}{{"bit_and", func(a, b byte) byte { return a & b }}, {"bit_or", func(a, b byte) byte { return a | b }}, {"bit_xor", func(a, b byte) byte { return a ^ b }}} {
		k.agg(name.fn+"(bit)", func(*Signature) AggState { return &bitFold{f: name.f} })
	}
}

// bitFold is bit_and, bit_or and bit_xor of bit strings.
type bitFold struct {
	f   func(a, b byte) byte
	acc []byte
	any bool
}

func (s *bitFold) Add(_ *EvalContext, args []datum) error {
	if args[0].IsNull() {
		return nil
	}
	x := args[0].Str()
	if !s.any {
		s.acc, s.any = []byte(x), true
		return nil
	}
	if len(x) != len(s.acc) {
		return sqlerr.New(sqlerr.StringDataLengthMismatch, "cannot AND bit strings of different sizes")
	}
	for i := range s.acc {
		s.acc[i] = '0' + s.f(s.acc[i], x[i])&1
	}
	return nil
}

func (s *bitFold) Merge(ctx *EvalContext, other AggState) error {
	o, ok := other.(*bitFold)
	if !ok {
		return errMerge()
	}
	if !o.any {
		return nil
	}
	return s.Add(ctx, []datum{types.NewString(string(o.acc))})
}

func (s *bitFold) Result(*EvalContext) (datum, error) {
	if !s.any {
		return types.Null, nil
	}
	return types.NewString(string(s.acc)), nil
}
func (s *bitFold) Size() int { return 48 + cap(s.acc) }
