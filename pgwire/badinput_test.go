package pgwire

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
)

// TestTruncated cuts every message of the transcripts short at every byte and
// closes the connection: the server ends that session and no other.
func TestTruncated(t *testing.T) {
	s := newTestServer(t, nil)
	witness := s.login(t)
	seen := map[string]bool{}
	for _, msg := range seeds(t) {
		if seen[string(msg)] {
			continue
		}
		seen[string(msg)] = true
		for n := range len(msg) {
			for _, loggedIn := range []bool{false, true} {
				near, far := net.Pipe()
				s.ServeConn(far)
				near.SetDeadline(time.Now().Add(testTimeout))
				go drain(near)
				if loggedIn {
					near.Write(startupPacket(protocol30, "user=app"))
				}
				near.Write(msg[:n]) // the server may have closed already
				near.Close()
			}
		}
		witness.mustWork()
	}
	if len(seen) < 50 {
		t.Errorf("only %d messages", len(seen))
	}
	eventually(t, "the end of the sessions", func() bool { return s.Connections() == 1 })
	witness.mustWork()
}

func drain(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		if _, err := c.Read(buf); err != nil {
			return
		}
	}
}

// seeds returns the messages of all transcripts.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	files, err := filepath.Glob("testdata/transcripts/*")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	var msgs [][]byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			word, _, _ := strings.Cut(line, " ")
			switch word {
			case "", "#", "send", "connect", "login", "----":
				continue
			}
			// Lines of expected output are no messages and fall out here.
			if b, err := encodeLineSafely(line); err == nil {
				msgs = append(msgs, b)
			}
		}
	}
	return msgs
}

func encodeLineSafely(line string) (b []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = os.ErrInvalid
		}
	}()
	return encodeLine(line)
}

// TestLengthAllocatesNothing: what a client announces costs no memory before it
// sends it, at the start nor later, also when it has sent more than fits into
// the buffers that are there anyway. These announcements add up to 6 GB.
func TestLengthAllocatesNothing(t *testing.T) {
	const n = 200
	s := newTestServer(t, nil)
	before := heapInUse()
	for i := range n {
		near, far := net.Pipe()
		defer near.Close()
		s.ServeConn(far)
		near.SetDeadline(time.Now().Add(testTimeout))
		if i%2 == 0 {
			go drain(near)
			near.Write(startupPacket(protocol30, "user=app"))
			near.Write(append([]byte("Q\x03\xff\xff\xff"), make([]byte, 20<<10)...))
		} else {
			near.Write(append([]byte("\x00\x00\x27\x10\x00\x03\x00\x00"), make([]byte, 600)...))
		}
	}
	eventually(t, "start of the sessions", func() bool { return s.engine.open.Load() == n/2 })
	if used := int64(heapInUse()) - int64(before); used > n*(40<<10) {
		t.Errorf("%d connections with announced messages hold %d KiB each", n, used/n>>10)
	}
}

// TestIdleMemory: idle connections hold no buffers, even after large results:
// 10,000 of them must fit into 200 MB with their goroutines.
func TestIdleMemory(t *testing.T) {
	const n = 500
	s := newTestServer(t, nil)
	addr := s.listen(t)
	before := memoryInUse()
	conns := make([]net.Conn, n)
	buf := make([]byte, 1<<20)
	for i := range conns {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(testTimeout))
		conns[i] = c
		query, err := (&pgproto3.Query{String: "rows 2000" + strings.Repeat(";", 3000)}).Encode(nil)
		if err != nil {
			t.Fatal(err)
		}
		c.Write(append(startupPacket(protocol30, "user=app"), query...))
		for got := buf[:0]; bytes.Count(got, []byte("Z\x00\x00\x00\x05I")) < 2; {
			m, err := c.Read(buf[len(got):])
			if err != nil {
				t.Fatal(err)
			}
			got = buf[:len(got)+m]
		}
	}
	eventually(t, "rest of the connections", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		idle := 0
		for c := range s.mu.conns {
			if c.idle.Load() {
				idle++
			}
		}
		return idle == n
	})
	used := int64(memoryInUse()) - int64(before)
	t.Logf("%d bytes for each idle connection, both ends", used/n)
	if used > n*(20<<10) {
		t.Errorf("%d idle connections hold %d KiB each", n, used/n>>10)
	}
}

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
