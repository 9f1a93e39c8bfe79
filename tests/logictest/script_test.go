package logictest

import (
	"bytes"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

const sampleScript = `# what it is about

statement ok
CREATE TABLE t (a int)

# a remark
skipif mssql # why
onlyif postgresql
query IT rowsort label-1
SELECT 1,
  'x'
----
1
x

copy error
COPY t FROM STDIN
<<<<
1

2
>>>>
----
ERROR 22P02: bad

session two

halt
`

// What is read is written back as it was.
func TestScriptRoundTrip(t *testing.T) {
	r, err := ParseScript(strings.NewReader(sampleScript))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteScript(&b, r); err != nil {
		t.Fatal(err)
	}
	if b.String() != sampleScript {
		t.Fatalf("written back:\n%s", b.String())
	}
	q := r[2]
	if q.skips("quorate") != true || q.skips("postgresql") || !q.skips("mssql", "postgresql") {
		t.Errorf("conditions %q are read wrongly", q.Conditions)
	}
	if r[3].Data != "1\n\n2\n" {
		t.Errorf("copy data is %q", r[3].Data)
	}
}

// Mistakes in a script are told with their line.
func TestScriptErrors(t *testing.T) {
	for _, c := range []struct{ script, want string }{
		{"statement maybe\nSELECT 1\n", "line 1: statement needs ok or error"},
		{"\n\nfoo\n", "line 3: unknown record"},
		{"copy ok\nCOPY t FROM STDIN\n<<<<\n1\n", "line 1: copy data without >>>>"},
		{"session\n", "line 1: session needs a name"},
	} {
		if _, err := ParseScript(strings.NewReader(c.script)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %s", c.script, err, c.want)
		}
	}
}

// The judge finds each kind of wrong outcome, and no fault in a right one.
func TestJudge(t *testing.T) {
	rows := &Outcome{
		Columns: []pgconn.FieldDescription{{Name: "a", DataTypeOID: 23, TypeModifier: -1}, {Name: "b", DataTypeOID: 25, TypeModifier: -1}},
		Rows:    [][][]byte{{[]byte("2"), nil}, {[]byte("10"), []byte("x\ty")}},
		Tags:    []string{"SELECT 2"},
	}
	failed := &Outcome{Err: &pgconn.PgError{Severity: "ERROR", Code: "23505", Message: "duplicate", Detail: "Key.", Position: 7}}
	for _, c := range []struct {
		script string
		o      *Outcome
		ok     bool
	}{
		{"query\nx\n----\na:int4\tb:text\n2\tNULL\n10\tx\\ty\n", rows, true},
		{"query\nx\n----\na:int8\tb:text\n2\tNULL\n10\tx\\ty\n", rows, false},
		{"query\nx\n----\na:int4\tb:text\n10\tx\\ty\n2\tNULL\n", rows, false},
		{"query rowsort\nx\n----\na:int4\tb:text\n10\tx\\ty\n2\tNULL\n", rows, true},
		{"query IT rowsort\nx\n----\n10\nx@y\n2\nNULL\n", rows, true},
		{"query IT valuesort\nx\n----\n10\n2\nNULL\nx@y\n", rows, true},
		{"query RT\nx\n----\n2.000\nNULL\n10.000\nx@y\n", rows, true},
		{"query I\nx\n----\n2\n", rows, false},
		{"query IT\nx\n----\n4 values hashing to 00000000000000000000000000000000\n", rows, false},
		{"query IT\nx\n----\n2\nNULL\n10\n", rows, false},
		{"statement ok\nx\n", rows, true},
		{"statement ok\nx\n----\nSELECT 3\n", rows, false},
		{"statement error\nx\n", rows, false},
		{"statement error\nx\n", failed, true},
		{"statement error 23505\nx\n", failed, true},
		{"statement error 23502\nx\n", failed, false},
		{"statement error ^dup\nx\n", failed, true},
		{"statement error\nx\n----\nERROR 23505: duplicate\nDETAIL: Key.\nPOSITION: 7\n", failed, true},
		{"statement error\nx\n----\nERROR 23505: duplicate\nPOSITION: 7\n", failed, false},
		{"statement ok\nx\n", failed, false},
		{"query\nx\n----\na:int4\n", failed, false},
	} {
		r, err := ParseScript(strings.NewReader(c.script))
		if err != nil {
			t.Fatal(err)
		}
		x := &Runner{types: pgtype.NewMap()}
		if why := x.judge(r[0], c.o); (why == "") != c.ok {
			t.Errorf("%q: judged %q, want right=%v", c.script, why, c.ok)
		}
	}
}
