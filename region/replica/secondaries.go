package replica

import (
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// evalSecondaries tells what became of keys of a transaction in async commit. mark is
// nil if the answer may write nothing.
func (r *Replica) evalSecondaries(mark engine.Writer, state engine.Reader, q *kvpb.CheckSecondaryLocksRequest) (*kvpb.Response, error) {
	start := timestamp.Timestamp(q.GetStartTs())
	forgotten := r.forgotten(start)
	resp := &kvpb.CheckSecondaryLocksResponse{}
	for _, k := range q.GetKeys() {
		st, err := mvcc.CheckSecondary(mark, state, k, start, mark != nil && !forgotten)
		if err != nil {
			return nil, err
		}
		if forgotten && st.State == mvcc.TxnMissing {
			return region.Response(unknownFate(q.GetStartTs())), nil
		}
		one := &kvpb.SecondaryLock{CommitTs: uint64(st.CommitTS)}
		if one.State, err = stateOf(st.State); err != nil {
			return nil, err
		}
		if st.Lock != nil {
			one.MinCommitTs, one.Async = uint64(st.Lock.MinCommitTS), st.Lock.Async
		}
		resp.Locks = append(resp.Locks, one)
	}
	return &kvpb.Response{Cmd: &kvpb.Response_CheckSecondaryLocks{CheckSecondaryLocks: resp}}, nil
}

// unknownFate refuses a question about a transaction whose records may be gone.
func unknownFate(start uint64) errorAnswer {
	return region.Refused("transaction %d started below the safe point: what became of it is not known any more", start)
}

func stateOf(s mvcc.TxnState) (kvpb.TxnState, error) {
	switch s {
	case mvcc.TxnCommitted:
		return kvpb.TxnState_COMMITTED, nil
	case mvcc.TxnRolledBack:
		return kvpb.TxnState_ROLLED_BACK, nil
	case mvcc.TxnLocked:
		return kvpb.TxnState_LOCKED, nil
	case mvcc.TxnMissing:
		return kvpb.TxnState_MISSING, nil
	}
	return 0, fmt.Errorf("transaction state %v", s)
}
