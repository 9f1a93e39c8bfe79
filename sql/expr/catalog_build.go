package expr

import (
	"sort"
	"strings"
	"sync"

	"github.com/quorate-db/quorate/sql/types"
)

// procRow is a function of pg_proc; opRow, castRow one of pg_operator and
// pg_cast. The tables are in tables.go, made from PostgreSQL 15's catalogue.
type procRow struct {
	oid      types.OID
	name     string
	args     string // names of the types, separated by commas
	result   types.OID
	kind     byte   // f function, a aggregate, w window, s set-returning
	flags    string // s strict, S stable, V volatile, v variadic
	defaults string // of the last arguments, as SQL, behind one another with a semicolon
	outs     string // columns of the result: name and type, separated by commas
	names    string // of the arguments, separated by commas
}

type opRow struct {
	oid                 types.OID
	name                string
	left, right, result types.OID
	proc                string // with argument types
	flags               string
	commutator, negator string
}

type castRow struct {
	from, to types.OID
	context  byte // i, a, e
	binary   bool
	stable   bool
}

// NewCatalog builds the catalogue. It costs about a millisecond; one per process
// is enough.
func NewCatalog() *Catalog {
	k := allKernels()
	system := make(map[string]bool)
	for _, n := range strings.Fields(systemFuncs) {
		system[n] = true
	}
	c := &Catalog{
		funcs: make(map[string][]*Func),
		ops:   make(map[string][]*Op),
		casts: make(map[castKey]*CastDef),
		byOID: make(map[types.OID]*Func),
	}
	for _, r := range procRows {
		kern, built := k[r.name+"("+r.args+")"]
		if !built && !system[r.name] {
			continue
		}
		f := &Func{
			OID: r.oid, Name: r.name, Result: r.result,
			Strict:   strings.Contains(r.flags, "s"),
			Variadic: strings.Contains(r.flags, "v"),
			system:   !built,
			fn1:      kern.fn1, fn2: kern.fn2, fnN: kern.fnN, set: kern.set, agg: kern.agg,
		}
		for _, a := range strings.Split(r.args, ",") {
			if a != "" {
				info, _ := types.LookupName(a)
				f.Args = append(f.Args, info.OID)
			}
		}
		f.Volatility = volatilityOf(r.flags)
		switch r.kind {
		case 'a':
			f.Kind = FuncAggregate
		case 's':
			f.Kind = FuncSet
		case 'w':
			f.Kind = FuncWindow
		}
		if kern.set != nil {
			f.Kind = FuncSet
		}
		f.setDefaults(r.defaults)
		f.setOuts(r.outs)
		if r.names != "" {
			f.ArgNames = strings.Split(r.names, ",")
		}
		c.funcs[r.name] = append(c.funcs[r.name], f)
		c.all = append(c.all, f)
		c.byOID[r.oid] = f
	}
	sort.Slice(c.all, func(i, j int) bool { return c.all[i].OID < c.all[j].OID })
	for _, r := range opRows {
		kern, ok := k[r.proc]
		if !ok {
			continue
		}
		c.ops[r.name] = append(c.ops[r.name], &Op{
			OID: r.oid, Name: r.name, Left: r.left, Right: r.right, Result: r.result,
			Strict: strings.Contains(r.flags, "s"), Volatility: volatilityOf(r.flags),
			Commutator: r.commutator, Negator: r.negator,
			fn1: kern.fn1, fn2: kern.fn2, fnN: kern.fnN,
		})
	}
	for _, r := range castRows {
		d := &CastDef{From: r.from, To: r.to, Binary: r.binary, Stable: r.stable}
		switch r.context {
		case 'a':
			d.Context = CastAssignment
		case 'e':
			d.Context = CastExplicit
		}
		if !r.binary {
			if d.fn = castKernel(r.from, r.to); d.fn == nil {
				continue
			}
		}
		c.casts[castKey{r.from, r.to}] = d
	}
	return c
}

func volatilityOf(flags string) Volatility {
	switch {
	case strings.Contains(flags, "V"):
		return Volatile
	case strings.Contains(flags, "S"):
		return Stable
	}
	return Immutable
}

// setDefaults reads the defaults of the arguments: literals with a cast, NULL, and
// numbers.
func (f *Func) setDefaults(text string) {
	if text == "" {
		return
	}
	list := strings.Split(text, ";")
	f.Defaults = len(list)
	f.defaults = make([]types.Datum, len(list))
	for i, d := range list {
		d, _, _ = strings.Cut(d, "::")
		if d == "NULL" {
			continue
		}
		t := types.Of(f.Args[len(f.Args)-len(list)+i])
		if v, err := types.DecodeText(strings.Trim(d, "'"), t, nil); err == nil {
			f.defaults[i] = v
		}
	}
}

// setOuts reads the columns of the result, "key text,value json". A single column
// without a name of its own is left to the function's name.
func (f *Func) setOuts(text string) {
	if text == "" {
		return
	}
	for _, c := range strings.Split(text, ",") {
		name, typ, _ := strings.Cut(c, " ")
		info, ok := types.LookupName(typ)
		if !ok {
			continue
		}
		f.OutNames, f.OutTypes = append(f.OutNames, name), append(f.OutTypes, info.OID)
	}
}

// Funcs lists every function in the order of their numbers, for pg_proc.
func (c *Catalog) Funcs() []*Func { return c.all }

// Ops lists every operator in the order of their numbers.
func (c *Catalog) Ops() []*Op {
	var out []*Op
	for _, ops := range c.ops {
		out = append(out, ops...)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].OID < out[j].OID })
	return out
}

// Casts lists every cast, ordered by its types.
func (c *Catalog) Casts() []*CastDef {
	out := make([]*CastDef, 0, len(c.casts))
	for _, d := range c.casts {
		out = append(out, d)
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].From < out[j].From || out[i].From == out[j].From && out[i].To < out[j].To
	})
	return out
}

// FuncsNamed lists the overloads of a name. The result must not be changed.
func (c *Catalog) FuncsNamed(name string) []*Func { return c.funcs[name] }

// FuncByOID returns the function with that number.
func (c *Catalog) FuncByOID(oid types.OID) (*Func, bool) {
	f, ok := c.byOID[oid]
	return f, ok
}

// Op returns the operator over exactly these types.
func (c *Catalog) Op(name string, left, right types.OID) (*Op, bool) {
	for _, o := range c.ops[name] {
		if o.Left == left && o.Right == right {
			return o, true
		}
	}
	return nil, false
}

// IsAggregate reports whether a name is that of an aggregate.
func (c *Catalog) IsAggregate(name string) bool {
	fs := c.funcs[name]
	return len(fs) > 0 && fs[0].Kind == FuncAggregate
}

var unbuiltOnce = sync.OnceValue(func() map[string]struct{} {
	m := make(map[string]struct{})
	for _, n := range strings.Fields(unbuiltNames) {
		m[n] = struct{}{}
	}
	return m
})

// isUnbuiltOperator is isUnbuilt for operators.
func (c *Catalog) isUnbuiltOperator(name string) bool {
	for _, n := range strings.Fields(unbuiltOperators) {
		if n == name {
			return true
		}
	}
	return false
}

// isUnbuilt reports whether PostgreSQL has a function of that name which is not
// built here, so that it can be refused instead of denied.
func (c *Catalog) isUnbuilt(name string) bool {
	_, ok := unbuiltOnce()[name]
	return ok
}
