package expr

import (
	"strings"

	"github.com/quorate-db/quorate/sql/types"
)

type (
	datum = types.Datum
	func1 = func(*EvalContext, types.Datum) (types.Datum, error)
	func2 = func(*EvalContext, types.Datum, types.Datum) (types.Datum, error)
	funcN = func(*EvalContext, *Signature, []types.Datum) (types.Datum, error)

	setFunc = func(ctx *EvalContext, sig *Signature, args []types.Datum) (SetIter, error)
	aggFunc = func(sig *Signature) AggState
)

// kernel is the code of one function of pg_proc.
type kernel struct {
	fn1 func1
	fn2 func2
	fnN funcN
	set setFunc
	agg aggFunc
}

// kernels maps a function with its argument types, "abs(int4)", to its code. An
// operator is found through the function behind it, "int4pl(int4,int4)".
type kernels map[string]kernel

func (k kernels) put(sigs string, x kernel) {
	for _, s := range strings.Fields(sigs) {
		k[s] = x
	}
}

func (k kernels) f1(sigs string, f func1)    { k.put(sigs, kernel{fn1: f}) }
func (k kernels) f2(sigs string, f func2)    { k.put(sigs, kernel{fn2: f}) }
func (k kernels) fn(sigs string, f funcN)    { k.put(sigs, kernel{fnN: f}) }
func (k kernels) set(sigs string, f setFunc) { k.put(sigs, kernel{set: f}) }
func (k kernels) agg(sigs string, f aggFunc) { k.put(sigs, kernel{agg: f}) }

// allKernels gathers what is built.
func allKernels() kernels {
	k := kernels{}
	k.comparisons()
	k.integers()
	k.floats()
	k.numerics()
	k.texts()
	k.encodings()
	k.patterns()
	k.datetimes()
	k.arrays()
	k.sets()
	k.session()
	k.admin()
	k.acl()
	k.templates()
	k.aggregates()
	k.windows()
	k.json()
	k.timetz()
	k.bits()
	k.regressions()
	k.orderedSets()
	k.degrees()
	k.more()
	k.regexps()
	k.identifiers()
	k.periods()
	k.seeds()
	k.enums()
	k.rest()
	return k
}
