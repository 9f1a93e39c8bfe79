package store

import (
	"bytes"
	"context"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// checkSizes queues those of the regions that have grown too large.
func (s *Store) checkSizes(touched []*replica.Replica) {
	if s.o.Splits == nil {
		return
	}
	for _, r := range touched {
		i := r.Info()
		if i.IsLeader && i.Ready && i.SizeBytes > s.splitSize() && r.RegionID() != region.PlacementID {
			s.work.splits.pushMax(splitJob{region: r.RegionID()}, splitQueueMax)
			s.touched.note(r) // the split may fail
		}
	}
}

// splitQueueMax bounds regions that wait to be split; they are queued again every
// second.
const splitQueueMax = 64

// splitJob is a region to be split, by size unless at says where.
type splitJob struct {
	region uint64
	at     []byte
}

func (s *Store) runSplit(ctx context.Context, j splitJob) {
	if j.at != nil {
		s.splitByLoad(ctx, j.region, j.at)
		return
	}
	s.splitBySize(ctx, j.region)
}

// splitBySize splits a region into parts of about half the size at which it is
// split.
func (s *Store) splitBySize(ctx context.Context, id uint64) {
	r := s.replica(id)
	if r == nil {
		return
	}
	i := r.Info()
	if !i.IsLeader || !i.Ready || i.SizeBytes <= s.splitSize() || region.IsJoint(i.Region) {
		return
	}
	split, size, err := findSplitKeys(ctx, s.eng.State, i.Region, s.splitSize()/2)
	if err != nil {
		s.log.Error("no split keys", "region", id, "error", err)
		return
	}
	r.SetSize(size)
	if size <= s.splitSize() || len(split) == 0 {
		return
	}
	s.cutAt(ctx, i.Region, split, "region split by size")
}

// cutAt gives the order to split a region at keys. why is what is logged when it has
// happened; if it does not, whoever wanted it will see that it is still needed.
func (s *Store) cutAt(ctx context.Context, desc *metapb.Region, split [][]byte, why string) {
	id := desc.GetId()
	req := &kvpb.SplitRequest{Keys: split}
	peers := len(desc.GetPeers())
	first, err := s.o.Splits.AllocIDs(ctx, len(split)*(1+peers))
	if err != nil {
		s.log.Debug("no ids to split with", "region", id, "error", err)
		return
	}
	for range split {
		nr := &kvpb.NewRegion{RegionId: first}
		for j := range peers {
			nr.PeerIds = append(nr.PeerIds, first+1+uint64(j))
		}
		first += 1 + uint64(peers)
		req.NewRegions = append(req.NewRegions, nr)
	}
	s.SendAsync(&kvpb.Request{
		Header: &kvpb.Header{RegionId: id, Epoch: desc.GetEpoch()},
		Cmd:    &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: req}}},
	}, func(resp *kvpb.Response) {
		if e := resp.GetRegionError(); e != nil {
			s.log.Debug("region was not split", "region", id, "error", e.GetMessage())
			return
		}
		s.log.Info(why, "region", id, "parts", len(split)+1)
	})
}

// splitKeysPerRound bounds the parts that one split makes.
const splitKeysPerRound = 16

// findSplitKeys walks over the region's versions and returns user keys that cut
// it into parts of about partBytes, and its size. All versions of a key stay
// together. The last part is not smaller than half of the others.
func findSplitKeys(ctx context.Context, e *engine.Engine, desc *metapb.Region, partBytes int64) (split [][]byte, size int64, err error) {
	snap := e.NewSnapshot()
	defer snap.Close()
	span := keys.KindSpan(keys.KindData, desc.GetStartKey(), desc.GetEndKey())
	it, err := snap.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return nil, 0, err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	var part int64
	var last []byte
	for ok, n := it.First(), 0; ok; ok, n = it.Next(), n+1 {
		if n%4096 == 0 && ctx.Err() != nil {
			return nil, 0, ctx.Err()
		}
		user, _, err := keys.DecodeVersion(it.Key())
		if err != nil {
			return nil, 0, err
		}
		if part >= partBytes && !bytes.Equal(user, last) && len(split) < splitKeysPerRound &&
			bytes.Compare(user, desc.GetStartKey()) > 0 {
			split = append(split, bytes.Clone(user))
			part = 0
		}
		last = append(last[:0], user...)
		n := int64(len(it.Key()) + len(it.Value()))
		part += n
		size += n
	}
	if len(split) > 1 && part < partBytes/2 {
		split = split[:len(split)-1]
	}
	return split, size, nil
}
