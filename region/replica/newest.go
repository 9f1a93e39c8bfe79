package replica

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// newestUnknown is the newest timestamp of a region of which it was not written down.
const newestUnknown = timestamp.Max

// visitMarks calls visit for what the operations of a batch add under a timestamp: the
// versions (commit timestamp) and the rollback marks (start timestamp).
func visitMarks(repr []byte, visit func(user keys.User, ts timestamp.Timestamp)) error {
	return engine.VisitRepr(repr, func(op engine.Op) error {
		if op.Kind != engine.OpSet {
			return nil
		}
		switch keys.Kind(op.Key[0]) {
		case keys.KindData, keys.KindRollback:
		default:
			return nil
		}
		user, ts, err := keys.DecodeVersion(op.Key)
		if err == nil {
			visit(user, ts)
		}
		return err
	})
}

// newestOf returns the newest timestamp that a batch adds, not below newest.
func newestOf(repr []byte, newest timestamp.Timestamp) (timestamp.Timestamp, error) {
	err := visitMarks(repr, func(_ keys.User, ts timestamp.Timestamp) { newest = max(newest, ts) })
	return newest, err
}

// recentBuckets is by how many classes of keys a leader tells what is new: enough that
// some hundred writes of the last moments leave most of them alone, in 8 kB.
const recentBuckets = 1024

// recent is an upper bound, for each key, of the timestamps of its versions and its
// rollback marks: see DESIGN.md, "What a leader knows without looking". A leadership
// begins with newestUnknown; raise, note and fold need Replica.mu held, bound does not.
type recent struct {
	floor atomic.Uint64 // of all keys
	table atomic.Pointer[recentTable]
}

type recentTable struct {
	seed    maphash.Seed
	buckets [recentBuckets]atomic.Uint64
}

func (t *recentTable) of(user keys.User) *atomic.Uint64 {
	return &t.buckets[maphash.Bytes(t.seed, user)%recentBuckets]
}

// begin sets the bound of all keys to what the applied state says.
func (n *recent) begin(newest timestamp.Timestamp) { n.floor.Store(uint64(newest)) }

// raise makes the bound of all keys at least newest.
func (n *recent) raise(newest timestamp.Timestamp) {
	n.floor.Store(max(n.floor.Load(), uint64(newest)))
}

// note takes notice of a batch before anybody can see its effect. A batch that cannot
// be read makes everything unknown: its application will say so.
func (n *recent) note(repr []byte) {
	t := n.table.Load()
	if t == nil {
		t = &recentTable{seed: maphash.MakeSeed()}
		n.table.Store(t)
	}
	err := visitMarks(repr, func(user keys.User, ts timestamp.Timestamp) {
		b := t.of(user)
		b.Store(max(b.Load(), uint64(ts)))
	})
	if err != nil {
		n.raise(newestUnknown)
	}
}

// bound returns a timestamp that no version and no mark of the key exceeds, as long as
// the latch on the key is held.
func (n *recent) bound(user keys.User) timestamp.Timestamp {
	// The table comes first: fold empties it after it has raised the floor.
	t := n.table.Load()
	floor := n.floor.Load()
	if t != nil {
		floor = max(floor, t.of(user).Load())
	}
	return timestamp.Timestamp(floor)
}

// fold gives the memory back: all keys get the bound of the newest.
func (n *recent) fold() {
	t := n.table.Load()
	if t == nil {
		return
	}
	newest := uint64(0)
	for i := range t.buckets {
		newest = max(newest, t.buckets[i].Load())
	}
	n.raise(timestamp.Timestamp(newest))
	n.table.Store(nil)
}
