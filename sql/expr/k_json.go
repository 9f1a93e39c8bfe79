package expr

import (
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func errJSONParam(format string, args ...any) *sqlerr.Error {
	return sqlerr.New(sqlerr.InvalidParameterValue, format, args...)
}

// jsonItem returns an item of a JSON text's array by its place, from the end if
// negative.
func jsonItem(s string, i int64) (string, bool, error) {
	kind, parts, _, err := types.SplitJSON(s)
	if err != nil || kind != types.JSONArray {
		return "", false, err
	}
	if i < 0 {
		i += int64(len(parts))
	}
	if i < 0 || i >= int64(len(parts)) {
		return "", false, nil
	}
	return parts[i].Raw, true, nil
}

// jsonField returns a member of a JSON text's object, of several the last.
func jsonField(s, name string) (string, bool, error) {
	kind, parts, _, err := types.SplitJSON(s)
	if err != nil || kind != types.JSONObject {
		return "", false, err
	}
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i].Name == name {
			return parts[i].Raw, true, nil
		}
	}
	return "", false, nil
}

// jsonbItem is jsonItem of a document. A scalar is an array of one here, as in
// PostgreSQL.
func jsonbItem(b types.JSONDoc, i int64) (types.JSONDoc, bool) {
	switch b.Kind() {
	case types.JSONObject:
		return "", false
	case types.JSONArray:
		n := int64(b.Len())
		if i < 0 {
			i += n
		}
		if i < 0 || i >= n {
			return "", false
		}
		return b.Item(int(i)), true
	}
	return b, i == 0 || i == -1
}

func jsonbField(b types.JSONDoc, name string) (types.JSONDoc, bool) {
	if b.Kind() != types.JSONObject {
		return "", false
	}
	return b.Get(name)
}

// pathIndex reads an array's place in a path.
func pathIndex(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimLeft(s, " \t\n\v\f\r"), 10, 32)
	return n, err == nil
}

// jsonbResult gives a part of a document as jsonb, or as ->> does.
func jsonbResult(b types.JSONDoc, found, asText bool) (datum, error) {
	switch {
	case !found:
		return types.Null, nil
	case !asText:
		return types.NewJSONB(b), nil
	}
	return jsonbText(b), nil
}

// jsonbText is what ->> makes of a document: NULL of null, a string without
// quotes, the text of anything else.
func jsonbText(b types.JSONDoc) datum {
	switch b.Kind() {
	case types.JSONNull:
		return types.Null
	case types.JSONString, types.JSONNumber:
		return types.NewString(b.Text())
	}
	return types.NewBytes(types.AppendJSONB(nil, b))
}

func jsonResult(raw string, found bool, err error, asText bool) (datum, error) {
	if err != nil || !found {
		return types.Null, err
	}
	if !asText {
		return types.NewString(raw), nil
	}
	s, ok, err := types.JSONTextOf(raw)
	if err != nil || !ok {
		return types.Null, err
	}
	return types.NewString(s), nil
}

// json is everything about json and jsonb.
func (k kernels) json() {
	k.jsonAccess()
	k.jsonBuilders()
	k.jsonAggregates()
	k.jsonTests()
	k.jsonChanges()
	k.jsonSets()
	k.jsonPaths()
}

// jsonAccess are -> ->> #> #>> and the functions behind them.
func (k kernels) jsonAccess() {
	for _, text := range []bool{false, true} {
		suffix := ""
		if text {
			suffix = "_text"
		}
		k.f2("json_object_field"+suffix+"(json,text)", func(_ *EvalContext, a, b datum) (datum, error) {
			raw, ok, err := jsonField(a.Str(), b.Str())
			return jsonResult(raw, ok, err, text)
		})
		k.f2("json_array_element"+suffix+"(json,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
			raw, ok, err := jsonItem(a.Str(), b.Int())
			return jsonResult(raw, ok, err, text)
		})
		k.f2("jsonb_object_field"+suffix+"(jsonb,text)", func(_ *EvalContext, a, b datum) (datum, error) {
			v, ok := jsonbField(a.JSON(), b.Str())
			return jsonbResult(v, ok, text)
		})
		k.f2("jsonb_array_element"+suffix+"(jsonb,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
			v, ok := jsonbItem(a.JSON(), b.Int())
			return jsonbResult(v, ok, text)
		})
		k.f2("json_extract_path"+suffix+"(json,_text)", func(_ *EvalContext, a, b datum) (datum, error) {
			_, _, raw, err := types.SplitJSON(a.Str())
			ok := err == nil
			for _, p := range b.Array().Elems {
				if !ok || err != nil {
					break
				}
				if p.IsNull() {
					return types.Null, nil
				}
				var kind types.JSONKind
				if kind, _, _, err = types.SplitJSON(raw); err != nil {
					break
				}
				if kind == types.JSONObject {
					raw, ok, err = jsonField(raw, p.Str())
				} else if i, isIndex := pathIndex(p.Str()); isIndex {
					raw, ok, err = jsonItem(raw, i)
				} else {
					ok = false
				}
			}
			return jsonResult(raw, ok, err, text)
		})
		k.f2("jsonb_extract_path"+suffix+"(jsonb,_text)", func(_ *EvalContext, a, b datum) (datum, error) {
			v, ok := jsonbAt(a.JSON(), b.Array().Elems)
			return jsonbResult(v, ok, text)
		})
	}
}

// jsonbAt follows a path of names and places.
func jsonbAt(v types.JSONDoc, path []datum) (types.JSONDoc, bool) {
	for _, p := range path {
		ok := false
		switch {
		case p.IsNull():
		case v.Kind() == types.JSONObject:
			v, ok = v.Get(p.Str())
		case v.Kind() == types.JSONArray:
			if i, isIndex := pathIndex(p.Str()); isIndex {
				v, ok = jsonbItem(v, i)
			}
		}
		if !ok {
			return "", false
		}
	}
	return v, true
}

// jsonTests compare and examine.
func (k kernels) jsonTests() {
	k.f2("jsonb_contains(jsonb,jsonb)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(types.JSONBContains(a.JSON(), b.JSON())), nil
	})
	k.f2("jsonb_contained(jsonb,jsonb)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(types.JSONBContains(b.JSON(), a.JSON())), nil
	})
	k.f2("jsonb_exists(jsonb,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewBool(jsonbHas(a.JSON(), b.Str())), nil
	})
	several := func(all bool) func2 {
		return func(_ *EvalContext, a, b datum) (datum, error) {
			for _, x := range b.Array().Elems {
				if !x.IsNull() && jsonbHas(a.JSON(), x.Str()) != all {
					return types.NewBool(!all), nil
				}
			}
			return types.NewBool(all), nil
		}
	}
	k.f2("jsonb_exists_any(jsonb,_text)", several(false))
	k.f2("jsonb_exists_all(jsonb,_text)", several(true))
	k.f2("jsonb_cmp(jsonb,jsonb)", func(_ *EvalContext, a, b datum) (datum, error) {
		return types.NewInt(int64(types.CompareJSONB(a.JSON(), b.JSON()))), nil
	})
	k.f1("json_typeof(json)", func(_ *EvalContext, a datum) (datum, error) {
		kind, _, _, err := types.SplitJSON(a.Str())
		return types.NewString(kind.String()), err
	})
	k.f1("jsonb_typeof(jsonb)", func(_ *EvalContext, a datum) (datum, error) { return str(a.JSON().Kind().String()) })
	k.f1("json_array_length(json)", func(_ *EvalContext, a datum) (datum, error) {
		kind, parts, _, err := types.SplitJSON(a.Str())
		if err == nil {
			err = wantJSONArray(kind)
		}
		return types.NewInt(int64(len(parts))), err
	})
	k.f1("jsonb_array_length(jsonb)", func(_ *EvalContext, a datum) (datum, error) {
		b := a.JSON()
		return types.NewInt(int64(b.Len())), wantJSONArray(b.Kind())
	})
	k.f1("jsonb_pretty(jsonb)", func(_ *EvalContext, a datum) (datum, error) {
		return types.NewBytes(types.AppendJSONBPretty(nil, a.JSON())), nil
	})
}

func wantJSONArray(kind types.JSONKind) error {
	switch kind {
	case types.JSONArray:
		return nil
	case types.JSONObject:
		return errJSONParam("cannot get array length of a non-array")
	}
	return errJSONParam("cannot get array length of a scalar")
}

// jsonbHas is the operator ?: a name of an object, a string of an array, or the
// string itself.
func jsonbHas(b types.JSONDoc, s string) bool {
	isString := func(x types.JSONDoc) bool { return x.Kind() == types.JSONString && x.Text() == s }
	switch b.Kind() {
	case types.JSONObject:
		return b.Find(s) >= 0
	case types.JSONArray:
		for i := range b.Len() {
			if isString(b.Item(i)) {
				return true
			}
		}
		return false
	}
	return isString(b)
}

// jsonbCast converts a document to bool or a number.
func jsonbCast(to types.OID) func1 {
	number := func(d datum) (datum, error) { return d, nil }
	if to != types.OIDNumeric && to != types.OIDBool {
		cast := castKernel(types.OIDNumeric, to)
		number = func(d datum) (datum, error) { return cast(nil, d) }
	}
	return func(_ *EvalContext, d datum) (datum, error) {
		b := d.JSON()
		switch kind := b.Kind(); {
		case to == types.OIDBool && (kind == types.JSONTrue || kind == types.JSONFalse):
			return types.NewBool(kind == types.JSONTrue), nil
		case to != types.OIDBool && kind == types.JSONNumber:
			return number(b.Number())
		case kind == types.JSONNumber:
			return types.Null, errJSONParam("cannot cast jsonb numeric to type %s", types.Of(to))
		default:
			return types.Null, errJSONParam("cannot cast jsonb %s to type %s", kind, types.Of(to))
		}
	}
}
