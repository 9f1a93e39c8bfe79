package expr

import (
	"strings"
	"unsafe"

	"github.com/quorate-db/quorate/sql/jsonpath"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// pathCacheMax bounds the parsed paths an EvalContext keeps.
const pathCacheMax = 64

// path parses a path, or takes it from the context's cache.
func (c *EvalContext) path(text string) (*jsonpath.Path, error) {
	if p, ok := c.paths[text]; ok {
		return p, nil
	}
	p, err := jsonpath.Parse(text)
	if err != nil {
		return nil, err
	}
	if len(c.paths) >= pathCacheMax {
		clear(c.paths)
	}
	if c.paths == nil {
		c.paths = make(map[string]*jsonpath.Path)
	}
	c.paths[strings.Clone(text)] = p
	return p, nil
}

// runPath evaluates a path. With exists only whether there is a result is found
// out. args are the document, the path and, if given, variables and silence.
func runPath(ctx *EvalContext, args []datum, silent, zones, exists bool) (*pathRun, []pathItem, pathFound, error) {
	p, err := ctx.path(args[1].Str())
	if err != nil {
		return nil, nil, pathFault, err
	}
	r := &pathRun{ctx: ctx, root: args[0].JSON(), vars: "\x06\x00\x00\x00\x00", lax: !p.Strict, ignore: !p.Strict, throw: !silent, zones: zones, size: -1}
	if len(args) > 2 {
		if r.vars, err = pathVarsObject(args[2]); err != nil {
			return nil, nil, pathFault, err
		}
	}
	r.current = pathItem{doc: r.root}
	var seq *pathSequence
	if !exists || p.Strict {
		seq = &pathSequence{}
	}
	found, err := r.item(p.Root, r.current, seq)
	if err != nil || seq == nil || found == pathFault {
		return r, nil, found, err
	}
	found = pathNone
	if len(seq.items) > 0 {
		found = pathSome
	}
	return r, seq.items, found, nil
}

// jsonPaths are the functions over jsonpath.
func (k kernels) jsonPaths() {
	silent := func(a []datum) bool { return len(a) < 4 || a[3].Bool() }
	for _, zones := range []bool{false, true} {
		suffix := "(jsonb,jsonpath,jsonb,bool)"
		if zones {
			suffix = "_tz" + suffix
		}
		k.fn("jsonb_path_exists"+suffix, func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
			return pathExists(ctx, a, silent(a), zones)
		})
		k.fn("jsonb_path_match"+suffix, func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
			return pathMatch(ctx, a, silent(a), zones)
		})
		k.set("jsonb_path_query"+suffix, func(ctx *EvalContext, _ *Signature, a []datum) (SetIter, error) {
			r, items, _, err := runPath(ctx, a, silent(a), zones, false)
			if err != nil {
				return nil, err
			}
			return countedRows(1, len(items), func(i int, row []datum) error {
				row[0] = types.NewJSONB(r.document(items[i]))
				return nil
			}), nil
		})
		k.fn("jsonb_path_query_array"+suffix, func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
			r, items, _, err := runPath(ctx, a, silent(a), zones, false)
			if err != nil {
				return types.Null, err
			}
			n := &types.JSONNode{Kind: types.JSONArray}
			for _, x := range items {
				n.Items = append(n.Items, types.JSONRaw(r.document(x)))
			}
			return jsonbOf(n, nil)
		})
		k.fn("jsonb_path_query_first"+suffix, func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
			r, items, _, err := runPath(ctx, a, silent(a), zones, false)
			if err != nil || len(items) == 0 {
				return types.Null, err
			}
			return types.NewJSONB(r.document(items[0])), nil
		})
	}
	k.fn("jsonb_path_exists_opr(jsonb,jsonpath)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		return pathExists(ctx, a, true, false)
	})
	k.fn("jsonb_path_match_opr(jsonb,jsonpath)", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
		return pathMatch(ctx, a, true, false)
	})
}

func pathExists(ctx *EvalContext, a []datum, silent, zones bool) (datum, error) {
	_, _, found, err := runPath(ctx, a, silent, zones, true)
	if err != nil || found == pathFault {
		return types.Null, err
	}
	return types.NewBool(found == pathSome), nil
}

func pathMatch(ctx *EvalContext, a []datum, silent, zones bool) (datum, error) {
	_, items, _, err := runPath(ctx, a, silent, zones, false)
	if err != nil {
		return types.Null, err
	}
	if len(items) == 1 {
		switch items[0].kind() {
		case types.JSONTrue, types.JSONFalse:
			return types.NewBool(items[0].kind() == types.JSONTrue), nil
		case types.JSONNull:
			return types.Null, nil
		}
	}
	if !silent {
		return types.Null, sqlerr.New(sqlerr.SingletonSQLJSONItemRequired, "single boolean result is expected")
	}
	return types.Null, nil
}

// substringOffset is where part lies in whole if it shares its memory, else 0.
func substringOffset(whole, part string) int {
	if whole == "" || part == "" {
		return 0
	}
	w, p := uintptr(unsafe.Pointer(unsafe.StringData(whole))), uintptr(unsafe.Pointer(unsafe.StringData(part)))
	if p < w || p >= w+uintptr(len(whole)) {
		return 0
	}
	return int(p - w)
}

// pathTimeTypes are the types that datetime() makes without a template, by which
// parts the text has.
func pathTimeType(date, clock, zone bool) types.Type {
	switch {
	case date && !clock:
		return types.Date
	case date && zone:
		return types.Timestamptz
	case date:
		return types.Timestamp
	case zone:
		return types.Timetz
	}
	return types.Time
}

// datetime reads a string in one of ISO 8601's forms.
func (r *pathRun) datetime(n *jsonpath.Node, v pathItem, out *pathSequence) (pathFound, error) {
	if v.kind() != types.JSONString || v.doc == "" {
		return r.fault(sqlerr.New(sqlerr.InvalidArgumentForSQLJSONDatetimeFunction, "jsonpath item method .datetime() can only be applied to a string"))
	}
	if n.Left != nil {
		return pathFault, sqlerr.Unsupported("jsonpath item method .datetime() with a template")
	}
	text := v.doc.Text()
	typ, ok := isoForm(text)
	if ok {
		f := types.FormatContext{TimeZone: r.ctx.format().Location()}
		if r.ctx.format() != nil {
			f.Now = r.ctx.format().Now
		}
		d, err := types.DecodeText(strings.Replace(text, "T", " ", 1), typ, &f)
		if err == nil {
			return r.next(n, pathItem{time: d, typ: typ}, out)
		}
	}
	return r.fault(sqlerr.New(sqlerr.InvalidArgumentForSQLJSONDatetimeFunction, "datetime format is not recognized: \"%s\"", text).
		WithHint("Use a datetime template argument to specify the input data format."))
}

// isoForm reports which of the forms that datetime() knows a text has:
// yyyy-mm-dd, HH24:MI:SS[.US][TZH[:TZM]], or both with a blank or T between.
func isoForm(s string) (types.Type, bool) {
	digits := func(n int) bool {
		if len(s) < n {
			return false
		}
		for i := range n {
			if s[i] < '0' || s[i] > '9' {
				return false
			}
		}
		s = s[n:]
		return true
	}
	lit := func(c string) bool {
		rest, ok := strings.CutPrefix(s, c)
		if ok {
			s = rest
		}
		return ok
	}
	date := len(s) > 4 && s[4] == '-'
	if date && !(digits(4) && lit("-") && digits(2) && lit("-") && digits(2)) {
		return types.Type{}, false
	}
	if date && s == "" {
		return types.Date, true
	}
	if date && !lit(" ") && !lit("T") {
		return types.Type{}, false
	}
	if !(digits(2) && lit(":") && digits(2) && lit(":") && digits(2)) {
		return types.Type{}, false
	}
	if lit(".") {
		if !digits(1) {
			return types.Type{}, false
		}
		for n := 1; n < 6 && digits(1); n++ {
		}
	}
	zone := s != ""
	if zone {
		if !lit("+") && !lit("-") || !digits(2) {
			return types.Type{}, false
		}
		if s != "" && !(lit(":") && digits(2)) {
			return types.Type{}, false
		}
	}
	return pathTimeType(date, true, zone), s == ""
}

// pathTimeText is the text of a date or time in a result.
func pathTimeText(ctx *EvalContext, v pathItem) string {
	switch v.typ.OID {
	case types.OIDTime, types.OIDTimetz:
		s := types.TextOf(v.time, v.typ, nil)
		if v.typ.OID == types.OIDTimetz && s[len(s)-3] != ':' {
			s += ":00"
		}
		return s
	}
	return string(types.AppendISO(nil, v.time, v.typ, ctx.format()))
}

// compareTimes orders what datetime() made; ok is false for things that cannot be
// compared.
func (r *pathRun) compareTimes(x, y pathItem) (c int, ok bool, err error) {
	if x.typ == y.typ {
		return types.Compare(x.time, y.time, x.typ), true, nil
	}
	rank := map[types.OID]int{types.OIDDate: 1, types.OIDTimestamp: 2, types.OIDTimestamptz: 3, types.OIDTime: 11, types.OIDTimetz: 12}
	rx, ry := rank[x.typ.OID], rank[y.typ.OID]
	if rx/10 != ry/10 {
		return 0, false, nil
	}
	if rx > ry {
		c, ok, err = r.compareTimes(y, x)
		return -c, ok, err
	}
	zoned := ry == 3 || ry == 12
	if zoned && !r.zones {
		return 0, false, sqlerr.New(sqlerr.FeatureNotSupported, "cannot convert value from %s to %s without time zone usage", castName(x.typ), castName(y.typ)).
			WithHint("Use *_tz() function for time zone support.")
	}
	conv := timeCast(x.typ.OID, y.typ.OID)
	if conv == nil {
		return 0, false, sqlerr.Unsupported("comparison of %s and %s", x.typ, y.typ)
	}
	d, err := conv(r.ctx, x.time)
	if err != nil {
		return 0, false, nil
	}
	return types.Compare(d, y.time, y.typ), true, nil
}

// castName is a type's name in the message of compareTimes.
func castName(t types.Type) string { return t.Name() }
