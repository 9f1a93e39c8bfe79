package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Options of a cluster.
type Options struct {
	Binary string // of quorate, see Build
	Dir    string // below it each node has a folder; the caller removes it
	Log    func(format string, args ...any)
	Flags  []string // further flags of every `start`
	Env    []string // further environment of every node, such as GOMAXPROCS=1
	// Proxied puts a Network between the nodes.
	Proxied bool
}

// Cluster is a set of nodes. Close ends them.
type Cluster struct {
	opts     Options
	launcher *launcher
	// Network between the nodes; nil unless Options.Proxied.
	Network *Network

	mu struct {
		sync.Mutex
		nodes []*Node
	}
}

// New makes a cluster without nodes.
func New(opts Options) *Cluster {
	if opts.Log == nil {
		opts.Log = func(string, ...any) {}
	}
	c := &Cluster{opts: opts, launcher: newLauncher()}
	if opts.Proxied {
		c.Network = newNetwork(c.Nodes)
	}
	return c
}

// Nodes are all nodes ever added, running or not, in that order.
func (c *Cluster) Nodes() []*Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*Node(nil), c.mu.nodes...)
}

// Running are the nodes whose process runs.
func (c *Cluster) Running() []*Node {
	var out []*Node
	for _, n := range c.Nodes() {
		if n.Running() {
			out = append(out, n)
		}
	}
	return out
}

// Node returns the node with an id of the cluster, or nil.
func (c *Cluster) Node(id uint64) *Node {
	for _, n := range c.Nodes() {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// NewNode makes a node in a folder of its own without starting it.
func (c *Cluster) NewNode() *Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	name := fmt.Sprintf("node%d", len(c.mu.nodes)+1)
	n := &Node{c: c, Name: name, Dir: filepath.Join(c.opts.Dir, name), errPath: filepath.Join(c.opts.Dir, name+".stderr")}
	c.mu.nodes = append(c.mu.nodes, n)
	return n
}

// Add makes a node and starts it: the first bootstraps, the others join.
func (c *Cluster) Add(ctx context.Context) (*Node, error) {
	var join []string
	for _, n := range c.Running() {
		join = append(join, n.advertised())
	}
	n := c.NewNode()
	if len(join) > 0 {
		n.Join = strings.Join(join, ",")
	}
	return n, n.Start(ctx)
}

// Start adds nodes one after the other and waits until every region has its
// replicas.
func (c *Cluster) Start(ctx context.Context, nodes int) error {
	for range nodes {
		n, err := c.Add(ctx)
		if err != nil {
			return err
		}
		if err := n.WaitSQL(ctx); err != nil {
			return err
		}
	}
	return c.WaitFor(ctx, "replicated")
}

// WaitFor runs `quorate wait --for what` against a running node until ctx ends.
func (c *Cluster) WaitFor(ctx context.Context, what string) error {
	timeout := time.Minute
	if d, ok := ctx.Deadline(); ok {
		timeout = time.Until(d)
	}
	out := c.CLI(ctx, "wait", "--for", what, "--timeout", timeout.String())
	return out.Err()
}

// Close kills every process that still runs, and gives back what they said that no
// run may say: see Complaints.
func (c *Cluster) Close() error {
	for _, n := range c.Nodes() {
		if n.Running() {
			n.Kill()
		}
	}
	c.launcher.close()
	if c.Network != nil {
		c.Network.close()
	}
	return c.Complaints()
}

// bad are the words that no process may write to stderr.
var bad = []string{"panic", "DATA RACE", "fatal error"}

// Complaints returns an error with the places where a node's stderr says that
// something broke inside it.
func (c *Cluster) Complaints() error {
	var errs []error
	for _, n := range c.Nodes() {
		b, err := os.ReadFile(n.errPath)
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				errs = append(errs, err)
			}
			continue
		}
		if s := complaint(string(b)); s != "" {
			errs = append(errs, fmt.Errorf("%s wrote:\n%s", n.Name, s))
		}
	}
	return errors.Join(errs...)
}

// complaint cuts the first bad place and what follows it out of a log.
func complaint(log string) string {
	at := -1
	for _, w := range bad {
		if i := strings.Index(log, w); i >= 0 && (at < 0 || i < at) {
			at = i
		}
	}
	if at < 0 {
		return ""
	}
	start := strings.LastIndexByte(log[:at], '\n') + 1
	return log[start:min(len(log), start+4000)]
}

// Output is what a run of the command line gave.
type Output struct {
	Args           []string
	Stdout, Stderr string
	Code           int // exit code; -1 if it was killed or did not start
	Cause          error
}

// Err is nil if the command exited with 0.
func (o Output) Err() error {
	if o.Code == 0 {
		return nil
	}
	return fmt.Errorf("quorate %s: exit code %d: %s", strings.Join(o.Args, " "), o.Code, strings.TrimSpace(o.Stderr+o.Stdout))
}

// Run runs the binary with args as they are.
func (c *Cluster) Run(ctx context.Context, args ...string) Output {
	cmd := exec.CommandContext(ctx, c.opts.Binary, args...)
	cmd.WaitDelay = time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	o := Output{Args: args, Stdout: stdout.String(), Stderr: stderr.String(), Cause: err}
	if cmd.ProcessState != nil {
		o.Code = cmd.ProcessState.ExitCode()
	} else {
		o.Code = -1
		o.Stderr = fmt.Sprint(err)
	}
	return o
}

// CLI runs an admin command against the first running node.
func (c *Cluster) CLI(ctx context.Context, args ...string) Output {
	running := c.Running()
	if len(running) == 0 {
		return Output{Args: args, Code: -1, Stderr: "no node runs"}
	}
	return running[0].CLI(ctx, args...)
}

// Region is one object of `region ls -o json`.
type Region struct {
	ID       uint64 `json:"id"`
	StartKey string `json:"start_key"`
	EndKey   string `json:"end_key"`
	Leader   *struct {
		NodeID  uint64 `json:"node_id"`
		StoreID uint64 `json:"store_id"`
	} `json:"leader"`
	Peers []struct {
		PeerID uint64 `json:"peer_id"`
		NodeID uint64 `json:"node_id"`
		Role   string `json:"role"`
	} `json:"peers"`
	Tables []string `json:"tables"`
}

// Voters counts the region's full members.
func (r Region) Voters() int {
	n := 0
	for _, p := range r.Peers {
		if p.Role == "voter" {
			n++
		}
	}
	return n
}

// Regions lists the regions as the first running node knows them, of one table if
// it is not empty.
func (c *Cluster) Regions(ctx context.Context, table string) ([]Region, error) {
	running := c.Running()
	if len(running) == 0 {
		return nil, errors.New("no node runs")
	}
	return running[0].Regions(ctx, table)
}

// Regions lists the regions as this node knows them, of one table if it is not
// empty.
func (n *Node) Regions(ctx context.Context, table string) ([]Region, error) {
	args := []string{"region", "ls", "-o", "json"}
	if table != "" {
		args = append(args, "--table", table)
	}
	out := n.CLI(ctx, args...)
	if err := out.Err(); err != nil {
		return nil, err
	}
	var rs []Region
	if err := json.Unmarshal([]byte(out.Stdout), &rs); err != nil {
		return nil, fmt.Errorf("quorate %s: %w: %q", strings.Join(args, " "), err, out.Stdout)
	}
	return rs, nil
}

// Leader waits until all running nodes name the same running leader of the first
// region of a table, and returns the region and that node. One node's word is not
// enough: after a restart it may remember who led before.
func (c *Cluster) Leader(ctx context.Context, table string) (Region, *Node, error) {
	for {
		r, n, err := c.agreedLeader(ctx, table)
		if err == nil {
			return r, n, nil
		}
		if perr := pause(ctx, 50*time.Millisecond); perr != nil {
			return Region{}, nil, fmt.Errorf("find the leader of %s: %w", table, errors.Join(err, perr))
		}
	}
}

func (c *Cluster) agreedLeader(ctx context.Context, table string) (region Region, leader *Node, err error) {
	running := c.Running()
	if len(running) == 0 {
		return Region{}, nil, errors.New("no node runs")
	}
	for _, asked := range running {
		rs, err := asked.Regions(ctx, table)
		if err != nil {
			return Region{}, nil, err
		}
		if len(rs) == 0 || rs[0].Leader == nil {
			return Region{}, nil, fmt.Errorf("node %d knows no leader of %s", asked.ID, table)
		}
		n := c.Node(rs[0].Leader.NodeID)
		if n == nil || !n.Running() {
			return Region{}, nil, fmt.Errorf("node %d says that region %d is led by node %d, which does not run", asked.ID, rs[0].ID, rs[0].Leader.NodeID)
		}
		if leader != nil && (leader != n || region.ID != rs[0].ID) {
			return Region{}, nil, fmt.Errorf("nodes disagree: node %d or node %d leads region %d or %d", leader.ID, n.ID, region.ID, rs[0].ID)
		}
		region, leader = rs[0], n
	}
	return region, leader, nil
}

// pause waits between two tries.
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
