package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// outcome of a mutant's run.
type outcome struct {
	killed bool
	how    string // what the test said, or why there is no verdict
	seed   string // of the simulation, if that killed it
	took   time.Duration
}

// runner runs killers with the product changed.
type runner struct {
	root    string // of the product
	timeout time.Duration
}

// run gives a mutant to its killer.
func (r *runner) run(ctx context.Context, m *mutant) (outcome, error) {
	dir, err := os.MkdirTemp("", "mutant")
	if err != nil {
		return outcome{}, err
	}
	defer os.RemoveAll(dir)
	var flags []string
	if m.module == "" {
		flags, err = r.overlay(m, dir)
	} else {
		flags, err = r.library(ctx, m, dir)
	}
	if err != nil {
		return outcome{}, err
	}
	return r.test(ctx, m.by, flags)
}

// baseline runs the killer without any mutant: a test that fails anyway kills
// nothing. Of the simulation it is the seed that noticed.
func (r *runner) baseline(ctx context.Context, k killer, o outcome) error {
	if k.seeds && o.seed != "" {
		k.args = []string{"-seed", o.seed, "-shrink=false"}
	}
	without, err := r.test(ctx, k, nil)
	if err == nil && without.killed {
		err = fmt.Errorf("%v fails without the mutant too: %s", k, without.how)
	}
	return err
}

// overlay writes the changed files to dir and returns go test's flags for them.
func (r *runner) overlay(m *mutant, dir string) ([]string, error) {
	files, err := m.apply(r.root)
	if err != nil {
		return nil, err
	}
	replace := make(map[string]string)
	for path, src := range files {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(to, src, 0o644); err != nil {
			return nil, err
		}
		replace[path] = to
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, "overlay.json")
	return []string{"-overlay", path}, os.WriteFile(path, b, 0o644)
}

// library copies the module to dir, changes it there, and returns go test's flags
// to build with it.
func (r *runner) library(ctx context.Context, m *mutant, dir string) ([]string, error) {
	from, err := moduleDir(ctx, r.root, m.module)
	if err != nil {
		return nil, err
	}
	files, err := m.apply(from)
	if err != nil {
		return nil, err
	}
	to := filepath.Join(dir, "module")
	if err := copyGo(from, to); err != nil {
		return nil, err
	}
	for path, src := range files {
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(to, rel), src, 0o644); err != nil {
			return nil, err
		}
	}
	mod, err := os.ReadFile(filepath.Join(r.root, "go.mod"))
	if err != nil {
		return nil, err
	}
	sum, err := os.ReadFile(filepath.Join(r.root, "go.sum"))
	if err != nil {
		return nil, err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => %s\n", m.module, to)
	path := filepath.Join(dir, "mutant.mod")
	return []string{"-modfile", path}, errors.Join(
		os.WriteFile(path, mod, 0o644), os.WriteFile(filepath.Join(dir, "mutant.sum"), sum, 0o644))
}

// copyGo copies a module's sources; those in the module cache are read-only.
func copyGo(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir() && d.Name() == "testdata":
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		case !strings.HasSuffix(path, ".go") && d.Name() != "go.mod":
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	})
}

func moduleDir(ctx context.Context, root, module string) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	cmd.Dir = root
	out, err := cmd.Output()
	dir := strings.TrimSpace(string(out))
	if err == nil && dir == "" {
		err = errors.New("it is not downloaded")
	}
	if err != nil {
		return "", fmt.Errorf("find module %s: %w", module, err)
	}
	return dir, nil
}

// test runs a killer and judges what it says.
func (r *runner) test(ctx context.Context, k killer, flags []string) (outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout+time.Minute)
	defer cancel()
	args := append([]string{"test", "-vet=off", "-count=1", "-timeout", r.timeout.String()}, flags...)
	args = append(args, "-run", pattern(k.test), k.pkg)
	args = append(args, k.args...)
	begun := time.Now()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.WaitDelay = 5 * time.Second
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	o, verr := judge(out.String(), err != nil)
	o.took = time.Since(begun)
	if ctx.Err() != nil {
		verr = ctx.Err()
	}
	return o, verr
}

// pattern anchors each level of a test's name.
func pattern(name string) string {
	levels := strings.Split(name, "/")
	for i, l := range levels {
		levels[i] = "^" + regexp.QuoteMeta(l) + "$"
	}
	return strings.Join(levels, "/")
}

var (
	saidLine = regexp.MustCompile(`(?m)^\s+\S+_test\.go:\d+: (.*)$`)
	seedLine = regexp.MustCompile(`(?m)^\s+\S+_test\.go:\d+: seed (\d+): (.* broken at .*)$`)
	panicked = regexp.MustCompile(`(?m)^(panic: .*|fatal error: .*)$`)
)

// judge reads the output of a killer that ended well or did not. An error says that
// it is no verdict: nothing was built, or no such test is there.
func judge(out string, failed bool) (outcome, error) {
	switch {
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return outcome{}, fmt.Errorf("does not build:\n%s", head(out))
	case strings.Contains(out, "no tests to run"):
		return outcome{}, errors.New("there is no such test")
	case strings.Contains(out, "panic: test timed out"):
		return outcome{}, fmt.Errorf("the test does not end:\n%s", head(out))
	case strings.Contains(out, "--- SKIP"):
		return outcome{}, fmt.Errorf("the test was skipped:\n%s", head(out))
	case !failed:
		return outcome{how: "nothing noticed"}, nil
	}
	o := outcome{killed: true}
	if s := seedLine.FindStringSubmatch(out); s != nil {
		o.seed, o.how = s[1], s[2]
	} else if p := panicked.FindStringSubmatch(out); p != nil {
		o.how = p[1]
	} else if s := saidLine.FindStringSubmatch(out); s != nil {
		o.how = s[1]
	} else if !strings.Contains(out, "--- FAIL") {
		return outcome{}, fmt.Errorf("go test failed, the test did not:\n%s", head(out))
	}
	return o, nil
}

func head(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[:min(len(lines), 20)], "\n")
}
