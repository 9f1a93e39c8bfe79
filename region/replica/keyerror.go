package replica

import (
	"errors"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// keyError turns an answer of mvcc that belongs to the client into its message.
// It returns nil for every other error: those are failures of the store.
func keyError(err error) *kvpb.KeyError {
	var (
		locked    *mvcc.LockedError
		conflict  *mvcc.WriteConflictError
		exists    *mvcc.AlreadyExistsError
		notExists *mvcc.NotExistsError
		aborted   *mvcc.AbortedError
		committed *mvcc.CommittedError
		notFound  *mvcc.TxnNotFoundError
		tooSmall  *mvcc.CommitTSTooSmallError
		ownLock   *mvcc.OwnLockError
	)
	switch {
	case errors.As(err, &locked):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Locked{Locked: lockInfo(locked.Key, &locked.Lock)}}
	case errors.As(err, &conflict):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Conflict{Conflict: &kvpb.WriteConflict{
			Key: conflict.Key, StartTs: uint64(conflict.StartTS),
			ConflictStartTs: uint64(conflict.ConflictStartTS), ConflictCommitTs: uint64(conflict.ConflictCommitTS),
		}}}
	case errors.As(err, &exists):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_AlreadyExists{AlreadyExists: &kvpb.AlreadyExists{
			Key: exists.Key, Value: exists.Value, CommitTs: uint64(exists.CommitTS),
		}}}
	case errors.As(err, &notExists):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Conflict{Conflict: &kvpb.WriteConflict{Key: notExists.Key}}}
	case errors.As(err, &aborted):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Aborted{Aborted: &kvpb.TxnAborted{
			Key: aborted.Key, StartTs: uint64(aborted.StartTS),
		}}}
	case errors.As(err, &committed):
		return committedError(committed.Key, committed.StartTS, committed.CommitTS)
	case errors.As(err, &notFound):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_TxnNotFound{TxnNotFound: &kvpb.TxnNotFound{
			Key: notFound.Key, StartTs: uint64(notFound.StartTS),
		}}}
	case errors.As(err, &tooSmall):
		return &kvpb.KeyError{Kind: &kvpb.KeyError_CommitTsTooSmall{CommitTsTooSmall: &kvpb.CommitTsTooSmall{
			Key: tooSmall.Key, MinCommitTs: uint64(tooSmall.MinCommitTS),
		}}}
	case errors.As(err, &ownLock):
		// The transaction has begun to commit in two phases: to the one-phase
		// request its own lock is as good as another's.
		return &kvpb.KeyError{Kind: &kvpb.KeyError_Locked{Locked: &kvpb.LockInfo{
			Key: ownLock.Key, StartTs: uint64(ownLock.StartTS),
		}}}
	}
	return nil
}

func committedError(key keys.User, start, commit timestamp.Timestamp) *kvpb.KeyError {
	return &kvpb.KeyError{Kind: &kvpb.KeyError_Committed{Committed: &kvpb.TxnCommitted{
		Key: key, StartTs: uint64(start), CommitTs: uint64(commit),
	}}}
}

func lockInfo(key keys.User, l *mvcc.Lock) *kvpb.LockInfo {
	info := &kvpb.LockInfo{
		Key: key, Primary: l.Primary, StartTs: uint64(l.StartTS), TtlMs: l.TTLms,
		MinCommitTs: uint64(l.MinCommitTS), Op: opOf(l.Kind), TxnSize: l.TxnSize, Async: l.Async,
	}
	if l.Gateway != (mvcc.Gateway{}) {
		info.Gateway = &kvpb.Gateway{Store: l.Gateway.Store, Boot: l.Gateway.Boot}
	}
	return info
}

func opOf(k mvcc.Kind) kvpb.MutationOp {
	switch k {
	case mvcc.Delete:
		return kvpb.MutationOp_DELETE
	case mvcc.LockOnly:
		return kvpb.MutationOp_LOCK_ONLY
	case mvcc.Shared:
		return kvpb.MutationOp_LOCK_SHARED
	}
	return kvpb.MutationOp_PUT
}
