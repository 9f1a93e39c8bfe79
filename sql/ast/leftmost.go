package ast

// Leftmost is where the text of an expression begins. Position is where an error about the node itself points at, which for an infix operator
// is the operator; errors about a whole expression (types of UNION branches, GROUP BY) point here.
func Leftmost(e Expr) Pos {
	pos := Pos(0)
	for e != nil {
		if p := e.Position(); p > 0 && (pos == 0 || p < pos) {
			pos = p
		}
		switch n := e.(type) {
		case *TypeCast:
			e = n.Expr
		case *BinaryOp:
			e = n.Left
		case *And:
			e = n.Args[0]
		case *Or:
			e = n.Args[0]
		case *IsNull:
			e = n.Expr
		case *IsBool:
			e = n.Expr
		case *IsDistinct:
			e = n.Left
		case *Between:
			e = n.Expr
		case *InList:
			e = n.Expr
		case *InSubquery:
			e = n.Expr
		case *Like:
			e = n.Expr
		case *AnyAll:
			e = n.Left
		case *Subscript:
			e = n.Expr
		case *FieldSelect:
			e = n.Expr
		case *Collate:
			e = n.Expr
		case *AtTimeZone:
			e = n.Expr
		default:
			return pos
		}
	}
	return pos
}
