package sqlerr

import (
	"context"
	"errors"
	"fmt"
	"testing"
)

// As must keep a code through any wrapping and give every other error one.
func TestAs(t *testing.T) {
	base := New(UniqueViolation, "duplicate key value violates unique constraint %q", "t_pkey").WithTable("public", "t")
	for _, c := range []struct {
		name string
		err  error
		code string
	}{
		{"direct", base, UniqueViolation},
		{"wrapped by fmt", fmt.Errorf("insert: %w", base), UniqueViolation},
		{"wrapped by Wrap", Wrap(base, "insert"), UniqueViolation},
		{"wrapped by both", Wrap(fmt.Errorf("row 1: %w", base), "insert"), UniqueViolation},
		{"cancel", fmt.Errorf("scan: %w", context.Canceled), QueryCanceled},
		{"timeout", context.DeadlineExceeded, QueryCanceled},
		{"cancel under Wrap", Wrap(context.Canceled, "scan"), QueryCanceled},
		{"unknown", errors.New("disk on fire"), InternalError},
		{"unknown under Wrap", Wrap(errors.New("disk on fire"), "scan"), InternalError},
	} {
		if got := CodeOf(c.err); got != c.code {
			t.Errorf("%s: code %s, want %s", c.name, got, c.code)
		}
	}
	if As(nil) != nil || CodeOf(nil) != "" || Wrap(nil, "x") != nil {
		t.Error("nil must stay nil")
	}
	if got := As(Wrap(base, "insert")); got.Table != "t" || got == base {
		t.Errorf("Wrap must keep the fields in a copy, got %+v", got)
	}
	if !errors.Is(Wrap(base, "insert"), base) {
		t.Error("Wrap must keep the chain")
	}
}

// A text without arguments is not a format.
func TestMessageWithoutArguments(t *testing.T) {
	if got := New(SyntaxError, "100%d").Message; got != "100%d" {
		t.Errorf("got %q", got)
	}
}
