package elle

import (
	"fmt"
	"slices"
	"sort"
)

// kind of a dependency; several make a set.
type kind uint8

const (
	ww kind = 1 << iota
	wr
	rw
	rt
)

func (k kind) String() string {
	return map[kind]string{ww: "ww", wr: "wr", rw: "rw", rt: "rt"}[k]
}

// edge is a dependency between two nodes. For ww, wr and rw, elem is the position
// in the key's version order of the element that the edge leads to (of wr: that
// was read).
type edge struct {
	from, to int32
	key      int
	elem     int32
	kind     kind
}

// graph of the transactions that took effect as far as is known: the committed
// ones, and those with an unknown outcome of which an element was read.
type graph struct {
	f     *facts
	txns  []int // of nodes, positions in the history
	edges []edge
	// first[n] is where the edges from node n begin in edges.
	first []int32
}

// build draws all edges. Requires: the direct checks were made.
func build(f *facts) *graph {
	g := &graph{f: f}
	node := g.chooseNodes()
	for _, k := range f.keys {
		order, ok := f.order[k]
		if !ok {
			continue
		}
		// writers[i] is the node that appended order[i], -1 if that is none.
		writers := make([]int32, len(order))
		for i, v := range order {
			writers[i] = -1
			if w, ok := f.writers[elem{k, v}]; ok {
				writers[i] = node[w.txn]
			}
			if i > 0 {
				g.add(edge{writers[i-1], writers[i], k, int32(i), ww})
			}
		}
		for _, r := range f.reads[k] {
			if r.txn == finalReader || r.own {
				continue
			}
			if n := len(r.list); n > 0 {
				g.add(edge{writers[n-1], node[r.txn], k, int32(n - 1), wr})
			}
			if n := len(r.list); n < len(order) {
				g.add(edge{node[r.txn], writers[n], k, int32(n), rw})
			}
		}
	}
	g.addRealTime()
	g.index()
	return g
}

func (g *graph) add(e edge) {
	if e.from >= 0 && e.to >= 0 && e.from != e.to {
		g.edges = append(g.edges, e)
	}
}

// chooseNodes returns the node of each transaction, -1 for those that have none.
func (g *graph) chooseNodes() []int32 {
	seen := make([]bool, len(g.f.h.Txns))
	for k, order := range g.f.order {
		for _, v := range order {
			if w, ok := g.f.writers[elem{k, v}]; ok {
				seen[w.txn] = true
			}
		}
	}
	node := make([]int32, len(g.f.h.Txns))
	for i := range g.f.h.Txns {
		node[i] = -1
		if t := &g.f.h.Txns[i]; t.Outcome == OK || t.Outcome == Unknown && seen[i] {
			node[i] = int32(len(g.txns))
			g.txns = append(g.txns, i)
		}
	}
	return node
}

// addRealTime draws an edge from a to b if a had ended before b began, unless
// others lead the same way. A frontier holds the ended transactions that no ended
// transaction came after. Equal times count as concurrent.
func (g *graph) addRealTime() {
	type event struct {
		at    int64
		ended bool
		node  int32
	}
	events := make([]event, 0, 2*len(g.txns))
	for n, i := range g.txns {
		t := &g.f.h.Txns[i]
		events = append(events, event{t.Invoked, false, int32(n)})
		if t.Outcome == OK {
			events = append(events, event{t.Done, true, int32(n)})
		}
	}
	sort.SliceStable(events, func(i, j int) bool {
		if events[i].at != events[j].at {
			return events[i].at < events[j].at
		}
		return !events[i].ended && events[j].ended
	})
	var frontier []int32
	before := make([][]int32, len(g.txns)) // of each running one, the frontier when it began
	covered := make([]int32, len(g.txns))  // the last that came after this one, plus 1
	for _, e := range events {
		if !e.ended {
			before[e.node] = slices.Clone(frontier)
			for _, a := range frontier {
				g.add(edge{from: a, to: e.node, kind: rt})
			}
			continue
		}
		for _, a := range before[e.node] {
			covered[a] = e.node + 1
		}
		before[e.node] = nil
		frontier = slices.DeleteFunc(frontier, func(a int32) bool { return covered[a] == e.node+1 })
		frontier = append(frontier, e.node)
	}
}

// index sorts the edges by where they begin.
func (g *graph) index() {
	g.first = make([]int32, len(g.txns)+1)
	for _, e := range g.edges {
		g.first[e.from+1]++
	}
	for n := range g.txns {
		g.first[n+1] += g.first[n]
	}
	at := slices.Clone(g.first)
	sorted := make([]edge, len(g.edges))
	for _, e := range g.edges {
		sorted[at[e.from]] = e
		at[e.from]++
	}
	g.edges = sorted
}

// txn is the transaction of a node.
func (g *graph) txn(n int32) *Txn { return &g.f.h.Txns[g.txns[n]] }

// reason says in words why an edge is there.
func (g *graph) reason(e edge) string {
	a, b := g.txn(e.from), g.txn(e.to)
	order := g.f.order[e.key]
	switch e.kind {
	case ww:
		return fmt.Sprintf("T%d appended %d to key %d after T%d had appended %d", b.ID, order[e.elem], e.key, a.ID, order[e.elem-1])
	case wr:
		return fmt.Sprintf("T%d read key %d with T%d's %d as the last element", b.ID, e.key, a.ID, order[e.elem])
	case rw:
		return fmt.Sprintf("T%d read the first %d elements of key %d and not %d, which T%d appended next", a.ID, e.elem, e.key, order[e.elem], b.ID)
	}
	return fmt.Sprintf("T%d had ended at %d, T%d began at %d", a.ID, a.end(), b.ID, b.Invoked)
}
