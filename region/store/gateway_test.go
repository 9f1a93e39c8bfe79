package store

import (
	"context"
	"testing"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// held is a cluster at rest in which a transaction of a gateway, which is no leader,
// has locked a row, and another one waits for it.
type held struct {
	*cluster
	lead, gateway, third *node
	boot                 uint64
	owner, waiter        timestamp.Timestamp
	answer               **kvpb.Response
}

func holdRow(t *testing.T) *held {
	c, lead, others := resting(t)
	h := &held{cluster: c, lead: lead, gateway: others[0], third: others[1], boot: others[0].s.Boot()}
	h.owner, h.waiter = c.timestamp(), c.timestamp()
	req := lead.lockReq(user, h.owner, h.owner, kvpb.LockMode_LOCK_UPDATE, "ta")
	req.GetLock().Owner.Gateway = &kvpb.Gateway{Store: h.gateway.id, Boot: h.boot}
	if r := lead.call(req).GetLock(); len(r.GetKeys()) != 1 || !r.GetKeys()[0].GetLocked() {
		t.Fatalf("the first lock: %v", r)
	}
	h.answer = lead.begin(lead.lockReq(user, h.waiter, h.waiter, kvpb.LockMode_LOCK_UPDATE, "ta"))
	c.settle()
	return h
}

// granted passes time until the waiter has the lock and returns how long that took;
// false if it still waits after d.
func (h *held) granted(d time.Duration) (time.Duration, bool) {
	h.t.Helper()
	began := h.clock.now
	for h.clock.now.Sub(began) < d {
		h.lead.s.TendLocks(context.Background())
		if *h.answer != nil {
			if r := (*h.answer).GetLock(); len(r.GetKeys()) != 1 || !r.GetKeys()[0].GetLocked() {
				h.t.Fatalf("the waiter: %v", *h.answer)
			}
			return h.clock.now.Sub(began), true
		}
		h.pass(10 * time.Millisecond)
	}
	return d, false
}

// between cuts what goes from one node to another.
func between(from, to *node) func(*multiraft.Envelope) bool {
	return func(e *multiraft.Envelope) bool { return e.FromStore == from.id && e.ToStore == to.id }
}

func anyOf(cuts ...func(*multiraft.Envelope) bool) func(*multiraft.Envelope) bool {
	return func(e *multiraft.Envelope) bool {
		for _, c := range cuts {
			if c(e) {
				return true
			}
		}
		return false
	}
}

// What a gateway has locked is free as soon as a majority does not support it: it is
// dead, deaf, dumb, or a new process. If only the leader of the row is cut off from
// it, the lock stays for as long as it lives.
func TestLocksOfALostGateway(t *testing.T) {
	for _, tc := range []struct {
		name string
		hurt func(*held)
		most time.Duration // 0: not within the life of a lock
	}{
		{"dead", func(h *held) { h.gateway.crash() }, 900 * time.Millisecond},
		{"cut off", func(h *held) {
			h.cut = func(e *multiraft.Envelope) bool { return e.FromStore == h.gateway.id || e.ToStore == h.gateway.id }
		}, 900 * time.Millisecond},
		{"not heard", func(h *held) { h.cut = func(e *multiraft.Envelope) bool { return e.FromStore == h.gateway.id } }, 900 * time.Millisecond},
		{"hears nothing", func(h *held) { h.cut = func(e *multiraft.Envelope) bool { return e.ToStore == h.gateway.id } }, 1500 * time.Millisecond},
		{"restarted", func(h *held) { h.gateway.crash(); h.gateway.restart() }, 400 * time.Millisecond},
		{"cut off from the leader alone", func(h *held) {
			h.cut = anyOf(between(h.gateway, h.lead), between(h.lead, h.gateway))
		}, 0},
		{"not heard by the leader alone", func(h *held) { h.cut = between(h.gateway, h.lead) }, 0},
		{"well", func(*held) {}, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := holdRow(t)
			tc.hurt(h)
			took, free := h.granted(3 * time.Second)
			t.Logf("free: %v after %v", free, took)
			if free != (tc.most > 0) || free && took > tc.most {
				t.Errorf("free: %v after %v", free, took)
			}
		})
	}
}

// The gateway comes back: its transaction commits if nobody has changed the row that
// it had locked, and fails if somebody has. Nobody's change is lost.
func TestLostGatewayComesBack(t *testing.T) {
	for _, changed := range []bool{false, true} {
		h := holdRow(t)
		h.cut = func(e *multiraft.Envelope) bool { return e.FromStore == h.gateway.id || e.ToStore == h.gateway.id }
		if _, free := h.granted(2 * time.Second); !free {
			t.Fatal("the lock of a lost gateway is not free")
		}
		if changed {
			if p := h.lead.commitLocked(user, h.waiter, h.waiter, "ta", "waiter"); p.GetOnePcCommitTs() == 0 {
				t.Fatalf("the waiter's commit: %v", p)
			}
		} else {
			h.lead.release(user, h.waiter, "ta")
		}
		h.cut = nil
		h.pass(time.Second)
		p := h.lead.commitLocked(user, h.owner, h.owner, "ta", "owner")
		if committed := p.GetOnePcCommitTs() != 0; committed == changed {
			t.Errorf("changed by the waiter: %v; the owner's commit: %v", changed, p)
		}
		want := map[bool]string{true: "waiter", false: "owner"}[changed]
		h.lead.wantGet(user, "ta", want)
	}
}

// A verdict is about the moment: what a gateway locks after it is supported again is
// not taken from it.
func TestVerdictEnds(t *testing.T) {
	h := holdRow(t)
	h.cut = func(e *multiraft.Envelope) bool { return e.FromStore == h.gateway.id || e.ToStore == h.gateway.id }
	lost := func() bool { return h.lead.s.GatewayLost(context.Background(), h.gateway.id, h.boot) }
	h.within(time.Second, "the gateway is lost", lost)
	h.cut = nil
	h.within(time.Second, "the gateway is back", func() bool { return !lost() })
	if h.lead.s.GatewayLost(context.Background(), h.lead.id, h.lead.s.Boot()) {
		t.Error("a store takes itself for lost")
	}
	h.gateway.crash()
	h.gateway.restart()
	if !h.gateway.s.GatewayLost(context.Background(), h.gateway.id, h.boot) {
		t.Error("the process before this one is not lost")
	}
	if h.lead.s.GatewayLost(context.Background(), 99, 1) || h.lead.s.GatewayLost(context.Background(), h.gateway.id, 0) {
		t.Error("a process that nobody knows is lost")
	}
}

// A transfer to a store that falls silent ends soon, and none to a store that is
// silent begins: nothing is written meanwhile.
func TestTransferToASilentStore(t *testing.T) {
	c, lead, others := resting(t)
	to := others[0]
	transfer := func() **kvpb.Response {
		return lead.begin(lead.request(user, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
				TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to.id},
			}}}
		}))
	}
	c.cut = func(e *multiraft.Envelope) bool { return e.FromStore == to.id || e.ToStore == to.id }
	began := transfer()
	c.settle()
	if *began != nil {
		t.Fatalf("the transfer is over at once: %v", *began)
	}
	put := lead.begin(lead.putReq(user, c.timestamp(), "tb", "1"))
	took := c.within(600*time.Millisecond, "a write goes on", func() bool { return *put != nil })
	if (*put).GetPrewrite().GetOnePcCommitTs() == 0 || *began == nil {
		t.Errorf("after %v: the write %v, the transfer %v", took, *put, *began)
	}
	if again := transfer(); *again == nil || (*again).GetRegionError().GetServerBusy() == nil {
		t.Errorf("a transfer to a silent store: %v", *again)
	}
	c.cut = nil
	c.pass(time.Second)
	last := transfer()
	c.within(time.Second, "it takes over when it is heard again", func() bool { return *last != nil && to.leads(user) })
	to.wantGet(user, "tb", "1")
}
