package pgwire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgproto3/v2"
)

// FuzzStartup: whatever a client sends first, the server answers or closes, and
// does not wait for more than the client announced.
func FuzzStartup(f *testing.F) {
	for _, b := range seeds(f) {
		f.Add(b)
	}
	s := newTestServer(f, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		near, far := net.Pipe()
		s.ServeConn(far)
		near.SetDeadline(time.Now().Add(testTimeout))
		answer := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(near)
			answer <- b
		}()
		near.Write(data)
		near.Close()
		b := <-answer
		// One N for each request for encryption, then messages.
		b = bytes.TrimLeft(b, "N")
		checkOrder(t, b, false)
	})
}

// FuzzFrontendMessage: any message of any type, sent by a client that is logged
// in, is answered in protocol order.
func FuzzFrontendMessage(f *testing.F) {
	for _, b := range seeds(f) {
		if len(b) > 5 {
			f.Add(b[0], b[5:])
		}
	}
	s := newTestServer(f, nil)
	s.engine.limit = 1000
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		msg := append([]byte{typ}, binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))...)
		session(t, s, append(msg, body...))
	})
}

// FuzzSession: any sequence of messages is answered in protocol order and ends
// with ReadyForQuery.
func FuzzSession(f *testing.F) {
	all := seeds(f)
	for i := range all {
		f.Add(bytes.Join(all[i:min(i+5, len(all))], nil))
	}
	s := newTestServer(f, nil)
	s.engine.limit = 1000
	f.Fuzz(func(t *testing.T, data []byte) {
		session(t, s, data)
	})
}

// session plays messages to a server, ends a copy and the cycle, leaves, and
// checks what came.
func session(t *testing.T, s *testServer, data []byte) {
	if bytes.Contains(data, []byte("wait")) {
		return
	}
	data = wholeMessages(data)
	var end []byte
	for _, m := range []pgproto3.FrontendMessage{&pgproto3.CopyFail{}, &pgproto3.Sync{}, &pgproto3.Terminate{}} {
		end, _ = m.Encode(end)
	}
	near, far := net.Pipe()
	s.ServeConn(far)
	near.SetDeadline(time.Now().Add(testTimeout))
	go func() {
		// The server may close first.
		near.Write(startupPacket(protocol30, "user=app"))
		near.Write(data)
		near.Write(end)
	}()
	answer, err := io.ReadAll(near)
	near.Close()
	if err != nil && !errors.Is(err, io.ErrClosedPipe) {
		t.Fatalf("after %d bytes: %v", len(answer), err)
	}
	checkOrder(t, answer, true)
}

// wholeMessages cuts off a last message that is not complete, and what follows a
// Terminate.
func wholeMessages(data []byte) []byte {
	for at := 0; at < len(data); {
		if len(data)-at < 5 {
			return data[:at]
		}
		n := binary.BigEndian.Uint32(data[at+1:])
		if n < 4 || n > messageBytesLimit {
			return data // the server ends the connection here
		}
		if int(n)+1 > len(data)-at || data[at] == 'X' {
			return data[:at]
		}
		at += 1 + int(n)
	}
	return data
}

// checkOrder checks that an answer consists of messages in an order that the
// protocol allows. finished says that the client ended its last cycle, so that
// the answer ends with ReadyForQuery or a FATAL error.
func checkOrder(t *testing.T, answer []byte, finished bool) {
	var last byte
	failed, fatal, copying := false, false, false
	for len(answer) > 0 {
		if len(answer) < 5 || int(binary.BigEndian.Uint32(answer[1:]))+1 > len(answer) {
			t.Fatalf("answer ends within a message: %q", answer[:min(len(answer), 20)])
		}
		n := int(binary.BigEndian.Uint32(answer[1:]))
		m := message{answer[0], answer[5 : 1+n]}
		answer = answer[1+n:]
		if strings.HasPrefix(m.String(), "unknown") {
			t.Fatal(m)
		}
		if fatal {
			t.Fatalf("%s after FATAL", m)
		}
		switch m.typ {
		case 'S', 'N':
		case 'E':
			fatal = strings.Contains(m.String(), `S="FATAL"`)
			if failed && !fatal {
				t.Fatal("two errors in a cycle")
			}
			failed, copying = true, false
		case 'Z':
			if copying {
				t.Fatal("ReadyForQuery within a copy")
			}
			failed = false
		default:
			if failed {
				t.Fatalf("%s between an error and ReadyForQuery", m)
			}
			switch m.typ {
			case 'H':
				copying = true
			case 'c':
				copying = false
			case 'D', 'C', 'T':
				if copying {
					t.Fatalf("%s within a copy", m)
				}
			}
		}
		last = m.typ
	}
	if finished && last != 'Z' && !fatal {
		t.Fatalf("answer ends with %q", last)
	}
}

// FuzzBind: the decoder of Bind accepts no more than pgproto3's, which has no
// bounds, and reads the same out of it.
func FuzzBind(f *testing.F) {
	for _, b := range seeds(f) {
		if b[0] == 'B' {
			f.Add(b[5:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c := &conn{}
		got, err := c.decodeBind(body)
		if err != nil {
			return
		}
		var want pgproto3.Bind
		if err := want.Decode(body); err != nil {
			t.Fatalf("pgproto3 refuses: %v", err)
		}
		if got.Portal != want.DestinationPortal || got.Statement != want.PreparedStatement || len(got.Params) != len(want.Parameters) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		for i, p := range got.Params {
			if (p.Value == nil) != (want.Parameters[i] == nil) || !bytes.Equal(p.Value, want.Parameters[i]) {
				t.Errorf("parameter %d is %q, want %q", i, p.Value, want.Parameters[i])
			}
			if p.Format != ResultFormat(want.ParameterFormatCodes, i) {
				t.Errorf("parameter %d has format %d", i, p.Format)
			}
		}
		if len(got.ResultFormats)+len(want.ResultFormatCodes) > 0 && !reflect.DeepEqual(got.ResultFormats, want.ResultFormatCodes) {
			t.Errorf("result formats %v, want %v", got.ResultFormats, want.ResultFormatCodes)
		}
	})
}
