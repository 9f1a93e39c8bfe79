package placement

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/placement/tso"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// KV is a raw pair of the placement group.
type KV struct{ Key, Value []byte }

// Group is this store's replica of the placement group, region 1. Keys are user
// keys below "\x02". Methods are safe for concurrent use.
type Group interface {
	// Leader reports whether this store leads the group, and in which term. It
	// is a hint: what must be certain goes through Lease or WriteRaw.
	Leader() (term uint64, ok bool)
	// LeaderStore is the store that leads as far as this one knows, 0 if
	// unknown.
	LeaderStore() uint64
	// Lease returns the term of this store's leadership if its lease was valid
	// at some moment after the call began.
	Lease(ctx context.Context) (term uint64, err error)
	// ReadRaw returns the pairs of [start, end) at the leader.
	ReadRaw(ctx context.Context, start, end []byte) ([]KV, error)
	// WriteRaw writes all puts at once, if this store still leads in term.
	// After an error the outcome may be unknown.
	WriteRaw(ctx context.Context, term uint64, puts []KV) error
	// Changed is sent to, without blocking, when the group's leader changed.
	Changed() <-chan struct{}
}

// Admin carries an administrative command to a region's leader.
type Admin interface {
	Admin(ctx context.Context, leaderStore uint64, region *metapb.Region, req *kvpb.AdminRequest) (*kvpb.AdminResponse, error)
}

// Options of a Service. All fields without another remark are needed.
type Options struct {
	StoreID   uint64
	ClusterID uint64
	Group     Group
	Admin     Admin
	// AddressOf returns the RPC address of a store, empty if it is not known: a
	// store that joins knows no ids yet and is told where the leader listens.
	AddressOf func(store uint64) string
	// Held is Group.Lease without waiting: it reports false if this store holds no lease
	// at this moment. Nil: it is not known.
	Held   func() (term uint64, held bool)
	Clock  env.Clock
	Logger *slog.Logger
	// DownAfter is zero (DefaultDownAfter) or another time for tests: how long a store
	// is silent before its replicas are replaced.
	DownAfter time.Duration
	// Retention is zero (DefaultRetention) or another time for tests: how long old
	// versions are kept.
	Retention time.Duration
	// MergeBelow is the size in bytes below which two neighbouring regions together
	// are merged: 0 is DefaultMergeBelow, or less if regions are split early; negative
	// never.
	MergeBelow int64
	// SplitSize is the size in bytes at which stores split regions while no setting says
	// otherwise, 0: DefaultSplitSize.
	SplitSize int64
	// MergeRest is zero (DefaultMergeRest) or another time for tests: how long after a
	// change of its range a region is not merged.
	MergeRest time.Duration
	// SplitRequests is how many requests a second a region may get before it is split; one
	// that gets a quarter of them is not merged. Zero is DefaultSplitRequests, less: never.
	SplitRequests int
}

const (
	// lookPeriod is how often leadership is looked at though nothing has changed it.
	lookPeriod = 5 * time.Second
	// takeOverPause comes before another try to take over, or to store a bound.
	takeOverPause = 50 * time.Millisecond
	// quietAfter is how long nobody has to ask for timestamps before the window is
	// made wide.
	quietAfter = 10 * time.Second
	// storeLiveFor is how long a store counts as live after its last report:
	// three missed ones.
	storeLiveFor = 3 * time.Second
	// settleFor is how long a new leader collects reports before it plans.
	settleFor = 1500 * time.Millisecond
	idBlock   = 1000
	firstID   = 16 // below are the ids of the regions and peers that bootstrap makes
	writeWait = 5 * time.Second
	// handHold is how long a leader that was chosen by hand stays, so that whoever
	// moved it sees what they asked for and not what balance makes of it.
	handHold = 30 * time.Second
	// groupRegion is the region whose leader runs this service.
	groupRegion = 1
)

var (
	keyIDs    = []byte("\x01ids")
	keyTS     = []byte("\x01ts")
	keySchema = []byte("\x01schema")
	keyStores = []byte("\x01store/")
	stateEnd  = []byte("\x02")
	stateFrom = []byte("\x01")
)

func storeKey(id uint64) []byte {
	return binary.BigEndian.AppendUint64(append([]byte(nil), keyStores...), id)
}

// ErrNotLeader is returned by every call on a store that does not lead the
// placement group, or no longer does.
type ErrNotLeader struct{ LeaderStore uint64 }

func (e *ErrNotLeader) Error() string {
	if e.LeaderStore == 0 {
		return "no leader of the placement group is known"
	}
	return fmt.Sprintf("the placement group is led by store %d", e.LeaderStore)
}

// storeState is what the leader knows of a store.
type storeState struct {
	rec      *placementpb.JoinRequest // as stored
	stats    *placementpb.StoreStats
	lastSeen time.Time // zero: not in this term
	full     bool      // sent a full report in this term
	silent   bool      // has not reported for storeLiveFor
	silentAt time.Time // when that was noticed
	ending   bool      // it is being made REMOVED
	// oldest is the oldest transaction that runs on the node, 0: none.
	oldest timestamp.Timestamp
}

// leadership is the state of one term. It is dropped when the term ends.
type leadership struct {
	term   uint64
	since  time.Time
	oracle *tso.Oracle
	// extended is closed, and made anew, whenever the oracle's window grew.
	extended chan struct{}
	// askedAt is when somebody besides the leases on the schema asked for a timestamp.
	askedAt time.Time
	// asked is the largest that was given to such, or may have been in earlier terms;
	// 0: none.
	asked   timestamp.Timestamp
	idNext  uint64
	idBound uint64
	stores  map[uint64]*storeState
	dir     *directory
	schema  schemaState
	gc      gcState
	ops     map[uint64]*operator // running, by region
	// heldUntil is when regions whose leader somebody chose by hand may be led
	// elsewhere again.
	heldUntil map[uint64]time.Time
	// retryAt is when a region whose operator failed may have another.
	retryAt  map[uint64]time.Time
	ranges   map[uint64]rangeSince         // by region
	past     map[uint64]*past              // by region
	settings map[string]int64              // that somebody has chosen; replaced, never changed
	alarms   map[uint64]*placementpb.Alarm // by region
	paused   map[string]time.Time          // schedulers, until when
	watchers map[*watcher]struct{}
	ended    chan struct{} // closed when the term ends
}

// Service is the placement service of one node.
type Service struct {
	o     Options
	group *stop.Group
	ids   chan struct{} // holds the right to raise the id bound
	join  chan struct{} // holds the right to change the stores
	plan  chan struct{} // wakes the planner
	asked chan struct{} // wakes who looks after the window
	mu    struct {
		sync.Mutex
		lead    *leadership
		history []*placementpb.Operator // newest last, at most historyMax
		opSeq   uint64
	}
}

// New returns a service that does nothing before Start.
func New(o Options) *Service {
	if o.DownAfter <= 0 {
		o.DownAfter = DefaultDownAfter
	}
	if o.Retention <= 0 {
		o.Retention = DefaultRetention
	}
	if o.SplitRequests == 0 {
		o.SplitRequests = DefaultSplitRequests
	}
	if o.SplitSize <= 0 {
		o.SplitSize = DefaultSplitSize
	}
	if o.MergeRest <= 0 {
		o.MergeRest = DefaultMergeRest
	}
	return &Service{o: o, ids: make(chan struct{}, 1), join: make(chan struct{}, 1), plan: make(chan struct{}, 1), asked: make(chan struct{}, 1)}
}

// Start begins to follow the placement group's leadership.
func (s *Service) Start() {
	s.group = stop.NewGroup(context.Background())
	s.group.Go("placement", s.run)
	s.group.Go("placement-plan", s.planLoop)
	s.group.Go("placement-gc", s.gcLoop)
}

// Stop ends all goroutines, with them running operators and watches.
func (s *Service) Stop() {
	if s.group != nil {
		s.group.Stop()
	}
	s.stepDown()
}

// run follows the group. It wakes when the leader changes, when the window has to be
// extended, and otherwise seldom: an idle node pays for each time.
func (s *Service) run(ctx context.Context) {
	t := s.o.Clock.NewTimer(0)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C():
		case <-s.o.Group.Changed():
		case <-s.asked:
		}
		t.Reset(s.follow(ctx))
	}
}

// follow brings the service in line with the group's leadership and keeps the
// oracle's window ahead. It returns how long until it is to be called again.
func (s *Service) follow(ctx context.Context) time.Duration {
	term, ok := s.o.Group.Leader()
	l := s.current()
	switch {
	case !ok && l != nil:
		s.stepDown()
	case ok && (l == nil || l.term != term):
		s.stepDown()
		if err := s.takeOver(ctx, term); err != nil {
			if ctx.Err() == nil {
				s.o.Logger.Warn("placement: take over", "term", term, "err", err)
			}
			return takeOverPause
		}
	case ok:
		if err := s.extend(ctx, l); err != nil {
			if ctx.Err() == nil {
				s.o.Logger.Warn("placement: extend timestamp window", "term", term, "err", err)
			}
			return takeOverPause
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.lead == nil {
		return lookPeriod
	}
	return min(lookPeriod, s.mu.lead.oracle.Left(s.o.Clock.Now()))
}

func (s *Service) current() *leadership {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.lead
}

func (s *Service) stepDown() {
	s.mu.Lock()
	l := s.mu.lead
	s.mu.lead = nil
	s.mu.Unlock()
	if l == nil {
		return
	}
	close(l.ended)
	s.mu.Lock()
	for _, op := range l.ops {
		op.cancel()
	}
	s.mu.Unlock()
}

// takeOver loads the stored state and opens a window of timestamps above the
// stored bound.
func (s *Service) takeOver(ctx context.Context, term uint64) error {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	pairs, err := s.o.Group.ReadRaw(ctx, stateFrom, stateEnd)
	if err != nil {
		return fmt.Errorf("read placement state: %w", err)
	}
	now := s.o.Clock.Now()
	l := &leadership{
		term: term, since: now, idNext: firstID, idBound: firstID,
		stores: map[uint64]*storeState{}, dir: newDirectory(), ops: map[uint64]*operator{}, heldUntil: map[uint64]time.Time{}, retryAt: map[uint64]time.Time{},
		alarms: map[uint64]*placementpb.Alarm{}, paused: map[string]time.Time{},
		ranges: map[uint64]rangeSince{}, past: map[uint64]*past{}, settings: map[string]int64{},
		watchers: map[*watcher]struct{}{}, ended: make(chan struct{}), extended: make(chan struct{}),
	}
	var stored timestamp.Timestamp
	for _, p := range pairs {
		switch {
		case string(p.Key) == string(keyIDs):
			n, err := number(p)
			if err != nil {
				return err
			}
			l.idNext, l.idBound = n, n
		case string(p.Key) == string(keyTS):
			n, err := number(p)
			if err != nil {
				return err
			}
			stored = timestamp.Timestamp(n)
		case string(p.Key) == string(keySchema):
			n, err := number(p)
			if err != nil {
				return err
			}
			l.schema.version = n
		case string(p.Key) == string(keyGC):
			if err := l.gc.decode(p); err != nil {
				return err
			}
		case len(p.Key) > len(keyStores) && string(p.Key[:len(keyStores)]) == string(keyStores):
			rec := &placementpb.JoinRequest{}
			if err := proto.Unmarshal(p.Value, rec); err != nil {
				return fmt.Errorf("store record %x: %w", p.Key, err)
			}
			l.stores[rec.Store.Id] = &storeState{rec: rec}
		case bytes.HasPrefix(p.Key, keyAlarms):
			if err := l.loadAlarm(p); err != nil {
				return err
			}
		case bytes.HasPrefix(p.Key, keySettings):
			if err := l.loadSetting(p); err != nil {
				return err
			}
		case bytes.HasPrefix(p.Key, keyPaused):
			ms, err := number(p)
			if err != nil {
				return err
			}
			l.paused[string(p.Key[len(keyPaused):])] = time.UnixMilli(int64(ms))
		default:
			return fmt.Errorf("placement state holds a key that this version does not know: %x", p.Key)
		}
	}
	l.oracle = tso.New(stored, now)
	bound, _ := l.oracle.NextBound(now, false)
	fault.Hit("timestamps/before-take-over")
	if err := s.o.Group.WriteRaw(ctx, term, []KV{{keyTS, putNumber(uint64(bound))}}); err != nil {
		return fmt.Errorf("store the bound of timestamps: %w", err)
	}
	fault.Hit("timestamps/after-take-over")
	l.oracle.Extend(bound)
	l.askedAt, l.asked = now, stored // the predecessor gave nothing above
	l.schema.begin(l.oracle.Now(now), stored.IsZero())
	s.o.Logger.Info("placement: leading", "term", term, "stores", len(l.stores), "schema", l.schema.version)
	s.mu.Lock()
	s.mu.lead = l
	s.mu.Unlock()
	return nil
}

// extend stores a new bound of timestamps when the window runs out, or is wide though
// somebody asks for timestamps again.
func (s *Service) extend(ctx context.Context, l *leadership) error {
	s.mu.Lock()
	bound, due := l.oracle.NextBound(s.o.Clock.Now(), s.quietLocked(l))
	s.mu.Unlock()
	if !due {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	fault.Hit("timestamps/before-extend")
	if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{keyTS, putNumber(uint64(bound))}}); err != nil {
		return err
	}
	fault.Hit("timestamps/after-extend")
	s.mu.Lock()
	l.oracle.Extend(bound)
	close(l.extended)
	l.extended = make(chan struct{})
	s.mu.Unlock()
	return nil
}

// quietLocked reports whether no transaction runs and nobody has asked for a timestamp
// for a while. Requires: s.mu held.
func (s *Service) quietLocked(l *leadership) bool {
	if s.o.Clock.Now().Sub(l.askedAt) < quietAfter {
		return false
	}
	oldest, heard := l.oldestRunning()
	return heard && oldest == 0
}

// leading returns the state of the term in which this store leads.
func (s *Service) leading() (*leadership, error) {
	if l := s.current(); l != nil {
		return l, nil
	}
	return nil, s.notLeader()
}

func (s *Service) notLeader() error {
	lead := s.o.Group.LeaderStore()
	if lead == s.o.StoreID {
		lead = 0 // elected, but not taken over yet: ask again
	}
	return &ErrNotLeader{LeaderStore: lead}
}

// Timestamps gives count distinct timestamps first, first+1, … above atLeast. All
// were still to be given when the call began, so each is above every timestamp
// that any earlier call of any store returned.
func (s *Service) Timestamps(ctx context.Context, count uint32, atLeast timestamp.Timestamp) (timestamp.Timestamp, error) {
	return s.timestamps(ctx, count, atLeast, true)
}

// TryTimestamps is Timestamps for a caller in this process that would rather ask in
// another way than wait: ok is false if this store holds no lease as the leader, or if
// the window is used up.
func (s *Service) TryTimestamps(count uint32, atLeast timestamp.Timestamp) (first timestamp.Timestamp, ok bool) {
	if s.o.Held == nil {
		return 0, false
	}
	term, held := s.o.Held()
	if !held {
		return 0, false
	}
	first, _, _, err := s.grant(term, count, atLeast, true)
	return first, err == nil
}

// grant asks the oracle of the leadership of a term, for which the caller held a lease
// after it was asked. With tso.ErrWindow it returns what to wait for.
func (s *Service) grant(term uint64, count uint32, atLeast timestamp.Timestamp, busy bool) (first timestamp.Timestamp, l *leadership, extended <-chan struct{}, err error) {
	s.mu.Lock()
	l = s.mu.lead
	if l == nil || l.term != term {
		s.mu.Unlock()
		return 0, nil, nil, s.notLeader()
	}
	now := s.o.Clock.Now()
	if busy {
		l.askedAt = now
	}
	first, err = l.oracle.Grant(now, count, atLeast)
	if busy && err == nil {
		l.asked = max(l.asked, first+timestamp.Timestamp(count)-1)
	}
	extended = l.extended
	look := errors.Is(err, tso.ErrWindow) || busy && l.oracle.Wide(now)
	s.mu.Unlock()
	if look {
		select {
		case s.asked <- struct{}{}:
		default:
		}
	}
	return first, l, extended, err
}

// timestamps is Timestamps. busy says that a transaction may follow.
func (s *Service) timestamps(ctx context.Context, count uint32, atLeast timestamp.Timestamp, busy bool) (timestamp.Timestamp, error) {
	term, err := s.o.Group.Lease(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		return 0, s.notLeader()
	}
	for {
		first, l, extended, err := s.grant(term, count, atLeast, busy)
		if !errors.Is(err, tso.ErrWindow) {
			return first, err
		}
		// The window is grown in the background well before it ends, so this
		// wait means that the group could not write for a second.
		select {
		case <-extended:
		case <-l.ended:
			return 0, s.notLeader()
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// AllocIDs gives count ids first, first+1, … that were never given before.
func (s *Service) AllocIDs(ctx context.Context, count uint32) (uint64, error) {
	if count == 0 || count > 1<<20 {
		return 0, fmt.Errorf("a request for %d ids is out of range", count)
	}
	for {
		l, err := s.leading()
		if err != nil {
			return 0, err
		}
		s.mu.Lock()
		if first := l.idNext; first+uint64(count) <= l.idBound {
			l.idNext += uint64(count)
			s.mu.Unlock()
			return first, nil
		}
		s.mu.Unlock()
		if err := s.raiseIDs(ctx, l, uint64(count)); err != nil {
			return 0, err
		}
	}
}

func (s *Service) raiseIDs(ctx context.Context, l *leadership, count uint64) error {
	select {
	case s.ids <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.ids }()
	s.mu.Lock()
	enough := l.idNext+count <= l.idBound
	bound := l.idBound + idBlock + count
	s.mu.Unlock()
	if enough {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	fault.Hit("ids/before-raise")
	if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{keyIDs, putNumber(bound)}}); err != nil {
		return fmt.Errorf("store the bound of ids: %w", err)
	}
	fault.Hit("ids/after-raise")
	s.mu.Lock()
	l.idBound = bound
	s.mu.Unlock()
	return nil
}

func putNumber(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func number(p KV) (uint64, error) {
	if len(p.Value) != 8 {
		return 0, fmt.Errorf("placement state at %q holds %d bytes, not a number", p.Key, len(p.Value))
	}
	return binary.BigEndian.Uint64(p.Value), nil
}
