package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// jsonForm says how values of a type look in JSON.
type jsonForm uint8

const (
	jsonAsText jsonForm = iota
	jsonAsBool
	jsonAsNumber
	jsonAsDate
	jsonAsTimestamp
	jsonAsTimestamptz
	jsonAsJSON
	jsonAsJSONB
	jsonAsArray
	jsonAsRecord
)

func jsonFormOf(t types.Type) jsonForm {
	t = t.Base()
	switch t.OID {
	case types.OIDBool:
		return jsonAsBool
	case types.OIDInt2, types.OIDInt4, types.OIDInt8, types.OIDFloat4, types.OIDFloat8, types.OIDNumeric:
		return jsonAsNumber
	case types.OIDDate:
		return jsonAsDate
	case types.OIDTimestamp:
		return jsonAsTimestamp
	case types.OIDTimestamptz:
		return jsonAsTimestamptz
	case types.OIDJSON:
		return jsonAsJSON
	case types.OIDJSONB:
		return jsonAsJSONB
	case types.OIDRecord:
		return jsonAsRecord
	}
	switch {
	case t.IsArray():
		return jsonAsArray
	case t.IsComposite():
		return jsonAsRecord
	}
	return jsonAsText
}

// jsonText is the text of a value that JSON shows as a string or a number. Dates
// and times are in ISO 8601 whatever the settings say.
func jsonText(ctx *EvalContext, d datum, t types.Type, form jsonForm) string {
	switch form {
	case jsonAsDate, jsonAsTimestamp, jsonAsTimestamptz:
		return string(types.AppendISO(nil, d, t, ctx.format()))
	}
	return types.TextOf(d, t, ctx.format())
}

// isJSONNumber reports whether the text of a number is one in JSON too: NaN and
// the infinities are not.
func isJSONNumber(s string) bool {
	return s != "" && (s[len(s)-1] >= '0' && s[len(s)-1] <= '9' || s[len(s)-1] == '.')
}

// appendJSON appends a value as to_json writes it.
func appendJSON(ctx *EvalContext, dst []byte, d datum, t types.Type, pretty bool) ([]byte, error) {
	if d.IsNull() {
		return append(dst, "null"...), nil
	}
	switch form := jsonFormOf(t); form {
	case jsonAsBool:
		if d.Bool() {
			return append(dst, "true"...), nil
		}
		return append(dst, "false"...), nil
	case jsonAsNumber:
		if s := jsonText(ctx, d, t, form); isJSONNumber(s) {
			return append(dst, s...), nil
		} else {
			return types.AppendJSONString(dst, s), nil
		}
	case jsonAsJSON:
		return append(dst, d.Str()...), nil
	case jsonAsJSONB:
		return types.AppendJSONB(dst, d.JSON()), nil
	case jsonAsArray:
		a := d.Array()
		return appendJSONArray(ctx, dst, a, a.Dims, a.Elems, pretty)
	case jsonAsRecord:
		return appendJSONRecord(ctx, dst, d.Record(), pretty)
	default:
		return types.AppendJSONString(dst, jsonText(ctx, d, t, form)), nil
	}
}

func appendJSONArray(ctx *EvalContext, dst []byte, a *types.Array, dims []types.Dim, elems []datum, pretty bool) ([]byte, error) {
	if len(dims) == 0 {
		return append(dst, "[]"...), nil
	}
	dst = append(dst, '[')
	n := int(dims[0].Len)
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
			if pretty {
				dst = append(dst, "\n "...)
			}
		}
		var err error
		if len(dims) > 1 {
			size := len(elems) / n
			// Only the outermost dimension is put on lines.
			dst, err = appendJSONArray(ctx, dst, a, dims[1:], elems[i*size:(i+1)*size], false)
		} else {
			dst, err = appendJSON(ctx, dst, elems[i], a.Elem, false)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), checkTextSize(len(dst))
}

func checkTextSize(n int) error {
	if n > textMax {
		return errTextTooLong()
	}
	return nil
}

func appendJSONRecord(ctx *EvalContext, dst []byte, r *types.Record, pretty bool) ([]byte, error) {
	dst = append(dst, '{')
	for i, f := range r.Fields {
		if i > 0 {
			dst = append(dst, ',')
			if pretty {
				dst = append(dst, "\n "...)
			}
		}
		dst = types.AppendJSONString(dst, r.Name(i))
		dst = append(dst, ':')
		var err error
		if dst, err = appendJSON(ctx, dst, f, r.Types[i], false); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), checkTextSize(len(dst))
}

// appendJSONKey appends a value as the name of a member.
func appendJSONKey(ctx *EvalContext, dst []byte, d datum, t types.Type) ([]byte, error) {
	s, err := jsonKey(ctx, d, t)
	return types.AppendJSONString(dst, s), err
}

// jsonKey is the text of a value as the name of a member. Only scalars can be one
// (22023).
func jsonKey(ctx *EvalContext, d datum, t types.Type) (string, error) {
	switch form := jsonFormOf(t); form {
	case jsonAsArray, jsonAsRecord, jsonAsJSON, jsonAsJSONB:
		return "", sqlerr.New(sqlerr.InvalidParameterValue, "key value must be scalar, not array, composite, or json")
	case jsonAsBool:
		if d.Bool() {
			return "true", nil
		}
		return "false", nil
	default:
		return jsonText(ctx, d, t, form), nil
	}
}

// jsonNode makes the tree of a value as to_jsonb does.
func jsonNode(ctx *EvalContext, d datum, t types.Type) (*types.JSONNode, error) {
	if d.IsNull() {
		return &types.JSONNode{}, nil
	}
	switch form := jsonFormOf(t); form {
	case jsonAsBool:
		if d.Bool() {
			return &types.JSONNode{Kind: types.JSONTrue}, nil
		}
		return &types.JSONNode{Kind: types.JSONFalse}, nil
	case jsonAsNumber:
		s := jsonText(ctx, d, t, form)
		if !isJSONNumber(s) {
			return &types.JSONNode{Kind: types.JSONString, Str: s}, nil
		}
		n, err := types.ParseNumeric(s)
		return &types.JSONNode{Kind: types.JSONNumber, Num: n}, err
	case jsonAsJSON:
		return types.ReadJSON(d.Str())
	case jsonAsJSONB:
		return types.JSONRaw(d.JSON()), nil
	case jsonAsArray:
		a := d.Array()
		return jsonArrayNode(ctx, a, a.Dims, a.Elems)
	case jsonAsRecord:
		r := d.Record()
		m := make([]types.JSONMember, len(r.Fields))
		for i, f := range r.Fields {
			v, err := jsonNode(ctx, f, r.Types[i])
			if err != nil {
				return nil, err
			}
			m[i] = types.JSONMember{Name: r.Name(i), Value: v}
		}
		return types.NewJSONObject(m), nil
	default:
		return &types.JSONNode{Kind: types.JSONString, Str: jsonText(ctx, d, t, form)}, nil
	}
}

func jsonArrayNode(ctx *EvalContext, a *types.Array, dims []types.Dim, elems []datum) (*types.JSONNode, error) {
	n := &types.JSONNode{Kind: types.JSONArray}
	if len(dims) == 0 {
		return n, nil
	}
	count := int(dims[0].Len)
	size := len(elems) / max(count, 1)
	for i := range count {
		var item *types.JSONNode
		var err error
		if len(dims) > 1 {
			item, err = jsonArrayNode(ctx, a, dims[1:], elems[i*size:(i+1)*size])
		} else {
			item, err = jsonNode(ctx, elems[i], a.Elem)
		}
		if err != nil {
			return nil, err
		}
		n.Items = append(n.Items, item)
	}
	return n, nil
}

// jsonbOf encodes a tree.
func jsonbOf(n *types.JSONNode, err error) (datum, error) {
	if err != nil {
		return types.Null, err
	}
	b, err := types.EncodeJSONB(n)
	if err != nil {
		return types.Null, err
	}
	return types.NewJSONB(b), nil
}

func jsonbString(s string) *types.JSONNode { return &types.JSONNode{Kind: types.JSONString, Str: s} }

// jsonBuilders are the functions that make JSON from SQL values.
func (k kernels) jsonBuilders() {
	toJSON := func(pretty func(a []datum) bool) funcN {
		return func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
			b, err := appendJSON(ctx, nil, a[0], sig.Args[0], pretty(a))
			return types.NewBytes(b), err
		}
	}
	plain := func([]datum) bool { return false }
	asked := func(a []datum) bool { return a[1].Bool() }
	k.fn("to_json(anyelement) row_to_json(record) array_to_json(anyarray)", toJSON(plain))
	k.fn("row_to_json(record,bool) array_to_json(anyarray,bool)", toJSON(asked))
	k.fn("to_jsonb(anyelement)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		return jsonbOf(jsonNode(ctx, a[0], sig.Args[0]))
	})
	k.fn("json_build_array() json_build_array(any)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		dst := []byte{'['}
		for i, d := range a {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			var err error
			if dst, err = appendJSON(ctx, dst, d, sig.Args[i], false); err != nil {
				return types.Null, err
			}
		}
		return types.NewBytes(append(dst, ']')), nil
	})
	k.fn("jsonb_build_array() jsonb_build_array(any)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		n := &types.JSONNode{Kind: types.JSONArray}
		for i, d := range a {
			x, err := jsonNode(ctx, d, sig.Args[i])
			if err != nil {
				return types.Null, err
			}
			n.Items = append(n.Items, x)
		}
		return jsonbOf(n, nil)
	})
	even := func(name string, n int) error {
		if n%2 == 0 {
			return nil
		}
		return sqlerr.New(sqlerr.InvalidParameterValue, "argument list must have even number of elements").
			WithHint("The arguments of %s must consist of alternating keys and values.", name)
	}
	k.fn("json_build_object() json_build_object(any)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		if err := even("json_build_object()", len(a)); err != nil {
			return types.Null, err
		}
		dst := []byte{'{'}
		for i := 0; i < len(a); i += 2 {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if a[i].IsNull() {
				return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "argument %d cannot be null", i+1).
					WithHint("Object keys should be text.")
			}
			var err error
			if dst, err = appendJSONKey(ctx, dst, a[i], sig.Args[i]); err != nil {
				return types.Null, err
			}
			dst = append(dst, " : "...)
			if dst, err = appendJSON(ctx, dst, a[i+1], sig.Args[i+1], false); err != nil {
				return types.Null, err
			}
		}
		return types.NewBytes(append(dst, '}')), nil
	})
	k.fn("jsonb_build_object() jsonb_build_object(any)", func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
		if err := even("jsonb_build_object()", len(a)); err != nil {
			return types.Null, err
		}
		var m []types.JSONMember
		for i := 0; i < len(a); i += 2 {
			if a[i].IsNull() {
				return types.Null, sqlerr.New(sqlerr.InvalidParameterValue, "argument %d: key must not be null", i+1)
			}
			name, err := jsonKey(ctx, a[i], sig.Args[i])
			if err != nil {
				return types.Null, err
			}
			v, err := jsonNode(ctx, a[i+1], sig.Args[i+1])
			if err != nil {
				return types.Null, err
			}
			m = append(m, types.JSONMember{Name: name, Value: v})
		}
		return jsonbOf(types.NewJSONObject(m), nil)
	})
	k.fn("json_object(_text) json_object(_text,_text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		names, values, err := jsonPairs(a)
		if err != nil {
			return types.Null, err
		}
		dst := []byte{'{'}
		for i := range names {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(types.AppendJSONString(dst, names[i].Str()), " : "...)
			if values[i].IsNull() {
				dst = append(dst, "null"...)
			} else {
				dst = types.AppendJSONString(dst, values[i].Str())
			}
		}
		return types.NewBytes(append(dst, '}')), nil
	})
	k.fn("jsonb_object(_text) jsonb_object(_text,_text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		names, values, err := jsonPairs(a)
		if err != nil {
			return types.Null, err
		}
		m := make([]types.JSONMember, len(names))
		for i := range names {
			v := jsonbString(values[i].Str())
			if values[i].IsNull() {
				v = &types.JSONNode{}
			}
			m[i] = types.JSONMember{Name: names[i].Str(), Value: v}
		}
		return jsonbOf(types.NewJSONObject(m), nil)
	})
}

// jsonPairs reads the arguments of json_object: names and values in two arrays,
// in one, or in one of two columns.
func jsonPairs(a []datum) (names, values []datum, err error) {
	bad := func(format string) ([]datum, []datum, error) {
		return nil, nil, sqlerr.New(sqlerr.ArraySubscriptError, "%s", format)
	}
	first := a[0].Array()
	if len(a) == 2 {
		second := a[1].Array()
		if len(first.Dims) > 1 || len(first.Dims) != len(second.Dims) {
			return bad("wrong number of array subscripts")
		}
		if len(first.Elems) != len(second.Elems) {
			return bad("mismatched array dimensions")
		}
		names, values = first.Elems, second.Elems
	} else {
		switch {
		case len(first.Dims) > 2:
			return bad("wrong number of array subscripts")
		case len(first.Dims) == 2 && first.Dims[1].Len != 2:
			return bad("array must have two columns")
		case len(first.Elems)%2 != 0:
			return bad("array must have even number of elements")
		}
		for i := 0; i < len(first.Elems); i += 2 {
			names, values = append(names, first.Elems[i]), append(values, first.Elems[i+1])
		}
	}
	for _, n := range names {
		if n.IsNull() {
			return nil, nil, sqlerr.New(sqlerr.NullValueNotAllowed, "null value not allowed for object key")
		}
	}
	return names, values, nil
}

// jsonAgg is json_agg and json_object_agg, which write as they go.
type jsonAgg struct {
	sig    *Signature
	object bool
	b      []byte
}

func (s *jsonAgg) Add(ctx *EvalContext, args []datum) error {
	if len(s.b) > 0 {
		s.b = append(s.b, ", "...)
	}
	if s.object {
		if args[0].IsNull() {
			return errNullField()
		}
		var err error
		if s.b, err = appendJSONKey(ctx, s.b, args[0], s.sig.Args[0]); err != nil {
			return err
		}
		s.b = append(s.b, " : "...)
		s.b, err = appendJSON(ctx, s.b, args[1], s.sig.Args[1], false)
		return err
	}
	if form := jsonFormOf(s.sig.Args[0]); len(s.b) > 0 && (form == jsonAsArray || form == jsonAsRecord) && !args[0].IsNull() {
		s.b = append(s.b, "\n "...)
	}
	var err error
	if s.b, err = appendJSON(ctx, s.b, args[0], s.sig.Args[0], false); err != nil {
		return err
	}
	return checkTextSize(len(s.b))
}

func errNullField() error {
	return sqlerr.New(sqlerr.InvalidParameterValue, "field name must not be null")
}

func (s *jsonAgg) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*jsonAgg)
	if !ok {
		return errMerge()
	}
	if len(o.b) == 0 {
		return nil
	}
	if len(s.b) > 0 {
		s.b = append(s.b, ", "...)
		if form := jsonFormOf(s.sig.Args[0]); !s.object && (form == jsonAsArray || form == jsonAsRecord) && !strings.HasPrefix(string(o.b), "null") {
			s.b = append(s.b, "\n "...)
		}
	}
	s.b = append(s.b, o.b...)
	return checkTextSize(len(s.b))
}

func (s *jsonAgg) Result(*EvalContext) (datum, error) {
	if len(s.b) == 0 {
		return types.Null, nil
	}
	open, shut := "[", "]"
	if s.object {
		open, shut = "{ ", " }"
	}
	return types.NewString(open + string(s.b) + shut), nil
}
func (s *jsonAgg) Size() int { return 64 + cap(s.b) }

// jsonbAgg is jsonb_agg and jsonb_object_agg.
type jsonbAgg struct {
	sig     *Signature
	object  bool
	items   []*types.JSONNode
	members []types.JSONMember
	size    int
}

func (s *jsonbAgg) Add(ctx *EvalContext, args []datum) error {
	last := len(args) - 1
	v, err := jsonNode(ctx, args[last], s.sig.Args[last])
	if err != nil {
		return err
	}
	// Encoded at once, so that nothing of the row is kept.
	raw, err := types.EncodeJSONB(v)
	if err != nil {
		return err
	}
	s.size += len(raw) + 96
	if !s.object {
		s.items = append(s.items, types.JSONRaw(raw))
		return nil
	}
	if args[0].IsNull() {
		return errNullField()
	}
	name, err := jsonKey(ctx, args[0], s.sig.Args[0])
	if err != nil {
		return err
	}
	s.size += len(name)
	s.members = append(s.members, types.JSONMember{Name: strings.Clone(name), Value: types.JSONRaw(raw)})
	return nil
}

func (s *jsonbAgg) Merge(_ *EvalContext, other AggState) error {
	o, ok := other.(*jsonbAgg)
	if !ok {
		return errMerge()
	}
	s.items, s.members = append(s.items, o.items...), append(s.members, o.members...)
	s.size += o.size
	return nil
}

func (s *jsonbAgg) Result(*EvalContext) (datum, error) {
	switch {
	case len(s.items) > 0:
		return jsonbOf(&types.JSONNode{Kind: types.JSONArray, Items: s.items}, nil)
	case len(s.members) > 0:
		return jsonbOf(types.NewJSONObject(append([]types.JSONMember(nil), s.members...)), nil)
	}
	return types.Null, nil
}
func (s *jsonbAgg) Size() int { return 96 + s.size }

func (k kernels) jsonAggregates() {
	k.agg("json_agg(anyelement)", func(sig *Signature) AggState { return &jsonAgg{sig: sig} })
	k.agg("json_object_agg(any,any)", func(sig *Signature) AggState { return &jsonAgg{sig: sig, object: true} })
	k.agg("jsonb_agg(anyelement)", func(sig *Signature) AggState { return &jsonbAgg{sig: sig} })
	k.agg("jsonb_object_agg(any,any)", func(sig *Signature) AggState { return &jsonbAgg{sig: sig, object: true} })
}
