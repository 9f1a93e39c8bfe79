package mvcc

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// The scenarios in testdata tell one story each. A timestamp there is
// milliseconds, with the logical part behind a dot.
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		e := testEngine(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			return scenarioStep(t, e, d)
		})
	})
}

type args struct {
	t *testing.T
	d *datadriven.TestData
}

func (a args) str(key string) string {
	for _, arg := range a.d.CmdArgs {
		if arg.Key == key && len(arg.Vals) == 1 {
			return arg.Vals[0]
		}
	}
	return ""
}

func (a args) has(key string) bool { return a.d.HasArg(key) }

func (a args) ts(key string) timestamp.Timestamp {
	s := a.str(key)
	switch s {
	case "":
		return 0
	case "max":
		return timestamp.Max
	}
	whole, part, _ := strings.Cut(s, ".")
	ms, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		a.t.Fatalf("%s: %v", a.d.Pos, err)
	}
	logical, _ := strconv.Atoi(part)
	return timestamp.Make(ms, uint32(logical))
}

func (a args) num(key string, absent int) int {
	if !a.has(key) {
		return absent
	}
	n, err := strconv.Atoi(a.str(key))
	if err != nil {
		a.t.Fatalf("%s: %v", a.d.Pos, err)
	}
	return n
}

func (a args) mutation() Mutation {
	m := Mutation{Key: keys.User(a.str("key")), ForUpdateTS: a.ts("for-update")}
	switch {
	case a.has("put"):
		m.Kind, m.Value = Put, []byte(a.str("put"))
	case a.has("delete"):
		m.Kind = Delete
	case a.has("lock"):
		m.Kind = LockOnly
	}
	if a.has("must-not-exist") {
		m.Constraint = MustNotExist
	}
	if a.has("must-exist") {
		m.Constraint = MustExist
	}
	return m
}

func (a args) read() ReadOptions {
	o := ReadOptions{TS: a.ts("at"), Own: a.ts("own")}
	if a.has("ignore") {
		o.Ignore = []timestamp.Timestamp{a.ts("ignore")}
	}
	return o
}

func scenarioStep(t *testing.T, e *engine.Engine, d *datadriven.TestData) string {
	a := args{t, d}
	key, startTS := keys.User(a.str("key")), a.ts("txn")
	out := "ok"
	err := evaluate(t, e, func(b *engine.Batch) error {
		switch d.Cmd {
		case "prewrite":
			p := PrewriteParams{Primary: keys.User(a.str("primary")), StartTS: startTS, MinCommitTS: a.ts("min-commit"), TTLms: uint64(a.num("ttl", 3000)), Async: a.has("async")}
			if len(p.Primary) == 0 {
				p.Primary = key
			}
			res, err := Prewrite(b, e, a.mutation(), p)
			switch {
			case res.CommitTS != 0:
				out = fmt.Sprintf("already committed at %v", res.CommitTS)
			case res.Repeated:
				out = fmt.Sprintf("repeated, min commit %v", res.MinCommitTS)
			default:
				out = fmt.Sprintf("ok, min commit %v", res.MinCommitTS)
			}
			return err
		case "onepc":
			c, err := OnePC(b, e, []Mutation{a.mutation()}, startTS, a.ts("at"))
			out = fmt.Sprintf("committed at %v", c)
			return err
		case "commit":
			return Commit(b, e, key, startTS, a.ts("at"))
		case "rollback":
			return Rollback(b, e, key, startTS, !a.has("no-mark"))
		case "status":
			st, err := CheckTxnStatus(b, e, CheckTxnParams{Primary: key, StartTS: startTS, Now: a.ts("now"), CallerTS: a.ts("caller"), RollbackIfMissing: a.has("rollback-if-missing"), Force: a.has("force")})
			out = st.State.String()
			if st.State == TxnCommitted {
				out += fmt.Sprintf(" at %v", st.CommitTS)
			}
			if st.State == TxnLocked {
				out += fmt.Sprintf(", %dms left, min commit %v, pushed=%v", st.TTLLeftMs, st.Lock.MinCommitTS, st.Pushed)
			}
			return err
		case "heartbeat":
			ttl, err := Heartbeat(b, e, key, startTS, uint64(a.num("ttl", 0)))
			out = fmt.Sprintf("ttl %dms", ttl)
			return err
		case "get":
			v, err := Get(e, key, a.read())
			out = "none"
			if v.Found {
				out = fmt.Sprintf("%s, committed at %v", v.Value, v.CommitTS)
			}
			return err
		case "scan":
			res, err := Scan(e, ScanOptions{ReadOptions: a.read(), Start: keys.User(a.str("start")), End: keys.User(a.str("end")), Reverse: a.has("reverse"),
				RowsMax: a.num("rows", 0), BytesMax: a.num("bytes", 0), KeysOnly: a.has("keys-only")})
			var lines []string
			for _, r := range res.Rows {
				lines = append(lines, fmt.Sprintf("%s=%s", r.Key, r.Value))
			}
			if res.More {
				lines = append(lines, fmt.Sprintf("more from %v", res.Resume))
			}
			out = strings.Join(append(lines, "."), "\n")
			return err
		case "locks":
			locks, resume, err := ScanLocks(e, nil, nil, a.ts("max"), a.num("limit", 100))
			var lines []string
			for _, l := range locks {
				lines = append(lines, fmt.Sprintf("%v: %v", l.Key, &l.Lock))
			}
			if resume != nil {
				lines = append(lines, "more")
			}
			out = strings.Join(append(lines, "."), "\n")
			return err
		case "validate":
			return ValidateSpan(e, keys.User(a.str("start")), keys.User(a.str("end")), startTS, a.ts("read"), a.ts("at"), nil)
		case "gc":
			res, err := GC(b, e, nil, nil, a.ts("safe"), a.num("limit", 100))
			out = fmt.Sprintf("%d versions, %d marks", res.Versions, res.Marks)
			if res.More {
				out += fmt.Sprintf(", more from %v", res.Resume)
			}
			return err
		case "dump":
			it, err := e.NewIter(engine.IterOptions{})
			if err != nil {
				return err
			}
			defer it.Close()
			var lines []string
			for ok := it.First(); ok; ok = it.Next() {
				lines = append(lines, FormatKV(it.Key(), it.Value()))
			}
			out = strings.Join(append(lines, "."), "\n")
			return it.Error()
		}
		t.Fatalf("%s: unknown command %s", d.Pos, d.Cmd)
		return nil
	})
	if err != nil {
		return "error: " + err.Error()
	}
	return out
}
