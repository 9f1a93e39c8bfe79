package liveness

import (
	"cmp"
	"slices"
	"time"
)

// The times of the protocol. Four heartbeats fit into a support period, so that
// three may be lost or late before anybody is taken for dead.
const (
	// Heartbeat is the period of messages between two stores.
	Heartbeat = 150 * time.Millisecond
	// Support is how long a message renews a support, on the supporter's clock.
	Support = 600 * time.Millisecond
	// Lease is how long a leader trusts a support, on its own clock from before the
	// message was sent that renewed it. The tenth covers clock rates that differ by
	// up to 10 % (rule A4).
	Lease = Support * 9 / 10
	// Deaf is how long a store may go on talking without having heard of what this one
	// says before it is taken for deaf: three messages went unanswered.
	Deaf = 3 * Heartbeat
	// earlyBeat is how soon messages must be due for them to leave as soon as those of
	// another store have come: all stores are then awake together and not in turn.
	earlyBeat = Heartbeat / 2
	// lateTick is by how much a tick may come late before the time is not counted
	// against other stores: this process was stopped, not they.
	lateTick = Support / 4
)

// Never is an instant that no clock reaches.
const Never = time.Duration(1<<63 - 1)

// Epoch names one support. The zero value is no support.
type Epoch struct {
	// Supporter and Supported are the boot ids of the two processes.
	Supporter, Supported uint64
	// Count tells apart the supports between these two.
	Count uint64
}

// IsZero reports whether e is no support.
func (e Epoch) IsZero() bool { return e.Count == 0 }

// Newer reports whether e began after o, for two epochs of the same two stores.
func (e Epoch) Newer(o Epoch) bool {
	return cmp.Or(cmp.Compare(e.Supporter, o.Supporter), cmp.Compare(e.Supported, o.Supported),
		cmp.Compare(e.Count, o.Count)) > 0
}

// Message is what one store tells another every period. Instants are on the lease
// clock of the process that made them and mean nothing to others, who only hand
// them back.
type Message struct {
	From, To uint64 // stores
	// Boot is the sender's boot id, PeerBoot the receiver's as far as the sender
	// has heard, 0 if it never has.
	Boot, PeerBoot uint64
	// SentAt is the sender's instant. It grows from message to message.
	SentAt time.Duration
	// Asks says that the message renews the receiver's support for the sender. It
	// is not set while the sender's disk hangs (rule A10).
	Asks bool
	// Echo is the largest SentAt that the sender has received from PeerBoot.
	Echo time.Duration
	// Count is that of the epoch in which the sender supports PeerBoot, 0 if it does
	// not; Base is the SentAt of the receiver's message that renewed it last.
	Count uint64
	Base  time.Duration
}

// Withdrawal says that the support for a store has ended.
type Withdrawal struct {
	Store uint64
	// Epoch is the one that ended.
	Epoch Epoch
	// Restarted: the supported process is gone, a new one has announced itself.
	Restarted bool
}

// Outcome is what a received message means to the caller.
type Outcome struct {
	// Reply asks for a message to the sender at once (Table.Message): it has only
	// just learned of this process, or this one of it.
	Reply bool
	// Beat: messages are due now that were not yet: Tick should be called.
	Beat bool
	// Withdrawn is set if the message ended a support.
	Withdrawn *Withdrawal
	// Granted: the epoch in which the sender supports this store is another one
	// than before, or none: leaders must collect acknowledgements of it (rule A8).
	Granted bool
}

// Table is what one process knows of its liveness and that of others.
type Table struct {
	self, boot uint64
	peers      map[uint64]*peer
	ids        []uint64 // of peers, sorted
	tickedAt   time.Duration
	beatAt     time.Duration // the next messages are due
	beaten     time.Duration // the last ones left
	syncedAt   time.Duration
	distrusted time.Duration // grants with an older base are void
	deafened   []uint64      // see Deafened
}

type peer struct {
	wanted bool   // messages go to it
	boot   uint64 // the newest that was heard of
	sentAt time.Duration
	// heardAt is the own instant of the last message; -1: none.
	heardAt time.Duration
	// hung: the last message did not ask for support.
	hung bool

	// As supporter. count is that of the present epoch, or of the next one.
	supports bool
	count    uint64
	expires  time.Duration
	base     time.Duration
	// withdrawn is the boot id of the newest support that has ended.
	withdrawn uint64
	// extended: a late tick has put the end off since the last renewal.
	extended bool

	// As supported.
	grant Grant

	lastSent time.Duration // SentAt of the newest message to it; -1: none

	// echo is the newest own message that it has told to have received, unheardSince
	// when the first one after that left; -1: there was none.
	echo, unheardSince time.Duration
	// deaf: it was found to be, and has heard nothing since. asked: that was looked at
	// when it was due.
	deaf, asked bool
}

// Grant is another store's support for this one.
type Grant struct {
	// Epoch is zero if there is none.
	Epoch Epoch
	// Base is the own instant from which the last renewal counts.
	Base time.Duration
}

// NewTable returns the table of a process that starts at instant now. boot must be
// larger than at every earlier start of this store.
func NewTable(self, boot uint64, now time.Duration) *Table {
	return &Table{
		self: self, boot: boot, peers: make(map[uint64]*peer),
		tickedAt: now, beatAt: now, beaten: now, syncedAt: now, distrusted: now - 1,
	}
}

// Boot returns the process's boot id.
func (t *Table) Boot() uint64 { return t.boot }

// SetPeers says which stores to exchange messages with: those that share a region
// with this one. Supports for others run out by themselves.
func (t *Table) SetPeers(stores []uint64) {
	for _, p := range t.peers {
		p.wanted = false
	}
	for _, id := range stores {
		if id != t.self {
			t.peer(id).wanted = true
		}
	}
}

func (t *Table) peer(id uint64) *peer {
	p := t.peers[id]
	if p == nil {
		p = &peer{heardAt: -1, lastSent: -1, echo: -1, unheardSince: -1, count: 1}
		t.peers[id] = p
		t.ids = append(t.ids, id)
		slices.Sort(t.ids)
	}
	return p
}

// Synced notes that a sync of the log engine has just ended.
func (t *Table) Synced(now time.Duration) { t.syncedAt = now }

// Distrust makes all leases wait for new promises: the machine was suspended, or
// its clocks have parted (rule A4).
func (t *Table) Distrust(now time.Duration) { t.distrusted = now }

// Receive takes a message off the network. Messages may be late, lost, repeated
// and reordered.
func (t *Table) Receive(now time.Duration, m Message) (out Outcome) {
	if m.To != t.self || m.From == t.self || m.Boot == 0 {
		return Outcome{}
	}
	p := t.peer(m.From)
	if m.Boot < p.boot || (m.Boot == p.boot && m.SentAt <= p.sentAt) {
		return Outcome{} // a process that is gone, or something older than what is known
	}
	if m.Boot > p.boot {
		// Rule A5: support is for one process.
		if p.supports {
			w := t.withdraw(m.From, p)
			w.Restarted = true
			out.Withdrawn = &w
		}
		out.Granted = !p.grant.Epoch.IsZero()
		p.boot, p.grant = m.Boot, Grant{}
		p.heardOf(-1)
		out.Reply = true
	}
	p.sentAt, p.heardAt, p.hung = m.SentAt, now, !m.Asks
	if m.PeerBoot != t.boot {
		out.Reply = true
		return out // what else it says is for another process
	}
	if m.Echo > p.echo {
		p.heardOf(m.Echo)
	}
	// Rule A6: the sender must have heard of this process lately. Its own messages
	// arriving says nothing about the way back.
	if m.Asks && m.Echo > now-Support {
		p.supports, p.expires, p.base, p.extended = true, now+Support, m.SentAt, false
	}
	var g Grant
	if m.Count > 0 {
		g = Grant{Epoch: Epoch{Supporter: m.Boot, Supported: t.boot, Count: m.Count}, Base: m.Base}
	}
	out.Granted = out.Granted || g.Epoch != p.grant.Epoch
	p.grant = g
	if t.beatAt > now && t.beatAt-now <= earlyBeat {
		t.beatAt, out.Beat = now, true
	}
	return out
}

// spare keeps the support for stores that talk, but do not ask, while this one's own disk
// hangs: it could not write down a vote, and disks that hang together, as those of
// processes on one machine, come back together. Longer support is always safe.
func (t *Table) spare(now time.Duration) {
	if now-t.syncedAt < 2*Heartbeat {
		return
	}
	for _, p := range t.peers {
		if p.supports && p.hung && now-p.heardAt < 2*Heartbeat {
			p.expires = max(p.expires, now+2*Heartbeat)
		}
	}
}

// heardOf notes the newest own message that has arrived at the peer.
func (p *peer) heardOf(echo time.Duration) {
	p.echo, p.unheardSince, p.deaf, p.asked = echo, -1, false, false
}

// listen finds out which stores have become deaf.
func (t *Table) listen(now time.Duration) {
	for _, id := range t.ids {
		p := t.peers[id]
		if p.unheardSince < 0 || now-p.unheardSince < Deaf {
			continue
		}
		p.asked = true
		if talks := p.heardAt >= 0 && now-p.heardAt < 2*Heartbeat; talks && !p.deaf {
			p.deaf = true
			t.deafened = append(t.deafened, id)
		}
	}
}

// Deafened returns the stores that have become deaf since the last call: they talk, but
// have not heard of this one for some time. What is sent to them is lost, though they
// keep their support until it runs out.
func (t *Table) Deafened() []uint64 {
	list := t.deafened
	t.deafened = nil
	return list
}

// withdraw ends a support. The next one will have another epoch (rule A1).
func (t *Table) withdraw(store uint64, p *peer) Withdrawal {
	w := Withdrawal{Store: store, Epoch: t.epoch(p)}
	p.supports, p.withdrawn = false, p.boot
	p.count++
	return w
}

func (t *Table) epoch(p *peer) Epoch {
	if !p.supports {
		return Epoch{}
	}
	return Epoch{Supporter: t.boot, Supported: p.boot, Count: p.count}
}

// Tick does what is due at instant now: it returns the messages to send, if a
// period has passed, and the supports that ended. The caller publishes View
// before it acts on a withdrawal.
func (t *Table) Tick(now time.Duration) (send []Message, withdrawn []Withdrawal) {
	if late := now - t.due(); late > lateTick {
		// This process was stopped, or kept from running: what the others sent
		// meanwhile may lie unread. But once only, or a busy machine would never
		// notice that another is gone (rule A10).
		for _, p := range t.peers {
			if p.unheardSince >= 0 {
				p.unheardSince += late
			}
			if p.supports && !p.extended {
				p.extended = true
				p.expires = min(p.expires+late, now+Support)
			}
		}
	}
	t.spare(now)
	for _, id := range t.ids {
		if p := t.peers[id]; p.supports && now >= p.expires {
			withdrawn = append(withdrawn, t.withdraw(id, p))
		}
	}
	t.listen(now)
	t.tickedAt = now
	if now < t.beatAt {
		return nil, withdrawn
	}
	for _, id := range t.ids {
		if t.peers[id].wanted {
			send = append(send, t.Message(now, id))
		}
	}
	t.beaten = now
	if t.beatAt += Heartbeat; t.beatAt <= now {
		t.beatAt = now + Heartbeat
	}
	return send, withdrawn
}

// Next returns when Tick has something to do, at the latest.
func (t *Table) Next() time.Duration { return t.due() }

// due is the first instant after the last tick at which a tick had something to do.
func (t *Table) due() time.Duration {
	due := t.beatAt
	for _, p := range t.peers {
		if p.supports {
			due = min(due, p.expires)
		}
		if p.unheardSince >= 0 && !p.asked {
			due = min(due, p.unheardSince+Deaf)
		}
	}
	return max(due, t.tickedAt)
}

// Message returns what to tell a store at instant now.
func (t *Table) Message(now time.Duration, to uint64) Message {
	p := t.peer(to)
	p.lastSent = max(now, p.lastSent+1)
	if p.unheardSince < 0 && p.wanted {
		p.unheardSince = now
	}
	m := Message{
		From: t.self, To: to, Boot: t.boot, PeerBoot: p.boot, SentAt: p.lastSent, Echo: p.sentAt,
		// Rule A10: a sync that was asked for when the last messages left has ended.
		Asks: t.syncedAt >= max(min(t.beaten, now-Heartbeat), now-2*Heartbeat),
	}
	if p.supports {
		m.Count, m.Base = p.count, p.base
	}
	return m
}
