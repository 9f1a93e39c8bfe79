package store

import (
	"fmt"
	"testing"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/storage/keys"
)

func checksumCmd(index uint64) *kvpb.AdminRequest {
	return &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Checksum{Checksum: &kvpb.ChecksumRequest{Index: index}}}
}

// sums has all replicas of a region hashed at one index and returns what each says.
func (c *cluster) sums(id uint64) map[uint64]*kvpb.ChecksumResponse {
	c.t.Helper()
	begun := c.leader(id).admin(id, checksumCmd(0)).GetAdmin().GetChecksum()
	if begun.GetIndex() == 0 {
		c.t.Fatalf("no checksum: %v", begun)
	}
	out := make(map[uint64]*kvpb.ChecksumResponse)
	c.until("all replicas have hashed their state", func() bool {
		for _, p := range begun.GetRegion().GetPeers() {
			r := c.stores[p.GetStoreId()].admin(id, checksumCmd(begun.GetIndex())).GetAdmin().GetChecksum()
			if !r.GetDone() {
				return false
			}
			out[p.GetStoreId()] = r
		}
		return true
	})
	return out
}

// Replicas are hashed at the same index, however their entries are bunched, and
// whatever each has collected of its garbage; a single wrong byte shows.
func TestChecksumsAgreeUnlessAByteDiffers(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	l := c.leader(2)
	c.gc(GCPoint{Fence: 1, Now: c.timestamp()})
	for i := range 8 {
		l.put(2, "a", fmt.Sprint(i), "b", fmt.Sprint(i))
	}
	fence := c.timestamp()
	c.gc(GCPoint{Fence: fence, Now: c.timestamp()})
	// Only the leader collects.
	point := GCPoint{Fence: c.timestamp(), Collect: fence, Now: c.timestamp()}
	l.s.SetGC(point)
	for range 2 {
		if err := l.s.SyncState(); err != nil {
			t.Fatal(err)
		}
		c.settle()
	}
	other := c.stores[1+l.id%3]
	if l.versions(keys.KindData) != 2 || other.versions(keys.KindData) != 16 {
		t.Fatalf("%d versions at the leader, %d at another", l.versions(keys.KindData), other.versions(keys.KindData))
	}
	same := func(sums map[uint64]*kvpb.ChecksumResponse) bool {
		return len(sums) == 3 && sums[1].GetHash() == sums[2].GetHash() && sums[1].GetHash() == sums[3].GetHash()
	}
	before := c.sums(2)
	if !same(before) || before[1].GetPairs() != 2 {
		t.Fatalf("equal replicas: %v", before)
	}

	// A follower that is behind applies writes before and behind the checksum in one
	// go.
	c.isolate(other.id)
	l.put(2, "c", "1")
	begun := l.begin(l.request(2, func(r *kvpb.Request) { r.Cmd = &kvpb.Request_Admin{Admin: checksumCmd(0)} }))
	c.settle()
	l.put(2, "a", "later", "d", "1")
	c.heal()
	index := (*begun).GetAdmin().GetChecksum().GetIndex()
	c.until("the follower has caught up", func() bool {
		return other.s.replica(2).AppliedIndex() == l.s.replica(2).AppliedIndex()
	})
	mine := l.admin(2, checksumCmd(index)).GetAdmin().GetChecksum()
	late := other.admin(2, checksumCmd(index)).GetAdmin().GetChecksum()
	if !mine.GetDone() || !late.GetDone() || mine.GetHash() != late.GetHash() || mine.GetPairs() != 3 {
		t.Fatalf("at index %d the leader has %v, the late follower %v", index, mine, late)
	}

	b := other.eng.State.NewBatch()
	defer b.Close()
	ts := c.timestamp()
	if err := b.Set(keys.DataVersion(keys.User("b"), ts), append([]byte{1, 1, 1}, 'x')); err != nil {
		t.Fatal(err)
	}
	if err := other.eng.State.Apply(b, false); err != nil {
		t.Fatal(err)
	}
	if after := c.sums(2); same(after) || after[l.id].GetHash() == after[other.id].GetHash() {
		t.Fatalf("a replica with a wrong version is not told from the others: %v", after)
	}
}

// A result that is not there any more is said to be unknown, not equal.
func TestChecksumIsLostWithARestart(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	l := c.leader(2)
	index := l.admin(2, checksumCmd(0)).GetAdmin().GetChecksum().GetIndex()
	if err := l.s.SyncState(); err != nil {
		t.Fatal(err)
	}
	l.crash()
	l.restart()
	l = c.leader(2)
	if r := l.admin(2, checksumCmd(index)).GetAdmin().GetChecksum(); !r.GetUnknown() || r.GetDone() {
		t.Fatalf("after a restart: %v", r)
	}
}
