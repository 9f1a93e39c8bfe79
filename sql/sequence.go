package sql

import (
	"context"
	"encoding/binary"
	"math"
	"sync"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// Values of sequences are taken by transactions of their own, so that none is
// given twice, whatever becomes of the transaction that asked, on whatever node. A
// statement that takes many reserves some ahead and gives back what it does not
// need; the values are lost, as in PostgreSQL, only if another session has taken
// some in between or the node dies.

// seqState is the stored state of a sequence.
type seqState struct {
	last   int64
	called bool
	// gen is raised by every change, so that values are given back only to the state
	// that they were taken from.
	gen uint64
}

const seqStateVersion = 1

func (s seqState) encode() []byte {
	b := []byte{seqStateVersion, 0}
	if s.called {
		b[1] = 1
	}
	b = binary.AppendVarint(b, s.last)
	return binary.AppendUvarint(b, s.gen)
}

func decodeSeqState(b []byte) (seqState, error) {
	bad := func() (seqState, error) { return seqState{}, sqlerr.Internal("state of a sequence is %x", b) }
	if len(b) < 4 || b[0] != seqStateVersion {
		return bad()
	}
	s := seqState{called: b[1] == 1}
	var n, m int
	s.last, n = binary.Varint(b[2:])
	if n <= 0 {
		return bad()
	}
	if s.gen, m = binary.Uvarint(b[2+n:]); m <= 0 || 2+n+m != len(b) {
		return bad()
	}
	return s, nil
}

// seqRange is values that a session has reserved: next, next + increment, … up to
// end.
type seqRange struct {
	t         *catalog.Table
	next, end int64
	empty     bool
	last      int64  // given last; the state before if there is none
	called    bool   // whether last was given
	gen       uint64 // of the state that the range ends with
	// cached ranges are kept for the session's life, because CACHE asks for that.
	cached bool
	asked  int64 // how many values were reserved last
}

// sessionSeqs is what a session knows of sequences.
type sessionSeqs struct {
	ranges  map[uint64]*seqRange // by storage
	current map[catalog.ID]int64
	last    catalog.ID // of nextval
}

// seqAheadMax bounds how many values a statement reserves at once.
const seqAheadMax = 1024

// keyedLocks lets one holder in per key.
type keyedLocks struct {
	mu    sync.Mutex
	locks map[uint64]*keyedLock
}

type keyedLock struct {
	ch   chan struct{}
	refs int
}

// lock waits for the key; the result unlocks it.
func (k *keyedLocks) lock(ctx context.Context, key uint64) (func(), error) {
	k.mu.Lock()
	if k.locks == nil {
		k.locks = map[uint64]*keyedLock{}
	}
	l := k.locks[key]
	if l == nil {
		l = &keyedLock{ch: make(chan struct{}, 1)}
		k.locks[key] = l
	}
	l.refs++
	k.mu.Unlock()
	drop := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.refs--; l.refs == 0 {
			delete(k.locks, key)
		}
	}
	select {
	case l.ch <- struct{}{}:
		return func() { <-l.ch; drop() }, nil
	case <-ctx.Done():
		drop()
		return nil, ctx.Err()
	}
}

// changeSequence changes a sequence's state in a transaction of its own. f returns
// false if there is nothing to change. Sessions of one node take turns; with other
// nodes the attempts conflict and are repeated.
func (s *Session) changeSequence(ctx context.Context, t *catalog.Table, f func(*seqState) (bool, error)) (seqState, error) {
	unlock, err := s.e.sequences.lock(ctx, t.StorageID)
	if err != nil {
		return seqState{}, err
	}
	defer unlock()
	for attempt := 0; ; attempt++ {
		st, err := s.tryChangeSequence(ctx, t, f)
		err = s.mapErr(err)
		if err == nil || !sqlerr.Is(err, sqlerr.TRSerializationFailure) || ctx.Err() != nil {
			return st, err
		}
		if err := s.e.sleep(ctx, s.retryPause(attempt)); err != nil {
			return st, err
		}
	}
}

func (s *Session) tryChangeSequence(ctx context.Context, t *catalog.Table, f func(*seqState) (bool, error)) (seqState, error) {
	if t.Temp {
		st, err := s.readSequence(ctx, nil, t)
		if err != nil {
			return st, err
		}
		changed, err := f(&st)
		if err != nil || !changed {
			return st, err
		}
		st.gen++
		return st, s.writeSequence(ctx, nil, t, st)
	}
	tx, err := s.e.o.Store.Begin(TxnOptions{})
	if err != nil {
		return seqState{}, err
	}
	done := false
	defer func() {
		if !done {
			tx.Rollback(context.WithoutCancel(ctx))
		}
	}()
	if err := tx.Start(ctx); err != nil {
		return seqState{}, err
	}
	st, err := s.readSequence(ctx, tx, t)
	if err != nil {
		return st, err
	}
	changed, err := f(&st)
	if err != nil || !changed {
		return st, err
	}
	st.gen++
	if err := s.writeSequence(ctx, tx, t, st); err != nil {
		return st, err
	}
	done = true
	return st, tx.Commit(ctx, func() timestamp.Timestamp { return 0 })
}

// readSequence reads the state; one that was never written is that of the
// definition.
func (s *Session) readSequence(ctx context.Context, r catalog.Reader, t *catalog.Table) (seqState, error) {
	first := seqState{last: t.Sequence.Start}
	if t.Temp {
		if st, ok := s.temp.sequences[t.StorageID]; ok {
			return st, nil
		}
		return first, nil
	}
	b, err := r.Get(ctx, catalog.SequenceKey(t.StorageID))
	if err != nil {
		return seqState{}, err
	}
	if b == nil {
		return first, nil
	}
	return decodeSeqState(b)
}

// writeSequence writes the state. That of a temporary sequence is what it is at once:
// a transaction that changes one for itself gives it new storage.
func (s *Session) writeSequence(ctx context.Context, w catalog.Writer, t *catalog.Table, st seqState) error {
	if t.Temp {
		s.temp.sequences[t.StorageID] = st
		return nil
	}
	return w.Put(ctx, catalog.SequenceKey(t.StorageID), st.encode())
}

// advance returns the value after the state, and false if there is none.
func advance(q *catalog.Sequence, st seqState) (int64, bool) {
	if !st.called {
		return st.last, true
	}
	if q.Increment > 0 {
		if st.last > math.MaxInt64-q.Increment || st.last+q.Increment > q.Max {
			return q.Min, q.Cycle
		}
	} else if st.last < math.MinInt64-q.Increment || st.last+q.Increment < q.Min {
		return q.Max, q.Cycle
	}
	return st.last + q.Increment, true
}

// reserve takes up to n values in a row. They end before the sequence wraps around.
func (s *Session) reserve(ctx context.Context, t *catalog.Table, n int64) (*seqRange, error) {
	q := t.Sequence
	r := &seqRange{t: t, asked: n}
	st, err := s.changeSequence(ctx, t, func(st *seqState) (bool, error) {
		r.last, r.called = st.last, st.called
		first, ok := advance(q, *st)
		if !ok {
			if q.Increment > 0 {
				return false, sqlerr.New(sqlerr.SequenceGeneratorLimitExceeded, "nextval: reached maximum value of sequence %q (%d)", t.Name, q.Max)
			}
			return false, sqlerr.New(sqlerr.SequenceGeneratorLimitExceeded, "nextval: reached minimum value of sequence %q (%d)", t.Name, q.Min)
		}
		r.next = first
		st.last, st.called = first, true
		for i := int64(1); i < n; i++ {
			v, ok := advance(q, *st)
			if !ok || (v > st.last) != (q.Increment > 0) {
				break
			}
			st.last = v
		}
		r.end = st.last
		return true, nil
	})
	r.gen = st.gen
	return r, err
}

// nextval is the function.
func (s *Session) nextval(ctx context.Context, t *catalog.Table) (int64, error) {
	if s.tx.readOnly && !t.Temp {
		return 0, sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute nextval() in a read-only transaction")
	}
	if s.seqs.ranges == nil {
		s.seqs.ranges, s.seqs.current = map[uint64]*seqRange{}, map[catalog.ID]int64{}
	}
	r := s.seqs.ranges[t.StorageID]
	if r == nil || r.empty {
		n := t.Sequence.Cache
		if r != nil && !r.cached {
			n = min(8*r.asked, seqAheadMax)
		}
		var err error
		if r, err = s.reserve(ctx, t, n); err != nil {
			return 0, err
		}
		r.cached = t.Sequence.Cache > 1
		s.seqs.ranges[t.StorageID] = r
	}
	v := r.next
	r.last, r.called = v, true
	if v == r.end {
		r.empty = true
	} else {
		r.next += t.Sequence.Increment
	}
	s.seqs.current[t.ID], s.seqs.last = v, t.ID
	return v, nil
}

// releaseSequences gives back what a statement has reserved and not used.
func (s *Session) releaseSequences(ctx context.Context) {
	for id, r := range s.seqs.ranges {
		if r.cached {
			continue
		}
		delete(s.seqs.ranges, id)
		if r.empty {
			continue
		}
		// An error leaves a gap, nothing worse.
		_, _ = s.changeSequence(context.WithoutCancel(ctx), r.t, func(st *seqState) (bool, error) {
			if st.gen != r.gen {
				return false, nil
			}
			st.last, st.called = r.last, r.called
			return true, nil
		})
	}
}

// setval is the function.
func (s *Session) setval(ctx context.Context, t *catalog.Table, v int64, called bool) error {
	q := t.Sequence
	switch {
	case s.tx.readOnly && !t.Temp:
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot execute setval() in a read-only transaction")
	case v < q.Min || v > q.Max:
		return sqlerr.New(sqlerr.NumericValueOutOfRange, "setval: value %d is out of bounds for sequence %q (%d..%d)", v, t.Name, q.Min, q.Max)
	}
	delete(s.seqs.ranges, t.StorageID)
	_, err := s.changeSequence(ctx, t, func(st *seqState) (bool, error) {
		st.last, st.called = v, called
		return true, nil
	})
	if err == nil && called {
		if s.seqs.current == nil {
			s.seqs.ranges, s.seqs.current = map[uint64]*seqRange{}, map[catalog.ID]int64{}
		}
		s.seqs.current[t.ID] = v
	}
	return err
}

// sequenceFunc evaluates the functions of sequences.
func (s *Session) sequenceFunc(ctx context.Context, snap *catalog.Snapshot, name string, args []types.Datum) (types.Datum, error) {
	if name == "lastval" {
		t := snap.Table(s.seqs.last)
		if t == nil {
			return types.Null, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "lastval is not yet defined in this session")
		}
		return types.NewInt(s.seqs.current[t.ID]), s.maySequence(t, catalog.Select|catalog.Usage)
	}
	t := snap.Table(args[0].OID())
	if t == nil || t.Sequence == nil {
		_, rel, ok := relationName(snap, args[0].OID())
		switch {
		case ok:
			return types.Null, sqlerr.New(sqlerr.WrongObjectType, "%q is not a sequence", rel)
		case name == "pg_sequence_last_value":
			return types.Null, nil
		}
		return types.Null, sqlerr.New(sqlerr.UndefinedTable, "could not open relation with OID %d", args[0].OID())
	}
	need := map[string]catalog.Privileges{"nextval": catalog.Usage | catalog.Update, "currval": catalog.Usage | catalog.Select,
		"setval": catalog.Update, "pg_sequence_last_value": catalog.Usage | catalog.Select}[name]
	if name != "nextval" || !t.Sequence.Internal {
		if err := s.maySequence(t, need); err != nil {
			return types.Null, err
		}
	}
	switch name {
	case "nextval":
		v, err := s.nextval(ctx, t)
		return types.NewInt(v), err
	case "currval":
		v, ok := s.seqs.current[t.ID]
		if !ok {
			return types.Null, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "currval of sequence %q is not yet defined in this session", t.Name)
		}
		return types.NewInt(v), nil
	case "setval":
		called := len(args) < 3 || args[2].Bool()
		return args[1], s.setval(ctx, t, args[1].Int(), called)
	}
	st, err := s.sequenceState(ctx, t)
	if err != nil || !st.called {
		return types.Null, err
	}
	return types.NewInt(st.last), nil
}

// maySequence checks that the session's role has one of some privileges on a
// sequence. That of an identity column is used by who may insert into its table.
func (s *Session) maySequence(t *catalog.Table, any catalog.Privileges) error {
	me, err := s.me()
	if err != nil {
		return err
	}
	if s.tableRights(me.ID, t, any) == 0 {
		return denied(t)
	}
	return nil
}

// sequenceState reads the newest state, as PostgreSQL does, whatever the
// transaction's snapshot is.
func (s *Session) sequenceState(ctx context.Context, t *catalog.Table) (seqState, error) {
	tx, err := s.e.o.Store.Begin(TxnOptions{ReadOnly: true})
	if err != nil {
		return seqState{}, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	if err := tx.Start(ctx); err != nil {
		return seqState{}, err
	}
	st, err := s.readSequence(ctx, tx, t)
	if r := s.seqs.ranges[t.StorageID]; err == nil && r != nil && !r.cached && r.gen == st.gen {
		st.last, st.called = r.last, r.called // as if nothing had been reserved ahead
	}
	return st, err
}
