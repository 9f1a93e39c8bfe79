package sql

import (
	"context"
	"strconv"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/sql/ast"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/exec"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/sql/types"
)

// cursor is a query that is read bit by bit by SQL's FETCH. It keeps the rows that it
// has given, so that it can go back: all of them if it was declared SCROLL, and as many
// as are cheap to keep if nothing was said.
type cursor struct {
	*portal
	hold    bool // WITH HOLD
	kept    bool // its transaction has committed: rows has all there is
	binary  bool
	created time.Time
	scroll  scrolling

	// rows are those read so far, as many as read says, unless they were given up; then
	// rows has the last one alone. ended says that there are no more.
	rows         [][]types.Datum
	read         int64
	ended        bool
	bytes, limit int64
	source       func(context.Context) ([]types.Datum, error)
	// at is the row that the cursor stands on: 0 is before the first, read+1 with ended
	// behind the last.
	at int64
}

// scrolling says whether a cursor can go back.
type scrolling uint8

const (
	scrollCheap scrolling = iota // as long as the rows take little
	scrollYes
	scrollNo
)

// cursorCheapBytes is what a cursor that was not declared SCROLL may keep.
const cursorCheapBytes = 1 << 20

// declare opens a cursor.
func (s *Session) declare(ctx context.Context, st *ast.DeclareCursor, text string) error {
	if st.Query.With.Writes() {
		return sqlerr.New(sqlerr.FeatureNotSupported, "DECLARE CURSOR must not contain data-modifying statements in WITH")
	}
	if !st.Hold && !s.tx.block {
		return sqlerr.New(sqlerr.NoActiveSQLTransaction, "DECLARE CURSOR can only be used in transaction blocks")
	}
	if len(st.Query.Locking) > 0 {
		name := map[ast.LockStrength]string{ast.ForUpdate: "FOR UPDATE", ast.ForNoKeyUpdate: "FOR NO KEY UPDATE", ast.ForShare: "FOR SHARE",
			ast.ForKeyShare: "FOR KEY SHARE"}[st.Query.Locking[0].Strength]
		switch {
		case st.Hold:
			return sqlerr.New(sqlerr.FeatureNotSupported, "DECLARE CURSOR WITH HOLD ... %s is not supported", name).
				WithDetail("Holdable cursors must be READ ONLY.")
		case st.Scroll != nil && *st.Scroll:
			return sqlerr.New(sqlerr.FeatureNotSupported, "DECLARE SCROLL CURSOR ... %s is not supported", name).
				WithDetail("Scrollable cursors must be READ ONLY.")
		case st.Insensitive:
			return sqlerr.New(sqlerr.InvalidCursorDefinition, "DECLARE INSENSITIVE CURSOR ... %s is not valid", name).
				WithDetail("Insensitive cursors must be READ ONLY.")
		}
	}
	if _, ok := s.cursors[st.Name]; ok {
		return sqlerr.New(sqlerr.DuplicateCursor, "cursor %q already exists", st.Name)
	}
	if len(s.cursors) >= maxPortals {
		return sqlerr.New(sqlerr.ProgramLimitExceeded, "too many cursors (%d)", maxPortals)
	}
	c := &cursor{portal: &portal{name: st.Name, prep: &prepared{stmt: st.Query, text: text, simple: true, cursor: true}},
		hold: st.Hold, binary: st.Binary, created: s.e.o.Clock.Now()}
	switch {
	case st.Scroll != nil && *st.Scroll:
		c.scroll = scrollYes
	case st.Scroll != nil || len(st.Query.Locking) > 0:
		c.scroll = scrollNo
	}
	if st.Binary {
		c.formats = []int16{pgwire.FormatBinary}
	}
	if err := s.startQuery(ctx, c.portal); err != nil {
		return err
	}
	c.source, c.limit = c.next, s.memoryLimit()
	s.cursors[st.Name] = c
	return nil
}

func (s *Session) cursor(name string) (*cursor, error) {
	c, ok := s.cursors[name]
	if !ok {
		return nil, sqlerr.New(sqlerr.UndefinedCursor, "cursor %q does not exist", name)
	}
	return c, nil
}

// keepCursors reads the cursors that are to outlive the transaction to their ends, and
// returns them.
func (s *Session) keepCursors(ctx context.Context) (kept []*cursor, err error) {
	for _, c := range s.cursors {
		if !c.hold || c.kept {
			continue
		}
		kept = append(kept, c)
		if err := c.keep(ctx); err != nil {
			return kept, err
		}
	}
	return kept, nil
}

// dropKept closes what keepCursors has kept of a transaction that has not committed.
func (s *Session) dropKept(list []*cursor) {
	for _, c := range list {
		c.close()
		delete(s.cursors, c.name)
	}
}

// keep reads the cursor to its end. What one that cannot go back has given it forgets.
func (c *cursor) keep(ctx context.Context) error {
	if c.scroll == scrollCheap {
		c.scroll = scrollYes // the rows are in memory anyhow
	}
	read, last, ended := c.read, c.rows, c.ended
	var rest [][]types.Datum
	for !c.ended {
		if err := c.load(ctx); err != nil {
			return err
		}
		if c.scroll == scrollNo && !c.ended {
			rest = append(rest, c.rows[0])
			if c.bytes += rowBytes(c.rows[0]); c.bytes > c.limit {
				return c.errMemory()
			}
		}
	}
	c.kept = true
	c.close()
	if c.scroll == scrollNo {
		c.read, c.rows, c.ended = read, last, ended
		c.source = func(context.Context) ([]types.Datum, error) {
			if len(rest) == 0 {
				return nil, nil
			}
			row := rest[0]
			rest = rest[1:]
			return row, nil
		}
	}
	return nil
}

func (s *Session) memoryLimit() int64 {
	if l := s.e.o.MemoryLimit; l > 0 {
		return l
	}
	return exec.DefaultMemoryLimit
}

func (c *cursor) errMemory() error {
	return sqlerr.New(sqlerr.OutOfMemory, "the rows of cursor %q take more than %d MB", c.name, c.limit>>20)
}

func rowBytes(row []types.Datum) int64 {
	n := int64(24)
	for i := range row {
		n += int64(row[i].Size())
	}
	return n
}

// load reads one row more.
func (c *cursor) load(ctx context.Context) error {
	row, err := c.source(ctx)
	if err != nil {
		return err
	}
	if row == nil {
		c.ended = true
		return nil
	}
	c.read++
	row = append([]types.Datum(nil), row...)
	if c.scroll == scrollNo {
		c.rows = append(c.rows[:0:0], row)
		return nil
	}
	c.rows = append(c.rows, row)
	c.bytes += rowBytes(row)
	switch {
	case c.scroll == scrollCheap && c.bytes > cursorCheapBytes:
		c.scroll, c.bytes, c.rows = scrollNo, 0, [][]types.Datum{row}
	case c.bytes > c.limit:
		return c.errMemory()
	}
	return nil
}

// current is the row that the cursor stands on, nil if it stands on none.
func (c *cursor) current() []types.Datum {
	switch {
	case c.at == 0 || c.at > c.read:
		return nil
	case c.scroll == scrollNo:
		return c.rows[0]
	}
	return c.rows[c.at-1]
}

// step is a movement by at most count rows, which are given to yield if it is not nil;
// without end if all is set. It returns how many there were.
func (c *cursor) step(ctx context.Context, forward, all bool, count int64, yield func([]types.Datum)) (n int64, err error) {
	if !forward && c.scroll == scrollNo {
		return 0, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "cursor can only scan forward").
			WithHint("Declare it with SCROLL option to enable backward scan.")
	}
	for all || n < count {
		to := c.at - 1
		if forward {
			if to = c.at + 1; to > c.read && !c.ended {
				if err := c.load(ctx); err != nil {
					return n, err
				}
			}
		}
		c.at = min(max(to, 0), c.read+1)
		if c.at == 0 || c.at > c.read {
			break
		}
		n++
		if yield != nil {
			yield(c.current())
		}
	}
	return n, nil
}

// rewind goes before the first row.
func (c *cursor) rewind(ctx context.Context) error {
	if c.at == 0 {
		return nil
	}
	_, err := c.step(ctx, false, true, 0, nil)
	return err
}

// fetch is FETCH and MOVE.
func (s *Session) fetch(ctx context.Context, p *portal, st *ast.Fetch) error {
	c, err := s.cursor(st.Cursor)
	if err != nil {
		return err
	}
	p.format = c.format
	width := len(c.cols)
	yield := func(row []types.Datum) { p.rows = append(p.rows, row[:width:width]) }
	if st.Move {
		yield = nil
	}
	n, err := c.fetch(ctx, st, yield)
	if err != nil {
		return err
	}
	if st.Move {
		p.done = completion{tag: "MOVE " + strconv.FormatInt(n, 10)}
		return nil
	}
	p.done = completion{verb: "FETCH"}
	p.cols = append([]pgwire.Column(nil), c.cols...)
	return nil
}

// fetch moves the cursor as PostgreSQL's DoPortalRunFetch does.
func (c *cursor) fetch(ctx context.Context, st *ast.Fetch, yield func([]types.Datum)) (int64, error) {
	count, forward := st.Count, true
	switch st.Direction {
	case ast.FetchBackward:
		forward = false
	case ast.FetchAbsolute:
		return c.absolute(ctx, count, yield)
	case ast.FetchRelative:
		if count != 0 {
			return c.relative(ctx, count, yield)
		}
	}
	if count < 0 && !st.All {
		forward, count = !forward, -count
	}
	if count == 0 && !st.All {
		return c.again(yield)
	}
	return c.step(ctx, forward, st.All, count, yield)
}

// again gives the row that the cursor stands on once more.
func (c *cursor) again(yield func([]types.Datum)) (int64, error) {
	row := c.current()
	switch {
	case row == nil:
		return 0, nil
	case yield == nil:
		return 1, nil
	case c.scroll == scrollNo:
		return 0, sqlerr.New(sqlerr.ObjectNotInPrerequisiteState, "cursor can only scan forward").
			WithHint("Declare it with SCROLL option to enable backward scan.")
	}
	yield(row)
	return 1, nil
}

func (c *cursor) absolute(ctx context.Context, count int64, yield func([]types.Datum)) (int64, error) {
	if count < 0 {
		if _, err := c.step(ctx, true, true, 0, nil); err != nil {
			return 0, err
		}
		if _, err := c.step(ctx, false, false, -count-1, nil); err != nil {
			return 0, err
		}
		return c.step(ctx, false, false, 1, yield)
	}
	if count <= c.at {
		if err := c.rewind(ctx); err != nil {
			return 0, err
		}
	}
	if count == 0 {
		return 0, nil
	}
	if _, err := c.step(ctx, true, false, count-c.at-1, nil); err != nil {
		return 0, err
	}
	return c.step(ctx, true, false, 1, yield)
}

func (c *cursor) relative(ctx context.Context, count int64, yield func([]types.Datum)) (int64, error) {
	forward := count > 0
	if !forward {
		count = -count
	}
	if _, err := c.step(ctx, forward, false, count-1, nil); err != nil {
		return 0, err
	}
	return c.step(ctx, forward, false, 1, yield)
}

func (s *Session) closeCursor(st *ast.CloseCursor) error {
	if st.Name == "" {
		s.dropCursors(true)
		return nil
	}
	c, err := s.cursor(st.Name)
	if err != nil {
		return err
	}
	c.close()
	delete(s.cursors, st.Name)
	return nil
}

// dropCursors closes the cursors of the transaction, with all those that are kept from
// earlier ones too.
func (s *Session) dropCursors(all bool) {
	for name, c := range s.cursors {
		if all || !c.kept {
			c.close()
			delete(s.cursors, name)
		}
	}
}

// currentOf returns the primary key of the row of a table that a cursor stands on. While
// a statement is only analyzed it need not stand on any.
func (s *Session) currentOf(name string, t *catalog.Table) ([]types.Datum, error) {
	out := make([]types.Datum, len(t.Primary().Columns))
	if !s.starting {
		return out, nil
	}
	c, err := s.cursor(name)
	switch {
	case err != nil:
		return nil, err
	case c.kept:
		return nil, sqlerr.New(sqlerr.InvalidCursorState, "cursor %q is held from a previous transaction", name)
	}
	key := c.prep.plan.RowKey
	if key == nil || key.Table != t.ID {
		return nil, sqlerr.New(sqlerr.InvalidCursorState, "cursor %q is not a simply updatable scan of table %q", name, t.Name)
	}
	row := c.current()
	if row == nil {
		return nil, sqlerr.New(sqlerr.InvalidCursorState, "cursor %q is not positioned on a row", name)
	}
	for i, at := range key.Cols {
		out[i] = row[at]
	}
	return out, nil
}

// usesCursor reports whether a statement's plan depends on where a cursor stands.
func usesCursor(st ast.Statement) bool {
	switch st := st.(type) {
	case *ast.Update:
		return st.CurrentOf != ""
	case *ast.Delete:
		return st.CurrentOf != ""
	}
	return false
}
