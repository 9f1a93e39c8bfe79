package chaos

import (
	"strings"
	"testing"
)

// done is an attempt that ran during [invoked, ended].
func done(o Outcome, invoked, ended int64) attempt {
	return attempt{Invoked: invoked, Done: ended, Outcome: o}
}

// expectFaults checks that there is one fault that says what is wanted, or none.
func expectFaults(t *testing.T, name string, faults []string, want string) {
	t.Helper()
	switch {
	case want == "" && len(faults) > 0:
		t.Errorf("%s: %q, want nothing", name, faults)
	case want != "" && (len(faults) != 1 || !strings.Contains(faults[0], want)):
		t.Errorf("%s: %q, want one that says %q", name, faults, want)
	}
}

// Reads of a set hold what was acknowledged before, and nothing that failed.
func TestSetFaults(t *testing.T) {
	insert := func(a attempt, ids ...int) setOp { return setOp{attempt: a, Insert: true, IDs: ids} }
	read := func(invoked, ended int64, group int, ids ...int) setOp {
		return setOp{attempt: done(OK, invoked, ended), Group: group, IDs: ids}
	}
	for _, c := range []struct {
		name, want string
		ops        []setOp
	}{
		{"all there", "", []setOp{insert(done(OK, 0, 1), 1, 81), read(2, 3, 0, 1), read(2, 3, -1, 1, 81)}},
		{"not yet", "", []setOp{insert(done(OK, 0, 5), 1), read(2, 3, 0)}},
		{"already", "", []setOp{insert(done(OK, 0, 5), 1), read(2, 3, 0, 1)}},
		{"unknown", "", []setOp{insert(done(Unknown, 0, 1), 1), read(2, 3, 0), read(2, 3, 0, 1)}},
		{"another group", "", []setOp{insert(done(OK, 0, 1), 1), read(2, 3, 1)}},
		{"stale", "acknowledged and not read", []setOp{insert(done(OK, 0, 1), 1), read(2, 3, 0)}},
		{"failed", "its insert failed", []setOp{insert(done(Failed, 0, 1), 1), read(2, 3, 0, 1)}},
		{"twice", "read 2 times", []setOp{insert(done(OK, 0, 1), 1), read(2, 3, 0, 1, 1)}},
		{"future", "before its insert began", []setOp{insert(done(OK, 4, 5), 1), read(2, 3, 0, 1)}},
		{"from nowhere", "never inserted", []setOp{read(2, 3, 0, 1)}},
	} {
		expectFaults(t, c.name, setFaults(c.ops), c.want)
	}
	torn := setFaults([]setOp{insert(done(Unknown, 0, 1), 1, 81), read(2, 3, -1, 1)})
	if len(torn) != 2 { // seen from both twins
		t.Errorf("half a transaction: %q", torn)
	}
}

// Both halves of a pair may commit under snapshot isolation and not above it.
func TestPredicateFaults(t *testing.T) {
	half := func(o Outcome, second bool) predicateOp {
		return predicateOp{attempt: done(o, 0, 1), Second: second, Inserted: true}
	}
	final := func(ids ...int) predicateOp {
		op := predicateOp{attempt: done(OK, 2, 3), Pair: -1, Found: map[int]int{}}
		for _, id := range ids {
			op.Found[id]++
		}
		return op
	}
	for _, c := range []struct {
		name, want string
		level      int
		skews      int
		ops        []predicateOp
	}{
		{"one of them", "", 2, 0, []predicateOp{half(OK, false), half(Failed, true), final(0)}},
		{"skew", "", 1, 1, []predicateOp{half(OK, false), half(OK, true), final(0, 1)}},
		{"skew where it must not be", "both halves", 2, 1, []predicateOp{half(OK, false), half(OK, true), final(0, 1)}},
		{"lost", "0 times", 1, 0, []predicateOp{half(OK, false), final()}},
		{"failed and there", "1 times", 1, 0, []predicateOp{half(Failed, false), final(0)}},
		{"unknown", "", 2, 0, []predicateOp{half(Unknown, false), half(OK, true), final(0, 1)}},
	} {
		faults, skews := predicateFaults(c.ops, levels[c.level])
		expectFaults(t, c.name, faults, c.want)
		if skews != c.skews {
			t.Errorf("%s: %d skews, want %d", c.name, skews, c.skews)
		}
	}
}

// Reads of a group agree on an order.
func TestForkFaults(t *testing.T) {
	write := func(o Outcome, row int, ended int64) forkOp {
		return forkOp{attempt: done(o, 0, ended), Write: row}
	}
	read := func(saw ...bool) forkOp { return forkOp{attempt: done(OK, 5, 6), Write: -1, Saw: saw} }
	late := int64(9)
	for _, c := range []struct {
		name, want string
		ops        []forkOp
	}{
		{"one after the other", "", []forkOp{write(OK, 0, late), write(OK, 1, late), read(false, false), read(true, false), read(true, true)}},
		{"fork", "saw", []forkOp{write(OK, 0, late), write(OK, 1, late), read(true, false), read(false, true)}},
		{"stale", "acknowledged and not read", []forkOp{write(OK, 0, 1), read(false, false)}},
		{"failed", "its insert failed", []forkOp{write(Failed, 0, 1), read(true, false)}},
	} {
		faults, _ := forkFaults(c.ops)
		expectFaults(t, c.name, faults, c.want)
	}
}

// Ids and values rise with time.
func TestMonotonicFaults(t *testing.T) {
	op := func(invoked, ended, xid int64, value int) monotonicOp {
		return monotonicOp{attempt: done(OK, invoked, ended), XID: xid, Value: value}
	}
	final := func(rows ...monotonicRow) monotonicOp {
		return monotonicOp{attempt: done(OK, 90, 91), Rows: rows}
	}
	for _, c := range []struct {
		name, want string
		ops        []monotonicOp
	}{
		{"rising", "", []monotonicOp{op(0, 1, 10, 1), op(2, 3, 11, 0), op(4, 5, 12, 2), final(monotonicRow{1, 10}, monotonicRow{2, 12})}},
		{"concurrent ones may cross", "", []monotonicOp{op(0, 5, 11, 0), op(1, 4, 10, 0)}},
		{"one that came later has a smaller id", "an id is not above", []monotonicOp{op(0, 1, 10, 0), op(2, 3, 9, 0)}},
		{"the same id", "with one id", []monotonicOp{op(0, 5, 10, 0), op(1, 4, 10, 0)}},
		{"a value that is not above", "a value is not above", []monotonicOp{op(0, 1, 10, 2), op(2, 3, 11, 1)}},
		{"the same value", "wrote one value", []monotonicOp{op(0, 5, 10, 1), op(0, 5, 11, 1)}},
		{"lost", "is not there", []monotonicOp{op(0, 1, 10, 1), {attempt: done(OK, 90, 91), Rows: []monotonicRow{}}}},
		{"a gap", "row 1 holds value 2", []monotonicOp{final(monotonicRow{2, 10})}},
		{"ids fall as values rise", "the value after it", []monotonicOp{final(monotonicRow{1, 10}, monotonicRow{2, 9})}},
	} {
		expectFaults(t, c.name, monotonicFaults(c.ops), c.want)
	}
}

// A name has one owner.
func TestUniqueFaults(t *testing.T) {
	take := func(o Outcome, id, rows int, state string) uniqueOp {
		a := done(o, 0, 1)
		a.State = state
		return uniqueOp{attempt: a, Name: 7, ID: id, Rows: rows, How: "insert"}
	}
	final := func(ids ...int) uniqueOp {
		op := uniqueOp{attempt: done(OK, 5, 6), Found: map[int][]int{}}
		if ids != nil {
			op.Found[7] = ids
		}
		return op
	}
	for _, c := range []struct {
		name, want string
		ops        []uniqueOp
	}{
		{"one has it", "", []uniqueOp{take(OK, 1, 1, ""), take(Failed, 2, 0, "23505"), take(OK, 3, 0, ""), take(Failed, 4, 0, "40001"), final(1)}},
		{"one of unknown outcome has it", "", []uniqueOp{take(Unknown, 1, 0, ""), take(Failed, 2, 0, "23505"), final(1)}},
		{"two have it", "was given to row 1", []uniqueOp{take(OK, 1, 1, ""), take(OK, 2, 1, ""), final(1)}},
		{"refused for nothing", "nobody ever got it", []uniqueOp{take(Failed, 1, 0, "23505"), final()}},
		{"there twice", "has rows", []uniqueOp{take(OK, 1, 1, ""), take(Unknown, 2, 0, ""), final(1, 2)}},
		{"lost", "is not there", []uniqueOp{take(OK, 1, 1, ""), final()}},
		{"failed and there", "is there by", []uniqueOp{take(Failed, 1, 0, "40001"), final(1)}},
		{"did nothing and is there", "is there by", []uniqueOp{take(OK, 1, 0, ""), take(Unknown, 2, 0, ""), final(1)}},
	} {
		expectFaults(t, c.name, uniqueFaults(c.ops), c.want)
	}
}

// Rows are there as their inserts were answered, and what was seen on the way is
// reported.
func TestDDLFaults(t *testing.T) {
	final := ddlOp{attempt: done(OK, 5, 6), Found: map[int]int{1: 1}}
	for _, c := range []struct {
		name, want string
		op         ddlOp
	}{
		{"there", "", ddlOp{attempt: done(OK, 0, 1), ID: 1}},
		{"lost", "0 times", ddlOp{attempt: done(OK, 0, 1), ID: 2}},
		{"failed and there", "1 times", ddlOp{attempt: done(Failed, 0, 1), ID: 1}},
		{"unknown", "", ddlOp{attempt: done(Unknown, 0, 1), ID: 1}},
		{"index and table", "by the index", ddlOp{attempt: done(OK, 0, 1), Fault: "1 rows by the index"}},
	} {
		expectFaults(t, c.name, ddlFaults([]ddlOp{c.op, final}), c.want)
	}
}

// Registers are judged by porcupine: unknown operations happen at any time or
// never, failed ones never.
func TestRegisterVerdict(t *testing.T) {
	op := func(o Outcome, invoked, ended int64, kind string, old, new, got int) registerOp {
		return registerOp{attempt: done(o, invoked, ended), Key: 1, Kind: kind, Old: old, New: new, Got: got}
	}
	for _, c := range []struct {
		name, want string
		ops        []registerOp
	}{
		{"in order", "", []registerOp{op(OK, 0, 1, "read", 0, 0, 0), op(OK, 2, 3, "write", 0, 5, 0), op(OK, 4, 5, "cas", 5, 6, 1), op(OK, 6, 7, "cas", 5, 7, 0), op(OK, 8, 9, "read", 0, 0, 6)}},
		{"unknown happened late", "", []registerOp{op(Unknown, 0, 1, "write", 0, 5, 0), op(OK, 2, 3, "read", 0, 0, 0), op(OK, 4, 5, "read", 0, 0, 5)}},
		{"unknown cas", "", []registerOp{op(OK, 0, 1, "write", 0, 5, 0), op(Unknown, 2, 3, "cas", 5, 6, 0), op(OK, 4, 5, "read", 0, 0, 6)}},
		{"stale read", "not linearizable", []registerOp{op(OK, 0, 1, "write", 0, 5, 0), op(OK, 2, 3, "read", 0, 0, 0)}},
		{"back and forth", "not linearizable", []registerOp{op(Unknown, 0, 1, "write", 0, 5, 0), op(OK, 2, 3, "read", 0, 0, 5), op(OK, 4, 5, "read", 0, 0, 0)}},
		{"failed and read", "not linearizable", []registerOp{op(Failed, 0, 1, "write", 0, 5, 0), op(OK, 2, 3, "read", 0, 0, 5)}},
		{"cas of a register that was never written", "not linearizable", []registerOp{op(OK, 0, 1, "cas", 0, 5, 1)}},
		{"cas that must have worked", "not linearizable", []registerOp{op(OK, 0, 1, "write", 0, 5, 0), op(OK, 2, 3, "cas", 5, 6, 0)}},
	} {
		l := &registerLoad{}
		l.ops.entries = c.ops
		v := l.verdict(levels[0])
		if (v.Err == nil) != (c.want == "") || v.Err != nil && !strings.Contains(v.Err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, v.Err, c.want)
		}
	}
}

// A sum that was wrong is a fault, and so is an answer that no fault excuses.
func TestBankVerdict(t *testing.T) {
	l := &bankLoad{}
	l.record(bankOp{attempt: done(OK, 0, 1), How: "q", Sum: bankSum}, false)
	if v := l.verdict(levels[1]); v.Err != nil || v.OK != 1 {
		t.Errorf("%+v", v)
	}
	l.ops.add(bankOp{attempt: done(OK, 0, 1), How: "q", Fault: "the accounts held 3"})
	bad := done(Failed, 0, 1)
	bad.State = "XX000"
	l.record(bankOp{attempt: bad}, false)
	if v := l.verdict(levels[1]); v.Err == nil || !strings.Contains(v.Err.Error(), "held 3") || !strings.Contains(v.Err.Error(), "XX000") {
		t.Errorf("%+v", v)
	}
}

// Each kind of load makes what the harness asks of it.
func TestLoads(t *testing.T) {
	for _, l := range loads {
		w := l.make()
		if w.keys() < 1 || len(w.tables()) < 1 {
			t.Errorf("%s: %d keys, tables %v", l.name, w.keys(), w.tables())
		}
	}
	l := newAppendLoad().(*appendLoad)
	seen := map[int]bool{}
	for range 3 * appendsPerKey {
		o := l.appendTo(0)
		seen[o.Key] = true
	}
	if len(seen) != 3 {
		t.Errorf("%d appends to a slot went to %d keys", 3*appendsPerKey, len(seen))
	}
}
