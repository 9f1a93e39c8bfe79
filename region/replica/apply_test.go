package replica

import (
	"log/slog"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// applyHost is a Host for tests of apply alone.
type applyHost struct {
	Host
	tombstoned bool
}

func (h applyHost) Tombstoned(uint64, uint64) (bool, error) { return h.tombstoned, nil }

func applier(t *testing.T, h applyHost) (*Replica, *engine.Batch) {
	t.Helper()
	eng, err := engine.Open("state", engine.Options{Kind: engine.StateEngine, FS: engine.NewMemFS(), MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	r := &Replica{cfg: Config{StoreID: 1, RegionID: 2, PeerID: 11, State: eng, Host: h, Logger: slog.New(slog.DiscardHandler)}}
	r.apl.desc = region.Initial(2, []byte{2}, nil, &metapb.Peer{Id: 11, NodeId: 1, StoreId: 1})
	r.apl.desc.Epoch = &metapb.Epoch{ConfVer: 3, Version: 7}
	r.apl.index, r.apl.term = 10, 6
	r.apl.conf = confStateOf(r.apl.desc)
	b := eng.NewBatch()
	t.Cleanup(func() { b.Close() })
	return r, b
}

func entry(term uint64, c command) *raftpb.Entry {
	return &raftpb.Entry{Type: raftpb.EntryNormal.Enum(), Index: proto.Uint64(11), Term: proto.Uint64(term), Data: c.encode()}
}

// A command is applied only by an entry of the term and to the epoch that it was
// evaluated in; otherwise it has no effect and says why (lesson B8).
func TestApplyChecksTermAndEpoch(t *testing.T) {
	r, _ := applier(t, applyHost{})
	write := r.cfg.State.NewBatch()
	defer write.Close()
	if err := write.Set(keys.Raw(keys.User("tk")), []byte("v")); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name              string
		entryTerm         uint64
		term, conf, ver   uint64
		applied, notLeads bool
	}{
		{"as evaluated", 6, 6, 3, 7, true, false},
		{"members changed, which is no matter to data", 6, 6, 2, 7, true, false},
		{"older term", 6, 5, 3, 7, false, true},
		{"newer term", 6, 7, 3, 7, false, true},
		{"older range", 6, 6, 3, 6, false, false},
		{"newer range", 6, 6, 3, 8, false, false},
	} {
		b := r.cfg.State.NewBatch()
		res, err := r.applyEntry(entry(tc.entryTerm, command{
			kind: cmdWrite, id: 1, term: tc.term, confVer: tc.conf, version: tc.ver, payload: write.Repr(),
		}), b)
		if err != nil {
			t.Fatal(err)
		}
		if (res.refused == nil) != tc.applied || b.Empty() == tc.applied {
			t.Errorf("%s: refused %v, batch empty %v", tc.name, res.refused, b.Empty())
		}
		if !tc.applied && (res.refused.GetNotLeader() != nil) != tc.notLeads {
			t.Errorf("%s: refused with %v", tc.name, res.refused)
		}
		b.Close()
	}
	// A split needs the members too: the ids of the new peers go by them.
	payload, _ := proto.Marshal(&kvpb.SplitRequest{Keys: [][]byte{[]byte("tm")}, NewRegions: []*kvpb.NewRegion{{RegionId: 9, PeerIds: []uint64{91}}}})
	b := r.cfg.State.NewBatch()
	defer b.Close()
	res, err := r.applyEntry(entry(6, command{kind: cmdSplit, id: 1, term: 6, confVer: 2, version: 7, payload: payload}), b)
	if err != nil || res.refused.GetEpochNotMatch() == nil || !b.Empty() {
		t.Errorf("split with old members: %v, %v", res.refused, err)
	}
}

// The replay of a split does not bring a child back that lived and was removed
// before the crash: its tombstone stands (rule C6).
func TestReplayedSplitRespectsTombstone(t *testing.T) {
	payload, _ := proto.Marshal(&kvpb.SplitRequest{Keys: [][]byte{[]byte("tm")}, NewRegions: []*kvpb.NewRegion{{RegionId: 9, PeerIds: []uint64{91}}}})
	for _, gone := range []bool{false, true} {
		r, b := applier(t, applyHost{tombstoned: gone})
		res, err := r.applyEntry(entry(6, command{kind: cmdSplit, id: 1, term: 6, confVer: 3, version: 7, payload: payload}), b)
		if err != nil || res.refused != nil {
			t.Fatal(err, res.refused)
		}
		if (len(res.children) == 0) != gone {
			t.Errorf("tombstone %v: children %v", gone, res.children)
		}
		if err := r.cfg.State.Apply(b, false); err != nil {
			t.Fatal(err)
		}
		child, err := LoadDescriptor(r.cfg.State, 9)
		if err != nil || (child == nil) != gone {
			t.Errorf("tombstone %v: child %v, %v", gone, child, err)
		}
		if r.apl.desc.GetEpoch().GetVersion() != 8 || string(r.apl.desc.GetEndKey()) != "tm" {
			t.Errorf("left side %v", r.apl.desc)
		}
	}
}

// Damaged entries and states are errors that name themselves, never a panic.
func FuzzDecode(f *testing.F) {
	c := command{kind: cmdWrite, id: 3, term: 4, confVer: 5, version: 6, payload: []byte("x")}
	f.Add(c.encode())
	a := appliedState{index: 7, term: 8, conf: &raftpb.ConfState{Voters: []uint64{1, 2}}, sizeBytes: 9}
	b, _ := a.encode()
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := decodeCommand(b); err == nil {
			d, err := decodeCommand(c.encode())
			if err != nil || d.id != c.id || d.term != c.term || d.version != c.version || d.confVer != c.confVer || string(d.payload) != string(c.payload) {
				t.Fatalf("%+v became %+v, %v", c, d, err)
			}
		}
		if a, err := decodeApplied(b); err == nil && a.conf == nil {
			t.Fatal("no configuration")
		}
	})
}
