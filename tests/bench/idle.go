package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// idleFlags are the parameters of the measurement of regions that nobody uses.
type idleFlags struct {
	regions   int
	seconds   int
	settle    time.Duration
	retention time.Duration
	profiles  string
	maxCPU    float64 // per cent of a core
	maxRSS    int     // MB
	maxLed    time.Duration
}

// runIdle cuts a table into regions, measures what three processes cost while
// nobody asks them anything, kills them all, and measures how long it takes until
// every region is led again.
func runIdle(ctx context.Context, f flags) (err error) {
	dir, err := os.MkdirTemp("", "quorate-idle-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if f.quorate == "" {
		if f.quorate, err = cluster.Build(ctx, dir); err != nil {
			return err
		}
	}
	opts := cluster.Options{Binary: f.quorate, Dir: filepath.Join(dir, "quorate")}
	if f.idle.retention > 0 {
		opts.Flags = append(opts.Flags, "--gc-retention", f.idle.retention.String())
	}
	c := cluster.New(opts)
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := c.Start(ctx, 3); err != nil {
		return err
	}
	b := &idleBench{f: f.idle, c: c, out: os.Stdout}
	if err := b.cut(ctx); err != nil {
		return err
	}
	if err := b.rest(ctx, "idle"); err != nil {
		return err
	}
	if err := b.restart(ctx); err != nil {
		return err
	}
	if err := b.rest(ctx, "idle after the restart"); err != nil {
		return err
	}
	if len(b.missed) > 0 {
		return errors.New(strings.Join(b.missed, "; "))
	}
	return nil
}

type idleBench struct {
	f      idleFlags
	c      *cluster.Cluster
	out    io.Writer
	all    int // regions, with those that a new cluster has
	missed []string
}

func (b *idleBench) missedIf(missed bool, format string, args ...any) {
	if missed {
		b.missed = append(b.missed, fmt.Sprintf(format, args...))
	}
}

// cut makes the regions, with a row in each.
func (b *idleBench) cut(ctx context.Context) error {
	conn, err := b.c.Nodes()[0].Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }() // it has answered
	before, err := b.c.Regions(ctx, "")
	if err != nil {
		return err
	}
	n := b.f.regions - len(before)
	for _, s := range []string{
		"CREATE TABLE idle (id bigint PRIMARY KEY, v text)",
		fmt.Sprintf("INSERT INTO idle SELECT i, 'row ' || i FROM generate_series(1, %d) AS g(i)", n),
	} {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	began := time.Now()
	if _, err := conn.Exec(ctx, fmt.Sprintf("ALTER TABLE idle SPLIT AT SELECT i FROM generate_series(1, %d) AS g(i)", n)); err != nil {
		var pg *pgconn.PgError
		if errors.As(err, &pg) {
			err = fmt.Errorf("%w: %s", err, pg.Detail)
		}
		return fmt.Errorf("SPLIT AT %d keys, after %.1f s: %w", n, time.Since(began).Seconds(), err)
	}
	took := time.Since(began)
	after, err := b.c.Regions(ctx, "")
	if err != nil {
		return err
	}
	b.all = len(after)
	fmt.Fprintf(b.out, "cut: %d regions in %.1f s, %.0f a second\n", b.all, took.Seconds(), float64(n)/took.Seconds())
	b.missedIf(b.all != b.f.regions, "%d regions, not %d", b.all, b.f.regions)
	began = time.Now()
	if err := b.c.WaitFor(ctx, "balanced"); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "balanced after %.1f s more\n", time.Since(began).Seconds())
	return nil
}

// rest measures CPU and memory while nothing is asked.
func (b *idleBench) rest(ctx context.Context, what string) error {
	if err := pause(ctx, b.f.settle); err != nil {
		return err
	}
	var before []time.Duration
	for _, n := range b.c.Nodes() {
		d, err := treeCPU(n.PID())
		if err != nil {
			return err
		}
		before = append(before, d)
	}
	began := time.Now()
	var profiles sync.WaitGroup
	var failed error
	if b.f.profiles != "" {
		profiles.Go(func() { failed = b.profile(ctx, strings.ReplaceAll(what, " ", "-")) })
	}
	if err := pause(ctx, time.Duration(b.f.seconds)*time.Second); err != nil {
		return err
	}
	took := time.Since(began)
	var each []string
	var cpu time.Duration
	rss := 0
	for i, n := range b.c.Nodes() {
		d, err := treeCPU(n.PID())
		if err != nil {
			return err
		}
		m, err := residentMB(n.PID())
		if err != nil {
			return err
		}
		cpu, rss = cpu+d-before[i], rss+m
		each = append(each, fmt.Sprintf("node %d: %.1f %%, %d MB", n.ID, 100*(d-before[i]).Seconds()/took.Seconds(), m))
	}
	profiles.Wait()
	percent := 100 * cpu.Seconds() / took.Seconds()
	fmt.Fprintf(b.out, "%s, %.0f s: %d regions x 3 cost %.1f %% of a core and %d MB (%s)\n", what, took.Seconds(), b.all, percent, rss, strings.Join(each, "; "))
	b.missedIf(b.f.maxCPU > 0 && percent > b.f.maxCPU, "%s: %.1f %% of a core, more than %.1f", what, percent, b.f.maxCPU)
	b.missedIf(b.f.maxRSS > 0 && rss > b.f.maxRSS, "%s: %d MB, more than %d", what, rss, b.f.maxRSS)
	return failed
}

// restart kills all processes, starts them together, and waits until every region
// is led: first by the stores' own count, then in the listing of each node, and
// then by a statement that reads all of them.
func (b *idleBench) restart(ctx context.Context) error {
	nodes := b.c.Nodes()
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(n.Kill)
	}
	wg.Wait()
	errs := make([]error, len(nodes))
	for i, n := range nodes {
		wg.Go(func() { errs[i] = n.Start(ctx) })
	}
	began := time.Now()
	led, err := b.untilLed(ctx, began)
	if err != nil {
		return err
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	ready := time.Since(began)
	if err := b.untilListed(ctx); err != nil {
		return err
	}
	listed := time.Since(began)
	conn, err := nodes[0].Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }() // it has answered
	var rows int
	if err := conn.QueryRow(ctx, "SELECT count(*) FROM idle").Scan(&rows); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "restart of all after SIGKILL: %d regions led after %.1f s; all nodes ready after %.1f s, all leaders listed after %.1f s, all regions read after %.1f s (%d rows)\n",
		b.all, led.Seconds(), ready.Seconds(), listed.Seconds(), time.Since(began).Seconds(), rows)
	b.missedIf(b.f.maxLed > 0 && led > b.f.maxLed, "led again after %.1f s, more than %v", led.Seconds(), b.f.maxLed)
	return nil
}

// untilLed waits until the stores lead all regions between them.
func (b *idleBench) untilLed(ctx context.Context, began time.Time) (time.Duration, error) {
	said := 0
	for {
		sum := 0
		for _, n := range b.c.Nodes() {
			st, err := nodeStats(ctx, n)
			if err == nil {
				sum += st.Store.Leaders
			}
		}
		took := time.Since(began)
		if sum == b.all {
			return took, nil
		}
		if s := int(took.Seconds()); s > said {
			said = s
			fmt.Fprintf(os.Stderr, "after %d s %d of %d regions are led\n", s, sum, b.all)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return 0, fmt.Errorf("%d of %d regions are led: %w", sum, b.all, err)
		}
	}
}

// untilListed waits until each node lists all regions with a leader.
func (b *idleBench) untilListed(ctx context.Context) error {
	for _, n := range b.c.Nodes() {
		for {
			rs, err := n.Regions(ctx, "")
			led := 0
			for _, r := range rs {
				if r.Leader != nil {
					led++
				}
			}
			if err == nil && len(rs) == b.all && led == b.all {
				break
			}
			if perr := pause(ctx, 100*time.Millisecond); perr != nil {
				return fmt.Errorf("node %d lists %d regions, %d with a leader: %w", n.ID, len(rs), led, errors.Join(err, perr))
			}
		}
	}
	return nil
}

// profile keeps CPU and heap profiles of every node.
func (b *idleBench) profile(ctx context.Context, what string) error {
	var wg sync.WaitGroup
	errs := make([]error, len(b.c.Nodes()))
	for i, n := range b.c.Nodes() {
		wg.Go(func() {
			cpu := fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, b.f.seconds-2))
			errs[i] = errors.Join(
				fetch(ctx, n, cpu, filepath.Join(b.f.profiles, fmt.Sprintf("%s-%d.cpu", what, n.ID))),
				fetch(ctx, n, "/debug/pprof/heap", filepath.Join(b.f.profiles, fmt.Sprintf("%s-%d.heap", what, n.ID))))
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func get(ctx context.Context, n *cluster.Node, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("%s: %s", path, resp.Status), resp.Body.Close())
	}
	return resp.Body, nil
}

func fetch(ctx context.Context, n *cluster.Node, path, to string) error {
	body, err := get(ctx, n, path)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(body)
	if err := errors.Join(err, body.Close()); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// stats is what of /debug/stats is of use here.
type stats struct {
	Store struct{ Replicas, Leaders int } `json:"store"`
}

func nodeStats(ctx context.Context, n *cluster.Node) (st stats, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	body, err := get(ctx, n, "/debug/stats")
	if err != nil {
		return st, err
	}
	return st, errors.Join(json.NewDecoder(body).Decode(&st), body.Close())
}

// residentMB is the resident memory of a process (VmRSS, proc(5)).
func residentMB(pid int) (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseRSS(string(b))
}

func parseRSS(status string) (int, error) {
	for line := range strings.Lines(status) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, err := strconv.Atoi(f[1])
			return kb / 1024, err
		}
	}
	return 0, errors.New("no VmRSS in /proc/PID/status")
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
