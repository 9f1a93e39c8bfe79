package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/region/store"
	"github.com/quorate-db/quorate/sql/catalog"
	"github.com/quorate-db/quorate/sql/rowcodec"
	"github.com/quorate-db/quorate/sql/types"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// ErrInUse is returned by Open for a store that a process has open.
var ErrInUse = errors.New("the store is in use by a running process")

// ErrNoStore is returned by Open for a directory that holds no store.
var ErrNoStore = errors.New("the directory holds no store")

// Store is a store that is open for reading.
type Store struct {
	Dir string
	// Names says why names of tables are not known, empty if they are.
	Names string

	engines *store.Engines
	catalog *catalog.Snapshot // nil: names are not known
	indexes map[indexID]*namedIndex
}

type indexID struct{ storage, index uint64 }

type namedIndex struct {
	name  string
	codec *rowcodec.Index
	types []types.Type
}

// Open opens the store in dir for reading.
func Open(dir string) (*Store, error) {
	for _, part := range []string{"state", "log"} {
		if _, err := os.Stat(filepath.Join(dir, part)); err != nil {
			return nil, fmt.Errorf("open store %s: %w: there is no folder %q", dir, ErrNoStore, part)
		}
	}
	e, err := store.OpenEngines(store.EngineOptions{Dir: dir, ReadOnly: true})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK) || err != nil && strings.Contains(err.Error(), "lock held by current process") {
		return nil, fmt.Errorf("open store %s: %w", dir, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	s := &Store{Dir: dir, engines: e, indexes: map[indexID]*namedIndex{}}
	if err := s.loadNames(); err != nil {
		s.Names = err.Error()
	}
	return s, nil
}

// Close gives the store back.
func (s *Store) Close() error { return s.engines.Close() }

// Ident is who the store belongs to; found is false for one that never was a member.
func (s *Store) Ident() (id store.Ident, found bool, err error) { return s.engines.Ident() }

// Boot is how often the store was opened to serve.
func (s *Store) Boot() (uint64, error) { return store.LoadBoot(s.engines.State) }

// loadNames reads the newest committed catalog.
func (s *Store) loadNames() error {
	snap, err := catalog.New(catalog.Options{}).At(context.Background(), committed{s.engines.State})
	if err != nil {
		return err
	}
	if len(snap.Tables()) == 0 {
		return errors.New("the store holds no table's description: another node has the catalog's region, or there are no tables")
	}
	s.catalog = snap
	return nil
}

// committed reads what is committed, and passes all locks: whether their transactions
// have committed is not known here.
type committed struct{ r engine.Reader }

func (c committed) ReadTS() timestamp.Timestamp { return timestamp.Max }

func (c committed) Get(_ context.Context, key keys.User) ([]byte, error) {
	var v []byte
	err := passLocks(func(o mvcc.ReadOptions) error {
		got, err := mvcc.Get(c.r, key, o)
		if got.Found {
			v = got.Value
		}
		return err
	})
	return v, err
}

func (c committed) Each(_ context.Context, start, end keys.User, fn func(key, value []byte) error) error {
	var res mvcc.ScanResult
	err := passLocks(func(o mvcc.ReadOptions) (err error) {
		res, err = mvcc.Scan(c.r, mvcc.ScanOptions{ReadOptions: o, Start: start, End: end})
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range res.Rows {
		if err := fn(r.Key, r.Value); err != nil {
			return err
		}
	}
	return nil
}

// locksPassed bounds how many transactions a read passes.
const locksPassed = 10_000

// passLocks repeats a read until no lock stands in its way.
func passLocks(read func(mvcc.ReadOptions) error) error {
	o := mvcc.ReadOptions{TS: timestamp.Max}
	for {
		err := read(o)
		var locked *mvcc.LockedError
		if !errors.As(err, &locked) || len(o.Ignore) >= locksPassed {
			return err
		}
		o.Ignore = append(o.Ignore, locked.Lock.StartTS)
	}
}

// Key writes a user key with the name of its table and index and the values of its
// columns, as far as they are known: public.orders/(100).
func (s *Store) Key(key []byte) string {
	table, index, _, err := keys.DecodeIndexPrefix(key)
	if err != nil {
		return keys.User(key).String()
	}
	ix := s.index(indexID{table, index})
	if ix == nil {
		return keys.User(key).String()
	}
	vals, err := ix.codec.DecodeKey(key)
	if err != nil {
		return ix.name + keys.User(key).String()
	}
	out := make([]string, len(vals))
	for i, v := range vals {
		if out[i] = "NULL"; !v.IsNull() {
			out[i] = string(types.EncodeText(nil, v, ix.types[i], &types.FormatContext{}))
		}
	}
	return ix.name + "/(" + strings.Join(out, ",") + ")"
}

// index finds the index that keys with these numbers belong to, nil if it is not known.
func (s *Store) index(id indexID) *namedIndex {
	if ix, ok := s.indexes[id]; ok || s.catalog == nil {
		return ix
	}
	var found *namedIndex
	for _, t := range s.catalog.Tables() {
		if t.StorageID != id.storage || t.Virtual {
			continue
		}
		for i := range t.Indexes {
			ix := &t.Indexes[i]
			if ix.Number != id.index {
				continue
			}
			codec, err := rowcodec.NewIndex(t, ix)
			if err != nil {
				continue // its keys are shown with numbers
			}
			found = &namedIndex{name: t.SchemaName + "." + t.Name, codec: codec}
			if ix != t.Primary() {
				found.name += "/" + ix.Name
			}
			for _, c := range ix.Columns {
				found.types = append(found.types, t.Column(c.Column).Type)
			}
		}
	}
	s.indexes[id] = found
	return found
}

// Region is a replica as it lies on the disk.
type Region struct {
	ID, Peer   uint64
	Start, End string // decoded
	Epoch      [2]uint64
	Peers      string
	Applied    replica.Applied
	Term, Vote uint64
	Commit     uint64
	First      uint64 // of the log; above Last if it is empty
	Last       uint64
	LogBytes   int64
	State      string // replica, merged, log only
	Problem    string // what could not be read
}

// Regions lists the replicas by id.
func (s *Store) Regions() ([]Region, error) {
	ids, err := s.engines.Logs.Regions()
	if err != nil {
		return nil, err
	}
	seen := map[uint64]bool{}
	for _, id := range ids {
		seen[id] = true
	}
	span := keys.AllRegionLocalSpan()
	err = s.walk(s.engines.State, span.Start, span.End, func(k, _ []byte) error {
		d, err := keys.Decode(k)
		if err == nil && !seen[d.RegionID] {
			seen[d.RegionID] = true
			ids = append(ids, d.RegionID)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var out []Region
	for _, id := range ids {
		out = append(out, s.Region(id))
	}
	return out, nil
}

// Region reads one replica; Problem says what is wrong with it.
func (s *Store) Region(id uint64) Region {
	r := Region{ID: id, State: "replica"}
	fail := func(err error) bool {
		if err != nil && r.Problem == "" {
			r.Problem = err.Error()
		}
		return err != nil
	}
	if merged, err := replica.LoadMerged(s.engines.State, id); !fail(err) && merged {
		r.State = "merged"
	}
	desc, err := replica.LoadDescriptor(s.engines.State, id)
	fail(err)
	if desc == nil && r.State == "replica" {
		r.State = "log only"
	}
	if desc != nil {
		r.Start, r.End = "min", "max"
		if len(desc.StartKey) > 0 {
			r.Start = s.Key(desc.StartKey)
		}
		if len(desc.EndKey) > 0 {
			r.End = s.Key(desc.EndKey)
		}
		r.Epoch = [2]uint64{desc.Epoch.GetConfVer(), desc.Epoch.GetVersion()}
		var peers []string
		for _, p := range desc.Peers {
			peers = append(peers, fmt.Sprintf("%d@%d %s", p.Id, p.StoreId, strings.ToLower(p.Role.String())))
		}
		r.Peers = strings.Join(peers, ", ")
		r.Peer, _, err = replica.LoadPeer(s.engines.State, id)
		fail(err)
		r.Applied, err = replica.LoadApplied(s.engines.State, id)
		fail(err)
	}
	g, err := s.engines.Logs.Group(id)
	if fail(err) {
		return r
	}
	hs := g.HardState()
	r.Term, r.Vote, r.Commit, r.LogBytes = hs.GetTerm(), hs.GetVote(), hs.GetCommit(), g.SizeBytes()
	r.First, err = g.FirstIndex()
	fail(err)
	r.Last, err = g.LastIndex()
	fail(err)
	return r
}

// walk calls f for the pairs of an engine in [start, end).
func (s *Store) walk(e *engine.Engine, start, end []byte, f func(k, v []byte) error) (err error) {
	it, err := e.NewIter(engine.IterOptions{Lower: start, Upper: end})
	if err != nil {
		return err
	}
	defer func() {
		if cerr := it.Close(); err == nil {
			err = cerr
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		if err := f(it.Key(), it.Value()); err != nil {
			return err
		}
	}
	return nil
}
