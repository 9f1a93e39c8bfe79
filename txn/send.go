package txn

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// sendIdempotent sends a request that may run twice with the effect of once, and
// therefore is sent again when its outcome is unknown.
func (c *Client) sendIdempotent(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error) {
	for attempt := 0; ; attempt++ {
		resp, err := c.opts.Router.Send(ctx, req)
		var ambiguous *router.AmbiguousError
		if err == nil || !errors.As(err, &ambiguous) {
			return resp, err
		}
		if waitErr := c.pause(ctx, attempt); waitErr != nil {
			return nil, obstacle(waitErr, err)
		}
	}
}

// obstacle joins the end of a wait with what was waited for.
func obstacle(waitErr, err error) error {
	return fmt.Errorf("%w (last obstacle: %w)", waitErr, err)
}

// pause waits a little before attempt number attempt+1, longer each time.
func (c *Client) pause(ctx context.Context, attempt int) error {
	c.rand.Lock()
	d := env.Jitter(c.rand.Rand, min(backoffMin<<min(attempt, 10), backoffMax))
	c.rand.Unlock()
	return env.Sleep(ctx, c.opts.Clock, d)
}

// limits bounds the keys of one request.
type limits struct {
	keys int
	// bytes bounds the sum of size(key); size may be nil.
	bytes int
	size  func(key []byte) int
}

// perRegion calls f for the keys of each region, in parts within the limits, in
// parallel. When f returns router.ErrRegionChanged its keys are grouped again,
// and when the region finds them too much at once they are halved.
func (c *Client) perRegion(ctx context.Context, keys [][]byte, lim limits, f func(ctx context.Context, keys [][]byte) error) error {
	return c.regroup(ctx, keys, 0, lim, f)
}

func (c *Client) regroup(ctx context.Context, keys [][]byte, depth int, lim limits, f func(ctx context.Context, keys [][]byte) error) error {
	groups, err := c.groupAgain(ctx, keys, depth)
	if err != nil {
		return err
	}
	var parts [][][]byte
	for _, g := range groups {
		parts = append(parts, lim.cut(g.Keys)...)
	}
	var call func(ctx context.Context, keys [][]byte) error
	call = func(ctx context.Context, keys [][]byte) error {
		err := f(ctx, keys)
		var tooLarge *router.EntryTooLargeError
		switch {
		case errors.Is(err, router.ErrRegionChanged):
			return c.regroup(ctx, keys, depth+1, lim, f)
		case errors.As(err, &tooLarge) && len(keys) > 1:
			half := len(keys) / 2
			if err := call(ctx, keys[:half:half]); err != nil {
				return err
			}
			return call(ctx, keys[half:])
		}
		return err
	}
	return parallel(ctx, len(parts), func(ctx context.Context, i int) error { return call(ctx, parts[i]) })
}

// cut cuts keys into parts within the limits.
func (l limits) cut(keys [][]byte) [][][]byte {
	var parts [][][]byte
	from, bytes := 0, 0
	for i, k := range keys {
		n := 0
		if l.size != nil {
			n = l.size(k)
		}
		if i > from && (i-from >= l.keys || l.size != nil && bytes+n > l.bytes) {
			parts = append(parts, keys[from:i:i])
			from, bytes = i, 0
		}
		bytes += n
	}
	return append(parts, keys[from:])
}

// groupAgain groups keys by region; from the second time on it waits first, so that
// a table which cannot be repaired does not make a tight loop.
func (c *Client) groupAgain(ctx context.Context, keys [][]byte, depth int) ([]router.KeyGroup, error) {
	if depth > 0 {
		c.stats.regionChanges.Add(1)
	}
	if depth > 1 {
		if err := c.pause(ctx, depth); err != nil {
			return nil, err
		}
	}
	return c.groupKeys(ctx, keys)
}

// groupKeys groups keys by region and waits for the table to be complete.
func (c *Client) groupKeys(ctx context.Context, keys [][]byte) ([]router.KeyGroup, error) {
	for attempt := 0; ; attempt++ {
		groups, err := c.opts.Router.GroupKeys(ctx, keys)
		if err == nil {
			return groups, nil
		}
		if waitErr := c.pause(ctx, attempt); waitErr != nil {
			return nil, obstacle(waitErr, err)
		}
	}
}

// lookup finds the region of key (with before set: of the keys right below it)
// and waits for the table to be complete.
func (c *Client) lookup(ctx context.Context, key []byte, before bool) (router.Route, error) {
	find := c.opts.Router.Lookup
	if before {
		find = c.opts.Router.LookupBefore
	}
	for attempt := 0; ; attempt++ {
		rt, err := find(ctx, key)
		if err == nil {
			return rt, nil
		}
		if waitErr := c.pause(ctx, attempt); waitErr != nil {
			return router.Route{}, obstacle(waitErr, err)
		}
	}
}

// parallel calls f(0…n-1), a bounded number at a time, and returns the first
// error after all have ended. The context given to f ends with the first error.
func parallel(ctx context.Context, n int, f func(ctx context.Context, i int) error) error {
	return parallelUpTo(ctx, requestsInFlightMax, n, f)
}

// parallelUpTo is parallel with another bound.
func parallelUpTo(ctx context.Context, most, n int, f func(ctx context.Context, i int) error) error {
	if n == 1 {
		return f(ctx, 0)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(most)
	for i := range n {
		g.Go(func() error { return f(ctx, i) })
	}
	return g.Wait()
}

func errMalformed(what string, resp *kvpb.Response) error {
	return fmt.Errorf("%s: region gave an answer of type %T", what, resp.GetCmd())
}

// keyError turns a key error other than a lock into an error of this package.
func keyError(ke *kvpb.KeyError, start timestamp.Timestamp) error {
	switch k := ke.GetKind().(type) {
	case *kvpb.KeyError_Conflict:
		return &ConflictError{
			Key: k.Conflict.GetKey(), StartTS: timestamp.Timestamp(k.Conflict.GetStartTs()),
			ConflictStartTS:  timestamp.Timestamp(k.Conflict.GetConflictStartTs()),
			ConflictCommitTS: timestamp.Timestamp(k.Conflict.GetConflictCommitTs()),
		}
	case *kvpb.KeyError_AlreadyExists:
		return &AlreadyExistsError{
			Key: k.AlreadyExists.GetKey(), Value: k.AlreadyExists.GetValue(),
			CommitTS: timestamp.Timestamp(k.AlreadyExists.GetCommitTs()),
		}
	case *kvpb.KeyError_RowLocked:
		return &ConflictError{
			Key: k.RowLocked.GetKey(), StartTS: start, ConflictStartTS: timestamp.Timestamp(k.RowLocked.GetHolder().GetId()),
		}
	case *kvpb.KeyError_Aborted:
		return &AbortedError{StartTS: start, Key: k.Aborted.GetKey(), Reason: "its locks were removed by another transaction"}
	case *kvpb.KeyError_TxnNotFound:
		return &AbortedError{StartTS: start, Key: k.TxnNotFound.GetKey(), Reason: "its lock is gone"}
	case *kvpb.KeyError_CommitTsTooLarge:
		return &CommitTSTooLargeError{
			CommitTS:    timestamp.Timestamp(k.CommitTsTooLarge.GetCommitTs()),
			MaxCommitTS: timestamp.Timestamp(k.CommitTsTooLarge.GetMaxCommitTs()),
		}
	case *kvpb.KeyError_ReadBelowGc:
		return &ReadBelowGCError{ReadTS: timestamp.Timestamp(k.ReadBelowGc.GetTs()), GCTS: timestamp.Timestamp(k.ReadBelowGc.GetGcTs())}
	case *kvpb.KeyError_CommitTsTooSmall:
		return fmt.Errorf("commit timestamp is below %d", k.CommitTsTooSmall.GetMinCommitTs())
	case *kvpb.KeyError_Committed:
		return &committedError{startTS: timestamp.Timestamp(k.Committed.GetStartTs()), commitTS: timestamp.Timestamp(k.Committed.GetCommitTs())}
	case *kvpb.KeyError_Locked:
		return fmt.Errorf("key %x is locked by transaction %d", k.Locked.GetKey(), k.Locked.GetStartTs())
	default:
		return fmt.Errorf("region refused a key without a known reason")
	}
}

// committedError says that a transaction which was to be rolled back, or had only
// begun, has committed.
type committedError struct{ startTS, commitTS timestamp.Timestamp }

func (e *committedError) Error() string {
	return fmt.Sprintf("transaction %s has already committed at %s", e.startTS, e.commitTS)
}
