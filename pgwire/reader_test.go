package pgwire

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
)

// pieces is a connection whose reads return pieces of random length.
type pieces struct {
	net.Conn
	data []byte
	rng  *rand.Rand
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.data[:min(len(p.data), 1+p.rng.IntN(1+p.rng.IntN(100<<10)))])
	p.data = p.data[n:]
	return n, nil
}

// TestReader: messages of all sizes arrive whole whatever pieces the stream comes
// in, and between them the buffer is released, or shrinks, without losing a byte.
func TestReader(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var stream []byte
		var bodies [][]byte
		for range 60 {
			body := make([]byte, rng.IntN(1<<rng.IntN(20)))
			for i := range body {
				body[i] = byte(rng.Uint32())
			}
			n := len(body) + 4
			stream = append(append(stream, 'd', byte(n>>24), byte(n>>16), byte(n>>8), byte(n)), body...)
			bodies = append(bodies, body)
		}
		r := newReader(&pieces{data: stream, rng: rng}, &buffers{}, 64<<20)
		r.trusted = rng.IntN(2) == 0
		for i, want := range bodies {
			_, body, err := r.readMessage()
			if err != nil || !bytes.Equal(body, want) {
				t.Fatalf("seed %d: message %d of %d bytes: %d bytes, %v", seed, i, len(want), len(body), err)
			}
			if len(want) < pooledBytes && r.buffered() < pooledBytes && len(r.buf) > keepBytesMax {
				t.Errorf("seed %d: buffer of %d bytes is kept for %d", seed, len(r.buf), len(want))
			}
			if rng.IntN(3) == 0 {
				r.release()
			}
		}
		if _, _, err := r.readMessage(); err != io.EOF {
			t.Fatalf("seed %d: end of stream is %v", seed, err)
		}
	}
}
