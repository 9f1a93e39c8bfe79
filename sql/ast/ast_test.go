package ast

import "testing"

// TestPos proves that positions become characters, not bytes, and that unknown stays unknown.
func TestPos(t *testing.T) {
	text := "é€x"
	for offset, want := range map[int]int{0: 1, 2: 2, 5: 3, 6: 4, 99: 4} {
		if got := PosAt(offset).Char(text); got != want {
			t.Errorf("offset %d: %d, want %d", offset, got, want)
		}
	}
	if Pos(0).Char(text) != 0 || Pos(0).Offset() != -1 {
		t.Error("an unknown position became known")
	}
}

// TestQuoting proves that names and strings come out so that PostgreSQL reads them back.
func TestQuoting(t *testing.T) {
	for in, want := range map[string]string{"a": "a", "a1_": "a1_", "A": `"A"`, "1a": `"1a"`, "select": `"select"`, `a"b`: `"a""b"`, "é": `"é"`, "name": "name"} {
		if got := QuoteIdent(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"a": "'a'", "it's": "'it''s'", `a\b`: ` E'a\\b'`} {
		if got := QuoteString(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestLeftmost proves that an expression begins where its first operand does.
func TestLeftmost(t *testing.T) {
	a := &ColumnRef{At: At{PosAt(3)}, Parts: []string{"a"}}
	e := &BinaryOp{At: At{PosAt(5)}, Left: &TypeCast{At: At{PosAt(4)}, Expr: a}, Right: a}
	if got := Leftmost(&And{At: At{PosAt(9)}, Args: []Expr{e, a}}); got != PosAt(3) {
		t.Errorf("%d", got.Offset())
	}
	if Leftmost(nil) != 0 {
		t.Error("nothing has a place")
	}
}
