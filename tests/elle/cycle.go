package elle

import "slices"

// walk is a way to go through the graph: along edges of some kinds, and, if
// nonadjacent, never along two rw edges one after the other. Its states are a node
// and whether the last edge was rw (always false without nonadjacent).
type walk struct {
	g           *graph
	kinds       kind
	nonadjacent bool
	// component of each state: those with the same number reach each other.
	component []int32
}

func state(node int32, afterRW bool) int32 {
	if afterRW {
		return 2*node + 1
	}
	return 2 * node
}

// next is the state after following e from s; false if the walk may not.
func (w *walk) next(s int32, e *edge) (int32, bool) {
	if e.kind&w.kinds == 0 || s&1 == 1 && e.kind == rw {
		return 0, false
	}
	return state(e.to, w.nonadjacent && e.kind == rw), true
}

// within reports whether an edge lies on a closed walk, and from which state.
func (w *walk) within(e *edge) (from int32, ok bool) {
	for _, s := range [2]int32{state(e.from, false), state(e.from, true)} {
		if s&1 == 1 && !w.nonadjacent {
			break
		}
		if to, ok := w.next(s, e); ok && w.component[s] == w.component[to] {
			return s, true
		}
	}
	return 0, false
}

// newWalk finds the strongly connected components of the states (Tarjan, "Depth-
// first search and linear graph algorithms", 1972, without recursion).
func newWalk(g *graph, kinds kind, nonadjacent bool) *walk {
	n := 2 * len(g.txns)
	w := &walk{g: g, kinds: kinds, nonadjacent: nonadjacent, component: make([]int32, n)}
	const none = -1
	index, low := make([]int32, n), make([]int32, n)
	for s := range n {
		index[s], w.component[s] = none, none
	}
	type frame struct{ s, edge int32 }
	var frames []frame
	var open []int32 // states whose component is not known yet
	var counter, components int32
	visit := func(s int32) {
		index[s], low[s] = counter, counter
		counter++
		open = append(open, s)
		frames = append(frames, frame{s, g.first[s>>1]})
	}
	for root := range int32(n) {
		if index[root] != none || root&1 == 1 && !nonadjacent {
			continue
		}
		visit(root)
		for len(frames) > 0 {
			top := &frames[len(frames)-1]
			s := top.s
			if top.edge < g.first[s>>1+1] {
				e := &g.edges[top.edge]
				top.edge++
				to, ok := w.next(s, e)
				switch {
				case !ok:
				case index[to] == none:
					visit(to)
				case w.component[to] == none:
					low[s] = min(low[s], index[to])
				}
				continue
			}
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				p := frames[len(frames)-1].s
				low[p] = min(low[p], low[s])
			}
			if low[s] != index[s] {
				continue
			}
			for {
				o := open[len(open)-1]
				open = open[:len(open)-1]
				w.component[o] = components
				if o == s {
					break
				}
			}
			components++
		}
	}
	return w
}

// finder looks for shortest ways; it keeps its memory from one search to the next.
type finder struct {
	seen  []int32 // of each state, the number of the last search that met it
	round int32
	queue []step
}

// step is a state that a search has met, and how.
type step struct {
	state, edge, parent int32 // parent is a position in the queue
}

// shortest finds a shortest closed walk that begins with e in state from and goes
// on along edges of the kinds in rest. Nil if there is none.
func (f *finder) shortest(w *walk, from int32, e *edge, rest kind) []edge {
	start, ok := w.next(from, e)
	if !ok || w.component[start] != w.component[from] {
		return nil
	}
	if f.seen == nil {
		f.seen = make([]int32, len(w.component))
	}
	f.round++
	f.queue = append(f.queue[:0], step{start, -1, -1})
	f.seen[start] = f.round
	for i := 0; i < len(f.queue); i++ {
		s := f.queue[i].state
		if s == from {
			return f.unwind(w.g, e, i)
		}
		for at := w.g.first[s>>1]; at < w.g.first[s>>1+1]; at++ {
			next := &w.g.edges[at]
			if next.kind&rest == 0 {
				continue
			}
			to, ok := w.next(s, next)
			if ok && w.component[to] == w.component[from] && f.seen[to] != f.round {
				f.seen[to] = f.round
				f.queue = append(f.queue, step{to, at, int32(i)})
			}
		}
	}
	return nil
}

// unwind collects the edges that led to a position of the queue, behind the first.
func (f *finder) unwind(g *graph, first *edge, i int) []edge {
	var cycle []edge
	for at := int32(i); f.queue[at].edge >= 0; at = f.queue[at].parent {
		cycle = append(cycle, g.edges[f.queue[at].edge])
	}
	cycle = append(cycle, *first)
	slices.Reverse(cycle)
	return simple(cycle)
}

// simple cuts a closed walk that passes a node twice down to its worst loop.
func simple(cycle []edge) []edge {
	for i := range cycle {
		for j := i + 1; j < len(cycle); j++ {
			if cycle[i].from != cycle[j].from {
				continue
			}
			inner := simple(slices.Clone(cycle[i:j]))
			outer := simple(append(slices.Clone(cycle[:i]), cycle[j:]...))
			if classify(inner).rank() <= classify(outer).rank() {
				return inner
			}
			return outer
		}
	}
	return cycle
}

// classify names a cycle by its edges.
func classify(cycle []edge) Kind {
	var reads, anti, times int
	adjacent := false
	for i, e := range cycle {
		switch e.kind {
		case wr:
			reads++
		case rw:
			anti++
			adjacent = adjacent || cycle[(i+1)%len(cycle)].kind == rw
		case rt:
			times++
		}
	}
	var k Kind
	switch {
	case anti == 0 && reads == 0:
		k = G0
	case anti == 0:
		k = G1c
	case anti == 1:
		k = GSingle
	case !adjacent:
		k = GNonadjacent
	default:
		k = G2Item
	}
	if times > 0 {
		k += Realtime
	}
	return k
}

// examplesMax bounds how many cycles are searched for of one kind of walk. All of
// its anchors are counted.
const examplesMax = 64

// search reports a cycle through each edge of the anchor kind that lies on a
// closed walk of w and on none of those in before, which broke more.
func (w *walk) search(anchor kind, before []*walk) []Anomaly {
	var found []Anomaly
	var f finder
	count := 0
	known := map[string]bool{} // the same cycle may be found from several edges
	for i := range w.g.edges {
		e := &w.g.edges[i]
		if e.kind != anchor {
			continue
		}
		from, ok := w.within(e)
		if !ok || slices.ContainsFunc(before, func(b *walk) bool { _, ok := b.within(e); return ok }) {
			continue
		}
		if count++; count > examplesMax {
			continue
		}
		var cycle []edge
		if anchor == rw && w.nonadjacent {
			// A cycle of one rw edge says more than a shorter one of several.
			cycle = f.shortest(w, from, e, w.kinds&^rw)
		}
		if cycle == nil {
			cycle = f.shortest(w, from, e, w.kinds)
		}
		if a := w.g.anomaly(cycle); !known[a.Text] {
			known[a.Text] = true
			found = append(found, a)
		}
	}
	if count > examplesMax {
		found[len(found)-1].Count += count - examplesMax
	}
	return found
}

// cycles looks for all kinds of cycles, the worst first.
func (g *graph) cycles() []Anomaly {
	var found []Anomaly
	for _, time := range []kind{0, rt} {
		anchors := [4]kind{ww, wr, rw, rw}
		if time != 0 {
			anchors = [4]kind{rt, rt, rt, rt}
		}
		var before []*walk
		for i, w := range []*walk{
			newWalk(g, ww|time, false), newWalk(g, ww|wr|time, false),
			newWalk(g, ww|wr|rw|time, true), newWalk(g, ww|wr|rw|time, false),
		} {
			found = append(found, w.search(anchors[i], before)...)
			if time != 0 || i >= 2 {
				before = append(before, w)
			}
		}
	}
	return found
}
