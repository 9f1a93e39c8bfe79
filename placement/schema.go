package placement

import (
	"context"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// schemaLeaseFor is how long, in the oracle's time, a gateway may commit with the
// version of the schema that it last confirmed. A change of schema waits at most
// this long for a gateway that died.
const schemaLeaseFor = 2 * time.Second

// schemaState is who works with which version of the schema.
//
// Invariant: a gateway holds a lease only for a version that was current when the
// lease was given, so once every lease is for version v or has run out, nobody
// commits with a version below v.
type schemaState struct {
	version  uint64
	gateways map[uint64]*schemaLease
	// quietUntil: a predecessor may have given leases up to here.
	quietUntil timestamp.Timestamp
}

type schemaLease struct {
	version uint64
	until   timestamp.Timestamp
}

// begin starts a term. In a new cluster there was no predecessor.
func (st *schemaState) begin(now timestamp.Timestamp, newCluster bool) {
	st.gateways = map[uint64]*schemaLease{}
	if !newCluster {
		st.quietUntil = after(now, schemaLeaseFor)
	}
}

func after(ts timestamp.Timestamp, d time.Duration) timestamp.Timestamp {
	return timestamp.Make(ts.PhysicalMs()+d.Milliseconds(), 0)
}

// confirmed reports whether no gateway can commit with a version below the
// current one any more.
func (st *schemaState) confirmed(now timestamp.Timestamp) bool {
	if now <= st.quietUntil {
		return false
	}
	for _, g := range st.gateways {
		if g.version < st.version && now <= g.until {
			return false
		}
	}
	return true
}

// SchemaLease renews a gateway's lease on the schema, and publishes a new version
// if asked to. A gateway that works with an old version gets no more time: it
// learns the current version and asks again once it works with that.
func (s *Service) SchemaLease(ctx context.Context, req *placementpb.SchemaLeaseRequest) (*placementpb.SchemaLeaseResponse, error) {
	// The leases are measured in timestamps: take a fresh one, which also
	// proves that this store leads.
	now, err := s.timestamps(ctx, 1, 0, false)
	if err != nil {
		return nil, err
	}
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	if req.Publish > 0 {
		if err := s.publishSchema(ctx, l, req.Publish); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &l.schema
	if req.Version > st.version {
		// The gateway has read a version whose publication was not heard of
		// (its publisher died): it exists, so it counts.
		s.mu.Unlock()
		err := s.publishSchema(ctx, l, req.Version)
		s.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
	g := st.gateways[req.NodeId]
	if g == nil {
		g = &schemaLease{}
		st.gateways[req.NodeId] = g
	}
	if req.Version >= g.version {
		g.version = req.Version
	}
	resp := &placementpb.SchemaLeaseResponse{Version: st.version}
	if req.Version >= st.version {
		if until := after(now, schemaLeaseFor); until > g.until {
			g.until = until
		}
		resp.LeaseUntil = uint64(g.until)
	}
	resp.Confirmed = st.confirmed(now)
	return resp, nil
}

func (s *Service) publishSchema(ctx context.Context, l *leadership, version uint64) error {
	s.mu.Lock()
	done := l.schema.version >= version
	s.mu.Unlock()
	if done {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	// Two publishers may write in either order; memory keeps the larger and
	// gateways report what they have read, so a smaller stored number heals.
	if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{keySchema, putNumber(version)}}); err != nil {
		return fmt.Errorf("store the schema version: %w", err)
	}
	s.mu.Lock()
	if version > l.schema.version {
		l.schema.version = version
		s.publishLocked(l, &placementpb.DirectoryUpdate{SchemaVersion: version})
	}
	s.mu.Unlock()
	return nil
}
