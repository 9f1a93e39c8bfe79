package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// deadlockWithin is how soon after its last wait a circle is to be broken. A wait is
// looked at when it is 10 ms old, and the other stores are asked twice.
const deadlockWithin = 100 * time.Millisecond

// Two and five sessions on three nodes, with rows in regions of their own, wait for
// each other in a circle. It ends soon after the last wait has begun, with one victim,
// who is told of all waits; all others commit. What counts is the median of ten rounds:
// the machine has other things to do.
func TestDeadlocksEnd(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	nodes := startNodes(t, ctx, 3)
	watch := newRawConn(t, ctx, nodes[0])
	watch.exec(ctx, "create table t (id int primary key, v int); insert into t select g, 0 from generate_series(0, 4) g")
	watch.exec(ctx, "alter table t split at values (1), (2), (3), (4)")
	for _, count := range []int{2, 5} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			var took []time.Duration
			for range 10 {
				took = append(took, oneDeadlock(t, ctx, nodes, watch, count))
			}
			slices.Sort(took)
			t.Logf("broken after %v to %v, median %v", took[0], took[len(took)-1], took[len(took)/2])
			if median := took[len(took)/2]; median > deadlockWithin {
				t.Errorf("circles of %d were broken %v after the last wait began, want %v", count, median, deadlockWithin)
			}
		})
	}
}

type deadlockEnd struct {
	session int
	err     error
	at      time.Time
}

func oneDeadlock(t *testing.T, ctx context.Context, nodes []*Node, watch lockHolder, count int) time.Duration {
	t.Helper()
	sessions := make([]lockHolder, count)
	for i := range sessions {
		sessions[i] = newRawConn(t, ctx, nodes[i%len(nodes)])
		sessions[i].exec(ctx, "begin")
		sessions[i].exec(ctx, fmt.Sprintf("update t set v = v + 1 where id = %d", i))
	}
	ends := make(chan deadlockEnd, count)
	statement := func(i int) string {
		return fmt.Sprintf("update t set v = v + 1 where id = %d /* %d */", (i+1)%count, i)
	}
	for i := range count - 1 {
		go func() { ends <- deadlockEnd{i, sessions[i].try(ctx, statement(i)), time.Now()} }()
		until(t, ctx, func() bool {
			res, err := watch.c.Exec(ctx, fmt.Sprintf("select count(*) from quorate.locks where pid = %d and not granted", sessions[i].c.PID())).ReadAll()
			return err == nil && string(res[0].Rows[0][0]) == "1"
		})
	}
	last := count - 1
	began := time.Now()
	go func() { ends <- deadlockEnd{last, sessions[last].try(ctx, statement(last)), time.Now()} }()
	var took time.Duration
	victims := 0
	for range count {
		end := <-ends
		if end.err == nil {
			sessions[end.session].exec(ctx, "commit") // lets the next one go on
			continue
		}
		victims++
		took = end.at.Sub(began)
		var pe *pgconn.PgError
		if !errors.As(end.err, &pe) || pe.Code != "40P01" {
			t.Fatalf("session %d: %v", end.session, end.err)
		}
		for i, s := range sessions {
			for _, want := range []string{
				fmt.Sprintf("Process %d waits for FOR NO KEY UPDATE lock on", s.c.PID()), fmt.Sprintf("blocked by process %d", s.c.PID()),
				fmt.Sprintf("Process %d on node %d", s.c.PID(), i%len(nodes)+1), statement(i), fmt.Sprintf("(%d)", i),
			} {
				if !strings.Contains(pe.Detail, want) {
					t.Errorf("the victim is not told %q:\n%s", want, pe.Detail)
				}
			}
		}
		sessions[end.session].exec(ctx, "rollback")
	}
	if victims != 1 {
		t.Errorf("%d victims of a circle of %d", victims, count)
	}
	for _, s := range sessions {
		_ = s.c.Close(ctx)
	}
	return took
}
