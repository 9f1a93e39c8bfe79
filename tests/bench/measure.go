package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ, which is 100 on every
// architecture that Go runs on.
const clockTick = 10 * time.Millisecond

// treeCPU is the CPU time of a process, of its children that have ended, and of
// its descendants that run (PostgreSQL has a process for each connection).
func treeCPU(pid int) (time.Duration, error) {
	stats, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	children := map[int][]int{}
	ticks := map[int]int64{}
	for _, e := range stats {
		id, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended meanwhile: its parent counts it
		}
		parent, used, err := parseStat(string(b))
		if err != nil {
			return 0, err
		}
		children[parent] = append(children[parent], id)
		ticks[id] = used
	}
	if _, ok := ticks[pid]; !ok {
		return 0, fmt.Errorf("process %d is gone", pid)
	}
	var sum int64
	for todo := []int{pid}; len(todo) > 0; {
		id := todo[0]
		todo = append(todo[1:], children[id]...)
		sum += ticks[id]
	}
	return time.Duration(sum) * clockTick, nil
}

// parseStat reads a line of /proc/PID/stat (proc(5)): the parent, and the sum of
// utime, stime, cutime and cstime.
func parseStat(line string) (parent int, ticks int64, err error) {
	i := strings.LastIndexByte(line, ')') // the name may hold anything
	if i < 0 {
		return 0, 0, fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	}
	f := strings.Fields(line[i+1:])
	if len(f) < 15 {
		return 0, 0, fmt.Errorf("not a line of /proc/PID/stat: %q", line)
	}
	if parent, err = strconv.Atoi(f[1]); err != nil {
		return 0, 0, err
	}
	for _, s := range f[11:15] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, 0, err
		}
		ticks += n
	}
	return parent, ticks, nil
}

// latencies reads pgbench's transaction logs below dir, sorted.
func latencies(dir string) ([]time.Duration, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return nil, err
	}
	var out []time.Duration
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		ds, err := parseLog(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out = append(out, ds...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("pgbench left no log in %s", dir)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	return out, nil
}

// parseLog reads `client_id transaction_no time …`: time is in microseconds, or
// says that the transaction failed or was skipped.
func parseLog(r io.Reader) (out []time.Duration, err error) {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		f := strings.Fields(sc.Text())
		if len(f) < 6 {
			return nil, fmt.Errorf("not a line of pgbench's log: %q", sc.Text())
		}
		if f[2] == "failed" || f[2] == "skipped" {
			continue
		}
		us, err := strconv.ParseInt(f[2], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("not a line of pgbench's log: %q", sc.Text())
		}
		out = append(out, time.Duration(us)*time.Microsecond)
	}
	return out, sc.Err()
}

// percentile of sorted values, by the nearest rank.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	i := int(p*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}

// syncTime is the median time of an fsync after 4 KiB in dir: most of a commit's
// latency depends on it.
func syncTime(dir string) (time.Duration, error) {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0, err
	}
	defer f.Close() // below dir, which is removed
	block := make([]byte, 4096)
	ds := make([]time.Duration, 100)
	for i := range ds {
		if _, err := f.Write(block); err != nil {
			return 0, err
		}
		began := time.Now()
		if err := f.Sync(); err != nil {
			return 0, err
		}
		ds[i] = time.Since(began)
	}
	sort.Slice(ds, func(i, j int) bool { return ds[i] < ds[j] })
	return ds[len(ds)/2], nil
}
