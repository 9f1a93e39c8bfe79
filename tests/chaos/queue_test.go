package chaos

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

// queueWorkers take jobs from the queue at once.
const queueWorkers = 4

// A queue of jobs in a table, which four workers empty with FOR UPDATE SKIP LOCKED
// while the table's leader is transferred each second: every job is done once. The
// jobs of a second are printed beside those of PostgreSQL in the same run.
func TestJobQueue(t *testing.T) {
	jobs := number(t, "CHAOS_JOBS", 1000)
	c := newCluster(t)
	ctx := within(t, 4*time.Minute)
	must(t, c.Start(ctx, 3))
	var dsns []string
	for _, n := range c.Nodes() {
		dsns = append(dsns, n.DSN())
	}
	must(t, makeQueue(ctx, dsns[0], jobs))
	tctx, stop := context.WithCancel(ctx)
	var transfers atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() { transferQueue(tctx, c, &transfers) }) // ends with stop
	took := emptyQueue(ctx, dsns)
	stop()
	wg.Wait()
	must(t, checkQueue(ctx, dsns[1], jobs))
	if transfers.Load() == 0 && took > 5*time.Second {
		t.Error("no leader was transferred")
	}
	ours := float64(jobs) / took.Seconds()
	t.Logf("%d jobs in %v, %.0f a second, %d transfers of the leader", jobs, took.Round(time.Millisecond), ours, transfers.Load())
	if theirs, err := queueOnPostgres(t, ctx, jobs); err != nil {
		t.Logf("beside PostgreSQL: %v", err)
	} else {
		t.Logf("PostgreSQL: %.0f a second, %.2f times as many", theirs, theirs/ours)
	}
}

func makeQueue(ctx context.Context, dsn string, jobs int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // all answers were read
	return executeAll(ctx, conn, "CREATE TABLE jobs (id int PRIMARY KEY, what text)",
		"CREATE TABLE done (id bigserial PRIMARY KEY, job int, worker int)",
		fmt.Sprintf("INSERT INTO jobs SELECT g, 'job ' || g FROM generate_series(1, %d) AS g", jobs))
}

// emptyQueue lets the workers work until nothing is left.
func emptyQueue(ctx context.Context, dsns []string) time.Duration {
	began := time.Now()
	var wg sync.WaitGroup
	for w := range queueWorkers {
		wg.Go(func() { // ends with the jobs
			for left := true; left && ctx.Err() == nil; {
				left = queueWork(ctx, dsns[w%len(dsns)], w)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}

// queueWork takes jobs until none is left, which it reports by false, or something goes
// wrong. A job whose transaction has failed is still there, or was done.
func queueWork(ctx context.Context, dsn string, worker int) (left bool) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		idle(ctx, 20*time.Millisecond)
		return true
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			var job int
			err := tx.QueryRow(ctx, "SELECT id FROM jobs ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED").Scan(&job)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO done (job, worker) VALUES ($1, $2)", job, worker); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "DELETE FROM jobs WHERE id = $1", job)
			return err
		})
		if err == pgx.ErrNoRows {
			// Others may still give theirs back.
			var n int
			if err := conn.QueryRow(ctx, "SELECT count(*) FROM jobs").Scan(&n); err == nil && n == 0 {
				return false
			}
			idle(ctx, 5*time.Millisecond)
		}
		if conn.IsClosed() {
			return true
		}
	}
	return false
}

// transferQueue moves the leader of the jobs each second to the next node.
func transferQueue(ctx context.Context, c *cluster.Cluster, done *atomic.Int64) {
	for n := 0; ctx.Err() == nil; n++ {
		idle(ctx, time.Second)
		r, leader, err := c.Leader(ctx, "jobs")
		if err != nil {
			continue
		}
		to := leader.ID%uint64(len(c.Nodes())) + 1
		if out := c.CLI(ctx, "region", "transfer-leader", fmt.Sprint(r.ID), "--to", fmt.Sprint(to)); out.Code == 0 {
			done.Add(1)
		}
	}
}

func checkQueue(ctx context.Context, dsn string, jobs int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }() // all answers were read
	var all, distinct, least, most, left int
	err = conn.QueryRow(ctx, "SELECT count(*), count(DISTINCT job), min(job), max(job), (SELECT count(*) FROM jobs) FROM done").
		Scan(&all, &distinct, &least, &most, &left)
	switch {
	case err != nil:
		return err
	case left != 0:
		return fmt.Errorf("%d jobs are left", left)
	case all != jobs || distinct != jobs || least != 1 || most != jobs:
		return fmt.Errorf("%d jobs were done %d times: %d of them, from %d to %d", jobs, all, distinct, least, most)
	}
	return nil
}

// queueOnPostgres has the same workers empty the same queue there.
func queueOnPostgres(t *testing.T, ctx context.Context, jobs int) (perSecond float64, err error) {
	bin, err := postgres.Bin()
	if err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "quorate-queue-postgres-") // t.TempDir is closed to PostgreSQL's user
	if err != nil {
		return 0, err
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p, err := postgres.Start(ctx, bin, dir)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	if err := makeQueue(ctx, p.DSN, jobs); err != nil {
		return 0, err
	}
	took := emptyQueue(ctx, []string{p.DSN})
	return float64(jobs) / took.Seconds(), checkQueue(ctx, p.DSN, jobs)
}
