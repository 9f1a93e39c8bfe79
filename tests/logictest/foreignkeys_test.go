package logictest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Many sessions on all nodes give rows references, take away and rename the rows that are
// referred to, at every level of isolation, by single statements and in blocks, through
// regions that split. At the end no reference is without its row, and everything that was
// refused was refused for a reason that a client can deal with.
func TestForeignKeysUnderConcurrency(t *testing.T) {
	for _, s := range []shape{{name: "three-nodes", nodes: 3}, {name: "tiny-regions", nodes: 1, splitBytes: tinyRegionBytes}} {
		t.Run(s.name, func(t *testing.T) { foreignKeysUnderConcurrency(t, startCluster(t, s)) })
	}
}

const fkSessions, fkSteps, fkParents = 8, 200, 6

func foreignKeysUnderConcurrency(t *testing.T, dsns []string) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, dsns[0])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, sql := range []string{
		"CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE, v int DEFAULT 0)",
		"CREATE TABLE by_pk (id serial PRIMARY KEY, p int REFERENCES p)",
		"CREATE TABLE by_unique (id serial PRIMARY KEY, u int REFERENCES p (u))",
		"CREATE TABLE follows (id serial PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE ON UPDATE CASCADE)",
		"CREATE INDEX ON follows (p)",
		fmt.Sprintf("INSERT INTO p SELECT i, i FROM generate_series(1, %d) AS i", fkParents),
	} {
		if _, err := c.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i := range fkSessions {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := fkSession(ctx, dsns[i%len(dsns)], rand.New(rand.NewPCG(seed, uint64(i)))); err != nil {
				t.Errorf("session %d: %v", i, err)
			}
		}()
	}
	wg.Wait()
	for _, sql := range []string{
		"SELECT count(*) FROM by_pk c WHERE p IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.id = c.p)",
		"SELECT count(*) FROM by_unique c WHERE u IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.u = c.u)",
		"SELECT count(*) FROM follows c WHERE p IS NOT NULL AND NOT EXISTS (SELECT 1 FROM p WHERE p.id = c.p)",
	} {
		var n int
		if err := c.QueryRow(ctx, sql).Scan(&n); err != nil || n != 0 {
			t.Errorf("%d orphans, %v: %s", n, err, sql)
		}
	}
}

// fkSession runs random statements.
func fkSession(ctx context.Context, dsn string, rng *rand.Rand) error {
	c, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(context.Background())
	id := func() int { return 1 + rng.IntN(fkParents) }
	statement := func() string {
		switch rng.IntN(9) {
		case 0, 1:
			return fmt.Sprintf("INSERT INTO by_pk (p) VALUES (%d), (%d)", id(), id())
		case 2:
			return fmt.Sprintf("INSERT INTO by_unique (u) VALUES (%d)", id())
		case 3:
			return fmt.Sprintf("INSERT INTO follows (p) VALUES (%d)", id())
		case 4:
			return fmt.Sprintf("DELETE FROM p WHERE id = %d", id())
		case 5:
			return fmt.Sprintf("UPDATE p SET id = %d WHERE id = %d", id(), id())
		case 6:
			return fmt.Sprintf("INSERT INTO p VALUES (%d, %d)", id(), id())
		case 7:
			return fmt.Sprintf("DELETE FROM by_pk WHERE p = %d", id())
		}
		return fmt.Sprintf("UPDATE p SET v = v + 1 WHERE id = %d", id())
	}
	levels := []string{"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"}
	for range fkSteps {
		list := []string{statement()}
		if rng.IntN(2) == 0 {
			list = []string{"BEGIN ISOLATION LEVEL " + levels[rng.IntN(3)], statement(), statement(), "COMMIT"}
		}
		for _, sql := range list {
			if _, err = c.Exec(ctx, sql); err != nil {
				break
			}
		}
		if err == nil {
			continue
		}
		var e *pgconn.PgError
		if !errors.As(err, &e) {
			return err
		}
		switch e.Code {
		case "23503", "23505", "40001", "40P01":
		default:
			return fmt.Errorf("%v: %w", list, err)
		}
		if _, err := c.Exec(ctx, "ROLLBACK"); err != nil {
			return err
		}
	}
	return nil
}
