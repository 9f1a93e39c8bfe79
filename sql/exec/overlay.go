package exec

import (
	"context"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// overlay gathers the writes of a statement whose WITH clause writes too: all of
// its parts read the same state, the one before the statement, while checks of
// keys see what the other parts have written. At the end the writes go to the
// transaction in their order.
type overlay struct {
	KV
	rt   *Runtime
	last map[string]*overlayWrite
	log  []*overlayWrite
}

// overlayWrite is one write; a nil value is a deletion.
type overlayWrite struct {
	key    keys.User
	value  []byte
	insert bool
	// keyStays: an Update
	keyStays bool
}

func newOverlay(rt *Runtime) *overlay {
	return &overlay{KV: rt.KV, rt: rt, last: map[string]*overlayWrite{}}
}

func (o *overlay) add(w *overlayWrite) error {
	o.log = append(o.log, w)
	o.last[string(w.key)] = w
	return o.rt.grow(2*len(w.key) + len(w.value) + 96)
}

// Get sees the writes of the statement.
func (o *overlay) Get(ctx context.Context, key keys.User) ([]byte, error) {
	if w := o.last[string(key)]; w != nil {
		return w.value, nil
	}
	return o.KV.Get(ctx, key)
}

func (o *overlay) Put(_ context.Context, key keys.User, value []byte) error {
	return o.add(&overlayWrite{key: key, value: value})
}

func (o *overlay) Update(_ context.Context, key keys.User, value []byte) error {
	return o.add(&overlayWrite{key: key, value: value, keyStays: true})
}

func (o *overlay) Delete(_ context.Context, key keys.User) error {
	return o.add(&overlayWrite{key: key})
}

// Insert checks at once, so that the error belongs to the part that made it.
func (o *overlay) Insert(ctx context.Context, pairs []Pair) error {
	seen := make(map[string]bool, len(pairs))
	for _, p := range pairs {
		w := o.last[string(p.Key)]
		if seen[string(p.Key)] || w != nil && w.value != nil {
			return &DuplicateError{Key: p.Key}
		}
		seen[string(p.Key)] = true
		if w != nil {
			continue // deleted by this statement
		}
		v, err := o.KV.Get(ctx, p.Key)
		if err != nil {
			return err
		}
		if v != nil {
			return &DuplicateError{Key: p.Key}
		}
	}
	for _, p := range pairs {
		if err := o.add(&overlayWrite{key: p.Key, value: p.Value, insert: true}); err != nil {
			return err
		}
	}
	return nil
}

// flush hands the writes on.
func (o *overlay) flush(ctx context.Context) error {
	for i, w := range o.log {
		if i&1023 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		var err error
		switch {
		case w.insert:
			err = o.KV.Insert(ctx, []Pair{{Key: w.key, Value: w.value}})
		case w.value == nil:
			err = o.KV.Delete(ctx, w.key)
		case w.keyStays:
			err = o.KV.Update(ctx, w.key, w.value)
		default:
			err = o.KV.Put(ctx, w.key, w.value)
		}
		if err != nil {
			return err
		}
	}
	o.log, o.last = nil, map[string]*overlayWrite{}
	return nil
}

// writes is where a part of the statement writes to.
func (rt *Runtime) writes() KV {
	if rt.overlay != nil {
		return rt.overlay
	}
	return rt.KV
}

// claim reports whether a part of the statement is the first to change a row.
// PostgreSQL lets only one change of a row by one statement take place; which one
// is for it to choose.
func (rt *Runtime) claim(primaryKey keys.User) bool {
	if rt.overlay == nil {
		return true
	}
	if _, taken := rt.claimed[string(primaryKey)]; taken {
		return false
	}
	if rt.claimed == nil {
		rt.claimed = map[string]struct{}{}
	}
	rt.claimed[string(primaryKey)] = struct{}{}
	return true
}

// runModifying runs a statement whose WITH clause writes: the statement itself,
// which runs the queries that it reads, then the others to their ends.
func (e *Execution) runModifying(ctx context.Context) error {
	rt := e.rt
	rt.overlay = newOverlay(rt)
	width := len(e.plan.Root.Columns())
	store, err := rt.materialize(ctx, e.op, width, 0)
	if err != nil {
		return err
	}
	for _, c := range e.plan.Modifying {
		s, err := rt.cte(ctx, c)
		if err != nil {
			return err
		}
		for !s.eof {
			if err := s.read(ctx, rt, s.store.len()+BatchRows); err != nil {
				return err
			}
		}
	}
	if err := rt.overlay.flush(ctx); err != nil {
		return err
	}
	rt.overlay = nil
	e.stored = &storeReader{store: store}
	return nil
}

func errTwice() error {
	return sqlerr.New(sqlerr.CardinalityViolation, "ON CONFLICT DO UPDATE command cannot affect row a second time").
		WithHint("Ensure that no rows proposed for insertion within the same command have duplicate constrained values.")
}
