package rowcodec

import (
	"encoding/binary"
	"fmt"

	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/keys"
)

// Fetcher decodes the wanted columns of pairs of one index. It may be used by
// many goroutines at once.
type Fetcher struct {
	x *Index
	// keySlot[i] is where the i-th key column goes, -1 for nowhere; keyLast is the
	// number of key columns that have to be looked at.
	keySlot []int
	keyLast int
	// pkSlot is the same for the primary key behind a secondary index's columns.
	pkSlot []int
	pkLast int
	// valueSlot gives the place of a column by its number, -1 for nowhere.
	valueSlot []int16
	wantValue bool
	// conform has the places of values that types.Conform completes.
	conform []conformed
	// missing has what columns are in rows that are older than they.
	missing []missing
}

type missing struct {
	slot  int
	value types.Datum
}

type conformed struct {
	slot int
	typ  types.Type
}

// Covers reports whether the pairs of the index hold the exact values of all the
// given columns (places in Columns).
func (x *Index) Covers(columns []int) bool {
	if x.Desc.Full {
		return true
	}
	for _, pos := range columns {
		if pos >= 0 && !covered(x.cols, pos) && !covered(x.pk, pos) && !(x.stored != nil && x.stored[pos]) {
			return false
		}
	}
	return true
}

func covered(cols []keyCol, pos int) bool {
	for _, c := range cols {
		if c.pos == pos && c.form.exact() {
			return true
		}
	}
	return false
}

// NewFetcher prepares to decode the given columns (places in Columns), which
// the index must cover; out slot i receives columns[i], or NULL where that is -1.
func (x *Index) NewFetcher(columns []int) (*Fetcher, error) {
	if !x.Covers(columns) {
		return nil, fmt.Errorf("index %q does not hold all of the wanted columns", x.Desc.Name)
	}
	f := &Fetcher{x: x}
	slotOf := func(pos int) int {
		for i, c := range columns {
			if c == pos {
				return i
			}
		}
		return -1
	}
	slots := func(cols []keyCol) (out []int, last int) {
		out = make([]int, len(cols))
		for i, c := range cols {
			out[i] = -1
			if c.form.exact() {
				if out[i] = slotOf(c.pos); out[i] >= 0 {
					last = i + 1
				}
			}
		}
		return out, last
	}
	f.keySlot, f.keyLast = slots(x.cols)
	if !x.Desc.Full {
		f.pkSlot, f.pkLast = slots(x.pk)
		if x.stored == nil {
			return f, nil
		}
	}
	maxID := int16(0)
	for i := range x.Table.Columns {
		maxID = max(maxID, x.Table.Columns[i].ID)
	}
	f.valueSlot = make([]int16, maxID+1)
	for i := range f.valueSlot {
		f.valueSlot[i] = -1
	}
	for i, pos := range columns {
		if pos >= 0 && x.stored[pos] {
			f.valueSlot[x.Table.Columns[pos].ID] = int16(i)
			f.wantValue = true
			c := &x.Table.Columns[pos]
			if c.Type.Conforms() {
				f.conform = append(f.conform, conformed{i, c.Type})
			}
			if c.Missing != nil && x.Desc.Full {
				d, err := decodeMissing(c.Missing)
				if err != nil {
					return nil, fmt.Errorf("column %q of table %q: %w", c.Name, x.Table.Name, err)
				}
				f.missing = append(f.missing, missing{i, d})
			}
		}
	}
	return f, nil
}

// Decode fills out, one value per wanted column. Text in it refers to value.
func (f *Fetcher) Decode(key, value []byte, out []types.Datum) error {
	clear(out)
	var pk, cols []byte
	if f.x.Desc.Full {
		if len(value) == 0 || value[0] != valueVersion {
			return fmt.Errorf("pair of index %q of table %q: unknown value format %x", f.x.Desc.Name, f.x.Table.Name, value[:min(len(value), 8)])
		}
		cols = value[1:]
	} else {
		var err error
		if pk, cols, err = f.x.splitValue(value); err != nil {
			return err
		}
	}
	if err := f.decodeKey(key, pk, out); err != nil {
		return fmt.Errorf("key %x of index %q: %w", key, f.x.Desc.Name, err)
	}
	if !f.wantValue {
		return nil
	}
	for _, m := range f.missing {
		out[m.slot] = m.value
	}
	if err := f.decodeValue(cols, out); err != nil {
		return fmt.Errorf("row of table %q at key %x: %w", f.x.Table.Name, key, err)
	}
	for _, c := range f.conform {
		out[c.slot] = types.Conform(out[c.slot], c.typ)
	}
	return nil
}

// decodeKey reads what stands in the key, and in the primary key pk if that is not in it.
func (f *Fetcher) decodeKey(key, pk []byte, out []types.Datum) error {
	if f.keyLast == 0 && f.pkLast == 0 {
		return nil
	}
	if len(key) < len(f.x.prefix) {
		return keys.ErrMalformed
	}
	rest := key[len(f.x.prefix):]
	last := f.keyLast
	inKey := len(pk) == 0
	if f.pkLast > 0 && inKey {
		last = len(f.keySlot)
	}
	rest, err := decodeCols(rest, f.x.cols[:last], f.keySlot, out)
	if err != nil || f.pkLast == 0 {
		return err
	}
	if !inKey {
		rest = pk
	}
	_, err = decodeCols(rest, f.x.pk[:f.pkLast], f.pkSlot, out)
	return err
}

func decodeCols(b []byte, cols []keyCol, slots []int, out []types.Datum) (rest []byte, err error) {
	for i, c := range cols {
		if slots[i] < 0 {
			if b, err = keys.SkipDatum(b); err != nil {
				return nil, err
			}
			continue
		}
		if out[slots[i]], b, err = decodeKeyDatum(b, c.form); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func (f *Fetcher) decodeValue(b []byte, out []types.Datum) error {
	id := uint64(0)
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 {
			return errCorrupt
		}
		b = b[n:]
		id += tag >> 4
		kind := byte(tag & 0xf)
		slot := int16(-1)
		if id < uint64(len(f.valueSlot)) {
			slot = f.valueSlot[id]
		}
		var err error
		if slot < 0 {
			b, err = skipPayload(kind, b)
		} else {
			out[slot], b, err = decodePayload(kind, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// AllColumns returns the places of all columns of a table.
func AllColumns(t *catalog.Table) []int {
	out := make([]int, len(t.Columns))
	for i := range out {
		out[i] = i
	}
	return out
}
