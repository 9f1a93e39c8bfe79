package txn

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// DeleteRange drops all versions and locks of [start, end), region by region. It
// is not transactional and cannot be undone: it is for tables and indexes that
// nobody can see any more. After an error a part may be gone; it may be repeated.
func (c *Client) DeleteRange(ctx context.Context, start, end []byte) error {
	for attempt := 0; len(end) == 0 || bytes.Compare(start, end) < 0; {
		rt, err := c.lookup(ctx, start, false)
		if err != nil {
			return fmt.Errorf("delete range: %w", err)
		}
		partEnd := router.MinEnd(end, rt.Region.GetEndKey())
		resp, err := c.sendIdempotent(ctx, &kvpb.Request{Cmd: &kvpb.Request_DeleteRange{DeleteRange: &kvpb.DeleteRangeRequest{
			StartKey: start, EndKey: partEnd,
		}}})
		if errors.Is(err, router.ErrRegionChanged) {
			c.stats.regionChanges.Add(1)
			attempt++
			if err := c.pause(ctx, attempt); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("delete range: %w", err)
		}
		if resp.GetDeleteRange() == nil {
			return errMalformed("delete range", resp)
		}
		if len(partEnd) == 0 {
			return nil
		}
		start = partEnd
	}
	return nil
}
