package liveness

// Bound is the leader that a follower has promised to help nobody against, as long
// as its own store supports the leader's in the same epoch. It is kept apart from
// what the Raft library believes: the library forgets its leader whenever a higher
// term goes by, and the promise must outlive that (rule A1).
type Bound struct {
	// Peer, Store and Term say whose leadership it is; zero: none.
	Peer, Store, Term uint64
	// Epoch is that of the support when the leader was last heard of; zero: its
	// store was not supported, and nothing was promised.
	Epoch Epoch
}

// Heard notes a message that only the leader of its term sends. It must be called
// before the message is acknowledged, and only if the message's term is not below
// the follower's.
func (b *Bound) Heard(v *View, peer, store, term uint64) {
	if term < b.Term {
		return
	}
	*b = Bound{Peer: peer, Store: store, Term: term, Epoch: v.Peer(store).Supports}
}

// Holds reports whether the follower is bound: it must neither vote nor campaign,
// but for a transfer that its leader began.
func (b *Bound) Holds(v *View) bool {
	return !b.Epoch.IsZero() && v.Peer(b.Store).Supports == b.Epoch
}

// Ack returns the epoch to send along with an append or heartbeat response of the
// given term to that peer: zero if the follower is not bound to it (rule A2).
func (b *Bound) Ack(v *View, peer, term uint64) Epoch {
	if b.Peer != peer || b.Term != term || !b.Holds(v) {
		return Epoch{}
	}
	return b.Epoch
}

// Released notes that a peer does not lead in a term any more, nor will again: it
// said so, or asks for a vote in a higher one (rule A5).
func (b *Bound) Released(peer, term uint64) {
	if b.Peer == peer && b.Term <= term {
		*b = Bound{}
	}
}

// Asked notes that a peer asks for votes, or pre-votes, in a term: if that is the
// leader itself, its leadership is over.
func (b *Bound) Asked(peer, term uint64) {
	if term > b.Term {
		b.Released(peer, b.Term)
	}
}
