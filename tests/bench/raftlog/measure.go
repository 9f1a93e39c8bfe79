package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// errMissing: etcd's server could not be built.
var errMissing = errors.New("tests/bench/etcdpeer does not build; its modules need the Go module proxy, or pass -etcdpeer none")

// result is one run. The client prints the first fields.
type result struct {
	Writes  float64 `json:"writes"`
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu"` // seconds of the client, then of all processes
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	clients float64 // CPU seconds of the client alone
	syncs   float64
	disk    float64 // bytes
	batches float64
	entries float64
	rounds  float64
	looks   float64 // at a group, in rounds
	frames  float64
	message float64 // Raft messages in frames
}

// system is what can be measured: how to start its servers, and its client.
type system struct {
	name   string
	groups int
	server func(dir string, i int) *exec.Cmd
	client func() *exec.Cmd
}

func measure(ctx context.Context, f flags) (err error) {
	dir, err := os.MkdirTemp(f.dir, "quorate-raftlog-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var systems []system
	if f.etcdpeer != "none" {
		if f.etcdpeer == "" {
			if f.etcdpeer, err = buildEtcd(ctx, filepath.Join(dir, "etcdpeer")); err != nil {
				return fmt.Errorf("%w: %w", errMissing, err)
			}
		}
		s, err := etcd(ctx, f)
		if err != nil {
			return err
		}
		systems = append(systems, s)
	}
	for _, g := range f.groups {
		s, err := quorate(ctx, f, g)
		if err != nil {
			return err
		}
		systems = append(systems, s)
	}
	runs := make([][]result, len(systems))
	for round := range f.rounds {
		for i, s := range systems {
			r, err := s.run(ctx, filepath.Join(dir, "data"))
			if err != nil {
				return fmt.Errorf("%s with %d groups: %w", s.name, s.groups, err)
			}
			runs[i] = append(runs[i], r)
			fmt.Fprintf(os.Stderr, "round %d: %s, groups %d: %.0f writes/s, %.3f CPU s per 1,000; a write: %.2f rounds of %.1f groups, %.2f frames of %.1f messages\n",
				round+1, s.name, s.groups, r.Writes/r.Seconds, r.CPU/r.Writes*1e3,
				r.rounds/r.Writes, r.looks/max(r.rounds, 1), r.frames/r.Writes, r.message/max(r.frames, 1))
		}
	}
	w := io.Writer(os.Stdout)
	if f.out != "" {
		file, err := os.Create(f.out)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, file.Close()) }()
		w = io.MultiWriter(w, file)
	}
	return table(w, f, systems, runs)
}

// buildEtcd builds tests/bench/etcdpeer in dir and returns the binary. Its source is
// not called .go where it lies, so that what walks the tree of this module takes it for
// no part of it.
func buildEtcd(ctx context.Context, dir string) (string, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	for _, name := range []string{"go.mod", "go.sum", "main.go.in"} {
		b, err := os.ReadFile(filepath.Join("tests", "bench", "etcdpeer", name))
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(dir, strings.TrimSuffix(name, ".in")), b, 0o600); err != nil {
			return "", err
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", "etcdpeer", ".")
	build.Dir, build.Stderr = dir, os.Stderr
	return filepath.Join(dir, "etcdpeer"), build.Run()
}

func etcd(ctx context.Context, f flags) (system, error) {
	ports, err := freePorts(6)
	if err != nil {
		return system{}, err
	}
	url := func(i int) string { return "http://" + ports[i] }
	var all, clients []string
	for i := range 3 {
		all = append(all, fmt.Sprintf("s%d=%s", i+1, url(i)))
		clients = append(clients, url(3+i))
	}
	return system{
		name: "etcd", groups: 1,
		server: func(dir string, i int) *exec.Cmd {
			return exec.CommandContext(ctx, f.etcdpeer, "serve", "-name", fmt.Sprintf("s%d", i+1), "-dir", dir,
				"-client", clients[i], "-peer", url(i), "-cluster", strings.Join(all, ","))
		},
		client: func() *exec.Cmd {
			return exec.CommandContext(ctx, f.etcdpeer, append([]string{"load", "-endpoints", strings.Join(clients, ",")}, f.load()...)...)
		},
	}, nil
}

// load are the flags that both clients know.
func (f flags) load() []string {
	return []string{
		"-proposers", strconv.Itoa(f.proposers), "-bytes", strconv.Itoa(f.bytes),
		"-warm", fmt.Sprintf("%ds", f.warm), "-run", fmt.Sprintf("%ds", f.seconds),
	}
}

func quorate(ctx context.Context, f flags, groups int) (system, error) {
	ports, err := freePorts(3)
	if err != nil {
		return system{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return system{}, err
	}
	var all []string
	for i, p := range ports {
		all = append(all, fmt.Sprintf("%d=%s", i+1, p))
	}
	common := []string{"-stores", strings.Join(all, ","), "-groups", strconv.Itoa(groups)}
	return system{
		name: "quorate", groups: groups,
		server: func(dir string, i int) *exec.Cmd {
			args := append([]string{"serve", "-store", strconv.Itoa(i + 1), "-dir", dir}, common...)
			if f.profile != "" {
				args = append(args, "-profile", fmt.Sprintf("%s-%d-%d.pprof", f.profile, groups, i+1))
			}
			return exec.CommandContext(ctx, self, args...)
		},
		client: func() *exec.Cmd {
			return exec.CommandContext(ctx, self, slices.Concat([]string{"load"}, common, f.load())...)
		},
	}, nil
}

// freePorts returns addresses on which nobody listens now.
func freePorts(n int) (list []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list, nil
}

// process is a server that answers lines.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd}
	cmd.Stderr = os.Stderr
	var err error
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(out)
	return p, cmd.Start()
}

// expect reads one line and compares it.
func (p *process) expect(want string) error {
	line, err := p.out.ReadString('\n')
	if err == nil && strings.TrimSpace(line) != want {
		err = fmt.Errorf("%q instead of %q", line, want)
	}
	return err
}

// usage is what a server has used since it began.
type usage struct {
	Syncs   float64 `json:"syncs"`
	Batches float64 `json:"batches"`
	Entries float64 `json:"entries"`
	Rounds  float64 `json:"rounds"`
	Looks   float64 `json:"looks"`
	Frames  float64 `json:"frames"`
	Message float64 `json:"messages"`
	cpu     float64
	disk    float64
}

func (p *process) usage() (u usage, err error) {
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return u, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(line, &u); err != nil {
		return u, err
	}
	if u.cpu, err = cpuSeconds(p.cmd.Process.Pid); err != nil {
		return u, err
	}
	u.disk, err = diskBytes(p.cmd.Process.Pid)
	return u, err
}

// run starts the servers in fresh directories, loads them, and stops them.
func (s system) run(ctx context.Context, dir string) (r result, err error) {
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var servers []*process
	defer func() {
		for _, p := range servers {
			_ = p.in.Close()
			if werr := p.cmd.Wait(); err == nil && werr != nil {
				err = fmt.Errorf("server: %w", werr)
			}
		}
	}()
	for i := range 3 {
		at := filepath.Join(dir, strconv.Itoa(i+1))
		if err := os.MkdirAll(at, 0o700); err != nil {
			return r, err
		}
		p, err := start(s.server(at, i))
		if err != nil {
			return r, err
		}
		servers = append(servers, p)
	}
	for _, p := range servers {
		if err := p.expect("ready"); err != nil {
			return r, fmt.Errorf("server: %w", err)
		}
	}
	client, err := start(s.client())
	if err != nil {
		return r, err
	}
	defer func() {
		if werr := client.cmd.Wait(); err == nil && werr != nil {
			err = fmt.Errorf("client: %w", werr)
		}
	}()
	if err := client.expect("begin"); err != nil {
		return r, fmt.Errorf("client: %w", err)
	}
	before, err := total(servers)
	if err != nil {
		return r, err
	}
	line, err := client.out.ReadBytes('\n')
	if err != nil {
		return r, fmt.Errorf("client: %w", err)
	}
	after, err := total(servers)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, err
	}
	r.clients = r.CPU
	r.CPU += after.cpu - before.cpu
	r.syncs, r.disk = after.Syncs-before.Syncs, after.disk-before.disk
	r.batches, r.entries, r.rounds = after.Batches-before.Batches, after.Entries-before.Entries, after.Rounds-before.Rounds
	r.looks, r.frames, r.message = after.Looks-before.Looks, after.Frames-before.Frames, after.Message-before.Message
	return r, ctx.Err()
}

func total(servers []*process) (sum usage, err error) {
	for _, p := range servers {
		u, err := p.usage()
		if err != nil {
			return sum, fmt.Errorf("server: %w", err)
		}
		sum.Syncs += u.Syncs
		sum.Batches += u.Batches
		sum.Entries += u.Entries
		sum.Rounds += u.Rounds
		sum.Looks += u.Looks
		sum.Frames += u.Frames
		sum.Message += u.Message
		sum.cpu += u.cpu
		sum.disk += u.disk
	}
	return sum, nil
}

// cpuSeconds reads utime and stime of a process from /proc/PID/stat (proc(5)), whose
// unit, USER_HZ, is a hundredth of a second on every architecture that Go runs on.
func cpuSeconds(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	if len(f) < 13 {
		return 0, fmt.Errorf("not a line of /proc/PID/stat: %q", b)
	}
	user, err1 := strconv.ParseFloat(f[11], 64)
	system, err2 := strconv.ParseFloat(f[12], 64)
	return (user + system) / 100, errors.Join(err1, err2)
}

// diskBytes reads what a process had the kernel write to disk.
func diskBytes(pid int) (float64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if n, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			return strconv.ParseFloat(strings.TrimSpace(n), 64)
		}
	}
	return 0, errors.New("/proc/PID/io has no write_bytes")
}

// table prints medians, and etcd's beside ours as ratios.
func table(w io.Writer, f flags, systems []system, runs [][]result) error {
	fmt.Fprintf(w, "%d CPUs, %s, %s; %d proposers, %d-byte values, %d s a run, %d rounds; medians (CPU: least to most)\n\n",
		runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateTime), f.proposers, f.bytes, f.seconds, f.rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "system\tgroups\twrites/s\tCPU s/1000\t(spread)\tof it client\tp50 ms\tp99 ms\tsyncs/write\tdisk B/value B\tentries/batch\t")
	cpu, rate := make([]float64, len(systems)), make([]float64, len(systems))
	for i, s := range systems {
		m := func(of func(result) float64) float64 { return median(runs[i], of) }
		perThousand := func(r result) float64 { return r.CPU / r.Writes * 1e3 }
		cpu[i], rate[i] = m(perThousand), m(func(r result) float64 { return r.Writes / r.Seconds })
		spread := make([]float64, 0, len(runs[i]))
		for _, r := range runs[i] {
			spread = append(spread, perThousand(r))
		}
		fmt.Fprintf(t, "%s\t%d\t%.0f\t%.3f\t%.3f-%.3f\t%.3f\t%.2f\t%.2f\t%.3f\t%.1f\t%.1f\t\n", s.name, s.groups, rate[i], cpu[i],
			slices.Min(spread), slices.Max(spread), m(func(r result) float64 { return r.clients / r.Writes * 1e3 }),
			m(func(r result) float64 { return r.P50 }), m(func(r result) float64 { return r.P99 }),
			m(func(r result) float64 { return r.syncs / r.Writes }),
			m(func(r result) float64 { return r.disk / r.Writes / float64(f.bytes) }),
			m(func(r result) float64 { return r.entries / max(r.batches, 1) }))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	first := 0 // of ours
	for i, s := range systems {
		switch {
		case s.name == "etcd":
			first = i + 1
		case first > 0:
			fmt.Fprintf(w, "%d groups: %.2f times etcd's CPU for a write, %.1f times its writes a second\n", s.groups, cpu[i]/cpu[0], rate[i]/rate[0])
		}
		if i > first && s.name != "etcd" {
			fmt.Fprintf(w, "%d groups: %.2f times the CPU for a write with %d\n", s.groups, cpu[i]/cpu[first], systems[first].groups)
		}
	}
	return nil
}

func median(runs []result, of func(result) float64) float64 {
	v := make([]float64, len(runs))
	for i, r := range runs {
		v[i] = of(r)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
