package sql

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/types"
)

// activity is what other sessions may see of a session: a copy, because the
// session's own state belongs to its goroutine.
type activity struct {
	started, queried, changed time.Time
	txStart                   time.Time // zero: no transaction
	status                    byte      // as TxStatus, of the last call that ended
	application               string
}

// sessionView is a session as pg_stat_activity and quorate.sessions show it.
type sessionView struct {
	activity
	params  pgwire.SessionParams
	query   string
	running bool
}

// state names what a session does in PostgreSQL's words.
func (v *sessionView) state() string {
	switch {
	case v.running:
		return "active"
	case v.status == pgwire.TxBlock:
		return "idle in transaction"
	case v.status == pgwire.TxFailed:
		return "idle in transaction (aborted)"
	}
	return "idle"
}

// Sessions is how many sessions are open on this node.
func (e *Engine) Sessions() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.mu.sessions)
}

// sessionViews lists the sessions of this node, the oldest first.
func (e *Engine) sessionViews() []sessionView {
	e.mu.Lock()
	all := make([]*Session, 0, len(e.mu.sessions))
	for s := range e.mu.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	out := make([]sessionView, 0, len(all))
	for _, s := range all {
		s.mu.Lock()
		out = append(out, sessionView{activity: s.mu.activity, params: s.params, query: s.mu.query, running: s.mu.cancel != nil})
		s.mu.Unlock()
	}
	slices.SortFunc(out, func(a, b sessionView) int {
		if c := a.started.Compare(b.started); c != 0 {
			return c
		}
		return cmp.Compare(a.params.ProcessID, b.params.ProcessID)
	})
	return out
}

func dTime(t time.Time) types.Datum {
	if t.IsZero() {
		return types.Null
	}
	return dInt(types.FromTime(t))
}

// pgStatActivity lists the sessions of all nodes.
func pgStatActivity(s *Session, yield func(fields) error) error {
	for _, v := range s.allSessions() {
		row := fields{"datid": dOID(databaseOID), "datname": dText(v.Database), "pid": dInt(int64(int32(v.PID))), "usesysid": dOID(s.roleOID(v.User)),
			"usename": dText(v.User), "application_name": dText(v.Application), "query": dText(notForYou)}
		if s.maySee(v.User) {
			row["backend_start"], row["xact_start"], row["query_start"], row["state_change"] = dTime(v.Started), dTime(v.Transaction), dTime(v.Query), dTime(v.Change)
			row["state"], row["query"], row["backend_type"] = dText(v.State), dText(v.Text), dText("client backend")
			if host, port, err := net.SplitHostPort(v.ClientAddr); err == nil {
				if n, err := strconv.ParseInt(port, 10, 32); err == nil {
					row["client_addr"], row["client_port"] = clientAddr(host), dInt(n)
				}
			}
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// notForYou stands in the place of what a role may not see.
const notForYou = "<insufficient privilege>"

// clientAddr is NULL once the column has PostgreSQL's type and nothing makes its
// values yet.
func clientAddr(host string) types.Datum {
	if builtType("inet") != types.Text {
		return types.Null
	}
	return dText(host)
}

// quorateSessions is pg_stat_activity with the node.
func quorateSessions(s *Session, yield func(fields) error) error {
	for _, v := range s.allSessions() {
		row := fields{"node_id": dInt(int64(v.Node)), "pid": dInt(int64(int32(v.PID))), "user_name": dText(v.User),
			"database": dText(v.Database), "application_name": dText(v.Application), "tls": dBool(v.TLS), "started": dTime(v.Started),
			"transaction_started": dTime(v.Transaction), "state": dText(v.State), "query": dText(v.Text)}
		if v.ClientAddr != "" {
			row["client_addr"] = dText(v.ClientAddr)
		}
		if !s.maySee(v.User) {
			row["query"], row["client_addr"] = dText(notForYou), types.Null
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

func pgPreparedStatements(s *Session, yield func(fields) error) error {
	for name, p := range s.prepared {
		if name == "" {
			continue
		}
		params := make([]types.Datum, len(p.params))
		for i, t := range p.params {
			params[i] = dOID(t.OID)
		}
		row := fields{"name": dText(name), "statement": dText(p.text), "from_sql": dBool(p.simple), "prepare_time": dTime(p.made)}
		if builtType("_regtype") == types.Of(2211) {
			row["parameter_types"] = types.NewArray(types.NewArrayOf(types.RegType, params))
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

func pgCursors(s *Session, yield func(fields) error) error {
	for name, c := range s.cursors {
		err := yield(fields{"name": dText(name), "statement": dText(c.prep.text), "is_holdable": dBool(c.hold), "is_binary": dBool(c.binary),
			"is_scrollable": dBool(c.scroll != scrollNo), "creation_time": dTime(c.created)})
		if err != nil {
			return err
		}
	}
	return nil
}

const databaseOID types.OID = 5
