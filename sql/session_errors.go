package sql

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/txn"
)

// cause puts the reason of a cancellation in the place of what came of it.
func (s *Session) cause(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		if e, ok := context.Cause(ctx).(*sqlerr.Error); ok {
			return e
		}
	}
	return s.mapErr(err)
}

// mapErr gives the errors of transactions their SQLSTATEs.
func (s *Session) mapErr(err error) error {
	if _, done := err.(*sqlerr.Error); done {
		// Its cause may be one of those below; what it was mapped to knew more.
		return err
	}
	var (
		conflict *txn.ConflictError
		exists   *txn.AlreadyExistsError
		dup      *exec.DuplicateError
		aborted  *txn.AbortedError
		late     *txn.CommitTSTooLargeError
		unknown  *txn.UnknownOutcomeError
		large    *txn.TooLargeError
		below    *txn.ReadBelowGCError
		nope     *txn.UnsupportedError
	)
	switch {
	case err == nil:
		return nil
	case s.mapLockErr(err) != nil:
		return s.mapLockErr(err)
	case errors.As(err, &unknown):
		return sqlerr.New(sqlerr.TRStatementCompletionUnknown, "it is unknown whether the transaction has committed").
			WithDetail("%v", unknown).WithHint("Read the data before you repeat the transaction.").WithCause(err)
	case errors.As(err, &conflict):
		text := "could not serialize access due to concurrent update"
		if conflict.Read {
			text = "could not serialize access due to read/write dependencies among transactions"
		}
		e := sqlerr.New(sqlerr.TRSerializationFailure, "%s", text).WithCause(err)
		e.Detail = fmt.Sprintf("Transaction %s lost against transaction %s on %s.", conflict.StartTS, conflict.ConflictStartTS, s.describeKey(conflict.Key))
		return e.WithHint("The transaction might succeed if retried.")
	case errors.As(err, &exists):
		return s.duplicate(exists.Key)
	case errors.As(err, &dup):
		return s.duplicate(dup.Key)
	case errors.As(err, &aborted):
		return sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access: the transaction was aborted").
			WithDetail("%s: %s.", s.describeKey(aborted.Key), aborted.Reason).WithHint("The transaction might succeed if retried.").WithCause(err)
	case errors.As(err, &late):
		return sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access due to concurrent schema change").
			WithDetail("%v", late).WithHint("The transaction might succeed if retried.").WithCause(err)
	case errors.As(err, &large):
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "transaction is too large").
			WithDetail("It has %d bytes of writes, the limit is %d.", large.Bytes, large.Limit).WithCause(err)
	case txn.DiskFull(err) != "":
		return sqlerr.New(sqlerr.DiskFull, "could not write: no space left on device").WithDetail("%s.", txn.DiskFull(err)).
			WithHint("Free space on that disk, or delete data: reads, DELETE, TRUNCATE and DROP go on.").WithCause(err)
	case errors.As(err, &below) && s.tx != nil && s.tx.asOf != 0:
		return s.tooOldInHistory(below)
	case errors.As(err, &below):
		return sqlerr.New(sqlerr.SnapshotTooOld, "snapshot too old").WithDetail("%v", below).WithCause(err)
	case errors.As(err, &nope):
		return sqlerr.Unsupported("%s", nope.What).WithCause(err)
	case errors.Is(err, txn.ErrReadOnly):
		return sqlerr.New(sqlerr.ReadOnlySQLTransaction, "cannot write in a read-only transaction").WithCause(err)
	}
	return err
}

// snapshotForErrors is the catalog that keys in errors are explained by.
func (s *Session) snapshotForErrors() *catalog.Snapshot {
	if s.tx != nil {
		return s.tx.snap
	}
	return nil
}

// indexOf finds the index that a key belongs to.
func indexOf(snap *catalog.Snapshot, key []byte) *rowcodec.Index {
	storage, number, _, err := keys.DecodeIndexPrefix(key)
	if err != nil || snap == nil {
		return nil
	}
	for _, t := range snap.Tables() {
		if t.Virtual || t.StorageID != storage {
			continue
		}
		if ix := t.Index(number); ix != nil {
			if x, err := rowcodec.NewIndex(t, ix); err == nil {
				return x
			}
		}
	}
	return nil
}

func (s *Session) duplicate(key []byte) error {
	if x := indexOf(s.snapshotForErrors(), key); x != nil {
		return exec.UniqueViolation(x, key, &s.settings.format)
	}
	return sqlerr.New(sqlerr.UniqueViolation, "duplicate key value violates a unique constraint").WithDetail("Key %x already exists.", key)
}

// describeKey names a key as table and values.
func (s *Session) describeKey(key []byte) string {
	x := indexOf(s.snapshotForErrors(), key)
	if x == nil {
		if text := describeAdvisory(key); text != "" {
			return text
		}
		if len(key) > 0 && key[0] == keys.PrefixSystem {
			return "the schema"
		}
		return fmt.Sprintf("key %x", key)
	}
	vals, err := x.DecodeKey(key)
	if err != nil {
		return fmt.Sprintf("a key of table %q", x.Table.Name)
	}
	var b strings.Builder
	for i, c := range x.Desc.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(datumText(vals[i], x.Table.KeyType(c), &s.settings.format))
	}
	if x.Desc.ID == 0 {
		return fmt.Sprintf("a row of table %q", x.Table.Name)
	}
	return fmt.Sprintf("table %q, index %q, key (%s)", x.Table.Name, x.Desc.Name, b.String())
}
