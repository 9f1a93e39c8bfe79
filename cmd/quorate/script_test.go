package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// The scripts run the real command line: quorate in them is this binary.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"quorate": main})
}

// Each script in testdata/script says in its first lines what it proves.
func TestScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"node": startNode, "stopnode": stopNode, "killnode": killNode, "exits": exits, "eventually": eventually,
		},
		Setup: func(e *testscript.Env) error {
			e.Values["nodes"] = &scriptNodes{byName: map[string]*exec.Cmd{}}
			return nil
		},
	})
}

// scriptNodes are the processes of one script.
type scriptNodes struct{ byName map[string]*exec.Cmd }

// quorateCommand is this binary as quorate, in the script's folder and environment.
func quorateCommand(ts *testscript.TestScript, args ...string) *exec.Cmd {
	self, err := os.Executable()
	ts.Check(err)
	cmd := &exec.Cmd{Path: self, Args: append([]string{"quorate"}, args...), Dir: ts.MkAbs(".")}
	cmd.Env = os.Environ()
	for _, name := range []string{"QUORATE_HOST", "WORK", "HOME"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

// startNode is node N [flag…]: it starts node N on free ports with the store nodeN, joins
// node 1 unless it is that, and sets RPCN, SQLN, HTTPN; node 1 is what commands ask.
func startNode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: node N [flag...]")
	}
	n := args[0]
	flags := []string{"start", "--store", "node" + n, "--log-level", "error"}
	for _, l := range []string{"--listen-sql", "--listen-rpc", "--listen-http"} {
		flags = append(flags, l, "127.0.0.1:0")
	}
	if n != "1" {
		flags = append(flags, "--join", ts.Getenv("RPC1"))
	}
	cmd := quorateCommand(ts, append(flags, args[1:]...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	var errs strings.Builder
	cmd.Stderr = &errs
	ts.Check(cmd.Start())
	nodes := ts.Value("nodes").(*scriptNodes)
	nodes.byName[n] = cmd
	ts.Defer(func() {
		if nodes.byName[n] == cmd {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		ts.Fatalf("node %s said nothing: %v\n%s", n, err, errs.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the process
	for _, f := range strings.Fields(line) {
		if k, v, ok := strings.Cut(f, "="); ok {
			ts.Setenv(strings.ToUpper(k)+n, v)
		}
	}
	if n == "1" {
		ts.Setenv("QUORATE_HOST", ts.Getenv("RPC1"))
	}
}

func (s *scriptNodes) end(ts *testscript.TestScript, args []string, sig syscall.Signal) error {
	if len(args) != 1 || s.byName[args[0]] == nil {
		ts.Fatalf("no such node: %v", args)
	}
	cmd := s.byName[args[0]]
	delete(s.byName, args[0])
	ts.Check(cmd.Process.Signal(sig))
	return cmd.Wait()
}

// stopNode is stopnode N: a stop in good order, which must exit with 0.
func stopNode(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(ts.Value("nodes").(*scriptNodes).end(ts, args, syscall.SIGTERM))
}

// killNode is killnode N.
func killNode(ts *testscript.TestScript, _ bool, args []string) {
	_ = ts.Value("nodes").(*scriptNodes).end(ts, args, syscall.SIGKILL) // it was killed
}

// exits is exits CODE COMMAND…: quorate ends with that code. Its output is for stdout and
// stderr as after exec.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARG...")
	}
	cmd := quorateCommand(ts, args[1:]...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if cmd.ProcessState == nil {
		ts.Fatalf("quorate did not run: %v", err)
	}
	fmt.Fprint(ts.Stdout(), out.String())
	fmt.Fprint(ts.Stderr(), errs.String())
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit code %s, want %s\n%s%s", got, args[0], out.String(), errs.String())
	}
}

// eventually is eventually PATTERN ARG…: quorate prints something that matches, sooner or
// later.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN ARG...")
	}
	re := regexp.MustCompile("(?m)" + args[0])
	for deadline := time.Now().Add(30 * time.Second); ; {
		b, _ := quorateCommand(ts, args[1:]...).CombinedOutput() // the code does not matter
		if re.Match(b) {
			fmt.Fprint(ts.Stdout(), string(b))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing matches %s in\n%s", args[0], b)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
