package store

import (
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
