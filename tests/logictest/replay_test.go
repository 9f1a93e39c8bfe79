package logictest

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// cycle is what a client sent up to a Query or Sync, and what PostgreSQL answered.
type cycle struct {
	Step     string     `json:"step"`
	Conn     int        `json:"conn"`
	Front    []frontMsg `json:"front"`
	Back     string     `json:"back"`
	Columns  []string   `json:"columns"`
	Inferred [][]string `json:"inferred"`
}

type frontMsg struct {
	T      string            `json:"t"`
	Params map[string]string `json:"params"`
	SQL    string            `json:"sql"`
	Name   string            `json:"name"`
	OIDs   []any             `json:"oids"`
	Portal string            `json:"portal"`
	Stmt   string            `json:"stmt"`
	PFmt   []int16           `json:"pfmt"`
	RFmt   []int16           `json:"rfmt"`
	Vals   []*string         `json:"vals"`
	What   string            `json:"what"`
	Max    uint32            `json:"max"`
}

// answer is what came back: messages in order, and the types within them.
type answer struct {
	messages, columns, inferred []string
	errors                      []string // their texts, which are not compared
}

const answerTimeout = 15 * time.Second

// fixtureClients were recorded on the tables of the fixture, the others on an
// empty database.
var fixtureClients = "psql psql-tab-completion pg_dump pgcli pgx lib-pq node-postgres postgres-js kysely node-pg-migrate drizzle " +
	"psycopg2 psycopg3 sqlalchemy-1.4 sqlalchemy-2 ruby-pg php-pdo perl-dbdpg"

// What clients sent when they were recorded against PostgreSQL 15 is answered with
// the same messages, columns, types, tags and SQLSTATEs. testdata/replay.txt says how
// many cycles of each client are not yet: more fail, fewer are to be written down.
// QUORATE_REWRITE=1 writes the file; -v prints the differences, those of most cycles
// of all clients last.
func TestReplayClients(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := filepath.Join(filepath.Dir(corpusDir(t)), "client-queries")
	files, err := filepath.Glob(filepath.Join(dir, "*.cycles.jsonl"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", dir, err)
	}
	allowed := readAllowed(t)
	var table []string
	causes := map[string]int{}
	for _, file := range files {
		client := strings.TrimSuffix(filepath.Base(file), ".cycles.jsonl")
		t.Run(client, func(t *testing.T) {
			var r replayed
			for _, cycles := range afresh(client, readCycles(t, file)) {
				dsn := startCluster(t, shape{nodes: 1})[0]
				roles(t, dsn)
				if slices.Contains(strings.Fields(fixtureClients), client) {
					fixture(t, filepath.Join(dir, "00-fixture.sql"), dsn)
				}
				part := replay(t, dsn, cycles)
				r.cycles += part.cycles
				r.differences = append(r.differences, part.differences...)
			}
			for _, d := range r.differences {
				t.Log(d.text)
				causes[d.cause]++
			}
			n := len(r.differences)
			table = append(table, fmt.Sprintf("%s %d of %d", client, n, r.cycles))
			switch most := allowed[client]; {
			case n > most:
				t.Errorf("%d cycles are answered otherwise than by PostgreSQL, %d are known", n, most)
			case n < most:
				t.Logf("%d cycles differ, testdata/replay.txt allows %d: write it down", n, most)
			}
		})
	}
	for _, l := range ranked(causes) {
		t.Log(l)
	}
	if os.Getenv("QUORATE_REWRITE") != "" {
		text := "# Cycles of each client that are answered otherwise than by PostgreSQL 15.\n" + strings.Join(table, "\n") + "\n"
		if err := os.WriteFile(allowedFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Log("\n" + strings.Join(table, "\n"))
}

// anew are the steps that were recorded on another empty database than what came
// before.
var anew = map[string]string{"pg_restore": "psql -f of a plain dump"}

// afresh cuts the cycles where a database begins.
func afresh(client string, cycles []cycle) [][]cycle {
	if i := slices.IndexFunc(cycles, func(c cycle) bool { return c.Step == anew[client] }); i > 0 {
		return [][]cycle{cycles[:i], cycles[i:]}
	}
	return [][]cycle{cycles}
}

// roles makes those that the recordings speak of.
func roles(t *testing.T, dsn string) {
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(context.Background(), "CREATE ROLE app_user LOGIN SUPERUSER; CREATE ROLE app_ro").ReadAll(); err != nil {
		t.Fatal(err)
	}
}

const allowedFile = "testdata/replay.txt"

func readAllowed(t *testing.T) map[string]int {
	out := map[string]int{}
	for _, l := range corpusLines(t, allowedFile) {
		var client string
		var differ, of int
		if _, err := fmt.Sscanf(l, "%s %d of %d", &client, &differ, &of); err != nil {
			t.Fatalf("%s: %q: %v", allowedFile, l, err)
		}
		out[client] = differ
	}
	return out
}

// ranked lists the causes, the one of most cycles last.
func ranked(causes map[string]int) []string {
	var out []string
	for c, n := range causes {
		out = append(out, fmt.Sprintf("%5d %s", n, c))
	}
	sort.Strings(out)
	return out
}

// fixture makes what the clients ran on. What is not built is replaced by the
// statement of the same place in testdata/replay-fixture.sql, if there is one.
func fixture(t *testing.T, file, dsn string) {
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	instead := map[string]string{}
	for _, l := range corpusLines(t, "testdata/replay-fixture.sql") {
		instead[objectOf(l)] = l
	}
	for _, l := range corpusLines(t, file) {
		if strings.HasPrefix(l, "--") {
			continue
		}
		_, err := c.Exec(context.Background(), l).ReadAll()
		if err == nil {
			continue
		}
		t.Logf("fixture: %.60s: %v", l, err)
		if l, ok := instead[objectOf(l)]; ok {
			if _, err := c.Exec(context.Background(), l).ReadAll(); err != nil {
				t.Fatalf("fixture: %.60s: %v", l, err)
			}
		}
	}
}

// objectOf is the beginning of a statement up to the name of what it makes.
func objectOf(stmt string) string {
	stmt = strings.Replace(stmt, "materialized view", "view", 1) // which is not built
	f := strings.FieldsFunc(stmt, func(r rune) bool { return r == ' ' || r == '(' })
	return strings.Join(f[:min(3, len(f))], " ")
}

func readCycles(t *testing.T, file string) []cycle {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, lineMax)
	var out []cycle
	for sc.Scan() {
		var c cycle
		if err := json.Unmarshal(sc.Bytes(), &c); err != nil {
			t.Fatalf("%s: cycle %d: %v", file, len(out)+1, err)
		}
		out = append(out, c)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// replayConn is one of the recorded connections. Its cycles are run by a goroutine of
// its own, one after the other: a statement may wait for what another connection does
// further down in the recording.
type replayConn struct {
	net   net.Conn
	fe    *pgproto3.Frontend
	todo  chan func()
	ended chan struct{}
	gone  bool // used by the goroutine only
}

// patience is how long a cycle is waited for before the next one of another
// connection is sent.
const patience = 2 * time.Second

// queuedMax bounds the cycles that stand behind one that waits.
const queuedMax = 1 << 12

func newReplayConn(n net.Conn) *replayConn {
	rc := &replayConn{net: n, fe: pgproto3.NewFrontend(n, n), todo: make(chan func(), queuedMax), ended: make(chan struct{})}
	go func() {
		defer close(rc.ended)
		for f := range rc.todo {
			f()
		}
		n.Close()
	}()
	return rc
}

// do runs f behind what the connection has to do already. It returns when f is done,
// or after a while if something waits.
func (rc *replayConn) do(f func()) {
	done := make(chan struct{})
	rc.todo <- func() {
		f()
		close(done)
	}
	select {
	case <-done:
	case <-time.After(patience):
	}
}

// close ends the connection when all its cycles are done.
func (rc *replayConn) close() {
	close(rc.todo)
	<-rc.ended
}

// replayed is what came of the cycles of a client.
type replayed struct {
	cycles      int
	differences []difference
}

type difference struct {
	text  string
	cause string // the error or the first message that differs
}

// replay sends all cycles and compares the answers.
func replay(t *testing.T, dsn string, cycles []cycle) (r replayed) {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	names, objects := catalogNames(t, dsn)
	conns := map[int]*replayConn{}
	var mu sync.Mutex // guards r
	for i, c := range cycles {
		want := answer{messages: messagesIn(c.Back), columns: c.Columns, inferred: joinAll(c.Inferred)}
		if len(c.Front) == 0 || c.Front[0].T == "SSLRequest" || c.Front[0].T == "CancelRequest" || strings.Contains(c.Back, "57014") || strings.Contains(c.Back, "Notification") {
			continue // what is decided before a session, or by another connection
		}
		differs := func(why string, got answer) {
			mu.Lock()
			defer mu.Unlock()
			cause := why
			if len(got.errors) > 0 {
				cause = strings.Join(got.errors, "; ")
			}
			r.differences = append(r.differences, difference{fmt.Sprintf("%d %s: %s %s", i+1, c.Step, why, strings.Join(got.errors, "; ")), cause})
		}
		rc := conns[c.Conn]
		if c.Front[0].T == "Startup" {
			n, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			if rc != nil {
				rc.close()
			}
			rc = newReplayConn(n)
			conns[c.Conn] = rc
		}
		if c.Front[0].T == "Terminate" {
			if rc != nil {
				rc.close()
				delete(conns, c.Conn)
			}
			continue
		}
		r.cycles++
		if rc == nil {
			differs("the connection is gone", answer{})
			continue
		}
		rc.do(func() {
			if rc.gone {
				differs("the connection is gone", answer{})
				return
			}
			rc.net.SetDeadline(time.Now().Add(answerTimeout))
			got, err := rc.run(c, names, objects)
			if err != nil {
				rc.gone = true
				if len(got.messages) > 0 && want.difference(got) == "" {
					return // PostgreSQL ends it, too
				}
				differs("the connection ended: "+strings.Join(got.messages, " "), got)
				return
			}
			if why := want.difference(got); why != "" {
				differs(why, got)
			}
		})
	}
	for _, id := range slices.Sorted(maps.Keys(conns)) {
		conns[id].close()
	}
	return r
}

// catalogNames reads the server's names of types and the OIDs of its relations.
func catalogNames(t *testing.T, dsn string) (names map[uint32]string, objects map[string]string) {
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	names, objects = map[uint32]string{}, map[string]string{}
	r := c.ExecParams(context.Background(), "SELECT oid, typname FROM pg_type", nil, nil, nil, nil).Read()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, row := range r.Rows {
		oid, err := strconv.ParseUint(string(row[0]), 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		names[uint32(oid)] = string(row[1])
	}
	r = c.ExecParams(context.Background(), "SELECT n.nspname || '.' || c.relname, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace", nil, nil, nil, nil).Read()
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, row := range r.Rows {
		objects[string(row[0])] = string(row[1])
	}
	return names, objects
}

var placeholder = regexp.MustCompile(`\{\{oid:?([^{}]*)\}\}`)

// fill puts OIDs in the place of names; what does not exist gets one that nothing has.
func fill(s string, objects map[string]string) string {
	return placeholder.ReplaceAllStringFunc(s, func(m string) string {
		if oid, ok := objects[placeholder.FindStringSubmatch(m)[1]]; ok {
			return oid
		}
		return "4000000000"
	})
}

// run sends a cycle and reads its answer up to ReadyForQuery.
func (rc *replayConn) run(c cycle, names map[uint32]string, objects map[string]string) (answer, error) {
	copies := false
	for _, m := range c.Front {
		switch m.T {
		case "Startup":
			params := map[string]string{}
			for k, v := range m.Params {
				params[k] = v
			}
			// The ones that there are; others were meant not to exist.
			if params["database"] == "app" || params["database"] == "" {
				params["database"] = "postgres"
			}
			rc.fe.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: params})
		case "AuthData": // nothing is asked for
		case "Query":
			rc.fe.Send(&pgproto3.Query{String: fill(m.SQL, objects)})
		case "Parse":
			p := &pgproto3.Parse{Name: m.Name, Query: fill(m.SQL, objects)}
			for _, o := range m.OIDs {
				p.ParameterOIDs = append(p.ParameterOIDs, typeOID(names, o))
			}
			rc.fe.Send(p)
		case "Bind":
			b := &pgproto3.Bind{DestinationPortal: m.Portal, PreparedStatement: m.Stmt, ParameterFormatCodes: m.PFmt, ResultFormatCodes: m.RFmt}
			for _, v := range m.Vals {
				switch {
				case v == nil:
					b.Parameters = append(b.Parameters, nil)
				case strings.HasPrefix(*v, "0x"):
					raw, err := hex.DecodeString((*v)[2:])
					if err != nil {
						return answer{}, err
					}
					b.Parameters = append(b.Parameters, raw)
				default:
					b.Parameters = append(b.Parameters, []byte(fill(*v, objects)))
				}
			}
			rc.fe.Send(b)
		case "Describe":
			rc.fe.Send(&pgproto3.Describe{ObjectType: m.What[0], Name: m.Name})
		case "Execute":
			rc.fe.Send(&pgproto3.Execute{Portal: m.Portal, MaxRows: m.Max})
		case "Close":
			rc.fe.Send(&pgproto3.Close{ObjectType: m.What[0], Name: m.Name})
		case "Sync":
			rc.fe.Send(&pgproto3.Sync{})
		case "Flush":
			rc.fe.Send(&pgproto3.Flush{})
		case "CopyFail":
		case "CopyDone":
			copies = true // its data was not recorded; it is sent when asked for
		default:
			return answer{}, fmt.Errorf("message %s", m.T)
		}
	}
	var a answer
	if err := rc.fe.Flush(); err != nil {
		return a, err
	}
	for {
		m, err := rc.fe.Receive()
		if err != nil {
			return a, err
		}
		name := strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3.")
		switch m := m.(type) {
		case *pgproto3.AuthenticationOk, *pgproto3.CopyData, *pgproto3.ParameterStatus:
			continue
		case *pgproto3.CopyInResponse:
			if copies {
				if m.OverallFormat == 1 {
					rc.fe.Send(&pgproto3.CopyData{Data: emptyBinaryCopy})
				}
				rc.fe.Send(&pgproto3.CopyDone{})
			} else {
				rc.fe.Send(&pgproto3.CopyFail{Message: "no data was recorded"})
			}
			if err := rc.fe.Flush(); err != nil {
				return a, err
			}
		case *pgproto3.CommandComplete:
			name = "CommandComplete(" + string(m.CommandTag) + ")"
		case *pgproto3.ErrorResponse:
			name = "ErrorResponse(" + m.Code + ")"
			a.errors = append(a.errors, m.Message)
		case *pgproto3.NoticeResponse:
			name = "NoticeResponse(" + m.Code + ")"
		case *pgproto3.RowDescription:
			cols := make([]string, len(m.Fields))
			for i, f := range m.Fields {
				cols[i] = string(f.Name) + ":" + typeName(names, f.DataTypeOID)
				if f.Format == 1 {
					cols[i] += "!"
				}
			}
			a.columns = append(a.columns, strings.Join(cols, ", "))
		case *pgproto3.ParameterDescription:
			ts := make([]string, len(m.ParameterOIDs))
			for i, o := range m.ParameterOIDs {
				ts[i] = typeName(names, o)
			}
			if len(ts) > 0 { // as in the recording
				a.inferred = append(a.inferred, strings.Join(ts, ", "))
			}
		case *pgproto3.ReadyForQuery:
			a.messages = append(a.messages, "ReadyForQuery("+string(m.TxStatus)+")")
			a.messages = messagesIn(strings.Join(a.messages, " "))
			return a, nil
		}
		a.messages = append(a.messages, name)
	}
}

// emptyBinaryCopy is the header and the trailer, without rows.
var emptyBinaryCopy = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff")

// typeOID reads the type of a parameter: a number, or a name.
func typeOID(names map[uint32]string, v any) uint32 {
	if n, ok := v.(float64); ok {
		return uint32(n)
	}
	for oid, name := range names {
		if name == v {
			return oid
		}
	}
	return 0 // unspecified, or a type of the client's own that is not built
}

func typeName(names map[uint32]string, oid uint32) string {
	if n, ok := names[oid]; ok {
		return n
	}
	return strconv.Itoa(int(oid))
}

func joinAll(lists [][]string) []string {
	var out []string
	for _, l := range lists {
		if len(l) > 0 {
			out = append(out, strings.Join(l, ", "))
		}
	}
	return out
}

var (
	message = regexp.MustCompile(`[A-Za-z]+(\([^)]*\))?(\*\d+)?`)
	digits  = regexp.MustCompile(`[ ]?\d+\)`)
)

// messagesIn takes a sequence of messages apart. How many rows there are depends on
// data that was not recorded: counts are left out, and whether there are rows.
func messagesIn(s string) []string {
	var out []string
	for _, m := range message.FindAllString(s, -1) {
		m, times, _ := strings.Cut(m, "*")
		n := 1
		if times != "" {
			n, _ = strconv.Atoi(times) // digits, says the expression
		}
		switch {
		case m == "DataRow" || m == "ParameterStatus" || strings.HasPrefix(m, "Auth("):
			continue
		case strings.HasPrefix(m, "CommandComplete("):
			for digits.MatchString(m) {
				m = digits.ReplaceAllString(m, ")")
			}
		}
		for range n {
			out = append(out, m)
		}
	}
	return out
}

func (want answer) difference(got answer) string {
	w, g := strings.Join(want.messages, " "), strings.Join(got.messages, " ")
	switch {
	case w != g:
		for i := range want.messages {
			if i >= len(got.messages) || want.messages[i] != got.messages[i] {
				return fmt.Sprintf("%s, PostgreSQL %s", strings.Join(got.messages[i:], " "), strings.Join(want.messages[i:], " "))
			}
		}
		return "more: " + g
	case strings.Join(want.columns, "; ") != strings.Join(got.columns, "; "):
		return fmt.Sprintf("columns %s, PostgreSQL %s", strings.Join(got.columns, "; "), strings.Join(want.columns, "; "))
	case strings.Join(want.inferred, "; ") != strings.Join(got.inferred, "; "):
		return fmt.Sprintf("parameters %s, PostgreSQL %s", strings.Join(got.inferred, "; "), strings.Join(want.inferred, "; "))
	}
	return ""
}
