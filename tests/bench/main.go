package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

type flags struct {
	quorate string
	out     string
	seconds int
	rounds  int
	clients int
	scale   int
	max     time.Duration
	idle    idleFlags
	peers   peersFlags
}

func main() {
	var f flags
	flag.StringVar(&f.quorate, "quorate", "", "binary to measure; empty: build it")
	flag.StringVar(&f.out, "out", "", "also write the table to this file")
	flag.IntVar(&f.seconds, "seconds", 10, "length of one run")
	flag.IntVar(&f.rounds, "rounds", 3, "runs of each script on each system, in turns")
	flag.IntVar(&f.clients, "clients", 8, "pgbench's clients")
	flag.IntVar(&f.scale, "scale", 1, "pgbench's scale")
	flag.DurationVar(&f.max, "timeout", 30*time.Minute, "give up after this long")
	flag.IntVar(&f.idle.regions, "idle", 0, "measure this many regions that nobody uses, instead of pgbench")
	flag.IntVar(&f.idle.seconds, "idle-seconds", 60, "how long they are watched")
	flag.DurationVar(&f.idle.settle, "idle-settle", 20*time.Second, "how long they are left alone before")
	flag.DurationVar(&f.idle.retention, "idle-retention", 0, "--gc-retention of the nodes")
	flag.StringVar(&f.idle.profiles, "idle-profiles", "", "directory for profiles of the nodes")
	flag.Float64Var(&f.idle.maxCPU, "idle-max-cpu", 0, "per cent of a core above which the run fails; 0: none")
	flag.IntVar(&f.idle.maxRSS, "idle-max-rss", 0, "MB above which the run fails; 0: none")
	flag.DurationVar(&f.idle.maxLed, "idle-max-led", 0, "time to lead all regions again above which the run fails; 0: none")
	flag.BoolVar(&f.peers.on, "peers", false, "compare all loads with PostgreSQL alone and with two synchronous standbys, instead of pgbench")
	flag.BoolVar(&f.peers.quick, "peers-quick", false, "the loads that fit into five minutes")
	flag.StringVar(&f.peers.base, "peers-base", "", "compare with this binary of Quorate instead of PostgreSQL")
	flag.StringVar(&f.peers.only, "peers-only", "", "pattern of the loads")
	flag.IntVar(&f.peers.scale, "peers-scale", 10, "pgbench's scale for the comparison with peers")
	flag.Parse()
	if flag.NArg() > 0 || f.seconds < 1 || f.rounds < 1 || f.clients < 1 || f.scale < 1 || f.peers.scale < 1 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	ctx, timeout := context.WithTimeout(ctx, f.max)
	defer timeout()
	measure := run
	if f.idle.regions > 0 {
		measure = runIdle
	}
	if f.peers.on {
		measure = runPeers
	}
	if err := measure(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// system is one of the two that are compared.
type system struct {
	name string
	dsn  string
	cpu  func() (time.Duration, error) // of all its processes, since they began
}

// script is a pgbench run.
type script struct {
	name string
	args []string
}

// scripts in the order in which they run. Until Quorate locks rows, the default
// script's transactions conflict on its one branch and are retried.
func scripts() []script {
	return []script{
		{"-S", []string{"-S"}},
		{"-N", []string{"-N", "--max-tries", "1000"}},
		{"default", []string{"--max-tries", "1000"}},
	}
}

func run(ctx context.Context, f flags) (err error) {
	if _, err := exec.LookPath("pgbench"); err != nil {
		return errors.New("pgbench is not installed (Debian: apt-get install postgresql-15)")
	}
	bin, err := postgres.Bin()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "quorate-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := os.Chmod(dir, 0o755); err != nil { // the user postgres must get in
		return err
	}
	if f.quorate == "" {
		if f.quorate, err = cluster.Build(ctx, dir); err != nil {
			return err
		}
	}
	pg, err := postgres.Start(ctx, bin, filepath.Join(dir, "postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Stop()) }()
	c := cluster.New(cluster.Options{Binary: f.quorate, Dir: filepath.Join(dir, "quorate")})
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Start(ctx, 3); err != nil {
		return err
	}
	systems := []system{
		{"PostgreSQL", pg.DSN, func() (time.Duration, error) { return treeCPU(pg.PID()) }},
		{"Quorate", c.Nodes()[0].DSN(), func() (time.Duration, error) {
			var sum time.Duration
			for _, n := range c.Nodes() {
				d, err := treeCPU(n.PID())
				if err != nil {
					return 0, err
				}
				sum += d
			}
			return sum, nil
		}},
	}
	report := &strings.Builder{}
	w := io.MultiWriter(os.Stdout, report)
	if err := header(w, f, pg.Version, dir); err != nil {
		return err
	}
	for _, s := range systems {
		began := time.Now()
		if _, err := cluster.PGBench(ctx, s.dsn, "-i", "-q", "-s", fmt.Sprint(f.scale)); err != nil {
			return fmt.Errorf("load %s: %w", s.name, err)
		}
		fmt.Fprintf(w, "load %s: %.1f s\n", s.name, time.Since(began).Seconds())
	}
	results, err := measureAll(ctx, f, systems, dir)
	if err != nil {
		return err
	}
	printTable(w, systems, results)
	if f.out == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.out, []byte(report.String()), 0o644)
}

func header(w io.Writer, f flags, version, dir string) error {
	sync, err := syncTime(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "pgbench, %d clients, scale %d, prepared, %d runs of %d s each in turns; %s; Quorate: 3 processes; fsync on\n",
		f.clients, f.scale, f.rounds, f.seconds, version)
	fmt.Fprintf(w, "%d CPUs, %s, one fsync of 4 KiB here takes %.2f ms (median of 100)\n\n", runtime.NumCPU(), runtime.Version(), ms(sync))
	return nil
}

// figures of one run, or the medians of several.
type figures struct {
	tps    float64
	p99    time.Duration
	cpu    float64 // server seconds per 1,000 transactions
	failed int64
	tries  float64 // share of transactions that needed more than one try
}

// measureAll runs every script on each system in turns and gives the medians, by
// script and system.
func measureAll(ctx context.Context, f flags, systems []system, dir string) (map[string]map[string]figures, error) {
	out := map[string]map[string]figures{}
	for _, sc := range scripts() {
		runs := map[string][]figures{}
		for round := range f.rounds {
			for _, s := range systems {
				r, err := measure(ctx, f, s, sc, dir)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", s.name, sc.name, err)
				}
				fmt.Fprintf(os.Stderr, "%s, %s, run %d: %.0f a second, p99 %.2f ms, %.3f CPU s per 1,000\n", s.name, sc.name, round+1, r.tps, ms(r.p99), r.cpu)
				runs[s.name] = append(runs[s.name], r)
			}
		}
		out[sc.name] = map[string]figures{}
		for name, rs := range runs {
			out[sc.name][name] = medians(rs)
		}
	}
	return out, nil
}

func measure(ctx context.Context, f flags, s system, sc script, dir string) (figures, error) {
	logs, err := os.MkdirTemp(dir, "log")
	if err != nil {
		return figures{}, err
	}
	defer os.RemoveAll(logs) // below dir, which is removed at the end whatever happens
	before, err := s.cpu()
	if err != nil {
		return figures{}, err
	}
	args := append([]string{"-n", "-c", fmt.Sprint(f.clients), "-j", "2", "-T", fmt.Sprint(f.seconds), "-M", "prepared", "-l", "--log-prefix", filepath.Join(logs, "tx")}, sc.args...)
	r, err := cluster.PGBench(ctx, s.dsn, args...)
	if err != nil {
		return figures{}, err
	}
	after, err := s.cpu()
	if err != nil {
		return figures{}, err
	}
	if r.Transactions == 0 {
		return figures{}, fmt.Errorf("no transaction:\n%s", r.Output)
	}
	lat, err := latencies(logs)
	if err != nil {
		return figures{}, err
	}
	return figures{
		tps: r.TPS, p99: percentile(lat, 0.99), failed: r.Failed,
		cpu:   (after - before).Seconds() / float64(r.Transactions) * 1000,
		tries: float64(r.Retried) / float64(r.Transactions),
	}, nil
}

func medians(rs []figures) figures {
	by := func(f func(figures) float64) float64 {
		vs := make([]float64, len(rs))
		for i, r := range rs {
			vs[i] = f(r)
		}
		sort.Float64s(vs)
		if n := len(vs); n%2 == 0 {
			return (vs[n/2-1] + vs[n/2]) / 2
		}
		return vs[len(vs)/2]
	}
	m := figures{
		tps: by(func(f figures) float64 { return f.tps }), cpu: by(func(f figures) float64 { return f.cpu }),
		p99:   time.Duration(by(func(f figures) float64 { return float64(f.p99) })),
		tries: by(func(f figures) float64 { return f.tries }),
	}
	for _, r := range rs {
		m.failed += r.failed
	}
	return m
}

func printTable(w io.Writer, systems []system, results map[string]map[string]figures) {
	fmt.Fprintln(w)
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "script\tsystem\ttx/s\tp99 ms\tCPU s/1,000 tx\tretried\tfailed\t")
	for _, sc := range scripts() {
		row := results[sc.name]
		for _, s := range systems {
			f := row[s.name]
			fmt.Fprintf(tw, "%s\t%s\t%.0f\t%.2f\t%.3f\t%.1f %%\t%d\t\n", sc.name, s.name, f.tps, ms(f.p99), f.cpu, 100*f.tries, f.failed)
		}
		a, b := row[systems[0].name], row[systems[1].name]
		fmt.Fprintf(tw, "%s\t%s\t%.3f\t%.2f\t%.2f\t\t\t\n", sc.name, "ratio", b.tps/a.tps, float64(b.p99)/float64(a.p99), b.cpu/a.cpu)
	}
	_ = tw.Flush() // to memory and stdout
	fmt.Fprintln(w, "\nratio: Quorate / PostgreSQL; more is better for tx/s, less for p99 and CPU")
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
