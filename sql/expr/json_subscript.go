package expr

import (
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// JSONSubscript is doc[key][place]… of a jsonb; the subscripts are text.
type JSONSubscript struct {
	Doc   Expr
	Index []Expr
}

func (e *JSONSubscript) Type() types.Type { return types.JSONB }
func (e *JSONSubscript) Children() []Expr { return append([]Expr{e.Doc}, e.Index...) }
func (e *JSONSubscript) WithChildren(c []Expr) Expr {
	return &JSONSubscript{Doc: c[0], Index: c[1:]}
}

func (e *JSONSubscript) Eval(ctx *EvalContext, row Row) (types.Datum, error) {
	d, err := e.Doc.Eval(ctx, row)
	if err != nil || d.IsNull() {
		return types.Null, err
	}
	v := d.JSON()
	for i := range e.Index {
		x, err := e.Index[i].Eval(ctx, row)
		if err != nil || x.IsNull() {
			return types.Null, err
		}
		next, ok := jsonbAt(v, []types.Datum{x})
		if !ok {
			return types.Null, nil
		}
		v = next
	}
	return types.NewJSONB(v), nil
}

// jsonSubscript makes a subscript of a jsonb. Each index is an integer or a text.
func (b *Builder) jsonSubscript(doc Expr, index []Expr) (Expr, error) {
	ix, err := b.jsonIndexes(index)
	if err != nil {
		return nil, err
	}
	return &JSONSubscript{Doc: doc, Index: ix}, nil
}

func (b *Builder) jsonIndexes(index []Expr) ([]Expr, error) {
	out := make([]Expr, len(index))
	for i, x := range index {
		t := types.Text
		if !isUnknown(x.Type()) {
			asText := b.Catalog.CanCoerce(x.Type(), types.Text, CastImplicit)
			asInt := b.Catalog.CanCoerce(x.Type(), types.Int4, CastImplicit)
			if !asText && !asInt {
				return nil, sqlerr.New(sqlerr.DatatypeMismatch, "subscript type %s is not supported", x.Type().Bare()).
					WithHint("jsonb subscript must be coercible to either integer or text.")
			}
			if asInt {
				t = types.Int4
			}
		}
		c, err := b.Cast(x, t, CastImplicit)
		if err != nil {
			return nil, err
		}
		if out[i], err = b.Cast(c, types.Text, CastAssignment); err != nil {
			return nil, err
		}
	}
	return out, nil
}
