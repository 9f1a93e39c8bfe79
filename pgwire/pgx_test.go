package pgwire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func connectPgx(t *testing.T, addr, options string) *pgx.Conn {
	t.Helper()
	ctx := contextWithTimeout(t)
	c, err := pgx.Connect(ctx, "postgres://app@"+addr+"/shop?sslmode=disable"+options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

// TestPgxModes: a real driver understands the server in each of its ways to run
// a statement.
func TestPgxModes(t *testing.T) {
	s := newTestServer(t, nil)
	addr := s.listen(t)
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		t.Run(mode, func(t *testing.T) {
			ctx := contextWithTimeout(t)
			c := connectPgx(t, addr, "&default_query_exec_mode="+mode)
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				args := []any{"one", "two"}
				sql := "echo $1 $2"
				if mode == "simple_protocol" {
					sql, args = "echo one two", nil
				}
				var a, b string
				if err := c.QueryRow(ctx, sql, args...).Scan(&a, &b); err != nil || a != "one" || b != "two" {
					t.Fatalf("%q %q %v", a, b, err)
				}
			}
			rows, err := c.Query(ctx, "rows 5000")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for rows.Next() {
				var id int
				var name *string
				if err := rows.Scan(&id, &name); err != nil || id != n || (name == nil) != (n%3 == 2) {
					t.Fatal(id, name, err)
				}
				n++
			}
			if rows.Err() != nil || n != 5000 || rows.CommandTag().String() != "SELECT 5000" {
				t.Fatal(n, rows.CommandTag(), rows.Err())
			}
			_, err = c.Exec(ctx, "error 23505 duplicate")
			var e *pgconn.PgError
			if !errors.As(err, &e) || e.Code != "23505" || e.ConstraintName != "t_pkey" || e.TableName != "t" {
				t.Fatalf("%#v", err)
			}
			tx, err := c.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(ctx, "nothing"); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(ctx); err != nil {
				t.Fatal(err)
			}
			batch := &pgx.Batch{}
			for range 100 {
				batch.Queue("rows 3")
			}
			batch.Queue("error 22012 division by zero")
			batch.Queue("nothing")
			res := c.SendBatch(ctx, batch)
			for range 100 {
				if tag, err := res.Exec(); err != nil || tag.RowsAffected() != 3 {
					t.Fatal(tag, err)
				}
			}
			if _, err := res.Exec(); err == nil {
				t.Fatal("batch has no error")
			}
			if err := res.Close(); err == nil {
				t.Fatal("batch has no error at its end")
			}
			if err := c.Ping(ctx); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Exec(ctx, "set TimeZone Europe/Berlin"); err != nil {
				t.Fatal(err)
			}
			if v := c.PgConn().ParameterStatus("TimeZone"); v != "Europe/Berlin" {
				t.Errorf("TimeZone is %q", v)
			}
		})
	}
}

// TestPgxCopyCancel: COPY in both directions, and cancel over a second
// connection, also with the long keys of protocol 3.2.
func TestPgxCopyCancel(t *testing.T) {
	s := newTestServer(t, nil)
	addr := s.listen(t)
	for _, options := range []string{"", "&min_protocol_version=3.2&max_protocol_version=3.2"} {
		ctx := contextWithTimeout(t)
		c := connectPgx(t, addr, options).PgConn()
		tag, err := c.CopyFrom(ctx, io.LimitReader(zeroes{}, 5<<20), "copyin")
		if err != nil || tag.RowsAffected() != 5<<20 {
			t.Fatal(tag, err)
		}
		if _, err := c.CopyFrom(ctx, strings.NewReader("bad"), "copyin"); err == nil {
			t.Fatal("bad data is taken")
		}
		var out strings.Builder
		if tag, err = c.CopyTo(ctx, &out, "copyout 3"); err != nil || out.String() != "0\tx\n1\tx\n2\tx\n" {
			t.Fatal(tag, out.String(), err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := c.Exec(ctx, "wait").ReadAll()
			done <- err
		}()
		<-s.engine.waiting
		if err := c.CancelRequest(ctx); err != nil {
			t.Fatal(err)
		}
		var e *pgconn.PgError
		if err := <-done; !errors.As(err, &e) || e.Code != "57014" {
			t.Fatal(err)
		}
	}
}

type zeroes struct{}

func (zeroes) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = '0'
	}
	return len(b), nil
}

// TestPgxPipeline: libpq's pipeline mode, as pgbench uses it: many cycles under
// way, errors skip to their own Sync.
func TestPgxPipeline(t *testing.T) {
	s := newTestServer(t, nil)
	ctx := contextWithTimeout(t)
	c := connectPgx(t, s.listen(t), "").PgConn()
	p := c.StartPipeline(ctx)
	for i := range 50 {
		p.SendQueryParams("echo $1", [][]byte{[]byte(fmt.Sprint(i))}, nil, nil, nil)
		if i == 20 {
			p.SendQueryParams("error 22012 x", nil, nil, nil, nil)
			p.SendQueryParams("nothing", nil, nil, nil, nil)
		}
		if err := p.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	rows, failed, syncs := 0, 0, 0
	for syncs < 50 {
		r, err := p.GetResults()
		if err != nil {
			failed++
			continue
		}
		switch r := r.(type) {
		case *pgconn.ResultReader:
			res := r.Read()
			if res.Err != nil {
				failed++
			} else if string(res.Rows[0][0]) == fmt.Sprint(syncs) {
				rows++
			}
		case *pgconn.PipelineSync:
			syncs++
		}
	}
	if rows != 50 || failed != 1 {
		t.Errorf("%d rows, %d errors", rows, failed)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestTLS: encryption by SSLRequest, and started at once; plaintext that comes
// along with the request is refused.
func TestTLS(t *testing.T) {
	cert := newCertificate(t)
	s := newTestServer(t, func(o *Options) {
		o.TLSConfig = func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }
	})
	addr := s.listen(t)
	for _, options := range []string{"", "&sslnegotiation=direct"} {
		ctx := contextWithTimeout(t)
		c, err := pgx.Connect(ctx, "postgres://app@"+addr+"/shop?sslmode=require"+options)
		if err != nil {
			t.Fatal(err)
		}
		var a string
		if err := c.QueryRow(ctx, "echo $1", "secret").Scan(&a); err != nil || a != "secret" {
			t.Errorf("%q %v", a, err)
		}
		if !s.engine.lastSession().params.TLS {
			t.Error("the session does not know of TLS")
		}
		c.Close(ctx)
	}
	c := s.connect(t)
	c.write(append([]byte("\x00\x00\x00\x08\x04\xd2\x16\x2f"), startupPacket(protocol30, "user=app")...))
	if got := join(c.until("closed")); !strings.Contains(got, "unencrypted data after SSL request") {
		t.Errorf("got %s", got)
	}
	// Direct TLS from a client that may mean another protocol.
	d, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		d.Write(startupPacket(protocol30, "user=app"))
		b, _ := io.ReadAll(d)
		if !strings.Contains(string(b), "ALPN") {
			t.Errorf("direct TLS without ALPN got %q", b)
		}
		d.Close()
	}
	// Other connections still work in the clear.
	s.login(t).mustWork()
}
