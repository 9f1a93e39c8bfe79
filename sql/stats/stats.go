package stats

import (
	"sort"
	"time"

	"github.com/quorate-db/quorate/sql/types"
)

// Table describes the rows of a table.
type Table struct {
	// Rows is how many there were.
	Rows float64
	// At is when they were looked at; zero for an estimate from the table's size.
	At time.Time
	// Columns are by number. A column without an entry was not looked at.
	Columns map[int16]*Column
}

// Column returns what is known of a column, nil for nothing.
func (t *Table) Column(id int16) *Column {
	if t == nil {
		return nil
	}
	return t.Columns[id]
}

// Column describes the values of a column.
type Column struct {
	Type types.Type
	// NullFrac is the share of NULLs.
	NullFrac float64
	// Width is the average size of a value in bytes.
	Width int
	// Distinct is the number of different values, or, below zero, minus their ratio to
	// the number of rows; zero is unknown. As in pg_statistic.
	Distinct float64
	// Common are the most common values, and Freqs their shares of all rows.
	Common []types.Datum
	Freqs  []float64
	// Bounds cut the values that are not in Common into parts of equally many.
	Bounds []types.Datum
	// Correlation is that of the order of the rows with the order of the values.
	Correlation float64
}

// DistinctOf returns the number of different values among rows, at least one;
// zero if it is not known.
func (c *Column) DistinctOf(rows float64) float64 {
	switch {
	case c.Distinct > 0:
		return max(1, min(c.Distinct, rows))
	case c.Distinct < 0:
		return max(1, -c.Distinct*rows)
	}
	return 0
}

// commonShare is the share of the rows whose value is in Common.
func (c *Column) commonShare() float64 {
	sum := 0.0
	for _, f := range c.Freqs {
		sum += f
	}
	return sum
}

// EqualAny estimates the share of rows with a value that is not known yet.
func (c *Column) EqualAny(rows float64) float64 {
	nd := c.DistinctOf(rows)
	if nd == 0 {
		return -1
	}
	return (1 - c.NullFrac) / nd
}

// Equal estimates the share of rows that have a value; below zero if nothing is
// known.
func (c *Column) Equal(v types.Datum, rows float64) float64 {
	for i, m := range c.Common {
		if types.Equal(m, v, c.Type) {
			return c.Freqs[i]
		}
	}
	nd := c.DistinctOf(rows)
	if nd == 0 {
		return -1
	}
	rest := max(0, 1-c.NullFrac-c.commonShare())
	others := nd - float64(len(c.Common))
	if others < 1 {
		// All values are common ones: this one is new, or rare.
		return min(rest, 1/max(rows, 1))
	}
	s := rest / others
	if n := len(c.Freqs); n > 0 {
		s = min(s, c.Freqs[n-1])
	}
	return s
}

// Below estimates the share of rows with a value less than v, or equal to it if inc
// is set; below zero if nothing is known.
func (c *Column) Below(v types.Datum, inc bool) float64 {
	if len(c.Common) == 0 && len(c.Bounds) < 2 {
		return -1
	}
	share := 0.0
	for i, m := range c.Common {
		if k := types.Compare(m, v, c.Type); k < 0 || k == 0 && inc {
			share += c.Freqs[i]
		}
	}
	rest := max(0, 1-c.NullFrac-c.commonShare())
	if len(c.Bounds) < 2 {
		return share + rest/2
	}
	return share + rest*c.below(v)
}

// below is the share of the values in the histogram that are less than v.
func (c *Column) below(v types.Datum) float64 {
	n := len(c.Bounds)
	i := sort.Search(n, func(i int) bool { return types.Compare(c.Bounds[i], v, c.Type) > 0 })
	switch i {
	case 0:
		return 0
	case n:
		return 1
	}
	part := 0.5
	lo, okLo := Number(c.Bounds[i-1])
	hi, okHi := Number(c.Bounds[i])
	x, okX := Number(v)
	if okLo && okHi && okX && hi > lo {
		part = min(1, max(0, (x-lo)/(hi-lo)))
	}
	return (float64(i-1) + part) / float64(n-1)
}

// Number maps a value to a number that is in the same order; ok is false for
// values that have none.
func Number(d types.Datum) (f float64, ok bool) {
	switch d.Kind() {
	case types.KindBool:
		if d.Bool() {
			return 1, true
		}
		return 0, true
	case types.KindInt:
		return float64(d.Int()), true
	case types.KindFloat:
		f = d.Float()
		return f, f == f
	case types.KindNumeric:
		f, err := d.Decimal().Float64()
		return f, err == nil && f == f
	case types.KindString:
		// The first bytes as a fraction.
		s := d.Str()
		for i, scale := 0, 1.0/256; i < 8 && i < len(s); i, scale = i+1, scale/256 {
			f += float64(s[i]) * scale
		}
		return f, true
	}
	return 0, false
}
