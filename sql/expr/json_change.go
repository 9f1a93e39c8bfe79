package expr

import (
	"math"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// setMode says what jsonSetter does at the end of its path.
type setMode uint8

const (
	setReplace setMode = iota // what is there
	setCreate                 // replace, or add what is not there
	setBefore                 // insert before
	setAfter                  // insert after
	setDelete
	setFill // setCreate that makes missing parents too, for subscripts
)

func (m setMode) adds() bool {
	return m == setCreate || m == setBefore || m == setAfter || m == setFill
}

// jsonSetter changes a document at a path, as setPath in PostgreSQL's jsonfuncs.c.
type jsonSetter struct {
	path  []datum
	value *types.JSONNode
	mode  setMode
}

func (s *jsonSetter) set(n *types.JSONNode, level int) (*types.JSONNode, error) {
	if s.path[level].IsNull() {
		return nil, sqlerr.New(sqlerr.NullValueNotAllowed, "path element at position %d is null", level+1)
	}
	switch n.Kind {
	case types.JSONArray:
		return s.array(n.Expand(), level)
	case types.JSONObject:
		return s.object(n.Expand(), level)
	}
	if s.mode == setFill {
		return nil, errScalarPath()
	}
	return n, nil
}

func errScalarPath() error {
	return errJSONParam("cannot replace existing key").
		WithDetail("The path assumes key is a composite object, but it is a scalar value.")
}

func (s *jsonSetter) object(n *types.JSONNode, level int) (*types.JSONNode, error) {
	name, last := s.path[level].Str(), level == len(s.path)-1
	out := make([]types.JSONMember, 0, len(n.Members)+1)
	done := false
	for _, m := range n.Members {
		switch {
		case m.Name != name:
		case !last:
			v, err := s.set(m.Value, level+1)
			if err != nil {
				return nil, err
			}
			m.Value, done = v, true
		case s.mode == setBefore || s.mode == setAfter:
			return nil, errJSONParam("cannot replace existing key").
				WithHint("Try using the function jsonb_set to replace key value.")
		case s.mode == setDelete:
			done = true
			continue
		default:
			m.Value, done = s.value, true
		}
		out = append(out, m)
	}
	if !done && s.mode.adds() && (last || s.mode == setFill) {
		v, err := s.missing(level + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, types.JSONMember{Name: name, Value: v})
	}
	return types.NewJSONObject(out), nil
}

// missing makes the value for the rest of the path, of which nothing is there.
func (s *jsonSetter) missing(level int) (*types.JSONNode, error) {
	if level >= len(s.path) {
		return s.value, nil
	}
	if s.path[level].IsNull() {
		return nil, sqlerr.New(sqlerr.NullValueNotAllowed, "path element at position %d is null", level+1)
	}
	v, err := s.missing(level + 1)
	if err != nil {
		return nil, err
	}
	i, isIndex := pathIndex(s.path[level].Str())
	if !isIndex {
		return types.NewJSONObject([]types.JSONMember{{Name: s.path[level].Str(), Value: v}}), nil
	}
	n := &types.JSONNode{Kind: types.JSONArray}
	if err := s.pad(n, i); err != nil {
		return nil, err
	}
	n.Items = append(n.Items, v)
	return n, nil
}

// jsonPadMax bounds the nulls that one assignment puts in a gap.
const jsonPadMax = 1 << 24

// pad appends nulls up to a place.
func (s *jsonSetter) pad(n *types.JSONNode, to int64) error {
	if to-int64(len(n.Items)) > jsonPadMax {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "number of jsonb array elements exceeds the maximum allowed (%d)", jsonPadMax)
	}
	for int64(len(n.Items)) < to {
		n.Items = append(n.Items, &types.JSONNode{})
	}
	return nil
}

func (s *jsonSetter) array(n *types.JSONNode, level int) (*types.JSONNode, error) {
	count, last := int64(len(n.Items)), level == len(s.path)-1
	i, ok := pathIndex(s.path[level].Str())
	if !ok {
		return nil, sqlerr.New(sqlerr.InvalidTextRepresentation, "path element at position %d is not an integer: \"%s\"", level+1, s.path[level].Str())
	}
	if i < 0 {
		if -i <= count {
			i += count
		} else if s.mode == setFill {
			return nil, errJSONParam("path element at position %d is out of range: %d", level+1, i)
		} else {
			i = math.MinInt32
		}
	}
	if s.mode != setFill {
		i = min(i, count)
	}
	out := &types.JSONNode{Kind: types.JSONArray}
	done := false
	add := func(x *types.JSONNode) { out.Items = append(out.Items, x) }
	if (i == math.MinInt32 || count == 0) && last && s.mode.adds() {
		if s.mode == setFill {
			if err := s.pad(out, i); err != nil {
				return nil, err
			}
		}
		add(s.value)
		done = true
	}
	for at, item := range n.Items {
		if int64(at) != i || done {
			add(item)
			continue
		}
		done = true
		if !last {
			v, err := s.set(item, level+1)
			if err != nil {
				return nil, err
			}
			add(v)
			continue
		}
		switch s.mode {
		case setReplace, setCreate, setFill:
			add(s.value)
		case setBefore:
			add(s.value)
			add(item)
		case setAfter:
			add(item)
			add(s.value)
		}
	}
	if !done && s.mode.adds() && (last || s.mode == setFill) {
		if s.mode == setFill {
			if err := s.pad(out, i); err != nil {
				return nil, err
			}
		}
		v, err := s.missing(level + 1)
		if err != nil {
			return nil, err
		}
		add(v)
	}
	return out, nil
}

// jsonbSet changes a document at a path.
func jsonbSet(b types.JSONDoc, path []datum, value *types.JSONNode, mode setMode) (datum, error) {
	if b.Kind() < types.JSONArray {
		if mode == setDelete {
			return types.Null, errJSONParam("cannot delete path in scalar")
		}
		if mode == setFill && len(path) > 0 {
			return types.Null, errScalarPath()
		}
		return types.Null, errJSONParam("cannot set path in scalar")
	}
	if len(path) == 0 || b.Len() == 0 && !mode.adds() {
		return types.NewJSONB(b), nil
	}
	s := jsonSetter{path: path, value: value, mode: mode}
	return jsonbOf(s.set(types.JSONRaw(b), 0))
}

func pathOf(d datum) ([]datum, error) {
	a := d.Array()
	if len(a.Dims) > 1 {
		return nil, sqlerr.New(sqlerr.ArraySubscriptError, "wrong number of array subscripts")
	}
	return a.Elems, nil
}

// jsonChanges are the functions that make one document of another.
func (k kernels) jsonChanges() {
	set := func(b, path, value datum, mode setMode) (datum, error) {
		p, err := pathOf(path)
		if err != nil {
			return types.Null, err
		}
		var v *types.JSONNode
		if !value.IsNull() {
			v = types.JSONRaw(value.JSON())
		}
		return jsonbSet(b.JSON(), p, v, mode)
	}
	create := func(on bool) setMode {
		if on {
			return setCreate
		}
		return setReplace
	}
	k.fn("jsonb_set(jsonb,_text,jsonb,bool)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		return set(a[0], a[1], a[2], create(a[3].Bool()))
	})
	k.fn("jsonb_set_lax(jsonb,_text,jsonb,bool,text)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		if a[0].IsNull() || a[1].IsNull() || a[3].IsNull() {
			return types.Null, nil
		}
		if a[4].IsNull() {
			return types.Null, errJSONParam("null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"")
		}
		if !a[2].IsNull() {
			return set(a[0], a[1], a[2], create(a[3].Bool()))
		}
		switch a[4].Str() {
		case "raise_exception":
			return types.Null, sqlerr.New(sqlerr.NullValueNotAllowed, "JSON value must not be null").
				WithDetail("Exception was raised because null_value_treatment is \"raise_exception\".").
				WithHint("To avoid, either change the null_value_treatment argument or ensure that an SQL NULL is not passed.")
		case "use_json_null":
			return set(a[0], a[1], types.NewJSONB("\x00"), create(a[3].Bool()))
		case "delete_key":
			return set(a[0], a[1], types.Null, setDelete)
		case "return_target":
			return a[0], nil
		}
		return types.Null, errJSONParam("null_value_treatment must be \"delete_key\", \"return_target\", \"use_json_null\", or \"raise_exception\"")
	})
	k.fn("jsonb_insert(jsonb,_text,jsonb,bool)", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
		mode := setBefore
		if a[3].Bool() {
			mode = setAfter
		}
		return set(a[0], a[1], a[2], mode)
	})
	k.f2("jsonb_delete_path(jsonb,_text)", func(_ *EvalContext, a, b datum) (datum, error) {
		return set(a, b, types.Null, setDelete)
	})
	k.f2("jsonb_delete(jsonb,text)", func(_ *EvalContext, a, b datum) (datum, error) {
		return jsonbWithout(a.JSON(), func(s string) bool { return s == b.Str() })
	})
	k.f2("jsonb_delete(jsonb,_text)", func(_ *EvalContext, a, b datum) (datum, error) {
		path, err := pathOf(b)
		if err != nil {
			return types.Null, err
		}
		drop := make(map[string]bool, len(path))
		for _, p := range path {
			if !p.IsNull() {
				drop[p.Str()] = true
			}
		}
		return jsonbWithout(a.JSON(), func(s string) bool { return drop[s] })
	})
	k.f2("jsonb_delete(jsonb,int4)", func(_ *EvalContext, a, b datum) (datum, error) {
		doc, i := a.JSON(), b.Int()
		switch doc.Kind() {
		case types.JSONArray:
		case types.JSONObject:
			return types.Null, errJSONParam("cannot delete from object using integer index")
		default:
			return types.Null, errJSONParam("cannot delete from scalar")
		}
		n := types.JSONRaw(doc).Expand()
		if i < 0 {
			i += int64(len(n.Items))
		}
		if i < 0 || i >= int64(len(n.Items)) {
			return a, nil
		}
		n.Items = append(n.Items[:i:i], n.Items[i+1:]...)
		return jsonbOf(n, nil)
	})
	k.f2("jsonb_concat(jsonb,jsonb)", func(_ *EvalContext, a, b datum) (datum, error) { return jsonbConcat(a, b) })
	k.f1("json_strip_nulls(json)", func(_ *EvalContext, a datum) (datum, error) {
		b, err := appendStripped(nil, a.Str())
		return types.NewBytes(b), err
	})
	k.f1("jsonb_strip_nulls(jsonb)", func(_ *EvalContext, a datum) (datum, error) {
		return jsonbOf(stripNulls(types.JSONRaw(a.JSON())), nil)
	})
}

// jsonbWithout drops the members and the strings of an array that have one of
// the names.
func jsonbWithout(b types.JSONDoc, drop func(string) bool) (datum, error) {
	n := types.JSONRaw(b).Expand()
	switch b.Kind() {
	case types.JSONObject:
		out := n.Members[:0]
		for _, m := range n.Members {
			if !drop(m.Name) {
				out = append(out, m)
			}
		}
		n.Members = out
	case types.JSONArray:
		out := n.Items[:0]
		for _, x := range n.Items {
			if x.Kind != types.JSONString || !drop(x.Raw.Text()) {
				out = append(out, x)
			}
		}
		n.Items = out
	default:
		return types.Null, errJSONParam("cannot delete from scalar")
	}
	return jsonbOf(n, nil)
}

// jsonbConcat is ||: two objects become one, anything else is put into one array.
func jsonbConcat(a, b datum) (datum, error) {
	x, y := a.JSON(), b.JSON()
	xn, yn := types.JSONRaw(x).Expand(), types.JSONRaw(y).Expand()
	if x.Kind() == types.JSONObject && y.Kind() == types.JSONObject {
		return jsonbOf(types.NewJSONObject(append(xn.Members, yn.Members...)), nil)
	}
	items := func(n *types.JSONNode) []*types.JSONNode {
		if n.Kind == types.JSONArray {
			return n.Items
		}
		return []*types.JSONNode{n}
	}
	return jsonbOf(&types.JSONNode{Kind: types.JSONArray, Items: append(items(xn), items(yn)...)}, nil)
}

// stripNulls drops the members that are null, at all levels.
func stripNulls(n *types.JSONNode) *types.JSONNode {
	n = n.Expand()
	switch n.Kind {
	case types.JSONArray:
		for i, x := range n.Items {
			n.Items[i] = stripNulls(x)
		}
	case types.JSONObject:
		out := n.Members[:0]
		for _, m := range n.Members {
			if m.Value.Kind != types.JSONNull {
				out = append(out, types.JSONMember{Name: m.Name, Value: stripNulls(m.Value)})
			}
		}
		n.Members = out
	}
	return n
}

// appendStripped is stripNulls over JSON text, which loses its blanks.
func appendStripped(dst []byte, s string) ([]byte, error) {
	kind, parts, raw, err := types.SplitJSON(s)
	if err != nil {
		return nil, err
	}
	switch kind {
	case types.JSONArray, types.JSONObject:
	case types.JSONString:
		text, _, err := types.JSONTextOf(raw)
		return types.AppendJSONString(dst, text), err
	default:
		return append(dst, raw...), nil
	}
	shut := byte(']')
	if kind == types.JSONObject {
		shut = '}'
	}
	dst = append(dst, shut-2) // the brackets are two apart
	first := true
	for _, p := range parts {
		if kind == types.JSONObject && p.Raw == "null" {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		if kind == types.JSONObject {
			dst = append(types.AppendJSONString(dst, p.Name), ':')
		}
		if dst, err = appendStripped(dst, p.Raw); err != nil {
			return nil, err
		}
	}
	return append(dst, shut), nil
}
