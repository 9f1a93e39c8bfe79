package replica

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/latch"
)

// splitKeysMax bounds one split: each child is a group that is born at once.
const splitKeysMax = 64

// splitDescriptors returns what a split makes of a region: the left side, which
// keeps its id, and the new regions, in the order of the key space.
func splitDescriptors(desc *metapb.Region, req *kvpb.SplitRequest) ([]*metapb.Region, error) {
	n := len(req.GetKeys())
	if n == 0 || n != len(req.GetNewRegions()) || n > splitKeysMax {
		return nil, fmt.Errorf("split of region %d: %d keys and %d new regions", desc.GetId(), n, len(req.GetNewRegions()))
	}
	if region.IsJoint(desc) {
		return nil, fmt.Errorf("split of region %d: its membership is changing", desc.GetId())
	}
	epoch := &metapb.Epoch{
		ConfVer: desc.GetEpoch().GetConfVer(),
		Version: desc.GetEpoch().GetVersion() + uint64(n),
	}
	left := region.Clone(desc)
	left.Epoch = proto.Clone(epoch).(*metapb.Epoch)
	left.EndKey = bytes.Clone(req.GetKeys()[0])
	out := []*metapb.Region{left}
	prev := desc.GetStartKey()
	ids := map[uint64]bool{desc.GetId(): true}
	for i, key := range req.GetKeys() {
		if bytes.Compare(key, prev) <= 0 || !region.Contains(desc, key) {
			return nil, fmt.Errorf("split of region %d: key %x is not inside, or not in order", desc.GetId(), key)
		}
		prev = key
		nr := req.GetNewRegions()[i]
		if nr.GetRegionId() == 0 || ids[nr.GetRegionId()] || len(nr.GetPeerIds()) != len(desc.GetPeers()) {
			return nil, fmt.Errorf("split of region %d: bad ids for the region at %x", desc.GetId(), key)
		}
		ids[nr.GetRegionId()] = true
		child := &metapb.Region{
			Id: nr.GetRegionId(), StartKey: bytes.Clone(key), EndKey: bytes.Clone(desc.GetEndKey()),
			Epoch: proto.Clone(epoch).(*metapb.Epoch), StickyStart: req.GetSticky(),
		}
		if i+1 < n {
			child.EndKey = bytes.Clone(req.GetKeys()[i+1])
		}
		for j, p := range desc.GetPeers() {
			cp := proto.Clone(p).(*metapb.Peer)
			cp.Id = nr.GetPeerIds()[j]
			child.Peers = append(child.Peers, cp)
		}
		if err := region.Validate(child); err != nil {
			return nil, fmt.Errorf("split of region %d: %w", desc.GetId(), err)
		}
		out = append(out, child)
	}
	return out, nil
}

// split proposes a split under a latch and a memory lock on the whole region, so
// that from evaluation to local apply neither writes nor reads run (rule B1).
func (r *Replica) split(c *Call, l *leadership, req *kvpb.SplitRequest) {
	whole := []latch.Span{latch.Range(nil, nil)}
	r.underLatches(c, l, whole, func(l *leadership, desc *metapb.Region, g *latch.Guard) {
		if region.IsJoint(desc) {
			r.giveUp(c, l, g, region.ServerBusy("the membership of the region is changing", 100))
			return
		}
		if _, err := splitDescriptors(desc, req); err != nil {
			r.giveUp(c, l, g, region.Refused("%v", err))
			return
		}
		req = proto.Clone(req).(*kvpb.SplitRequest)
		req.Locks = l.rows.export(req.GetKeys()[0])
		payload, err := proto.Marshal(req)
		if err != nil {
			r.giveUp(c, l, g, region.Refused("encode split: %v", err))
			return
		}
		l.latches.Lock(g, noTimestamp)
		p := &proposal{call: c, guard: g, cmd: command{kind: cmdSplit, payload: payload}}
		r.propose(l, desc, p)
	})
}
