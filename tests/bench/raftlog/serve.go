package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/store"
	"github.com/quorate-db/quorate/server"
	"github.com/quorate-db/quorate/storage/engine"
)

const clusterID = 7

// regionOf is the id of a region: the placement group's, which has a worker of its
// own, is not among them.
func regionOf(group int) uint64 { return uint64(multiraft.PlacementGroup + 1 + group) }

// startKey is where the region of a group begins.
func startKey(group int) []byte {
	if group == 0 {
		return nil
	}
	return fmt.Appendf(nil, "%06d", group)
}

// regions tile all keys, with a peer on each of the stores.
func regions(groups int, stores []uint64) []*metapb.Region {
	list := make([]*metapb.Region, groups)
	for g := range list {
		d := &metapb.Region{Id: regionOf(g), StartKey: startKey(g), Epoch: &metapb.Epoch{ConfVer: 1, Version: 1}}
		if g+1 < groups {
			d.EndKey = startKey(g + 1)
		}
		for _, s := range stores {
			d.Peers = append(d.Peers, &metapb.Peer{Id: regionOf(g)*16 + s, NodeId: s, StoreId: s})
		}
		list[g] = d
	}
	return list
}

// addresses reads what -stores lists: 1=host:port,2=host:port.
func addresses(list string) (ids []uint64, addr map[uint64]string, err error) {
	addr = map[uint64]string{}
	for _, s := range strings.Split(list, ",") {
		var id uint64
		at, where, ok := strings.Cut(s, "=")
		if _, err := fmt.Sscan(at, &id); err != nil || !ok {
			return nil, nil, fmt.Errorf("%q is no store", s)
		}
		ids = append(ids, id)
		addr[id] = where
	}
	return ids, addr, nil
}

// dialer keeps one connection to each store.
type dialer struct {
	addr map[uint64]string
	mu   struct {
		sync.Mutex
		conns map[uint64]*grpc.ClientConn
	}
}

func newDialer(addr map[uint64]string) *dialer {
	d := &dialer{addr: addr}
	d.mu.conns = map[uint64]*grpc.ClientConn{}
	return d
}

func (d *dialer) store(_ context.Context, id uint64) (*grpc.ClientConn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if c := d.mu.conns[id]; c != nil {
		return c, nil
	}
	c, err := server.Dial(d.addr[id], nil)
	if err == nil {
		d.mu.conns[id] = c
	}
	return c, err
}

func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.mu.conns {
		_ = c.Close()
	}
}

// serve runs one store until its input ends, and answers every line of it with its
// counters.
func serve(args []string) error {
	f := flag.NewFlagSet("serve", flag.ExitOnError)
	self := f.Uint64("store", 0, "this store's id")
	dir := f.String("dir", "", "directory of the store")
	list := f.String("stores", "", "id=address of all stores")
	groups := f.Int("groups", 1, "number of groups")
	profile := f.String("profile", "", "file for a CPU profile from the first line of input to the second, and with .allocs for one of allocations")
	if err := f.Parse(args); err != nil {
		return err
	}
	ids, addr, err := addresses(*list)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	fs := &countingFS{FS: engine.DefaultFS()}
	cache := engine.NewCache(128 << 20)
	defer cache.Close()
	fatal := func(err error) {
		fmt.Fprintln(os.Stderr, "raftlog serve:", err)
		os.Exit(1)
	}
	eng, err := store.OpenEngines(store.EngineOptions{Dir: filepath.Join(*dir, "store"), FS: fs, Cache: cache, Logger: logger, OnFatal: fatal})
	if err != nil {
		return err
	}
	defer eng.Close()
	if err := store.Bootstrap(eng, store.Ident{ClusterID: clusterID, StoreID: *self, NodeID: *self}, regions(*groups, ids)); err != nil {
		return err
	}
	lis, err := net.Listen("tcp", addr[*self])
	if err != nil {
		return err
	}
	d := newDialer(addr)
	defer d.close()
	rpc := server.NewGRPCServer(nil)
	defer rpc.Stop()
	var links *transport.GRPC
	s, err := store.Open(eng, store.Options{
		Transport: func(r multiraft.Receiver, h multiraft.SnapshotHandler) (multiraft.Transport, error) {
			var err error
			links, err = transport.NewGRPC(transport.Options{
				StoreID: *self, ClusterID: clusterID, Receiver: r, Snapshots: h, Dial: d.store,
				Clock: env.SystemClock(), Rand: env.SystemRand(), Logger: logger,
			})
			return links, err
		},
		Timestamps: func(context.Context) (timestamp.Timestamp, error) {
			return timestamp.Make(time.Now().UnixMilli(), 0), nil
		},
		Clock: env.SystemClock(), Rand: env.SystemRand(), Logger: logger, Fatal: fatal,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()); links.Close() }()
	links.Register(rpc)
	s.RegisterKV(rpc)
	go func() { _ = rpc.Serve(lis) }() // ends with Stop
	fmt.Println("ready")
	for in, lines := bufio.NewScanner(os.Stdin), 0; in.Scan(); lines++ {
		if err := toggleProfile(*profile, lines); err != nil {
			return err
		}
		st := s.Stats()
		if err := json.NewEncoder(os.Stdout).Encode(map[string]uint64{
			"syncs": fs.syncs.Load(), "batches": st.Driver.LogBatches, "entries": st.Driver.LogEntries,
			"rounds": st.Driver.Rounds, "looks": st.Driver.RoundGroups, "leaders": uint64(st.Leaders),
			"frames": links.Metrics().Frames, "messages": links.Metrics().Sent,
		}); err != nil {
			return err
		}
	}
	return nil
}

// toggleProfile begins a CPU profile at the first line of input and ends it at the
// second, when it also writes what was allocated since the start.
func toggleProfile(path string, lines int) error {
	if path == "" {
		return nil
	}
	switch lines {
	case 0:
		w, err := os.Create(path)
		if err != nil {
			return err
		}
		return pprof.StartCPUProfile(w)
	case 1:
		pprof.StopCPUProfile()
		w, err := os.Create(path + ".allocs")
		if err != nil {
			return err
		}
		return errors.Join(pprof.Lookup("allocs").WriteTo(w, 0), w.Close())
	}
	return nil
}

// countingFS counts syncs.
type countingFS struct {
	engine.FS
	syncs atomic.Uint64
}

func (c *countingFS) Create(name string, k engine.DiskWriteCategory) (engine.File, error) {
	return c.wrap(c.FS.Create(name, k))
}

func (c *countingFS) ReuseForWrite(from, to string, k engine.DiskWriteCategory) (engine.File, error) {
	return c.wrap(c.FS.ReuseForWrite(from, to, k))
}

func (c *countingFS) wrap(f engine.File, err error) (engine.File, error) {
	if err != nil {
		return nil, err
	}
	return &countingFile{f, c}, nil
}

type countingFile struct {
	engine.File
	fs *countingFS
}

func (f *countingFile) Sync() error {
	f.fs.syncs.Add(1)
	return f.File.Sync()
}

func (f *countingFile) SyncData() error {
	f.fs.syncs.Add(1)
	return f.File.SyncData()
}
