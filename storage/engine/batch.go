package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/batchrepr"
)

// ErrBadRepr is wrapped by the errors of ApplyRepr and SetRepr about bytes that
// are no batch.
var ErrBadRepr = errors.New("malformed batch bytes")

// batchBytesMax bounds what ApplyRepr and SetRepr accept: far above an entry
// (4 MB), far below Pebble's limit of 4 GB, at which it panics.
const batchBytesMax = 1 << 30

// Batch collects operations that take effect together. Later operations win.
type Batch struct {
	eng       *Engine
	b         *pebble.Batch
	indexed   bool
	committed bool
	syncing   bool // ApplyNoSyncWait succeeded and SyncWait has not been called
}

// Set writes a key.
func (b *Batch) Set(key, value []byte) error {
	if err := b.room(len(key) + len(value)); err != nil {
		return err
	}
	return b.b.Set(key, value, nil)
}

// Delete removes a key.
func (b *Batch) Delete(key []byte) error {
	if err := b.room(len(key)); err != nil {
		return err
	}
	return b.b.Delete(key, nil)
}

// DeleteRange removes the keys in [start, end).
func (b *Batch) DeleteRange(start, end []byte) error {
	if b.eng.opts.Comparer.Compare(start, end) >= 0 {
		return fmt.Errorf("delete range [%x, %x): empty span", start, end)
	}
	if err := b.room(len(start) + len(end)); err != nil {
		return err
	}
	return b.b.DeleteRange(start, end, nil)
}

func (b *Batch) room(n int) error {
	if b.b.Len()+n > batchBytesMax {
		return fmt.Errorf("batch of %d bytes is too large to grow by %d", b.b.Len(), n)
	}
	return nil
}

// Get implements Reader for an indexed batch.
func (b *Batch) Get(key []byte) ([]byte, bool, error) {
	if !b.indexed {
		return nil, false, errors.New("get: the batch is not indexed")
	}
	if err := b.eng.enter(); err != nil {
		return nil, false, err
	}
	defer b.eng.leave()
	v, c, err := b.b.Get(key)
	return finishGet(v, c, err)
}

// NewIter implements Reader for an indexed batch. The iterator sees the
// operations made so far.
func (b *Batch) NewIter(o IterOptions) (*Iterator, error) {
	if !b.indexed {
		return nil, errors.New("new iterator: the batch is not indexed")
	}
	if o.OnlyDurable {
		return nil, errors.New("new iterator: a batch cannot be limited to durable data")
	}
	if err := b.eng.enter(); err != nil {
		return nil, err
	}
	defer b.eng.leave()
	it, err := b.b.NewIter(o.pebble())
	if err != nil {
		return nil, fmt.Errorf("new iterator: %w", err)
	}
	return &Iterator{it: it}, nil
}

// Empty reports whether the batch holds no operation.
func (b *Batch) Empty() bool { return b.b.Empty() }

// Len returns the size of Repr in bytes.
func (b *Batch) Len() int { return b.b.Len() }

// Count returns the number of operations.
func (b *Batch) Count() int { return int(b.b.Count()) }

// Repr returns the batch as bytes that SetRepr and ApplyRepr take, on this or
// any other engine of the same kind. They belong to the batch: copy what must
// outlive its next change.
func (b *Batch) Repr() []byte { return b.b.Repr() }

// SetRepr replaces the operations of the batch by those in repr, which is
// checked and copied. The batch must not have been committed.
func (b *Batch) SetRepr(repr []byte) error {
	if b.committed {
		return errors.New("set batch bytes: the batch was committed")
	}
	if err := CheckRepr(repr); err != nil {
		return err
	}
	b.b.Reset()
	return b.append(repr)
}

// ApplyRepr appends the operations in repr. Bytes that are no batch of Set,
// Delete and DeleteRange are refused with ErrBadRepr and leave the batch as it
// was.
func (b *Batch) ApplyRepr(repr []byte) error {
	if b.committed {
		return errors.New("append to batch: the batch was committed")
	}
	if err := b.room(len(repr)); err != nil {
		return err
	}
	if err := CheckRepr(repr); err != nil {
		return err
	}
	return b.append(repr)
}

// append adds the operations of checked bytes.
func (b *Batch) append(repr []byte) error {
	if batchrepr.IsEmpty(repr) {
		return nil
	}
	// A batch reuses the slice that it is given, and Apply only reads from it.
	var other pebble.Batch
	if err := other.SetRepr(repr); err != nil {
		return fmt.Errorf("append to batch: %w", err)
	}
	if err := b.b.Apply(&other, nil); err != nil {
		return fmt.Errorf("append to batch: %w", err)
	}
	return nil
}

// CheckRepr verifies that repr is a batch of Set, Delete and DeleteRange and
// nothing else. It costs one pass without a copy.
func CheckRepr(repr []byte) error {
	return VisitRepr(repr, func(Op) error { return nil })
}

// OpKind is what an operation of a batch does.
type OpKind uint8

// The kinds of operation.
const (
	OpSet OpKind = iota + 1
	OpDelete
	OpDeleteRange
)

// Op is one operation of a batch. Its slices point into the batch's bytes.
type Op struct {
	Kind  OpKind
	Key   []byte // start of a range
	Value []byte // of OpSet
	End   []byte // of OpDeleteRange
}

// VisitRepr calls visit for every operation of repr, in order, after checking
// it. It stops at the first error.
func VisitRepr(repr []byte, visit func(Op) error) error {
	h, ok := batchrepr.ReadHeader(repr)
	if !ok {
		return fmt.Errorf("%w: %d bytes are no header", ErrBadRepr, len(repr))
	}
	if len(repr) > batchBytesMax {
		return fmt.Errorf("%w: %d bytes exceed the limit of %d", ErrBadRepr, len(repr), batchBytesMax)
	}
	rest := repr[batchrepr.HeaderLen:]
	var n uint32
	for ; len(rest) > 0; n++ {
		op, next, err := readOp(rest)
		if err != nil {
			return fmt.Errorf("%w: operation %d: %v", ErrBadRepr, n, err)
		}
		if err := visit(op); err != nil {
			return err
		}
		rest = next
	}
	if n != h.Count {
		return fmt.Errorf("%w: %d operations, header says %d", ErrBadRepr, n, h.Count)
	}
	return nil
}

// readOp reads the first operation of b: a kind, the key, and for some kinds a
// second string, each string after its length as a varint. Pebble's own reader
// panics on bytes that end early.
func readOp(b []byte) (op Op, rest []byte, err error) {
	kind := pebble.InternalKeyKind(b[0])
	op.Key, rest, err = readString(b[1:])
	if err != nil {
		return Op{}, nil, err
	}
	if len(op.Key) == 0 {
		return Op{}, nil, errors.New("empty key")
	}
	switch kind {
	case pebble.InternalKeyKindSet:
		op.Kind = OpSet
		op.Value, rest, err = readString(rest)
	case pebble.InternalKeyKindDelete:
		op.Kind = OpDelete
	case pebble.InternalKeyKindRangeDelete:
		op.Kind = OpDeleteRange
		op.End, rest, err = readString(rest)
		if err == nil && bytes.Equal(op.Key, op.End) {
			err = errors.New("empty range")
		}
	default:
		err = fmt.Errorf("kind %d", kind)
	}
	return op, rest, err
}

func readString(b []byte) (s, rest []byte, err error) {
	n, w := binary.Uvarint(b)
	if w <= 0 || w > binary.MaxVarintLen32 || n > uint64(len(b)-w) {
		return nil, nil, errors.New("truncated")
	}
	end := w + int(n)
	return b[w:end:end], b[end:], nil
}

// EmptyRepr returns the bytes of a batch without operations.
func EmptyRepr() []byte {
	return binary.LittleEndian.AppendUint32(make([]byte, 8, batchrepr.HeaderLen), 0)
}

func (b *Batch) startCommit(e *Engine) error {
	if b.eng != e {
		return errors.New("apply batch: it belongs to another engine")
	}
	if b.committed {
		return errors.New("apply batch: it was committed before")
	}
	b.committed = true
	return nil
}

// SyncWait waits until a batch committed by ApplyNoSyncWait is durable.
func (b *Batch) SyncWait() error {
	if !b.syncing {
		return errors.New("wait for sync: the batch was not committed without waiting")
	}
	b.syncing = false
	if err := b.b.SyncWait(); err != nil {
		return fmt.Errorf("wait for sync: %w", b.eng.fail(err))
	}
	if err := b.eng.Err(); err != nil {
		return fmt.Errorf("wait for sync: %w", err)
	}
	return nil
}

// Close releases the batch. A second Close does nothing.
func (b *Batch) Close() error {
	if b.b == nil {
		return nil
	}
	if b.syncing {
		return errors.New("close batch: its sync has not been waited for")
	}
	p := b.b
	b.b = nil
	return p.Close()
}
