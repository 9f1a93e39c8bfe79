package server

import (
	"context"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/sqlpb"
	"github.com/quorate-db/quorate/sql"
)

// sessions is the sessions of this node for the other nodes, and those of the others
// for this one. It implements sqlpb.SessionsServer; sqlPeers and canceller are its
// other faces.
type sessions struct {
	sqlpb.UnimplementedSessionsServer
	n *Node
	// wake has a token if other nodes are to look for notifications.
	wake chan struct{}
}

func newSessions(n *Node) *sessions { return &sessions{n: n, wake: make(chan struct{}, 1)} }

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us)
}

func (s *sessions) List(context.Context, *sqlpb.ListRequest) (*sqlpb.ListResponse, error) {
	resp := &sqlpb.ListResponse{}
	for _, i := range s.n.sql.SessionList() {
		resp.Sessions = append(resp.Sessions, &sqlpb.Session{
			ProcessId: i.PID, User: i.User, Database: i.Database, Application: i.Application, ClientAddress: i.ClientAddr, Tls: i.TLS,
			StartedUs: micros(i.Started), TransactionUs: micros(i.Transaction), QueryUs: micros(i.Query), ChangedUs: micros(i.Change),
			State: i.State, Query: i.Text,
		})
	}
	return resp, nil
}

func (s *sessions) Cancel(_ context.Context, r *sqlpb.CancelRequest) (*sqlpb.CancelResponse, error) {
	return &sqlpb.CancelResponse{Done: s.n.pg.Cancel(r.ProcessId, r.Secret)}, nil
}

func (s *sessions) Signal(_ context.Context, r *sqlpb.SignalRequest) (*sqlpb.SignalResponse, error) {
	return &sqlpb.SignalResponse{Found: s.n.sql.Signal(r.ProcessId, r.Terminate)}, nil
}

func (s *sessions) Wake(context.Context, *sqlpb.WakeRequest) (*sqlpb.WakeResponse, error) {
	s.n.sql.Wake()
	return &sqlpb.WakeResponse{}, nil
}

// register adds the service to the node's RPC server.
func (s *sessions) register(g *grpc.Server) { sqlpb.RegisterSessionsServer(g, s) }

// others are the stores of the other nodes, but for those that are gone.
func (s *sessions) others() []*metapb.Store {
	var out []*metapb.Store
	for _, st := range s.n.members() {
		up := st.State == metapb.StoreState_UP || st.State == metapb.StoreState_DRAINING
		if up && st.Id != s.n.ident.StoreID && !s.n.suspects.Suspected(st.Id) {
			out = append(out, st)
		}
	}
	return out
}

func (s *sessions) client(ctx context.Context, store uint64) (sqlpb.SessionsClient, error) {
	conn, err := s.n.dial.store(ctx, store)
	if err != nil {
		return nil, err
	}
	return sqlpb.NewSessionsClient(conn), nil
}

// list asks one node for its sessions.
func (s *sessions) list(ctx context.Context, st *metapb.Store) []sql.SessionInfo {
	c, err := s.client(ctx, st.Id)
	if err != nil {
		return nil
	}
	resp, err := c.List(ctx, &sqlpb.ListRequest{})
	if err != nil {
		// A node that does not answer has no sessions that anybody could do something about.
		s.n.log.Debug("list the sessions of a node", "store", st.Id, "err", err)
		return nil
	}
	var out []sql.SessionInfo
	for _, i := range resp.Sessions {
		out = append(out, sql.SessionInfo{
			Node: st.NodeId, PID: i.ProcessId, User: i.User, Database: i.Database, Application: i.Application, ClientAddr: i.ClientAddress, TLS: i.Tls,
			Started: fromMicros(i.StartedUs), Transaction: fromMicros(i.TransactionUs), Query: fromMicros(i.QueryUs), Change: fromMicros(i.ChangedUs),
			State: i.State, Text: i.Query,
		})
	}
	return out
}

// sqlPeers is sessions as the SQL engine sees it.
type sqlPeers struct{ *sessions }

// Sessions implements sql.Peers.
func (p sqlPeers) Sessions(ctx context.Context) []sql.SessionInfo {
	others := p.others()
	lists := make([][]sql.SessionInfo, len(others))
	var wg sync.WaitGroup
	for i, st := range others {
		wg.Go(func() { lists[i] = p.list(ctx, st) })
	}
	wg.Wait()
	var out []sql.SessionInfo
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// Signal implements sql.Peers.
func (p sqlPeers) Signal(ctx context.Context, pid uint32, terminate bool) (bool, error) {
	c, err := p.of(ctx, pid)
	if err != nil {
		return false, err
	}
	resp, err := c.Signal(ctx, &sqlpb.SignalRequest{ProcessId: pid, Terminate: terminate})
	return resp.GetFound(), err
}

// of finds the node that a process id belongs to.
func (s *sessions) of(ctx context.Context, pid uint32) (sqlpb.SessionsClient, error) {
	for _, st := range s.others() {
		if pgwire.ProcessNode(uint32(st.NodeId)<<20) == pgwire.ProcessNode(pid) {
			return s.client(ctx, st.Id)
		}
	}
	return nil, fmt.Errorf("no node that lives has process %d", pid)
}

// canceller is sessions as the server of the PostgreSQL protocol sees it.
type canceller struct{ *sessions }

// Cancel implements pgwire.Canceller.
func (c canceller) Cancel(ctx context.Context, pid uint32, secret []byte) error {
	client, err := c.of(ctx, pid)
	if err != nil {
		return err
	}
	resp, err := client.Cancel(ctx, &sqlpb.CancelRequest{ProcessId: pid, Secret: secret})
	if err == nil && !resp.Done {
		err = fmt.Errorf("process %d has another secret or is gone", pid)
	}
	return err
}

// wakeOthers has the other nodes told that there are notifications.
func (s *sessions) wakeOthers() {
	select {
	case s.wake <- struct{}{}:
	default: // they are told already
	}
}

// wakeTimeout bounds the call: a node that is not told looks by itself.
const wakeTimeout = 500 * time.Millisecond

// wakeLoop tells them, until ctx ends.
func (s *sessions) wakeLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		}
		call, cancel := context.WithTimeout(ctx, wakeTimeout)
		var wg sync.WaitGroup
		for _, st := range s.others() {
			wg.Go(func() {
				if c, err := s.client(call, st.Id); err == nil {
					_, err = c.Wake(call, &sqlpb.WakeRequest{})
					if err != nil {
						s.n.log.Debug("tell a node of notifications", "store", st.Id, "err", err)
					}
				}
			})
		}
		wg.Wait()
		cancel()
	}
}
