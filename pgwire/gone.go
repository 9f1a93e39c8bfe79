package pgwire

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// gonePeriod is how often connections whose session works are looked at. Nobody reads
// from the socket of such a one, so a client that was killed would show only when the
// answer is written, and a statement that waits for a lock may wait for ever, with the
// locks that its transaction has. PostgreSQL has client_connection_check_interval for
// that. A message that two looks find at work makes its connection one to ask.
const gonePeriod = time.Second

// watchClients ends connections whose clients are gone while their sessions work,
// until ctx ends.
func (s *Server) watchClients(ctx context.Context) {
	for env.Sleep(ctx, s.opts.Clock, gonePeriod) == nil {
		for _, c := range s.busy() {
			if clientGone(c.raw) {
				c.terminate(sqlerr.New(sqlerr.ConnectionFailure, "connection to client lost"))
			}
		}
	}
}

// busy lists the connections that have been at one message since the last call.
func (s *Server) busy() (out []*conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.conns {
		now := c.handled.Load()
		if now&1 == 1 && now == c.lookedAt {
			out = append(out, c)
		}
		c.lookedAt = now
	}
	return out
}
