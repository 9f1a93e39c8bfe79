package sql

import (
	"time"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// idleTimer ends a session whose client says nothing for too long. It belongs to
// the session's goroutine.
type idleTimer struct {
	over chan struct{} // closed by stop; nil: no timer runs
}

func (t *idleTimer) stop() {
	if t.over != nil {
		close(t.over)
		t.over = nil
	}
}

// startIdle begins to count the time until the client's next message.
func (s *Session) startIdle() {
	if s.params.Terminate == nil {
		return
	}
	hot := &s.settings.hot
	d, reason := hot.idleTimeout, errIdleTimeout
	if s.tx != nil {
		d, reason = hot.idleInTxnTimeout, errIdleInTxnTimeout
		if most := hot.transactionTimeout; most > 0 {
			left := max(most-s.e.o.Clock.Now().Sub(s.tx.start), time.Nanosecond)
			if d == 0 || left < d {
				d, reason = left, errTransactionTimeout
			}
		}
	}
	if d > 0 {
		over := make(chan struct{})
		s.idle.over = over
		timer := s.e.o.Clock.NewTimer(d)
		// It ends with the timer, or with the next message: Close is one, too.
		go func() {
			defer timer.Stop()
			select {
			case <-timer.C():
				s.params.Terminate(reason())
			case <-over:
			}
		}()
	}
}

func errIdleTimeout() *sqlerr.Error {
	return sqlerr.New(sqlerr.IdleSessionTimeout, "terminating connection due to idle-session timeout")
}

func errIdleInTxnTimeout() *sqlerr.Error {
	return sqlerr.New(sqlerr.IdleInTransactionSessionTimeout, "terminating connection due to idle-in-transaction timeout")
}

func errTransactionTimeout() *sqlerr.Error {
	return sqlerr.New(sqlerr.TransactionTimeout, "terminating connection due to transaction timeout").
		WithSeverity(sqlerr.SeverityFatal)
}
