package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/sql"
	"github.com/quorate-db/quorate/txn"
)

// buildSQL makes the SQL engine and the server of the PostgreSQL protocol.
func (n *Node) buildSQL() error {
	var err error
	n.sessions = newSessions(n)
	n.sql, err = sql.New(sql.Options{
		Store: sql.TxnStore(n.txn), Clock: n.cfg.Env.Clock, NewRand: env.SystemRand, Logger: n.log,
		NodeID: uint32(n.ident.NodeID), Lease: n.lease, IDs: objectIDs{n}, Observed: n.txn.Observed, Admin: sqlAdmin{n}, Version: Version,
		Retention: n.cfg.Retention,
		Wake:      n.sessions.wakeOthers, Peers: sqlPeers{n.sessions},
	})
	if err != nil {
		return fmt.Errorf("make the SQL engine: %w", err)
	}
	n.pg, err = pgwire.New(pgwire.Options{
		Engine: n.sql, Clock: n.cfg.Env.Clock, Entropy: rand.Reader, Auth: n.authenticator(), Logger: n.log, NodeID: uint32(n.ident.NodeID),
		TLSConfig: n.sqlTLS(), Canceller: canceller{n.sessions},
	})
	if err != nil {
		return fmt.Errorf("make the PostgreSQL server: %w", err)
	}
	return nil
}

// objectIDs gives the ids of SQL's objects. Placement's numbers begin low; those
// of users begin where PostgreSQL's do.
type objectIDs struct{ n *Node }

func (o objectIDs) NextID(ctx context.Context) (uint64, error) {
	const firstUserID = 16384
	id, err := o.n.client.AllocIDs(ctx, 1)
	if err != nil {
		return 0, err
	}
	return firstUserID + id, nil
}

// sqlAdmin is what SQL asks of the cluster.
type sqlAdmin struct{ n *Node }

func (a sqlAdmin) SplitAt(ctx context.Context, keys [][]byte) error { return a.n.SplitAt(ctx, keys) }

func (a sqlAdmin) Unsplit(ctx context.Context, start, end []byte) error {
	return a.n.Unsplit(ctx, start, end)
}

func (a sqlAdmin) Regions(_ context.Context, start, end []byte) ([]sql.RegionInfo, error) {
	var out []sql.RegionInfo
	for _, r := range a.n.regionsNow() {
		if !overlaps(r.Region, &metapb.Region{StartKey: start, EndKey: end}) {
			continue
		}
		info := sql.RegionInfo{
			ID: r.Region.Id, Start: r.Region.StartKey, End: r.Region.EndKey, ConfVer: r.Region.Epoch.GetConfVer(), Version: r.Region.Epoch.GetVersion(),
			LeaderNode: r.LeaderStore, LeaderStore: r.LeaderStore, SizeBytes: r.SizeBytes,
		}
		for _, p := range r.Region.Peers {
			info.Peers = append(info.Peers, sql.PeerInfo{PeerID: p.Id, NodeID: p.NodeId, StoreID: p.StoreId, Role: strings.ToLower(p.Role.String())})
		}
		out = append(out, info)
	}
	return out, nil
}

func (a sqlAdmin) Nodes(context.Context) ([]sql.NodeInfo, error) {
	var out []sql.NodeInfo
	for _, s := range a.n.nodes() {
		state := strings.ToLower(s.Store.State.String())
		if s.Store.State == metapb.StoreState_UP {
			state = "live"
		}
		out = append(out, sql.NodeInfo{
			ID: s.Store.NodeId, SQLAddr: s.Store.SqlAddress, RPCAddr: s.Store.RpcAddress, State: state, Version: s.Store.Version,
			Started: time.UnixMilli(s.Store.StartedUnixMs), Replicas: int64(s.Replicas), Leaders: int64(s.Leaders),
		})
	}
	return out, nil
}

func (a sqlAdmin) Settings(ctx context.Context) ([]sql.ClusterSetting, error) {
	resp, err := a.n.client.Settings(ctx, &placementpb.SettingsRequest{})
	if err != nil {
		return nil, err
	}
	var out []sql.ClusterSetting
	for _, s := range resp.Settings {
		out = append(out, sql.ClusterSetting{Name: s.Name, Value: s.Value, Type: s.Type, Default: s.Default, Min: s.Min, Max: s.Max, About: s.About, Set: s.Set})
	}
	return out, nil
}

// lockListTimeout bounds the wait for a store's list of locks.
const lockListTimeout = time.Second

func (a sqlAdmin) Locks(ctx context.Context) ([]sql.LockInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, lockListTimeout)
	defer cancel()
	stores := append(storePeers(a).Stores(), a.n.ident.StoreID)
	lists := make([]*kvpb.LocksResponse, len(stores))
	var wg sync.WaitGroup
	for i, id := range stores {
		wg.Go(func() {
			// A store that is away leads nothing: its locks are gone, too.
			resp, err := a.n.senders.Send(ctx, id, &kvpb.Request{
				Header: &kvpb.Header{ClusterId: a.n.ident.ClusterID, StoreId: id},
				Cmd:    &kvpb.Request_Locks{Locks: &kvpb.LocksRequest{Held: true}},
			})
			if err == nil {
				lists[i] = resp.GetLocks()
			}
		})
	}
	wg.Wait()
	var out []sql.LockInfo
	for _, l := range lists {
		for _, h := range l.GetHeld() {
			out = append(out, sql.LockInfo{Key: h.GetKey(), Holder: holder(h.GetOwner()), Mode: h.GetMode(), Granted: true})
		}
		for _, w := range l.GetWaiting() {
			i := sql.LockInfo{Key: w.GetKey(), Holder: holder(w.GetOwner()), Mode: w.GetMode(), Waited: time.Duration(w.GetWaitedUs()) * time.Microsecond}
			for _, b := range w.GetBlockers() {
				i.BlockedBy = append(i.BlockedBy, holder(b))
			}
			out = append(out, i)
		}
	}
	return out, nil
}

func holder(o *kvpb.LockOwner) txn.Holder {
	return txn.Holder{StartTS: timestamp.Timestamp(o.GetId()), Node: o.GetNode(), PID: o.GetPid(), Statement: o.GetStatement()}
}

// tablesIn names the tables that overlap a range, as far as this node knows.
func (n *Node) tablesIn(start, end []byte) []string { return n.sql.TablesIn(start, end) }

func (n *Node) tableSpans(ctx context.Context, table string) ([][2][]byte, error) {
	s, err := n.sql.TableSpan(ctx, table)
	if err != nil {
		return nil, err
	}
	return [][2][]byte{{s.Start, s.End}}, nil
}

// splitKey reads a key as the command line has it, or finds the middle of the
// region.
func (n *Node) splitKey(ctx context.Context, r *metapb.Region, at string) ([]byte, error) {
	switch {
	case at == "":
		return n.middle(ctx, r)
	case strings.HasPrefix(at, "0x"):
		key, err := hex.DecodeString(at[2:])
		if err != nil {
			return nil, fmt.Errorf("%q is not a key in hexadecimal: %w", at, err)
		}
		return bytes.Clone(key), nil
	}
	return n.sql.ParseSplitKey(ctx, r.StartKey, r.EndKey, at)
}
