package sim

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/quorate-db/quorate/multiraft"
)

// network carries Raft messages and raft snapshots between the stores, and
// requests between clients and stores.
type network struct {
	w *world
	// cut[from][to]: nothing passes that way.
	cut map[[2]uint64]int
	// front is when the last message of a link arrives, for links that keep order.
	front map[[2]uint64]time.Duration
	// storm counts the bursts of loss and delay that are going on.
	storm int
}

func newNetwork(w *world) *network {
	return &network{w: w, cut: make(map[[2]uint64]int), front: make(map[[2]uint64]time.Duration)}
}

func (n *network) isCut(from, to uint64) bool { return n.cut[[2]uint64{from, to}] > 0 }

func (n *network) setCut(from, to uint64, by int) {
	k := [2]uint64{from, to}
	if n.cut[k] += by; n.cut[k] <= 0 {
		delete(n.cut, k)
	}
}

// fate draws what becomes of a message: the delays of its copies; none if it is lost.
func (n *network) fate(from, to uint64) []time.Duration {
	w, p := n.w, &n.w.plan.net
	if n.isCut(from, to) {
		return nil
	}
	lose, slow := p.lose, p.slow
	if n.storm > 0 {
		lose, slow = max(lose, 0.3), max(slow, 0.3)
	}
	if w.quiet {
		lose, slow = 0, 0
	}
	if chance(w.rngNet, lose) {
		w.count("lost")
		return nil
	}
	copies := 1
	if !w.quiet && chance(w.rngNet, p.repeat) {
		copies = 2
		w.count("repeated")
	}
	out := make([]time.Duration, 0, copies)
	for range copies {
		d := between(w.rngNet, p.delayMin, p.delayMax)
		if chance(w.rngNet, slow) {
			d += between(w.rngNet, 0, p.slowMax)
			w.count("delayed")
		}
		out = append(out, d)
	}
	if !p.reorder {
		link := [2]uint64{from, to}
		for i, d := range out {
			at := max(w.now+d, n.front[link])
			n.front[link] = at
			out[i] = at - w.now
		}
	}
	return out
}

// port is the transport of one store from its start to its end.
type port struct {
	net  *network
	n    *node
	life uint64 // of the node
	recv multiraft.Receiver
	snap multiraft.SnapshotHandler
}

var _ multiraft.Transport = (*port)(nil)

func (p *port) gone() bool { return p.n.life != p.life || p.n.dying() }

// Send implements multiraft.Transport.
func (p *port) Send(env *multiraft.Envelope) {
	w := p.net.w
	if p.gone() {
		return // the power went before this left
	}
	w.check.sent(env)
	b, err := multiraft.AppendEnvelope(nil, env)
	if err != nil {
		w.violate("messages can be encoded", "%v to store %d: %v", env.Message.GetType(), env.ToStore, err)
		return
	}
	if env.ToStore == p.n.id {
		p.receive(b)
		return
	}
	to := w.node(env.ToStore)
	if to == nil {
		w.violate("known stores", "message %v to store %d", env.Message.GetType(), env.ToStore)
		return
	}
	delays := p.net.fate(p.n.id, env.ToStore)
	if len(delays) == 0 && env.Liveness == nil && chance(w.rngNet, 0.3) {
		p.recv.ReportUnreachable(env.RegionID, env.ToPeer)
	}
	for _, d := range delays {
		w.after(d, "message", func() { to.whenAwake(func() { to.receive(b) }) })
	}
}

// Flush implements multiraft.Transport.
func (p *port) Flush() {}

// receive hands an encoded message to the store.
func (p *port) receive(b []byte) {
	w := p.net.w
	env, err := multiraft.DecodeEnvelope(b)
	if err != nil {
		w.violate("messages can be decoded", "%v", err)
		return
	}
	w.count("messages")
	w.trace.add(hashBytes(b), p.n.id)
	if w.verbose != nil && env.Liveness == nil {
		m := env.Message
		w.say("%d>%d region %d %v term %d index %d/%d commit %d entries %d reject %v", env.FromStore, env.ToStore, env.RegionID,
			m.GetType(), m.GetTerm(), m.GetLogTerm(), m.GetIndex(), m.GetCommit(), len(m.GetEntries()), m.GetReject())
	}
	w.check.delivered(p.n.id, env)
	p.recv.Receive(env)
}

var (
	errCut     = errors.New("injected: the stream broke")
	errNoStore = errors.New("injected: nobody listens")
)

// SendSnapshot implements multiraft.Transport. The stream passes within one step;
// it may break at any chunk, and the last acknowledgement may be lost, after which
// the raft snapshot arrives nevertheless, late.
func (p *port) SendSnapshot(ctx context.Context, toStore uint64, h multiraft.SnapshotHeader, _ int64,
	chunks func() ([]byte, error)) error {
	w := p.net.w
	to := w.node(toStore)
	if p.gone() || p.net.isCut(p.n.id, toStore) || to == nil {
		return errCut
	}
	head, err := multiraft.AppendEnvelope(nil, h.Envelope)
	if err != nil {
		return err
	}
	var all [][]byte
	for {
		c, err := chunks()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		all = append(all, slices.Clone(c))
	}
	if p.gone() {
		return errCut
	}
	breakAt, late := -1, false
	if !w.quiet {
		switch {
		case chance(w.rngNet, w.plan.net.breakSnapshot):
			breakAt = w.rngNet.IntN(len(all) + 1)
		case chance(w.rngNet, w.plan.net.lateSnapshot):
			late = true
		}
	}
	meta := slices.Clone(h.Meta)
	deliver := func() error {
		if to.port == nil || to.dying() {
			return errNoStore
		}
		env, err := multiraft.DecodeEnvelope(head)
		if err != nil {
			return err
		}
		w.check.delivered(toStore, env)
		i := 0
		next := func() ([]byte, error) {
			if i == breakAt {
				return nil, errCut
			}
			if i == len(all) {
				return nil, io.EOF
			}
			i++
			return all[i-1], nil
		}
		to.run(func() {
			err = to.port.snap.HandleSnapshot(ctx, multiraft.SnapshotHeader{Envelope: env, Meta: meta}, next)
		})
		w.count("snapshots")
		w.say("%d>%d raft snapshot of region %d at %d: %v", p.n.id, toStore, env.RegionID,
			env.Message.GetSnapshot().GetMetadata().GetIndex(), err)
		w.trace.add(hashBytes(head), uint64(len(all)), toStore)
		to.kick()
		return err
	}
	if late {
		w.count("late snapshots")
		w.after(between(w.rngNet, time.Millisecond, 3*time.Second), "late raft snapshot", func() {
			to.whenAwake(func() { _ = deliver() })
		})
		return errCut
	}
	if to.asleep() {
		return errCut // the deadline of the stream passes
	}
	return deliver()
}
