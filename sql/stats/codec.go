package stats

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/quorate-db/quorate/sql/types"
)

// The stored form is JSON behind a version byte, as that of the catalog's
// descriptors: it is small, and people want to read it.
const version = 1

type storedTable struct {
	Rows    float64                `json:"rows"`
	At      time.Time              `json:"at"`
	Columns map[int16]storedColumn `json:"columns"`
}

type storedColumn struct {
	Type        types.OID `json:"type"`
	NullFrac    float64   `json:"null_frac"`
	Width       int       `json:"width"`
	Distinct    float64   `json:"distinct"`
	Common      []string  `json:"common,omitempty"`
	Freqs       []float64 `json:"freqs,omitempty"`
	Bounds      []string  `json:"bounds,omitempty"`
	Correlation float64   `json:"correlation"`
}

// format does not depend on a session.
func format() *types.FormatContext { return &types.FormatContext{} }

// Encode writes a table for storage.
func Encode(t *Table) ([]byte, error) {
	s := storedTable{Rows: t.Rows, At: t.At, Columns: map[int16]storedColumn{}}
	text := func(vals []types.Datum, typ types.Type) (out []string) {
		for _, d := range vals {
			out = append(out, types.TextOf(d, typ, format()))
		}
		return out
	}
	for id, c := range t.Columns {
		s.Columns[id] = storedColumn{Type: c.Type.OID, NullFrac: c.NullFrac, Width: c.Width, Distinct: c.Distinct,
			Common: text(c.Common, c.Type), Freqs: c.Freqs, Bounds: text(c.Bounds, c.Type), Correlation: c.Correlation}
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode statistics: %w", err)
	}
	return append([]byte{version}, b...), nil
}

// Decode reads what Encode has written. typeOf returns the present type of a
// column, ok false if it is gone; a column that has another type now is left out.
func Decode(b []byte, typeOf func(id int16) (types.Type, bool)) (*Table, error) {
	if len(b) == 0 || b[0] != version {
		return nil, fmt.Errorf("statistics of unknown format %.1x: a newer version of the program wrote them", b)
	}
	var s storedTable
	if err := json.Unmarshal(b[1:], &s); err != nil {
		return nil, fmt.Errorf("decode statistics: %w", err)
	}
	t := &Table{Rows: s.Rows, At: s.At, Columns: map[int16]*Column{}}
	for id, c := range s.Columns {
		typ, ok := typeOf(id)
		if !ok || typ.OID != c.Type {
			continue
		}
		col := &Column{Type: typ, NullFrac: c.NullFrac, Width: c.Width, Distinct: c.Distinct, Freqs: c.Freqs, Correlation: c.Correlation}
		var err error
		if col.Common, err = values(c.Common, typ); err != nil {
			continue // an enum may have lost a label
		}
		if col.Bounds, err = values(c.Bounds, typ); err != nil || len(col.Common) != len(col.Freqs) {
			continue
		}
		t.Columns[id] = col
	}
	return t, nil
}

func values(texts []string, typ types.Type) (out []types.Datum, err error) {
	for _, s := range texts {
		d, err := types.DecodeText(s, typ, format())
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}
