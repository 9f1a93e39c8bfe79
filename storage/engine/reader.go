package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Reader is what can be read: an Engine, a Snapshot, or an indexed Batch.
type Reader interface {
	// Get returns a copy of the value of key, which the caller owns.
	Get(key []byte) (value []byte, found bool, err error)
	// NewIter returns an unpositioned iterator, which the caller closes.
	NewIter(opts IterOptions) (*Iterator, error)
}

// Writer collects changes: a Batch.
type Writer interface {
	Set(key, value []byte) error
	Delete(key []byte) error
	// DeleteRange deletes the keys in [start, end).
	DeleteRange(start, end []byte) error
}

var (
	_ Reader = (*Engine)(nil)
	_ Reader = (*Snapshot)(nil)
	_ Reader = (*Batch)(nil)
	_ Writer = (*Batch)(nil)
)

// IterOptions bounds an iterator. The zero value reads everything.
type IterOptions struct {
	// Lower is the inclusive and Upper the exclusive bound; nil is none. The
	// iterator copies them.
	Lower, Upper []byte
	// OnlyDurable leaves out what a crash would lose if there were no write-ahead
	// log. Engine only.
	OnlyDurable bool
}

func (o IterOptions) pebble() *pebble.IterOptions {
	return &pebble.IterOptions{
		LowerBound:                o.Lower,
		UpperBound:                o.Upper,
		OnlyReadGuaranteedDurable: o.OnlyDurable,
	}
}

type closer = interface{ Close() error }

// Get implements Reader.
func (e *Engine) Get(key []byte) ([]byte, bool, error) {
	if err := e.enter(); err != nil {
		return nil, false, err
	}
	defer e.leave()
	v, c, err := e.db.Get(key)
	return finishGet(v, c, err)
}

func finishGet(v []byte, c closer, err error) ([]byte, bool, error) {
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("get: %w", err)
	}
	out := bytes.Clone(v)
	if err := c.Close(); err != nil {
		return nil, false, fmt.Errorf("get: %w", err)
	}
	return out, true, nil
}

// NewIter implements Reader. The iterator sees the engine as it is now.
func (e *Engine) NewIter(o IterOptions) (*Iterator, error) {
	if err := e.enter(); err != nil {
		return nil, err
	}
	defer e.leave()
	it, err := e.db.NewIter(o.pebble())
	if err != nil {
		return nil, fmt.Errorf("new iterator: %w", err)
	}
	return &Iterator{it: it}, nil
}

// Snapshot is the engine as it was at one moment (an engine snapshot).
type Snapshot struct {
	eng *Engine
	s   *pebble.Snapshot
}

// NewSnapshot pins the engine's present state. The caller closes it. Of an
// engine that cannot be used it is a snapshot whose every read fails.
func (e *Engine) NewSnapshot() *Snapshot {
	if e.enter() != nil {
		return &Snapshot{eng: e}
	}
	defer e.leave()
	return &Snapshot{eng: e, s: e.db.NewSnapshot()}
}

// Get implements Reader.
func (s *Snapshot) Get(key []byte) ([]byte, bool, error) {
	if err := s.eng.enter(); err != nil {
		return nil, false, err
	}
	defer s.eng.leave()
	v, c, err := s.s.Get(key)
	return finishGet(v, c, err)
}

// NewIter implements Reader.
func (s *Snapshot) NewIter(o IterOptions) (*Iterator, error) {
	if o.OnlyDurable {
		return nil, errors.New("new iterator: a snapshot cannot be limited to durable data")
	}
	if err := s.eng.enter(); err != nil {
		return nil, err
	}
	defer s.eng.leave()
	it, err := s.s.NewIter(o.pebble())
	if err != nil {
		return nil, fmt.Errorf("new iterator: %w", err)
	}
	return &Iterator{it: it}, nil
}

// Close releases the snapshot. A second Close does nothing.
func (s *Snapshot) Close() error {
	if s.s == nil {
		return nil
	}
	p := s.s
	s.s = nil
	return p.Close()
}

// Iterator walks over keys in order. Its positioning methods report whether it
// stands on a key; when they say no, Error tells the end from a failure.
type Iterator struct {
	it  *pebble.Iterator
	err error // of Value
}

// SeekGE moves to the first key at or above key.
func (i *Iterator) SeekGE(key []byte) bool { return i.it.SeekGE(key) }

// SeekPrefixGE is SeekGE among the keys that share key's prefix; it may use the
// bloom filters. Only Next may follow, and it ends with the prefix.
func (i *Iterator) SeekPrefixGE(key []byte) bool { return i.it.SeekPrefixGE(key) }

// SeekLT moves to the last key below key.
func (i *Iterator) SeekLT(key []byte) bool { return i.it.SeekLT(key) }

// First moves to the first key within the bounds.
func (i *Iterator) First() bool { return i.it.First() }

// Last moves to the last key within the bounds.
func (i *Iterator) Last() bool { return i.it.Last() }

// Next moves forward by one key.
func (i *Iterator) Next() bool { return i.it.Next() }

// NextPrefix moves to the first key with another prefix, over all versions of
// the present one.
func (i *Iterator) NextPrefix() bool { return i.it.NextPrefix() }

// Prev moves back by one key.
func (i *Iterator) Prev() bool { return i.it.Prev() }

// Valid reports whether the iterator stands on a key.
func (i *Iterator) Valid() bool { return i.it.Valid() }

// Key returns the present key, valid until the iterator moves.
func (i *Iterator) Key() []byte { return i.it.Key() }

// Value returns the present value, valid until the iterator moves. A value that
// cannot be read is nil, and Error returns why.
func (i *Iterator) Value() []byte {
	v, err := i.it.ValueAndErr()
	if err != nil {
		i.err = err
		return nil
	}
	return v
}

// SetBounds replaces the bounds and unpositions the iterator.
func (i *Iterator) SetBounds(lower, upper []byte) { i.it.SetBounds(lower, upper) }

// Error returns the first failure.
func (i *Iterator) Error() error {
	if i.err != nil {
		return fmt.Errorf("iterate: %w", i.err)
	}
	if err := i.it.Error(); err != nil {
		return fmt.Errorf("iterate: %w", err)
	}
	return nil
}

// Close releases the iterator and returns the failure that ended it, if any.
func (i *Iterator) Close() error {
	err := i.Error()
	if cerr := i.it.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close iterator: %w", cerr)
	}
	return err
}
