package sql

import (
	"context"

	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// tempBytesMax bounds the rows of a session's temporary tables, keys and overhead
// included: they are held in memory, and more is 53200.
const tempBytesMax = 256 << 20

// tempNodeOverhead is about what a pair takes beside key and value.
const tempNodeOverhead = 96

// tempRows holds pairs in the order of their keys. A fork costs nothing and neither
// sees later changes of the other: a treap whose nodes are copied before they are
// changed, unless they were made since the last fork. The zero value is empty. It
// belongs to one goroutine, forks included.
type tempRows struct {
	root  *tempNode
	owner *tempOwner // of the nodes that may be changed in place; nil: none
	bytes int64
	seed  uint32
}

type tempOwner struct{ _ byte }

type tempNode struct {
	key         string
	value       []byte
	left, right *tempNode
	rank        uint32 // of the heap: no child's is higher
	owner       *tempOwner
}

func (m *tempRows) fork() tempRows {
	m.owner = nil
	return tempRows{root: m.root, bytes: m.bytes, seed: m.seed}
}

func (m *tempRows) mine(n *tempNode) *tempNode {
	if m.owner == nil {
		m.owner = new(tempOwner)
	}
	if n.owner == m.owner {
		return n
	}
	c := *n
	c.owner = m.owner
	return &c
}

func pairBytes(key string, value []byte) int64 {
	return int64(len(key)+len(value)) + tempNodeOverhead
}

// get returns the value of a key, nil if there is none.
func (m *tempRows) get(key []byte) []byte {
	for n := m.root; n != nil; {
		switch k := string(key); {
		case k < n.key:
			n = n.left
		case k > n.key:
			n = n.right
		default:
			return n.value
		}
	}
	return nil
}

func (m *tempRows) put(key string, value []byte) error {
	if m.bytes+pairBytes(key, value) > tempBytesMax {
		return sqlerr.New(sqlerr.OutOfMemory, "temporary tables of a session hold at most %d MB", tempBytesMax>>20)
	}
	m.root = m.insert(m.root, key, value)
	return nil
}

func (m *tempRows) insert(n *tempNode, key string, value []byte) *tempNode {
	if n == nil {
		// Xorshift: ranks have to be spread, not secret.
		m.seed ^= m.seed<<13 | 1
		m.seed ^= m.seed >> 17
		m.seed ^= m.seed << 5
		m.bytes += pairBytes(key, value)
		return m.mine(&tempNode{key: key, value: value, rank: m.seed})
	}
	n = m.mine(n)
	switch {
	case key < n.key:
		n.left = m.insert(n.left, key, value)
		if l := n.left; l.rank > n.rank {
			n.left, l.right = l.right, n
			return l
		}
	case key > n.key:
		n.right = m.insert(n.right, key, value)
		if r := n.right; r.rank > n.rank {
			n.right, r.left = r.left, n
			return r
		}
	default:
		m.bytes += int64(len(value) - len(n.value))
		n.value = value
	}
	return n
}

func (m *tempRows) delete(key []byte) {
	if v := m.get(key); v != nil {
		m.bytes -= pairBytes(string(key), v)
		m.root = m.remove(m.root, string(key))
	}
}

// remove takes out a key that is there.
func (m *tempRows) remove(n *tempNode, key string) *tempNode {
	switch {
	case key < n.key:
		n = m.mine(n)
		n.left = m.remove(n.left, key)
	case key > n.key:
		n = m.mine(n)
		n.right = m.remove(n.right, key)
	default:
		return m.join(n.left, n.right)
	}
	return n
}

// join makes one tree of two of which all keys of a are below those of b.
func (m *tempRows) join(a, b *tempNode) *tempNode {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.rank > b.rank:
		a = m.mine(a)
		a.right = m.join(a.right, b)
		return a
	}
	b = m.mine(b)
	b.left = m.join(a, b.left)
	return b
}

// split cuts a tree into the keys below a key and the others.
func (m *tempRows) split(n *tempNode, key string) (below, rest *tempNode) {
	if n == nil {
		return nil, nil
	}
	n = m.mine(n)
	if n.key < key {
		n.right, rest = m.split(n.right, key)
		return n, rest
	}
	below, n.left = m.split(n.left, key)
	return below, n
}

// deleteRange takes out the keys in [start, end).
func (m *tempRows) deleteRange(start, end keys.User) {
	below, rest := m.split(m.root, string(start))
	gone, above := m.split(rest, string(end))
	var count func(n *tempNode)
	count = func(n *tempNode) {
		if n != nil {
			m.bytes -= pairBytes(n.key, n.value)
			count(n.left)
			count(n.right)
		}
	}
	count(gone)
	m.root = m.join(below, above)
}

// scan reads the pairs in [start, end) as they are now; an empty end is infinity.
func (m *tempRows) scan(start, end keys.User, reverse bool) *tempIterator {
	m.owner = nil
	it := &tempIterator{start: string(start), end: string(end), reverse: reverse}
	for n := m.root; n != nil; {
		switch {
		case reverse && (len(end) == 0 || n.key < it.end):
			it.path, n = append(it.path, n), n.right
		case reverse:
			n = n.left
		case n.key >= it.start:
			it.path, n = append(it.path, n), n.left
		default:
			n = n.right
		}
	}
	return it
}

// tempIterator implements exec.Iterator. path holds what is still to come, the next one
// last, without what lies on the far side of each.
type tempIterator struct {
	path       []*tempNode
	at         *tempNode
	start, end string
	reverse    bool
}

var _ exec.Iterator = (*tempIterator)(nil)

func (it *tempIterator) Next(context.Context) (bool, error) {
	if len(it.path) == 0 {
		return false, nil
	}
	it.at = it.path[len(it.path)-1]
	it.path = it.path[:len(it.path)-1]
	if it.reverse && it.at.key < it.start || !it.reverse && it.end != "" && it.at.key >= it.end {
		it.path = nil
		return false, nil
	}
	n := it.at.right
	if it.reverse {
		n = it.at.left
	}
	for n != nil {
		it.path = append(it.path, n)
		if it.reverse {
			n = n.right
		} else {
			n = n.left
		}
	}
	return true, nil
}

func (it *tempIterator) Key() []byte   { return []byte(it.at.key) }
func (it *tempIterator) Value() []byte { return it.at.value }
func (it *tempIterator) Close()        { it.path = nil }
