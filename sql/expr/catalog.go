package expr

import (
	"github.com/quorate-db/quorate/sql/types"
)

// Volatility says what a function's result may depend on.
type Volatility uint8

const (
	// Immutable depends on the arguments only.
	Immutable Volatility = iota
	// Stable depends on the statement's snapshot and settings too.
	Stable
	// Volatile may change from call to call.
	Volatile
)

// FuncKind says how a function is called.
type FuncKind uint8

const (
	FuncNormal FuncKind = iota
	FuncAggregate
	FuncWindow
	FuncSet // returns a set of rows
)

// Func is a function of the catalogue: one overload.
type Func struct {
	OID  types.OID
	Name string
	// Args are the declared types; a polymorphic one is settled per call. The
	// last one of a variadic function is the array type, or "any".
	Args     []types.OID
	Result   types.OID
	Variadic bool
	// ArgNames are the names of the arguments, nil if they have none.
	ArgNames []string
	// Defaults counts the arguments at the end that may be left out.
	Defaults   int
	Strict     bool
	Volatility Volatility
	Kind       FuncKind
	// OutNames names the columns of a set-returning function whose result is not
	// one column named after the function.
	OutNames []string
	OutTypes []types.OID

	defaults []types.Datum
	system   bool
	fn1      func(*EvalContext, types.Datum) (types.Datum, error)
	fn2      func(*EvalContext, types.Datum, types.Datum) (types.Datum, error)
	fnN      func(*EvalContext, *Signature, []types.Datum) (types.Datum, error)
	set      setFunc
	agg      aggFunc
}

// OrderMatters reports whether the result of an aggregate depends on the order of
// its input.
func (f *Func) OrderMatters() bool {
	switch f.Name {
	case "array_agg", "string_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg":
		return true
	}
	return false
}

// IsSystem reports whether the function is evaluated by SystemInfo.Call.
func (f *Func) IsSystem() bool { return f.system }

// Signature holds the types of one call after polymorphic ones were settled.
type Signature struct {
	Args   []types.Type
	Result types.Type
	// OutNames and OutTypes are the columns that a call in FROM declares for a
	// function returning record.
	OutNames []string
	OutTypes []types.Type
}

// Op is an operator of the catalogue: one overload. Left is 0 for a prefix
// operator.
type Op struct {
	OID                 types.OID
	Name                string
	Left, Right, Result types.OID
	Strict              bool
	Volatility          Volatility
	// Commutator is the name of the operator with swapped operands, Negator of
	// the one with the opposite result; empty if there is none.
	Commutator, Negator string

	fn1 func(*EvalContext, types.Datum) (types.Datum, error)
	fn2 func(*EvalContext, types.Datum, types.Datum) (types.Datum, error)
	fnN func(*EvalContext, *Signature, []types.Datum) (types.Datum, error)
}

// CastContext says how freely a cast may be applied; each includes the ones
// before it.
type CastContext uint8

const (
	CastImplicit CastContext = iota
	CastAssignment
	CastExplicit
)

// CastDef is a cast of the catalogue.
type CastDef struct {
	From, To types.OID
	Context  CastContext
	// Binary casts change nothing about the stored value.
	Binary bool
	// Stable casts depend on settings (time zone), the others are immutable.
	Stable bool
	fn     func(*EvalContext, types.Datum) (types.Datum, error)
}

// Catalog is the set of functions, operators and casts. It is built by
// NewCatalog and does not change.
type Catalog struct {
	funcs map[string][]*Func
	ops   map[string][]*Op
	casts map[castKey]*CastDef
	all   []*Func
	byOID map[types.OID]*Func
}

type castKey struct{ from, to types.OID }

// ResolvedFunc is the overload that a call means.
type ResolvedFunc struct {
	Func *Func
	// Sig has one entry per argument of the call, defaults and expanded variadic
	// arguments included: what each is to be cast to, and the result.
	Sig Signature
	// Spread counts the arguments that are gathered into the variadic array; -1
	// when there is nothing to gather.
	Spread int
}

// ResolvedOp is the overload that an operator means.
type ResolvedOp struct {
	Op *Op
	// Left and Right are what the operands are to be cast to. Left is the zero
	// Type for a prefix operator.
	Left, Right, Result types.Type
}
