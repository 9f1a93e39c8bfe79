package liveness

import (
	"slices"
	"time"
)

// View is what a Table showed at one moment. It is immutable and may be shared.
type View struct {
	// Peers are ordered by store.
	Peers []PeerView
}

// PeerView is what is known of one other store.
type PeerView struct {
	Store uint64
	// Supports is the epoch in which this store supports that one; zero: it does
	// not.
	Supports Epoch
	// Boot is that store's newest boot id that was heard of, 0 if none was;
	// Withdrawn the newest one whose support has ended here, 0 if none has.
	Boot, Withdrawn uint64
	// Grant is that store's support for this one.
	Grant Grant
	// HeardAt is the own instant of its last message, -1 if there was none.
	HeardAt time.Duration
	// Deaf: it talks, but has not heard of this store for some time.
	Deaf bool
}

// View returns what the table shows now.
func (t *Table) View() *View {
	v := &View{Peers: make([]PeerView, 0, len(t.ids))}
	for _, id := range t.ids {
		p := t.peers[id]
		pv := PeerView{Store: id, Supports: t.epoch(p), Boot: p.boot, Withdrawn: p.withdrawn, Grant: p.grant, HeardAt: p.heardAt, Deaf: p.deaf}
		if pv.Grant.Base <= t.distrusted {
			pv.Grant.Base = -Lease // long over; the epoch stays
		}
		v.Peers = append(v.Peers, pv)
	}
	return v
}

// Peer returns what is known of a store; the zero value if nothing is. The zero
// View knows nobody.
func (v *View) Peer(store uint64) PeerView {
	i, found := slices.BinarySearchFunc(v.Peers, store, func(p PeerView, id uint64) int {
		switch {
		case p.Store < id:
			return -1
		case p.Store > id:
			return 1
		}
		return 0
	})
	if !found {
		return PeerView{Store: store, HeardAt: -1}
	}
	return v.Peers[i]
}

// Alive reports whether a store was heard of within a support period.
func (p PeerView) Alive(now time.Duration) bool { return p.HeardAt >= 0 && now-p.HeardAt < Support }

// Silent reports whether a store that was heard of once has not been for a support
// period.
func (p PeerView) Silent(now time.Duration) bool { return p.HeardAt >= 0 && now-p.HeardAt >= Support }

// Acks is what a leader knows of its followers' acknowledgements in one term: the
// support epoch in which each store's follower did so last. It is thrown away
// with the term (rule A2). The zero value is ready to use.
type Acks struct{ epochs map[uint64]Epoch }

// Note takes the epoch that an append or heartbeat response of the leader's own
// term carried. It must never be called for a vote (rule A2).
func (a *Acks) Note(store uint64, e Epoch) {
	if e.IsZero() {
		return
	}
	if a.epochs == nil {
		a.epochs = make(map[uint64]Epoch)
	}
	if e.Newer(a.epochs[store]) {
		a.epochs[store] = e
	}
}

// Has reports whether Note would change nothing.
func (a *Acks) Has(store uint64, e Epoch) bool {
	return e.IsZero() || !e.Newer(a.epochs[store])
}

// Current reports whether the follower on a store has acknowledged in the epoch in
// which the store supports the leader's now.
func (a *Acks) Current(v *View, store uint64) bool {
	g := v.Peer(store).Grant.Epoch
	return !g.IsZero() && a.epochs[store] == g
}

// LeaseEnd returns the instant at which the lease ends of a leader on store self
// whose region has voters on these stores; outgoing is empty unless the
// configuration is joint, when both majorities are needed (rule A2). A lease that
// ends at or before now is none.
func (a *Acks) LeaseEnd(v *View, self uint64, incoming, outgoing []uint64) time.Duration {
	end := a.quorumEnd(v, self, incoming)
	if len(outgoing) > 0 {
		end = min(end, a.quorumEnd(v, self, outgoing))
	}
	return end
}

// quorumEnd returns the instant until which a majority is bound: the latest one
// that a majority reaches.
func (a *Acks) quorumEnd(v *View, self uint64, voters []uint64) time.Duration {
	if len(voters) == 0 {
		return 0
	}
	var few [8]time.Duration
	ends := few[:0]
	for _, s := range voters {
		switch {
		case s == self:
			// The leader refuses votes itself while it holds a lease (rule A3).
			ends = append(ends, Never)
		case a.Current(v, s):
			ends = append(ends, v.Peer(s).Grant.Base+Lease)
		default:
			ends = append(ends, 0)
		}
	}
	slices.Sort(ends)
	return ends[(len(ends)-1)/2]
}
