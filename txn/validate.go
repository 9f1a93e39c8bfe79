package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// validate checks that what the transaction has read is, at the commit timestamp,
// what it was at its start, and that it stays so: nobody can commit a change of it
// at or below that timestamp any more (rule E3). round counts the timestamps that
// were tried: from the second on the transaction gives way to older ones instead
// of pushing them, or two could push each other for ever.
func (cm *committer) validate(ctx context.Context, at timestamp.Timestamp, round int) error {
	if len(cm.reads) == 0 {
		return nil
	}
	return cm.validateSpans(ctx, cm.reads, at, round, 0)
}

func (cm *committer) validateSpans(ctx context.Context, spans []*kvpb.KeySpan, at timestamp.Timestamp, round, depth int) error {
	if depth > 0 {
		cm.c.stats.regionChanges.Add(1)
		if err := cm.c.pause(ctx, depth); err != nil {
			return err
		}
	}
	parts, err := cm.c.cutByRegion(ctx, spans)
	if err != nil {
		return err
	}
	return parallel(ctx, len(parts), func(ctx context.Context, i int) error {
		err := cm.validatePart(ctx, parts[i], at, round)
		if errors.Is(err, router.ErrRegionChanged) {
			return cm.validateSpans(ctx, parts[i], at, round, depth+1)
		}
		return err
	})
}

// spansPerRequest bounds one validation request.
const spansPerRequest = 4096

// cutByRegion cuts spans at the borders of regions and groups them by region.
func (c *Client) cutByRegion(ctx context.Context, spans []*kvpb.KeySpan) ([][]*kvpb.KeySpan, error) {
	var parts [][]*kvpb.KeySpan
	var last uint64 // region of the last part; spans rise
	for _, s := range spans {
		start := s.GetStart()
		for {
			rt, err := c.lookup(ctx, start, false)
			if err != nil {
				return nil, err
			}
			end := router.MinEnd(s.GetEnd(), rt.Region.GetEndKey())
			piece := &kvpb.KeySpan{Start: start, End: end}
			if n := len(parts); n > 0 && last == rt.Region.GetId() && len(parts[n-1]) < spansPerRequest {
				parts[n-1] = append(parts[n-1], piece)
			} else {
				parts = append(parts, []*kvpb.KeySpan{piece})
			}
			last = rt.Region.GetId()
			if len(end) == 0 || bytes.Equal(end, s.GetEnd()) {
				break
			}
			start = end
		}
	}
	return parts, nil
}

func (cm *committer) validatePart(ctx context.Context, spans []*kvpb.KeySpan, at timestamp.Timestamp, round int) error {
	var ignore ignoreSet
	for attempt := 0; ; attempt++ {
		resp, err := cm.c.opts.Router.Send(ctx, &kvpb.Request{Cmd: &kvpb.Request_Validate{Validate: &kvpb.ValidateRequest{
			StartTs: uint64(cm.start), ReadTs: uint64(cm.start), CommitTs: uint64(at), Spans: spans, IgnoreLocks: ignore.list,
		}}})
		if err != nil {
			return err
		}
		r := resp.GetValidate()
		if r == nil {
			return errMalformed("validate", resp)
		}
		switch k := r.GetError().GetKind().(type) {
		case nil:
			return nil
		case *kvpb.KeyError_Locked:
			if round > 0 && k.Locked.GetStartTs() < uint64(cm.start) {
				return &ConflictError{Key: k.Locked.GetKey(), StartTS: cm.start, ConflictStartTS: timestamp.Timestamp(k.Locked.GetStartTs()), Read: true}
			}
			wait, err := cm.c.passForRead(ctx, []*kvpb.LockInfo{k.Locked}, at, &ignore)
			if err != nil {
				return err
			}
			if wait {
				if err := cm.c.pause(ctx, attempt); err != nil {
					return fmt.Errorf("%w (validating key %x)", err, k.Locked.GetKey())
				}
			}
		default:
			return asReadConflict(keyError(r.GetError(), cm.start))
		}
	}
}

// asReadConflict marks a conflict as one with what was read.
func asReadConflict(err error) error {
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		conflict.Read = true
	}
	return err
}

// readsWithin reports whether everything that was read lies in the region of key.
func (cm *committer) readsWithin(ctx context.Context, key []byte) bool {
	if len(cm.reads) == 0 {
		return true
	}
	if len(cm.reads) > spansPerRequest {
		return false
	}
	rt, err := cm.c.opts.Router.Lookup(ctx, key)
	if err != nil {
		return false
	}
	end := rt.Region.GetEndKey()
	for _, s := range cm.reads {
		if bytes.Compare(s.GetStart(), rt.Region.GetStartKey()) < 0 ||
			len(end) > 0 && (len(s.GetEnd()) == 0 || bytes.Compare(s.GetEnd(), end) > 0) {
			return false
		}
	}
	return true
}
