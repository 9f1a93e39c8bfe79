package pgwire

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// command runs a PostgreSQL client against a server, and skips where it is not
// installed.
func command(t *testing.T, addr, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(contextWithTimeout(t), path, args...)
	cmd.Env = append(os.Environ(), "PGHOST="+host, "PGPORT="+port, "PGUSER=app", "PGDATABASE=shop", "PGOPTIONS=", "PSQLRC=/dev/null")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestPsql: libpq and psql understand results, errors, notices and COPY.
func TestPsql(t *testing.T) {
	addr := newTestServer(t, nil).listen(t)
	script := strings.ReplaceAll(`rows 3;
notice beware;
error 23505 duplicate;
insert 2;
copyout 2;
copyin;
1\ta
2\tb
\.
set TimeZone Mars;
\echo :SERVER_VERSION_NAME
`, `\t`, "\t")
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, addr, "psql", "-X", "-A", "-P", "null=NULL", "-f", file)
	if err != nil {
		t.Fatal(err, out)
	}
	// psql sends the end marker of the data too: 4 + 4 + 3 bytes.
	for _, want := range []string{
		"id|name\n0|name\n1|name\n2|NULL\n(3 rows)\n",
		"NOTICE:  beware", "ERROR:  duplicate\nDETAIL:  the detail\nHINT:  the hint",
		"INSERT 0 2\n", "0\tx\n1\tx\n", "COPY 11\n", "SET\n", "15.0 (Quorate)",
	} {
		if !strings.Contains(strings.ReplaceAll(out, "psql:"+file, ""), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// TestPgbench: pgbench completes in its three modes and in pipelines.
func TestPgbench(t *testing.T) {
	addr := newTestServer(t, nil).listen(t)
	file := filepath.Join(t.TempDir(), "script")
	for mode, script := range map[string]string{
		"simple": "begin;\nrows 2;\ncommit;\n", "extended": "begin;\nrows 2;\ncommit;\n", "prepared": "begin;\nrows 2;\ncommit;\n",
		"extended pipeline": "\\startpipeline\nbegin;\nrows 2;\ncommit;\n\\endpipeline\n",
		"prepared pipeline": "\\startpipeline\nbegin;\nrows 2;\ncommit;\n\\endpipeline\n",
	} {
		if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := command(t, addr, "pgbench", "-n", "-c", "4", "-t", "50", "-M", strings.Fields(mode)[0], "-f", file)
		if err != nil || !strings.Contains(out, "200/200") {
			t.Errorf("%s: %v\n%s", mode, err, out)
		}
	}
}
