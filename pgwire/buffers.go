package pgwire

import "sync"

const (
	// pooledBytes is the size of the buffers that connections borrow while they
	// work. It holds the messages of ordinary statements and their results.
	pooledBytes = 16 << 10
	// flushBytes is how full the output buffer gets before it is sent in the middle
	// of a result: large enough that a system call costs little per row.
	flushBytes = 48 << 10
	// keepBytesMax bounds the buffers that a connection keeps within a cycle; a
	// larger one, grown for a single large message, goes to the garbage collector.
	keepBytesMax = 256 << 10
)

// buffers lends byte slices of pooledBytes to the connections of one server, so
// that their number follows the connections at work, not the open ones.
type buffers struct {
	pool sync.Pool // of *[pooledBytes]byte
}

func (b *buffers) get() []byte {
	if p, ok := b.pool.Get().(*[pooledBytes]byte); ok {
		return p[:]
	}
	return make([]byte, pooledBytes)
}

// put takes a slice back, whatever its length; one of another capacity, which
// did not come from get, is left to the garbage collector.
func (b *buffers) put(buf []byte) {
	if cap(buf) == pooledBytes {
		b.pool.Put((*[pooledBytes]byte)(buf[:pooledBytes]))
	}
}
