package catalog

import (
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
)

type steadyLease struct {
	Lease
	until timestamp.Timestamp
}

func (l *steadyLease) Version() uint64            { return 7 }
func (l *steadyLease) Until() timestamp.Timestamp { return l.until }

// A commit of unknown outcome may still take effect up to its bound, with an old schema:
// the node confirms no version that is further away before the oracle has passed that.
func TestUnknownCommitHoldsTheSchema(t *testing.T) {
	now := timestamp.Timestamp(50)
	c := New(Options{Lease: &steadyLease{until: 100}, Observed: func() timestamp.Timestamp { return now }})
	m, err := c.BeginCommit(&Snapshot{version: 7})
	if err != nil {
		t.Fatal(err)
	}
	if m.Bound() != 100 {
		t.Fatalf("bound %v", m.Bound())
	}
	m.EndUnknown()
	m.End()
	for _, at := range []timestamp.Timestamp{50, 100} {
		now = at
		if got := c.InUse(9); got != 8 {
			t.Errorf("with the oracle at %v the node confirms version %d", at, got)
		}
		if got := c.InUse(8); got != 8 {
			t.Errorf("the next version is held back to %d", got)
		}
	}
	now = 101
	if got := c.InUse(9); got != 9 {
		t.Errorf("version %d is confirmed after the bound has passed", got)
	}
	known, err := c.BeginCommit(&Snapshot{version: 7})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.InUse(9); got != 8 {
		t.Errorf("under way: %d", got)
	}
	known.End()
	if got := c.InUse(9); got != 9 {
		t.Errorf("ended: %d", got)
	}
}

// A transaction whose schema is more than one version behind commits at no timestamp.
func TestStaleSchemaIsRefused(t *testing.T) {
	c := New(Options{Lease: &steadyLease{until: 100}})
	if _, err := c.BeginCommit(&Snapshot{version: 5}); err == nil {
		t.Error("version 5 may commit beside version 7")
	}
	m, err := c.BeginCommit(&Snapshot{version: 6})
	if err != nil || m.Bound() != 100 {
		t.Fatalf("version 6 beside version 7: %v", err)
	}
	m.version = 5 // as if the cluster had moved on
	if m.Bound() != Stale {
		t.Errorf("the bound of a commit that has become too old is %v", m.Bound())
	}
}
