package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// CallNamed is Call with arguments passed by name; names[i] is "" for one passed by
// its place, which come first.
func (b *Builder) CallNamed(schema, name string, args []Expr, names []string) (Expr, error) {
	for i, n := range names {
		for _, m := range names[:i] {
			if n != "" && m == n {
				return nil, sqlerr.New(sqlerr.SyntaxError, "argument name \"%s\" used more than once", n)
			}
		}
	}
	var best []Expr
	score := -1
	for _, f := range b.Catalog.funcs[name] {
		if schema != "" && schema != "pg_catalog" {
			break
		}
		full, ok := f.place(args, names)
		if !ok {
			continue
		}
		exact := 0
		for i, x := range full {
			t := x.Type()
			switch {
			case t.OID == f.Args[i]:
				exact++
			case !isUnknown(t) && !b.Catalog.CanCoerce(t, types.Of(f.Args[i]), CastImplicit):
				ok = false
			}
		}
		if ok && exact > score {
			best, score = full, exact
		}
	}
	if best == nil {
		return nil, sqlerr.New(sqlerr.UndefinedFunction, "function %s does not exist", namedCallText(schema, name, args, names)).
			WithHint("No function matches the given name and argument types. You might need to add explicit type casts.")
	}
	return b.Call(schema, name, best, false)
}

// place puts arguments in the order of the declaration, defaults in the gaps.
func (f *Func) place(args []Expr, names []string) ([]Expr, bool) {
	if len(args) > len(f.Args) || len(f.ArgNames) != len(f.Args) || f.Variadic {
		return nil, false
	}
	full := make([]Expr, len(f.Args))
	for i, a := range args {
		at := i
		if names[i] != "" {
			at = -1
			for j, n := range f.ArgNames {
				if n == names[i] {
					at = j
				}
			}
		}
		if at < 0 || full[at] != nil {
			return nil, false
		}
		full[at] = a
	}
	required := len(f.Args) - len(f.defaults)
	for i := range full {
		if full[i] != nil {
			continue
		}
		if i < required {
			return nil, false
		}
		full[i] = &Const{Val: f.defaults[i-required], Typ: types.Of(f.Args[i])}
	}
	return full, true
}

func namedCallText(schema, name string, args []Expr, names []string) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.Type().Bare().String()
		if names[i] != "" {
			parts[i] = names[i] + " => " + parts[i]
		}
	}
	if schema != "" {
		name = schema + "." + name
	}
	return name + "(" + strings.Join(parts, ", ") + ")"
}
