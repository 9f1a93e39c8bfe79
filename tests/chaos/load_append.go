package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/elle"
)

const (
	// hotKeys are in use at a time: few, because without contention there is
	// nothing to see.
	hotKeys = 8
	// appendsPerKey is when a key is replaced, so that lists stay short.
	appendsPerKey = 64
)

// appendLoad appends to lists and reads them, in transactions of a few steps; the
// history is judged by package elle.
type appendLoad struct {
	mu struct {
		sync.Mutex
		hot     [hotKeys]int // the keys in use
		appends [hotKeys]int // to each of them
		made    int          // keys so far
		value   int
	}
	txns  journal[elle.Txn]
	tally tally
	last  map[int][]int // as the last node read it
}

func newAppendLoad() load {
	l := &appendLoad{}
	for i := range hotKeys {
		l.mu.hot[i] = l.newKeyLocked()
	}
	return l
}

// newKeyLocked numbers keys so that neighbours in time are apart in the table.
func (l *appendLoad) newKeyLocked() int {
	l.mu.made++
	return l.mu.made%4*stride + l.mu.made
}

func (l *appendLoad) setup(ctx context.Context, conn *pgx.Conn) error {
	return executeAll(ctx, conn, "CREATE TABLE chaos_lists (k int PRIMARY KEY, v text NOT NULL)")
}

func (l *appendLoad) tables() []string { return []string{"chaos_lists"} }
func (l *appendLoad) keys() int        { return hotKeys }

// appendTo draws the next value for a hot key.
func (l *appendLoad) appendTo(slot int) elle.Op {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mu.appends[slot]++; l.mu.appends[slot] > appendsPerKey {
		l.mu.hot[slot], l.mu.appends[slot] = l.newKeyLocked(), 1
	}
	l.mu.value++
	return elle.Append(l.mu.hot[slot], l.mu.value)
}

func (l *appendLoad) key(slot int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.hot[slot]
}

func (l *appendLoad) step(c *client) {
	ops := make([]elle.Op, 1+c.rng.IntN(4))
	for i := range ops {
		if slot := c.rng.IntN(hotKeys); c.rng.IntN(2) == 0 {
			ops[i] = l.appendTo(slot)
		} else {
			ops[i] = elle.Read(l.key(slot))
		}
	}
	if len(ops) > 1 {
		l.perform(c, ops, c.transact)
	} else {
		l.perform(c, ops, c.single)
	}
}

func (l *appendLoad) touch(c *client, key int) attempt {
	return l.perform(c, []elle.Op{l.appendTo(key)}, c.single)
}

const upsertList = "INSERT INTO chaos_lists AS l (k, v) VALUES ($1, $2) ON CONFLICT (k) DO UPDATE SET v = l.v || ',' || EXCLUDED.v"

// perform runs the steps, fills in what was read, and records the transaction.
func (l *appendLoad) perform(c *client, ops []elle.Op, how func(func(context.Context, *pgx.Conn) error) attempt) attempt {
	done := 0
	a := how(func(ctx context.Context, conn *pgx.Conn) error {
		for ; done < len(ops); done++ {
			o := &ops[done]
			if o.Append {
				if tag, err := conn.Exec(ctx, upsertList, o.Key, strconv.Itoa(o.Value)); err != nil {
					return err
				} else if tag.RowsAffected() != 1 {
					return fmt.Errorf("an upsert answered %s", tag)
				}
				continue
			}
			var err error
			if o.List, err = readList(ctx, conn, o.Key); err != nil {
				return err
			}
		}
		return nil
	})
	l.record(a, ops[:min(done+1, len(ops))])
	return a
}

func (l *appendLoad) record(a attempt, ops []elle.Op) {
	outcome := map[Outcome]elle.Outcome{OK: elle.OK, Failed: elle.Failed, Unknown: elle.Unknown}[a.Outcome]
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tally.add(a)
	l.txns.add(elle.Txn{ID: len(l.txns.all()) + 1, Client: a.Client, Node: a.Node, Outcome: outcome, Invoked: a.Invoked, Done: a.Done, Ops: ops, Error: a.Error})
}

func readList(ctx context.Context, conn *pgx.Conn, key int) ([]int, error) {
	var v string
	if err := conn.QueryRow(ctx, "SELECT v FROM chaos_lists WHERE k = $1", key).Scan(&v); errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	return parseList(v)
}

func parseList(v string) (list []int, err error) {
	for _, w := range strings.Split(v, ",") {
		n, err := strconv.Atoi(w)
		if err != nil {
			return nil, fmt.Errorf("the list %q: %w", v, err)
		}
		list = append(list, n)
	}
	return list, nil
}

// final reads all lists in one statement. It counts as a transaction of the
// history, too, so that one node's view is held against another's.
func (l *appendLoad) final(c *client) error {
	lists := map[int][]int{}
	a := c.single(func(ctx context.Context, conn *pgx.Conn) error {
		clear(lists)
		rows, err := conn.Query(ctx, "SELECT k, v FROM chaos_lists")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var k int
			var v string
			if err := rows.Scan(&k, &v); err != nil {
				return err
			}
			if lists[k], err = parseList(v); err != nil {
				return err
			}
		}
		return rows.Err()
	})
	if a.Outcome != OK {
		return errors.New(a.Error)
	}
	var ops []elle.Op
	for _, k := range slices.Sorted(maps.Keys(lists)) {
		ops = append(ops, elle.Read(k, lists[k]...))
	}
	l.record(a, ops)
	l.last = lists
	return nil
}

func (l *appendLoad) history() elle.History {
	return elle.History{Txns: l.txns.all(), Final: l.last}
}

func (l *appendLoad) verdict(lev level) verdict {
	v := judged(l.tally, "", nil)
	report, err := elle.Check(l.history())
	if err != nil {
		v.Err = err
		return v
	}
	v.Seen += "; " + report.Summary()
	v.Err = report.Verdict(lev.promise)
	return v
}

func (l *appendLoad) save(w io.Writer) error { return l.history().Write(w) }
