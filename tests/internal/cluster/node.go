package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// startWithin bounds the time from the start of a process to its ready line.
const startWithin = 60 * time.Second

// Node is one process and its directory.
type Node struct {
	c       *Cluster
	errPath string

	Name string
	Dir  string // of the store
	Join string // for --join; empty: bootstrap
	// PortZero makes the node take what ports the kernel gives.
	PortZero bool

	// Valid once the node was ready; kept over restarts.
	ID             uint64
	SQL, RPC, HTTP string
	// proxy is the address that other nodes are told; empty: RPC.
	proxy string

	mu struct {
		sync.Mutex
		cmd    *exec.Cmd
		done   chan struct{} // closed when the process has ended
		code   int
		stdout []string // every line of the current process
	}
}

// advertised is the RPC address that other nodes are told.
func (n *Node) advertised() string {
	if n.proxy != "" {
		return n.proxy
	}
	return n.RPC
}

// Running reports whether the process runs (a paused one does).
func (n *Node) Running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.cmd == nil {
		return false
	}
	select {
	case <-n.mu.done:
		return false
	default:
		return true
	}
}

// PID of the current or last process; 0 if there was none.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.cmd == nil {
		return 0
	}
	return n.mu.cmd.Process.Pid
}

// Stdout are the lines that the current or last process has written.
func (n *Node) Stdout() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.mu.stdout...)
}

// Stderr is what all processes of this node wrote to stderr.
func (n *Node) Stderr() string {
	b, err := os.ReadFile(n.errPath)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Start starts the process and waits for its ready line. A first start looks for
// ports, a restart takes the old ones.
func (n *Node) Start(ctx context.Context) error {
	if n.Running() {
		return fmt.Errorf("%s runs already", n.Name)
	}
	again := n.ID != 0
	for try := 0; ; try++ {
		err := n.start(ctx, again)
		if err == nil || again || try == 4 || !strings.Contains(err.Error(), "address already in use") {
			return err
		}
	}
}

func (n *Node) start(ctx context.Context, again bool) error {
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	began := time.Now()
	if !again {
		n.SQL, n.RPC, n.HTTP = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
		if !n.PortZero {
			ports, err := freePorts(3)
			if err != nil {
				return err
			}
			n.SQL, n.RPC, n.HTTP = ports[0], ports[1], ports[2]
		}
	}
	args := []string{"start", "--store", n.Dir, "--listen-sql", n.SQL, "--listen-rpc", n.RPC, "--listen-http", n.HTTP, "--pid-file", n.Dir + ".pid"}
	if n.c.Network != nil {
		if n.proxy == "" {
			var err error
			if n.proxy, err = n.c.Network.listen(n); err != nil {
				return err
			}
		}
		args = append(args, "--advertise-rpc", n.proxy)
	}
	if n.Join != "" && !again {
		args = append(args, "--join", n.Join)
	}
	ready, err := n.launch(append(args, n.c.opts.Flags...))
	if err != nil {
		return err
	}
	select {
	case line, ok := <-ready:
		if !ok {
			<-n.done()
			return fmt.Errorf("%s ended with exit code %d before it was ready: %s", n.Name, n.Code(), n.lastWords())
		}
		if err := n.parseReady(line); err != nil {
			return err
		}
		n.c.opts.Log("%s (pid %d) ready after %v: %s", n.Name, n.PID(), time.Since(began).Round(time.Millisecond), line)
		return nil
	case <-ctx.Done():
		n.Kill()
		return fmt.Errorf("%s was not ready within %v: %s", n.Name, startWithin, n.lastWords())
	}
}

// launch starts a process with any arguments. The channel delivers its first line
// of stdout, and is closed when stdout is.
func (n *Node) launch(args []string) (<-chan string, error) {
	if err := os.MkdirAll(filepath.Dir(n.errPath), 0o755); err != nil {
		return nil, err
	}
	stderr, err := os.OpenFile(n.errPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer stderr.Close() // the child has its own
	cmd := exec.Command(n.c.opts.Binary, args...)
	cmd.Stderr = stderr
	cmd.Env = append(append(os.Environ(), "QUORATE_FAULTS="+n.faults()), n.c.opts.Env...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := n.c.launcher.start(cmd); err != nil {
		return nil, fmt.Errorf("start %s: %w", n.Name, err)
	}
	done, first := make(chan struct{}), make(chan string, 1)
	n.mu.Lock()
	n.mu.cmd, n.mu.done, n.mu.stdout, n.mu.code = cmd, done, nil, -1
	n.mu.Unlock()
	go func() { // ends with the process
		n.readStdout(stdout, first)
		err := cmd.Wait()
		n.mu.Lock()
		n.mu.code = cmd.ProcessState.ExitCode()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			n.mu.stdout = append(n.mu.stdout, "wait: "+err.Error())
		}
		n.mu.Unlock()
		close(done)
	}()
	return first, nil
}

func (n *Node) readStdout(r io.Reader, first chan<- string) {
	defer close(first)
	sc := bufio.NewScanner(r)
	for i := 0; sc.Scan(); i++ {
		n.mu.Lock()
		n.mu.stdout = append(n.mu.stdout, sc.Text())
		n.mu.Unlock()
		if i == 0 {
			first <- sc.Text()
		}
	}
}

// parseReady reads `ready node=ID sql=ADDR rpc=ADDR http=ADDR`.
func (n *Node) parseReady(line string) error {
	words := strings.Fields(line)
	if len(words) == 0 || words[0] != "ready" {
		return fmt.Errorf("%s: the first line of stdout is %q, not a ready line", n.Name, line)
	}
	vals := map[string]string{}
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		vals[k] = v
	}
	id, err := strconv.ParseUint(vals["node"], 10, 64)
	if err != nil || vals["sql"] == "" || vals["rpc"] == "" || vals["http"] == "" {
		return fmt.Errorf("%s: %q is not `ready node=ID sql=ADDR rpc=ADDR http=ADDR`", n.Name, line)
	}
	if n.ID != 0 && n.ID != id {
		return fmt.Errorf("%s was node %d and came back as node %d", n.Name, n.ID, id)
	}
	if n.ID != 0 && n.SQL == vals["sql"] && n.RPC == vals["rpc"] && n.HTTP == vals["http"] {
		return nil // as before: clients may be reading the addresses
	}
	n.ID, n.SQL, n.RPC, n.HTTP = id, vals["sql"], vals["rpc"], vals["http"]
	return nil
}

func (n *Node) done() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.done
}

// Code is the exit code of the process that has ended; -1 if a signal ended it.
func (n *Node) Code() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.code
}

func (n *Node) lastWords() string {
	s := strings.TrimSpace(n.Stderr())
	return s[max(0, len(s)-1500):]
}

func (n *Node) signal(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.cmd == nil {
		return fmt.Errorf("%s was never started", n.Name)
	}
	return n.mu.cmd.Process.Signal(s)
}

// Kill ends the process with SIGKILL and waits until it is gone.
func (n *Node) Kill() {
	if err := n.signal(syscall.SIGKILL); err != nil && !n.Running() {
		return
	}
	<-n.done()
}

// Stop ends the process with SIGTERM, waits at most d, and returns its exit code.
func (n *Node) Stop(d time.Duration) (int, error) {
	if err := n.signal(syscall.SIGTERM); err != nil {
		return -1, err
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.done():
		return n.Code(), nil
	case <-t.C:
		n.Kill()
		return -1, fmt.Errorf("%s did not end within %v after SIGTERM: %s", n.Name, d, n.lastWords())
	}
}

// faults is the file that a test build obeys.
func (n *Node) faults() string { return n.Dir + ".faults" }

// SetFaults makes clock and disk of the node wrong, in the words of server.FaultsEnv;
// an empty text mends them. It outlives a restart. Only a binary of BuildFaulty obeys:
// for another one it is an error.
func (n *Node) SetFaults(text string) error {
	if !strings.Contains(n.Stderr(), "this test build obeys") {
		return fmt.Errorf("%s: the binary is no test build (-tags faults)", n.Name)
	}
	fresh := n.faults() + ".new"
	if err := os.WriteFile(fresh, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(fresh, n.faults())
}

// WaitEnd waits until the process has ended by itself, at most d.
func (n *Node) WaitEnd(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.done():
		return nil
	case <-t.C:
		return fmt.Errorf("%s did not end within %v", n.Name, d)
	}
}

// Pause stops the process's execution (SIGSTOP) until Resume.
func (n *Node) Pause() error { return n.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.signal(syscall.SIGCONT) }

// CLI runs an admin command against this node.
func (n *Node) CLI(ctx context.Context, args ...string) Output {
	return n.c.Run(ctx, append(args, "--host", n.RPC)...)
}

// DSN is the connection string of this node, for drivers and libpq.
func (n *Node) DSN() string {
	host, port, _ := strings.Cut(n.SQL, ":") // always HOST:PORT of a listener
	return fmt.Sprintf("host=%s port=%s user=postgres dbname=postgres sslmode=disable", host, port)
}

// Connect opens a client connection.
func (n *Node) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, n.DSN())
}

// WaitSQL waits until a statement that needs the cluster succeeds on this node.
func (n *Node) WaitSQL(ctx context.Context) error {
	for {
		err := n.askOnce(ctx)
		if err == nil {
			return nil
		}
		if !n.Running() {
			return fmt.Errorf("%s is gone: %s", n.Name, n.lastWords())
		}
		if perr := pause(ctx, 50*time.Millisecond); perr != nil {
			return fmt.Errorf("wait for SQL on %s: %w", n.Name, errors.Join(err, perr))
		}
	}
}

func (n *Node) askOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }() // it was only asked
	var count int64
	return conn.QueryRow(ctx, "SELECT count(*) FROM pg_catalog.pg_class").Scan(&count)
}
