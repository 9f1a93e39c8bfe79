package chaos

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// built is the binary that all tests of one run share.
type built struct {
	once sync.Once
	dir  string
	path string
	err  error
}

// shared is the production's binary, faulty the one that obeys Node.SetFaults.
var shared, faulty built

func TestMain(m *testing.M) {
	code := m.Run()
	for _, b := range []*built{&shared, &faulty} {
		if b.dir != "" {
			if err := os.RemoveAll(b.dir); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
	}
	os.Exit(code)
}

func binaryPath(t *testing.T) string { t.Helper(); return shared.make(t, cluster.Build) }

func faultyBinary(t *testing.T) string { t.Helper(); return faulty.make(t, cluster.BuildFaulty) }

func (b *built) make(t *testing.T, build func(context.Context, string) (string, error)) string {
	t.Helper()
	b.once.Do(func() {
		if b.dir, b.err = os.MkdirTemp("", "quorate-chaos-"); b.err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
		defer cancel()
		b.path, b.err = build(ctx, b.dir)
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// newCluster makes a cluster that ends with the test. If the test fails, the end
// of every node's log is printed.
func newCluster(t *testing.T) *cluster.Cluster {
	t.Helper()
	return newClusterWith(t, cluster.Options{})
}

// newClusterWith is newCluster with further options.
func newClusterWith(t *testing.T, opts cluster.Options) *cluster.Cluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts processes: not with -short")
	}
	dir := t.TempDir()
	if os.Getenv("CHAOS_KEEP") != "" {
		var err error
		if dir, err = os.MkdirTemp("", "quorate-chaos-kept-"); err != nil {
			t.Fatal(err)
		}
		t.Logf("the nodes' directories are kept in %s", dir)
	}
	if opts.Binary == "" {
		opts.Binary = binaryPath(t)
	}
	opts.Dir, opts.Log = dir, t.Logf
	c := cluster.New(opts)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			for _, n := range c.Nodes() {
				s := n.Stderr()
				t.Logf("end of the log of %s (node %d):\n%s", n.Name, n.ID, s[max(0, len(s)-3000):])
			}
		}
		if os.Getenv("CHAOS_KEEP") != "" {
			for _, n := range c.Nodes() {
				if err := os.WriteFile(filepath.Join(dir, n.Name+".log"), []byte(n.Stderr()), 0o644); err != nil {
					t.Error(err)
				}
			}
		}
	})
	return c
}

// within is a context that ends with the test and after d.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// startThree starts a cluster of three with the workload's tables.
func startThree(t *testing.T) *cluster.Cluster {
	t.Helper()
	c := newCluster(t)
	ctx := within(t, 90*time.Second)
	must(t, c.Start(ctx, 3))
	must(t, Setup(ctx, c.Nodes()[0]))
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// number is a positive number of the environment, or the default.
func number(t *testing.T, name string, def int) int {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return def
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is not a positive number", name, s)
	}
	return n
}

// finish stops the writers and checks what every node reads.
func finish(t *testing.T, c *cluster.Cluster, w *Workload) []Op {
	t.Helper()
	ops := w.Stop()
	t.Log(Summary(ops))
	if err := Check(within(t, time.Minute), c, ops); err != nil {
		t.Error(err)
	}
	return ops
}
