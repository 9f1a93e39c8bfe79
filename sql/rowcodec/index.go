package rowcodec

import (
	"encoding/binary"
	"fmt"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

const valueVersion = 1

// includeVersion begins the value of an entry that holds columns beside its key: the
// length of the primary key, 0 if that is in the key, the primary key, and the columns
// as in a row value.
const includeVersion = 2

// Index encodes and decodes the pairs of one index. Rows are slices with one
// value per element of the table's Columns, dropped ones included; for an index over
// expressions the values of these stand behind, in the order of its columns.
type Index struct {
	Table *catalog.Table
	Desc  *catalog.Index

	prefix []byte
	cols   []keyCol // the index's own columns
	pk     []keyCol // the primary key's, for secondary indexes
	// stored[i] says that Columns[i] is part of the row value (full indexes) or of what
	// is held beside the key.
	stored []bool
}

type keyCol struct {
	pos  int
	form keyForm
	dir  keys.Direction
}

// NewIndex prepares the codec of an index of t.
func NewIndex(t *catalog.Table, ix *catalog.Index) (*Index, error) {
	x := &Index{Table: t, Desc: ix, prefix: keys.IndexPrefix(t.StorageID, ix.Number)}
	var err error
	if x.cols, err = keyCols(t, ix); err != nil {
		return nil, err
	}
	if !ix.Full {
		if len(ix.Include) > 0 {
			x.stored = make([]bool, len(t.Columns))
			for _, id := range ix.Include {
				x.stored[t.ColumnIndex(id)] = true
			}
		}
		x.pk, err = keyCols(t, t.Primary())
		return x, err
	}
	x.stored = make([]bool, len(t.Columns))
	for i := range t.Columns {
		x.stored[i] = !t.Columns[i].Dropped
	}
	for _, c := range x.cols {
		x.stored[c.pos] = !c.form.exact()
	}
	return x, nil
}

func keyCols(t *catalog.Table, ix *catalog.Index) ([]keyCol, error) {
	out := make([]keyCol, len(ix.Columns))
	derived := len(t.Columns)
	for i, c := range ix.Columns {
		pos := derived
		if c.Column == 0 {
			derived++
		} else if pos = t.ColumnIndex(c.Column); pos < 0 {
			return nil, fmt.Errorf("index %q of table %q has unknown column %d", ix.Name, t.Name, c.Column)
		}
		typ := t.KeyType(c)
		if err := CheckKeyType(typ); err != nil {
			return nil, err
		}
		out[i] = keyCol{pos, formOf(typ), keys.Direction(c.Desc)}
	}
	return out, nil
}

// Prefix returns the first bytes of all keys of the index. It must not be
// changed.
func (x *Index) Prefix() []byte { return x.prefix }

// Span returns the bounds of all keys of the index.
func (x *Index) Span() (start, end keys.User) { return x.prefix, keys.PrefixEnd(x.prefix) }

// Key returns the key of a row's pair. unique says that no other row can have
// this key if the index is unique: false for a unique index over a NULL, whose
// key carries the primary key.
func (x *Index) Key(row []types.Datum) (key keys.User, unique bool, err error) {
	dst := make([]byte, 0, len(x.prefix)+10*len(x.cols)+10*len(x.pk))
	dst = append(dst, x.prefix...)
	null := false
	for _, c := range x.cols {
		null = null || row[c.pos].IsNull()
		if dst, err = appendKeyForm(dst, row[c.pos], c.form, c.dir); err != nil {
			return nil, false, err
		}
	}
	if x.Desc.Full || x.Desc.Unique && !null {
		return dst, true, nil
	}
	dst, err = appendCols(dst, row, x.pk)
	return dst, false, err
}

func appendCols(dst []byte, row []types.Datum, cols []keyCol) (_ []byte, err error) {
	for _, c := range cols {
		if dst, err = appendKeyForm(dst, row[c.pos], c.form, c.dir); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// AppendPrefixKey appends the index's prefix and the values of its first columns:
// the common start of the keys of all rows that have these values.
func (x *Index) AppendPrefixKey(dst []byte, vals []types.Datum) (_ []byte, err error) {
	dst = append(dst, x.prefix...)
	for i, d := range vals {
		if dst, err = appendKeyForm(dst, d, x.cols[i].form, x.cols[i].dir); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// AppendColumn appends one more value to a key begun by AppendPrefixKey, that of
// the index's i-th column.
func (x *Index) AppendColumn(dst []byte, i int, d types.Datum) ([]byte, error) {
	return appendKeyForm(dst, d, x.cols[i].form, x.cols[i].dir)
}

// Value returns the value of a row's pair. uniqueKey is what Key said.
func (x *Index) Value(row []types.Datum, uniqueKey bool) ([]byte, error) {
	if x.Desc.Full {
		return x.rowValue(row)
	}
	if x.stored != nil {
		return x.includeValue(row, uniqueKey)
	}
	if !uniqueKey {
		return []byte{valueVersion}, nil
	}
	return appendCols(append(make([]byte, 0, 16), valueVersion), row, x.pk)
}

func (x *Index) includeValue(row []types.Datum, uniqueKey bool) (_ []byte, err error) {
	var pk []byte
	if uniqueKey {
		if pk, err = appendCols(nil, row, x.pk); err != nil {
			return nil, err
		}
	}
	cols, err := x.rowValue(row)
	if err != nil {
		return nil, err
	}
	dst := append(make([]byte, 0, 4+len(pk)+len(cols)), includeVersion)
	dst = append(binary.AppendUvarint(dst, uint64(len(pk))), pk...)
	return append(dst, cols[1:]...), nil
}

// splitValue takes the value of an entry of a secondary index apart: the primary key,
// empty if it is in the key, and the columns beside the key.
func (x *Index) splitValue(value []byte) (pk, cols []byte, err error) {
	switch {
	case len(value) > 0 && value[0] == valueVersion && x.stored == nil:
		return value[1:], nil, nil
	case len(value) > 1 && value[0] == includeVersion && x.stored != nil:
		if n, size := binary.Uvarint(value[1:]); size > 0 && n <= uint64(len(value)-1-size) {
			rest := value[1+size:]
			return rest[:n], rest[n:], nil
		}
	}
	return nil, nil, fmt.Errorf("entry of index %q: unknown value format %x", x.Desc.Name, value[:min(len(value), 8)])
}

// rowValue encodes the stored columns of a row.
func (x *Index) rowValue(row []types.Datum) ([]byte, error) {
	if len(row) < len(x.stored) {
		return nil, fmt.Errorf("row of table %q with %d of %d values", x.Table.Name, len(row), len(x.stored))
	}
	size := 1
	for i, s := range x.stored {
		if s {
			size += 4
			if row[i].Kind() == types.KindString {
				size += len(row[i].Str())
			}
		}
	}
	dst := append(make([]byte, 0, size), valueVersion)
	last := int16(0)
	for i, s := range x.stored {
		if !s || row[i].IsNull() && x.Table.Columns[i].Missing == nil {
			continue
		}
		id := x.Table.Columns[i].ID
		tag := uint64(id-last) << 4
		last = id
		// The kind is known after the payload is written; a tag of one byte is filled
		// in afterwards, a longer one (far apart numbers) is written twice.
		kind := kindFor(row[i])
		if row[i].IsNull() {
			dst = binary.AppendUvarint(dst, tag|kindNull)
			continue
		}
		dst = binary.AppendUvarint(dst, tag|uint64(kind))
		var err error
		if _, dst, err = appendPayload(dst, row[i]); err != nil {
			return nil, fmt.Errorf("column %q: %w", x.Table.Columns[i].Name, err)
		}
	}
	return dst, nil
}

func kindFor(d types.Datum) byte {
	switch d.Kind() {
	case types.KindBool:
		if d.Bool() {
			return kindTrue
		}
		return kindFalse
	case types.KindInt:
		return kindInt
	case types.KindFloat:
		return kindFloat
	case types.KindString:
		return kindBytes
	case types.KindNumeric:
		if _, _, ok := d.NumericInt64(); ok {
			return kindNumeric
		}
		return kindBig
	case types.KindInterval:
		return kindInterv
	case types.KindArray:
		return kindArray
	case types.KindRecord:
		return kindRecord
	}
	return 0
}

// PrimaryKey returns the key in the primary index (of prefix primary) of the row
// that a pair of this secondary index stands for.
func (x *Index) PrimaryKey(primary []byte, key, value []byte) (keys.User, error) {
	pk, _, err := x.splitValue(value)
	if err != nil {
		return nil, err
	}
	if len(pk) == 0 {
		rest, err := x.skipColumns(key)
		if err != nil {
			return nil, err
		}
		pk = rest
	}
	out := make([]byte, 0, len(primary)+len(pk))
	return append(append(out, primary...), pk...), nil
}

// skipColumns returns what stands in a key behind the index's own columns.
func (x *Index) skipColumns(key []byte) (rest []byte, err error) {
	if len(key) < len(x.prefix) {
		return nil, fmt.Errorf("key %x is too short for index %q", key, x.Desc.Name)
	}
	rest = key[len(x.prefix):]
	for range x.cols {
		if rest, err = keys.SkipDatum(rest); err != nil {
			return nil, fmt.Errorf("key of index %q: %w", x.Desc.Name, err)
		}
	}
	return rest, nil
}

// DecodeKey reads the values of the index's own columns out of a key, for error
// messages and printers.
func (x *Index) DecodeKey(key []byte) ([]types.Datum, error) {
	if len(key) < len(x.prefix) {
		return nil, fmt.Errorf("key %x is too short for index %q", key, x.Desc.Name)
	}
	rest := key[len(x.prefix):]
	out := make([]types.Datum, len(x.cols))
	var err error
	for i, c := range x.cols {
		if out[i], rest, err = decodeKeyDatum(rest, c.form); err != nil {
			return nil, fmt.Errorf("key of index %q: %w", x.Desc.Name, err)
		}
	}
	return out, nil
}
