package liveness

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

// pair is two tables that talk to each other on one clock.
type pair struct {
	t    *testing.T
	now  time.Duration
	a, b *Table
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, now: time.Second}
	p.a, p.b = NewTable(1, 1, p.now), NewTable(2, 1, p.now)
	p.a.SetPeers([]uint64{1, 2})
	p.b.SetPeers([]uint64{1, 2})
	for range 3 {
		p.round()
	}
	if p.a.View().Peer(2).Supports.IsZero() || p.b.View().Peer(1).Supports.IsZero() {
		t.Fatal("two stores that hear each other do not support each other")
	}
	return p
}

// tell carries one message.
func (p *pair) tell(from, to *Table) Outcome {
	return to.Receive(p.now, from.Message(p.now, to.self))
}

// round lets a period pass with healthy disks, and both tell each other.
func (p *pair) round() {
	p.now += Heartbeat
	p.a.Synced(p.now)
	p.b.Synced(p.now)
	p.a.Tick(p.now)
	p.b.Tick(p.now)
	p.tell(p.a, p.b)
	p.tell(p.b, p.a)
}

// pass lets time pass in small steps, with ticks and no message.
func (p *pair) pass(d time.Duration) (ofA, ofB []Withdrawal) {
	for end := p.now + d; p.now < end; {
		p.now += 10 * ms
		p.a.Synced(p.now)
		p.b.Synced(p.now)
		_, w := p.a.Tick(p.now)
		ofA = append(ofA, w...)
		_, w = p.b.Tick(p.now)
		ofB = append(ofB, w...)
	}
	return ofA, ofB
}

// Rule A1: what is supported again after a withdrawal, or by a process that was
// started anew, is another epoch; acknowledgements of the old one are worth nothing.
func TestA1EpochIsNeverUsedTwice(t *testing.T) {
	p := newPair(t)
	first := p.a.View().Peer(2).Supports
	ofA, _ := p.pass(Support + 10*ms)
	if len(ofA) != 1 || ofA[0].Epoch != first || ofA[0].Store != 2 || ofA[0].Restarted {
		t.Fatalf("withdrawn: %+v", ofA)
	}
	for range 3 {
		p.round()
	}
	second := p.a.View().Peer(2).Supports
	if second == first || !second.Newer(first) {
		t.Fatalf("after a withdrawal %+v follows %+v", second, first)
	}
	p.a = NewTable(1, 2, p.now)
	p.a.SetPeers([]uint64{2})
	for range 3 {
		p.round()
	}
	third := p.a.View().Peer(2).Supports
	if third == first || !third.Newer(second) {
		t.Fatalf("after a restart %+v follows %+v", third, second)
	}
	var acks Acks
	acks.Note(1, second)
	if acks.Current(p.b.View(), 1) {
		t.Fatal("an acknowledgement to a process that is gone counts")
	}
}

// Rule A2: only acknowledgements in the epoch that is granted now count, in a
// joint configuration by both majorities; the leader itself always does.
func TestA2LeaseNeedsCurrentAcknowledgements(t *testing.T) {
	p := newPair(t)
	v := p.a.View()
	g := v.Peer(2).Grant
	var acks Acks
	if end := acks.LeaseEnd(v, 1, []uint64{1, 2, 3}, nil); end > p.now {
		t.Fatalf("a lease until %v without an acknowledgement", end)
	}
	acks.Note(2, g.Epoch)
	acks.Note(2, Epoch{Supporter: g.Epoch.Supporter, Supported: g.Epoch.Supported, Count: g.Epoch.Count - 1})
	if end := acks.LeaseEnd(v, 1, []uint64{1, 2, 3}, nil); end != g.Base+Lease {
		t.Fatalf("lease until %v, want %v", end, g.Base+Lease)
	}
	if end := acks.LeaseEnd(v, 1, []uint64{1, 2, 3}, []uint64{1, 3, 4}); end > p.now {
		t.Fatalf("a lease until %v without a majority of the outgoing configuration", end)
	}
	if end := acks.LeaseEnd(v, 1, []uint64{1}, nil); end != Never {
		t.Fatalf("the lease of a single voter ends at %v", end)
	}
	next := acks
	acks = Acks{}
	next.Note(2, Epoch{Supporter: 1, Supported: 1, Count: g.Epoch.Count + 1})
	if next.Current(v, 2) {
		t.Fatal("an acknowledgement in an epoch that is not granted counts")
	}
}

// The quorum's end equals what an obvious search finds.
func TestLeaseEndAgainstSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 5000 {
		v := &View{}
		var acks Acks
		for id := uint64(2); id <= 7; id++ {
			e := Epoch{1, 1, 1 + rng.Uint64N(3)}
			v.Peers = append(v.Peers, PeerView{Store: id, Grant: Grant{Epoch: e, Base: time.Duration(rng.IntN(1000))}})
			acks.Note(id, Epoch{1, 1, 1 + rng.Uint64N(3)})
		}
		voters := rng.Perm(7)[:1+rng.IntN(7)]
		ids := make([]uint64, len(voters))
		for i, n := range voters {
			ids[i] = uint64(n + 1)
		}
		want := time.Duration(0)
		ends := map[uint64]time.Duration{1: Never}
		for _, p := range v.Peers {
			if acks.Current(v, p.Store) {
				ends[p.Store] = p.Grant.Base + Lease
			}
		}
		for _, try := range append(slices.Collect(mapValues(ends)), 0) {
			n := 0
			for _, id := range ids {
				if ends[id] >= try {
					n++
				}
			}
			if n > len(ids)/2 {
				want = max(want, try)
			}
		}
		if got := acks.LeaseEnd(v, 1, ids, nil); got != want {
			t.Fatalf("voters %v, ends %v: %v, want %v", ids, ends, got, want)
		}
	}
}

func mapValues[K comparable, V any](m map[K]V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// Rule A4: the lease counts from the sending of the message, and a machine that was
// suspended trusts nothing that was promised before.
func TestA4LeaseCountsFromSending(t *testing.T) {
	p := newPair(t)
	p.now += Heartbeat
	p.a.Synced(p.now)
	p.a.Tick(p.now)
	m := p.a.Message(p.now, 2)
	p.now += 100 * ms // on its way
	p.b.Receive(p.now, m)
	p.now += 100 * ms
	p.tell(p.b, p.a)
	if g := p.a.View().Peer(2).Grant; g.Base != m.SentAt {
		t.Fatalf("the promise counts from %v, the message was sent at %v", g.Base, m.SentAt)
	}
	var acks Acks
	acks.Note(2, p.a.View().Peer(2).Grant.Epoch)
	p.a.Distrust(p.now)
	if end := acks.LeaseEnd(p.a.View(), 1, []uint64{1, 2, 3}, nil); end > p.now {
		t.Fatal("a lease outlives the suspension of the machine")
	}
	p.round()
	p.round()
	if end := acks.LeaseEnd(p.a.View(), 1, []uint64{1, 2, 3}, nil); end <= p.now {
		t.Fatal("new promises bring no lease")
	}
}

// Rule A5: a new process of a store gets nothing of the old one's support, and a
// late message of the old one does not take the new one's place.
func TestA5NewBootWithdraws(t *testing.T) {
	p := newPair(t)
	old := p.a.View().Peer(2).Supports
	late := p.b.Message(p.now, 1)
	late.SentAt += time.Hour
	p.b = NewTable(2, 2, p.now)
	p.b.SetPeers([]uint64{1})
	out := p.tell(p.b, p.a)
	if out.Withdrawn == nil || out.Withdrawn.Epoch != old || !out.Withdrawn.Restarted || !out.Reply || !out.Granted {
		t.Fatalf("a restarted store is met with %+v", out)
	}
	if e := p.a.View().Peer(2).Supports; !e.IsZero() {
		t.Fatalf("supported before it has heard of this process: %+v", e)
	}
	p.tell(p.a, p.b)
	p.b.Synced(p.now)
	p.tell(p.b, p.a)
	if e := p.a.View().Peer(2).Supports; e.Supported != 2 {
		t.Fatalf("support for %+v", e)
	}
	p.a.Receive(p.now, late)
	if e := p.a.View().Peer(2).Supports; e.Supported != 2 {
		t.Fatalf("a message of a process that is gone changed the support to %+v", e)
	}
}

// Rule A6: the messages of a store that hears nothing do not keep its support.
func TestA6DeafStoreLosesSupport(t *testing.T) {
	p := newPair(t)
	for range 30 { // the last echo serves for one period, the last renewal for another
		p.now += Heartbeat / 3
		p.a.Synced(p.now)
		p.tell(p.a, p.b) // nothing comes back
		if _, w := p.b.Tick(p.now); len(w) > 0 {
			return
		}
	}
	t.Fatal("a store that hears nothing is supported for ever")
}

// A store that talks but has heard nothing of this one, though three messages went out
// to it, is found to be deaf, once; one that is silent is not, and one that hears again
// is not any more.
func TestDeaf(t *testing.T) {
	p := newPair(t)
	deaf := func() (list []uint64) {
		p.now += Heartbeat
		p.b.Synced(p.now)
		p.b.Tick(p.now)
		p.a.Synced(p.now)
		p.a.Tick(p.now)
		for _, m := range []uint64{2, 3} {
			p.a.Message(p.now, m) // it never arrives
		}
		return p.a.Deafened()
	}
	for i := 1; i <= 6; i++ {
		p.tell(p.b, p.a)
		got := deaf()
		if want := i == 4; want != slices.Equal(got, []uint64{2}) || !want && len(got) > 0 {
			t.Fatalf("deaf after %d periods: %v", i, got)
		}
		if p.a.View().Peer(2).Deaf != (i >= 4) {
			t.Fatalf("after %d periods: %+v", i, p.a.View().Peer(2))
		}
	}
	p.round()
	p.round()
	if p.a.View().Peer(2).Deaf {
		t.Error("deaf though it hears again")
	}
	for range 10 {
		if got := deaf(); len(got) > 0 {
			t.Errorf("a silent store is called deaf: %v", got)
		}
	}
}

// A process that was stopped does not take others for deaf when it goes on: it was
// itself that said nothing.
func TestStoppedProcessFindsNobodyDeaf(t *testing.T) {
	p := newPair(t)
	for range 5 {
		// The last words of a are not answered before it stops.
		p.now += Heartbeat
		p.a.Tick(p.now)
		p.a.Message(p.now, 2)
		for range 4 { // b goes on
			p.now += Heartbeat
			p.b.Tick(p.now)
		}
		m := p.b.Message(p.now, 1)
		p.a.Receive(p.now, m)
		p.a.Tick(p.now)
		if got := p.a.Deafened(); len(got) > 0 {
			t.Fatalf("called deaf: %v", got)
		}
		p.round()
		p.round()
	}
}

// Rule A10: while the disk hangs messages leave, but ask for nothing.
func TestA10HungDiskLosesSupport(t *testing.T) {
	p := newPair(t)
	for range 20 {
		p.now += Heartbeat
		p.b.Synced(p.now)
		p.a.Tick(p.now)
		_, w := p.b.Tick(p.now)
		if len(w) > 0 {
			if p.a.View().Peer(2).Supports.IsZero() {
				t.Fatal("the store with the hung disk supports nobody")
			}
			return
		}
		p.tell(p.a, p.b)
		p.tell(p.b, p.a)
	}
	t.Fatal("a store whose disk hangs is supported for ever")
}

// Stores whose disks hang at the same time, as on one machine, keep each other's support
// as long as they talk; when the disks are back the epochs are the same. One of
// which nothing is heard loses it all the same.
func TestA10DisksThatHangTogether(t *testing.T) {
	p := newPair(t)
	before := p.a.View().Peer(2)
	var base time.Duration
	for i := range 20 {
		p.now += Heartbeat
		_, wa := p.a.Tick(p.now)
		_, wb := p.b.Tick(p.now)
		if len(wa)+len(wb) > 0 {
			t.Fatal("withdrawn by a store that could not vote")
		}
		p.tell(p.a, p.b)
		p.tell(p.b, p.a)
		if i == 4 {
			base = p.a.View().Peer(2).Grant.Base
		}
	}
	if g := p.a.View().Peer(2).Grant; g.Base != base {
		t.Fatal("the support was renewed: a lease would rest on it")
	}
	for range 5 {
		p.round()
	}
	if v := p.a.View().Peer(2); v.Supports != before.Supports || v.Grant.Epoch != before.Grant.Epoch || v.Grant.Base <= base {
		t.Fatalf("afterwards %+v, before %+v", v, before)
	}
	for end := p.now + 2*Support; p.now < end; p.now += 10 * ms { // hung, and the other one is gone
		if _, w := p.a.Tick(p.now); len(w) > 0 {
			return
		}
	}
	t.Fatal("a store that is gone is supported for ever")
}

// Rule A10: a process that was stopped does not blame others for the time, but only
// once: one that always comes late must notice that another is gone.
func TestA10LateTickerExtendsOnce(t *testing.T) {
	p := newPair(t)
	p.now += 5 * time.Second // stopped
	if _, w := p.a.Tick(p.now); len(w) > 0 {
		t.Fatal("a store that was stopped withdraws from those that were not")
	}
	p.now += Support
	if _, w := p.a.Tick(p.now); len(w) != 1 {
		t.Fatal("a second late tick puts the end off again")
	}
}

// A support lasts a period from the last message, whatever comes in between twice
// or in the wrong order.
func TestOldMessagesRenewNothing(t *testing.T) {
	p := newPair(t)
	m := p.a.Message(p.now, 2)
	p.now += Heartbeat
	p.a.Synced(p.now)
	newest := p.a.Message(p.now, 2)
	p.b.Receive(p.now, newest)
	p.pass(Support - 50*ms)
	p.b.Receive(p.now, m)
	p.b.Receive(p.now, newest)
	if _, w := p.pass(60 * ms); len(w) != 1 {
		t.Fatal("an old message renewed the support")
	}
}

// A follower's promise: it holds exactly as long as the epoch, survives what makes
// Raft forget its leader, and ends when the leader itself says so (rules A1, A5).
func TestBound(t *testing.T) {
	p := newPair(t)
	v := p.b.View()
	var b Bound
	b.Heard(v, 11, 1, 5)
	if !b.Holds(v) || b.Ack(v, 11, 5) != v.Peer(1).Supports {
		t.Fatalf("not bound: %+v", b)
	}
	if !b.Ack(v, 11, 6).IsZero() || !b.Ack(v, 12, 5).IsZero() {
		t.Fatal("acknowledges another leader or term (rule A2)")
	}
	b.Heard(v, 12, 2, 4)
	b.Asked(12, 9)
	b.Asked(11, 5)
	b.Released(11, 4)
	if !b.Holds(v) {
		t.Fatal("let go without a reason")
	}
	again := b
	if again.Asked(11, 6); again.Holds(v) {
		t.Fatal("bound to a leader that asks for votes in a higher term")
	}
	again = b
	if again.Released(11, 5); again.Holds(v) {
		t.Fatal("bound to a leader that has released it")
	}
	p.pass(Support + 10*ms)
	for range 3 {
		p.round()
	}
	if v := p.b.View(); b.Holds(v) || !b.Ack(v, 11, 5).IsZero() || v.Peer(1).Supports.IsZero() {
		t.Fatal("bound in a later epoch without having heard the leader in it")
	}
}

// Stores whose periods begin at different times soon beat together: who is due soon
// does not wait when another's message has come. Nobody beats more often for it than
// the fastest clock says.
func TestStoresBeatTogether(t *testing.T) {
	const n = 3
	tables := make([]*Table, n)
	for i := range tables {
		tables[i] = NewTable(uint64(i+1), 1, time.Duration(i)*47*ms) // the spread of a period
		tables[i].SetPeers([]uint64{1, 2, 3})
	}
	var beats [n][]time.Duration
	type flight struct {
		at time.Duration
		m  Message
	}
	var air []flight
	for now := time.Duration(0); now < 30*time.Second; now += ms {
		rest := air[:0]
		var come []Message
		for _, f := range air {
			if f.at <= now {
				come = append(come, f.m)
			} else {
				rest = append(rest, f)
			}
		}
		air = rest
		for _, m := range come {
			tables[m.To-1].Receive(now, m)
		}
		for i, tb := range tables {
			tb.Synced(now)
			if now < time.Duration(i)*47*ms {
				continue
			}
			send, _ := tb.Tick(now)
			if len(send) > 0 {
				beats[i] = append(beats[i], now)
			}
			for _, m := range send {
				air = append(air, flight{now + ms, m})
			}
		}
	}
	for i := range n {
		if got, most := len(beats[i]), int(30*time.Second/Heartbeat)+5; got > most {
			t.Errorf("store %d beat %d times in 30 s, not %d", i+1, got, most)
		}
		for _, b := range beats[0][20:] {
			j := slices.IndexFunc(beats[i], func(o time.Duration) bool { return o >= b-2*ms })
			if j >= 0 && beats[i][j] > b+2*ms {
				t.Fatalf("store 1 beats at %v, store %d at %v", b, i+1, beats[i][j])
			}
		}
	}
}
