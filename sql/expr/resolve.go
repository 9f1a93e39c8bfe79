package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// maxArgs is PostgreSQL's FUNC_MAX_ARGS.
const maxArgs = 100

// candidate is an overload under consideration, with one declared type per
// argument of the call.
type candidate struct {
	fn     *Func
	op     *Op
	args   []types.OID
	spread int // arguments gathered into the variadic array, -1 for none
}

func isUnknown(t types.Type) bool { return t.OID == types.OIDUnknown }

// ResolveFunction finds the overload for a call by PostgreSQL's rules. Arguments
// of no known type have type unknown. No candidate is undefined_function (42883),
// several equally good ones ambiguous_function (42725), both with PostgreSQL's
// text and hint.
func (c *Catalog) ResolveFunction(schema, name string, args []types.Type, variadic bool) (*ResolvedFunc, error) {
	if len(args) > maxArgs {
		return nil, sqlerr.New(sqlerr.TooManyArguments, "cannot pass more than %d arguments to a function", maxArgs)
	}
	if schema != "" && schema != "pg_catalog" {
		return nil, c.noFunction(schema, name, args)
	}
	var cands []candidate
	for _, f := range c.funcs[name] {
		if cand, ok := fit(f, len(args), variadic); ok {
			cands = append(cands, cand)
		}
	}
	cands = dropShadowed(cands)
	best, ok := exact(cands, args)
	if !ok {
		cands = c.coercible(cands, args)
		switch len(cands) {
		case 0:
			return nil, c.noFunction(schema, name, args)
		case 1:
			best = cands[0]
		default:
			if best, ok = c.choose(cands, args); !ok {
				return nil, sqlerr.New(sqlerr.AmbiguousFunction, "function %s is not unique", callText(schema, name, args)).
					WithHint("Could not choose a best candidate function. You might need to add explicit type casts.")
			}
		}
	}
	sig, err := c.settle(best.args, best.fn.Result, args)
	if err != nil {
		return nil, err
	}
	return &ResolvedFunc{Func: best.fn, Sig: sig, Spread: best.spread}, nil
}

func callText(schema, name string, args []types.Type) string {
	var b strings.Builder
	if schema != "" {
		b.WriteString(schema)
		b.WriteByte('.')
	}
	b.WriteString(name)
	b.WriteByte('(')
	for i, a := range args {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.Bare().String())
	}
	b.WriteByte(')')
	return b.String()
}

func (c *Catalog) noFunction(schema, name string, args []types.Type) error {
	if (schema == "" || schema == "pg_catalog") && (len(c.funcs[name]) == 0 && c.isUnbuilt(name)) {
		return sqlerr.Unsupported("function %s", callText(schema, name, args))
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist", callText(schema, name, args)).
		WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
}

// fit lines a function's declared arguments up with n arguments of a call.
func fit(f *Func, n int, variadic bool) (candidate, bool) {
	declared := len(f.Args)
	if f.Variadic && !variadic {
		if f.Args[declared-1] == types.OIDAny {
			// VARIADIC "any": each argument is passed as it is.
			if n < declared {
				return candidate{}, false
			}
			args := append([]types.OID(nil), f.Args[:declared-1]...)
			for len(args) < n {
				args = append(args, types.OIDAny)
			}
			return candidate{fn: f, args: args, spread: -1}, true
		}
		if n >= declared {
			args := append([]types.OID(nil), f.Args[:declared-1]...)
			elem := elemOfDeclared(f.Args[declared-1])
			for len(args) < n {
				args = append(args, elem)
			}
			return candidate{fn: f, args: args, spread: n - declared + 1}, true
		}
		return candidate{}, false
	}
	if variadic && !f.Variadic {
		return candidate{}, false
	}
	if n > declared || n < declared-f.Defaults {
		return candidate{}, false
	}
	return candidate{fn: f, args: f.Args[:n], spread: -1}, true
}

func elemOfDeclared(arr types.OID) types.OID {
	switch arr {
	case types.OIDAnyArray:
		return types.OIDAnyElement
	case types.OIDAnyCompatibleArray:
		return types.OIDAnyCompatible
	}
	return types.Of(arr).Elem().OID
}

// dropShadowed leaves out a variadic or defaulted candidate when another one has
// the same argument types without that help.
func dropShadowed(cands []candidate) []candidate {
	out := cands[:0:0]
	for i, a := range cands {
		shadowed := false
		for j, b := range cands {
			if i == j || !sameOIDs(a.args, b.args) {
				continue
			}
			helped := func(x candidate) bool { return x.spread >= 0 || len(x.fn.Args) != len(x.args) }
			if helped(a) && !helped(b) {
				shadowed = true
			}
		}
		if !shadowed {
			out = append(out, a)
		}
	}
	return out
}

func sameOIDs(a, b []types.OID) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func exact(cands []candidate, args []types.Type) (candidate, bool) {
next:
	for _, c := range cands {
		for i, a := range args {
			if c.args[i] != a.OID {
				continue next
			}
		}
		return c, true
	}
	return candidate{}, false
}

// baseTypes puts the type under it in the place of each domain.
func baseTypes(ts []types.Type) []types.Type {
	for i, t := range ts {
		if t.IsDomain() {
			out := append([]types.Type(nil), ts...)
			for j := i; j < len(out); j++ {
				out[j] = out[j].Base()
			}
			return out
		}
	}
	return ts
}

// coercible keeps the candidates that the arguments can be cast to implicitly.
func (c *Catalog) coercible(cands []candidate, args []types.Type) []candidate {
	var out []candidate
next:
	for _, cand := range cands {
		generic := false
		for i, a := range args {
			want := types.Of(cand.args[i])
			if want.IsPolymorphic() {
				generic = true
				continue
			}
			if !c.CanCoerce(a, want, CastImplicit) {
				continue next
			}
		}
		if generic && !c.genericFits(cand.args, args) {
			continue
		}
		out = append(out, cand)
	}
	return out
}

// choose is func_select_candidate: section 10.3 of PostgreSQL's documentation,
// step 4.
func (c *Catalog) choose(cands []candidate, args []types.Type) (candidate, bool) {
	args = baseTypes(args)
	unknowns := 0
	for _, a := range args {
		if isUnknown(a) {
			unknowns++
		}
	}
	// Most exact matches.
	cands = keepBest(cands, func(cand candidate) int {
		n := 0
		for i, a := range args {
			if !isUnknown(a) && cand.args[i] == a.OID {
				n++
			}
		}
		return n
	})
	if len(cands) == 1 {
		return cands[0], true
	}
	// Most matches that are exact or of the category's preferred type.
	cands = keepBest(cands, func(cand candidate) int {
		n := 0
		for i, a := range args {
			if isUnknown(a) {
				continue
			}
			want := types.Of(cand.args[i])
			if want.OID == a.OID || want.IsPreferred() && want.Category() == a.Category() {
				n++
			}
		}
		return n
	})
	if len(cands) == 1 {
		return cands[0], true
	}
	if unknowns == 0 {
		return candidate{}, false
	}
	// The category that the candidates agree on for each unknown argument,
	// strings going before everything else.
	category := make([]byte, len(args))
	preferred := make([]bool, len(args))
	resolved := true
	for i, a := range args {
		if !isUnknown(a) {
			continue
		}
		conflict := false
		for _, cand := range cands {
			want := types.Of(cand.args[i])
			cat, pref := want.Category(), want.IsPreferred()
			switch {
			case category[i] == 0:
				category[i], preferred[i] = cat, pref
			case category[i] == cat:
				preferred[i] = preferred[i] || pref
			case cat == 'S':
				category[i], preferred[i] = cat, pref
			default:
				conflict = true
			}
		}
		if conflict && category[i] != 'S' {
			resolved = false
			break
		}
	}
	if resolved {
		var left []candidate
	next:
		for _, cand := range cands {
			for i, a := range args {
				if !isUnknown(a) {
					continue
				}
				want := types.Of(cand.args[i])
				if want.Category() != category[i] || preferred[i] && !want.IsPreferred() {
					continue next
				}
			}
			left = append(left, cand)
		}
		if len(left) > 0 {
			cands = left
		}
		if len(cands) == 1 {
			return cands[0], true
		}
	}
	// Unknown arguments are of the type that all known ones have.
	if unknowns < len(args) {
		var known types.Type
		for _, a := range args {
			if isUnknown(a) {
				continue
			}
			if !known.IsZero() && known.OID != a.OID {
				return candidate{}, false
			}
			known = a
		}
		all := make([]types.Type, len(args))
		for i := range all {
			all[i] = known
		}
		if found := c.coercible(cands, all); len(found) == 1 {
			return found[0], true
		}
	}
	return candidate{}, false
}

func keepBest(cands []candidate, score func(candidate) int) []candidate {
	best := -1
	var out []candidate
	for _, c := range cands {
		switch n := score(c); {
		case n > best:
			best, out = n, append(out[:0], c)
		case n == best:
			out = append(out, c)
		}
	}
	return out
}

// ResolveOperator finds the overload of an operator; left is the zero Type for a
// prefix operator.
func (c *Catalog) ResolveOperator(name string, left, right types.Type) (*ResolvedOp, error) {
	if name == "!=" {
		name = "<>"
	}
	args := []types.Type{left, right}
	if left.IsZero() {
		args = args[1:]
	}
	var cands []candidate
	for _, op := range c.ops[name] {
		if (op.Left == 0) != left.IsZero() {
			continue
		}
		cand := candidate{op: op, args: []types.OID{op.Left, op.Right}, spread: -1}
		if op.Left == 0 {
			cand.args = cand.args[1:]
		}
		cands = append(cands, cand)
	}
	// An unknown operand is first taken to be of the other one's type.
	try := args
	if len(args) == 2 && isUnknown(left) != isUnknown(right) {
		t := left
		if isUnknown(left) {
			t = right
		}
		try = []types.Type{t, t}
	}
	best, ok := exact(cands, try)
	if !ok && len(args) == 2 && isUnknown(left) != isUnknown(right) {
		best, ok = exact(cands, baseTypes(try))
	}
	if !ok {
		cands = c.coercible(cands, args)
		switch len(cands) {
		case 0:
			return nil, c.noOperator(name, left, right)
		case 1:
			best = cands[0]
		default:
			if best, ok = c.choose(cands, args); !ok {
				return nil, sqlerr.New(sqlerr.AmbiguousFunction, "operator is not unique: %s", opText(name, left, right)).
					WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")
			}
		}
	}
	sig, err := c.settle(best.args, best.op.Result, args)
	if err != nil {
		return nil, err
	}
	r := &ResolvedOp{Op: best.op, Result: sig.Result, Right: sig.Args[len(sig.Args)-1]}
	if len(sig.Args) == 2 {
		r.Left = sig.Args[0]
	}
	return r, nil
}

func opText(name string, left, right types.Type) string {
	if left.IsZero() {
		return name + " " + right.Bare().String()
	}
	return left.Bare().String() + " " + name + " " + right.Bare().String()
}

func (c *Catalog) noOperator(name string, left, right types.Type) error {
	for _, t := range []types.Type{left, right} {
		if !t.IsZero() && !isUnknown(t) && !t.IsBuilt() {
			return t.CheckBuilt()
		}
	}
	if len(c.ops[name]) == 0 && c.isUnbuiltOperator(name) {
		return sqlerr.Unsupported("operator %s", opText(name, left, right))
	}
	hint := "No operator matches the given name and argument types. You might need to add explicit type casts."
	if left.IsZero() {
		hint = "No operator matches the given name and argument type. You might need to add an explicit type cast."
	}
	return sqlerr.New(sqlerr.UndefinedFunction, "operator does not exist: %s", opText(name, left, right)).WithHint("%s", hint)
}
