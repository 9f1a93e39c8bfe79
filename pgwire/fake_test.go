package pgwire

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// fakeEngine is an Engine over a toy language, so that the protocol can be tested
// without SQL. A statement is a word with arguments; statements are parted by
// semicolons:
//
//	rows N            N rows (id int4, name text)
//	echo A B …        one row of text; $n is a parameter
//	nothing           completes with a tag and no rows
//	begin, commit, rollback
//	set K V           changes a reported setting
//	notice TEXT       a notice, then completes
//	error CODE TEXT   fails; fatal CODE TEXT ends the connection
//	wait              blocks until cancelled
//	copyin, copyout N
//	big N             one row with a text of N bytes
//	retry             writes a row, takes it back, writes another
//	panic, forget     a session with a bug
type fakeEngine struct {
	waiting chan struct{} // receives one value when a wait begins
	open    atomic.Int64  // sessions not closed
	limit   int           // bounds N if it is not 0
	mu      struct {
		sync.Mutex
		last *fakeSession
		busy *fakeSession
	}
}

func newFakeEngine() *fakeEngine { return &fakeEngine{waiting: make(chan struct{}, 16)} }

func (e *fakeEngine) NewSession(ctx context.Context, p SessionParams) (Session, error) {
	switch {
	case p.User == "nobody":
		return nil, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "role %q does not exist", p.User)
	case p.Database == "nowhere":
		return nil, sqlerr.New(sqlerr.InvalidCatalogName, "database %q does not exist", p.Database)
	case p.User == "bug":
		panic("engine has a bug")
	}
	s := &fakeSession{engine: e, params: p, tx: TxIdle, cancel: make(chan struct{}, 1), cols: rowsColumns(nil),
		statements: make(map[string]*fakeStatement), portals: make(map[string]*fakePortal)}
	e.open.Add(1)
	e.mu.Lock()
	e.mu.last = s
	e.mu.Unlock()
	return s, nil
}

// lastBusy is the session that began to wait last.
func (e *fakeEngine) lastBusy() *fakeSession {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.busy
}

func (e *fakeEngine) lastSession() *fakeSession {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.mu.last
}

type fakeSession struct {
	engine     *fakeEngine
	params     SessionParams
	tx         byte
	busy       atomic.Bool
	cancel     chan struct{}
	statements map[string]*fakeStatement
	portals    map[string]*fakePortal
	row        [2]types.Datum
	cols       []Column
}

type fakeStatement struct {
	text   string
	params []types.Type
}

type fakePortal struct {
	stmt    *fakeStatement
	params  []string
	formats []int16
	done    int // rows already sent
}

func (s *fakeSession) ReportedSettings() []Setting {
	settings := []Setting{
		{"server_version", "15.0 (Quorate)"}, {"client_encoding", "UTF8"}, {"DateStyle", "ISO, MDY"},
		{"standard_conforming_strings", "on"}, {"integer_datetimes", "on"}, {"TimeZone", "UTC"},
	}
	return append(settings, s.params.Settings...)
}

func rowsColumns(formats []int16) []Column {
	return []Column{
		{Name: "id", Type: types.Int4, TableOID: 7, AttNum: 1, Format: ResultFormat(formats, 0)},
		{Name: "name", Type: types.Text, Format: ResultFormat(formats, 1)},
	}
}

func (s *fakeSession) columns(text string, formats []int16) []Column {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "rows", "retry":
		return rowsColumns(formats)
	case "echo":
		cols := make([]Column, len(strings.Fields(rest)))
		for i := range cols {
			cols[i] = Column{Name: "c" + strconv.Itoa(i+1), Type: types.Text, Format: ResultFormat(formats, i)}
		}
		return cols
	case "big":
		return []Column{{Name: "big", Type: types.Text, Format: ResultFormat(formats, 0)}}
	}
	return nil
}

func (s *fakeSession) ExecSimple(ctx context.Context, sql string, w ResultWriter) error {
	delete(s.statements, "")
	delete(s.portals, "")
	any := false
	for _, text := range strings.Split(sql, ";") {
		if text = strings.TrimSpace(text); text == "" || strings.HasPrefix(text, "--") {
			continue
		}
		any = true
		if _, err := s.run(ctx, &fakePortal{stmt: &fakeStatement{text: text}}, 0, w); err != nil {
			s.fail()
			return err
		}
	}
	if !any {
		return w.EmptyQuery()
	}
	return nil
}

func (s *fakeSession) Parse(ctx context.Context, name, sql string, paramTypes []uint32) error {
	if _, ok := s.statements[name]; ok && name != "" {
		s.fail()
		return sqlerr.New(sqlerr.DuplicatePstatement, "prepared statement %q already exists", name)
	}
	if strings.HasPrefix(sql, "syntax") {
		s.fail()
		return sqlerr.New(sqlerr.SyntaxError, "syntax error at or near %q", "syntax").WithPosition(1).WithRoutine("scanner_yyerror")
	}
	st := &fakeStatement{text: strings.TrimSpace(strings.TrimSuffix(sql, ";"))}
	for i := 1; strings.Contains(sql, "$"+strconv.Itoa(i)); i++ {
		t := types.Text
		if i <= len(paramTypes) && paramTypes[i-1] != 0 {
			t = types.Of(types.OID(paramTypes[i-1]))
		}
		st.params = append(st.params, t)
	}
	s.statements[name] = st
	return nil
}

func (s *fakeSession) statement(name string) (*fakeStatement, error) {
	if st, ok := s.statements[name]; ok {
		return st, nil
	}
	s.fail()
	return nil, sqlerr.New(sqlerr.InvalidSQLStatementName, "prepared statement %q does not exist", name)
}

func (s *fakeSession) portal(name string) (*fakePortal, error) {
	if p, ok := s.portals[name]; ok {
		return p, nil
	}
	s.fail()
	return nil, sqlerr.New(sqlerr.InvalidCursorName, "portal %q does not exist", name)
}

func (s *fakeSession) DescribeStatement(ctx context.Context, name string) ([]types.Type, []Column, error) {
	st, err := s.statement(name)
	if err != nil {
		return nil, nil, err
	}
	return st.params, s.columns(st.text, nil), nil
}

func (s *fakeSession) Bind(ctx context.Context, b *BindRequest) error {
	st, err := s.statement(b.Statement)
	if err != nil {
		return err
	}
	if len(b.Params) != len(st.params) {
		s.fail()
		return sqlerr.New(sqlerr.ProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(b.Params), b.Statement, len(st.params))
	}
	if len(b.ResultFormats) > 1 {
		if err := CheckResultFormats(b.ResultFormats, len(s.columns(st.text, nil))); err != nil {
			s.fail()
			return err
		}
	}
	p := s.portals[b.Portal]
	if p == nil || b.Portal != "" {
		p = &fakePortal{}
		s.portals[b.Portal] = p
	}
	p.stmt, p.done = st, 0
	p.formats = append(p.formats[:0], b.ResultFormats...)
	p.params = p.params[:0]
	for _, v := range b.Params {
		switch {
		case v.Value == nil:
			p.params = append(p.params, "NULL")
		case v.Format == FormatBinary:
			p.params = append(p.params, fmt.Sprintf("0x%x", v.Value))
		default:
			p.params = append(p.params, string(v.Value))
		}
	}
	return nil
}

func (s *fakeSession) DescribePortal(ctx context.Context, name string) ([]Column, error) {
	p, err := s.portal(name)
	if err != nil {
		return nil, err
	}
	return s.columns(p.stmt.text, p.formats), nil
}

func (s *fakeSession) Execute(ctx context.Context, portal string, maxRows int, w ResultWriter) (bool, error) {
	p, err := s.portal(portal)
	if err != nil {
		return false, err
	}
	if p.stmt.text == "" {
		return false, w.EmptyQuery()
	}
	suspended, err := s.run(ctx, p, maxRows, w)
	if err != nil {
		s.fail()
	}
	return suspended, err
}

// fail does to the transaction what an error does.
func (s *fakeSession) fail() {
	if s.tx == TxBlock {
		s.tx = TxFailed
	}
}

func (s *fakeSession) run(ctx context.Context, p *fakePortal, maxRows int, w ResultWriter) (suspended bool, err error) {
	word, rest, _ := strings.Cut(p.stmt.text, " ")
	if s.tx == TxFailed && word != "rollback" && word != "commit" {
		return false, sqlerr.New(sqlerr.InFailedSQLTransaction, "current transaction is aborted, commands ignored until end of transaction block")
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(rest, " $1"))
	if limit := s.engine.limit; limit > 0 {
		n = min(n, limit)
	}
	switch word {
	case "rows":
		cols := s.cols // kept, so that benchmarks count pgwire's allocations only
		if len(p.formats) > 0 {
			cols = s.columns(p.stmt.text, p.formats)
		}
		if err := w.Columns(cols, nil); err != nil {
			return false, err
		}
		for sent := 0; p.done < n; sent++ {
			if maxRows > 0 && sent == maxRows {
				return true, nil
			}
			s.row[0], s.row[1] = types.NewInt(int64(p.done)), types.NewString("name")
			if p.done%3 == 2 {
				s.row[1] = types.Null
			}
			if err := w.Row(s.row[:]); err != nil {
				return false, err
			}
			p.done++
		}
		return false, w.CompleteRows("SELECT", int64(p.done))
	case "echo":
		var row []types.Datum
		for _, f := range strings.Fields(rest) {
			if i, err := strconv.Atoi(strings.TrimPrefix(f, "$")); err == nil && f[0] == '$' && i <= len(p.params) {
				f = p.params[i-1]
			}
			row = append(row, types.NewString(f))
		}
		if err := w.Columns(s.columns(p.stmt.text, p.formats), nil); err != nil {
			return false, err
		}
		if err := w.Row(row); err != nil {
			return false, err
		}
		return false, w.CompleteRows("SELECT", 1)
	case "big":
		if err := w.Columns(s.columns(p.stmt.text, p.formats), nil); err != nil {
			return false, err
		}
		if err := w.Row([]types.Datum{types.NewString(strings.Repeat("x", n))}); err != nil {
			return false, err
		}
		return false, w.CompleteRows("SELECT", 1)
	case "retry":
		w.Mark()
		w.Notice(sqlerr.NewNotice("first try"))
		if err := w.Columns(rowsColumns(nil), nil); err != nil {
			return false, err
		}
		for i := range max(n, 1) {
			if err := w.Row([]types.Datum{types.NewInt(int64(i)), types.NewString("first")}); err != nil {
				return false, err
			}
		}
		if !w.Rewind() {
			return false, sqlerr.New(sqlerr.TRSerializationFailure, "results were already sent")
		}
		if err := w.Columns(rowsColumns(nil), nil); err != nil {
			return false, err
		}
		if err := w.Row([]types.Datum{types.NewInt(2), types.NewString("second")}); err != nil {
			return false, err
		}
		return false, w.CompleteRows("SELECT", 1)
	case "insert":
		return false, w.CompleteRows("INSERT", int64(n))
	case "nothing":
		return false, w.Complete("NOTHING")
	case "begin":
		s.tx = TxBlock
		return false, w.Complete("BEGIN")
	case "commit", "rollback":
		s.tx = TxIdle
		return false, w.Complete(strings.ToUpper(word))
	case "set":
		k, v, _ := strings.Cut(rest, " ")
		w.ParameterStatus(k, v)
		return false, w.Complete("SET")
	case "notice":
		w.Notice(sqlerr.NewNotice("%s", rest))
		return false, w.Complete("NOTICE")
	case "error", "fatal":
		code, text, _ := strings.Cut(rest, " ")
		e := sqlerr.New(code, "%s", text).WithDetail("the detail").WithHint("the hint").WithTable("public", "t").WithConstraint("t_pkey")
		if word == "fatal" {
			e = e.WithSeverity(sqlerr.SeverityFatal)
		}
		return false, e
	case "wait":
		s.busy.Store(true)
		defer s.busy.Store(false)
		s.engine.mu.Lock()
		s.engine.mu.busy = s
		s.engine.mu.Unlock()
		s.engine.waiting <- struct{}{}
		select {
		case <-s.cancel:
		case <-ctx.Done():
		}
		return false, sqlerr.New(sqlerr.QueryCanceled, "canceling statement due to user request")
	case "copyin":
		r, err := w.CopyIn(FormatText, 2)
		if err != nil {
			return false, err
		}
		bytes := 0
		for {
			data, err := r.Next()
			if err == io.EOF {
				return false, w.CompleteRows("COPY", int64(bytes))
			}
			if err != nil {
				return false, err
			}
			if strings.HasPrefix(string(data), "bad") {
				return false, sqlerr.New(sqlerr.InvalidTextRepresentation, "bad row").WithWhere("COPY t, line 1")
			}
			bytes += len(data)
		}
	case "copyout":
		o, err := w.CopyOut(FormatText, 2)
		if err != nil {
			return false, err
		}
		for i := range n {
			if err := o.WriteRow([]byte(strconv.Itoa(i) + "\tx\n")); err != nil {
				return false, err
			}
		}
		if err := o.Done(); err != nil {
			return false, err
		}
		return false, w.CompleteRows("COPY", int64(n))
	case "panic":
		if err := w.Columns(rowsColumns(nil), nil); err != nil {
			return false, err
		}
		panic("session has a bug")
	case "forget":
		return false, nil
	}
	return false, sqlerr.New(sqlerr.SyntaxError, "syntax error at or near %q", word).WithPosition(1)
}

func (s *fakeSession) CloseStatement(ctx context.Context, name string) error {
	delete(s.statements, name)
	return nil
}

func (s *fakeSession) ClosePortal(ctx context.Context, name string) error {
	delete(s.portals, name)
	return nil
}

func (s *fakeSession) Sync(ctx context.Context) error {
	// The unnamed portal ends here too, but is left for the next Bind to fill: the
	// benchmarks count pgwire's allocations, not these.
	for name := range s.portals {
		if s.tx == TxIdle && name != "" {
			delete(s.portals, name)
		}
	}
	return nil
}

func (s *fakeSession) Fail(ctx context.Context, simple bool) { s.fail() }

func (s *fakeSession) TxStatus() byte { return s.tx }

func (s *fakeSession) Cancel() {
	if s.busy.Load() {
		select {
		case s.cancel <- struct{}{}:
		default:
		}
	}
}

func (s *fakeSession) Close() { s.engine.open.Add(-1) }
