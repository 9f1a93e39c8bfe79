package main

import (
	"os"
	"strings"
	"testing"
	"time"
)

// The figures are read from where they stand, and lines that do not fit are errors.
func TestReaders(t *testing.T) {
	parent, ticks, err := parseStat("7 (a) b (c)) S 3 7 7 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 5 0 0")
	if err != nil || parent != 3 || ticks != 110 {
		t.Errorf("parseStat: parent %d, %d ticks, %v", parent, ticks, err)
	}
	if _, _, err := parseStat("nonsense"); err == nil {
		t.Error("parseStat takes nonsense")
	}
	ds, err := parseLog(strings.NewReader("0 1 1500 0 1700000000 5\n1 1 failed 0 1700000000 6\n0 2 2500 0 1700000000 7 3\n"))
	if err != nil || len(ds) != 2 || ds[1] != 2500*time.Microsecond {
		t.Errorf("parseLog: %v, %v", ds, err)
	}
	if _, err := parseLog(strings.NewReader("0 1 x 0 1 1\n")); err == nil {
		t.Error("parseLog takes nonsense")
	}
	var hundred []time.Duration
	for i := 1; i <= 100; i++ {
		hundred = append(hundred, time.Duration(i))
	}
	for _, c := range []struct {
		p    float64
		want time.Duration
	}{{0.99, 99}, {0.5, 50}, {1, 100}, {0, 1}} {
		if got := percentile(hundred, c.p); got != c.want {
			t.Errorf("percentile %v is %d, want %d", c.p, got, c.want)
		}
	}
	if got := medians([]figures{{tps: 1}, {tps: 9}, {tps: 2, failed: 4}}); got.tps != 2 || got.failed != 4 {
		t.Errorf("medians: %+v", got)
	}
	if _, err := treeCPU(os.Getpid()); err != nil {
		t.Error(err)
	}
	if _, err := treeCPU(-1); err == nil {
		t.Error("a process that is not there has CPU time")
	}
}

func TestParseRSS(t *testing.T) {
	mb, err := parseRSS("Name:\tquorate\nVmPeak:\t 3000000 kB\nVmRSS:\t  204800 kB\nThreads:\t9\n")
	if err != nil || mb != 200 {
		t.Errorf("200 MB are read as %d, %v", mb, err)
	}
	if _, err := parseRSS("Name:\tkthreadd\n"); err == nil {
		t.Error("a status without VmRSS is no error")
	}
}

// What sysbench and the kernel print is read from where it stands.
func TestPeersReaders(t *testing.T) {
	f, n, err := parseSysbench("    transactions:                        9812   (4903.31 per sec.)\n         99th percentile:                       2.48\n")
	if err != nil || n != 9812 || f.tps != 4903.31 || f.p99 != 2480*time.Microsecond {
		t.Errorf("%d transactions, %+v, %v", n, f, err)
	}
	if _, _, err := parseSysbench("FATAL: nothing"); err == nil {
		t.Error("a run without figures is no error")
	}
	was, err := parseMachine("cpu  100 0 50 800 50 0 0 0 0 0\ncpu0 1\n", "0.50 0.40 0.30 1/100 7\n")
	if err != nil {
		t.Fatal(err)
	}
	now, err := parseMachine("cpu  150 0 70 820 50 0 0 10 0 0\n", "1.50 0.40 0.30 1/100 7\n")
	if err != nil {
		t.Fatal(err)
	}
	if b := now.since(was); b.busy != 80 || b.steal != 10 || b.load != 1.5 {
		t.Errorf("the machine was %+v", b)
	}
	if _, err := parseMachine("intr 1 2 3\n", "1 1 1"); err == nil {
		t.Error("nonsense is no error")
	}
}
