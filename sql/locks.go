package sql

import (
	"context"
	"slices"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/txn"
)

// LockInfo is one row lock or advisory lock, held or waited for.
type LockInfo struct {
	Key       []byte
	Holder    txn.Holder
	Mode      txn.LockMode
	Granted   bool
	Waited    time.Duration
	BlockedBy []txn.Holder
}

// locks lists all locks of the cluster, by key, holders first.
func (s *Session) locks(ctx context.Context) ([]LockInfo, error) {
	a, err := s.admin()
	if err != nil {
		return nil, err
	}
	list, err := a.Locks(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(x, y LockInfo) int {
		if c := slices.Compare(x.Key, y.Key); c != 0 {
			return c
		}
		switch {
		case x.Granted != y.Granted && x.Granted:
			return -1
		case x.Granted != y.Granted:
			return 1
		}
		return int(y.Waited - x.Waited)
	})
	return list, nil
}

func quorateLocks(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	list, err := s.locks(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		var by, pids []types.Datum
		for _, b := range l.BlockedBy {
			by = append(by, dInt(int64(b.StartTS)))
			pids = append(pids, dInt(int64(b.PID)))
		}
		table := types.Null
		if x := indexOf(s.tx.snap, l.Key); x != nil {
			table = dText(x.Table.Name)
		}
		waited := types.Null
		if !l.Granted {
			waited = dInt(l.Waited.Milliseconds())
		}
		if err := yield([]types.Datum{
			dInt(int64(l.Holder.StartTS)), dInt(int64(l.Holder.Node)), dInt(int64(l.Holder.PID)), table, dText(s.describeKey(l.Key)),
			dText(modeName(l.Mode)), dBool(l.Granted), waited, types.NewArray(types.NewArrayOf(types.Int8, by)),
			types.NewArray(types.NewArrayOf(types.Int4, pids)), s.statementOf(l.Holder),
		}); err != nil {
			return err
		}
	}
	return nil
}

// pgLocks shows row locks as tuple locks and advisory locks as such. PostgreSQL
// keeps row locks in the rows and shows only who waits for one.
func pgLocks(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	list, err := s.locks(ctx)
	if err != nil {
		return err
	}
	for _, l := range list {
		row := make([]types.Datum, 16)
		for i := range row {
			row[i] = types.Null
		}
		row[0], row[1] = dText("tuple"), dOID(5)
		mode := map[txn.LockMode]string{txn.LockKeyShare: "AccessShareLock", txn.LockShare: "RowShareLock",
			txn.LockNoKeyUpdate: "ExclusiveLock", txn.LockUpdate: "AccessExclusiveLock"}[l.Mode]
		if x := indexOf(s.tx.snap, l.Key); x != nil {
			row[2] = dOID(x.Table.ID)
		}
		if class, obj, sub, ok := advisoryParts(l.Key); ok {
			row[0], row[7], row[8], row[9] = dText("advisory"), dOID(types.OID(class)), dOID(types.OID(obj)), dInt(int64(sub))
			mode = map[bool]string{true: "ShareLock", false: "ExclusiveLock"}[l.Mode == txn.LockShare]
		}
		row[10] = dText(itoa(int(l.Holder.Node)) + "/" + itoa(int(l.Holder.StartTS)))
		row[11], row[12], row[13], row[14] = dInt(int64(l.Holder.PID)), dText(mode), dBool(l.Granted), dBool(false)
		if !l.Granted {
			row[15] = types.NewInt(types.FromTime(s.e.o.Clock.Now().Add(-l.Waited)))
		}
		if err := yield(row); err != nil {
			return err
		}
	}
	return nil
}

// quorateTransactions lists the open transactions of this node's sessions, and
// those elsewhere that hold or want a lock.
func quorateTransactions(ctx context.Context, s *Session, _ map[int]types.Datum, yield yieldRow) error {
	type info struct {
		holder        txn.Holder
		held, waiting int64
		by            map[timestamp.Timestamp]bool
	}
	list, err := s.locks(ctx)
	if err != nil {
		return err
	}
	byID := map[timestamp.Timestamp]*info{}
	var order []timestamp.Timestamp
	get := func(h txn.Holder) *info {
		i := byID[h.StartTS]
		if i == nil {
			i = &info{holder: h, by: map[timestamp.Timestamp]bool{}}
			byID[h.StartTS] = i
			order = append(order, h.StartTS)
		}
		return i
	}
	for _, l := range list {
		i := get(l.Holder)
		if l.Granted {
			i.held++
			continue
		}
		i.waiting++
		for _, b := range l.BlockedBy {
			i.by[b.StartTS] = true
		}
	}
	slices.Sort(order)
	for _, id := range order {
		i := byID[id]
		var by []types.Datum
		for _, b := range order {
			if i.by[b] {
				by = append(by, dInt(int64(b)))
			}
		}
		if err := yield([]types.Datum{
			dInt(int64(id)), dInt(int64(i.holder.Node)), dInt(int64(i.holder.PID)),
			types.NewInt(types.FromTime(time.UnixMilli(id.PhysicalMs()))), dInt(i.held), dInt(i.waiting),
			types.NewArray(types.NewArrayOf(types.Int8, by)), s.statementOf(i.holder),
		}); err != nil {
			return err
		}
	}
	return nil
}

// statementOf is the statement of a transaction, for who may see everybody's: whose
// it is is not known here.
func (s *Session) statementOf(h txn.Holder) types.Datum {
	me := s.tx.snap.RoleByName(s.user())
	if me == nil || !s.tx.snap.HasRights(me.ID, catalog.RoleReadAllStats) {
		return dText(notForYou)
	}
	return dText(h.Statement)
}

func advisoryParts(key []byte) (class, obj uint32, sub int, ok bool) {
	if describeAdvisory(key) == "" {
		return 0, 0, 0, false
	}
	k := key[len(advisoryPrefix):]
	be := func(b []byte) uint32 { return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3]) }
	return be(k[1:5]), be(k[5:9]), int(k[0]), true
}
