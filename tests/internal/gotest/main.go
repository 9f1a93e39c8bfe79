// Command gotest runs `go test -json` with the arguments it is given and prints
// what a person wants to see: a line for each package, the whole output of each
// test that failed, and at the end every test that was skipped with its reason.
// So "it passed" never hides what did not run. It ends with go test's own code.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sort"
	"strings"
	"syscall"
	"time"
)

// event is a line of `go test -json` (see go doc test2json); ImportPath and
// build-output belong to compiler messages.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
}

type result struct {
	output map[string][]string // by package + " " + test
	failed []string            // keys of tests that failed
	skips  []string
	bad    int // packages that failed
	good   int
	build  []string // compiler messages
}

func main() {
	started := time.Now()
	fmt.Printf("go test %s\n", strings.Join(os.Args[1:], " "))
	cmd := exec.Command("go", append([]string{"test", "-json"}, os.Args[1:]...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start go test:", err)
		os.Exit(1)
	}
	// go test hears the terminal's signal itself; from anywhere else it is
	// passed on, so that nothing is left running.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { // ends with the process
		for s := range signals {
			_ = cmd.Process.Signal(s) // it may have ended already
		}
	}()
	r := read(out, os.Stdout)
	err = cmd.Wait()
	r.summary(os.Stdout)
	fmt.Printf("%d packages passed, %d failed, %d tests skipped, %.0f s\n", r.good, r.bad, len(r.skips), time.Since(started).Seconds())
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() > 0:
		os.Exit(exit.ExitCode())
	case err != nil || r.bad > 0:
		os.Exit(1)
	}
}

// read follows the events, prints a line for each package and keeps the rest.
func read(in io.Reader, w io.Writer) *result {
	r := &result{output: map[string][]string{}}
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 64<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil || e.Action == "" {
			fmt.Fprintln(w, sc.Text()) // not an event: a message of the go command
			continue
		}
		r.add(e, w)
	}
	if err := sc.Err(); err != nil {
		fmt.Fprintln(w, "read the output of go test:", err)
		r.bad++
	}
	return r
}

func (r *result) add(e event, w io.Writer) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		r.build = append(r.build, e.Output)
	case "output":
		r.output[key] = append(r.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e, w)
			return
		}
		if e.Action == "fail" {
			r.failed = append(r.failed, key)
			return
		}
		if e.Action == "skip" {
			r.skips = append(r.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(r.output[key])))
		}
		delete(r.output, key)
	}
}

func (r *result) endPackage(e event, w io.Writer) {
	switch e.Action {
	case "pass":
		r.good++
		fmt.Fprintf(w, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
	case "skip":
		return // no tests
	case "fail":
		r.bad++
		fmt.Fprintf(w, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
		for _, key := range r.failed {
			if strings.HasPrefix(key, e.Package+" ") {
				fmt.Fprint(w, strings.Join(r.output[key], ""))
				delete(r.output, key)
			}
		}
		// A panic or a time-out is printed under the package or under the test
		// that ran; what is still kept is that.
		var rest []string
		for key := range r.output {
			if strings.HasPrefix(key, e.Package+" ") {
				rest = append(rest, key)
			}
		}
		sort.Strings(rest)
		for _, key := range rest {
			fmt.Fprint(w, strings.Join(r.output[key], ""))
		}
	}
	for key := range r.output {
		if strings.HasPrefix(key, e.Package+" ") {
			delete(r.output, key)
		}
	}
}

// reason is what the test said when it skipped: its last line but the frame.
func reason(lines []string) string {
	for i := len(lines) - 1; i >= 0; i-- {
		s := strings.TrimSpace(lines[i])
		if s == "" || strings.HasPrefix(s, "---") || strings.HasPrefix(s, "===") {
			continue
		}
		if _, after, ok := strings.Cut(s, ".go:"); ok {
			if _, said, ok := strings.Cut(after, ": "); ok {
				return said
			}
		}
		return s
	}
	return "no reason given"
}

func (r *result) summary(w io.Writer) {
	if len(r.build) > 0 && r.bad > 0 {
		fmt.Fprint(w, strings.Join(r.build, ""))
	}
	sort.Strings(r.skips)
	for _, s := range r.skips {
		fmt.Fprintln(w, "SKIP ", s)
	}
}
