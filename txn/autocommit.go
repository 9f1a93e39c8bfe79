package txn

import (
	"context"
	"fmt"
)

// RunAutocommit runs f in an autocommit transaction and commits it. If that ends
// with a conflict or abort, and MayRetry allows it, f is run again in a new
// transaction, after a short pause. It is never run again after an unknown
// outcome. f must not end the transaction; when f returns an error the
// transaction is rolled back and the error returned (or tried again, if it is one
// that IsRetryable accepts).
func (c *Client) RunAutocommit(ctx context.Context, opts AutocommitOptions, f func(ctx context.Context, t *Txn) error) error {
	opts.Txn.Autocommit = true
	for attempt := 0; ; attempt++ {
		err := c.runOnce(ctx, opts, f)
		if err == nil || !IsRetryable(err) {
			return err
		}
		if opts.MayRetry != nil && !opts.MayRetry() {
			return err
		}
		if attempt+1 >= c.opts.AutocommitAttempts {
			return fmt.Errorf("gave up after %d attempts: %w", attempt+1, err)
		}
		c.stats.retries.Add(1)
		if waitErr := c.pause(ctx, attempt); waitErr != nil {
			return err
		}
	}
}

func (c *Client) runOnce(ctx context.Context, opts AutocommitOptions, f func(ctx context.Context, t *Txn) error) error {
	t, err := c.BeginAsync(opts.Txn)
	if err != nil {
		return err
	}
	if err := f(ctx, t); err != nil {
		_ = t.Rollback(ctx)
		return err
	}
	return t.Commit(ctx, opts.Commit)
}
