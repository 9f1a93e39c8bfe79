package sql

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Rows go in and out in binary, through pgx's CopyFrom, which knows no other
// format, and as bytes that come back the same.
func TestCopyBinary(t *testing.T) {
	ctx := context.Background()
	e, _ := newTestEngine(t)
	c := connect(t, serve(t, e))
	exec := func(q string) {
		t.Helper()
		if _, err := c.Exec(ctx, q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	exec("create table t (a int primary key, b text, c numeric(10,2), d timestamptz, e int[], f bytea, g bool)")
	rows := [][]any{{1, "one", "1.50", time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), []int32{1, 2}, []byte{0, 255}, true}, {2, nil, nil, nil, nil, nil, nil}, {3, "", "0", nil, []int32{}, []byte{}, false}}
	n, err := c.CopyFrom(ctx, pgx.Identifier{"t"}, []string{"a", "b", "c", "d", "e", "f", "g"}, pgx.CopyFromRows(rows))
	if err != nil || n != 3 {
		t.Fatalf("CopyFrom: %d rows, %v", n, err)
	}
	var first bytes.Buffer
	if _, err := c.PgConn().CopyTo(ctx, &first, "copy (select * from t order by a) to stdout (format binary)"); err != nil {
		t.Fatal(err)
	}
	exec("create table u (a int primary key, b text, c numeric(10,2), d timestamptz, e int[], f bytea, g bool)")
	// Byte by byte: fields end where messages do not.
	if _, err := c.PgConn().CopyFrom(ctx, oneByte{bytes.NewReader(first.Bytes())}, "copy u from stdin binary"); err != nil {
		t.Fatal(err)
	}
	var second bytes.Buffer
	if _, err := c.PgConn().CopyTo(ctx, &second, "copy (select * from u order by a) to stdout binary"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("what went in\n%q\ncame out as\n%q", first.Bytes(), second.Bytes())
	}
	var same bool
	if err := c.QueryRow(ctx, "select count(*) = 3 from t join u using (a) where (t.b, t.c, t.d, t.e, t.f, t.g) is not distinct from (u.b, u.c, u.d, u.e, u.f, u.g)").Scan(&same); err != nil || !same {
		t.Errorf("the copy has other rows: %v %v", same, err)
	}
}

type oneByte struct{ r *bytes.Reader }

func (o oneByte) Read(b []byte) (int, error) { return o.r.Read(b[:1]) }

// Broken data is refused with PostgreSQL's SQLSTATE and leaves no row and a usable
// session. COPY_POSTGRES runs the same against a real server.
func TestCopyBinaryBroken(t *testing.T) {
	ctx := context.Background()
	var c *pgx.Conn
	if dsn := os.Getenv("COPY_POSTGRES"); dsn != "" {
		var err error
		if c, err = pgx.Connect(ctx, dsn); err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
	} else {
		e, _ := newTestEngine(t)
		c = connect(t, serve(t, e))
	}
	if _, err := c.Exec(ctx, "create table broken (a int, b text)"); err != nil {
		t.Fatal(err)
	}
	head := "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	row := "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x01x"
	for _, tc := range []struct{ name, options, data, code string }{
		{"nothing", "", "", "22P04"},
		{"no signature", "", "1\tx\n", "22P04"},
		{"flags cut", "", head[:13], "22P04"},
		{"critical flag", "", head[:11] + "\x00\x02\x00\x00" + head[15:], "22P04"},
		{"oids", "", head[:11] + "\x00\x01\x00\x00" + head[15:], "22P04"},
		{"extension cut", "", head[:15] + "\x7f\xff\xff\xff", "22P04"},
		{"field count", "", head + "\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01", "22P04"},
		{"row cut", "", head + row[:9], "22P04"},
		{"count cut", "", head + "\x00", "22P04"},
		{"negative size", "", head + "\x00\x02\xff\xff\xff\xfe", "22P04"},
		{"huge size", "", head + "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01\x3f\xff\xff\xffx", "54000"},
		{"short int", "", head + "\x00\x02\x00\x00\x00\x03\x00\x00\x01\x00\x00\x00\x01x", "08P01"},
		{"long int", "", head + "\x00\x02\x00\x00\x00\x05\x00\x00\x00\x00\x01\x00\x00\x00\x01x", "22P03"},
		{"not UTF-8", "", head + "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x01\xff", "22021"},
		{"zero byte", "", head + "\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x01\x00", "22021"},
		{"data after the end", "", head + row + "\xff\xff" + row, "22P04"},
		{"no end", "", head + row, ""},
		{"extension", "", head[:15] + "\x00\x00\x00\x02xy" + row + "\xff\xff", ""},
		{"delimiter", ", delimiter ','", "", "42601"},
		{"null", ", null ''", "", "42601"},
		{"header", ", header", "", "0A000"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if tc.name == "count cut" && os.Getenv("COPY_POSTGRES") != "" {
				t.Skip("PostgreSQL takes half a number of fields for the end")
			}
			_, err := c.PgConn().CopyFrom(ctx, bytes.NewReader([]byte(tc.data)), "copy broken from stdin (format binary"+tc.options+")")
			code := ""
			var e *pgconn.PgError
			if errors.As(err, &e) {
				code = e.Code
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tc.code {
				t.Errorf("%q (%v), want %q", code, err, tc.code)
			}
			want, n := 0, 0
			if tc.code == "" {
				want = 1
			}
			if err := c.QueryRow(ctx, "with gone as (delete from broken returning 1) select count(*) from gone").Scan(&n); err != nil || n != want {
				t.Errorf("%d rows, %v", n, err)
			}
		})
	}
	if _, err := c.Exec(ctx, "drop table broken"); err != nil {
		t.Fatal(err)
	}
}
