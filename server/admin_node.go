package server

import (
	"cmp"
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// NodeHere tells of this node alone.
func (a *admin) NodeHere(context.Context, *adminpb.NodeHereRequest) (*adminpb.NodeHereResponse, error) {
	return a.n.nodeHere(), nil
}

func (n *Node) nodeHere() *adminpb.NodeHereResponse {
	st, tx := n.store.Stats(), n.txn.Stats()
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	out := &adminpb.NodeHereResponse{Store: n.self(), Replicas: uint32(st.Replicas), Leaders: uint32(st.Leaders), Serves: n.serves.Load(),
		Sessions: uint32(n.sql.Sessions()), MemoryBytes: mem.Sys - mem.HeapReleased, HeapBytes: mem.HeapAlloc, Goroutines: uint32(runtime.NumGoroutine()),
		Contacts: n.contacts(), GoVersion: runtime.Version()}
	out.AvailableBytes, out.CapacityBytes = n.store.DiskSpace()
	if err := n.Err(); err != nil {
		out.Failure = err.Error()
	}
	for name, value := range map[string]uint64{
		"proposals": st.Proposals, "proposals_failed": st.ProposalsFailed, "lease_reads": st.LeaseReads, "read_index_reads": st.ReadIndexReads,
		"snapshots_sent": st.SnapshotsSent, "snapshots_received": st.SnapshotsGot, "splits": st.Splits, "merges": st.Merges,
		"versions_collected": st.Collected, "supports_withdrawn": st.Withdrawals, "log_syncs": st.Driver.LogSyncs,
		"transactions_one_phase": tx.OnePhase, "transactions_async": tx.Async, "transactions_two_phase": tx.TwoPhase,
		"transaction_conflicts": tx.Conflicts, "transactions_unknown": tx.Unknown, "timestamp_requests": n.oracle.Fetches(),
	} {
		out.Counters = append(out.Counters, &adminpb.Counter{Name: name, Value: value})
	}
	slices.SortFunc(out.Counters, func(a, b *adminpb.Counter) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// nodesHere asks nodes about themselves, ordered by id. Those that do not answer are
// missing.
func (n *Node) nodesHere(ctx context.Context, stores []uint64) []*adminpb.NodeHereResponse {
	var mu sync.Mutex
	var out []*adminpb.NodeHereResponse
	var others []uint64
	for _, id := range stores {
		if id == n.ident.StoreID {
			out = append(out, n.nodeHere())
			continue
		}
		others = append(others, id)
	}
	n.askStores(ctx, others, func(ctx context.Context, _ uint64, cl adminpb.AdminClient) error {
		here, err := cl.NodeHere(ctx, &adminpb.NodeHereRequest{})
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		out = append(out, here)
		return nil
	})
	slices.SortFunc(out, func(a, b *adminpb.NodeHereResponse) int { return cmp.Compare(a.Store.GetId(), b.Store.GetId()) })
	return out
}

// DescribeNode tells what the cluster knows of a node, and what it says itself.
func (a *admin) DescribeNode(ctx context.Context, req *adminpb.DescribeNodeRequest) (*adminpb.DescribeNodeResponse, error) {
	n := a.n
	nodes := n.nodes()
	i := slices.IndexFunc(nodes, func(m *adminpb.Node) bool { return m.Store.NodeId == req.NodeId })
	if i < 0 {
		return &adminpb.DescribeNodeResponse{Error: fmt.Sprintf("there is no node %d", req.NodeId)}, nil
	}
	out := &adminpb.DescribeNodeResponse{Node: nodes[i], PlacementLeader: n.client.Leader()}
	store := out.Node.Store
	if list := n.nodesHere(ctx, []uint64{store.Id}); len(list) == 1 {
		out.Here = list[0]
		out.Node.CapacityBytes, out.Node.AvailableBytes = out.Here.CapacityBytes, out.Here.AvailableBytes
	} else {
		out.Unreachable = fmt.Sprintf("node %d does not answer at %s", store.NodeId, store.RpcAddress)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	ops, err := n.client.Operators(ctx, true)
	if err != nil {
		return out, nil // placement does not answer: what is known is the answer
	}
	for _, o := range ops {
		if concerns(o, store.Id) {
			out.Operators = append(out.Operators, o)
		}
	}
	if store.State == metapb.StoreState_DRAINING || store.State == metapb.StoreState_DECOMMISSIONING {
		if r, err := n.client.SetStore(ctx, &placementpb.SetStoreRequest{StoreId: store.Id, OnlyLook: true}); err == nil {
			out.Blocked = r.Blocked
		}
	}
	return out, nil
}

// concerns reports whether an operator's detail names a store.
func concerns(o *placementpb.Operator, store uint64) bool {
	return strings.Contains(o.Detail+" ", fmt.Sprintf("store %d ", store))
}
