package txn

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
)

// Advisory is a session's claim to locks on bare keys that mean something to the
// application alone. They are kept in the lock tables of the keys' regions under
// an owner of the session's own, and given up by Unlock, Close, or when the
// client gives no sign of life any more. It is used by one goroutine at a time.
type Advisory struct {
	c     *Client
	owner Owner

	mu   sync.Mutex
	id   timestamp.Timestamp // 0: nothing was ever locked
	held map[string]LockMode
}

// NewAdvisory returns a claim that holds nothing.
func (c *Client) NewAdvisory(o Owner) *Advisory {
	return &Advisory{c: c, owner: o, held: map[string]LockMode{}}
}

// Lock locks a key in a mode (LockShare or LockUpdate), waiting if policy says so.
// With LockNoWait the error of a busy key is *LockNotAvailableError. The lock
// timeout bounds the wait; 0 does not.
func (a *Advisory) Lock(ctx context.Context, key []byte, mode LockMode, policy LockPolicy, timeout time.Duration, statement string) error {
	a.mu.Lock()
	id := a.id
	a.mu.Unlock()
	if id == 0 {
		ts, err := a.c.Timestamp(ctx)
		if err != nil {
			return fmt.Errorf("get an id for advisory locks: %w", err)
		}
		a.mu.Lock()
		a.id, id = ts, ts
		a.mu.Unlock()
	}
	// The claim is that of a transaction which only ever locks.
	t := &Txn{c: a.c, startTS: id, owner: a.owner, lockTimeout: timeout}
	t.SetStatement(statement)
	a.c.keeper.addSession(a)
	err := t.lockBare(ctx, key, mode, policy)
	if err != nil {
		// The request may have got the lock after all.
		if a.Mode(key) == 0 {
			a.drop(key)
		}
		return err
	}
	a.mu.Lock()
	a.held[string(key)] = max(a.held[string(key)], mode)
	a.mu.Unlock()
	return nil
}

func (t *Txn) lockBare(ctx context.Context, key []byte, mode LockMode, policy LockPolicy) error {
	q := &kvpb.LockRequest{
		Owner: &kvpb.LockOwner{Id: uint64(t.startTS), Node: t.owner.Node, Pid: t.owner.PID, Statement: t.statement},
		Mode:  mode, Policy: policy, Demand: kvpb.LockDemand_LOCK_BARE,
	}
	return t.c.perRegion(ctx, [][]byte{key}, limits{keys: 1}, func(ctx context.Context, keys [][]byte) error {
		return t.lockPart(ctx, keys, q, func(*kvpb.LockedKey) {})
	})
}

// Mode returns the mode in which the key is held, 0 if it is not.
func (a *Advisory) Mode(key []byte) LockMode {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.held[string(key)]
}

// Unlock gives a key up, whatever its mode.
func (a *Advisory) Unlock(key []byte) {
	a.mu.Lock()
	delete(a.held, string(key))
	a.mu.Unlock()
	a.drop(key)
}

func (a *Advisory) drop(key []byte) {
	ctx, cancel := a.c.detached(releaseTimeout)
	defer cancel()
	if err := a.c.release(ctx, a.id, [][]byte{key}, false); err != nil {
		a.c.opts.Logger.Debug("advisory lock not released", "owner", uint64(a.id), "err", err)
	}
}

// Close gives everything up.
func (a *Advisory) Close() {
	a.c.keeper.removeSession(a)
	a.mu.Lock()
	keys := make([][]byte, 0, len(a.held))
	for k := range a.held {
		keys = append(keys, []byte(k))
	}
	clear(a.held)
	a.mu.Unlock()
	if len(keys) == 0 {
		return
	}
	slices.SortFunc(keys, slices.Compare[[]byte])
	ctx, cancel := a.c.detached(releaseTimeout)
	defer cancel()
	if err := a.c.release(ctx, a.id, keys, false); err != nil {
		a.c.opts.Logger.Debug("advisory locks not released", "owner", uint64(a.id), "err", err)
	}
}

func (a *Advisory) sign() (sign, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.held) == 0 {
		return sign{}, false
	}
	s := sign{owner: &kvpb.LockOwner{Id: uint64(a.id), Node: a.owner.Node, Pid: a.owner.PID}, reassert: true}
	for k, m := range a.held {
		s.locks = append(s.locks, &kvpb.HeldLock{Key: []byte(k), Mode: m})
	}
	return s, true
}
