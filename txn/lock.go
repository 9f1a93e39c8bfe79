package txn

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// fate is what became of a transaction, as far as somebody who met one of its
// locks needs to know.
type fate struct {
	decided  bool
	commitTS timestamp.Timestamp // decided: 0 means rolled back
	// pushed: undecided, and it will not commit at or below the asker's timestamp.
	pushed bool
}

// resolveByRangeAbove is the size of a transaction from which its locks are
// resolved region by region instead of key by key.
const resolveByRangeAbove = 16

// passForRead treats locks that a snapshot at readTS met. It returns true if the
// read has to wait before it tries again: a lock stands, and its transaction
// could not be pushed.
func (c *Client) passForRead(ctx context.Context, locks []*kvpb.LockInfo, readTS timestamp.Timestamp, ignore *ignoreSet) (wait bool, err error) {
	for _, l := range byTransaction(locks) {
		f, err := c.inspect(ctx, l[0], readTS)
		if err != nil {
			return false, err
		}
		start := timestamp.Timestamp(l[0].GetStartTs())
		switch {
		case f.decided && f.commitTS != 0 && f.commitTS <= readTS:
			// The value belongs to the snapshot: it has to become a version first.
			if err := c.resolve(ctx, l, f); err != nil {
				return false, err
			}
		case f.decided:
			ignore.add(start)
			c.work.offer(func(ctx context.Context) error { return c.resolve(ctx, l, f) })
		case f.pushed:
			ignore.add(start)
		default:
			wait = true
		}
	}
	return wait, nil
}

// passForWrite treats locks that a prewrite met. It returns a lock whose
// transaction is undecided, or nil if the prewrite can be tried again at once.
func (c *Client) passForWrite(ctx context.Context, locks []*kvpb.LockInfo) (alive *kvpb.LockInfo, err error) {
	for _, l := range byTransaction(locks) {
		f, err := c.inspect(ctx, l[0], 0)
		if err != nil {
			return nil, err
		}
		if !f.decided {
			alive = l[0]
			continue
		}
		if err := c.resolve(ctx, l, f); err != nil {
			return nil, err
		}
	}
	return alive, nil
}

// inspect finds out what became of the transaction that owns a lock. It pushes a
// transaction that lives above callerTS (0: does not push) and rolls back one
// whose life is over or whose gateway is lost.
func (c *Client) inspect(ctx context.Context, l *kvpb.LockInfo, callerTS timestamp.Timestamp) (fate, error) {
	c.stats.locksMet.Add(1)
	start := timestamp.Timestamp(l.GetStartTs())
	if f, ok := c.settled.get(start); ok {
		return f, nil
	}
	now, err := c.Timestamp(ctx)
	if err != nil {
		return fate{}, fmt.Errorf("get the time to judge a lock: %w", err)
	}
	lost := c.lost(ctx, l)
	req := &kvpb.CheckTxnStatusRequest{
		Primary: l.GetPrimary(), StartTs: l.GetStartTs(), CallerTs: uint64(callerTS), CurrentTs: uint64(now),
		GatewayLost: lost,
		// The primary's prewrite may still be on its way, for as long as this lock
		// lives and its gateway is not lost. After that the mark keeps it out for ever.
		RollbackIfMissing: lost || lifeLeftMs(l, now) == 0,
	}
	resp, err := c.checkStatus(ctx, req)
	if err != nil {
		return fate{}, fmt.Errorf("find out about transaction %s: %w", start, err)
	}
	f := fate{}
	switch resp.GetState() {
	case kvpb.TxnState_COMMITTED:
		if resp.GetCommitTs() == 0 {
			return fate{}, fmt.Errorf("find out about transaction %s: committed without a timestamp", start)
		}
		f = fate{decided: true, commitTS: timestamp.Timestamp(resp.GetCommitTs())}
	case kvpb.TxnState_ROLLED_BACK:
		f = fate{decided: true}
	case kvpb.TxnState_LOCKED:
		if resp.GetLock().GetAsync() {
			if f, err = c.inspectAsync(ctx, resp.GetLock(), callerTS, resp.GetTtlMs() == 0); err != nil {
				return fate{}, err
			}
			break
		}
		f.pushed = callerTS != 0 && (resp.GetPushed() || resp.GetLock().GetMinCommitTs() > uint64(callerTS))
	case kvpb.TxnState_MISSING:
		// Whenever the primary is locked after this, the commit comes above: in two
		// phases its timestamp is taken later, in an async commit max_ts was raised.
		f.pushed = callerTS != 0
	default:
		return fate{}, fmt.Errorf("find out about transaction %s: unknown state %v", start, resp.GetState())
	}
	if f.decided {
		c.settled.put(start, f)
	}
	return f, nil
}

func (c *Client) checkStatus(ctx context.Context, req *kvpb.CheckTxnStatusRequest) (*kvpb.CheckTxnStatusResponse, error) {
	resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_CheckTxnStatus{CheckTxnStatus: req}})
	if err != nil {
		return nil, err
	}
	if resp.GetCheckTxnStatus() == nil {
		return nil, errMalformed("check transaction status", resp)
	}
	return resp.GetCheckTxnStatus(), nil
}

// lifeLeftMs returns how long a lock lives after now.
func lifeLeftMs(l *kvpb.LockInfo, now timestamp.Timestamp) int64 {
	ends := timestamp.Timestamp(l.GetStartTs()).PhysicalMs() + int64(l.GetTtlMs())
	return max(0, ends-now.PhysicalMs())
}

// resolve makes the decided fate of a transaction true for locks of it.
func (c *Client) resolve(ctx context.Context, locks []*kvpb.LockInfo, f fate) error {
	var size uint64
	keys := make([][]byte, len(locks))
	for i, l := range locks {
		keys[i] = l.GetKey()
		size = max(size, l.GetTxnSize())
	}
	start := locks[0].GetStartTs()
	if size > resolveByRangeAbove {
		err := c.resolveRegion(ctx, keys[0], start, f)
		var tooLarge *router.EntryTooLargeError
		if err != nil && !errors.As(err, &tooLarge) {
			return fmt.Errorf("resolve locks of transaction %d: %w", start, err)
		}
	}
	return c.resolveKeys(ctx, start, keys, f)
}

// resolveKeys is resolve for keys that may or may not be locked.
func (c *Client) resolveKeys(ctx context.Context, start uint64, keys [][]byte, f fate) error {
	err := c.perRegion(ctx, keys, limits{keys: c.opts.BatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
		resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Resolve{Resolve: &kvpb.ResolveRequest{
			StartTs: start, CommitTs: uint64(f.commitTS), Keys: keys,
		}}})
		return resolveAnswer(resp, err)
	})
	if err != nil {
		return fmt.Errorf("resolve locks of transaction %d: %w", start, err)
	}
	c.stats.locksResolved.Add(uint64(len(keys)))
	return nil
}

// resolveRegion resolves all locks that the transaction has in the region of key.
func (c *Client) resolveRegion(ctx context.Context, key []byte, start uint64, f fate) error {
	for attempt := 0; ; attempt++ {
		rt, err := c.lookup(ctx, key, false)
		if err != nil {
			return err
		}
		resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_Resolve{Resolve: &kvpb.ResolveRequest{
			StartTs: start, CommitTs: uint64(f.commitTS),
			StartKey: rt.Region.GetStartKey(), EndKey: rt.Region.GetEndKey(),
		}}})
		if errors.Is(err, router.ErrRegionChanged) {
			c.stats.regionChanges.Add(1)
			if err := c.pause(ctx, attempt); err != nil {
				return err
			}
			continue
		}
		return resolveAnswer(resp, err)
	}
}

func resolveAnswer(resp *kvpb.Response, err error) error {
	if err != nil {
		return err
	}
	r := resp.GetResolve()
	if r == nil {
		return errMalformed("resolve", resp)
	}
	if ke := r.GetError(); ke != nil {
		return keyError(ke, 0)
	}
	return nil
}

// byTransaction groups locks by their owner.
func byTransaction(locks []*kvpb.LockInfo) [][]*kvpb.LockInfo {
	if len(locks) == 1 {
		return [][]*kvpb.LockInfo{locks}
	}
	var out [][]*kvpb.LockInfo
	at := make(map[uint64]int)
	for _, l := range locks {
		i, ok := at[l.GetStartTs()]
		if !ok {
			i = len(out)
			at[l.GetStartTs()] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], l)
	}
	return out
}

// ignoreSet holds transactions whose locks are no obstacle for one snapshot. It
// is bounded: when full it starts again, which only costs a question more.
type ignoreSet struct {
	has  map[timestamp.Timestamp]struct{}
	list []uint64
}

const ignoreMax = 1024

func (s *ignoreSet) add(ts timestamp.Timestamp) {
	if _, ok := s.has[ts]; ok {
		return
	}
	if s.has == nil || len(s.list) >= ignoreMax {
		s.has, s.list = make(map[timestamp.Timestamp]struct{}), nil
	}
	s.has[ts] = struct{}{}
	s.list = append(s.list, uint64(ts))
}

func (s *ignoreSet) reset() { s.has, s.list = nil, nil }

// settledCache remembers the fate of decided transactions. Fates never change,
// so an entry is never wrong; the oldest makes room for the newest.
type settledCache struct {
	mu struct {
		sync.Mutex
		fates map[timestamp.Timestamp]fate
		ring  []timestamp.Timestamp
		next  int
	}
}

const settledMax = 4096

func (s *settledCache) init() { s.mu.fates = make(map[timestamp.Timestamp]fate) }

func (s *settledCache) get(start timestamp.Timestamp) (fate, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.mu.fates[start]
	return f, ok
}

func (s *settledCache) put(start timestamp.Timestamp, f fate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.mu.fates[start]; ok {
		return
	}
	if len(s.mu.ring) < settledMax {
		s.mu.ring = append(s.mu.ring, start)
	} else {
		delete(s.mu.fates, s.mu.ring[s.mu.next])
		s.mu.ring[s.mu.next] = start
		s.mu.next = (s.mu.next + 1) % settledMax
	}
	s.mu.fates[start] = f
}
