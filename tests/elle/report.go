package elle

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Kind is the name of an anomaly.
type Kind string

const (
	G0           Kind = "G0"
	G1a          Kind = "G1a" // an element of a failed transaction was read
	G1b          Kind = "G1b" // a state from the middle of another transaction was read
	G1c          Kind = "G1c"
	GSingle      Kind = "G-single"
	GNonadjacent Kind = "G-nonadjacent"
	G2Item       Kind = "G2-item"

	Internal          Kind = "internal" // a transaction does not see what it saw or wrote before
	DuplicateElement  Kind = "duplicate-element"
	GarbageRead       Kind = "garbage-read"
	IncompatibleOrder Kind = "incompatible-order" // two lists of a key, neither a prefix of the other
	LostUpdate        Kind = "lost-update"
	LostWrite         Kind = "lost-write" // acknowledged, and not there at the end
	TornTxn           Kind = "torn-txn"   // half there at the end
)

// Realtime is appended to the name of a cycle that needs a real-time edge.
const Realtime Kind = "-realtime"

// severity orders the cycles, the worst first.
var severity = []Kind{
	G0, G1c, GSingle, GNonadjacent,
	G0 + Realtime, G1c + Realtime, GSingle + Realtime, GNonadjacent + Realtime,
	G2Item, G2Item + Realtime,
}

func (k Kind) rank() int { return slices.Index(severity, k) }

// Level of isolation.
type Level int

const (
	ReadCommitted Level = iota
	SnapshotIsolation
	// StrongSnapshotIsolation: a snapshot holds all that was acknowledged before
	// the transaction began.
	StrongSnapshotIsolation
	Serializable
	StrictSerializable
)

func (l Level) String() string {
	return [...]string{"read committed", "snapshot isolation", "strong snapshot isolation", "serializable", "strict serializable"}[l]
}

// Forbids reports whether an anomaly is illegal at a level.
func (l Level) Forbids(k Kind) bool {
	switch k {
	case Internal, LostUpdate, GSingle, GNonadjacent:
		return l != ReadCommitted
	case G2Item:
		return l >= Serializable
	case G0 + Realtime, G1c + Realtime, GSingle + Realtime, GNonadjacent + Realtime:
		return l == StrongSnapshotIsolation || l == StrictSerializable
	case G2Item + Realtime:
		return l == StrictSerializable
	}
	return true
}

// Anomaly is one that was found. Count is for how many it stands.
type Anomaly struct {
	Kind  Kind
	Text  string
	Count int
}

// anomaly describes a cycle, beginning with its first transaction.
func (g *graph) anomaly(cycle []edge) Anomaly {
	least := 0
	for i, e := range cycle {
		if e.from < cycle[least].from {
			least = i
		}
	}
	cycle = append(slices.Clone(cycle[least:]), cycle[:least]...)
	var b strings.Builder
	for _, e := range cycle {
		fmt.Fprintf(&b, "%v\n", g.txn(e.from))
	}
	for _, e := range cycle {
		fmt.Fprintf(&b, "  T%d -%v-> T%d: %s\n", g.txn(e.from).ID, e.kind, g.txn(e.to).ID, g.reason(e))
	}
	return Anomaly{classify(cycle), strings.TrimSuffix(b.String(), "\n"), 1}
}

// Report is what was found in a history.
type Report struct {
	Counts    map[Outcome]int
	Anomalies []Anomaly
}

// Check looks for anomalies. An error means that the history itself is malformed:
// the tester's mistake, not the database's.
func Check(h History) (Report, error) {
	r := Report{Counts: map[Outcome]int{}}
	for i := range h.Txns {
		t := &h.Txns[i]
		r.Counts[t.Outcome]++
		if t.Outcome == OK && t.Done < t.Invoked {
			return r, fmt.Errorf("malformed history: T%d ended at %d before it began at %d", t.ID, t.Done, t.Invoked)
		}
	}
	f, err := gather(h)
	if err != nil {
		return r, err
	}
	f.checkInternal()
	f.checkLists()
	f.checkFinal()
	f.checkLostUpdate()
	r.Anomalies = append(f.found, build(f).cycles()...)
	return r, nil
}

// Kinds counts the anomalies by kind. Of cycles of which there are many it counts edges on them.
func (r Report) Kinds() map[Kind]int {
	m := map[Kind]int{}
	for _, a := range r.Anomalies {
		m[a.Kind] += a.Count
	}
	return m
}

// Illegal are the anomalies that a level forbids.
func (r Report) Illegal(l Level) []Anomaly {
	return slices.DeleteFunc(slices.Clone(r.Anomalies), func(a Anomaly) bool { return !l.Forbids(a.Kind) })
}

// Committed is the share of transactions that are known to have committed, 0 of
// none.
func (r Report) Committed() float64 {
	all := r.Counts[OK] + r.Counts[Failed] + r.Counts[Unknown]
	return float64(r.Counts[OK]) / float64(max(1, all))
}

// Summary says in a line what was found.
func (r Report) Summary() string {
	var kinds []string
	for k, n := range r.Kinds() {
		kinds = append(kinds, fmt.Sprintf("%s: %d", k, n))
	}
	sort.Strings(kinds)
	if kinds == nil {
		kinds = []string{"none"}
	}
	return fmt.Sprintf("%d ok, %d failed, %d unknown (%.0f%% committed); anomalies: %s",
		r.Counts[OK], r.Counts[Failed], r.Counts[Unknown], 100*r.Committed(), strings.Join(kinds, ", "))
}

// shownMax is how many examples of one kind Verdict prints.
const shownMax = 3

// Verdict is nil if there is nothing that the level forbids, else an error that
// shows the shortest examples of each kind.
func (r Report) Verdict(l Level) error {
	illegal := r.Illegal(l)
	if len(illegal) == 0 {
		return nil
	}
	sort.SliceStable(illegal, func(i, j int) bool {
		a, b := illegal[i], illegal[j]
		if a.Kind != b.Kind {
			return a.Kind < b.Kind
		}
		return len(a.Text) < len(b.Text)
	})
	var b strings.Builder
	fmt.Fprintf(&b, "not %v: %s", l, r.Summary())
	shown := map[Kind]int{}
	for _, a := range illegal {
		if shown[a.Kind]++; shown[a.Kind] <= shownMax {
			fmt.Fprintf(&b, "\n%s:\n%s", a.Kind, a.Text)
		}
	}
	return fmt.Errorf("%s", b.String())
}
