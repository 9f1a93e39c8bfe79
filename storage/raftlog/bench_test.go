package raftlog

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	pb "go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/storage/engine"
)

var benchDir = flag.String("log-dir", "", "where the benchmarks of the log write; empty: the system's place for temporary files")

// The benchmark of the log writes what a busy store does: commits of 8 groups with 2
// entries of 200 bytes each, one after the other, each synced, over 64 groups; every
// 1,000 commits, about once a second, all groups are compacted to their last 100
// entries.
const (
	benchGroups  = 64
	benchRound   = 8
	benchEntries = 2
	benchBytes   = 200
	benchKeep    = 100
	benchCompact = 1000
)

// benchRun counts what a run costs.
type benchRun struct {
	next  [benchGroups]uint64
	data  []byte
	began time.Time
	cpu   time.Duration
	disk  uint64
	syncs int
}

func (r *benchRun) start(b *testing.B) {
	r.data = bytes.Repeat([]byte{'x'}, benchBytes)
	for g := range r.next {
		r.next[g] = 1
	}
	r.cpu, r.disk, r.began = cpuUsed(), diskWritten(b), time.Now()
}

// round returns the groups of a commit.
func (r *benchRun) round(commit int) (groups [benchRound]int) {
	for i := range groups {
		groups[i] = (commit*benchRound + i) % benchGroups
	}
	return groups
}

func (r *benchRun) entries(g int) []*pb.Entry {
	es := make([]*pb.Entry, benchEntries)
	for i := range es {
		es[i] = &pb.Entry{Index: new(r.next[g]), Term: new(uint64(7)), Type: pb.EntryNormal.Enum(), Data: r.data}
		r.next[g]++
	}
	return es
}

func (r *benchRun) report(b *testing.B) {
	entries := float64(b.N * benchRound * benchEntries)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64((cpuUsed()-r.cpu).Nanoseconds())/entries, "cpu-ns/entry")
	b.ReportMetric(float64(diskWritten(b)-r.disk)/entries/benchBytes, "disk-B/payload-B")
	b.ReportMetric(float64(r.syncs)/float64(b.N), "syncs/commit")
	b.ReportMetric(float64(b.N)/time.Since(r.began).Seconds(), "commits/s")
}

func cpuUsed() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// diskWritten is what this process had the kernel write to disk (proc(5)).
func diskWritten(b *testing.B) (n uint64) {
	b.Helper()
	text, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("no /proc/self/io:", err)
	}
	_, rest, _ := strings.Cut(string(text), "write_bytes: ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		b.Fatal(err)
	}
	return n
}

// syncCounter counts the syncs of files.
type syncCounter struct {
	engine.FS
	n *int
}

func (c syncCounter) Create(name string, k engine.DiskWriteCategory) (engine.File, error) {
	f, err := c.FS.Create(name, k)
	return syncCounted{f, c.n}, err
}

func (c syncCounter) ReuseForWrite(from, to string, k engine.DiskWriteCategory) (engine.File, error) {
	f, err := c.FS.ReuseForWrite(from, to, k)
	return syncCounted{f, c.n}, err
}

type syncCounted struct {
	engine.File
	n *int
}

func (f syncCounted) Sync() error {
	*f.n++
	return f.File.Sync()
}

func (f syncCounted) SyncData() error {
	*f.n++
	return f.File.SyncData()
}

// BenchmarkCommit measures the log store as it is: go test ./storage/raftlog -run '^$'
// -bench Commit -benchtime 40000x. What is said about it in the package comment comes
// from there.
func BenchmarkCommit(b *testing.B) {
	dir, err := os.MkdirTemp(*benchDir, "raftlog-")
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var r benchRun
	open := func() (*engine.Engine, *LogStore) {
		e, err := engine.Open(dir, engine.Options{Kind: engine.LogEngine, FS: syncCounter{engine.DefaultFS(), &r.syncs}})
		if err != nil {
			b.Fatal(err)
		}
		s, err := Open(e, Options{})
		if err != nil {
			b.Fatal(err)
		}
		return e, s
	}
	e, s := open()
	r.start(b)
	for commit := range b.N {
		w := s.NewBatch()
		for _, g := range r.round(commit) {
			if err := w.Append(uint64(g+1), nil, r.entries(g)); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Commit(); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
		if commit%benchCompact == benchCompact-1 {
			for g, next := range r.next {
				if next > benchKeep+1 {
					if err := s.CompactTo(uint64(g+1), next-1-benchKeep); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
	}
	r.report(b)
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	e, s = open()
	for g := range benchGroups {
		if _, err := s.Group(uint64(g + 1)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(time.Since(began).Milliseconds()), "open-ms")
	if err := e.Close(); err != nil {
		b.Fatal(err)
	}
}
