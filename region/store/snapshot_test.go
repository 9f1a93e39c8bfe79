package store

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/storage/engine"
)

// lag makes store 3 miss so much that the others have compacted their logs, and
// splits the region meanwhile, so that it needs a raft snapshot.
func lag(t *testing.T) (*cluster, *node) {
	t.Helper()
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	if n.id == 3 {
		n.admin(user, &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_TransferLeader{TransferLeader: &kvpb.TransferLeaderRequest{ToStore: 1}}})
		n = c.leader(user)
	}
	n.put(user, "ta", "old", "tb", "old", "tz", "old")
	c.tick()
	c.isolate(3)
	for i := range 30 {
		n.put(user, "ta", fmt.Sprint(i))
	}
	resp := n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_DeleteRange{DeleteRange: &kvpb.DeleteRangeRequest{StartKey: []byte("tb"), EndKey: []byte("tc")}}
	}))
	if resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	if resp := n.admin(user, splitCmd(50, 3, "tm")); resp.GetRegionError() != nil {
		t.Fatal(resp)
	}
	c.leader(50).put(50, "tz", "new")
	// Compaction keeps entries for peers that lag, up to a size; here it is asked
	// for on every store that is up.
	for _, id := range []uint64{1, 2} {
		for _, r := range []uint64{user, 50} {
			o := c.stores[id]
			if err := o.eng.State.Sync(); err != nil {
				t.Fatal(err)
			}
			if err := o.eng.Logs.CompactTo(r, o.s.replica(r).AppliedIndex()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c, c.stores[3]
}

func (c *cluster) wantCaughtUp(lagging *node) {
	c.t.Helper()
	c.until("the lagging store has all", func() bool {
		for _, id := range []uint64{user, 50} {
			r := lagging.s.replica(id)
			if r == nil || r.Shell() || r.AppliedIndex() < c.leader(id).s.replica(id).AppliedIndex() {
				return false
			}
		}
		return true
	})
	for key, want := range map[string]string{"ta": "29", "tb": "", "tz": "new"} {
		if got := lagging.localGet(key); got != want {
			c.t.Errorf("%s on the lagging store is %q, want %q", key, got, want)
		}
	}
	if err := lagging.fatal; err != nil {
		c.t.Error(err)
	}
}

// A store that lags behind a split and a compaction is filled by raft snapshots of
// both regions: nothing old is left.
func TestSnapshotAcrossSplit(t *testing.T) {
	c, lagging := lag(t)
	c.heal()
	c.wantCaughtUp(lagging)
	if got := lagging.s.Stats().SnapshotsGot; got == 0 {
		t.Error("no raft snapshot was needed")
	}
	// And it may lead.
	c.stores[1].crash()
	c.stores[2].crash()
	c.stores[2].restart()
	c.leader(user).put(user, "ta", "30")
}

// A crash of the receiver after any step of its work leaves a store that opens and
// catches up (rules C3–C5).
func TestSnapshotCrashAtEachStep(t *testing.T) {
	for steps, more := 0, true; more; steps++ {
		t.Run(fmt.Sprint(steps), func(t *testing.T) {
			c, lagging := lag(t)
			c.heal()
			// The others run freely, the receiver takes so many steps from the moment
			// at which the first raft snapshot has arrived.
			taken := 0
			reached := false
			for i := 0; i < 3000 && !reached; i++ {
				for _, id := range []uint64{1, 2} {
					for c.stores[id].s.Poll() {
					}
				}
				if lagging.s.Stats().SnapshotsGot == 0 {
					lagging.s.Poll()
					if i%20 == 19 {
						c.clock.now = c.clock.now.Add(multiraft.TickInterval)
						for _, o := range c.stores {
							o.s.Tick()
						}
					}
					continue
				}
				if taken == steps {
					reached = true
					break
				}
				taken++
				if !lagging.s.Poll() {
					break
				}
			}
			if lagging.s.Stats().SnapshotsGot == 0 {
				t.Fatal("no raft snapshot came")
			}
			more = reached
			lagging.crash()
			lagging.restart()
			c.wantCaughtUp(lagging)
		})
		if steps > 200 {
			t.Fatal("the work never ends")
		}
	}
}

// Rule C5: when a raft snapshot is acknowledged the receiver has it for good: what its
// disk holds at that moment, without what was not synced, opens behind the snapshot.
func TestSnapshotIsAcknowledgedWhenItIsDurable(t *testing.T) {
	c, lagging := lag(t)
	had := lagging.s.replica(user).AppliedIndex()
	var acked uint64
	var image *engine.MemFS
	c.cut = func(e *multiraft.Envelope) bool {
		m := e.Message
		if e.FromStore == lagging.id && e.RegionID == user && acked == 0 && m.GetType() == raftpb.MsgAppResp && !m.GetReject() && m.GetIndex() > had+1 {
			acked, image = m.GetIndex(), engine.CrashClone(lagging.fs, 0, 1)
		}
		return false
	}
	c.wantCaughtUp(lagging)
	if acked == 0 || lagging.s.Stats().SnapshotsGot == 0 {
		t.Fatal("no raft snapshot was acknowledged")
	}
	lagging.crash()
	lagging.fs = image
	lagging.restart()
	if got := lagging.s.replica(user).AppliedIndex(); got < acked {
		t.Errorf("index %d was acknowledged, %d is on the disk", acked, got)
	}
}

// A raft snapshot of a child is refused while the parent covers its range here.
func TestSnapshotOverlapIsRefused(t *testing.T) {
	c, lagging := lag(t)
	c.cut = func(e *multiraft.Envelope) bool { return e.ToStore == 3 && e.RegionID == user }
	for range 20 {
		c.tick()
	}
	if lagging.s.replica(50) != nil {
		t.Fatal("the child came while the parent covers its range")
	}
	if d := lagging.s.replica(user).Descriptor(); len(d.GetEndKey()) != 0 {
		t.Fatal("the parent has changed")
	}
	c.heal()
	c.wantCaughtUp(lagging)
}

// A stream that ends early, or is damaged, installs nothing.
func TestDamagedSnapshot(t *testing.T) {
	c, lagging := lag(t)
	leader := c.leader(user)
	var header *multiraft.SnapshotHeader
	var chunks [][]byte
	tr := leader.tr.Transport
	_ = tr
	capture := &captureTransport{}
	m := &raftpb.Message{Type: raftpb.MsgSnap.Enum(), To: new(uint64(13)), From: new(10 + leader.id), Term: new(leader.s.replica(user).Info().Term)}
	env := &multiraft.Envelope{RegionID: user, FromStore: leader.id, ToStore: 3, FromPeer: 10 + leader.id, ToPeer: 13}
	if err := leader.s.replica(user).StreamSnapshot(t.Context(), capture, m, env, 0); err != nil {
		t.Fatal(err)
	}
	header, chunks = &capture.header, capture.chunks
	var all []byte
	for _, c := range chunks {
		all = append(all, c...)
	}
	feed := func(b []byte) error {
		sent := false
		return receiver{lagging.s}.HandleSnapshot(t.Context(), *header, func() ([]byte, error) {
			if sent {
				return nil, errEOF
			}
			sent = true
			return b, nil
		})
	}
	before := lagging.s.replica(user).AppliedIndex()
	for n := 0; n < len(all); n += 7 {
		if err := feed(all[:n]); err == nil {
			t.Fatalf("a stream of %d of %d bytes was accepted", n, len(all))
		}
		bad := append([]byte(nil), all...)
		bad[n] ^= 0x80
		if err := feed(bad); err == nil {
			// A flipped bit in a value cannot be seen here: the transport's checksum
			// is for that. Take it back.
			lagging.s.replica(user).Stop("test")
			return
		}
	}
	c.settle()
	if got := lagging.s.replica(user).AppliedIndex(); got != before {
		t.Fatalf("applied index went from %d to %d", before, got)
	}
}

// A crash between the state engine's ingest and the reset of the log: the log
// disagrees with the applied state, and is started anew at open (rules C2, C5).
func TestCrashBetweenIngestAndLogReset(t *testing.T) {
	c, lagging := lag(t)
	before := engine.CrashClone(lagging.fs, 0, 1)
	c.heal()
	c.wantCaughtUp(lagging)
	applied := lagging.s.replica(user).AppliedIndex()
	after := engine.CrashClone(lagging.fs, 0, 1)
	lagging.crash()
	fs := engine.NewCrashableMemFS()
	copyDir(t, after, fs, "store/state")
	copyDir(t, before, fs, "store/log")
	lagging.fs = fs
	lagging.restart()
	// The ingest is durable; what was applied behind it may be lost.
	if got := lagging.s.replica(user).AppliedIndex(); got < applied-5 {
		t.Fatalf("applied index after the restart is %d, was %d", got, applied)
	}
	c.wantCaughtUp(lagging)
}

func copyDir(t *testing.T, from, to engine.FS, dir string) {
	t.Helper()
	if err := to.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	names, err := from.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		path := from.PathJoin(dir, name)
		info, err := from.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			copyDir(t, from, to, path)
			continue
		}
		src, err := from.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(src)
		if err != nil {
			t.Fatal(err)
		}
		src.Close()
		dst, err := to.Create(path, engine.WriteCategory)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := dst.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(dst.Sync(), dst.Close()); err != nil {
			t.Fatal(err)
		}
	}
	d, err := to.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		t.Fatal(err)
	}
	for p := dir; p != "." && p != ""; {
		p = to.PathDir(p)
		if d, err := to.OpenDir(p); err == nil {
			d.Sync()
			d.Close()
		}
	}
}
