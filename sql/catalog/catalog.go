package catalog

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/quorate-db/quorate/storage/keys"
)

// Reader is the part of a transaction that descriptors are read through.
type Reader interface {
	// ReadTS is the transaction's snapshot.
	ReadTS() timestamp.Timestamp
	// Get returns the value of a key, nil if there is none.
	Get(ctx context.Context, key keys.User) ([]byte, error)
	// Each calls fn for the pairs in [start, end) in order. The slices are valid
	// during the call.
	Each(ctx context.Context, start, end keys.User, fn func(key, value []byte) error) error
}

// Writer is a Reader that can change keys.
type Writer interface {
	Reader
	Put(ctx context.Context, key keys.User, value []byte) error
	Delete(ctx context.Context, key keys.User) error
}

// Lease says which schema version this node may work with.
type Lease interface {
	// Version returns the newest published version that the node has heard of.
	Version() uint64
	// Until is the timestamp above which no transaction of this node may commit
	// without a newer lease: another node may then work with a version that is
	// more than one step ahead.
	Until() timestamp.Timestamp
	// Publish announces a version and returns once no node works with an older one
	// any more (it has confirmed, see Catalog.InUse, or has lost its lease).
	Publish(ctx context.Context, version uint64) error
}

// IDs gives out object ids. Every number is given once in the life of a cluster.
type IDs interface {
	// NextID returns a number of at least FirstUserID.
	NextID(ctx context.Context) (uint64, error)
}

// Options configures a Catalog.
type Options struct {
	// Lease may be nil: then every transaction reads the schema version.
	Lease Lease
	// IDs may be nil: then ids come from a counter that DDL transactions write.
	IDs IDs
	// Virtual tables are part of every snapshot. Their Schema must be one of the
	// built-in ones.
	Virtual []*Table
	// Observed returns a timestamp that the oracle has reached. Nil: none is known.
	Observed func() timestamp.Timestamp
}

// cachedVersions bounds the cache: the present version, the one before it that
// running transactions may still use, and one for stragglers.
const cachedVersions = 3

// Catalog gives snapshots of the descriptors to transactions.
type Catalog struct {
	opts Options
	base *Snapshot // what every snapshot contains
	// published is a version that no node is behind.
	published atomic.Uint64

	tempGen atomic.Uint64 // of the last change of anybody's temporary relations

	mu struct {
		sync.Mutex
		cache []cached // newest use last
		// commits counts commits under way by the version they began with.
		commits map[uint64]int
		// doubts are commits of which nobody knows the end: it may still come.
		doubts []doubt
	}
}

// doubt is a commit that may yet happen, at a timestamp up to until.
type doubt struct {
	version uint64
	until   timestamp.Timestamp
}

type cached struct {
	snap *Snapshot
	// from is a timestamp at which the snapshot is known to be valid: transactions
	// that read at or above it may use it as far as the lease allows.
	from timestamp.Timestamp
}

// New returns a catalog without any cached descriptor.
func New(opts Options) *Catalog {
	c := &Catalog{opts: opts, base: newSnapshot(0)}
	for _, s := range []*Schema{
		{ID: SchemaPgCatalog, Name: "pg_catalog"},
		{ID: SchemaPublic, Name: "public", Owner: roleDatabaseOwner, Comment: "standard public schema"},
		{ID: SchemaInformation, Name: "information_schema"},
		{ID: SchemaQuorate, Name: "quorate"},
	} {
		// Everybody may look into them.
		s.ACL = ClassSchema.Default(s.OwnerID()).grant(s.OwnerID(), Everybody, Usage, false)
		c.base.addSchema(s)
	}
	for _, r := range builtinRoles() {
		c.base.addRole(r)
	}
	c.base.database = &DatabaseInfo{ID: Database, Owner: Superuser}
	for _, t := range opts.Virtual {
		v := t.Clone()
		v.Virtual = true
		c.base.addTable(v)
	}
	c.mu.commits = map[uint64]int{}
	if u, ok := opts.Lease.(InUser); ok {
		u.SetInUse(c.InUse)
	}
	return c
}

func versionKey() keys.User { return keys.User{keys.PrefixSystem, 'v'} }
func counterKey() keys.User { return keys.User{keys.PrefixSystem, 'i'} }
func descPrefix() keys.User { return keys.User{keys.PrefixSystem, 'd'} }
func descKey(id ID) keys.User {
	return keys.AppendUint(descPrefix(), uint64(id))
}

// SequenceKey is where the state of a sequence lies.
func SequenceKey(storage uint64) keys.User {
	return keys.AppendUint(keys.User{keys.PrefixSystem, 's'}, storage)
}

// StatisticsPrefix is where what ANALYZE has found lies, by table.
func StatisticsPrefix() keys.User { return keys.User{keys.PrefixSystem, 'a'} }

// StatisticsKey is where what ANALYZE has found of a table lies.
func StatisticsKey(id ID) keys.User { return keys.AppendUint(StatisticsPrefix(), uint64(id)) }

// ChangesPrefix is where the rows are counted, by table, that were changed since.
func ChangesPrefix() keys.User { return keys.User{keys.PrefixSystem, 'c'} }

// ChangesKey is where the changed rows of a table are counted.
func ChangesKey(id ID) keys.User { return keys.AppendUint(ChangesPrefix(), uint64(id)) }

func garbagePrefix() keys.User { return keys.User{keys.PrefixSystem, 'g'} }

// At returns the descriptors that a transaction reading through r is to work
// with.
func (c *Catalog) At(ctx context.Context, r Reader) (*Snapshot, error) {
	if c.opts.Lease != nil {
		if s := c.fromCache(c.opts.Lease.Version(), r.ReadTS()); s != nil {
			return s, nil
		}
	}
	version, err := readUint(ctx, r, versionKey())
	if err != nil {
		return nil, sqlerr.Wrap(err, "read schema version")
	}
	if s := c.fromCacheExact(version, r.ReadTS()); s != nil {
		return s, nil
	}
	s, err := c.load(ctx, r, version)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rememberLocked(s, r.ReadTS())
	return s, nil
}

// Leased returns the descriptors of the version that the gateway has a lease on, as far
// as they are known here; nil otherwise. At returns the same ones as a rule, but only it
// knows at which timestamp.
func (c *Catalog) Leased() *Snapshot {
	if c.opts.Lease == nil {
		return nil
	}
	return c.fromCache(c.opts.Lease.Version(), timestamp.Max)
}

// fromCache returns the cached snapshot of a version for a transaction that
// reads at ts.
func (c *Catalog) fromCache(version uint64, ts timestamp.Timestamp) *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.mu.cache {
		// A transaction that reads below the version's birth must not see it: an
		// index that it calls public has no entries at that snapshot.
		if e.snap.version == version && ts >= e.from {
			return e.snap
		}
	}
	return nil
}

// fromCacheExact is fromCache for a version that was read at ts.
func (c *Catalog) fromCacheExact(version uint64, ts timestamp.Timestamp) *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.mu.cache {
		if e := &c.mu.cache[i]; e.snap.version == version {
			e.from = min(e.from, ts)
			return e.snap
		}
	}
	return nil
}

func (c *Catalog) rememberLocked(s *Snapshot, from timestamp.Timestamp) {
	for _, e := range c.mu.cache {
		if e.snap.version == s.version {
			return
		}
	}
	c.mu.cache = append(c.mu.cache, cached{s, from})
	if len(c.mu.cache) > cachedVersions {
		oldest := 0
		for i, e := range c.mu.cache {
			if e.snap.version < c.mu.cache[oldest].snap.version {
				oldest = i
			}
		}
		c.mu.cache = slices.Delete(c.mu.cache, oldest, oldest+1)
	}
}

// A transaction may commit with the version it began with or with the one after
// that. BeginCommit is called before a commit of writes, with the snapshot that At
// returned, and the Commit's End after it.
//
// A node may confirm version v only when none of its commits with a version below
// v-1 is still under way: InUse says which version that allows. A lease that
// implements InUser is told how to ask; for one that does not, changes that depend
// on it (the back-fill of an index) wait until every lease granted before has run
// out.
func (c *Catalog) BeginCommit(s *Snapshot) (*Commit, error) {
	m := &Commit{c: c, version: s.version}
	if c.opts.Lease == nil {
		return m, nil
	}
	c.mu.Lock()
	c.mu.commits[s.version]++
	c.mu.Unlock()
	m.counted = true
	if m.Bound() == Stale {
		m.End()
		return nil, sqlerr.New(sqlerr.TRSerializationFailure, "could not serialize access due to concurrent schema change").
			WithDetail("The transaction uses schema version %d, the cluster has reached %d.", s.version, c.opts.Lease.Version()).
			WithHint("The transaction might succeed if retried.")
	}
	return m, nil
}

// Commit is a commit under way.
type Commit struct {
	c       *Catalog
	version uint64
	counted bool
	// bound is the highest that was given.
	bound timestamp.Timestamp
}

// Stale is the bound of a commit that can never happen: unlike one that lies low
// because the lease is behind, it does not rise.
const Stale timestamp.Timestamp = 1

// Bound returns the highest timestamp at which the transaction may commit; zero
// means any, Stale none. It is to be asked as late as possible.
func (m *Commit) Bound() timestamp.Timestamp {
	if m.c.opts.Lease == nil {
		return 0
	}
	// Until is read first: a lease that moves on between the two calls can then
	// only be judged too strictly.
	until := m.c.opts.Lease.Until()
	if m.c.opts.Lease.Version() > m.version+1 {
		return Stale
	}
	b := max(until, Stale+1)
	m.c.mu.Lock()
	m.bound = max(m.bound, b)
	m.c.mu.Unlock()
	return b
}

// EndUnknown is End for a commit of which it is not known whether it has happened: a
// request of it may still be under way, and takes effect at a timestamp up to the
// bound. Until the oracle has passed that the commit counts as under way.
func (m *Commit) EndUnknown() {
	if m.counted {
		m.c.mu.Lock()
		m.c.mu.doubts = append(m.c.mu.doubts, doubt{m.version, m.bound})
		m.c.mu.Unlock()
	}
	m.End()
}

// End says that the commit has ended, well or not.
func (m *Commit) End() {
	if !m.counted {
		return
	}
	m.counted = false
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.c.mu.commits[m.version]--; m.c.mu.commits[m.version] <= 0 {
		delete(m.c.mu.commits, m.version)
	}
}

// InUser is a Lease that asks what this node may confirm.
type InUser interface {
	// SetInUse is called once, before the lease is used. f returns what to confirm
	// instead of the latest version heard of.
	SetInUse(f func(latest uint64) uint64)
}

// InUse returns the newest version up to latest that this node may confirm.
func (c *Catalog) InUse(latest uint64) uint64 {
	var now timestamp.Timestamp
	if c.opts.Observed != nil {
		now = c.opts.Observed()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.doubts = slices.DeleteFunc(c.mu.doubts, func(d doubt) bool { return d.until < now })
	for _, d := range c.mu.doubts {
		latest = min(latest, d.version+1)
	}
	for v := range c.mu.commits {
		latest = min(latest, v+1)
	}
	return latest
}

// SettledAt returns a timestamp above which no transaction of the cluster can
// commit with a version older than the one before the latest published; zero if
// that holds already.
func (c *Catalog) SettledAt() timestamp.Timestamp {
	if c.opts.Lease == nil {
		return 0
	}
	if _, ok := c.opts.Lease.(InUser); ok {
		return 0
	}
	return c.opts.Lease.Until()
}

func (c *Catalog) load(ctx context.Context, r Reader, version uint64) (*Snapshot, error) {
	s := c.base.clone()
	s.version = version
	start := descPrefix()
	err := r.Each(ctx, start, keys.PrefixEnd(start), func(key, value []byte) error {
		d, err := decodeDesc(value)
		if err != nil {
			return fmt.Errorf("descriptor %x: %w", key, err)
		}
		switch {
		case d.Schema != nil:
			s.addSchema(d.Schema)
		case d.Type != nil:
			s.addType(d.Type)
		case d.Table != nil:
			s.addTable(d.Table)
		case d.Role != nil:
			s.addRole(d.Role)
		case d.DefaultACL != nil:
			s.defaultACLs[d.DefaultACL.ID] = d.DefaultACL
		case d.Database != nil:
			s.database = d.Database
		}
		return nil
	})
	if err != nil {
		return nil, sqlerr.Wrap(err, "load the catalog at version %d", version)
	}
	s.nameTypes()
	s.link()
	return s, nil
}

func readUint(ctx context.Context, r Reader, key keys.User) (uint64, error) {
	b, err := r.Get(ctx, key)
	if err != nil || b == nil {
		return 0, err
	}
	v, n := binary.Uvarint(b)
	if n <= 0 || n != len(b) {
		return 0, fmt.Errorf("key %x holds %x, not a number", []byte(key), b)
	}
	return v, nil
}

// Latest returns the newest snapshot that this node has loaded, nil before the
// first: for listings that must not wait for anybody. It may be old.
func (c *Catalog) Latest() *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	var best *Snapshot
	for _, e := range c.mu.cache {
		if best == nil || e.snap.version > best.version {
			best = e.snap
		}
	}
	return best
}
