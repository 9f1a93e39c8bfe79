package store

import (
	"context"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

const drainPeriod = 50 * time.Millisecond

// Drain asks other voters to take over what this store leads and waits until it
// leads nothing that another voter could, or ctx ends.
func (s *Store) Drain(ctx context.Context) error {
	for round := 0; ; round++ {
		left := 0
		for _, r := range s.all() {
			i := r.Info()
			if !i.IsLeader || i.Region == nil || i.Destroyed {
				continue
			}
			to := s.heirs(i.Region, i.DownPeers)
			if len(to) == 0 {
				continue
			}
			left++
			// Another heir each time, in case one does not take it.
			s.SendAsync(&kvpb.Request{
				Header: &kvpb.Header{RegionId: i.Region.GetId(), Epoch: i.Region.GetEpoch()},
				Cmd: &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{
					TransferLeader: &kvpb.TransferLeaderRequest{ToStore: to[(round/20)%len(to)]},
				}}},
			}, func(*kvpb.Response) {})
		}
		if left == 0 {
			return nil
		}
		if err := env.Sleep(ctx, s.o.Clock, drainPeriod); err != nil {
			return err
		}
	}
}

// heirs returns the stores of the other voters that are not down.
func (s *Store) heirs(desc *metapb.Region, down []uint64) []uint64 {
	var out []uint64
	for _, p := range desc.GetPeers() {
		if p.GetStoreId() == s.ident.StoreID || p.GetRole() != metapb.PeerRole_VOTER {
			continue
		}
		alive := true
		for _, id := range down {
			alive = alive && id != p.GetId()
		}
		if alive {
			out = append(out, p.GetStoreId())
		}
	}
	return out
}
