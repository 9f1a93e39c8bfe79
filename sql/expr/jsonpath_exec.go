package expr

import (
	"math"

	"github.com/quorate-db/quorate/sql/jsonpath"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// pathItem is an item of an SQL/JSON sequence: a document, or what datetime()
// makes, which has doc empty.
type pathItem struct {
	doc  types.JSONDoc
	time datum
	typ  types.Type
}

func (p pathItem) kind() types.JSONKind {
	if p.doc == "" {
		return types.JSONString
	}
	return p.doc.Kind()
}

// scalarDoc makes the document of a scalar.
func scalarDoc(kind types.JSONKind, text string) types.JSONDoc {
	return types.JSONDoc(string(rune(kind)) + text)
}

func numberItem(d datum) pathItem {
	return pathItem{doc: scalarDoc(types.JSONNumber, types.TextOf(d, types.Numeric, nil))}
}

func boolItem(b bool) pathItem {
	if b {
		return pathItem{doc: scalarDoc(types.JSONTrue, "")}
	}
	return pathItem{doc: scalarDoc(types.JSONFalse, "")}
}

// pathFound says how the evaluation of a path went.
type pathFound uint8

const (
	pathNone  pathFound = iota
	pathSome            // something was found
	pathFault           // there was an error, which is suppressed
)

// pathTruth is the value of a predicate.
type pathTruth uint8

const (
	pathFalse pathTruth = iota
	pathTrue
	pathUnknown
)

// pathRun evaluates one path over one document, as PostgreSQL's jsonpath_exec.c.
type pathRun struct {
	ctx     *EvalContext
	root    types.JSONDoc
	vars    types.JSONDoc
	current pathItem
	lax     bool
	// ignore is set where missing members and items are no error.
	ignore bool
	// throw is unset where errors only make the result unknown.
	throw bool
	// zones allows comparisons that depend on the time zone.
	zones bool
	// size is that of the innermost array subscripted, -1 for none.
	size  int
	depth int
}

// pathSequence collects items; nil where only existence is asked.
type pathSequence struct{ items []pathItem }

func (s *pathSequence) add(v pathItem) {
	if s != nil {
		s.items = append(s.items, v)
	}
}

// fault reports an error, or suppresses it.
func (r *pathRun) fault(err *sqlerr.Error) (pathFound, error) {
	if r.throw {
		return pathFault, err
	}
	return pathFault, nil
}

// structural is fault for what lax mode does not mind.
func (r *pathRun) structural(code, format string, args ...any) (pathFound, error) {
	if r.ignore {
		return pathNone, nil
	}
	return r.fault(sqlerr.New(code, format, args...))
}

// pathDepthMax bounds the nesting of evaluations.
const pathDepthMax = 10000

func (r *pathRun) item(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	return r.unwrapItem(n, v, out, r.lax)
}

// next goes on behind n with v.
func (r *pathRun) next(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	if n.Next != nil {
		return r.item(n.Next, v, out)
	}
	out.add(v)
	return pathSome, nil
}

// unwrapArray applies n (nil: nothing) to the items of an array.
func (r *pathRun) unwrapArray(n *jsonpath.Node, v pathItem, out *pathSequence, unwrap bool) (pathFound, error) {
	return r.any(n, v.doc, out, 1, 1, 1, false, unwrap)
}

// unwrapItem evaluates n on v; with unwrap, an accessor for something else than
// arrays goes through an array.
func (r *pathRun) unwrapItem(n *jsonpath.Node, v pathItem, out *pathSequence, unwrap bool) (pathFound, error) {
	if r.depth++; r.depth > pathDepthMax {
		return pathFault, sqlerr.New(sqlerr.StatementTooComplex, "stack depth limit exceeded")
	}
	defer func() { r.depth-- }()
	isArray := v.kind() == types.JSONArray
	switch n.Kind {
	case jsonpath.Null:
		return r.next(n, pathItem{doc: scalarDoc(types.JSONNull, "")}, out)
	case jsonpath.Bool:
		return r.next(n, boolItem(n.Bool), out)
	case jsonpath.Number:
		return r.next(n, pathItem{doc: scalarDoc(types.JSONNumber, n.Text)}, out)
	case jsonpath.String:
		return r.next(n, pathItem{doc: scalarDoc(types.JSONString, n.Text)}, out)
	case jsonpath.Variable:
		x, ok := r.vars.Get(n.Text)
		if !ok {
			return pathFault, sqlerr.New(sqlerr.UndefinedObject, "could not find jsonpath variable \"%s\"", n.Text)
		}
		return r.next(n, pathItem{doc: x}, out)
	case jsonpath.Root:
		return r.next(n, pathItem{doc: r.root}, out)
	case jsonpath.Current:
		return r.next(n, r.current, out)
	case jsonpath.Last:
		return r.next(n, numberItem(types.NumericFromInt(int64(r.size-1))), out)
	case jsonpath.And, jsonpath.Or, jsonpath.Not, jsonpath.IsUnknown, jsonpath.Equal, jsonpath.NotEqual, jsonpath.Less, jsonpath.Greater,
		jsonpath.LessOrEqual, jsonpath.GreaterOrEqual, jsonpath.StartsWith, jsonpath.LikeRegex, jsonpath.Exists:
		t, err := r.truth(n, v)
		if err != nil {
			return pathFault, err
		}
		if t == pathUnknown {
			return r.next(n, pathItem{doc: scalarDoc(types.JSONNull, "")}, out)
		}
		return r.next(n, boolItem(t == pathTrue), out)
	case jsonpath.Add, jsonpath.Sub, jsonpath.Mul, jsonpath.Div, jsonpath.Mod:
		return r.binary(n, v, out)
	case jsonpath.Plus, jsonpath.Minus:
		return r.sign(n, v, out)
	case jsonpath.Key:
		switch {
		case v.kind() == types.JSONObject:
			if x, ok := v.doc.Get(n.Text); ok {
				return r.next(n, pathItem{doc: x}, out)
			}
			return r.structural(sqlerr.SQLJSONMemberNotFound, "JSON object does not contain key \"%s\"", n.Text)
		case unwrap && isArray:
			return r.unwrapArray(n, v, out, false)
		}
		return r.structural(sqlerr.SQLJSONMemberNotFound, "jsonpath member accessor can only be applied to an object")
	case jsonpath.AnyKey:
		switch {
		case v.kind() == types.JSONObject:
			return r.any(n.Next, v.doc, out, 1, 1, 1, false, r.lax)
		case unwrap && isArray:
			return r.unwrapArray(n, v, out, false)
		}
		return r.structural(sqlerr.SQLJSONObjectNotFound, "jsonpath wildcard member accessor can only be applied to an object")
	case jsonpath.AnyArray:
		switch {
		case isArray:
			return r.any(n.Next, v.doc, out, 1, 1, 1, false, r.lax)
		case r.lax:
			return r.next(n, v, out)
		}
		return r.structural(sqlerr.SQLJSONArrayNotFound, "jsonpath wildcard array accessor can only be applied to an array")
	case jsonpath.IndexArray:
		if !isArray && !r.lax {
			return r.structural(sqlerr.SQLJSONArrayNotFound, "jsonpath array accessor can only be applied to an array")
		}
		return r.subscripts(n, v, out)
	case jsonpath.Any:
		return r.levels(n, v, out)
	case jsonpath.Filter:
		if unwrap && isArray {
			return r.unwrapArray(n, v, out, false)
		}
		saved := r.current
		r.current = v
		t, err := r.truth(n.Left, v)
		r.current = saved
		if err != nil || t != pathTrue {
			return pathNone, err
		}
		return r.next(n, v, out)
	case jsonpath.Type:
		name := v.kind().String()
		if v.doc == "" {
			name = v.typ.String()
		}
		return r.next(n, pathItem{doc: scalarDoc(types.JSONString, name)}, out)
	case jsonpath.Size:
		size := 1
		if isArray {
			size = v.doc.Len()
		} else if !r.lax {
			return r.structural(sqlerr.SQLJSONArrayNotFound, "jsonpath item method .size() can only be applied to an array")
		}
		return r.next(n, numberItem(types.NumericFromInt(int64(size))), out)
	}
	if unwrap && isArray {
		return r.unwrapArray(n, v, out, false)
	}
	switch n.Kind {
	case jsonpath.Abs, jsonpath.Floor, jsonpath.Ceiling:
		return r.rounding(n, v, out)
	case jsonpath.Double:
		return r.double(n, v, out)
	case jsonpath.Datetime:
		return r.datetime(n, v, out)
	case jsonpath.KeyValue:
		return r.keyValue(n, v, out)
	}
	return pathFault, sqlerr.Internal("no evaluation of jsonpath item %d", n.Kind)
}

// any applies n (nil: nothing) to what lies in a container at the levels from first
// to last.
func (r *pathRun) any(n *jsonpath.Node, b types.JSONDoc, out *pathSequence, level, first, last uint32, ignore, unwrap bool) (pathFound, error) {
	res := pathNone
	if level > last {
		return res, nil
	}
	if err := r.ctx.Err(); err != nil {
		return pathFault, err
	}
	for i := range b.Len() {
		var x types.JSONDoc
		if b.Kind() == types.JSONObject {
			_, x = b.Member(i)
		} else {
			x = b.Item(i)
		}
		leaf := x.Kind() < types.JSONArray
		if level >= first || first == jsonpath.NoBound && last == jsonpath.NoBound && leaf {
			var found pathFound
			var err error
			if n != nil {
				saved := r.ignore
				r.ignore = r.ignore || ignore
				found, err = r.unwrapItem(n, pathItem{doc: x}, out, unwrap)
				r.ignore = saved
			} else {
				out.add(pathItem{doc: x})
				found = pathSome
			}
			if err != nil || found == pathFault || found == pathSome && out == nil {
				return found, err
			}
			res = max(res, found)
		}
		if level < last && !leaf {
			found, err := r.any(n, x, out, level+1, first, last, ignore, unwrap)
			if err != nil || found == pathFault || found == pathSome && out == nil {
				return found, err
			}
			res = max(res, found)
		}
	}
	return res, nil
}

func (r *pathRun) levels(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	res := pathNone
	if n.First == 0 {
		saved := r.ignore
		r.ignore = true
		found, err := r.next(n, v, out)
		r.ignore = saved
		if err != nil || found == pathFault || found == pathSome && out == nil {
			return found, err
		}
		res = found
	}
	if v.kind() < types.JSONArray {
		return res, nil
	}
	found, err := r.any(n.Next, v.doc, out, 1, n.First, n.Last, true, r.lax)
	if found == pathNone {
		found = res
	}
	return found, err
}

func (r *pathRun) subscripts(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	saved := r.size
	defer func() { r.size = saved }()
	single := v.kind() != types.JSONArray
	size := 1
	if !single {
		size = v.doc.Len()
	}
	r.size = size
	res := pathNone
	for _, sub := range n.Ranges {
		from, found, err := r.index(sub.From, v)
		if err != nil || found == pathFault {
			return found, err
		}
		to := from
		if sub.To != nil {
			if to, found, err = r.index(sub.To, v); err != nil || found == pathFault {
				return found, err
			}
		}
		if !r.ignore && (from < 0 || from > to || to >= size) {
			return r.fault(sqlerr.New(sqlerr.InvalidSQLJSONSubscript, "jsonpath array subscript is out of bounds"))
		}
		for i := max(from, 0); i <= min(to, size-1); i++ {
			x := v
			if !single {
				x = pathItem{doc: v.doc.Item(i)}
			}
			// Subscripts behind this one count in their own array.
			found, err := r.next(n, x, out)
			if err != nil || found == pathFault || found == pathSome && out == nil {
				return found, err
			}
			res = max(res, found)
			r.size = size
		}
	}
	return res, nil
}

// index evaluates one subscript.
func (r *pathRun) index(n *jsonpath.Node, v pathItem) (int, pathFound, error) {
	var seq pathSequence
	found, err := r.item(n, v, &seq)
	if err != nil || found == pathFault {
		return 0, found, err
	}
	if len(seq.items) != 1 || seq.items[0].kind() != types.JSONNumber {
		found, err = r.fault(sqlerr.New(sqlerr.InvalidSQLJSONSubscript, "jsonpath array subscript is not a single numeric value"))
		return 0, found, err
	}
	i, ok := types.NumericToInt(types.NumericTrunc(seq.items[0].doc.Number(), 0))
	if !ok || i < math.MinInt32 || i > math.MaxInt32 {
		found, err = r.fault(sqlerr.New(sqlerr.InvalidSQLJSONSubscript, "jsonpath array subscript is out of integer range"))
		return 0, found, err
	}
	return int(i), pathSome, nil
}

// operand evaluates an operand; arrays are taken apart in lax mode.
func (r *pathRun) operand(n *jsonpath.Node, v pathItem, unwrap bool) ([]pathItem, pathFound, error) {
	var seq pathSequence
	found, err := r.item(n, v, &seq)
	if err != nil || found == pathFault || !unwrap || !r.lax {
		return seq.items, found, err
	}
	var out []pathItem
	for _, x := range seq.items {
		if x.kind() != types.JSONArray {
			out = append(out, x)
			continue
		}
		for i := range x.doc.Len() {
			out = append(out, pathItem{doc: x.doc.Item(i)})
		}
	}
	return out, found, nil
}

var pathOperators = map[jsonpath.Kind]string{
	jsonpath.Add: "+", jsonpath.Sub: "-", jsonpath.Mul: "*", jsonpath.Div: "/", jsonpath.Mod: "%", jsonpath.Plus: "+", jsonpath.Minus: "-",
}

func (r *pathRun) binary(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	left, found, err := r.operand(n.Left, v, true)
	if err != nil || found == pathFault {
		return found, err
	}
	right, found, err := r.operand(n.Right, v, true)
	if err != nil || found == pathFault {
		return found, err
	}
	single := func(items []pathItem) bool { return len(items) == 1 && items[0].kind() == types.JSONNumber }
	side := ""
	if !single(left) {
		side = "left"
	} else if !single(right) {
		side = "right"
	}
	if side != "" {
		return r.fault(sqlerr.New(sqlerr.SingletonSQLJSONItemRequired, "%s operand of jsonpath operator %s is not a single numeric value", side, pathOperators[n.Kind]))
	}
	f := map[jsonpath.Kind]func(a, b datum) (datum, error){
		jsonpath.Add: types.NumericAdd, jsonpath.Sub: types.NumericSub, jsonpath.Mul: types.NumericMul, jsonpath.Div: types.NumericDiv, jsonpath.Mod: types.NumericMod,
	}[n.Kind]
	d, err := f(left[0].doc.Number(), right[0].doc.Number())
	if err != nil {
		return r.fault(sqlerr.As(err))
	}
	return r.next(n, numberItem(d), out)
}

func (r *pathRun) sign(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	items, found, err := r.operand(n.Left, v, true)
	if err != nil || found == pathFault {
		return found, err
	}
	res := pathNone
	for _, x := range items {
		if x.kind() != types.JSONNumber {
			if out == nil && n.Next == nil {
				continue
			}
			return r.fault(sqlerr.New(sqlerr.SQLJSONNumberNotFound, "operand of unary jsonpath operator %s is not a numeric value", pathOperators[n.Kind]))
		}
		if n.Kind == jsonpath.Minus {
			x = numberItem(types.NumericNeg(x.doc.Number()))
		}
		found, err := r.next(n, x, out)
		if err != nil || found == pathFault || found == pathSome && out == nil {
			return found, err
		}
		res = max(res, found)
	}
	return res, nil
}

func (r *pathRun) rounding(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	name := map[jsonpath.Kind]string{jsonpath.Abs: "abs", jsonpath.Floor: "floor", jsonpath.Ceiling: "ceiling"}[n.Kind]
	if v.kind() != types.JSONNumber {
		return r.fault(sqlerr.New(sqlerr.NonNumericSQLJSONItem, "jsonpath item method .%s() can only be applied to a numeric value", name))
	}
	d := v.doc.Number()
	var err error
	switch n.Kind {
	case jsonpath.Abs:
		if types.NumericSign(d) < 0 {
			d = types.NumericNeg(d)
		}
	case jsonpath.Floor:
		d, err = types.NumericFloor(d)
	case jsonpath.Ceiling:
		d, err = types.NumericCeil(d)
	}
	if err != nil {
		return r.fault(sqlerr.As(err))
	}
	return r.next(n, numberItem(d), out)
}

func (r *pathRun) double(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	switch v.kind() {
	case types.JSONNumber:
		if f, err := types.DecodeText(v.doc.Text(), types.Float8, nil); err != nil || math.IsInf(f.Float(), 0) {
			return r.fault(sqlerr.New(sqlerr.NonNumericSQLJSONItem, "numeric argument of jsonpath item method .double() is out of range for type double precision"))
		}
		return r.next(n, v, out)
	case types.JSONString:
		if v.doc == "" {
			break
		}
		f, err := types.DecodeText(v.doc.Text(), types.Float8, nil)
		if err != nil || math.IsInf(f.Float(), 0) || math.IsNaN(f.Float()) {
			return r.fault(sqlerr.New(sqlerr.NonNumericSQLJSONItem, "string argument of jsonpath item method .double() is not a valid representation of a double precision number"))
		}
		d, err := floatToNumeric(f.Float(), 15)
		if err != nil {
			return r.fault(sqlerr.As(err))
		}
		return r.next(n, numberItem(d), out)
	}
	return r.fault(sqlerr.New(sqlerr.NonNumericSQLJSONItem, "jsonpath item method .double() can only be applied to a string or numeric value"))
}

// keyValue makes an object of each member. The id tells objects of one document
// apart; PostgreSQL's is a place in its storage, ours one in ours.
func (r *pathRun) keyValue(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	if v.kind() != types.JSONObject {
		return r.fault(sqlerr.New(sqlerr.SQLJSONObjectNotFound, "jsonpath item method .keyvalue() can only be applied to an object"))
	}
	res := pathNone
	id := types.NumericFromInt(int64(placeIn(r.root, v.doc)))
	for i := range v.doc.Len() {
		name, x := v.doc.Member(i)
		doc, err := types.EncodeJSONB(types.NewJSONObject([]types.JSONMember{
			{Name: "key", Value: jsonbString(name)},
			{Name: "value", Value: types.JSONRaw(x)},
			{Name: "id", Value: &types.JSONNode{Kind: types.JSONNumber, Num: id}},
		}))
		if err != nil {
			return pathFault, err
		}
		found, err := r.next(n, pathItem{doc: doc}, out)
		if err != nil || found == pathFault || found == pathSome && out == nil {
			return found, err
		}
		res = max(res, found)
	}
	return res, nil
}

// truth evaluates a predicate.
func (r *pathRun) truth(n *jsonpath.Node, v pathItem) (pathTruth, error) {
	switch n.Kind {
	case jsonpath.And, jsonpath.Or:
		ends := pathFalse // the value that decides
		if n.Kind == jsonpath.Or {
			ends = pathTrue
		}
		a, err := r.truth(n.Left, v)
		if err != nil || a == ends {
			return a, err
		}
		b, err := r.truth(n.Right, v)
		if err != nil || b == ends || b == pathUnknown {
			return b, err
		}
		return a, nil
	case jsonpath.Not:
		t, err := r.truth(n.Left, v)
		if t != pathUnknown {
			t = 1 - t
		}
		return t, err
	case jsonpath.IsUnknown:
		t, err := r.truth(n.Left, v)
		if t == pathUnknown {
			return pathTrue, err
		}
		return pathFalse, err
	case jsonpath.Exists:
		saved := r.throw
		r.throw = false
		defer func() { r.throw = saved }()
		var seq *pathSequence
		if !r.lax {
			seq = &pathSequence{} // all of it is wanted, for the errors
		}
		found, err := r.item(n.Left, v, seq)
		switch {
		case err != nil || found == pathFault:
			return pathUnknown, err
		case seq != nil && len(seq.items) > 0 || seq == nil && found == pathSome:
			return pathTrue, nil
		}
		return pathFalse, nil
	case jsonpath.LikeRegex:
		return r.predicate(n, v, func(x, _ pathItem) (pathTruth, error) { return r.likeRegex(n, x) })
	case jsonpath.StartsWith:
		return r.predicate(n, v, func(x, y pathItem) (pathTruth, error) {
			if x.kind() != types.JSONString || y.kind() != types.JSONString || x.doc == "" || y.doc == "" {
				return pathUnknown, nil
			}
			s, p := x.doc.Text(), y.doc.Text()
			return truthOf(len(s) >= len(p) && s[:len(p)] == p), nil
		})
	}
	return r.predicate(n, v, func(x, y pathItem) (pathTruth, error) { return r.compare(n.Kind, x, y) })
}

func truthOf(b bool) pathTruth {
	if b {
		return pathTrue
	}
	return pathFalse
}

// predicate relates each item of the left operand to each of the right.
func (r *pathRun) predicate(n *jsonpath.Node, v pathItem, holds func(x, y pathItem) (pathTruth, error)) (pathTruth, error) {
	saved := r.throw
	r.throw = false
	defer func() { r.throw = saved }()
	left, found, err := r.operand(n.Left, v, true)
	if err != nil || found == pathFault {
		return pathUnknown, err
	}
	right := []pathItem{{}}
	if n.Right != nil {
		if right, found, err = r.operand(n.Right, v, n.Kind != jsonpath.StartsWith); err != nil || found == pathFault {
			return pathUnknown, err
		}
	}
	some, unknown := false, false
	for _, x := range left {
		for _, y := range right {
			t, err := holds(x, y)
			switch {
			case err != nil:
				return pathUnknown, err
			case t == pathUnknown:
				if !r.lax {
					return pathUnknown, nil
				}
				unknown = true
			case t == pathTrue:
				if r.lax {
					return pathTrue, nil
				}
				some = true
			}
		}
	}
	switch {
	case some:
		return pathTrue, nil
	case unknown:
		return pathUnknown, nil
	}
	return pathFalse, nil
}

func (r *pathRun) likeRegex(n *jsonpath.Node, x pathItem) (pathTruth, error) {
	if x.kind() != types.JSONString || x.doc == "" {
		return pathUnknown, nil
	}
	re, err := r.ctx.regex(n.Text, pathRegexFlags(n.Flags))
	if err != nil {
		return pathUnknown, err
	}
	ok, err := re.matches(x.doc.Text())
	return truthOf(ok), err
}

// pathRegexFlags translates XQuery's flags: a dot matches no line end unless s is
// given, ^ and $ match at lines with m.
func pathRegexFlags(flags string) string {
	var fold, dotAll, lines, quote bool
	for _, f := range flags {
		switch f {
		case 'i':
			fold = true
		case 's':
			dotAll = true
		case 'm':
			lines = true
		case 'q':
			quote = true
		}
	}
	out := ""
	if fold {
		out = "i"
	}
	switch {
	case quote:
		return out + "q"
	case lines && dotAll:
		return out + "w"
	case lines:
		return out + "n"
	case dotAll:
		return out + "s"
	}
	return out + "p"
}

func (r *pathRun) compare(op jsonpath.Kind, x, y pathItem) (pathTruth, error) {
	var c int
	xk, yk := x.kind(), y.kind()
	if xk == types.JSONFalse {
		xk = types.JSONTrue
	}
	if yk == types.JSONFalse {
		yk = types.JSONTrue
	}
	switch {
	case (x.doc == "") != (y.doc == "") && xk != types.JSONNull && yk != types.JSONNull:
		return pathUnknown, nil
	case x.doc == "" && y.doc == "":
		t, ok, err := r.compareTimes(x, y)
		if err != nil || !ok {
			return pathUnknown, err
		}
		c = t
	case xk != yk:
		if xk == types.JSONNull || yk == types.JSONNull {
			return truthOf(op == jsonpath.NotEqual), nil
		}
		return pathUnknown, nil
	case xk >= types.JSONArray:
		return pathUnknown, nil
	default:
		c = types.CompareJSONB(x.doc, y.doc)
	}
	switch op {
	case jsonpath.Equal:
		return truthOf(c == 0), nil
	case jsonpath.NotEqual:
		return truthOf(c != 0), nil
	case jsonpath.Less:
		return truthOf(c < 0), nil
	case jsonpath.Greater:
		return truthOf(c > 0), nil
	case jsonpath.LessOrEqual:
		return truthOf(c <= 0), nil
	}
	return truthOf(c >= 0), nil
}

// document gives an item as jsonb.
func (r *pathRun) document(v pathItem) types.JSONDoc {
	if v.doc != "" {
		return v.doc
	}
	return scalarDoc(types.JSONString, pathTimeText(r.ctx, v))
}

// placeIn is where a part lies in a document, 0 for the document itself and for
// what is no part of it.
func placeIn(root, part types.JSONDoc) int {
	return substringOffset(string(root), string(part))
}

func pathVarsObject(d datum) (types.JSONDoc, error) {
	if b := d.JSON(); b.Kind() == types.JSONObject {
		return b, nil
	}
	return "", errJSONParam("\"vars\" argument is not an object").
		WithDetail("Jsonpath parameters should be encoded as key-value pairs of \"vars\" object.")
}
