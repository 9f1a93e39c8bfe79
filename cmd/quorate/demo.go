package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/server"
)

const (
	demoRPCPort   = 7433
	demoHTTPPort  = 8433
	demoNodesMax  = 9
	portsToTryMax = 100
)

type demoFlags struct {
	nodes   int
	sql     string
	keep    string
	noShell bool
	memory  string
	level   string
}

func newDemo() *cobra.Command {
	f := demoFlags{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run a cluster of three nodes in this process, ready for psql",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), f, cmd.Flags().Changed("listen-sql"), cmd)
		},
	}
	fl := cmd.Flags()
	fl.IntVar(&f.nodes, "nodes", 3, "number of nodes")
	fl.StringVar(&f.sql, "listen-sql", "127.0.0.1:5433", "SQL address of node 1; node i listens on port+i-1")
	fl.StringVar(&f.keep, "keep", "", "keep the data in this directory, and use what is there")
	fl.BoolVar(&f.noShell, "no-shell", false, "no SQL shell: serve until interrupted")
	fl.StringVar(&f.memory, "memory-limit", "", "memory to use, such as 2GiB")
	fl.StringVar(&f.level, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

func runDemo(ctx context.Context, f demoFlags, sqlGiven bool, cmd *cobra.Command) (err error) {
	if f.nodes < 1 || f.nodes > demoNodesMax {
		return &server.UsageError{Message: fmt.Sprintf("--nodes %d: a demo has 1 to %d nodes", f.nodes, demoNodesMax)}
	}
	host, portText, err := net.SplitHostPort(f.sql)
	if err != nil {
		return &server.UsageError{Message: fmt.Sprintf("--listen-sql %q is not HOST:PORT: %v", f.sql, err)}
	}
	port, err := strconv.Atoi(portText)
	if err != nil || port < 0 || port+f.nodes > 65536 {
		return &server.UsageError{Message: fmt.Sprintf("--listen-sql %q: %q is not a port with %d more behind it", f.sql, portText, f.nodes-1)}
	}
	dir := f.keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "quorate-demo-"); err != nil {
			return fmt.Errorf("make a directory for the demo's data: %w", err)
		}
		defer func() {
			if rerr := os.RemoveAll(dir); err == nil && rerr != nil {
				err = fmt.Errorf("delete the demo's data: %w", rerr)
			}
		}()
	}
	logger, err := newLogger(f.level)
	if err != nil {
		return err
	}
	base := server.Config{Logger: logger, Env: env.System(), Local: server.NewLocalCluster(env.SystemClock()), CacheBytes: 128 << 20}
	if err := applyMemoryLimit(f.memory, &base, int64(f.nodes)); err != nil {
		return err
	}
	paceCollections()
	d := &demo{}
	defer func() {
		if serr := d.stop(); err == nil {
			err = serr
		}
	}()
	taken := map[int]bool{}
	sqlPort := func(i int) (string, error) {
		if sqlGiven || port == 0 {
			p := 0
			if port != 0 {
				p = port + i
			}
			return net.JoinHostPort(host, strconv.Itoa(p)), nil
		}
		return freePort(host, port+i, taken)
	}
	configs := make([]server.Config, f.nodes)
	for i := range configs {
		c := base
		c.StoreDir = filepath.Join(dir, "node"+strconv.Itoa(i+1))
		if c.ListenSQL, err = sqlPort(i); err != nil {
			return err
		}
		if c.ListenRPC, err = freePort("127.0.0.1", demoRPCPort+i, taken); err != nil {
			return err
		}
		if c.ListenHTTP, err = freePort("127.0.0.1", demoHTTPPort+i, taken); err != nil {
			return err
		}
		if i > 0 {
			c.Join = []string{configs[0].ListenRPC}
		}
		configs[i] = c
	}
	if err := d.start(ctx, configs); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	for _, n := range d.nodes {
		fmt.Fprintln(cmd.OutOrStdout(), readyLine(n))
	}
	if !f.noShell && term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(cmd.OutOrStdout(), "\nAny PostgreSQL client works:  psql -h %s postgres\nThis is a simple SQL shell; \\q ends the demo.\n\n", psqlArgs(d.nodes[0].SQLAddr()))
		return (&globals{}).shell(ctx, d.nodes[0].SQLAddr(), "postgres", "postgres", os.Stdin, cmd.OutOrStdout())
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-d.failed():
		return err
	}
}

func psqlArgs(addr string) string {
	host, port, _ := net.SplitHostPort(addr) // it is a listener's address
	return fmt.Sprintf("%s -p %s -U postgres", host, port)
}

// freePort returns the address of the first port from want upward that nobody
// listens on.
func freePort(host string, want int, taken map[int]bool) (string, error) {
	for p := want; p < want+portsToTryMax && p < 65536; p++ {
		if taken[p] {
			continue
		}
		addr := net.JoinHostPort(host, strconv.Itoa(p))
		l, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return "", err
		}
		taken[p] = true
		return addr, nil
	}
	return "", fmt.Errorf("no port from %d to %d of %s is free", want, want+portsToTryMax-1, host)
}

// demo is the running nodes.
type demo struct{ nodes []*server.Node }

// start starts the first node, and with its help all others at once. A kept
// cluster is started all at once, because no node of it serves alone.
func (d *demo) start(ctx context.Context, configs []server.Config) error {
	first := 1
	if _, err := os.Stat(filepath.Join(configs[0].StoreDir, "addresses.json")); err == nil {
		first = 0
	} else {
		n, err := server.Start(ctx, configs[0])
		if err != nil {
			return err
		}
		d.nodes = append(d.nodes, n)
	}
	nodes := make([]*server.Node, len(configs))
	errs := make([]error, len(configs))
	var wg sync.WaitGroup
	for i := first; i < len(configs); i++ {
		wg.Add(1)
		// Joined one after the other, node i gets id i.
		if first == 1 {
			nodes[i], errs[i] = server.Start(ctx, configs[i])
			wg.Done()
			if errs[i] != nil {
				break
			}
			continue
		}
		go func() {
			defer wg.Done()
			nodes[i], errs[i] = server.Start(ctx, configs[i])
		}()
	}
	wg.Wait()
	for _, n := range nodes {
		if n != nil {
			d.nodes = append(d.nodes, n)
		}
	}
	return errors.Join(errs...)
}

// failed delivers the error of the first node that cannot go on.
func (d *demo) failed() <-chan error {
	ch := make(chan error, len(d.nodes))
	for _, n := range d.nodes {
		go func() { // ends with the process
			<-n.Failed()
			ch <- fmt.Errorf("node %d: %w", n.ID(), n.Err())
		}()
	}
	return ch
}

// stop ends all nodes at once: nobody is left to hand anything over to.
func (d *demo) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	errs := make([]error, len(d.nodes))
	var wg sync.WaitGroup
	for i, n := range d.nodes {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = n.StopNow(ctx)
		}()
	}
	wg.Wait()
	return errors.Join(errs...)
}
