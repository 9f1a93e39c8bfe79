package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
	"github.com/quorate-db/quorate/tests/internal/postgres"
)

// peersFlags are the parameters of the comparison with peers.
type peersFlags struct {
	on    bool
	quick bool
	base  string
	only  string
	scale int
}

// pair is a system with what it is compared with: the pair runs in turns.
type pair struct{ peer, own system }

// peersBench compares pairs of systems under all loads.
type peersBench struct {
	f     flags
	pairs []pair
	dir   string
	only  *regexp.Regexp
	rows  []row
}

// row is a line of the table: one load on one pair.
type row struct {
	load      string
	peer, own string // names
	a, b      figures
	busy      busyness
	skipped   string // why there are no figures
}

// runPeers measures one PostgreSQL and a primary with two synchronous standbys
// against Quorate with one node and with three processes.
func runPeers(ctx context.Context, f flags) (err error) {
	b := &peersBench{f: f}
	if b.only, err = regexp.Compile(f.peers.only); err != nil {
		return err
	}
	if _, err := exec.LookPath("pgbench"); err != nil {
		return errors.New("pgbench is not installed (Debian: apt-get install postgresql-15)")
	}
	if b.dir, err = os.MkdirTemp("", "quorate-peers-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := os.Chmod(b.dir, 0o755); err != nil { // the user postgres must get in
		return err
	}
	if b.f.quorate == "" {
		if b.f.quorate, err = cluster.Build(ctx, b.dir); err != nil {
			return err
		}
	}
	var stop closers
	defer func() { err = errors.Join(err, stop.close()) }()
	about, err := b.start(ctx, &stop)
	if err != nil {
		return err
	}
	report := &strings.Builder{}
	w := io.MultiWriter(os.Stdout, report)
	sync, err := syncTime(b.dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "%s. fsync is on everywhere.\n", about)
	fmt.Fprintf(w, "%d runs of %d s each in turns, medians; pgbench scale %d; all on one machine with %d CPUs, %s;\none fsync of 4 KiB here takes %.2f ms (median of 100).\n\n",
		f.rounds, f.seconds, f.peers.scale, runtime.NumCPU(), runtime.Version(), ms(sync))
	began, err := machineNow()
	if err != nil {
		return err
	}
	for _, s := range b.suites() {
		if err := b.suite(ctx, s); err != nil {
			return err
		}
	}
	ended, err := machineNow()
	if err != nil {
		return err
	}
	b.print(w)
	fmt.Fprintf(w, "\nThe machine over the whole run: %s.\n", ended.since(began))
	if f.out == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(f.out), 0o755); err != nil {
		return err
	}
	return os.WriteFile(f.out, []byte(report.String()), 0o644)
}

// closers are ended in the opposite order.
type closers []func() error

func (c *closers) add(f func() error) { *c = append(*c, f) }

func (c *closers) close() (err error) {
	for i := len(*c) - 1; i >= 0; i-- {
		err = errors.Join(err, (*c)[i]())
	}
	return err
}

// start starts all systems and says what they are.
func (b *peersBench) start(ctx context.Context, stop *closers) (about string, err error) {
	own, err := b.startQuorate(ctx, stop, b.f.quorate, "Q")
	if err != nil {
		return "", err
	}
	if b.f.peers.base != "" {
		base, err := b.startQuorate(ctx, stop, b.f.peers.base, "base")
		if err != nil {
			return "", err
		}
		b.pairs = []pair{{base[0], own[0]}, {base[1], own[1]}}
		return fmt.Sprintf("Q: %s, base: %s, with one node and with three processes each", b.f.quorate, b.f.peers.base), nil
	}
	bin, err := postgres.Bin()
	if err != nil {
		return "", err
	}
	var servers []*postgres.Server
	keep := func(s *postgres.Server, err error) error {
		if err == nil {
			servers = append(servers, s)
			stop.add(s.Stop)
		}
		return err
	}
	if err := keep(postgres.Start(ctx, bin, filepath.Join(b.dir, "alone"))); err != nil {
		return "", err
	}
	if err := keep(postgres.Start(ctx, bin, filepath.Join(b.dir, "primary"))); err != nil {
		return "", err
	}
	standbys := []string{"standby1", "standby2"}
	for _, name := range standbys {
		if err := keep(postgres.StartStandby(ctx, bin, filepath.Join(b.dir, name), servers[1], name)); err != nil {
			return "", err
		}
	}
	if err := postgres.Synchronous(ctx, servers[1], standbys...); err != nil {
		return "", err
	}
	pids := make([]int, len(servers))
	for i, s := range servers {
		pids[i] = s.PID()
	}
	b.pairs = []pair{
		{system{"PG", servers[0].DSN, treesCPU(pids[:1])}, own[0]},
		{system{"PG+2", servers[1].DSN, treesCPU(pids[1:])}, own[1]},
	}
	return fmt.Sprintf("PG: one %[1]s; PG+2: a primary of %[1]s with two synchronous standbys (ANY 1); Q1: Quorate with one node; Q3: with three processes", servers[0].Version), nil
}

// startQuorate starts one node and, as another cluster, three processes.
func (b *peersBench) startQuorate(ctx context.Context, stop *closers, bin, name string) (systems [2]system, err error) {
	for i, nodes := range []int{1, 3} {
		label := fmt.Sprint(name, nodes)
		c := cluster.New(cluster.Options{Binary: bin, Dir: filepath.Join(b.dir, label)})
		stop.add(c.Close)
		if err := c.Start(ctx, nodes); err != nil {
			return systems, err
		}
		var pids []int
		for _, n := range c.Nodes() {
			pids = append(pids, n.PID())
		}
		systems[i] = system{label, c.Nodes()[0].DSN(), treesCPU(pids)}
	}
	return systems, nil
}

// treesCPU sums treeCPU over processes.
func treesCPU(pids []int) func() (time.Duration, error) {
	return func() (sum time.Duration, err error) {
		for _, pid := range pids {
			d, err := treeCPU(pid)
			if err != nil {
				return 0, err
			}
			sum += d
		}
		return sum, nil
	}
}

// suite makes its tables on all systems and runs its loads.
func (b *peersBench) suite(ctx context.Context, s suite) error {
	var loads []load
	for _, l := range s.loads {
		if b.only.MatchString(s.name + " " + l.name) {
			loads = append(loads, l)
		}
	}
	if len(loads) == 0 {
		return nil
	}
	if s.missing != "" {
		b.rows = append(b.rows, row{load: s.name, skipped: "SKIP: " + s.missing})
		return nil
	}
	for _, p := range b.pairs {
		for _, sys := range []system{p.peer, p.own} {
			if err := s.prepare(ctx, sys); err != nil {
				return fmt.Errorf("%s on %s: %w", s.name, sys.name, err)
			}
		}
	}
	for _, l := range loads {
		for _, p := range b.pairs {
			r, err := b.compare(ctx, s, l, p)
			if err != nil {
				return err
			}
			b.rows = append(b.rows, r)
		}
	}
	return nil
}

// compare runs one load on a pair in turns. A load that a system cannot run is a row
// that says so.
func (b *peersBench) compare(ctx context.Context, s suite, l load, p pair) (row, error) {
	r := row{load: s.name + " " + l.name, peer: p.peer.name, own: p.own.name}
	before, err := machineNow()
	if err != nil {
		return r, err
	}
	var runs [2][]figures
	for range b.f.rounds {
		for i, sys := range []system{p.peer, p.own} {
			was, err := sys.cpu()
			if err != nil {
				return r, err
			}
			f, ops, err := l.run(ctx, sys)
			if err == nil && ops == 0 {
				err = errors.New("nothing was done")
			}
			if ctx.Err() != nil {
				return r, ctx.Err()
			}
			if err != nil {
				r.skipped = fmt.Sprintf("FAILED on %s: %s", sys.name, firstLines(err.Error(), 300))
				fmt.Fprintln(os.Stderr, r.load, r.skipped)
				return r, nil
			}
			now, err := sys.cpu()
			if err != nil {
				return r, err
			}
			f.cpu = (now - was).Seconds() / float64(ops) * 1000
			fmt.Fprintf(os.Stderr, "%s, %s: %.0f a second, p99 %.2f ms, %.4f CPU s per 1,000\n", r.load, sys.name, f.tps, ms(f.p99), f.cpu)
			runs[i] = append(runs[i], f)
		}
	}
	after, err := machineNow()
	if err != nil {
		return r, err
	}
	r.a, r.b, r.busy = medians(runs[0]), medians(runs[1]), after.since(before)
	return r, nil
}

func firstLines(s string, n int) string {
	return strings.Join(strings.Fields(s[:min(n, len(s))]), " ")
}

func (b *peersBench) print(w io.Writer) {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "load\tpeer\t\tCPU s/1,000\t\tCPU\tops/s\t\tops\tp99 ms\t\tmachine\t\t")
	fmt.Fprintln(tw, "\t\t\tpeer\town\tratio\tpeer\town\tratio\tpeer\town\tload\tsteal\t")
	for _, r := range b.rows {
		if r.skipped != "" {
			continue
		}
		p99 := func(f figures) string {
			if f.p99 == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", ms(f.p99))
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%.4f\t%.4f\t%.2f\t%.0f\t%.0f\t%.2f\t%s\t%s\t%.1f\t%.1f %%\t\n", r.load, r.peer, r.own,
			r.a.cpu, r.b.cpu, r.b.cpu/r.a.cpu, r.a.tps, r.b.tps, r.b.tps/r.a.tps, p99(r.a), p99(r.b), r.busy.load, r.busy.steal)
	}
	_ = tw.Flush() // to memory and stdout
	fmt.Fprintln(w, "\nratio: own / peer; less is better for CPU, more for operations. An operation is a transaction, a row of COPY, or a query.")
	for _, r := range b.rows {
		if r.skipped != "" {
			fmt.Fprintf(w, "%s %s %s: %s\n", r.load, r.peer, r.own, r.skipped)
		}
	}
}

// machine is how much the CPUs have done since the system was started.
type machine struct{ total, idle, steal, load float64 }

// busyness is what the machine did meanwhile: steal and busy are per cent of its
// CPUs, load is the average of one minute at the end.
type busyness struct{ busy, steal, load float64 }

func (b busyness) String() string {
	return fmt.Sprintf("CPUs %.0f %% busy, %.1f %% stolen by the host, load %.1f at the end", b.busy, b.steal, b.load)
}

func machineNow() (machine, error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return machine{}, err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return machine{}, err
	}
	return parseMachine(string(stat), string(load))
}

// parseMachine reads /proc/stat and /proc/loadavg (proc(5)).
func parseMachine(stat, load string) (m machine, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return m, fmt.Errorf("not the first line of /proc/stat: %q", line)
	}
	for i, s := range f[1:9] { // guest times are in those of user and nice
		n, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return m, err
		}
		m.total += n
		switch i {
		case 3, 4: // idle, iowait
			m.idle += n
		case 7:
			m.steal = n
		}
	}
	first, _, _ := strings.Cut(load, " ")
	m.load, err = strconv.ParseFloat(first, 64)
	return m, err
}

func (m machine) since(o machine) busyness {
	total := m.total - o.total
	if total <= 0 {
		return busyness{load: m.load}
	}
	return busyness{busy: 100 * (total - (m.idle - o.idle)) / total, steal: 100 * (m.steal - o.steal) / total, load: m.load}
}

// medianOf sorts its argument.
func medianOf(ds []time.Duration) time.Duration {
	sort.Slice(ds, func(i, j int) bool { return ds[i] < ds[j] })
	return percentile(ds, 0.5)
}
