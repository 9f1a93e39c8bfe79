package sql

import (
	"context"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/plan"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

func itoa(n int) string { return strconv.Itoa(n) }

func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

// utilityColumns describes the rows of a statement that is not a query.
func (s *Session) utilityColumns(ctx context.Context, p *prepared) ([]pgwire.Column, error) {
	switch st := p.stmt.(type) {
	case *ast.ShowVar:
		return s.showColumns(st), nil
	case *ast.ShowRegions:
		return showRegionsColumns(), nil
	case *ast.Explain:
		return explainColumns(st), nil
	case *ast.Execute:
		q, err := s.statement(st.Name)
		if err != nil {
			return nil, err
		}
		return q.cols, nil
	case *ast.Fetch:
		if st.Move {
			return nil, nil
		}
		c, err := s.cursor(st.Cursor)
		if err != nil {
			return nil, err
		}
		return c.cols, nil
	}
	return nil, nil
}

// utility runs a statement that is not a query. Rows it makes are put into the
// portal.
func (s *Session) utility(ctx context.Context, p *portal, w pgwire.ResultWriter) error {
	p.done = completion{tag: p.prep.stmt.Tag()}
	if s.tx.readOnly && writes(p.prep.stmt) {
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", p.prep.stmt.Tag())
	}
	text := p.prep.text
	switch st := p.prep.stmt.(type) {
	case *ast.SetVar:
		return s.setVar(ctx, st)
	case *ast.SetTransaction:
		return s.setTransaction(ctx, st, text)
	case *ast.SetConstraints:
		return s.setConstraints(ctx, st)
	case *ast.ShowVar:
		return s.showVar(p, st)
	case *ast.Discard:
		return s.discard(ctx, st)
	case *ast.Explain:
		return s.explain(ctx, p, st)
	case *ast.Prepare:
		return s.prepareSQL(ctx, st, text)
	case *ast.Execute:
		return s.executeSQL(ctx, p, st, w)
	case *ast.Deallocate:
		return s.deallocate(st)
	case *ast.DeclareCursor:
		return s.declare(ctx, st, text)
	case *ast.Fetch:
		return s.fetch(ctx, p, st)
	case *ast.CloseCursor:
		return s.closeCursor(st)
	case *ast.Listen:
		if err := checkChannel(st.Channel); err != nil {
			return err
		}
		s.listen(st.Channel, true)
		return nil
	case *ast.Unlisten:
		s.listen(st.Channel, false)
		return nil
	case *ast.Notify:
		return s.notify(ctx, st.Channel, st.Payload)
	case *ast.Vacuum:
		return s.vacuum(ctx, st, text)
	case *ast.LockTable:
		return s.lockTable(ctx, st, text)
	case *ast.AdminCheck:
		return s.adminCheck(ctx, st, text)
	case *ast.Checkpoint:
		return nil
	case *ast.Copy:
		return s.copy(ctx, p, st, w)
	case *ast.CreateTableAs:
		return s.createTableAs(ctx, p, st)
	case *ast.ShowRegions:
		return s.showRegions(ctx, p, st, text)
	case *ast.Unsupported:
		return sqlerr.Unsupported("%s", st.What)
	}
	if ok, err := s.ddl(ctx, p.prep.stmt, text); ok || err != nil {
		return err
	}
	return sqlerr.Unsupported("%s", p.prep.stmt.Tag())
}

func writes(st ast.Statement) bool {
	switch st.(type) {
	case *ast.CreateTable, *ast.CreateTableAs, *ast.CreateIndex, *ast.Drop, *ast.Truncate, *ast.AlterTable, *ast.CreateSchema,
		*ast.CreateEnum, *ast.CreateComposite, *ast.CreateDomain, *ast.AlterEnum, *ast.AlterType, *ast.AlterDomain,
		*ast.CreateView, *ast.CreateSequence, *ast.CreateRole, *ast.Comment, *ast.Grant, *ast.AlterRole, *ast.DefaultPrivileges,
		*ast.OwnedBy, *ast.AlterSchema:
		return true
	}
	return false
}

// setVar is SET and RESET.
func (s *Session) setVar(ctx context.Context, st *ast.SetVar) error {
	if st.ResetAll {
		s.setSettings(s.settings.resetAll())
		return nil
	}
	var value *string
	if !st.Default {
		v := setText(st.Values)
		value = &v
	}
	switch lower(st.Name) {
	case "role", "session_authorization":
		if err := s.open(ctx); err != nil {
			return err
		}
	}
	return s.set(st.Name, value, st.Scope == ast.ScopeLocal)
}

func setText(vals []ast.SetValue) string {
	parts := make([]string, len(vals))
	for i, v := range vals {
		parts[i] = v.Text
		// A list is kept as text: names that would not read back are quoted.
		if len(vals) > 1 && v.Kind != ast.SetNumber && exec.QuoteIdent(v.Text) != v.Text {
			parts[i] = exec.QuoteIdent(v.Text)
		}
	}
	return strings.Join(parts, ", ")
}

// set changes one setting; nil goes back to the default.
func (s *Session) set(name string, value *string, local bool) error {
	key := lower(name)
	if local && (s.tx == nil || !s.tx.block) {
		s.warn(sqlerr.NoActiveSQLTransaction, "SET LOCAL can only be used in transaction blocks")
	}
	switch key {
	case "transaction_isolation":
		local = true
		if value != nil && s.tx != nil {
			for _, l := range []ast.IsolationLevel{ast.ReadUncommitted, ast.ReadCommitted, ast.RepeatableRead, ast.Serializable} {
				if strings.EqualFold(strings.TrimSpace(*value), l.String()) {
					return s.setModes(ast.TxnModes{Isolation: l})
				}
			}
		}
	case "transaction_read_only":
		if value != nil {
			b, ok := parseBool(*value)
			if !ok {
				return sqlerr.New(sqlerr.InvalidParameterValue, "parameter %q requires a Boolean value", key)
			}
			return s.setModes(ast.TxnModes{ReadOnly: &b})
		}
	case "role", "session_authorization":
		return s.setRole(key, value, local)
	case "search_path":
		if value != nil && *value == "" {
			v := `""`
			value = &v
		}
	}
	n, err := s.settings.with(name, value, local)
	if err != nil {
		return err
	}
	s.setSettings(n)
	return nil
}

func (s *Session) setTransaction(ctx context.Context, st *ast.SetTransaction, text string) error {
	if st.Snapshot != "" {
		return sqlerr.Unsupported("SET TRANSACTION SNAPSHOT")
	}
	if st.Session {
		if st.Modes.AsOf != nil {
			return sqlerr.Unsupported("AS OF SYSTEM TIME for all transactions of a session")
		}
		if l := st.Modes.Isolation; l != ast.IsolationUnset {
			v := l.String()
			if err := s.set("default_transaction_isolation", &v, false); err != nil {
				return err
			}
		}
		if ro := st.Modes.ReadOnly; ro != nil {
			v := map[bool]string{true: "on", false: "off"}[*ro]
			return s.set("default_transaction_read_only", &v, false)
		}
		return nil
	}
	if !s.tx.block {
		s.warn(sqlerr.NoActiveSQLTransaction, "SET TRANSACTION can only be used in transaction blocks")
	}
	return s.setModesAt(ctx, st.Modes, text)
}

func (s *Session) showColumns(st *ast.ShowVar) []pgwire.Column {
	if st.Name == "all" {
		return []pgwire.Column{{Name: "name", Type: types.Text}, {Name: "setting", Type: types.Text}, {Name: "description", Type: types.Text}}
	}
	name := lower(st.Name)
	if d := s.e.defs[name]; d != nil {
		name = d.name
	}
	return []pgwire.Column{{Name: name, Type: types.Text}}
}

func (s *Session) showVar(p *portal, st *ast.ShowVar) error {
	p.cols = s.withFormats(s.showColumns(st), p.formats)
	p.done = completion{tag: "SHOW"}
	if st.Name == "all" {
		for _, n := range s.settings.names() {
			v, _ := s.setting(n)
			p.rows = append(p.rows, []types.Datum{types.NewString(n), types.NewString(v), types.NewString("")})
		}
		return nil
	}
	v, ok := s.setting(st.Name)
	if !ok {
		return sqlerr.New(sqlerr.UndefinedObject, "unrecognized configuration parameter %q", st.Name)
	}
	p.rows = [][]types.Datum{{types.NewString(v)}}
	return nil
}

// setting returns a value as SHOW and current_setting print it.
func (s *Session) setting(name string) (string, bool) {
	switch lower(name) {
	case "transaction_isolation":
		return s.isolation(), true
	case "transaction_read_only":
		if s.tx != nil && s.tx.readOnly {
			return "on", true
		}
		return "off", true
	}
	return s.settings.show(name)
}

func (s *Session) withFormats(cols []pgwire.Column, formats []int16) []pgwire.Column {
	for i := range cols {
		cols[i].Format = pgwire.ResultFormat(formats, i)
	}
	return cols
}

func (s *Session) discard(ctx context.Context, st *ast.Discard) error {
	switch st.What {
	case "ALL":
		if s.tx.block {
			return sqlerr.New(sqlerr.ActiveSQLTransaction, "DISCARD ALL cannot run inside a transaction block")
		}
		s.prepared = map[string]*prepared{}
		n := newSettings(s.e.defs)
		n.defaults = s.settings.defaults
		if err := n.derive(); err != nil {
			return err
		}
		s.setSettings(n)
		s.seqs = sessionSeqs{}
		s.dropCursors(true)
		s.listen("", false)
		s.advisoryEnd(func(c *advisoryCount) { c.session = [2]int{} })
		return s.discardTemp(ctx)
	case "TEMP":
		return s.discardTemp(ctx)
	case "SEQUENCES":
		s.seqs = sessionSeqs{}
	case "PLANS":
		for _, p := range s.prepared {
			p.plan = nil
		}
	}
	return nil
}

// prepareSQL is PREPARE.
func (s *Session) prepareSQL(ctx context.Context, st *ast.Prepare, text string) error {
	if _, ok := s.prepared[st.Name]; ok {
		return sqlerr.New(sqlerr.DuplicatePstatement, "prepared statement %q already exists", st.Name)
	}
	if len(s.prepared) >= maxPrepared {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "too many prepared statements (%d)", maxPrepared)
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	q := &prepared{name: st.Name, stmt: st.Statement, text: text, made: s.e.o.Clock.Now()}
	for _, t := range st.Types {
		rt, err := plan.ResolveType(t, s.planOptions(text, nil))
		if err != nil {
			return err
		}
		q.declared = append(q.declared, rt)
	}
	if err := s.preparePlan(q); err != nil {
		return err
	}
	s.prepared[st.Name] = q
	return nil
}

// executeSQL is EXECUTE.
func (s *Session) executeSQL(ctx context.Context, p *portal, st *ast.Execute, w pgwire.ResultWriter) error {
	q, params, err := s.executeArgs(ctx, st, p.prep.text)
	if err != nil {
		return err
	}
	p.prep, p.params = q, params
	switch q.stmt.(type) {
	case *ast.Select, *ast.Insert, *ast.Update, *ast.Delete, *ast.Merge:
		return s.startQuery(ctx, p)
	}
	return s.utility(ctx, p, w)
}

// executeArgs finds a prepared statement and computes its parameters.
func (s *Session) executeArgs(ctx context.Context, st *ast.Execute, text string) (*prepared, []types.Datum, error) {
	q, err := s.statement(st.Name)
	if err != nil {
		return nil, nil, err
	}
	if len(st.Args) != len(q.params) {
		return nil, nil, sqlerr.New(sqlerr.SyntaxError, "wrong number of parameters for prepared statement %q", st.Name).
			WithDetail("Expected %d parameters but got %d.", len(q.params), len(st.Args))
	}
	if err := s.open(ctx); err != nil {
		return nil, nil, err
	}
	params := make([]types.Datum, len(st.Args))
	ev := s.evalContext(nil)
	ev.Ctx = ctx
	for i, a := range st.Args {
		x, err := plan.Scalar(s.planOptions(text, nil), a, s.tx.snap.Attach(q.params[i]))
		if err != nil {
			return nil, nil, err
		}
		if params[i], err = x.Eval(ev, nil); err != nil {
			return nil, nil, err
		}
	}
	return q, params, nil
}

func (s *Session) deallocate(st *ast.Deallocate) error {
	if st.Name == "" {
		s.prepared = map[string]*prepared{}
		return nil
	}
	if _, err := s.statement(st.Name); err != nil {
		return err
	}
	delete(s.prepared, st.Name)
	return nil
}

// lockTable checks its tables. Transactions do not wait for each other yet, so the
// weak modes need nothing; the ones that promise to keep writers away are refused.
func (s *Session) lockTable(ctx context.Context, st *ast.LockTable, text string) error {
	if err := s.inBlock("LOCK TABLE"); err != nil {
		return err
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	for _, ref := range st.Tables {
		t, err := s.table(ref.Table, text)
		if err != nil {
			return err
		}
		if err := s.mayLock(t, st.Mode); err != nil {
			return err
		}
	}
	switch st.Mode {
	case "access share", "row share", "row exclusive":
		return nil
	}
	return sqlerr.Unsupported("LOCK TABLE IN %s MODE", strings.ToUpper(st.Mode))
}
