package txn

import (
	"context"
	"sync"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// keeper gives signs of life for the owners of row locks that last: transactions
// of which a statement has begun more than a period ago, and sessions with
// advisory locks.
type keeper struct {
	mu struct {
		sync.Mutex
		txns     map[*Txn]struct{}
		sessions map[*Advisory]struct{}
	}
}

func (k *keeper) init() {
	k.mu.txns = make(map[*Txn]struct{})
	k.mu.sessions = make(map[*Advisory]struct{})
}

func (k *keeper) add(t *Txn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.txns[t] = struct{}{}
}

func (k *keeper) remove(t *Txn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.mu.txns, t)
}

func (k *keeper) addSession(a *Advisory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.sessions[a] = struct{}{}
}

func (k *keeper) removeSession(a *Advisory) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.mu.sessions, a)
}

// sign is a sign of life to be given: of one owner to the regions of some keys.
type sign struct {
	owner    *kvpb.LockOwner
	locks    []*kvpb.HeldLock
	reassert bool
}

// due returns the signs to be given now.
func (k *keeper) due(now time.Time, period time.Duration) []sign {
	k.mu.Lock()
	defer k.mu.Unlock()
	var out []sign
	for t := range k.mu.txns {
		if s, ok := t.locks.sign(now, period); ok {
			s.owner = &kvpb.LockOwner{Id: uint64(t.startTS), Node: t.owner.Node, Pid: t.owner.PID}
			out = append(out, s)
		}
	}
	for a := range k.mu.sessions {
		if s, ok := a.sign(); ok {
			out = append(out, s)
		}
	}
	return out
}

func (s *lockSet) sign(now time.Time, period time.Duration) (sign, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.touched) == 0 || now.Sub(s.since) < period {
		return sign{}, false
	}
	out := sign{locks: make([]*kvpb.HeldLock, len(s.touched))}
	for i, k := range s.touched {
		out.locks[i] = &kvpb.HeldLock{Key: k}
	}
	return out, true
}

// keepLoop gives signs of life until the client stops.
func (c *Client) keepLoop(ctx context.Context) {
	period := c.opts.LockTTL / heartbeatsPerTTL
	ticker := c.opts.Clock.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return
		}
		due := c.keeper.due(c.opts.Clock.Now(), period)
		if len(due) == 0 {
			continue
		}
		_ = parallel(ctx, len(due), func(ctx context.Context, i int) error {
			c.giveSign(ctx, due[i], 2*period)
			return nil
		})
	}
}

// giveSign tells the regions of the keys that the owner lives. A failure is not
// reported: if the locks are gone, the commit finds out.
func (c *Client) giveSign(ctx context.Context, s sign, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	byKey := make(map[string]*kvpb.HeldLock, len(s.locks))
	keys := make([][]byte, len(s.locks))
	for i, h := range s.locks {
		byKey[string(h.GetKey())] = h
		keys[i] = h.GetKey()
	}
	err := c.perRegion(ctx, keys, limits{keys: c.opts.BatchKeysMax}, func(ctx context.Context, keys [][]byte) error {
		if !s.reassert {
			keys = keys[:1] // one says where; all of the owner's locks there are kept
		}
		q := &kvpb.KeepRequest{Owner: s.owner, Reassert: s.reassert}
		for _, k := range keys {
			q.Locks = append(q.Locks, byKey[string(k)])
		}
		_, err := c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Keep{Keep: q}})
		return err
	})
	if err != nil {
		c.opts.Logger.Debug("sign of life failed", "txn", s.owner.GetId(), "err", err)
	}
}
