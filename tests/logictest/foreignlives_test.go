package logictest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Rows that are referred to come and go, and each goes just when somebody has referred to
// it and not yet committed, at every level of isolation. No reference outlives its row:
// not while nobody brings the row back, and not at the end.
func TestForeignKeysOfShortLives(t *testing.T) {
	for _, s := range []shape{{name: "three-nodes", nodes: 3}, {name: "tiny-regions", nodes: 1, splitBytes: tinyRegionBytes}} {
		t.Run(s.name, func(t *testing.T) { foreignKeysOfShortLives(t, startCluster(t, s)) })
	}
}

const (
	lifeKeepers  = 3  // each keeps one row alive at a time
	lifeChildren = 5  // sessions that refer to them
	lifeRows     = 25 // of each keeper, one after the other
)

// lives is what keepers and children share.
type lives struct {
	row   [lifeKeepers]atomic.Int64 // that may be referred to
	given [lifeKeepers]chan int64   // rows that somebody has just referred to
	ended chan struct{}             // the keepers are done
}

func foreignKeysOfShortLives(t *testing.T, dsns []string) {
	limit, stop := context.WithTimeout(context.Background(), 3*time.Minute)
	defer stop()
	ctx, fail := context.WithCancelCause(limit)
	defer fail(nil)
	c := connectPgx(ctx, t, dsns[0])
	for _, sql := range []string{
		"CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE)",
		"CREATE TABLE by_pk (id serial PRIMARY KEY, p int REFERENCES p)",
		"CREATE TABLE by_unique (id serial PRIMARY KEY, p int REFERENCES p (u))",
		"CREATE TABLE follows (id serial PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)",
		"CREATE INDEX ON by_pk (p)",
		"CREATE INDEX ON by_unique (p)",
		"CREATE INDEX ON follows (p)",
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	l := &lives{ended: make(chan struct{})}
	for i := range l.given {
		l.given[i] = make(chan int64, lifeChildren)
	}
	run := func(wg *sync.WaitGroup, i int, what func(context.Context, *pgx.Conn, *rand.Rand) error) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := pgx.Connect(ctx, dsns[i%len(dsns)])
			if err == nil {
				defer c.Close(context.Background())
				err = what(ctx, c, rand.New(rand.NewPCG(seed, uint64(i))))
			}
			if err != nil {
				fail(fmt.Errorf("session %d: %w", i, err))
			}
		}()
	}
	var keepers, children sync.WaitGroup
	for i := range lifeKeepers {
		run(&keepers, i, func(ctx context.Context, c *pgx.Conn, rng *rand.Rand) error { return l.keep(ctx, c, rng, i) })
	}
	for i := range lifeChildren {
		run(&children, lifeKeepers+i, l.refer)
	}
	keepers.Wait()
	close(l.ended)
	children.Wait()
	if err := context.Cause(ctx); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"by_pk", "by_unique", "follows"} {
		var n int
		column := map[bool]string{true: "u", false: "id"}[table == "by_unique"]
		sql := fmt.Sprintf("SELECT count(*) FROM %s c WHERE p IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.%s = c.p)", table, column)
		if err := c.QueryRow(ctx, sql).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d orphans, %v: %s", n, err, sql)
		}
	}
}

func connectPgx(ctx context.Context, t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

var lifeLevels = []string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}

// lifeBlock runs statements in a block or, sometimes, each by itself. between runs after
// each of them, inside the block if there is one. done is false if they were refused for
// a reason that clients deal with.
func lifeBlock(ctx context.Context, c *pgx.Conn, rng *rand.Rand, list []string, between func()) (done bool, err error) {
	if level := rng.IntN(len(lifeLevels) + 1); level < len(lifeLevels) {
		list = slices.Concat([]string{"BEGIN ISOLATION LEVEL " + lifeLevels[level]}, list, []string{"COMMIT"})
	}
	for _, sql := range list {
		if _, err = c.Exec(ctx, sql); err != nil {
			break
		}
		if sql != "COMMIT" && sql[:5] != "BEGIN" {
			between()
		}
	}
	var e *pgconn.PgError
	if err == nil || !errors.As(err, &e) {
		return err == nil, err
	}
	switch e.Code {
	case "23503", "40001", "40P01":
	default:
		return false, fmt.Errorf("%v: %w", list, err)
	}
	_, err = c.Exec(ctx, "ROLLBACK")
	return false, err
}

// keep makes rows, one after the other, and takes each away when it is referred to. Some
// come back once.
func (l *lives) keep(ctx context.Context, c *pgx.Conn, rng *rand.Rand, i int) error {
	for life := range int64(lifeRows) {
		row := life*lifeKeepers + int64(i) + 1
		for range 1 + rng.IntN(2) {
			// The row is not there: nobody may refer to it.
			var n int
			if err := c.QueryRow(ctx, fmt.Sprintf("SELECT (SELECT count(*) FROM by_pk WHERE p = %d) + (SELECT count(*) FROM by_unique WHERE p = %[1]d) + (SELECT count(*) FROM follows WHERE p = %[1]d)", row)).Scan(&n); err != nil {
				return err
			}
			if n != 0 {
				return fmt.Errorf("%d references to row %d, which is not there", n, row)
			}
			if _, err := c.Exec(ctx, fmt.Sprintf("INSERT INTO p VALUES (%d, %[1]d)", row)); err != nil {
				return err
			}
			l.row[i].Store(row)
			for given := int64(0); given != row; {
				select {
				case given = <-l.given[i]:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			if err := l.remove(ctx, c, rng, i, row); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove takes a row away, by one of two ways, and what refers to it.
func (l *lives) remove(ctx context.Context, c *pgx.Conn, rng *rand.Rand, i int, row int64) error {
	// Children stay away from the third attempt on: there is an end then.
	for tries := 0; ; tries++ {
		if tries == 2 {
			l.row[i].Store(0)
		}
		last := fmt.Sprintf("DELETE FROM p WHERE id = %d", row)
		if rng.IntN(4) == 0 {
			last = fmt.Sprintf("UPDATE p SET id = -%d, u = -%[1]d WHERE id = %[1]d", row)
		}
		list := []string{
			fmt.Sprintf("DELETE FROM by_pk WHERE p = %d", row),
			fmt.Sprintf("DELETE FROM by_unique WHERE p = %d", row), last,
		}
		if tries == 0 {
			list = list[2:] // at once, while somebody who has referred to it is busy
		}
		done, err := lifeBlock(ctx, c, rng, list, func() {})
		if err != nil {
			return err
		}
		if done {
			break
		}
	}
	l.row[i].Store(0)
	// One that was only renamed goes as well, with who followed it.
	_, err := c.Exec(ctx, fmt.Sprintf("DELETE FROM p WHERE id = -%d", row))
	return err
}

// refer refers to rows that are there, by new rows and by one that it has already, and
// does something else before it commits.
func (l *lives) refer(ctx context.Context, c *pgx.Conn, rng *rand.Rand) error {
	var own int64
	if err := c.QueryRow(ctx, "INSERT INTO by_pk (p) VALUES (NULL) RETURNING id").Scan(&own); err != nil {
		return err
	}
	for {
		select {
		case <-l.ended:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		default:
		}
		i := rng.IntN(lifeKeepers)
		row := l.row[i].Load()
		if row == 0 {
			row = 1 + rng.Int64N(lifeRows*lifeKeepers) // likely gone, or not there yet
		}
		sql := fmt.Sprintf("INSERT INTO %s (p) VALUES (%d)", []string{"by_pk", "by_unique", "follows"}[rng.IntN(3)], row)
		if rng.IntN(4) == 0 {
			// There may be no such row any more.
			sql = fmt.Sprintf("INSERT INTO by_pk VALUES (%d, %d) ON CONFLICT (id) DO UPDATE SET p = excluded.p", own, row)
		}
		told := false
		if _, err := lifeBlock(ctx, c, rng, []string{sql, "SELECT count(*) FROM p", "SELECT count(*) FROM follows"}, func() {
			if told {
				return
			}
			told = true
			select {
			case l.given[i] <- row:
			default:
			}
		}); err != nil {
			return err
		}
	}
}
