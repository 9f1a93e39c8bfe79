package chaos

import (
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/elle"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

// The workloads and their judges find nothing wrong with PostgreSQL, which is
// right, at each level: what they find elsewhere is not of their own making.
func TestLoadsOnPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes: not with -short")
	}
	bin, err := postgres.Bin()
	if err != nil {
		t.Skip(err)
	}
	ctx := within(t, 4*time.Minute)
	dir, err := os.MkdirTemp("", "quorate-chaos-postgres-") // t.TempDir is closed to PostgreSQL's user
	must(t, err)
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p, err := postgres.Start(ctx, bin, dir, "fsync=off", "deadlock_timeout=20ms")
	must(t, err)
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	const length = 400 * time.Millisecond
	for _, l := range loads {
		for _, lev := range levels {
			t.Run(l.name+"/"+lev.name, func(t *testing.T) {
				conn, err := pgx.Connect(ctx, p.DSN)
				must(t, err)
				defer func() { _ = conn.Close(ctx) }() // all answers were read
				must(t, executeAll(ctx, conn, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public"))
				if lev.promise == elle.StrictSerializable {
					lev.promise = elle.Serializable // it promises nothing about time
				}
				r := &run{setting: setting{l.name, lev.name, "none", length, 1}, level: lev, load: l.make(), log: t.Logf}
				r.servers = func() []server { return []server{{1, p.DSN}} }
				must(t, r.load.setup(ctx, conn))
				stop, wait := r.startClients(ctx)
				idle(ctx, length)
				stop()
				wait()
				if err := r.judge(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
