package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// rowsIter yields rows that are made one after the other.
type rowsIter struct {
	row  []types.Datum
	next func(row []types.Datum) (more bool, err error)
}

func (it *rowsIter) Next(*EvalContext) (Row, error) {
	more, err := it.next(it.row)
	if err != nil || !more {
		return nil, err
	}
	return it.row, nil
}

// countedRows yields n rows of the given width.
func countedRows(width, n int, make_ func(i int, row []types.Datum) error) *rowsIter {
	i := 0
	return &rowsIter{row: make([]types.Datum, width), next: func(row []types.Datum) (bool, error) {
		if i >= n {
			return false, nil
		}
		i++
		return true, make_(i-1, row)
	}}
}

// jsonSets are the functions that return rows.
func (k kernels) jsonSets() {
	k.jsonEach()
	k.jsonElements()
	k.jsonRecords()
	k.jsonPopulate()
}

func (k kernels) jsonEach() {
	for _, text := range []bool{false, true} {
		suffix := ""
		if text {
			suffix = "_text"
		}
		k.set("json_each"+suffix+"(json)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			kind, parts, _, err := types.SplitJSON(a[0].Str())
			switch {
			case err != nil:
				return nil, err
			case kind == types.JSONArray:
				return nil, errJSONParam("cannot deconstruct an array as an object")
			case kind != types.JSONObject:
				return nil, errJSONParam("cannot deconstruct a scalar")
			}
			return countedRows(2, len(parts), func(i int, row []datum) (err error) {
				row[0] = types.NewString(parts[i].Name)
				row[1], err = jsonResult(parts[i].Raw, true, nil, text)
				return err
			}), nil
		})
		k.set("jsonb_each"+suffix+"(jsonb)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			b := a[0].JSON()
			if b.Kind() != types.JSONObject {
				return nil, errJSONParam("cannot call jsonb_each%s on a non-object", suffix)
			}
			return countedRows(2, b.Len(), func(i int, row []datum) (err error) {
				name, v := b.Member(i)
				row[0] = types.NewString(name)
				row[1], err = jsonbResult(v, true, text)
				return err
			}), nil
		})
	}
	noKeys := func(name string, kind types.JSONKind) error {
		if kind == types.JSONArray {
			return errJSONParam("cannot call %s on an array", name)
		}
		return errJSONParam("cannot call %s on a scalar", name)
	}
	k.set("json_object_keys(json)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		kind, parts, _, err := types.SplitJSON(a[0].Str())
		if err == nil && kind != types.JSONObject {
			err = noKeys("json_object_keys", kind)
		}
		return countedRows(1, len(parts), func(i int, row []datum) error {
			row[0] = types.NewString(parts[i].Name)
			return nil
		}), err
	})
	k.set("jsonb_object_keys(jsonb)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
		b := a[0].JSON()
		if b.Kind() != types.JSONObject {
			return nil, noKeys("jsonb_object_keys", b.Kind())
		}
		return countedRows(1, b.Len(), func(i int, row []datum) error {
			name, _ := b.Member(i)
			row[0] = types.NewString(name)
			return nil
		}), nil
	})
}

func (k kernels) jsonElements() {
	for _, text := range []bool{false, true} {
		suffix := ""
		if text {
			suffix = "_text"
		}
		k.set("json_array_elements"+suffix+"(json)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			kind, parts, _, err := types.SplitJSON(a[0].Str())
			switch {
			case err != nil:
				return nil, err
			case kind == types.JSONObject:
				return nil, errJSONParam("cannot call json_array_elements%s on a non-array", suffix)
			case kind != types.JSONArray:
				return nil, errJSONParam("cannot call json_array_elements%s on a scalar", suffix)
			}
			return countedRows(1, len(parts), func(i int, row []datum) (err error) {
				row[0], err = jsonResult(parts[i].Raw, true, nil, text)
				return err
			}), nil
		})
		k.set("jsonb_array_elements"+suffix+"(jsonb)", func(_ *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			b := a[0].JSON()
			switch {
			case b.Kind() == types.JSONObject:
				return nil, errJSONParam("cannot extract elements from an object")
			case b.Kind() != types.JSONArray:
				return nil, errJSONParam("cannot extract elements from a scalar")
			}
			return countedRows(1, b.Len(), func(i int, row []datum) (err error) {
				row[0], err = jsonbResult(b.Item(i), true, text)
				return err
			}), nil
		})
	}
}

// jsonRecords are json_to_record and its relatives, whose columns the call
// declares (Signature.OutTypes).
func (k kernels) jsonRecords() {
	for _, name := range []string{"json_to_record(json)", "jsonb_to_record(jsonb)"} {
		k.set(name, func(ctx *EvalContext, sig *Signature, a []datum) (SetIter, error) {
			v := jsonValueOf(a[0], sig.Args[0])
			kind, err := v.kind()
			if err != nil {
				return nil, err
			}
			if kind != types.JSONObject {
				what := "a scalar"
				if kind == types.JSONArray {
					what = "an array"
				}
				return nil, errJSONParam("cannot call populate_composite on %s", what)
			}
			return countedRows(len(sig.OutTypes), 1, func(_ int, row []datum) error { return fillRecord(ctx, v, sig, row) }), nil
		})
	}
	for _, name := range []string{"json_to_recordset(json)", "jsonb_to_recordset(jsonb)"} {
		fn := name[:strings.IndexByte(name, '(')]
		k.set(name, func(ctx *EvalContext, sig *Signature, a []datum) (SetIter, error) {
			v := jsonValueOf(a[0], sig.Args[0])
			items, err := recordItems(fn, v)
			if err != nil {
				return nil, err
			}
			return countedRows(len(sig.OutTypes), len(items), func(i int, row []datum) error {
				if kind, err := items[i].kind(); err != nil || kind != types.JSONObject {
					return errJSONParam("argument of %s must be an array of objects", fn)
				}
				return fillRecord(ctx, items[i], sig, row)
			}), nil
		})
	}
}

// jsonPopulate has the functions that fill a row of a given type.
func (k kernels) jsonPopulate() {
	populated := func(ctx *EvalContext, v jsonValue, t types.Type, base datum) (datum, error) {
		d, err := populateRow(ctx, v, t.Base(), base.Record())
		if err == nil {
			err = types.CheckDomain(d, t, ctx.format())
		}
		return d, err
	}
	for _, sig := range []string{"json_populate_record(anyelement,json,bool)", "jsonb_populate_record(anyelement,jsonb)"} {
		fn, _, _ := strings.Cut(sig, "(")
		k.fn(sig, func(ctx *EvalContext, sig *Signature, a []datum) (datum, error) {
			if err := checkRowArg(fn, sig.Args[0]); err != nil || a[1].IsNull() {
				return a[0], err
			}
			return populated(ctx, jsonValueOf(a[1], sig.Args[1]), sig.Args[0], a[0])
		})
	}
	for _, sig := range []string{"json_populate_recordset(anyelement,json,bool)", "jsonb_populate_recordset(anyelement,jsonb)"} {
		fn, _, _ := strings.Cut(sig, "(")
		k.set(sig, func(ctx *EvalContext, sig *Signature, a []datum) (SetIter, error) {
			if err := checkRowArg(fn, sig.Args[0]); err != nil || a[1].IsNull() {
				return &sliceIter{}, err
			}
			v := jsonValueOf(a[1], sig.Args[1])
			items, err := recordItems(fn, v)
			if err != nil {
				return nil, err
			}
			rows := make([]datum, len(items))
			for i, x := range items {
				if kind, err := x.kind(); err != nil || kind != types.JSONObject {
					return nil, errJSONParam("argument of %s must be an array of objects", fn)
				}
				if rows[i], err = populated(ctx, x, sig.Args[0], a[0]); err != nil {
					return nil, err
				}
			}
			return &sliceIter{items: rows}, nil
		})
	}
}

// checkRowArg refuses a first argument that is not of a composite type.
func checkRowArg(fn string, t types.Type) error {
	switch b := t.Base(); {
	case b.IsComposite():
		return nil
	case b.OID == types.OIDRecord:
		return sqlerr.New(sqlerr.FeatureNotSupported, "could not determine row type for result of %s", fn).
			WithHint("Provide a non-null record argument, or call the function in the FROM clause using a column definition list.")
	}
	return sqlerr.New(sqlerr.DatatypeMismatch, "first argument of %s must be a row type", fn)
}

// recordItems are the items of an array of objects.
func recordItems(fn string, v jsonValue) ([]jsonValue, error) {
	kind, err := v.kind()
	switch {
	case err != nil:
		return nil, err
	case kind == types.JSONArray:
		return v.items()
	case v.text && kind == types.JSONObject:
		return nil, errJSONParam("cannot call %s on an object", fn)
	case v.text:
		return nil, errJSONParam("cannot call %s on a scalar", fn)
	}
	return nil, errJSONParam("cannot call %s on a non-array", fn)
}

// jsonValue is a value of json, whose text stays as it is written, or of jsonb.
type jsonValue struct {
	text bool
	raw  string        // of json
	doc  types.JSONDoc // of jsonb
}

func jsonValueOf(d datum, t types.Type) jsonValue {
	if t.OID == types.OIDJSON {
		return jsonValue{text: true, raw: d.Str()}
	}
	return jsonValue{doc: d.JSON()}
}

func (v jsonValue) kind() (types.JSONKind, error) {
	if !v.text {
		return v.doc.Kind(), nil
	}
	kind, _, _, err := types.SplitJSON(v.raw)
	return kind, err
}

// items are the items of an array.
func (v jsonValue) items() ([]jsonValue, error) {
	var out []jsonValue
	if v.text {
		_, parts, _, err := types.SplitJSON(v.raw)
		for _, p := range parts {
			out = append(out, jsonValue{text: true, raw: p.Raw})
		}
		return out, err
	}
	for i := range v.doc.Len() {
		out = append(out, jsonValue{doc: v.doc.Item(i)})
	}
	return out, nil
}

// field is a member of an object.
func (v jsonValue) field(name string) (jsonValue, bool, error) {
	if v.text {
		raw, ok, err := jsonField(v.raw, name)
		return jsonValue{text: true, raw: raw}, ok, err
	}
	doc, ok := v.doc.Get(name)
	return jsonValue{doc: doc}, ok, nil
}

// asText is what ->> makes of the value.
func (v jsonValue) asText() (datum, error) {
	if v.text {
		return jsonResult(v.raw, true, nil, true)
	}
	return jsonbText(v.doc), nil
}

// fillRecord takes the columns from the members of an object.
func fillRecord(ctx *EvalContext, v jsonValue, sig *Signature, row []datum) error {
	for i, t := range sig.OutTypes {
		row[i] = types.Null
		f, ok, err := v.field(sig.OutNames[i])
		if err != nil {
			return err
		}
		if !ok {
			if err := types.CheckDomain(types.Null, t, ctx.format()); err != nil {
				return err
			}
			continue
		}
		if row[i], err = populate(ctx, f, t, sig.OutNames[i]); err != nil {
			return err
		}
	}
	return nil
}

// populate converts a JSON value to a type: an array to an array, a JSON type as it
// is, anything else by its text.
func populate(ctx *EvalContext, v jsonValue, t types.Type, name string) (datum, error) {
	kind, err := v.kind()
	if err != nil {
		return types.Null, err
	}
	if t.IsDomain() {
		d, err := populate(ctx, v, t.Base(), name)
		if err == nil {
			err = types.CheckDomain(d, t, ctx.format())
		}
		return d, err
	}
	switch {
	case kind == types.JSONNull && t.OID != types.OIDJSON && t.OID != types.OIDJSONB:
		return types.Null, nil
	case t.OID == types.OIDJSONB:
		if v.text {
			return types.DecodeText(v.raw, t, nil)
		}
		return types.NewJSONB(v.doc), nil
	case t.OID == types.OIDJSON:
		if v.text {
			return types.NewString(v.raw), nil
		}
		return types.NewBytes(types.AppendJSONB(nil, v.doc)), nil
	case t.OID == types.OIDRecord:
		return types.Null, sqlerr.Unsupported("a column of type record")
	case t.IsArray() && kind != types.JSONString:
		return populateArray(ctx, v, t, name)
	case t.IsComposite() && kind != types.JSONString:
		return populateRow(ctx, v, t, nil)
	}
	d, err := v.asText()
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	return types.DecodeText(d.Str(), t, ctx.format())
}

// populateRow makes a row of a composite type from an object. What the object does
// not have stays as it is in base, or is NULL.
func populateRow(ctx *EvalContext, v jsonValue, t types.Type, base *types.Record) (datum, error) {
	kind, err := v.kind()
	if err != nil {
		return types.Null, err
	}
	if kind != types.JSONObject {
		what := "a scalar"
		if kind == types.JSONArray {
			what = "an array"
		}
		return types.Null, errJSONParam("cannot call populate_composite on %s", what)
	}
	fields := make([]datum, len(t.Def().Fields))
	if base != nil {
		copy(fields, base.Fields)
	}
	for i, f := range t.Def().Fields {
		x, ok, err := v.field(f.Name)
		if err != nil {
			return types.Null, err
		}
		if ok {
			fields[i], err = populate(ctx, x, f.Type, f.Name)
		} else if base == nil {
			err = types.CheckDomain(types.Null, f.Type, ctx.format())
		}
		if err != nil {
			return types.Null, err
		}
	}
	return t.Def().NewRow(fields), nil
}

func populateArray(ctx *EvalContext, v jsonValue, t types.Type, name string) (datum, error) {
	a := &types.Array{Elem: t.Elem().Bare()}
	// The dimensions are those of the first items.
	for x := v; ; {
		kind, err := x.kind()
		if err != nil {
			return types.Null, err
		}
		if kind != types.JSONArray {
			break
		}
		if len(a.Dims) == types.MaxArrayDims {
			return types.Null, sqlerr.New(sqlerr.ProgramLimitExceeded, "number of array dimensions (%d) exceeds the maximum allowed (%d)", len(a.Dims)+1, types.MaxArrayDims)
		}
		items, err := x.items()
		if err != nil {
			return types.Null, err
		}
		if len(items) == 0 {
			return types.NewArray(&types.Array{Elem: a.Elem}), nil
		}
		a.Dims = append(a.Dims, types.Dim{Len: int32(len(items)), Lower: 1})
		x = items[0]
	}
	if len(a.Dims) == 0 {
		return types.Null, errJSONArray(name)
	}
	if err := fillArray(ctx, a, v, 0, t, name); err != nil {
		return types.Null, err
	}
	return types.NewArray(a), nil
}

func errJSONArray(name string) error {
	return sqlerr.New(sqlerr.InvalidTextRepresentation, "expected JSON array").WithHint("See the value of key \"%s\".", name)
}

// fillArray appends what lies in v, level dimensions down.
func fillArray(ctx *EvalContext, a *types.Array, v jsonValue, level int, t types.Type, name string) error {
	kind, err := v.kind()
	if err != nil {
		return err
	}
	if level == len(a.Dims) {
		d, err := populate(ctx, v, t.Elem(), name)
		a.Elems = append(a.Elems, d)
		return err
	}
	if kind != types.JSONArray {
		return errJSONArray(name)
	}
	items, err := v.items()
	if err != nil {
		return err
	}
	if len(items) != int(a.Dims[level].Len) {
		return sqlerr.New(sqlerr.InvalidTextRepresentation, "malformed JSON array").
			WithDetail("Multidimensional arrays must have sub-arrays with matching dimensions.")
	}
	for _, x := range items {
		if err := fillArray(ctx, a, x, level+1, t, name); err != nil {
			return err
		}
	}
	return nil
}
