package pgwire

import (
	"context"
	"sync"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Notification is a message of NOTIFY for a client that listens.
type Notification struct {
	ProcessID        uint32 // of the session that has sent it
	Channel, Payload string
}

// notificationsBytesMax bounds what waits for a client. One that is that far behind is
// cut off: it could not be told that something was left out.
const notificationsBytesMax = 8 << 20

// notifications are what is still to be told to a client. They go out before the next
// ReadyForQuery outside of a transaction, or at once while the client is waited for
// there: then in a goroutine of their own, because a client that does not read must not
// hold up who notifies it.
type notifications struct {
	mu    sync.Mutex
	list  []Notification
	bytes int
	// resting: the connection waits for its client and writes nothing itself. sending: a
	// goroutine writes; done is signalled when it ends.
	resting, sending bool
	done             *sync.Cond
}

// notify passes a notification on, from any goroutine, and does not wait.
func (c *conn) notify(n Notification) {
	q := &c.notes
	q.mu.Lock()
	q.bytes += len(n.Channel) + len(n.Payload) + 64
	full := q.bytes > notificationsBytesMax
	if !full {
		q.list = append(q.list, n)
	}
	c.sendLocked()
	q.mu.Unlock()
	if full {
		c.terminate(sqlerr.New(sqlerr.ProgramLimitExceeded, "too many notifications wait for the client"))
	}
}

// sendLocked has the queue sent if that can be done now. Requires: c.notes.mu held.
func (c *conn) sendLocked() {
	q := &c.notes
	if !q.resting || q.sending || len(q.list) == 0 {
		return
	}
	// It ends when the queue is empty, the client wants something, or the write fails;
	// the server's Close closes the socket.
	q.sending = c.server.group.Go("pgwire notifications", c.sendNotifications)
}

func (c *conn) sendNotifications(context.Context) {
	q := &c.notes
	w := writer{conn: c.out.conn, buffers: c.out.buffers, clock: c.out.clock, timeout: c.out.timeout, start: -1}
	for {
		q.mu.Lock()
		if !q.resting || len(q.list) == 0 || w.err != nil {
			q.sending = false
			q.done.Broadcast()
			q.mu.Unlock()
			w.release()
			return
		}
		list := q.takeLocked()
		q.mu.Unlock()
		for _, n := range list {
			w.notification(n)
		}
		if w.flush() != nil {
			c.interruptRead()
		}
	}
}

func (q *notifications) takeLocked() []Notification {
	list := q.list
	q.list, q.bytes = nil, 0
	return list
}

// rest allows notifications to be sent at any time.
func (c *conn) restNotifications() {
	q := &c.notes
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resting = true
	c.sendLocked()
}

// wakeNotifications takes the connection back for answers.
func (c *conn) wakeNotifications() {
	q := &c.notes
	q.mu.Lock()
	defer q.mu.Unlock()
	q.resting = false
	for q.sending {
		q.done.Wait()
	}
}

// writeNotifications writes what waits into the output.
func (c *conn) writeNotifications() {
	c.notes.mu.Lock()
	list := c.notes.takeLocked()
	c.notes.mu.Unlock()
	for _, n := range list {
		c.out.notification(n)
	}
}

func (w *writer) notification(n Notification) {
	w.open('A')
	w.uint32(n.ProcessID)
	w.cstring(n.Channel)
	w.cstring(n.Payload)
	w.close()
}
