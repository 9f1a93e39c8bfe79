package sql

import (
	"context"
	"encoding/binary"
	"strings"

	"github.com/quorate-db/quorate/sql/expr"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/txn"
)

// Advisory locks (PostgreSQL 15 manual, 9.27.10): numbers that sessions lock. Each
// is a bare key of the system's range, at which nothing is ever stored.

// advisoryPrefix stands behind all keys of the catalog.
var advisoryPrefix = []byte{keys.PrefixSystem, 0xff, 'a'}

// advisoryKey makes the key of a lock on one bigint, or on two integers: they are
// spaces of their own.
func advisoryKey(args []types.Datum) []byte {
	key := append([]byte(nil), advisoryPrefix...)
	if len(args) == 1 {
		return binary.BigEndian.AppendUint64(append(key, 1), uint64(args[0].Int()))
	}
	key = binary.BigEndian.AppendUint32(append(key, 2), uint32(args[0].Int()))
	return binary.BigEndian.AppendUint32(key, uint32(args[1].Int()))
}

// describeAdvisory names an advisory lock by its key; empty if it is none.
func describeAdvisory(key []byte) string {
	n := len(advisoryPrefix)
	if len(key) != n+9 || string(key[:n]) != string(advisoryPrefix) {
		return ""
	}
	if key[n] == 1 {
		return "advisory lock " + itoa(int(int64(binary.BigEndian.Uint64(key[n+1:]))))
	}
	return "advisory lock (" + itoa(int(int32(binary.BigEndian.Uint32(key[n+1:])))) + ", " + itoa(int(int32(binary.BigEndian.Uint32(key[n+5:])))) + ")"
}

// AdvisoryLocks is a session's claim to advisory locks.
type AdvisoryLocks interface {
	Lock(ctx context.Context, key []byte, mode txn.LockMode, o StatementOptions, wait bool) error
	Unlock(key []byte)
	Close()
}

// advisory is the advisory locks of a session. A lock may be taken several times,
// in two modes, for the session or for the transaction; it goes with the last.
type advisory struct {
	claim AdvisoryLocks
	held  map[string]*advisoryCount
}

type advisoryCount struct {
	session, txn [2]int // exclusive, shared
}

func (c *advisoryCount) empty() bool { return *c == advisoryCount{} }

// advisoryCall evaluates one of the functions; ok is false if name is none.
func (s *Session) advisoryCall(ctx *expr.EvalContext, name string, args []types.Datum) (d types.Datum, ok bool, err error) {
	if !strings.Contains(name, "_advisory_") {
		return types.Null, false, nil
	}
	shared := strings.HasSuffix(name, "_shared")
	at := 0
	if shared {
		at = 1
	}
	switch {
	case name == "pg_advisory_unlock_all":
		s.advisoryEnd(func(c *advisoryCount) { c.session = [2]int{} })
		return types.Null, true, nil
	case strings.HasPrefix(name, "pg_advisory_unlock"):
		return s.advisoryUnlock(advisoryKey(args), at), true, nil
	}
	try := strings.HasPrefix(name, "pg_try_")
	got, err := s.advisoryLock(ctx.Ctx, advisoryKey(args), at, try, strings.Contains(name, "_xact_"))
	if err != nil {
		return types.Null, true, err
	}
	if try {
		return types.NewBool(got), true, nil
	}
	return types.Null, true, nil
}

func (s *Session) advisoryLock(ctx context.Context, key []byte, at int, try, xact bool) (bool, error) {
	a := &s.advisory
	if a.claim == nil {
		claim := s.e.o.Store.Advisory(txn.Owner{Node: s.e.o.NodeID, PID: s.params.ProcessID})
		if claim == nil {
			return false, sqlerr.Unsupported("advisory locks")
		}
		a.claim = claim
		a.held = map[string]*advisoryCount{}
	}
	mode := [...]txn.LockMode{txn.LockUpdate, txn.LockShare}[at]
	s.mu.Lock()
	text := s.mu.query
	s.mu.Unlock()
	if ctx == nil {
		ctx = context.Background()
	}
	err := a.claim.Lock(ctx, key, mode, StatementOptions{Text: text, LockTimeout: s.settings.hot.lockTimeout}, !try)
	if err != nil {
		if mapped := s.mapErr(err); try && sqlerr.Is(mapped, sqlerr.LockNotAvailable) {
			return false, nil
		}
		return false, err
	}
	c := a.held[string(key)]
	if c == nil {
		c = &advisoryCount{}
		a.held[string(key)] = c
	}
	if xact {
		c.txn[at]++
	} else {
		c.session[at]++
	}
	return true, nil
}

func (s *Session) advisoryUnlock(key []byte, at int) types.Datum {
	c := s.advisory.held[string(key)]
	if c == nil || c.session[at] == 0 {
		what := [...]string{"ExclusiveLock", "ShareLock"}[at]
		s.warn(sqlerr.Warning, "you don't own a lock of type %s", what)
		return types.False
	}
	c.session[at]--
	s.advisoryDrop(string(key), c)
	return types.True
}

func (s *Session) advisoryDrop(key string, c *advisoryCount) {
	if c.empty() {
		delete(s.advisory.held, key)
		s.advisory.claim.Unlock([]byte(key))
	}
}

// advisoryEnd changes the counts of all locks and gives up those that reach zero.
func (s *Session) advisoryEnd(f func(*advisoryCount)) {
	for key, c := range s.advisory.held {
		f(c)
		s.advisoryDrop(key, c)
	}
}

// advisoryTxn returns the counts of the locks of the transaction, nil for none.
func (s *Session) advisoryTxn() (counts map[string][2]int) {
	for key, c := range s.advisory.held {
		if c.txn != [2]int{} {
			if counts == nil {
				counts = map[string][2]int{}
			}
			counts[key] = c.txn
		}
	}
	return counts
}

// advisoryTxnEnd gives up the locks of the transaction but for those it had at an
// earlier time (nil: all).
func (s *Session) advisoryTxnEnd(but map[string][2]int) {
	for key, c := range s.advisory.held {
		c.txn = but[key]
		s.advisoryDrop(key, c)
	}
}

func (s *Session) advisoryClose() {
	if s.advisory.claim != nil {
		s.advisory.claim.Close()
	}
}
