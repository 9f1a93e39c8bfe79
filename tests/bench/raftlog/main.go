package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// flags are those of the measurement; what the processes get is made from them.
type flags struct {
	etcdpeer  string
	out       string
	dir       string
	groups    []int
	proposers int
	bytes     int
	seconds   int
	warm      int
	rounds    int
	profile   string
	max       time.Duration
}

func main() {
	sub := map[string]func([]string) error{"serve": serve, "load": load}
	if len(os.Args) > 1 && sub[os.Args[1]] != nil {
		if err := sub[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintf(os.Stderr, "raftlog %s: %v\n", os.Args[1], err)
			os.Exit(1)
		}
		return
	}
	var f flags
	groups := flag.String("groups", "1,64,1024", "numbers of groups to measure")
	flag.StringVar(&f.etcdpeer, "etcdpeer", "", "binary of tests/bench/etcdpeer; empty: build it; none: leave etcd out")
	flag.StringVar(&f.out, "out", "", "also write the table to this file")
	flag.StringVar(&f.dir, "dir", "", "where to make the directories of the stores; empty: the system's place for temporary files")
	flag.IntVar(&f.proposers, "proposers", 64, "writes under way at a time")
	flag.IntVar(&f.bytes, "bytes", 100, "size of a value")
	flag.IntVar(&f.seconds, "seconds", 10, "length of one run")
	flag.IntVar(&f.warm, "warm", 3, "seconds of load before each run")
	flag.IntVar(&f.rounds, "rounds", 3, "runs of each system, in turns")
	flag.StringVar(&f.profile, "profile", "", "write CPU and allocation profiles of the stores to files that begin so")
	flag.DurationVar(&f.max, "timeout", 30*time.Minute, "give up after this long")
	flag.Parse()
	for _, g := range strings.Split(*groups, ",") {
		n, err := strconv.Atoi(g)
		if err != nil || n < 1 {
			fmt.Fprintf(os.Stderr, "raftlog: %q is no number of groups\n", g)
			os.Exit(2)
		}
		f.groups = append(f.groups, n)
	}
	if flag.NArg() > 0 || min(f.proposers, f.seconds, f.rounds, f.bytes) < 1 || f.warm < 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	ctx, timeout := context.WithTimeout(ctx, f.max)
	defer timeout()
	if err := measure(ctx, f); err != nil {
		fmt.Fprintln(os.Stderr, "raftlog:", err)
		if errors.Is(err, errMissing) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}
