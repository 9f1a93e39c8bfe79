package sqldiff

// shrink makes a statement smaller as long as fails says yes, and asks it at most
// budget times. It works on the tree: what is optional is left out, an expression
// gives way to one below it of the same type or to a constant.
func shrink(root *node, budget int, fails func(*node) bool) *node {
	for changed := true; changed && budget > 0; {
		changed = false
		for _, c := range candidates(root) {
			if budget--; budget < 0 {
				break
			}
			if t := c(root); t.size() < root.size() && fails(t) {
				root, changed = t, true
				break
			}
		}
	}
	return root
}

// candidates are the ways to make a tree smaller, the big steps first.
func candidates(root *node) []func(*node) *node {
	var out []func(*node) *node
	queue := []*node{root}
	for len(queue) > 0 {
		n := queue[0]
		queue = queue[1:]
		if n.optional {
			out = append(out, replacement(n, &node{}))
		}
		if n.typ != "" && n.size() > 1 {
			out = append(out, replacement(n, expression(n.typ, simplest(n.typ))))
			for _, d := range below(n) {
				if d.typ == n.typ {
					out = append(out, replacement(n, d))
				}
			}
		}
		for _, p := range n.parts {
			if p.sub != nil {
				queue = append(queue, p.sub)
			}
		}
	}
	return out
}

// below are the nodes under n, the nearest first.
func below(n *node) []*node {
	var out []*node
	queue := []*node{n}
	for len(queue) > 0 {
		for _, p := range queue[0].parts {
			if p.sub != nil {
				queue, out = append(queue, p.sub), append(out, p.sub)
			}
		}
		queue = queue[1:]
	}
	return out
}

// replacement returns a function that copies a tree with b in the place of a.
func replacement(a, b *node) func(*node) *node {
	var copyOf func(n *node) *node
	copyOf = func(n *node) *node {
		if n == a {
			return b
		}
		c := *n
		c.parts = make([]part, len(n.parts))
		for i, p := range n.parts {
			if p.sub != nil {
				p.sub = copyOf(p.sub)
			}
			c.parts[i] = p
		}
		return &c
	}
	return copyOf
}
