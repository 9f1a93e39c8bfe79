package parse

import "testing"

// TestNormalize proves what counts as the same statement: constants, white space,
// comments and letter case do not matter, everything else does.
func TestNormalize(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"select 1", "select $1"},
		{"SELECT  a -- why\n FROM t /* there */ WHERE b = 'x'", "SELECT a FROM t WHERE b = $1"},
		{"select * from t where a = $1 and b > 1.5", "select * from t where a = $1 and b > $2"},
		{"select a from t where b in (1, 2, 3) and c = 4", "select a from t where b in ($1, ...) and c = $2"},
		{"insert into t values (1, 'a'), (2, 'b'), (-3, 'c')", "insert into t values ($1, ...), ..."},
		{"insert into t values (1)", "insert into t values ($1)"},
		{"insert into t values (1, now()), (2, now())", "insert into t values ($1, now()), ($2, now())"},
		{"select f(1, 2), array[1, 2]", "select f($1, $2), array[$3, $4]"},
		{"select a from t where b NOT IN (1, 2)", "select a from t where b NOT IN ($1, ...)"},
		{"select f(1, x, 2)", "select f($1, x, $2)"},
		{"select 1, 2", "select $1, $2"},
		{"update t set a = a + -5, b = -1", "update t set a = a + $1, b = $2"},
		{"select a - 1", "select a - $1"},
		{"create role r password 'secret'", "create role r password $1"},
		{`select "A", b'101', E'\n', $$x$$`, `select "A", $1, $2, $3`},
		{"select a[1:2]", "select a[$1:$2]"},
	} {
		if got := Normalize(c.in); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.in, got, c.want)
		}
	}
	same := [][2]string{
		{"select 1", "SELECT   22"},
		{"select A from T where x in (1,2)", "select a from t where x in (7, 8, 9)"},
		{"insert into t values (1, 2)", "insert into t values (5, 6)"},
		{"insert into t values (1), (2)", "insert into t values (1), (2), (3)"},
	}
	for _, s := range same {
		if Fingerprint(s[0]) != Fingerprint(s[1]) {
			t.Errorf("%q and %q count as two statements", s[0], s[1])
		}
	}
	differ := [][2]string{
		{"select 1", "select 1, 2"},
		{`select "A"`, `select a`},
		{"select a b", "select ab"},
		{"select $1", "select $2"},
		{"select f(x)", "select g(x)"},
	}
	for _, d := range differ {
		if Fingerprint(d[0]) == Fingerprint(d[1]) {
			t.Errorf("%q and %q count as one statement", d[0], d[1])
		}
	}
}

func BenchmarkFingerprint(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Fingerprint("SELECT abalance FROM pgbench_accounts WHERE aid = 4711")
	}
}
