package replica

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// The bound of a key is never below what was written of it, also after the memory was
// given back, and a leader knows most keys to be as old as they are.
func TestRecentIsABound(t *testing.T) {
	eng, err := engine.Open("state", engine.Options{Kind: engine.StateEngine, FS: engine.NewMemFS(), MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer eng.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	var n recent
	n.begin(1000)
	newest := map[string]timestamp.Timestamp{}
	for ts := timestamp.Timestamp(1001); ts < 2000; ts++ {
		b := eng.NewBatch()
		for range 1 + rng.IntN(3) {
			k := fmt.Sprint("t", rng.IntN(5000))
			key := keys.DataVersion(keys.User(k), ts)
			if rng.IntN(4) == 0 {
				key = keys.RollbackMark(keys.User(k), ts)
			}
			if err := b.Set(key, nil); err != nil {
				t.Fatal(err)
			}
			newest[k] = ts
		}
		n.note(b.Repr())
		if got, err := newestOf(b.Repr(), 7); err != nil || got != ts {
			t.Fatalf("newest of a batch at %v: %v, %v", ts, got, err)
		}
		b.Close()
		if ts == 1010 {
			untouched := 0
			for i := range 100 {
				if n.bound(keys.User(fmt.Sprint("u", i))) == 1000 {
					untouched++
				}
			}
			if untouched < 80 {
				t.Errorf("of 100 keys that nobody has written %d are known as such", untouched)
			}
		}
		if ts%300 == 0 {
			n.fold()
			if n.table.Load() != nil {
				t.Fatal("the memory is kept")
			}
		}
		for k, want := range newest {
			if got := n.bound(keys.User(k)); got < want {
				t.Fatalf("%s was written at %v, and the bound is %v", k, want, got)
			}
		}
	}
}

// A state that was written before there was a newest timestamp is read as one that does
// not know it.
func TestAppliedStateOfVersion2(t *testing.T) {
	a := appliedState{index: 7, term: 8, conf: &raftpb.ConfState{Voters: []uint64{1, 2}}, sizeBytes: 9, newest: 77,
		gc: gcState{fence: 6, collect: 5}}
	b, err := a.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeApplied(b)
	if err != nil || got.newest != 77 || got.gc != a.gc || got.index != 7 {
		t.Fatalf("%+v, %v", got, err)
	}
	old := append([]byte{2}, b[1:6]...) // five numbers of one byte; behind them the newest timestamp
	got, err = decodeApplied(append(old, b[7:]...))
	if err != nil || got.newest != newestUnknown || got.gc != a.gc || len(got.conf.GetVoters()) != 2 {
		t.Fatalf("%+v, %v", got, err)
	}
}
