package txn

import (
	"bytes"
	"math/bits"

	"github.com/quorate-db/quorate/internal/timestamp"
)

// op is what a buffered write does to its key.
type op uint8

const (
	opNone op = iota // undone
	opPut
	opDelete
	opLock
)

// buffer keeps a transaction's writes in key order: a skip list whose nodes hold
// the versions that a savepoint or an open iterator may still want to see.
//
// Every write has a sequence number. A savepoint or an iterator that was made at
// number n sees of every key the newest version at or below n.
type buffer struct {
	head  node
	level int
	nodes uint64 // nodes ever made; also the source of their heights

	count int   // keys with a write
	bytes int64 // see node.footprint
	limit int64

	// since is the timestamp of the snapshot that writes are made by; 0: that of the
	// transaction's start.
	since timestamp.Timestamp

	seq        uint64
	lastID     uint64
	savepoints []mark // rising
	iterators  []mark
	undo       []undoEntry
}

// mark is a holder of old versions.
type mark struct{ id, seq uint64 }

// Savepoint names a state of a transaction's write buffer. The zero value names
// none.
type Savepoint struct {
	id    uint64
	locks int // keys locked before
}

const (
	levelMax = 20
	// nodeOverhead is about what a node takes beside key and value.
	nodeOverhead = 120
	undoOverhead = 32
	// entryBytesMax bounds key and value of one write: it must fit into a raft
	// entry of 4 MB, and a transaction is only ever cut between keys.
	entryBytesMax = 3 << 20
)

type node struct {
	key  []byte
	top  version
	next []*node
	// undone is the number of the node's newest undo entry, or of one that is gone.
	undone uint64
}

type version struct {
	seq   uint64
	op    op
	fresh bool // the key must not exist when the transaction commits
	// keyStays: of a put, all that the transaction did to the row leaves its key.
	keyStays bool
	since    timestamp.Timestamp
	value    []byte
	prev     *version
}

// undoEntry says that a node got a version at seq that a savepoint below may
// have to take back. There is one for a node between two savepoints at most; before
// is the number of the one that the node had then.
type undoEntry struct {
	n           *node
	seq, before uint64
}

func (b *buffer) init(limit int64) {
	b.limit = limit
	b.head.next = make([]*node, levelMax)
	b.level = 1
}

// drop forgets everything.
func (b *buffer) drop() {
	limit, since := b.limit, b.since
	*b = buffer{since: since}
	b.init(limit)
}

func (b *buffer) put(key, value []byte) error {
	return b.write(key, version{op: opPut, value: value})
}
func (b *buffer) delete(key []byte) error { return b.write(key, version{op: opDelete}) }

// update is put with the promise that the key of the row stays.
func (b *buffer) update(key, value []byte) error {
	return b.write(key, version{op: opPut, value: value, keyStays: true})
}

// insert puts a key that must not exist when the transaction commits.
func (b *buffer) insert(key, value []byte) error {
	return b.write(key, version{op: opPut, value: value, fresh: true})
}

// lock adds a lock unless the key is written anyway.
func (b *buffer) lock(key []byte) error {
	if v := b.lookup(key); v != nil && v.op != opNone {
		return nil
	}
	return b.write(key, version{op: opLock})
}

// lookup returns the newest version of a key, or nil.
func (b *buffer) lookup(key []byte) *version {
	if b.count == 0 {
		return nil
	}
	n := b.seek(key, nil)
	if n == nil || !bytes.Equal(n.key, key) || n.top.op == opNone {
		return nil
	}
	return &n.top
}

// seek returns the first node at or above key and fills path, if given, with the
// last nodes below it on every level.
func (b *buffer) seek(key []byte, path *[levelMax]*node) *node {
	x := &b.head
	for l := b.level - 1; l >= 0; l-- {
		for x.next[l] != nil && bytes.Compare(x.next[l].key, key) < 0 {
			x = x.next[l]
		}
		if path != nil {
			path[l] = x
		}
	}
	return x.next[0]
}

// below returns the last node below key (empty: the last of all), or nil.
func (b *buffer) below(key []byte) *node {
	x := &b.head
	for l := b.level - 1; l >= 0; l-- {
		for x.next[l] != nil && (len(key) == 0 || bytes.Compare(x.next[l].key, key) < 0) {
			x = x.next[l]
		}
	}
	if x == &b.head {
		return nil
	}
	return x
}

// write puts a version without its number on top of a key.
func (b *buffer) write(key []byte, v version) error {
	if n := len(key) + len(v.value); n > entryBytesMax {
		return &TooLargeError{Key: key, Bytes: int64(n), Limit: entryBytesMax}
	}
	var path [levelMax]*node
	n := b.seek(key, &path)
	found := n != nil && bytes.Equal(n.key, key)
	grow := int64(len(v.value))
	if !found {
		grow += int64(len(key)) + nodeOverhead
	}
	if total := b.bytes + grow; total > b.limit {
		return &TooLargeError{Bytes: total, Limit: b.limit}
	}
	if !found {
		n = b.link(key, &path)
	}
	b.seq++
	if len(b.savepoints) > 0 && n.top.seq <= b.savepoints[len(b.savepoints)-1].seq {
		b.undo = append(b.undo, undoEntry{n: n, seq: b.seq, before: n.undone})
		n.undone = b.seq
		b.bytes += undoOverhead
	}
	if n.top.op == opNone {
		b.count++
	}
	v.seq, v.since = b.seq, b.since
	v.fresh = v.fresh || n.top.fresh
	if n.top.op != opNone {
		// What was there when the key was first written must not have changed since.
		v.since = n.top.since
		v.keyStays = v.keyStays && (n.top.keyStays || n.top.op == opLock)
	}
	v.prev = b.keep(n.top, v.seq)
	n.top = v
	b.bytes += grow
	return nil
}

// keep returns the chain of v without the versions that nobody can see.
// above is the number of the version on top of it.
func (b *buffer) keep(v version, above uint64) *version {
	var first *version
	last := &first
	for p := &v; p != nil; p = p.prev {
		if p.seq != 0 && b.seen(p.seq, above) {
			kept := &version{seq: p.seq, op: p.op, fresh: p.fresh, keyStays: p.keyStays, since: p.since, value: p.value}
			*last, last = kept, &kept.prev
		} else {
			b.bytes -= int64(len(p.value))
		}
		above = p.seq
	}
	return first
}

// seen reports whether a savepoint or iterator stands in [from, to).
func (b *buffer) seen(from, to uint64) bool {
	for _, m := range b.savepoints {
		if from <= m.seq && m.seq < to {
			return true
		}
	}
	for _, m := range b.iterators {
		if from <= m.seq && m.seq < to {
			return true
		}
	}
	return false
}

// link adds a node behind path. Heights follow from a hash of the node's number:
// a quarter of the nodes of a level reach the next one.
func (b *buffer) link(key []byte, path *[levelMax]*node) *node {
	b.nodes++
	h := (b.nodes * 0x9e3779b97f4a7c15) ^ (b.nodes << 7)
	h ^= h >> 31
	h *= 0xbf58476d1ce4e5b9
	height := min(1+bits.TrailingZeros64(h|1<<63)/2, levelMax)
	for b.level < height {
		path[b.level] = &b.head
		b.level++
	}
	n := &node{key: key, next: make([]*node, height)}
	for l := range n.next {
		n.next[l], path[l].next[l] = path[l].next[l], n
	}
	return n
}

func (b *buffer) savepoint() Savepoint {
	b.lastID++
	b.savepoints = append(b.savepoints, mark{id: b.lastID, seq: b.seq})
	return Savepoint{id: b.lastID}
}

func (b *buffer) findSavepoint(sp Savepoint) (int, error) {
	for i := len(b.savepoints) - 1; i >= 0; i-- {
		if b.savepoints[i].id == sp.id {
			return i, nil
		}
	}
	return 0, ErrNoSavepoint
}

func (b *buffer) rollbackTo(sp Savepoint) error {
	i, err := b.findSavepoint(sp)
	if err != nil {
		return err
	}
	b.savepoints = b.savepoints[:i+1]
	seq := b.savepoints[i].seq
	for len(b.undo) > 0 && b.undo[len(b.undo)-1].seq > seq {
		e := b.undo[len(b.undo)-1]
		b.undoTo(e.n, seq)
		e.n.undone = e.before
		b.undo = b.undo[:len(b.undo)-1]
		b.bytes -= undoOverhead
	}
	return nil
}

// undoTo takes the versions above seq off a node. The node itself stays, for an
// iterator may stand on it; it keeps counting towards the limit.
func (b *buffer) undoTo(n *node, seq uint64) {
	if n.top.seq <= seq {
		return
	}
	if n.top.op != opNone {
		b.count--
	}
	for n.top.seq > seq {
		b.bytes -= int64(len(n.top.value))
		if n.top.prev == nil {
			n.top = version{}
			return
		}
		n.top = *n.top.prev
	}
	if n.top.op != opNone {
		b.count++
	}
}

func (b *buffer) release(sp Savepoint) error {
	i, err := b.findSavepoint(sp)
	if err != nil {
		return err
	}
	inner := b.savepoints[i].seq
	b.savepoints = b.savepoints[:i]
	if i == 0 {
		b.bytes -= undoOverhead * int64(len(b.undo))
		b.undo = nil
		return nil
	}
	b.mergeUndo(b.savepoints[i-1].seq, inner)
	return nil
}

// mergeUndo drops the undo entries above inner of nodes that have one between outer
// and inner: the savepoint at inner is gone. So a transaction that sets and releases
// savepoints inside of another does not grow with their number.
func (b *buffer) mergeUndo(outer, inner uint64) {
	from := len(b.undo)
	for from > 0 && b.undo[from-1].seq > inner {
		from--
	}
	kept := b.undo[:from]
	for _, e := range b.undo[from:] {
		if e.before > outer {
			e.n.undone = e.before
			b.bytes -= undoOverhead
			continue
		}
		kept = append(kept, e)
	}
	clear(b.undo[len(kept):])
	b.undo = kept
}

// bufferIter walks over what was in the buffer when it was made.
type bufferIter struct {
	b          *buffer
	at         mark
	start, end []byte
	reverse    bool
	n          *node
	v          version // a copy: the node's may change meanwhile
}

func (b *buffer) iterate(start, end []byte, reverse bool) bufferIter {
	it := bufferIter{b: b, start: start, end: end, reverse: reverse}
	if b.count == 0 {
		return it
	}
	b.lastID++
	it.at = mark{id: b.lastID, seq: b.seq}
	b.iterators = append(b.iterators, it.at)
	if reverse {
		it.n = b.below(end)
	} else {
		it.n = b.seek(start, nil)
	}
	it.settle()
	return it
}

// valid reports whether the iterator stands on a write.
func (it *bufferIter) valid() bool { return it.v.op != opNone }

func (it *bufferIter) next() {
	it.step()
	it.settle()
}

func (it *bufferIter) step() {
	if it.reverse {
		it.n = it.b.below(it.n.key)
	} else {
		it.n = it.n.next[0]
	}
}

// settle goes on to the next node with a visible put or delete.
func (it *bufferIter) settle() {
	it.v = version{}
	for ; it.n != nil; it.step() {
		if it.reverse && bytes.Compare(it.n.key, it.start) < 0 ||
			!it.reverse && len(it.end) > 0 && bytes.Compare(it.n.key, it.end) >= 0 {
			it.n = nil
			return
		}
		v := &it.n.top
		for v != nil && v.seq > it.at.seq {
			v = v.prev
		}
		if v != nil && (v.op == opPut || v.op == opDelete) {
			it.v = *v
			return
		}
	}
}

func (it *bufferIter) close() {
	if it.b == nil {
		return
	}
	for i, m := range it.b.iterators {
		if m.id == it.at.id && it.at.id != 0 {
			it.b.iterators = append(it.b.iterators[:i], it.b.iterators[i+1:]...)
			break
		}
	}
	it.b, it.n, it.v = nil, nil, version{}
}
