package replica

import (
	"time"

	"go.etcd.io/raft/v3"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
)

func transferred() *kvpb.Response {
	return &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
		Cmd: &kvpb.AdminResponse_TransferLeader{TransferLeader: &kvpb.TransferLeaderResponse{}},
	}}}
}

// transferLeader hands the leadership over. The call is answered when this
// replica does not lead any more, or when the time for it is over.
func (r *Replica) transferLeader(c *Call, toStore uint64) {
	l, desc, e := r.check(c.req, false)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	if toStore == r.cfg.StoreID {
		c.finish(transferred())
		return
	}
	to := region.PeerOn(desc, toStore)
	if to == nil || to.GetRole() == metapb.PeerRole_LEARNER || to.GetRole() == metapb.PeerRole_OUTGOING_VOTER {
		c.finish(region.Response(region.Refused("region %d has no voter on store %d", desc.GetId(), toStore)))
		return
	}
	if r.silentFor(toStore) > transferSilenceMax {
		c.finish(region.Response(region.ServerBusy("the store that is to take over is not heard of", 100)))
		return
	}
	r.mu.Lock()
	underWay := r.mu.lead == l && l.transferTo != 0
	r.mu.Unlock()
	if underWay {
		// The locks are written down and nothing runs; the target may be another one.
		if c.propose() {
			r.startTransfer(c, l, to, nil)
		}
		return
	}
	r.underLatches(c, l, []latch.Span{latch.Range(nil, nil)}, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		payload, err := proto.Marshal(&kvpb.CarriedLocks{Locks: l.rows.export(nil)})
		if err != nil {
			r.giveUp(c, l, g, region.Refused("encode locks: %v", err))
			return
		}
		p := &proposal{call: c, guard: g, cmd: command{kind: cmdLocks, payload: payload}, keepGuard: true}
		p.then = func() { r.startTransfer(c, l, to, g) }
		r.propose(l, desc, p)
	})
}

// transferSilenceMax is how long a store may be silent that a leadership is handed
// to: two messages may be late. A region takes no writes during a transfer.
const transferSilenceMax = 2*liveness.Heartbeat + liveness.Heartbeat/2

// transferTicksMax is how long a region takes no writes for a transfer. One takes a few
// milliseconds; if its message is lost, or the votes, nobody will take over. If the target
// is only slow it is elected all the same, whenever its votes come.
const transferTicksMax = 4

// silentFor returns how long nothing was heard of a store, or for ever if it does not
// hear this one; 0 if nothing ever was.
func (r *Replica) silentFor(store uint64) time.Duration {
	v, now, _ := r.cfg.Host.Liveness()
	p := v.Peer(store)
	switch {
	case p.Deaf:
		return liveness.Never
	case p.HeardAt >= 0:
		return now - p.HeardAt
	}
	return 0
}

// startTransfer hands the leadership over. The call is proposed, the locks are in
// the log, and guard (nil: of a transfer that goes on) keeps everything else out
// until the transfer has come to an end.
func (r *Replica) startTransfer(c *Call, l *leadership, to *metapb.Peer, guard *latch.Guard) {
	ok := r.enqueueOp(func(rn *raft.RawNode) {
		r.mu.Lock()
		if r.mu.lead != l {
			ne := r.notLeaderLocked()
			r.mu.Unlock()
			l.latches.Release(guard)
			c.finish(region.Response(ne))
			return
		}
		if len(l.transferDone) >= transfersMax {
			r.mu.Unlock()
			l.latches.Release(guard)
			c.finish(region.Response(region.ServerBusy("too many transfers are under way", 100)))
			return
		}
		if guard != nil {
			l.transferGuard = guard
		}
		l.frozen = true
		// Rule A3: the lease goes before the first message of the transfer, and for
		// the rest of the term: a TimeoutNow that is delayed elects the target
		// whenever it arrives.
		l.noLease = true
		if l.transferTo != to.GetId() { // to ask again makes nobody wait longer
			l.transferTo, l.transferTicks = to.GetId(), 0
		}
		l.transferDone = append(l.transferDone, c.finish)
		r.mu.Unlock()
		rn.TransferLeader(to.GetId())
	})
	if !ok {
		l.latches.Release(guard)
		c.finish(region.Response(region.NotFound(r.cfg.RegionID)))
	}
}

// transfersMax bounds callers that wait for one transfer.
const transfersMax = 64

// describe answers with what the replica knows; at the leader with the progress
// of its peers.
func (r *Replica) describe(c *Call) {
	ok := r.enqueueQuietly(func(rn *raft.RawNode) {
		d := &kvpb.DescribeResponse{}
		r.mu.Lock()
		desc := r.mu.desc
		d.Region = desc
		d.Leader = region.PeerByID(desc, r.mu.leader)
		d.Term, d.AppliedIndex = r.mu.term, r.mu.applied.index
		leads := r.mu.lead != nil
		r.mu.Unlock()
		if desc == nil {
			c.finish(region.Response(region.NotFound(r.cfg.RegionID)))
			return
		}
		if last, err := r.group.LastIndex(); err == nil {
			d.LastIndex = last
		}
		if leads {
			rn.WithProgress(func(id uint64, _ raft.ProgressType, p progress) {
				d.Progress = append(d.Progress, &kvpb.PeerProgress{
					PeerId: id, Match: p.Match, State: p.State.String(), RecentlyActive: p.RecentActive,
				})
			})
		}
		c.finish(&kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{
			Cmd: &kvpb.AdminResponse_Describe{Describe: d},
		}}})
	})
	if !ok {
		c.finish(region.Response(region.NotFound(r.cfg.RegionID)))
	}
}
