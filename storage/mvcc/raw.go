package mvcc

import (
	"bytes"
	"fmt"

	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// RawPut sets an unversioned value. Raw and versioned values of the same user
// key do not know of each other.
func RawPut(b engine.Writer, key keys.User, value []byte) error {
	if err := b.Set(keys.Raw(key), value); err != nil {
		return fmt.Errorf("put raw %v: %w", key, err)
	}
	return nil
}

// RawDelete removes an unversioned value.
func RawDelete(b engine.Writer, key keys.User) error {
	if err := b.Delete(keys.Raw(key)); err != nil {
		return fmt.Errorf("delete raw %v: %w", key, err)
	}
	return nil
}

// RawGet returns an unversioned value.
func RawGet(r engine.Reader, key keys.User) (value []byte, found bool, err error) {
	value, found, err = r.Get(keys.Raw(key))
	if err != nil {
		return nil, false, fmt.Errorf("get raw %v: %w", key, err)
	}
	return value, found, nil
}

// RawScan returns unversioned values of [start, end) in order, at most limit
// (zero: all); resume is set if there is more.
func RawScan(r engine.Reader, start, end keys.User, limit int) (rows []Row, resume keys.User, err error) {
	if len(end) > 0 && bytes.Compare(start, end) >= 0 {
		return nil, nil, nil
	}
	span := keys.KindSpan(keys.KindRaw, start, end)
	it, err := r.NewIter(engine.IterOptions{Lower: span.Start, Upper: span.End})
	if err != nil {
		return nil, nil, fmt.Errorf("scan raw: %w", err)
	}
	defer func() {
		if cerr := it.Close(); err == nil && cerr != nil {
			rows, resume, err = nil, nil, fmt.Errorf("scan raw: %w", cerr)
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		user, err := keys.DecodeUser(it.Key(), keys.KindRaw)
		if err != nil {
			return nil, nil, fmt.Errorf("scan raw: %w", err)
		}
		if limit > 0 && len(rows) == limit {
			return rows, bytes.Clone(user), nil
		}
		rows = append(rows, Row{Key: bytes.Clone(user), Value: append([]byte{}, it.Value()...)})
	}
	return rows, nil, nil
}
