package stats

import (
	"math"
	"slices"

	"github.com/quorate-db/quorate/sql/types"
)

const (
	// SampleRows is how many rows are kept: 300 for each of the buckets of a
	// histogram, as in PostgreSQL (Chaudhuri, Motwani and Narasayya, SIGMOD 1998).
	SampleRows = 300 * buckets
	// sampleBytes bounds the memory of the rows that are kept.
	sampleBytes = 64 << 20
	buckets     = 100
	commonMax   = 100
	// wide is the size from which a value counts as distinct and is not looked at, as
	// PostgreSQL's WIDTH_THRESHOLD.
	wide = 1024
)

// Sampler takes a sample of rows.
type Sampler struct {
	cols []types.Type
	rand func(n int64) int64
	max  int64
	seen int64
	size int64
	rows []sampled
	all  []types.Datum // of the rows, by their slot
}

type sampled struct {
	slot int
	at   int64 // place in the order of the rows
}

// NewSampler returns a sampler for rows of the given columns. random returns a
// number in [0, n).
func NewSampler(cols []types.Type, random func(n int64) int64) *Sampler {
	return &Sampler{cols: cols, rand: random, max: SampleRows}
}

// Seen is how many rows were shown.
func (s *Sampler) Seen() int64 { return s.seen }

// Add shows a row, which is not kept.
func (s *Sampler) Add(row []types.Datum) {
	s.seen++
	n, w := int64(len(s.rows)), len(s.cols)
	slot := -1
	if n < s.max {
		slot = len(s.all) / max(w, 1)
		s.all = append(s.all, make([]types.Datum, w)...)
		s.rows = append(s.rows, sampled{slot, s.seen})
	} else if i := s.rand(s.seen); i < n {
		slot = s.rows[i].slot
		s.rows[i].at = s.seen
	}
	if slot < 0 || w == 0 {
		return
	}
	kept := s.all[slot*w : (slot+1)*w]
	for i, d := range row {
		s.size += int64(d.Size() - kept[i].Size())
		kept[i] = d
	}
	if s.size > sampleBytes && s.max > buckets && n >= s.max/2 {
		s.halve()
	}
}

// halve gives up every second row, chosen at random: what is left is still a
// random sample.
func (s *Sampler) halve() {
	s.max = int64(len(s.rows)) / 2
	w := len(s.cols)
	for int64(len(s.rows)) > s.max {
		i := s.rand(int64(len(s.rows)))
		for _, d := range s.all[s.rows[i].slot*w : (s.rows[i].slot+1)*w] {
			s.size -= int64(d.Size())
		}
		s.rows[i] = s.rows[len(s.rows)-1]
		s.rows = s.rows[:len(s.rows)-1]
	}
	all := make([]types.Datum, 0, len(s.rows)*w)
	for i := range s.rows {
		at := s.rows[i].slot * w
		s.rows[i].slot = len(all) / w
		all = append(all, s.all[at:at+w]...)
	}
	s.all = all
}

// Finish describes the column at place i of the rows, of which the table has total.
func (s *Sampler) Finish(i int, total float64) *Column {
	c := &Column{Type: s.cols[i]}
	slices.SortFunc(s.rows, func(a, b sampled) int { return int(a.at - b.at) })
	var vals []valueAt
	nulls, wides, bytes := 0, 0, 0
	for n, r := range s.rows {
		d := s.all[r.slot*len(s.cols)+i]
		if d.IsNull() {
			nulls++
			continue
		}
		size := width(d)
		bytes += size
		if size > wide {
			wides++
			continue
		}
		vals = append(vals, valueAt{d, n})
	}
	sample := len(s.rows)
	if sample == 0 {
		return c
	}
	c.NullFrac = float64(nulls) / float64(sample)
	if sample > nulls {
		c.Width = bytes / (sample - nulls)
	}
	if n := c.Type.Len(); n > 0 {
		c.Width = int(n)
	}
	if types.CheckOrdered(c.Type) != nil {
		return c
	}
	c.describe(vals, wides, sample, total)
	return c
}

func width(d types.Datum) int {
	if d.Kind() == types.KindString {
		return len(d.Str())
	}
	return d.Size()
}

type valueAt struct {
	d  types.Datum
	at int
}

type run struct {
	first, n int
}

// describe fills in what depends on the order of the values.
func (c *Column) describe(vals []valueAt, wides, sample int, total float64) {
	slices.SortStableFunc(vals, func(a, b valueAt) int { return types.Compare(a.d, b.d, c.Type) })
	var runs []run
	for i := range vals {
		if i > 0 && types.Equal(vals[i].d, vals[i-1].d, c.Type) {
			runs[len(runs)-1].n++
			continue
		}
		runs = append(runs, run{i, 1})
	}
	c.distinct(runs, len(vals), wides, sample, total)
	common := c.common(runs, vals, sample)
	c.histogram(runs, vals, common)
	c.Correlation = correlation(vals)
}

// distinct estimates the number of different values.
func (c *Column) distinct(runs []run, n, wides, sample int, total float64) {
	d, once := float64(len(runs)+wides), wides
	for _, r := range runs {
		if r.n == 1 {
			once++
		}
	}
	n += wides
	f1, size, rows := float64(once), float64(n), max(total, float64(sample))*(1-c.NullFrac)
	switch {
	case n == 0:
		return
	case once == n:
		c.Distinct = -(1 - c.NullFrac)
		return
	case once == 0 || rows <= size:
		c.Distinct = d
	default:
		c.Distinct = min(rows, max(d, size*d/(size-f1+f1*size/rows)))
	}
	// What grows with the table is kept as a ratio.
	if total > 0 && c.Distinct > 0.1*total {
		c.Distinct = -c.Distinct / total
	}
}

// common takes the values that are clearly more frequent than the average.
func (c *Column) common(runs []run, vals []valueAt, sample int) map[int]bool {
	if len(runs) == 0 {
		return nil
	}
	byCount := make([]int, len(runs))
	for i := range byCount {
		byCount[i] = i
	}
	slices.SortStableFunc(byCount, func(a, b int) int { return runs[b].n - runs[a].n })
	least := max(2, int(math.Ceil(1.25*float64(len(vals))/float64(len(runs)))))
	if len(runs) <= commonMax && c.Distinct > 0 {
		least = 2 // all there are
	}
	taken := map[int]bool{}
	for _, i := range byCount[:min(len(byCount), commonMax)] {
		if runs[i].n < least {
			break
		}
		taken[i] = true
		c.Common = append(c.Common, vals[runs[i].first].d)
		c.Freqs = append(c.Freqs, float64(runs[i].n)/float64(sample))
	}
	return taken
}

// histogram cuts the values that are not common into parts of equally many.
func (c *Column) histogram(runs []run, vals []valueAt, common map[int]bool) {
	var rest []types.Datum
	distinct := 0
	for i, r := range runs {
		if common[i] {
			continue
		}
		distinct++
		for _, v := range vals[r.first : r.first+r.n] {
			rest = append(rest, v.d)
		}
	}
	if distinct < 2 {
		return
	}
	n := min(buckets+1, len(rest))
	for i := range n {
		c.Bounds = append(c.Bounds, rest[i*(len(rest)-1)/(n-1)])
	}
}

// correlation is Pearson's, of the places in the table with the places in order.
func correlation(vals []valueAt) float64 {
	n := float64(len(vals))
	if n < 2 {
		return 0
	}
	var x, xx, y, yy, xy float64
	for i, v := range vals {
		a, b := float64(i), float64(v.at)
		x, xx, y, yy, xy = x+a, xx+a*a, y+b, yy+b*b, xy+a*b
	}
	den := math.Sqrt(n*xx-x*x) * math.Sqrt(n*yy-y*y)
	if den == 0 {
		return 0
	}
	return (n*xy - x*y) / den
}
