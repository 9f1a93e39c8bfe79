package logictest

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
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
type answer struct{ messages, columns, inferred []string }

const answerTimeout = 15 * time.Second

// What clients sent when they were recorded against PostgreSQL 15 is answered with
// the same messages, columns, types, tags and SQLSTATEs. Where that is not so yet
// is written in testdata/replay-CLIENT.txt, one line a cycle; a line that no longer
// holds must go, and none may come. QUORATE_REWRITE=1 writes the files.
func TestReplayClients(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	dir := filepath.Join(filepath.Dir(corpusDir(t)), "client-queries")
	dsns := startCluster(t, shape{nodes: 1})
	for _, client := range []string{"pgbench", "psql", "pgx", "lib-pq"} {
		t.Run(client, func(t *testing.T) {
			if err := dropAll(context.Background(), dsns[0]); err != nil {
				t.Fatal(err)
			}
			if client != "pgbench" {
				fixture(t, dsns[0])
			}
			got := replay(t, dsns[0], readCycles(t, filepath.Join(dir, client+".cycles.jsonl")))
			checkDifferences(t, filepath.Join("testdata", "replay-"+client+".txt"), got)
		})
	}
}

// fixture makes those parts of what the clients ran on that are built.
func fixture(t *testing.T, dsn string) {
	c, err := pgconn.Connect(context.Background(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	b, err := os.ReadFile("testdata/replay-fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(context.Background(), string(b)).ReadAll(); err != nil {
		t.Fatalf("fixture: %v", err)
	}
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

// replayConn is one of the recorded connections.
type replayConn struct {
	net net.Conn
	fe  *pgproto3.Frontend
}

// replay sends all cycles and returns one line for each that was answered otherwise.
func replay(t *testing.T, dsn string, cycles []cycle) []string {
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	names, objects := catalogNames(t, dsn)
	conns := map[int]*replayConn{}
	defer func() {
		for _, c := range conns {
			c.net.Close()
		}
	}()
	var out []string
	for i, c := range cycles {
		want := answer{messages: messagesIn(c.Back), columns: c.Columns, inferred: joinAll(c.Inferred)}
		if len(c.Front) == 0 || c.Front[0].T == "SSLRequest" || c.Front[0].T == "CancelRequest" || strings.Contains(c.Back, "57014") || strings.Contains(c.Back, "Notification") {
			continue // what is decided before a session, or by another connection
		}
		differs := func(why string) { out = append(out, fmt.Sprintf("%d %s: %s", i+1, c.Step, why)) }
		rc := conns[c.Conn]
		if c.Front[0].T == "Startup" {
			n, err := net.Dial("tcp", u.Host)
			if err != nil {
				t.Fatal(err)
			}
			rc = &replayConn{n, pgproto3.NewFrontend(n, n)}
			conns[c.Conn] = rc
		}
		if rc == nil {
			differs("the connection is gone")
			continue
		}
		if c.Front[0].T == "Terminate" {
			rc.net.Close()
			delete(conns, c.Conn)
			continue
		}
		rc.net.SetDeadline(time.Now().Add(answerTimeout))
		got, err := rc.run(c, names, objects)
		if err != nil {
			rc.net.Close()
			delete(conns, c.Conn)
			differs("the connection ended: " + strings.Join(got.messages, " "))
			continue
		}
		if why := want.difference(got); why != "" {
			differs(why)
		}
	}
	return out
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

var placeholder = regexp.MustCompile(`\{\{\{?oid:?([^}]*)\}\}\}?`)

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
			params["user"], params["database"] = "postgres", "postgres" // the ones that there are
			rc.fe.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: params})
		case "AuthData": // nothing is asked for
		case "Query":
			rc.fe.Send(&pgproto3.Query{String: fill(m.SQL, objects)})
		case "Parse":
			p := &pgproto3.Parse{Name: m.Name, Query: fill(m.SQL, objects)}
			for _, o := range m.OIDs {
				n, _ := o.(float64) // a name stands for a type of the client's own
				p.ParameterOIDs = append(p.ParameterOIDs, uint32(n))
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

// checkDifferences holds the differences against the list of known ones.
func checkDifferences(t *testing.T, file string, got []string) {
	if os.Getenv("QUORATE_REWRITE") != "" {
		text := "# Cycles that are answered otherwise than by PostgreSQL 15. This list may only shrink.\n" + strings.Join(got, "\n") + "\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	known := map[string]bool{}
	for _, l := range corpusLines(t, file) {
		known[l] = true
	}
	t.Logf("%d differences, %d known", len(got), len(known))
	for _, l := range got {
		if !known[l] {
			t.Errorf("new difference: %s", l)
		}
		delete(known, l)
	}
	for l := range known {
		t.Errorf("no difference any more, take it out of %s: %s", file, l)
	}
}
