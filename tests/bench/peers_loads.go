package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// suite is loads on the same tables.
type suite struct {
	name    string
	missing string // what is not installed
	prepare func(ctx context.Context, s system) error
	loads   []load
}

// load is something to do for a while.
type load struct {
	name string
	// run gives throughput and p99 (0: has none), and how many operations there were.
	run func(ctx context.Context, s system) (figures, int64, error)
}

// suites are all loads, or those that fit into five minutes.
func (b *peersBench) suites() []suite {
	return []suite{b.pgbench(), b.sysbench(), b.bulk()}
}

func (b *peersBench) pgbench() suite {
	s := suite{name: "pgbench", prepare: func(ctx context.Context, sys system) error {
		_, err := cluster.PGBench(ctx, sys.dsn, "-i", "-q", "-s", fmt.Sprint(b.f.peers.scale))
		return err
	}}
	scripts := []script{{"-S", []string{"-S"}}, {"-N", []string{"-N"}}, {"default", nil}}
	for _, sc := range scripts {
		for _, mode := range []string{"prepared", "simple"} {
			for _, clients := range []int{1, 8, 32} {
				if b.f.peers.quick && (clients != 8 || sc.name == "default" && mode == "simple") {
					continue
				}
				args := append([]string{"-n", "-c", fmt.Sprint(clients), "-j", "2", "-T", fmt.Sprint(b.f.seconds), "-M", mode, "--max-tries", "1000"}, sc.args...)
				s.loads = append(s.loads, load{fmt.Sprintf("%s %s %d", sc.name, mode, clients), func(ctx context.Context, sys system) (figures, int64, error) {
					return b.runPGBench(ctx, sys, args)
				}})
			}
		}
	}
	return s
}

func (b *peersBench) runPGBench(ctx context.Context, sys system, args []string) (figures, int64, error) {
	logs, err := os.MkdirTemp(b.dir, "log")
	if err != nil {
		return figures{}, 0, err
	}
	defer os.RemoveAll(logs) // below dir, which is removed at the end whatever happens
	r, err := cluster.PGBench(ctx, sys.dsn, append([]string{"-l", "--log-prefix", filepath.Join(logs, "tx")}, args...)...)
	if err != nil {
		return figures{}, 0, err
	}
	lat, err := latencies(logs)
	return figures{tps: r.TPS, p99: percentile(lat, 0.99), failed: r.Failed}, r.Transactions, err
}

// sysbench runs the scripts of the program of that name, with prepared statements.
func (b *peersBench) sysbench() suite {
	rows := 100_000
	if b.f.peers.quick {
		rows = 10_000
	}
	command := func(ctx context.Context, sys system, script, verb string) (string, error) {
		u, err := pgx.ParseConfig(sys.dsn)
		if err != nil {
			return "", err
		}
		cmd := exec.CommandContext(ctx, "sysbench", script, "--db-driver=pgsql", "--pgsql-host="+u.Host, fmt.Sprint("--pgsql-port=", u.Port),
			"--pgsql-user="+u.User, "--pgsql-db="+u.Database, "--tables=1", fmt.Sprint("--table-size=", rows), fmt.Sprint("--threads=", b.f.clients),
			fmt.Sprint("--time=", b.f.seconds), "--events=0", "--percentile=99", verb)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return "", fmt.Errorf("sysbench %s %s: %w: %s", script, verb, err, lastBytes(out, 400))
		}
		return string(out), nil
	}
	s := suite{name: "sysbench", prepare: func(ctx context.Context, sys system) error {
		_, err := command(ctx, sys, "oltp_read_write", "prepare")
		return err
	}}
	if _, err := exec.LookPath("sysbench"); err != nil {
		s.missing = "sysbench is not installed (Debian: apt-get install sysbench)"
	}
	for _, script := range []string{"point_select", "read_only", "update_index", "update_non_index", "read_write", "insert"} {
		s.loads = append(s.loads, load{script, func(ctx context.Context, sys system) (figures, int64, error) {
			out, err := command(ctx, sys, "oltp_"+script, "run")
			if err != nil {
				return figures{}, 0, err
			}
			return parseSysbench(out)
		}})
	}
	return s
}

func lastBytes(b []byte, n int) []byte { return b[max(0, len(b)-n):] }

var (
	sysbenchCount = regexp.MustCompile(`transactions:\s+(\d+)\s+\(([0-9.]+) per sec`)
	sysbenchP99   = regexp.MustCompile(`99th percentile:\s+([0-9.]+)`)
)

// parseSysbench reads what a run of sysbench with --percentile=99 printed.
func parseSysbench(out string) (figures, int64, error) {
	count, p99 := sysbenchCount.FindStringSubmatch(out), sysbenchP99.FindStringSubmatch(out)
	if count == nil || p99 == nil {
		return figures{}, 0, fmt.Errorf("sysbench printed no figures: %s", lastBytes([]byte(out), 400))
	}
	n, err := strconv.ParseInt(count[1], 10, 64)
	if err != nil {
		return figures{}, 0, err
	}
	tps, err := strconv.ParseFloat(count[2], 64)
	if err != nil {
		return figures{}, 0, err
	}
	late, err := strconv.ParseFloat(p99[1], 64)
	return figures{tps: tps, p99: time.Duration(late * float64(time.Millisecond))}, n, err
}

// bulk is COPY, and queries that read all that it has written.
func (b *peersBench) bulk() suite {
	rows := 1_000_000
	if b.f.peers.quick {
		rows = 100_000
	}
	data := bulkRows(rows)
	copyIn := func(ctx context.Context, sys system) (figures, int64, error) {
		var f figures
		err := withConn(ctx, sys, func(c *pgx.Conn) error {
			if _, err := c.Exec(ctx, "DROP TABLE IF EXISTS fact; CREATE TABLE fact (id int PRIMARY KEY, dim int NOT NULL, v int NOT NULL, note text)"); err != nil {
				return err
			}
			began := time.Now()
			tag, err := c.PgConn().CopyFrom(ctx, bytes.NewReader(data), "COPY fact FROM STDIN")
			if err == nil && tag.RowsAffected() != int64(rows) {
				err = fmt.Errorf("COPY took %d rows of %d", tag.RowsAffected(), rows)
			}
			f.tps = float64(rows) / time.Since(began).Seconds()
			return err
		})
		return f, int64(rows), err
	}
	s := suite{name: fmt.Sprintf("%d rows:", rows), prepare: func(ctx context.Context, sys system) error {
		return withConn(ctx, sys, func(c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DROP TABLE IF EXISTS dim; CREATE TABLE dim (id int PRIMARY KEY, name text); INSERT INTO dim SELECT i, 'name' || i % 10 FROM generate_series(0, 999) i")
			return err
		})
	}}
	s.loads = append(s.loads, load{"COPY in", copyIn})
	for _, q := range []struct{ name, text string }{
		{"count(*) of a condition", "SELECT count(*) FROM fact WHERE v % 7 = 3"},
		{"sum by group", "SELECT dim, sum(v) FROM fact GROUP BY dim ORDER BY 2 DESC LIMIT 10"},
		{"join and group", "SELECT d.name, count(*), sum(f.v) FROM fact f JOIN dim d ON d.id = f.dim GROUP BY d.name ORDER BY 1"},
	} {
		s.loads = append(s.loads, load{q.name, func(ctx context.Context, sys system) (f figures, n int64, err error) {
			err = withConn(ctx, sys, func(c *pgx.Conn) error {
				f, n, err = repeat(ctx, c, q.text, time.Duration(b.f.seconds)*time.Second)
				return err
			})
			return f, n, err
		}})
	}
	return s
}

// bulkRows is the text that COPY takes.
func bulkRows(n int) []byte {
	var b []byte
	for i := range n {
		b = fmt.Appendf(b, "%d\t%d\t%d\tnote of row %d\n", i, i*7919%1000, i*31%10007, i)
	}
	return b
}

// repeat runs a query for a while, at least once.
func repeat(ctx context.Context, c *pgx.Conn, query string, d time.Duration) (f figures, n int64, err error) {
	began := time.Now()
	var took []time.Duration
	for n == 0 || time.Since(began) < d {
		at := time.Now()
		rows, err := c.Query(ctx, query, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return f, 0, err
		}
		got := 0
		for rows.Next() {
			got++
		}
		if err := rows.Err(); err != nil {
			return f, 0, err
		}
		if got == 0 {
			return f, 0, errors.New("no row")
		}
		took = append(took, time.Since(at))
		n++
	}
	f.tps = 1 / medianOf(took).Seconds()
	return f, n, nil
}

func withConn(ctx context.Context, sys system, f func(c *pgx.Conn) error) (err error) {
	cfg, err := pgx.ParseConfig(sys.dsn)
	if err != nil {
		return err
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	return f(c)
}
