package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// BenchResult is what pgbench printed about a run.
type BenchResult struct {
	Output       string
	Transactions int64   // processed
	Failed       int64   // gave up on serialization errors or deadlocks
	Retried      int64   // needed more than one try
	TPS          float64 // without the time of connecting
}

// PGBench runs pgbench against a DSN. An error is returned if it ended with
// anything but 0, or says that a client was aborted.
func PGBench(ctx context.Context, dsn string, args ...string) (BenchResult, error) {
	cmd := exec.CommandContext(ctx, "pgbench", append(args, dsn)...)
	cmd.SysProcAttr = dieWithParent()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	r := BenchResult{Output: out.String()}
	if err != nil {
		return r, fmt.Errorf("pgbench %s: %w\n%s", strings.Join(args, " "), err, tail(r.Output, 3000))
	}
	if strings.Contains(r.Output, "aborted") { // "client 3 aborted in command 5 …"
		return r, fmt.Errorf("pgbench %s: a client was aborted\n%s", strings.Join(args, " "), tail(r.Output, 3000))
	}
	r.Transactions = wholeNumber(r.Output, `number of transactions actually processed: (\d+)`)
	r.Failed = wholeNumber(r.Output, `number of failed transactions: (\d+)`)
	r.Retried = wholeNumber(r.Output, `number of transactions retried: (\d+)`)
	if m := regexp.MustCompile(`tps = ([0-9.]+) \(without`).FindStringSubmatch(r.Output); m != nil {
		if r.TPS, err = strconv.ParseFloat(m[1], 64); err != nil {
			return r, err
		}
	}
	return r, nil
}

func wholeNumber(text, pattern string) int64 {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return 0 // pgbench leaves lines out that are zero
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func tail(s string, n int) string { return s[max(0, len(s)-n):] }
