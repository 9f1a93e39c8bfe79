package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build compiles cmd/quorate into dir and returns the path of the binary. With
// the environment variable QUORATE_TEST_BINARY set, that one is used as it is;
// with QUORATE_TEST_RACE=1 the race detector is built in.
func Build(ctx context.Context, dir string) (string, error) { return build(ctx, dir, "quorate") }

// BuildFaulty is Build for a binary that obeys Node.SetFaults (build tag faults). With
// QUORATE_TEST_BINARY set it must be one already.
func BuildFaulty(ctx context.Context, dir string) (string, error) {
	return build(ctx, dir, "quorate-faulty", "-tags", "faults")
}

func build(ctx context.Context, dir, name string, flags ...string) (string, error) {
	if path := os.Getenv("QUORATE_TEST_BINARY"); path != "" {
		return filepath.Abs(path)
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	out := filepath.Join(dir, name)
	args := append([]string{"build", "-o", out}, flags...)
	if os.Getenv("QUORATE_TEST_RACE") == "1" {
		args = append(args, "-race")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./cmd/quorate")...)
	cmd.Dir = root
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build cmd/quorate: %w\n%s", err, msg)
	}
	return out, nil
}

// moduleRoot is the nearest folder upward that holds go.mod.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("no go.mod in this folder or above")
		}
		dir = up
	}
}
