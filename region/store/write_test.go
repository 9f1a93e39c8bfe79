package store

import (
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
)

// A new leader evaluates nothing before it has applied an entry of its own term.
func TestNewLeaderServesNothingBeforeItsFirstEntry(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	c.tick()
	// The next leader wins its election, but its first entry gets no acknowledgement.
	c.cut = func(e *multiraft.Envelope) bool {
		return e.FromStore == n.id || e.ToStore == n.id || e.Message.GetType() == raftpb.MsgAppResp
	}
	var o *node
	c.until("another store is elected", func() bool {
		for _, x := range c.stores {
			if x != n && x.s.replica(user).Info().IsLeader {
				o = x
			}
		}
		return o != nil
	})
	for _, req := range []*kvpb.Request{o.getReq(user, "ta", c.timestamp()), o.putReq(user, c.timestamp(), "ta", "2")} {
		out := o.begin(req)
		c.settle()
		if *out == nil || (*out).GetRegionError().GetServerBusy() == nil {
			t.Fatalf("a leader without an applied entry answers %v", *out)
		}
	}
}

// Rule D5: without a fresh timestamp there is no one-phase commit; two phases and
// reads go on.
func TestOnePCWaitsForATimestamp(t *testing.T) {
	c := newCluster(t, 1)
	c.noTS = true
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	resp := n.call(n.putReq(user, c.timestamp(), "ta", "1"))
	if resp.GetRegionError().GetServerBusy() == nil {
		t.Fatalf("one-phase commit without a timestamp: %v", resp)
	}
	n.wantGet(user, "ta", "")
	c.noTS = false
	c.settle()
	// The timestamp covers what a former leader may have served.
	floor := c.ts
	if ts := n.put(user, "ta", "1"); ts < floor {
		t.Fatalf("committed at %v, below %v", ts, floor)
	}
}

// A leader that loses its leadership with a proposal in flight answers
// "ambiguous", and whatever became of it is the same on all replicas.
func TestAmbiguousWhenLeadershipIsLost(t *testing.T) {
	for _, reaches := range []bool{false, true} {
		c := newCluster(t, 3)
		c.bootstrap(userRegion(1, 2, 3))
		n := c.leader(user)
		n.put(user, "ta", "1")
		c.cut = func(e *multiraft.Envelope) bool {
			if reaches {
				return e.ToStore == n.id // the others get the entry, the leader no answer
			}
			return e.FromStore == n.id || e.ToStore == n.id
		}
		out := n.begin(n.putReq(user, c.timestamp(), "ta", "2"))
		c.settle()
		if *out != nil {
			t.Fatalf("answered without a quorum: %v", *out)
		}
		// A second write of the key waits for the latch of the first.
		second := n.begin(n.putReq(user, c.timestamp(), "ta", "3"))
		if !reaches {
			c.isolate(n.id)
		}
		c.until("the leader steps down", func() bool { return *out != nil })
		if (*out).GetRegionError().GetAmbiguous() == nil {
			t.Fatalf("proposal in flight: %v", *out)
		}
		if (*second).GetRegionError().GetNotLeader() == nil {
			t.Fatalf("request that waited for a latch: %v", *second)
		}
		c.heal()
		want := "1"
		if reaches {
			want = "2"
		}
		c.leader(user).wantGet(user, "ta", want)
		for range 5 {
			c.tick()
		}
		for _, o := range c.stores {
			if got := o.localGet("ta"); got != want {
				t.Errorf("store %d has %q, want %q", o.id, got, want)
			}
		}
	}
}

// Rule B5: a one-phase commit is in flight when a read at a later timestamp comes:
// it waits for the apply and sees the write. A read below its commit timestamp
// passes and does not.
func TestReadWaitsForOnePhaseCommit(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(userRegion(1, 2, 3))
	n := c.leader(user)
	n.put(user, "ta", "1")
	n.wantGet(user, "ta", "1") // under a lease from here on
	below := c.timestamp()
	write := n.begin(n.putReq(user, c.timestamp(), "ta", "2"))
	c.ts += 10
	above := n.begin(n.getReq(user, "ta", c.timestamp()))
	scan := n.begin(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Scan{Scan: &kvpb.ScanRequest{StartKey: []byte("t"), EndKey: []byte("u"), Read: &kvpb.ReadContext{ReadTs: uint64(c.ts)}}}
	}))
	if *write != nil || *above != nil || *scan != nil {
		t.Fatalf("answered too early: %v %v %v", *write, *above, *scan)
	}
	passes := n.begin(n.getReq(user, "ta", below))
	if got := string((*passes).GetGet().GetValue()); got != "1" {
		t.Fatalf("a read below the commit timestamp: %v", *passes)
	}
	other := n.begin(n.getReq(user, "tb", c.ts))
	if *other == nil {
		t.Fatal("a read of another key waits")
	}
	c.settle()
	if got := string((*above).GetGet().GetValue()); got != "2" {
		t.Fatalf("a read above the commit timestamp: %v", *above)
	}
	if p := (*scan).GetScan().GetPairs(); len(p) != 1 || string(p[0].GetValue()) != "2" {
		t.Fatalf("a scan above the commit timestamp: %v", *scan)
	}
	// A read that came first pushes the commit above itself.
	c.ts += 100
	high := c.timestamp()
	if resp := n.call(n.getReq(user, "tc", high)); resp.GetGet() == nil {
		t.Fatal(resp)
	}
	resp := n.call(n.putReq(user, high-50, "tc", "x"))
	if got := resp.GetPrewrite().GetOnePcCommitTs(); got <= uint64(high) {
		t.Fatalf("committed at %d, under a read at %d", got, high)
	}
}

// Two phases, and what resolvers do: the whole life of locks through a region.
func TestTwoPhases(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	start := c.timestamp()
	prewrite := func(key string) *kvpb.Response {
		return n.call(n.request(user, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: uint64(start), Primary: []byte("ta"), TtlMs: 10,
				Mutations: []*kvpb.Mutation{{Key: []byte(key), Value: []byte("v")}}}}
		}))
	}
	for _, k := range []string{"ta", "tb", "tc"} {
		if resp := prewrite(k); resp.GetRegionError() != nil || len(resp.GetPrewrite().GetErrors()) > 0 {
			t.Fatal(resp)
		}
	}
	if e := n.call(n.getReq(user, "tb", c.timestamp())).GetGet().GetError().GetLocked(); e == nil || e.GetStartTs() != uint64(start) {
		t.Fatalf("read of a locked key: %v", e)
	}
	commit := c.timestamp()
	resp := n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Commit{Commit: &kvpb.CommitRequest{StartTs: uint64(start), CommitTs: uint64(commit), Keys: [][]byte{[]byte("ta")}}}
	}))
	if resp.GetRegionError() != nil || resp.GetCommit().GetError() != nil {
		t.Fatal(resp)
	}
	st := n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_CheckTxnStatus{CheckTxnStatus: &kvpb.CheckTxnStatusRequest{Primary: []byte("ta"), StartTs: uint64(start), CurrentTs: uint64(c.timestamp())}}
	})).GetCheckTxnStatus()
	if st.GetState() != kvpb.TxnState_COMMITTED || st.GetCommitTs() != uint64(commit) {
		t.Fatalf("status %v", st)
	}
	resp = n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_Resolve{Resolve: &kvpb.ResolveRequest{StartTs: uint64(start), CommitTs: uint64(commit), StartKey: []byte("t"), EndKey: []byte("u")}}
	}))
	if resp.GetRegionError() != nil || resp.GetResolve().GetError() != nil {
		t.Fatal(resp)
	}
	n.wantGet(user, "tc", "v")
	locks := n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_ScanLocks{ScanLocks: &kvpb.ScanLocksRequest{StartKey: []byte("t"), MaxTs: uint64(c.timestamp())}}
	})).GetScanLocks()
	if locks == nil || len(locks.GetLocks()) != 0 {
		t.Fatalf("locks left: %v", locks)
	}
	// Rule E4: a mark refuses the prewrite that comes late.
	late := c.timestamp()
	st = n.call(n.request(user, func(r *kvpb.Request) {
		r.Cmd = &kvpb.Request_CheckTxnStatus{CheckTxnStatus: &kvpb.CheckTxnStatusRequest{Primary: []byte("tx"), StartTs: uint64(late), CurrentTs: uint64(c.timestamp()), RollbackIfMissing: true}}
	})).GetCheckTxnStatus()
	if st.GetState() != kvpb.TxnState_ROLLED_BACK {
		t.Fatalf("status %v", st)
	}
	if resp := n.call(n.putReq(user, late, "tx", "1")); len(resp.GetPrewrite().GetErrors()) != 1 || resp.GetPrewrite().GetErrors()[0].GetAborted() == nil {
		t.Fatalf("a prewrite behind its mark: %v", resp)
	}
}

// Existence and check-only mutations in one phase.
func TestExistenceChecks(t *testing.T) {
	c := newCluster(t, 1)
	c.bootstrap(userRegion(1))
	n := c.leader(user)
	n.put(user, "ta", "1")
	one := func(ms ...*kvpb.Mutation) *kvpb.PrewriteResponse {
		resp := n.call(n.request(user, func(r *kvpb.Request) {
			r.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: uint64(c.timestamp()), OnePc: true, Mutations: ms}}
		}))
		if resp.GetRegionError() != nil {
			t.Fatal(resp)
		}
		c.ts = max(c.ts, timestamp.Timestamp(resp.GetPrewrite().GetOnePcCommitTs()))
		return resp.GetPrewrite()
	}
	insert := func(k string) *kvpb.Mutation {
		return &kvpb.Mutation{Key: []byte(k), Value: []byte("n"), Existence: kvpb.Existence_MUST_NOT_EXIST}
	}
	if r := one(insert("ta")); len(r.GetErrors()) != 1 || string(r.GetErrors()[0].GetAlreadyExists().GetValue()) != "1" {
		t.Fatalf("insert of a key that exists: %v", r)
	}
	if r := one(insert("tb")); len(r.GetErrors()) != 0 || r.GetOnePcCommitTs() == 0 {
		t.Fatalf("insert: %v", r)
	}
	check := &kvpb.Mutation{Op: kvpb.MutationOp_CHECK_NOT_EXISTS, Key: []byte("ta")}
	if r := one(insert("tc"), check); len(r.GetErrors()) != 1 || r.GetErrors()[0].GetAlreadyExists() == nil {
		t.Fatalf("failed check: %v", r)
	}
	n.wantGet(user, "tc", "")
	check.Key = []byte("td")
	if r := one(insert("tc"), check); len(r.GetErrors()) != 0 {
		t.Fatalf("check: %v", r)
	}
	n.wantGet(user, "tc", "n")
	n.wantGet(user, "td", "")
	if resp := n.call(n.putReq(user, c.timestamp(), "ta", "1", "ta", "2")); resp.GetRegionError() == nil {
		t.Fatal("one key twice was accepted")
	}
	big := string(make([]byte, 5<<20))
	if resp := n.call(n.putReq(user, c.timestamp(), "ta", big)); resp.GetRegionError().GetEntryTooLarge() == nil {
		t.Fatal("an entry of 5 MB was accepted")
	}
	n.put(user, "ta", "still writable") // the latch was given back
}

// Raw values of the placement region: the term is checked.
func TestRawValues(t *testing.T) {
	c := newCluster(t, 3)
	c.bootstrap(region.Initial(region.PlacementID, nil, []byte{2}, userRegion(1, 2, 3).GetPeers()...))
	n := c.leader(region.PlacementID)
	l := n.s.Local(region.PlacementID)
	term, ok := l.Leader()
	if !ok || l.LeaderStore() != n.id {
		t.Fatal("the leader does not know it")
	}
	write := func(l *Local, term uint64, k, v string) error {
		var out error
		done := false
		l.WriteRawAsync(term, []KV{{[]byte(k), []byte(v)}}, nil, func(err error) { out, done = err, true })
		c.until("answer", func() bool { return done })
		return out
	}
	if err := write(l, term, "\x01a", "1"); err != nil {
		t.Fatal(err)
	}
	if err := write(l, term-1, "\x01a", "2"); !region.IsNotLeader(err) {
		t.Fatalf("write of another term: %v", err)
	}
	if err := write(c.stores[n.id%3+1].s.Local(region.PlacementID), term, "\x01a", "2"); !region.IsNotLeader(err) {
		t.Fatalf("write at a follower: %v", err)
	}
	var got []KV
	done := false
	l.ReadRawAsync([]byte("\x01"), []byte{2}, func(kv []KV, err error) {
		if err != nil {
			t.Error(err)
		}
		got, done = kv, true
	})
	c.until("answer", func() bool { return done })
	if len(got) != 1 || string(got[0].Value) != "1" {
		t.Fatalf("raw pairs %v", got)
	}
}
