package arch

import (
	"strings"
	"testing"
)

// layers are the steps of the staircase, highest first. A package may import its
// own layer and what is below; what stands beside is listed in rules.
var layers = [][]string{
	{"cmd", "tests"},
	{"server"},
	{"pgwire"},
	{"sql"},
	{"txn"},
	{"region/router"},
	{"region/store"},
	{"region/replica"},
	{"region/latch", "region/locktable"},
	{"multiraft"},
	{"region"}, // descriptors and errors: a leaf that everybody may name
	{"storage/raftlog", "storage/mvcc"},
	{"storage/engine"},
	{"storage/keys"},
	{"proto"},
	{"internal"},
}

func layerOf(dir string) int {
	best, at := -1, -1
	for i, l := range layers {
		for _, f := range l {
			if within(dir, f) && len(f) > best {
				best, at = len(f), i
			}
		}
	}
	return at
}

// importFault says why dir must not import another folder of the project; empty
// if it may.
func importFault(dir, imported string) string {
	switch {
	case within(imported, "tests") && !within(dir, "tests"):
		return "nothing imports tests"
	case within(imported, "server") && !within(dir, "cmd", "tests", "server"):
		return "server is the composition root: only the binary and tests import it"
	case within(imported, "placement") && !within(dir, "server", "placement", "tests"):
		return "placement is joined by server alone; others declare the interface they need"
	case within(dir, "placement"):
		if within(imported, "placement", "proto", "internal", "region", "storage/keys") && !within(imported, "region/store", "region/replica", "region/router", "region/latch") {
			return ""
		}
		return "placement stands beside the data path and sees only contracts"
	case within(dir, "multiraft") && within(imported, "region"):
		return "multiraft is mechanism: it knows groups, not regions"
	case within(imported, "pgwire") && within(dir, "sql") && dir != "sql":
		return "only the session knows the wire's interface"
	case dir == "sql" && imported == "pgwire":
		return "" // the session implements the interface that pgwire declares
	case within(dir, "pgwire") && within(imported, "sql"):
		if within(imported, "sql/types", "sql/sqlerr") {
			return ""
		}
		return "pgwire sees values and errors of SQL, not the engine"
	case within(dir, "pgwire") && within(imported, "txn", "region", "multiraft", "storage"):
		return "pgwire speaks to sessions only"
	case within(dir, "sql") && within(imported, "region", "multiraft", "storage/engine", "storage/mvcc", "storage/raftlog"):
		return "SQL sees transactions and keys, never a region"
	}
	from, to := layerOf(dir), layerOf(imported)
	if from < 0 || to < 0 {
		return "" // the root
	}
	if to < from {
		return "imports go down only"
	}
	return ""
}

// Imports inside the project go down the staircase.
func TestImportsGoDown(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue // tests may build what they need
		}
		for p := range f.imports() {
			rel, ok := strings.CutPrefix(p, module+"/")
			if !ok {
				continue
			}
			if why := importFault(f.dir, rel); why != "" {
				t.Errorf("%s imports %s: %s", f.path, rel, why)
			}
		}
	}
}

// confined third parties: library prefix → where it may be used, and why.
var confined = []struct {
	lib   string
	where []string
	why   string
}{
	{"github.com/cockroachdb/pebble", []string{"storage/engine"}, "the engine is the only one that knows Pebble"},
	{"go.etcd.io/raft", []string{"multiraft", "region/replica", "region/store", "storage/raftlog", "tests/sim"}, "Raft's library is seen by the replicas, the scheduler and the log"},
	{"github.com/pingcap/tidb", []string{"sql/parse"}, "nothing of TiDB's types reaches beyond the parser"},
	{"github.com/jackc/pgproto3", []string{"pgwire"}, "it panics on bad input: one guarded package knows it"},
	{"github.com/jackc/pgx", []string{"cmd/quorate", "tests"}, "a client library has no place in the server"},
	{"google.golang.org/grpc", []string{"region/router", "region/store", "multiraft/transport", "placement", "server", "proto", "cmd/quorate", "tests/bench"}, "RPC is for the seams"},
	{"github.com/spf13/cobra", []string{"cmd/quorate"}, "flags belong to the binary"},
	{"github.com/prometheus/", []string{"server"}, "metrics are collected in one place"},
	{"github.com/cockroachdb/apd", []string{"sql", "storage/keys"}, "decimals are SQL's"},
}

func confinementFault(dir, imported string) string {
	for _, c := range confined {
		if strings.HasPrefix(imported, c.lib) && !within(dir, c.where...) {
			return c.why
		}
	}
	return ""
}

// Third-party libraries stay where they belong.
func TestThirdPartiesAreConfined(t *testing.T) {
	for _, f := range tree(t) {
		if f.test {
			continue
		}
		for p := range f.imports() {
			if why := confinementFault(f.dir, p); why != "" {
				t.Errorf("%s imports %s: %s", f.path, p, why)
			}
		}
	}
}

// The rules can fail: each catches an import that breaks it.
func TestImportRulesCatch(t *testing.T) {
	for _, c := range []struct{ dir, imported string }{
		{"storage/engine", "sql"}, {"multiraft", "region"}, {"region/replica", "txn"}, {"txn", "placement"},
		{"sql/plan", "region/store"}, {"pgwire", "sql/plan"}, {"sql", "server"}, {"server", "tests/chaos"},
		{"placement", "region/store"}, {"storage/keys", "storage/engine"}, {"sql/exec", "pgwire"},
	} {
		if importFault(c.dir, c.imported) == "" {
			t.Errorf("%s may import %s", c.dir, c.imported)
		}
	}
	for _, c := range []struct{ dir, lib string }{
		{"storage/mvcc", "github.com/cockroachdb/pebble/v2"}, {"sql/plan", "github.com/pingcap/tidb/pkg/parser/ast"},
		{"txn", "google.golang.org/grpc"}, {"server", "github.com/jackc/pgproto3/v2"}, {"region/router", "go.etcd.io/raft/v3"},
	} {
		if confinementFault(c.dir, c.lib) == "" {
			t.Errorf("%s may import %s", c.dir, c.lib)
		}
	}
}
