package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// load is what the clients of a run do, and how it is judged. The methods that
// take a client are called concurrently.
type load interface {
	// setup makes the tables.
	setup(ctx context.Context, conn *pgx.Conn) error
	// step does an operation of its choice and records it.
	step(c *client)
	// keys counts what touch can write to.
	keys() int
	// touch writes to the key of a number, as an operation like any other.
	touch(c *client, key int) attempt
	// final reads what there is at the end, through a client that stays on its
	// node. It is called once for each node, for one after the other.
	final(c *client) error
	// verdict judges the run.
	verdict(l level) verdict
	// save writes the history.
	save(w io.Writer) error
	// tables that are split at every stride before the run, and that a nemesis may
	// split anywhere. Each has an integer primary key.
	tables() []string
}

// Most keys are below splitBelow, in four parts of the length stride.
const (
	splitBelow = 4_000_000
	stride     = splitBelow / 4
)

// split splits the tables of a load, so that transactions span regions.
func split(ctx context.Context, conn *pgx.Conn, l load) error {
	for _, t := range l.tables() {
		if err := executeAll(ctx, conn, fmt.Sprintf("ALTER TABLE %s SPLIT AT VALUES (%d), (%d), (%d)", t, stride, 2*stride, 3*stride)); err != nil {
			return err
		}
	}
	return nil
}

// verdict of a run.
type verdict struct {
	OK, All int    // operations that were acknowledged, and all
	Seen    string // what else is worth saying
	Err     error  // what is wrong
}

// setting says which run it is. The same setting makes the same choices, though
// not at the same moments.
type setting struct {
	Workload, Level, Nemesis string
	Time                     time.Duration
	Seed                     uint64
}

func (s setting) String() string {
	return fmt.Sprintf("-workload %s -level %s -nemesis %s -seconds %d -seed %d", s.Workload, s.Level, s.Nemesis, int(s.Time.Seconds()), s.Seed)
}

// server is where a client may connect.
type server struct {
	id  uint64
	dsn string
}

// run is one run on a cluster of its own.
type run struct {
	setting
	c *cluster.Cluster
	// servers are those that run, always in the same order.
	servers func() []server
	level   level
	load    load
	faulty  bool // the nodes' clocks and disks obey nemeses
	log     func(format string, args ...any)
	began   time.Time
}

const (
	clients = 8
	// writableWithin is how soon after the last fault has been mended every key
	// must be writable through every node.
	writableWithin = 5 * time.Second
	// voidBelow is the share of operations that must have been acknowledged for a
	// run to prove anything.
	voidBelow = 0.3
)

// nodesOf are a cluster's running nodes as servers.
func nodesOf(c *cluster.Cluster) func() []server {
	return func() (out []server) {
		for _, n := range c.Running() {
			out = append(out, server{n.ID, n.DSN()})
		}
		return out
	}
}

// now is the time since the run began, on the monotonic clock.
func (r *run) now() int64 { return int64(time.Since(r.began)) }

// execute does the run: clients work, nemeses hurt, all is mended, each key is
// written to, the final state is read, the history is judged.
func (r *run) execute(ctx context.Context, ns []nemesis) error {
	stop, wait := r.startClients(ctx)
	defer wait()
	defer stop()
	hurt := r.hurt(ctx, ns)
	mended := time.Now()
	// Clients finish what they are at, and what a fault has left of it may be in the
	// way, but they begin nothing: to lose against them again and again would not
	// say that a key cannot be written.
	stop()
	if err := r.writable(ctx, mended); err != nil {
		hurt = errors.Join(hurt, err)
	}
	wait()
	return errors.Join(hurt, r.judge(ctx))
}

// startClients begins the run. stop has each client end after the operation it is
// at, wait waits for that.
func (r *run) startClients(ctx context.Context) (stop, wait func()) {
	r.began = time.Now()
	ctx, stop = context.WithCancel(ctx)
	var wg sync.WaitGroup
	for i := range clients {
		wg.Add(1)
		go func() { // ends with ctx
			defer wg.Done()
			newClient(r, i).work(ctx)
		}()
	}
	return stop, wg.Wait
}

// judge reads the end state and gives the verdict.
func (r *run) judge(ctx context.Context) error {
	err := r.final(ctx)
	v := r.load.verdict(r.level)
	share := float64(v.OK) / float64(max(1, v.All))
	r.log("%d operations, %.0f%% acknowledged; %s", v.All, 100*share, v.Seen)
	if share < voidBelow {
		err = errors.Join(err, fmt.Errorf("void: %d of %d operations were acknowledged, a run needs %.0f%%", v.OK, v.All, 100*voidBelow))
	}
	return errors.Join(err, v.Err)
}

// hurt lets the nemeses work for the run's time, each for itself, and mends what
// they have done.
func (r *run) hurt(ctx context.Context, ns []nemesis) error {
	f := newFaults(r)
	hctx, cancel := context.WithTimeout(ctx, r.Time)
	defer cancel()
	errs := make([]error, len(ns))
	var wg sync.WaitGroup
	for i, n := range ns {
		wg.Add(1)
		go func() { // ends with hctx
			defer wg.Done()
			errs[i] = f.loop(hctx, n, rand.New(rand.NewPCG(r.Seed, 1000+uint64(i))))
		}()
	}
	<-hctx.Done()
	wg.Wait()
	return errors.Join(append(errs, f.mend(ctx))...)
}

// writable writes to every key through every node until that works.
func (r *run) writable(ctx context.Context, mended time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // to say how late it is
	defer cancel()
	nodes := r.servers()
	errs := make([]error, len(nodes))
	took := make([]time.Duration, len(nodes))
	var wg sync.WaitGroup
	for i, node := range nodes {
		wg.Add(1)
		go func() { // ends with ctx
			defer wg.Done()
			c := newClient(r, clients+i)
			c.fixed, c.at = true, i
			defer c.leave()
			for n := range r.load.keys() {
				key := (n + i*r.load.keys()/len(nodes)) % r.load.keys() // none where another node is
				last := "no connection"
				for done := false; !done; {
					if ctx.Err() != nil {
						errs[i] = fmt.Errorf("key %d was not writable through node %d within %v: %s", key, node.id, time.Since(mended), last)
						return
					}
					if !c.connect() {
						idle(ctx, 5*time.Millisecond)
						continue
					}
					a := r.load.touch(c, key)
					done, last = a.Outcome == OK, a.Error
				}
			}
			took[i] = time.Since(mended)
			if took[i] > writableWithin {
				errs[i] = fmt.Errorf("every key was writable through node %d only %v after the faults stopped, the bar is %v", node.id, took[i].Round(time.Millisecond), writableWithin)
			}
		}()
	}
	wg.Wait()
	r.log("%d keys were written through each node within %v after the faults stopped", r.load.keys(), slices.Max(took).Round(time.Millisecond))
	return errors.Join(errs...)
}

// final reads the end state through each node.
func (r *run) final(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for i, n := range r.servers() {
		c := newClient(r, clients+i)
		c.fixed, c.at = true, i
		for {
			err := errors.New("no connection")
			if c.connect() {
				err = r.load.final(c)
			}
			if err == nil {
				break
			}
			if ctx.Err() != nil {
				return fmt.Errorf("the final read through node %d: %w", n.id, err)
			}
			idle(ctx, 20*time.Millisecond)
		}
		c.leave()
	}
	return nil
}

// tally counts attempts by outcome and SQLSTATE.
type tally struct {
	outcomes map[Outcome]int
	states   map[string]int
	examples map[string]attempt // of answers that must not be, by SQLSTATE
}

func (t *tally) add(a attempt) {
	if t.outcomes == nil {
		t.outcomes, t.states, t.examples = map[Outcome]int{}, map[string]int{}, map[string]attempt{}
	}
	if slices.ContainsFunc([]string{"XX", "42", "0A"}, func(class string) bool { return strings.HasPrefix(a.State, class) }) {
		t.examples[a.State] = a
	}
	t.outcomes[a.Outcome]++
	if a.Outcome != OK {
		s := a.State
		if s == "" {
			s = "connection"
		}
		t.states[a.Outcome.String()+" "+s]++
	}
}

func (t *tally) all() int { return t.outcomes[OK] + t.outcomes[Failed] + t.outcomes[Unknown] }

func (t *tally) String() string {
	var s []string
	for _, k := range slices.Sorted(maps.Keys(t.states)) {
		s = append(s, fmt.Sprintf("%s: %d", k, t.states[k]))
	}
	return fmt.Sprintf("%d ok, %d failed, %d unknown (%s)", t.outcomes[OK], t.outcomes[Failed], t.outcomes[Unknown], strings.Join(s, ", "))
}

// judged is the verdict on faults that were found. Errors that no fault of a node
// excuses are faults, too: something broke inside (XX), the server does not know
// what it has (42), or it is asked for what it has not (0A).
func judged(t tally, seen string, faults []string) verdict {
	v := verdict{OK: t.outcomes[OK], All: t.all(), Seen: t.String()}
	for state, example := range t.examples {
		faults = append(faults, fmt.Sprintf("SQLSTATE %s: %v", state, example))
	}
	if seen != "" {
		v.Seen += "; " + seen
	}
	if len(faults) > 0 {
		count := len(faults)
		if count > faultsShown {
			faults = append(faults[:faultsShown], "…")
		}
		v.Err = fmt.Errorf("%d faults:\n  %s", count, strings.Join(faults, "\n  "))
	}
	return v
}
