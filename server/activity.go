package server

import (
	"context"
	"sync"
	"time"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/sqlpb"
	"github.com/quorate-db/quorate/sql/stmtstats"
)

// Activity implements sqlpb.SessionsServer.
func (s *sessions) Activity(_ context.Context, r *sqlpb.ActivityRequest) (*sqlpb.ActivityResponse, error) {
	resp := &sqlpb.ActivityResponse{}
	if r.Statements {
		list := s.n.sql.Statements()
		for i := range list {
			resp.Statements = append(resp.Statements, statementToPB(&list[i]))
		}
	}
	if r.LoadSinceMs >= 0 {
		for _, p := range s.n.load.since(time.UnixMilli(r.LoadSinceMs)) {
			pb := &sqlpb.LoadPoint{AtMs: p.At.UnixMilli(), PeriodMs: uint32(ratePeriod.Milliseconds()), Statements: p.Statements, Errors: p.Errors,
				Retries: p.Retries, Sessions: uint32(p.Sessions)}
			if p.Durations != nil {
				pb.Durations = bucketsToPB(p.Durations)
			}
			resp.Load = append(resp.Load, pb)
		}
	}
	return resp, nil
}

func bucketsToPB(h *stmtstats.Histogram) map[uint32]uint64 {
	out := map[uint32]uint64{}
	for b, n := range h {
		if n > 0 {
			out[uint32(b)] = n
		}
	}
	return out
}

// bucketsFromPB leaves out buckets that this version does not have.
func bucketsFromPB(m map[uint32]uint64) (h stmtstats.Histogram) {
	for b, n := range m {
		if int(b) < len(h) {
			h[b] = n
		}
	}
	return h
}

func statementToPB(s *stmtstats.Statement) *sqlpb.Statement {
	return &sqlpb.Statement{User: s.User, Fingerprint: s.Fingerprint, Text: s.Text, Calls: s.Calls, Errors: s.Errors, Retries: s.Retries, Rows: s.Rows,
		TotalUs: s.Total.Microseconds(), MinUs: s.Min.Microseconds(), MaxUs: s.Max.Microseconds(), LastUs: micros(s.Last), Durations: bucketsToPB(&s.Durations)}
}

func statementFromPB(p *sqlpb.Statement) stmtstats.Statement {
	us := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
	return stmtstats.Statement{Key: stmtstats.Key{User: p.User, Fingerprint: p.Fingerprint}, Text: p.Text, Calls: p.Calls, Errors: p.Errors, Retries: p.Retries,
		Rows: p.Rows, Total: us(p.TotalUs), Min: us(p.MinUs), Max: us(p.MaxUs), Last: fromMicros(p.LastUs), Durations: bucketsFromPB(p.Durations)}
}

// askOthers asks all other nodes for their activity; one that does not answer is left
// out.
func (s *sessions) askOthers(ctx context.Context, req *sqlpb.ActivityRequest) map[*metapb.Store]*sqlpb.ActivityResponse {
	var mu sync.Mutex
	out := map[*metapb.Store]*sqlpb.ActivityResponse{}
	var wg sync.WaitGroup
	for _, st := range s.others() {
		wg.Go(func() {
			c, err := s.client(ctx, st.Id)
			if err != nil {
				return
			}
			resp, err := c.Activity(ctx, req)
			if err != nil {
				s.n.log.Debug("ask a node for its activity", "store", st.Id, "err", err)
				return
			}
			mu.Lock()
			out[st] = resp
			mu.Unlock()
		})
	}
	wg.Wait()
	return out
}

// Statements implements sql.Peers.
func (p sqlPeers) Statements(ctx context.Context) [][]stmtstats.Statement {
	var out [][]stmtstats.Statement
	for _, resp := range p.askOthers(ctx, &sqlpb.ActivityRequest{Statements: true, LoadSinceMs: -1}) {
		list := make([]stmtstats.Statement, len(resp.Statements))
		for i, st := range resp.Statements {
			list[i] = statementFromPB(st)
		}
		out = append(out, list)
	}
	return out
}
