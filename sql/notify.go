package sql

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// A notification is a record that its transaction writes, so it is there exactly if
// the transaction has committed, and nodes where sessions listen read the records. Its
// key begins with a timestamp T that is taken just before the commit, and the
// transaction commits at notifyWindow above T at most. So what has been committed after
// a node's last look at timestamp R lies above R - notifyWindow, and is what the node
// has not seen there yet. A node looks as soon as it is told to (Options.Wake of the
// node that has committed), and every notifyPoll in any case.
//
// Records are deleted, by whoever notifies later, when they are older than notifyKeep:
// a node that has not been able to look for that long ends the sessions that listen.

const (
	notifyWindow = 10 * time.Second
	notifyKeep   = 60 * time.Second
	notifyPoll   = 500 * time.Millisecond
	// notifySweep is how often a node deletes old records, notifySweepRows how many.
	notifySweep     = 5 * time.Second
	notifySweepRows = 2000
	// PostgreSQL's bounds: NOTIFY_PAYLOAD_MAX_LENGTH and NAMEDATALEN.
	notifyPayloadMax = 7999
)

// notifyPrefix stands behind all keys of the catalog.
var notifyPrefix = keys.User{keys.PrefixSystem, 0xff, 'n'}

// notifyKey is the least key with a timestamp.
func notifyKey(ts timestamp.Timestamp) keys.User {
	return binary.BigEndian.AppendUint64(slices.Clone(notifyPrefix), uint64(ts))
}

// before returns a timestamp that lies a duration below, 0 at least.
func before(ts timestamp.Timestamp, d time.Duration) timestamp.Timestamp {
	return timestamp.Make(max(ts.PhysicalMs()-d.Milliseconds(), 0), 0)
}

func encodeNotification(n pgwire.Notification) []byte {
	b := binary.AppendUvarint(nil, uint64(n.ProcessID))
	b = binary.AppendUvarint(b, uint64(len(n.Channel)))
	b = append(b, n.Channel...)
	return append(b, n.Payload...)
}

func decodeNotification(b []byte) (n pgwire.Notification, ok bool) {
	pid, i := binary.Uvarint(b)
	if i <= 0 {
		return n, false
	}
	size, j := binary.Uvarint(b[i:])
	if j <= 0 || size > uint64(len(b)-i-j) {
		return n, false
	}
	rest := string(b[i+j:])
	return pgwire.Notification{ProcessID: uint32(pid), Channel: rest[:size], Payload: rest[size:]}, true
}

// channels are those that sessions of this node listen on.
type channels struct {
	// looking lets one look at a time. It is held over I/O; mu is taken within.
	looking sync.Mutex
	// read is the timestamp of the last look, seen what was found up to notifyWindow
	// before it. Guarded by looking.
	read timestamp.Timestamp
	seen map[string]bool

	mu        sync.Mutex
	listeners map[string]map[*Session]bool
	running   bool // follow runs
	swept     time.Time
	wake      chan struct{}
}

// notes is what a transaction is to tell and to listen to when it commits.
type notes struct {
	list []pgwire.Notification
	// changes are LISTEN and UNLISTEN in their order; an empty channel is all.
	changes []listenChange
}

// clip returns the notes so far, to which nothing is added.
func (n notes) clip() notes { return notes{slices.Clip(n.list), slices.Clip(n.changes)} }

type listenChange struct {
	channel string
	listen  bool
}

func checkChannel(name string) error {
	switch {
	case name == "":
		return sqlerr.New(sqlerr.InvalidParameterValue, "channel name cannot be empty")
	case len(name) > maxName:
		return sqlerr.New(sqlerr.InvalidParameterValue, "channel name too long")
	}
	return nil
}

// notify is NOTIFY and pg_notify.
func (s *Session) notify(ctx context.Context, channel, payload string) error {
	if err := checkChannel(channel); err != nil {
		return err
	}
	if len(payload) > notifyPayloadMax {
		return sqlerr.New(sqlerr.InvalidParameterValue, "payload string too long")
	}
	if err := s.open(ctx); err != nil {
		return err
	}
	n := pgwire.Notification{ProcessID: s.params.ProcessID, Channel: channel, Payload: payload}
	if !slices.Contains(s.tx.notes.list, n) {
		s.tx.notes.list = append(s.tx.notes.list, n)
	}
	return nil
}

// listen is LISTEN and UNLISTEN, which count from the commit on.
func (s *Session) listen(channel string, on bool) {
	s.tx.notes.changes = append(s.tx.notes.changes, listenChange{channel, on})
}

// writeNotes puts the transaction's notifications into it and returns the highest
// timestamp at which it may commit, 0 for any.
func (s *Session) writeNotes(ctx context.Context) (timestamp.Timestamp, error) {
	if len(s.tx.notes.list) == 0 {
		return 0, nil
	}
	now, err := s.e.readTS(ctx)
	if err != nil {
		return 0, err
	}
	for i, n := range s.tx.notes.list {
		key := binary.BigEndian.AppendUint32(notifyKey(now), s.params.ProcessID)
		key = binary.BigEndian.AppendUint32(key, uint32(i))
		if err := s.tx.tx.Put(ctx, key, encodeNotification(n)); err != nil {
			return 0, err
		}
	}
	return timestamp.Make(now.PhysicalMs()+notifyWindow.Milliseconds(), 0), nil
}

// readTS returns a timestamp of now.
func (e *Engine) readTS(ctx context.Context) (timestamp.Timestamp, error) {
	t, err := e.o.Store.Begin(TxnOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer t.Rollback(context.WithoutCancel(ctx))
	err = t.Start(ctx)
	return t.ReadTS(), err
}

// startListening lets the session hear what commits after its transaction, which is
// about to commit: so it begins before. It returns what undoes that.
func (s *Session) startListening(ctx context.Context) (undo func(), err error) {
	var added []string
	undo = func() { s.e.leave(s, added...) }
	now := map[string]bool{}
	for _, c := range s.tx.notes.changes {
		switch {
		case c.listen:
			now[c.channel] = true
		case c.channel == "":
			clear(now)
		default:
			delete(now, c.channel)
		}
	}
	for ch := range now {
		if !s.listening[ch] {
			added = append(added, ch)
		}
	}
	if len(added) == 0 {
		return undo, nil
	}
	// What is there already is for the others.
	if err := s.e.look(ctx); err != nil {
		return undo, err
	}
	s.e.join(s, added...)
	return undo, nil
}

// notesDone takes effect of LISTEN and UNLISTEN after the commit, and tells everybody
// of notifications.
func (s *Session) notesDone(ctx context.Context, n notes) {
	for _, c := range n.changes {
		switch {
		case c.listen:
			if s.listening == nil {
				s.listening = map[string]bool{}
			}
			s.listening[c.channel] = true
		case c.channel == "":
			s.unlistenAll()
		case s.listening[c.channel]:
			delete(s.listening, c.channel)
			s.e.leave(s, c.channel)
		}
	}
	if len(n.list) == 0 {
		return
	}
	if s.e.listens() {
		// The session's own notifications come with the answer, as from PostgreSQL.
		if err := s.e.look(ctx); err != nil {
			s.e.o.Logger.Warn("read notifications", "err", err)
		}
	}
	if s.e.o.Wake != nil {
		s.e.o.Wake()
	}
	s.e.sweepNotifications(context.WithoutCancel(ctx))
}

func (s *Session) unlistenAll() {
	for ch := range s.listening {
		s.e.leave(s, ch)
	}
	s.listening = nil
}

func (e *Engine) listens() bool {
	e.channels.mu.Lock()
	defer e.channels.mu.Unlock()
	return len(e.channels.listeners) > 0
}

// join adds a session to the listeners.
func (e *Engine) join(s *Session, list ...string) {
	c := &e.channels
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listeners == nil {
		c.listeners = map[string]map[*Session]bool{}
	}
	for _, ch := range list {
		if c.listeners[ch] == nil {
			c.listeners[ch] = map[*Session]bool{}
		}
		c.listeners[ch][s] = true
	}
	if !c.running && len(c.listeners) > 0 {
		c.running, c.wake = true, make(chan struct{}, 1)
		// It ends with the last session that listens.
		go e.follow(c.wake)
	}
}

// leave takes a session out of the listeners.
func (e *Engine) leave(s *Session, list ...string) {
	c := &e.channels
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range list {
		delete(c.listeners[ch], s)
		if len(c.listeners[ch]) == 0 {
			delete(c.listeners, ch)
		}
	}
	if len(c.listeners) == 0 {
		c.wakeLocked()
	}
}

func (c *channels) wakeLocked() {
	if c.running {
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// Wake says that another node has committed notifications.
func (e *Engine) Wake() {
	e.channels.mu.Lock()
	defer e.channels.mu.Unlock()
	e.channels.wakeLocked()
}

// follow looks for notifications as long as somebody listens.
func (e *Engine) follow(wake chan struct{}) {
	ctx := context.Background()
	for {
		e.channels.mu.Lock()
		if len(e.channels.listeners) == 0 {
			e.channels.running = false
			e.channels.mu.Unlock()
			return
		}
		e.channels.mu.Unlock()
		t := e.o.Clock.NewTimer(notifyPoll)
		select {
		case <-wake:
		case <-t.C():
		}
		t.Stop()
		if !e.listens() {
			continue
		}
		look, cancel := context.WithTimeout(ctx, notifyKeep)
		if err := e.look(look); err != nil {
			e.o.Logger.Warn("read notifications", "err", err)
		}
		cancel()
	}
}

// look reads what has been committed since the last look and passes it on.
func (e *Engine) look(ctx context.Context) error {
	c := &e.channels
	c.looking.Lock()
	defer c.looking.Unlock()
	t, err := e.o.Store.Begin(TxnOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer t.Rollback(context.WithoutCancel(ctx))
	if err := t.Start(ctx); err != nil {
		return err
	}
	now := t.ReadTS()
	if !e.listens() {
		c.read, c.seen = 0, nil // what nobody was there for is old
	}
	first := c.read == 0
	from := before(now, notifyWindow)
	if !first {
		from = before(c.read, notifyWindow)
	}
	found := map[string]bool{}
	var fresh []pgwire.Notification
	err = t.Each(ctx, notifyKey(from), keys.PrefixEnd(notifyPrefix), func(k, v []byte) error {
		found[string(k)] = true
		if n, ok := decodeNotification(v); ok && !c.seen[string(k)] {
			fresh = append(fresh, n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	lost := !first && now.Time().Sub(c.read.Time()) > notifyKeep-notifyWindow
	c.read, c.seen = now, found
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case lost:
		for _, who := range c.listeners {
			for s := range who {
				s.params.Terminate(sqlerr.New(sqlerr.CannotConnectNow, "notifications may have been lost, because the node could not read for too long"))
			}
		}
	case !first:
		for _, n := range fresh {
			for s := range c.listeners[n.Channel] {
				if s.params.Notify != nil {
					s.params.Notify(n)
				}
			}
		}
	}
	return nil
}

// sweepNotifications deletes records that every node has seen.
func (e *Engine) sweepNotifications(ctx context.Context) {
	c := &e.channels
	now := e.o.Clock.Now()
	c.mu.Lock()
	due := now.Sub(c.swept) >= notifySweep
	if due {
		c.swept = now
	}
	c.mu.Unlock()
	if !due {
		return
	}
	err := e.retry(ctx, func(ctx context.Context, tx Txn, snap *catalog.Snapshot) (*catalog.Snapshot, error) {
		var old []keys.User
		end := notifyKey(before(tx.ReadTS(), notifyKeep))
		it, err := tx.Scan(ctx, notifyPrefix, end, exec.ScanOptions{Limit: notifySweepRows})
		if err != nil {
			return snap, err
		}
		defer it.Close()
		for len(old) < notifySweepRows {
			ok, err := it.Next(ctx)
			if err != nil {
				return snap, err
			}
			if !ok {
				break
			}
			old = append(old, slices.Clone(it.Key()))
		}
		for _, k := range old {
			if err := tx.Delete(ctx, k); err != nil {
				return snap, err
			}
		}
		return snap, nil
	})
	if err != nil {
		e.o.Logger.Warn("delete old notifications", "err", err)
	}
}

// listeningChannels is pg_listening_channels.
func (s *Session) listeningChannels() []string {
	out := make([]string, 0, len(s.listening))
	for ch := range s.listening {
		out = append(out, ch)
	}
	slices.SortFunc(out, strings.Compare)
	return out
}
