package store

import (
	"strings"
	"syscall"
	"testing"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// smallDisk says how much of it is left.
type smallDisk struct {
	engine.FS
	avail *uint64
}

func (d smallDisk) GetDiskUsage(string) (engine.DiskUsage, error) {
	return engine.DiskUsage{AvailBytes: *d.avail, TotalBytes: 1000, UsedBytes: 1000 - *d.avail}, nil
}

// A store whose disk is full refuses what adds data by name, goes on with reads,
// deletions and the ends of transactions, and takes writes again by itself.
func TestFullDiskRefusesWrites(t *testing.T) {
	c := newCluster(t, 1)
	avail := uint64(500)
	c.stores[1].wrap = func(fs engine.FS) engine.FS { return smallDisk{fs, &avail} }
	c.bootstrap(userRegion(1))
	l := c.leader(2)
	look := func(left uint64) {
		t.Helper()
		avail = left
		if err := l.s.SyncState(); err != nil {
			t.Fatal(err)
		}
		c.settle()
	}
	look(500)
	l.put(2, "a", "1", "b", "1")
	start := c.timestamp()
	if r := l.call(l.prewriteReq(2, start, "c", "1")); r.GetRegionError() != nil || len(r.GetPrewrite().GetErrors()) > 0 {
		t.Fatal(r)
	}
	look(19) // below 2 %
	if r := l.call(l.putReq(2, c.timestamp(), "d", "1")); r.GetRegionError().GetDiskFull() == nil {
		t.Fatalf("a write on a full disk: %v", r)
	}
	l.wantGet(2, "a", "1")
	if r := l.call(l.deleteReq(2, "a")); r.GetRegionError() != nil || r.GetPrewrite().GetOnePcCommitTs() == 0 {
		t.Fatalf("a deletion on a full disk: %v", r)
	}
	r := l.call(l.request(2, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{StartTs: uint64(start), CommitTs: uint64(c.timestamp()), Keys: [][]byte{[]byte("c")}}}
	}))
	if r.GetRegionError() != nil || r.GetCommit().GetError() != nil {
		t.Fatalf("the commit of what was written before: %v", r)
	}
	look(22) // not enough to be sure
	if r := l.call(l.putReq(2, c.timestamp(), "d", "1")); r.GetRegionError().GetDiskFull() == nil {
		t.Fatalf("a write on a disk that is barely above the limit: %v", r)
	}
	look(30)
	l.put(2, "d", "1")
	l.wantGet(2, "d", "1")
	if l.fatal != nil {
		t.Errorf("the store failed: %v", l.fatal)
	}
}

// A value that cannot be read is no answer: the store stops, and the region goes on
// with the other replicas.
func TestDamagedValueStopsTheStore(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	l := c.leader(2)
	at := l.put(2, "a", "1")
	c.tick()
	b := l.eng.State.NewBatch()
	defer b.Close()
	if err := b.Set(keys.DataVersion(keys.User("a"), at), []byte{0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if err := l.eng.State.Apply(b, false); err != nil {
		t.Fatal(err)
	}
	if r := l.call(l.getReq(2, "a", c.timestamp())); r.GetRegionError().GetUnavailable() == nil {
		t.Fatalf("read of a damaged value: %v", r)
	}
	if l.fatal == nil {
		t.Fatal("the store goes on with damaged data")
	}
	l.crash()
	c.leader(2).wantGet(2, "a", "1")
}

// noSpace gives ENOSPC to whoever makes or writes a file whose path holds part. It is
// used as a pointer, since Pebble compares file systems.
type noSpace struct {
	engine.FS
	on   func() bool
	part string
}

func (d *noSpace) Create(name string, c engine.DiskWriteCategory) (engine.File, error) {
	if d.on() && strings.Contains(name, d.part) {
		return nil, syscall.ENOSPC
	}
	f, err := d.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return noSpaceFile{f, d, name}, nil
}

type noSpaceFile struct {
	engine.File
	d    *noSpace
	name string
}

func (f noSpaceFile) Write(b []byte) (int, error) {
	if f.d.on() && strings.Contains(f.name, f.d.part) {
		return 0, syscall.ENOSPC
	}
	return f.File.Write(b)
}

// A raft snapshot that finds no space is thrown away and comes again; the store that
// could not take it goes on.
func TestNoSpaceForARaftSnapshot(t *testing.T) {
	c := newCluster(t, 3)
	on := true
	c.stores[3].wrap = func(fs engine.FS) engine.FS { return &noSpace{fs, func() bool { return on }, "staging"} }
	c.bootstrap(userRegion(1))
	l := c.leader(2)
	l.put(2, "a", "1")
	l.mustChange(2, change(kvpb.ChangeType_ADD_LEARNER, 103, 3))
	for range 40 {
		c.tick()
	}
	if r := c.stores[3].s.replica(2); r != nil && !r.Shell() {
		t.Fatal("the snapshot was installed without space for it")
	}
	if err := c.stores[3].fatal; err != nil {
		t.Fatalf("the store failed: %v", err)
	}
	on = false
	c.until("the learner is filled", func() bool {
		r := c.stores[3].s.replica(2)
		return r != nil && !r.Shell()
	})
	if got := c.stores[3].localGet("a"); got != "1" {
		t.Errorf("the learner holds %q", got)
	}
}

// A log that cannot be written ends the store: it acknowledges nothing any more, and
// the others go on.
func TestNoSpaceForTheLog(t *testing.T) {
	c := newCluster(t, 3)
	on := false
	l := uint64(1)
	for _, id := range c.storeIDs() {
		c.stores[id].wrap = func(fs engine.FS) engine.FS {
			return &noSpace{fs, func() bool { return on && id == l }, "/log/"}
		}
	}
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(2)
	l = n.id
	n.put(2, "a", "1")
	on = true
	n.begin(n.putReq(2, c.timestamp(), "b", "1"))
	c.settle()
	c.until("the store has failed", func() bool { return n.fatal != nil })
	on = false
	n.crash()
	c.leader(2).wantGet(2, "a", "1")
	c.leader(2).put(2, "c", "1")
}
