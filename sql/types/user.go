package types

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Def is the definition of a type that a user made, of a table's row type, or of an
// array of one of these, as one version of the catalogue has it. It is carried by
// the Type, so that a value can be printed, compared and cast without asking the
// catalogue. A Def is never changed once Finish was called.
type Def struct {
	// Info is the type's row of pg_type.
	Info
	// Schema is the name of the type's schema, Quoted the type's name in quotes if it
	// needs them. Qualified says that messages give the schema too.
	Schema, Quoted string
	Qualified      bool

	// Labels are the values of an enum in their order.
	Labels []Label

	// Base is the type a domain is over, with its modifier, possibly another domain.
	// NotNull and Checks are the domain's own constraints.
	Base    Type
	NotNull bool
	Checks  []DomainCheck
	// Default is the text of a domain's default, "" for none.
	Default string

	// Fields are the attributes of a composite type, Rel the relation that it
	// belongs to in pg_class.
	Fields []Field
	Rel    OID

	elem    Type // of an array
	array   *Def // the array type over this one, nil if there is none
	byLabel map[string]int
	byKey   map[string]int
	row     rowShape
}

// Label is a value of an enum.
type Label struct {
	OID  OID
	Name string
	// Key is how values are stored: byte strings that are ordered as the labels are
	// and never change, so that a label can come between two others, and be renamed,
	// without touching a row.
	Key string
	// New labels are known but may not be written yet: a node that works with the
	// version before does not know them.
	New bool
}

// DomainCheck is a CHECK constraint of a domain.
type DomainCheck struct {
	Name, Expr string
}

// Field is an attribute of a composite type. Num is its number for good.
type Field struct {
	Name string
	Type Type
	Num  int16
}

// rowShape is what all records of a composite type share.
type rowShape struct {
	types []Type
	names []string
	nums  []int16
}

// Kinds of pg_type.typtype.
const (
	KindOfBase      = 'b'
	KindOfComposite = 'c'
	KindOfDomain    = 'd'
	KindOfEnum      = 'e'
)

// Finish completes d after its fields were set and gives it the array type over
// it; arrayName is "" if there is none.
func (d *Def) Finish(arrayName string) {
	switch d.Kind {
	case KindOfEnum:
		d.Len, d.ByVal, d.Category, d.Align, d.Storage = 4, true, 'E', 'i', 'p'
		d.Input, d.Output, d.Receive, d.Send = 3506, 3507, 3532, 3533
		d.byLabel, d.byKey = make(map[string]int, len(d.Labels)), make(map[string]int, len(d.Labels))
		for i, l := range d.Labels {
			d.byLabel[l.Name], d.byKey[l.Key] = i, i
		}
	case KindOfDomain:
		if i, ok := d.Base.Info(); ok {
			d.Len, d.ByVal, d.Category, d.Align, d.Storage, d.Delim, d.Collation = i.Len, i.ByVal, i.Category, i.Align, i.Storage, i.Delim, i.Collation
			d.Output, d.Send = i.Output, i.Send
		}
		d.Input, d.Receive = 2597, 2598
	case KindOfComposite:
		d.Len, d.Category, d.Align, d.Storage = -1, 'C', 'd', 'x'
		d.Input, d.Output, d.Receive, d.Send = 2290, 2291, 2402, 2403
		for _, f := range d.Fields {
			d.row.types, d.row.names, d.row.nums = append(d.row.types, f.Type), append(d.row.names, f.Name), append(d.row.nums, f.Num)
		}
	}
	if d.Delim == 0 {
		d.Delim = ','
	}
	if arrayName == "" || d.Array == 0 {
		d.Array = 0
		return
	}
	align := byte('i')
	if d.Align == 'd' {
		align = 'd'
	}
	d.array = &Def{Schema: d.Schema, Quoted: d.Quoted, Qualified: d.Qualified, elem: Type{OID: d.OID, Typmod: -1, def: d},
		Info: Info{OID: d.Array, Name: arrayName, Len: -1, Kind: KindOfBase, Category: 'A', Delim: d.Delim, Elem: d.OID,
			Input: 750, Output: 751, Receive: 2400, Send: 2401, Align: align, Storage: 'x', Collation: d.Collation}}
}

// Type is the type that d defines, without modifier.
func (d *Def) Type() Type { return Type{OID: d.OID, Typmod: -1, def: d} }

// ArrayType is the array type over d, or the zero Type.
func (d *Def) ArrayType() Type {
	if d.array == nil {
		return Type{}
	}
	return d.array.Type()
}

// Label finds a value of an enum by its label.
func (d *Def) Label(name string) (int, bool) {
	i, ok := d.byLabel[name]
	return i, ok
}

// EnumValue is the value of the i-th label.
func (d *Def) EnumValue(i int) Datum { return NewString(d.Labels[i].Key) }

// EnumIndex is the place of a value among the labels, or -1.
func (d *Def) EnumIndex(v Datum) int {
	if i, ok := d.byKey[v.Str()]; ok {
		return i
	}
	return -1
}

// NewRow makes a value of a composite type. It takes over fields.
func (d *Def) NewRow(fields []Datum) Datum {
	return NewRecord(&Record{Types: d.row.types, Names: d.row.names, Nums: d.row.nums, Fields: fields})
}

// Def returns the definition of a type that a user made, nil for a built-in one.
func (t Type) Def() *Def { return t.def }

// IsUser reports whether the type is one that a definition describes.
func (t Type) IsUser() bool { return t.def != nil }

// IsEnum reports whether t is an enum.
func (t Type) IsEnum() bool { return t.def != nil && t.def.Kind == KindOfEnum }

// IsDomain reports whether t is a domain.
func (t Type) IsDomain() bool { return t.def != nil && t.def.Kind == KindOfDomain }

// IsComposite reports whether t is a composite type with known fields. Type record
// is none.
func (t Type) IsComposite() bool { return t.def != nil && t.def.Kind == KindOfComposite }

// IsRow reports whether values of t are rows: of a composite type, of a domain over
// one, or of type record.
func (t Type) IsRow() bool {
	t = t.Base()
	return t.OID == OIDRecord || t.IsComposite()
}

// Base is the type under a domain, through all of them; any other type is its own.
func (t Type) Base() Type {
	for t.IsDomain() {
		t = t.def.Base
	}
	return t
}

// Info returns the type's row of pg_type, or false for a number without type.
func (t Type) Info() (*Info, bool) {
	if t.def != nil {
		return &t.def.Info, true
	}
	return Lookup(t.OID)
}

// typeName is the name of a user's type as messages give it.
func (d *Def) typeName() string {
	if d.Qualified {
		return d.Schema + "." + d.Quoted
	}
	return d.Quoted
}

// DomainChecker tests values against the constraints of a domain.
type DomainChecker interface {
	// CheckDomain returns check_violation (23514) if v, which may be NULL and is
	// stored as the base type, breaks a CHECK constraint of d. t is the domain that
	// was asked for: d or one over it.
	CheckDomain(t Type, d *Def, v Datum) error
}

// CheckDomain tests v against the constraints of t and of all domains under it, if
// t is a domain. NULL is a value too.
func CheckDomain(v Datum, t Type, ctx *FormatContext) error {
	if !t.IsDomain() {
		return nil
	}
	for x := t; v.IsNull() && x.IsDomain(); x = x.def.Base {
		if x.def.NotNull {
			return sqlerr.New(sqlerr.NotNullViolation, "domain %s does not allow null values", t).
				WithTable(t.def.Schema, "").WithDataType(t.def.Name)
		}
	}
	return checkDomain(v, t, t, ctx.orDefault())
}

// checkDomain tests the CHECK constraints, those of the domains below first.
func checkDomain(v Datum, t, x Type, ctx *FormatContext) error {
	if !x.IsDomain() {
		return nil
	}
	if err := checkDomain(v, t, x.def.Base, ctx); err != nil || len(x.def.Checks) == 0 {
		return err
	}
	if ctx.Domains == nil {
		return sqlerr.Unsupported("a value of a domain with checks in this place")
	}
	return ctx.Domains.CheckDomain(t, x.def, v)
}

func parseEnum(s string, t Type) (Datum, error) {
	i, ok := t.def.byLabel[s]
	if !ok {
		return Null, sqlerr.New(sqlerr.InvalidTextRepresentation, "invalid input value for enum %s: \"%s\"", t, s)
	}
	if err := t.def.CheckUsable(i); err != nil {
		return Null, err
	}
	return t.def.EnumValue(i), nil
}

// CheckUsable returns unsafe_new_enum_value_usage (55P04) for a label that cannot be
// written yet.
func (d *Def) CheckUsable(i int) error {
	if d.Labels[i].New {
		return sqlerr.New(sqlerr.UnsafeNewEnumValueUsage, "unsafe use of new value \"%s\" of enum type %s", d.Labels[i].Name, d.Type()).
			WithHint("New enum values must be committed before they can be used.")
	}
	return nil
}

func appendEnum(dst []byte, d Datum, t Type) []byte {
	if i := t.def.EnumIndex(d); i >= 0 {
		return append(dst, t.def.Labels[i].Name...)
	}
	// A label of a version that is not known here: nothing of this version shows it.
	return append(append(dst, "?"...), d.Str()...)
}

// Conforms reports whether values of the type have to be completed by Conform when
// they come from storage.
func (t Type) Conforms() bool {
	b := t.Base()
	return b.def != nil && (b.IsComposite() || b.IsArray())
}

// Conform completes a value that storage gave: elements of arrays and fields of rows
// get their types, attributes that were added since are NULL, dropped ones go.
func Conform(d Datum, t Type) Datum {
	t = t.Base()
	if d.IsNull() || !t.Conforms() {
		return d
	}
	if a := d.Array(); a != nil {
		elem := t.Elem().Bare()
		out := &Array{Elem: elem, Dims: a.Dims, Elems: a.Elems}
		if elem.Conforms() {
			out.Elems = make([]Datum, len(a.Elems))
			for i, e := range a.Elems {
				out.Elems[i] = Conform(e, elem)
			}
		}
		return NewArray(out)
	}
	r := d.Record()
	if r == nil || !t.IsComposite() {
		return d
	}
	fields := make([]Datum, len(t.def.Fields))
	for i, f := range t.def.Fields {
		for j, n := range r.Nums {
			if n == f.Num {
				fields[i] = Conform(r.Fields[j], f.Type)
			}
		}
	}
	return t.def.NewRow(fields)
}

// Uses reports whether values of t hold values of the type with that number: t
// itself, its base, elements or attributes.
func (t Type) Uses(oid OID) bool {
	if t.OID == oid {
		return true
	}
	d := t.def
	if d == nil {
		return false
	}
	if d.elem.Uses(oid) || d.Kind == KindOfDomain && d.Base.Uses(oid) {
		return true
	}
	for _, f := range d.Fields {
		if f.Type.Uses(oid) {
			return true
		}
	}
	return false
}
