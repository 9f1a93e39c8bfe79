package server

import (
	"context"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// storePeers is the other stores, as this node's store asks them.
type storePeers struct{ n *Node }

// Stores lists all stores that were ever heard of but for the own one: asking one
// that is away costs nothing, since its connection says so.
func (p storePeers) Stores() []uint64 {
	var out []uint64
	for _, s := range p.n.book.list() {
		if s.Id != p.n.ident.StoreID {
			out = append(out, s.Id)
		}
	}
	return out
}

func (p storePeers) Send(ctx context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error) {
	select {
	case <-p.n.built:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return p.n.senders.Send(ctx, store, req)
}
