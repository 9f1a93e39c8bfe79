package sql

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/stmtstats"
	"github.com/quorate-db/quorate/sql/types"
)

// Peers reaches the sessions of other nodes.
type Peers interface {
	// Sessions lists those of all other nodes that answer.
	Sessions(ctx context.Context) []SessionInfo
	// Statements lists what each other node that answers has counted of its statements.
	Statements(ctx context.Context) [][]stmtstats.Statement
	// Signal does on the node that a process id belongs to what Engine.Signal does here.
	Signal(ctx context.Context, pid uint32, terminate bool) (found bool, err error)
}

// SessionInfo is a session as others see it. A zero time is none.
type SessionInfo struct {
	Node                                uint64
	PID                                 uint32
	User, Database, Application         string
	ClientAddr                          string // host:port, empty for none
	TLS                                 bool
	Started, Transaction, Query, Change time.Time
	State, Text                         string
}

// SessionList lists the sessions of this node, the oldest first.
func (e *Engine) SessionList() []SessionInfo {
	var out []SessionInfo
	for _, v := range e.sessionViews() {
		i := SessionInfo{Node: uint64(e.o.NodeID), PID: v.params.ProcessID, User: v.params.User, Database: v.params.Database, Application: v.application,
			TLS: v.params.TLS, Started: v.started, Transaction: v.txStart, Query: v.queried, Change: v.changed, State: v.state(), Text: v.query}
		if v.params.RemoteAddr != nil {
			i.ClientAddr = v.params.RemoteAddr.String()
		}
		out = append(out, i)
	}
	return out
}

// Signal cancels what a session of this node is doing, or ends it, and reports whether
// there is such a session. Whether the caller may is the caller's business.
func (e *Engine) Signal(pid uint32, terminate bool) bool {
	e.mu.Lock()
	var found *Session
	for s := range e.mu.sessions {
		if s.params.ProcessID == pid {
			found = s
		}
	}
	e.mu.Unlock()
	switch {
	case found == nil:
		return false
	case terminate && found.params.Terminate != nil:
		found.params.Terminate(sqlerr.New(sqlerr.AdminShutdown, "terminating connection due to administrator command").
			WithSeverity(sqlerr.SeverityFatal))
	default:
		found.Cancel()
	}
	return true
}

// peersTimeout bounds the wait for another node.
const peersTimeout = time.Second

// allSessions lists the sessions of the cluster, as far as its nodes answer.
func (s *Session) allSessions() []SessionInfo {
	out := s.e.SessionList()
	if s.e.o.Peers != nil {
		ctx, cancel := context.WithTimeout(context.Background(), peersTimeout)
		defer cancel()
		out = append(out, s.e.o.Peers.Sessions(ctx)...)
	}
	return out
}

// signalWords are the parts of the errors of pg_cancel_backend and
// pg_terminate_backend that differ.
var signalWords = map[bool][2]string{
	false: {"must be a superuser to cancel superuser query", "must be a member of the role whose query is being canceled or member of pg_signal_backend"},
	true:  {"must be a superuser to terminate superuser process", "must be a member of the role whose process is being terminated or member of pg_signal_backend"},
}

// signal is pg_cancel_backend and pg_terminate_backend, which waits for the end of the
// session if it is given a time.
func (s *Session) signal(ctx context.Context, pid int64, terminate bool, wait time.Duration) (types.Datum, error) {
	if wait < 0 {
		return types.Null, sqlerr.New(sqlerr.NumericValueOutOfRange, "\"timeout\" must not be negative")
	}
	target := s.sessionWith(uint32(pid))
	if target == nil {
		s.warn(sqlerr.Warning, "PID %d is not a PostgreSQL server process", pid)
		return types.False, nil
	}
	if err := s.maySignal(target.User, terminate); err != nil {
		return types.Null, err
	}
	found := s.e.Signal(target.PID, terminate)
	if !found && s.e.o.Peers != nil {
		asked, cancel := context.WithTimeout(ctx, peersTimeout)
		defer cancel()
		var err error
		if found, err = s.e.o.Peers.Signal(asked, target.PID, terminate); err != nil {
			s.warn(sqlerr.Warning, "could not send signal to process %d: %v", pid, err)
			return types.False, nil
		}
	}
	if !found || !terminate || wait == 0 {
		return types.NewBool(found), nil
	}
	for end := s.e.o.Clock.Now().Add(wait); s.e.o.Clock.Now().Before(end); {
		if s.sessionWith(target.PID) == nil {
			return types.True, nil
		}
		if err := s.e.sleep(ctx, min(50*time.Millisecond, wait)); err != nil {
			return types.Null, err
		}
	}
	s.warn(sqlerr.Warning, "backend with PID %d did not terminate within %d milliseconds", pid, wait.Milliseconds())
	return types.False, nil
}

func (s *Session) sessionWith(pid uint32) *SessionInfo {
	list := s.e.SessionList()
	if s.e.o.Peers != nil && pgwire.ProcessNode(pid) != s.e.o.NodeID%(1<<11) {
		list = s.allSessions()
	}
	for i := range list {
		if list[i].PID == pid {
			return &list[i]
		}
	}
	return nil
}

// maySignal checks that the session's role may interrupt a session of another one.
func (s *Session) maySignal(user string, terminate bool) error {
	snap := s.tx.snap
	me, err := s.me()
	if err != nil {
		return err
	}
	target := snap.RoleByName(user)
	switch {
	case me.Super:
		return nil
	case target == nil || target.Super:
		return sqlerr.New(sqlerr.InsufficientPrivilege, "%s", signalWords[terminate][0])
	case snap.HasRights(me.ID, target.ID) || snap.HasRights(me.ID, catalog.RoleSignalBackend):
		return nil
	}
	return sqlerr.New(sqlerr.InsufficientPrivilege, "%s", signalWords[terminate][1])
}
