package txn

import "context"

func (t *Txn) commit(ctx context.Context, opts CommitOptions) error {
	return &UnsupportedError{What: "Txn.Commit"}
}
