package expr

import "github.com/quorate-db/quorate/sql/types"

// period is one side of OVERLAPS: two ends, or one and NULL.
type period struct {
	from, to datum
	open     bool // the second end is NULL
}

// periodOf puts the ends in order; ok is false if both are NULL.
func periodOf(a, b datum, t types.Type) (p period, ok bool) {
	switch {
	case a.IsNull() && b.IsNull():
		return p, false
	case a.IsNull():
		return period{from: b, open: true}, true
	case b.IsNull():
		return period{from: a, open: true}, true
	case types.Compare(a, b, t) > 0:
		a, b = b, a
	}
	return period{from: a, to: b}, true
}

// overlaps is PostgreSQL's reading of the standard: periods that only touch do not
// overlap, but those with the same beginning do, also when they are empty.
func overlaps(a []datum, t types.Type) datum {
	p, ok1 := periodOf(a[0], a[1], t)
	q, ok2 := periodOf(a[2], a[3], t)
	if !ok1 || !ok2 {
		return types.Null
	}
	c := types.Compare(p.from, q.from, t)
	if c == 0 {
		if p.open || q.open {
			return types.Null
		}
		return types.True
	}
	if c > 0 {
		p, q = q, p
	}
	// p begins first.
	switch {
	case p.open:
		return types.Null
	case types.Compare(q.from, p.to, t) < 0:
		return types.True
	case q.open:
		return types.Null
	}
	return types.False
}

func (k kernels) periods() {
	for _, t := range []types.Type{types.Timestamp, types.Timestamptz, types.Time, types.Timetz} {
		n := t.Name()
		k.fn("overlaps("+n+","+n+","+n+","+n+")", func(_ *EvalContext, _ *Signature, a []datum) (datum, error) {
			return overlaps(a, t), nil
		})
	}
	// An interval is the length of the period.
	for _, t := range []types.Type{types.Timestamp, types.Timestamptz, types.Time} {
		add := func(ctx *EvalContext, from, d datum) (datum, error) {
			if from.IsNull() || d.IsNull() {
				return types.Null, nil
			}
			switch t.OID {
			case types.OIDTimestamp:
				v, err := addInterval(from.Int(), d.Interval())
				return types.NewInt(v), err
			case types.OIDTimestamptz:
				v, err := AddIntervalTZ(from.Int(), d.Interval(), ctx.format().Location())
				return types.NewInt(v), err
			}
			_, r := floorMod(from.Int()+d.Interval().Micros%types.MicrosPerDay, types.MicrosPerDay)
			return types.NewInt(r), nil
		}
		n := t.Name()
		for _, form := range []struct {
			args          string
			first, second bool // is an interval
		}{
			{n + ",interval," + n + ",interval", true, true}, {n + ",interval," + n + "," + n, true, false}, {n + "," + n + "," + n + ",interval", false, true},
		} {
			k.fn("overlaps("+form.args+")", func(ctx *EvalContext, _ *Signature, a []datum) (datum, error) {
				ends := [4]datum{a[0], a[1], a[2], a[3]}
				var err error
				if form.first {
					if ends[1], err = add(ctx, a[0], a[1]); err != nil {
						return types.Null, err
					}
				}
				if form.second {
					if ends[3], err = add(ctx, a[2], a[3]); err != nil {
						return types.Null, err
					}
				}
				return overlaps(ends[:], t), nil
			})
		}
	}
}
