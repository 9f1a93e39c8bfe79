package pgwire

import (
	"context"
	"crypto/subtle"
	"encoding/binary"
	"io"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

const (
	// A process id has 31 bits, because clients print it as a signed number: the
	// node in the upper ones, so that any node can tell where a cancel request
	// belongs, and a running number.
	processBits = 20
	processMask = 1<<processBits - 1
	nodeMask    = 1<<(31-processBits) - 1

	cancelKeyBytes30 = 4  // protocol 3.0
	cancelKeyBytes32 = 32 // protocol 3.2 allows up to 256
)

// Canceller passes a cancel request on to the node that the process id belongs
// to (see ProcessNode), whose Server.Cancel it calls.
type Canceller interface {
	Cancel(ctx context.Context, processID uint32, secret []byte) error
}

// ProcessNode returns the node number, modulo 2,048, that a process id carries.
func ProcessNode(processID uint32) uint32 { return processID >> processBits & nodeMask }

// Cancel cancels what a connection of this server is running, if the secret is
// that of its BackendKeyData. It reports whether it was.
func (s *Server) Cancel(processID uint32, secret []byte) bool {
	s.mu.Lock()
	c := s.mu.processes[processID]
	s.mu.Unlock()
	if c == nil || subtle.ConstantTimeCompare(c.secret, secret) != 1 {
		return false
	}
	c.cancelRunning()
	return true
}

// cancelRequest serves a CancelRequest packet (without its code). The client gets
// no answer, whatever happens, so that it learns nothing about keys.
func (s *Server) cancelRequest(ctx context.Context, from string, pkt []byte) {
	if len(pkt) < 4+cancelKeyBytes30 || len(pkt) > 4+256 {
		return
	}
	if !s.wrongCancels.allow(from) {
		return
	}
	id, secret := binary.BigEndian.Uint32(pkt), pkt[4:]
	var ok bool
	if s.opts.Canceller != nil && ProcessNode(id) != s.opts.NodeID&nodeMask {
		err := s.opts.Canceller.Cancel(ctx, id, secret)
		if ok = err == nil; !ok {
			s.opts.Logger.Debug("cancel request of another node", "process", id, "err", err)
		}
	} else {
		ok = s.Cancel(id, secret)
	}
	if !ok {
		s.wrongCancels.count(from)
	}
}

// newProcess gives a connection its process id and secret.
func (s *Server) newProcess(c *conn, protocol uint32) error {
	secret := make([]byte, cancelKeyBytes30)
	if protocol >= protocol32 {
		secret = make([]byte, cancelKeyBytes32)
	}
	if _, err := io.ReadFull(s.opts.Entropy, secret); err != nil {
		return err
	}
	c.secret = secret
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		s.mu.lastProcess = (s.mu.lastProcess + 1) & processMask
		id := (s.opts.NodeID&nodeMask)<<processBits | s.mu.lastProcess
		if _, used := s.mu.processes[id]; !used && s.mu.lastProcess != 0 {
			c.processID = id
			s.mu.processes[id] = c
			return nil
		}
	}
}

const (
	wrongCancelsPerSecond = 100
	// wrongCancelsAddresses bounds the table of addresses; those beyond share one entry.
	wrongCancelsAddresses = 4096
)

// cancelLimiter stops an address from guessing secrets.
type cancelLimiter struct {
	clock env.Clock
	mu    struct {
		sync.Mutex
		since time.Time
		wrong map[string]int
	}
}

// allow reports whether the address may try.
func (l *cancelLimiter) allow(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := l.clock.Now(); l.mu.wrong == nil || now.Sub(l.mu.since) >= time.Second {
		l.mu.since, l.mu.wrong = now, make(map[string]int)
	}
	return l.mu.wrong[l.entryLocked(address)] < wrongCancelsPerSecond
}

// count notes a wrong try.
func (l *cancelLimiter) count(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.wrong != nil {
		l.mu.wrong[l.entryLocked(address)]++
	}
}

func (l *cancelLimiter) entryLocked(address string) string {
	if _, ok := l.mu.wrong[address]; !ok && len(l.mu.wrong) >= wrongCancelsAddresses {
		return ""
	}
	return address
}
