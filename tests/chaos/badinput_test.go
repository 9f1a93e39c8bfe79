package chaos

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// Bad flags, bad addresses and bad stores end with the exit code that scripts rely
// on and an error that says what is wrong; the cluster beside them does not notice.
func TestBadCommandLine(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, 2*time.Minute)
	n, err := c.Add(ctx)
	must(t, err)
	must(t, n.WaitSQL(ctx))

	t.Run("port in use", func(t *testing.T) {
		for _, flag := range []string{"--listen-sql", "--listen-rpc", "--listen-http"} {
			args := map[string]string{"--listen-sql": "127.0.0.1:0", "--listen-rpc": "127.0.0.1:0", "--listen-http": "127.0.0.1:0"}
			args[flag] = n.SQL
			line := []string{"start", "--store", t.TempDir()}
			for k, v := range args {
				line = append(line, k, v)
			}
			out := c.Run(within(t, 20*time.Second), line...)
			wantExit(t, out, 1, n.SQL)
		}
	})
	t.Run("store of another cluster", func(t *testing.T) {
		other := cluster.New(cluster.Options{Binary: binaryPath(t), Dir: t.TempDir(), Log: t.Logf})
		defer func() {
			if err := other.Close(); err != nil {
				t.Error(err)
			}
		}()
		m, err := other.Add(ctx)
		must(t, err)
		must(t, m.WaitSQL(ctx))
		if _, err := m.Stop(10 * time.Second); err != nil {
			t.Fatal(err)
		}
		out := c.Run(within(t, 30*time.Second), "start", "--store", m.Dir, "--join", n.RPC, "--listen-sql", "127.0.0.1:0", "--listen-rpc", "127.0.0.1:0", "--listen-http", "127.0.0.1:0")
		wantExit(t, out, 1, "cluster")
	})
	t.Run("store in use", func(t *testing.T) {
		out := c.Run(within(t, 20*time.Second), "start", "--store", n.Dir, "--listen-sql", "127.0.0.1:0", "--listen-rpc", "127.0.0.1:0", "--listen-http", "127.0.0.1:0")
		wantExit(t, out, 1, n.Dir)
	})
	t.Run("usage", func(t *testing.T) {
		for _, args := range [][]string{
			{"start", "--no-such-flag"}, {"start"}, {"nonsense"}, {"region", "nonsense"}, {"region", "describe"}, {"region", "describe", "x"},
			{"region", "transfer-leader", "2"}, {"wait", "--for", "nonsense"}, {"region", "ls", "-o", "nonsense"}, {"status", "--timeout", "soon"},
			{"start", "--store", t.TempDir(), "--listen-sql", "nonsense"}, {"start", "--store", t.TempDir(), "--listen-sql", "0.0.0.0:0"},
			{"demo", "--nodes", "0"},
		} {
			if args[0] != "start" && args[0] != "demo" {
				args = append(args, "--host", n.RPC)
			}
			wantExit(t, c.Run(within(t, 20*time.Second), args...), 2, "")
		}
	})
	t.Run("unreachable", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		must(t, err)
		nobody := l.Addr().String()
		must(t, l.Close())
		for _, args := range [][]string{{"status"}, {"region", "ls"}, {"node", "ls"}, {"sql", "-c", "SELECT 1"}} {
			wantExit(t, c.Run(within(t, 20*time.Second), append(args, "--host", nobody, "--timeout", "3s")...), 3, nobody)
		}
	})
	must(t, n.WaitSQL(ctx))
}

// wantExit checks a command's exit code, that it says why, and that the reason
// names what it should.
func wantExit(t *testing.T, out cluster.Output, code int, names string) {
	t.Helper()
	line := "quorate " + strings.Join(out.Args, " ")
	if out.Code != code {
		t.Errorf("%s: exit code %d, want %d\n%s", line, out.Code, code, out.Stderr)
	}
	if strings.TrimSpace(out.Stderr) == "" {
		t.Errorf("%s: says nothing on stderr", line)
	}
	if !strings.Contains(out.Stderr, names) {
		t.Errorf("%s: %q is not named in: %s", line, names, out.Stderr)
	}
	if strings.Contains(out.Stderr, "goroutine ") {
		t.Errorf("%s: printed a stack:\n%s", line, out.Stderr)
	}
	if out.Stdout != "" {
		t.Errorf("%s: stdout has %q", line, out.Stdout)
	}
}

// Hostile bytes on the SQL port: each gets an error or a closed connection, the
// process lives, and a connection that works all the time does not notice.
func TestBadBytes(t *testing.T) {
	c := newCluster(t)
	ctx := within(t, 2*time.Minute)
	n, err := c.Add(ctx)
	must(t, err)
	must(t, n.WaitSQL(ctx))
	pid := n.PID()
	stop := make(chan struct{})
	bystander := make(chan error, 1)
	go func() { bystander <- workOn(n, stop) }()

	startup := "user\x00postgres\x00database\x00postgres\x00\x00"
	hello := frame(0, append([]byte{0, 3, 0, 0}, startup...))
	for _, b := range []struct {
		name string
		// before is sent first; if it logs in, ReadyForQuery is awaited.
		before, bytes []byte
		login         bool
		want          string // in what comes back; empty: anything, or a closed connection
		lives         bool   // the connection goes on: a query is answered afterwards
	}{
		{name: "not a startup packet", bytes: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{name: "startup shorter than its header", bytes: []byte{0, 0, 0, 4}},
		{name: "startup of negative length", bytes: []byte{0xff, 0xff, 0xff, 0xff, 0, 3, 0, 0}},
		{name: "startup of 2 GiB", bytes: []byte{0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 0}},
		{name: "startup without the last zero", bytes: frame(0, append([]byte{0, 3, 0, 0}, "user\x00postgres"...))},
		{name: "startup of protocol 1", bytes: frame(0, []byte{0, 1, 0, 0, 0}), want: "0A000"},
		{name: "startup without a user", bytes: frame(0, []byte{0, 3, 0, 0, 0}), want: "28000"},
		{name: "message of 4 GiB", before: hello, login: true, bytes: []byte{'Q', 0xff, 0xff, 0xff, 0xff}, want: "08P01"},
		{name: "message of 2 GiB", before: hello, login: true, bytes: []byte{'Q', 0x7f, 0xff, 0xff, 0xff}, want: "08P01"},
		{name: "message shorter than its length field", before: hello, login: true, bytes: []byte{'Q', 0, 0, 0, 3}, want: "08P01"},
		{name: "message of an unknown type", before: hello, login: true, bytes: frame('~', nil), want: "08P01"},
		{name: "query without a body", before: hello, login: true, bytes: frame('Q', nil), want: "08P01"},
		{name: "empty query", before: hello, login: true, bytes: frame('Q', []byte{0}), want: "I", lives: true},
		{name: "bind with a negative length", before: hello, login: true,
			bytes: join(frame('P', []byte("\x00select $1::text\x00\x00\x00")), frame('B', []byte("\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00")), frame('S', nil)), want: "08P01"},
		{name: "bind with a length beyond the message", before: hello, login: true,
			bytes: join(frame('P', []byte("\x00select $1::text\x00\x00\x00")), frame('B', []byte("\x00\x00\x00\x00\x00\x01\x7f\xff\xff\xff\x00\x00")), frame('S', nil)), want: "08P01"},
		{name: "bind of nothing", before: hello, login: true, bytes: join(frame('B', nil), frame('S', nil)), want: "08P01"},
		{name: "invalid UTF-8", before: hello, login: true, bytes: frame('Q', []byte("select '\xff\xfe'\x00")), want: "22021", lives: true},
		{name: "100,000 brackets", before: hello, login: true, bytes: frame('Q', []byte("select "+strings.Repeat("(", 100000)+"1"+strings.Repeat(")", 100000)+"\x00")), want: "54001", lives: true},
		{name: "a cancel request with a wrong key", bytes: frame(0, []byte{4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2})},
		{name: "half a message, then gone", before: hello, login: true, bytes: []byte{'Q', 0, 0, 1, 0, 's', 'e'}},
	} {
		t.Run(b.name, func(t *testing.T) {
			got, err := talk(n.SQL, b.before, b.bytes, b.login, b.name == "half a message, then gone", b.lives)
			if err != nil {
				t.Error(err)
			}
			if b.want != "" && !strings.Contains(string(got), b.want) {
				t.Errorf("answered %q, want %s in it", got, b.want)
			}
			if n.PID() != pid || !n.Running() {
				t.Fatalf("the process is gone: %s", n.Stderr())
			}
		})
	}
	close(stop)
	if err := <-bystander; err != nil {
		t.Errorf("the connection beside them: %v", err)
	}
}

// workOn runs statements on one connection until stop is closed.
func workOn(n *cluster.Node, stop <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }() // all answers were read
	if _, err := conn.Exec(ctx, "CREATE TABLE beside (id int PRIMARY KEY)"); err != nil {
		return err
	}
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		if _, err := conn.Exec(ctx, "INSERT INTO beside VALUES ($1)", i); err != nil {
			return err
		}
		var count int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM beside").Scan(&count); err != nil {
			return err
		}
		if count != i+1 {
			return fmt.Errorf("%d rows after %d inserts", count, i+1)
		}
	}
}

// frame is a message: its type (0: none, as at startup), length and body.
func frame(kind byte, body []byte) []byte {
	var b []byte
	if kind != 0 {
		b = append(b, kind)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)+4))
	return append(b, body...)
}

func join(parts ...[]byte) (out []byte) {
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// talk sends bytes and returns what comes back until the server closes the
// connection, or is ready for a query again. If lives, the connection must answer
// one more query.
func talk(addr string, before, bytes []byte, login, leave, lives bool) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(15 * time.Second)); err != nil {
		return nil, err
	}
	if login {
		if _, err := conn.Write(before); err != nil {
			return nil, err
		}
		if got, err := untilReady(conn); err != nil {
			return got, fmt.Errorf("log in: %w: %q", err, got)
		}
	}
	if _, err := conn.Write(bytes); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if leave {
		return nil, nil
	}
	if !login {
		// No more will come: the server has to decide with what it has.
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			return nil, err
		}
	}
	got, err := untilReady(conn)
	if err == nil && lives {
		if _, err := conn.Write(frame('Q', []byte("select 41 + 1\x00"))); err != nil {
			return got, fmt.Errorf("the connection is dead afterwards: %w", err)
		}
		if more, err := untilReady(conn); err != nil || !strings.Contains(string(more), "42") {
			return got, fmt.Errorf("the connection does not answer afterwards: %v %q", err, more)
		}
	}
	if err == io.EOF || isReset(err) {
		if lives {
			return got, fmt.Errorf("the connection was closed: %q", got)
		}
		return got, nil
	}
	return got, err
}

func isReset(err error) bool {
	return err != nil && strings.Contains(err.Error(), "connection reset")
}

// untilReady reads messages up to ReadyForQuery. io.EOF: the server closed.
func untilReady(r io.Reader) ([]byte, error) {
	var all []byte
	head := make([]byte, 5)
	for {
		if _, err := io.ReadFull(r, head); err != nil {
			if err == io.ErrUnexpectedEOF {
				err = io.EOF
			}
			return all, err
		}
		size := binary.BigEndian.Uint32(head[1:])
		if size < 4 || size > 1<<24 {
			return append(all, head...), fmt.Errorf("the server sent a message of %d bytes", size)
		}
		body := make([]byte, size-4)
		if _, err := io.ReadFull(r, body); err != nil {
			return all, err
		}
		all = append(append(all, head[0]), body...)
		if head[0] == 'Z' {
			return all, nil
		}
	}
}
