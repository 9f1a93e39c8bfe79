package txn

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region/router"
)

// TimestampSource is the timestamp oracle as transactions need it. A timestamp
// comes from a request that was sent after the call began, and no two calls of
// the whole cluster get the same one.
type TimestampSource interface {
	// Timestamp returns a fresh timestamp.
	Timestamp(ctx context.Context) (timestamp.Timestamp, error)
	// AtLeast returns a fresh timestamp above ts: from then on the oracle issues
	// none at or below ts.
	AtLeast(ctx context.Context, ts timestamp.Timestamp) (timestamp.Timestamp, error)
}

// AsyncTimestampSource is a TimestampSource that can be asked now and awaited
// later. Client uses it where it can.
type AsyncTimestampSource interface {
	TimestampSource
	// TimestampAsync asks for a fresh timestamp and returns at once.
	TimestampAsync() TimestampFuture
}

// TimestampFuture is a timestamp that was asked for.
type TimestampFuture interface {
	// Wait returns the timestamp. It may be called once.
	Wait(ctx context.Context) (timestamp.Timestamp, error)
}

// Sender is what transactions need of the router; *router.Router has it.
type Sender interface {
	Send(ctx context.Context, req *kvpb.Request) (*kvpb.Response, error)
	Lookup(ctx context.Context, key []byte) (router.Route, error)
	LookupBefore(ctx context.Context, key []byte) (router.Route, error)
	GroupKeys(ctx context.Context, keys [][]byte) ([]router.KeyGroup, error)
}

// Options configures a Client. Zero values mean the defaults given.
type Options struct {
	Router     Sender
	Timestamps TimestampSource
	Clock      env.Clock
	Rand       env.Rand
	Logger     *slog.Logger // nil: silent

	// BufferBytesMax bounds the writes of one transaction: 256 MB.
	BufferBytesMax int64
	// OnePhaseBytesMax is the size up to which a transaction within one region
	// commits in one phase: 1 MB.
	OnePhaseBytesMax int
	// BatchBytesMax and BatchKeysMax bound one prewrite or commit request: 1 MB
	// and 4,096 keys.
	BatchBytesMax int
	BatchKeysMax  int
	// Gateway names this process in the locks of its transactions, and GatewayLost
	// reports whether a process is over or cut off from a majority of the stores that
	// knew it: then its locks need not be waited for. See the package comment. They
	// may be left out; the time to live is what counts then.
	Gateway     *kvpb.Gateway
	GatewayLost func(ctx context.Context, store, boot uint64) bool
	// LockTTL is how long a lock lives without a heartbeat: 4 s, so that what a dead
	// gateway held is free within five. Heartbeats are
	// sent every fifth of it.
	LockTTL time.Duration
	// SettleTimeout bounds the search for an unknown outcome after the statement's
	// own time is over: 3 s.
	SettleTimeout time.Duration
	// CleanupTimeout bounds one piece of background work: 30 s.
	CleanupTimeout time.Duration
	// AsyncKeysMax bounds the keys of a transaction in several regions that commits
	// with its locks: 256. Negative: none does.
	AsyncKeysMax int
	// AutocommitAttempts bounds how often RunAutocommit runs a function: 20.
	AutocommitAttempts int
}

const (
	defaultBufferBytesMax     = 256 << 20
	defaultBatchBytesMax      = 1 << 20
	defaultBatchKeysMax       = 4096
	defaultLockTTL            = 4 * time.Second
	defaultSettleTimeout      = 3 * time.Second
	defaultCleanupTimeout     = 30 * time.Second
	defaultAutocommitAttempts = 20
	defaultAsyncKeysMax       = 256

	backoffMin = 2 * time.Millisecond
	backoffMax = 50 * time.Millisecond
	// requestsInFlightMax bounds the parallel requests of one operation.
	requestsInFlightMax = 8
	// prewritesInFlightMax is that for an async commit, whose requests are small.
	prewritesInFlightMax = 64
)

func (o *Options) validate() error {
	if o.Router == nil || o.Timestamps == nil {
		return errors.New("txn: no router or no timestamp source")
	}
	if o.Clock == nil || o.Rand == nil {
		return errors.New("txn: no clock or no random source")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.BufferBytesMax, defaultBufferBytesMax)
	setDefault(&o.BatchBytesMax, defaultBatchBytesMax)
	setDefault(&o.OnePhaseBytesMax, o.BatchBytesMax)
	setDefault(&o.BatchKeysMax, defaultBatchKeysMax)
	setDefault(&o.LockTTL, defaultLockTTL)
	setDefault(&o.SettleTimeout, defaultSettleTimeout)
	setDefault(&o.CleanupTimeout, defaultCleanupTimeout)
	setDefault(&o.AutocommitAttempts, defaultAutocommitAttempts)
	if o.AsyncKeysMax == 0 {
		o.AsyncKeysMax = defaultAsyncKeysMax
	}
	return nil
}

func setDefault[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Client begins transactions and owns what they leave to be done in the
// background. See the package comment.
type Client struct {
	opts  Options
	stats counters
	// observed is the largest timestamp that the oracle gave this client.
	observed atomic.Uint64

	active  activeSet
	settled settledCache
	beats   heartbeats
	keeper  keeper
	work    background
	group   *stop.Group

	rand struct {
		sync.Mutex
		env.Rand
	}
}

// New returns a client. Close must be called when it is no longer needed.
func New(opts Options) (*Client, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	c := &Client{opts: opts, group: stop.NewGroup(context.Background())}
	c.rand.Rand = opts.Rand
	c.settled.init()
	c.beats.init()
	c.keeper.init()
	c.work.start(c)
	c.group.Go("heartbeats", c.heartbeatLoop)
	c.group.Go("row-locks", c.keepLoop)
	return c, nil
}

// Close waits until the work in the background is done or ctx has ended, then
// ends it. What is left undone is finished by whoever meets the locks.
// Transactions that are still open must not be used any more.
func (c *Client) Close(ctx context.Context) error {
	err := c.work.drain(ctx)
	c.group.Stop()
	return err
}

// Isolation is an isolation level of SQL.
type Isolation uint8

const (
	// ReadCommitted sees what is committed when a statement begins; see
	// Txn.NewReadSnapshot.
	ReadCommitted Isolation = iota
	// RepeatableRead is snapshot isolation: the first committer wins.
	RepeatableRead
	// Serializable is strict: as if transactions ran one after the other, in an order
	// that agrees with real time. It is RepeatableRead with a check of all reads at
	// the commit.
	Serializable
)

// TxnOptions says what kind of transaction to begin.
type TxnOptions struct {
	Isolation Isolation
	ReadOnly  bool
	// Autocommit: the transaction is one statement, and the client learns nothing
	// before it has committed. Insert may then leave its check to Commit.
	Autocommit bool
	// Pessimistic makes an autocommit transaction lock rows like any other.
	Pessimistic bool
	// Unchecked is a prefix of keys whose reads are not checked at the commit of a
	// SERIALIZABLE transaction: the caller sees to them by other means.
	Unchecked []byte
}

// Begin starts a transaction with a fresh timestamp.
func (c *Client) Begin(ctx context.Context, opts TxnOptions) (*Txn, error) {
	t, err := c.BeginAsync(opts)
	if err != nil {
		return nil, err
	}
	if _, err := t.StartTS(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

// BeginAsync starts a transaction whose timestamp is asked for now and awaited
// by the first call that needs it.
func (c *Client) BeginAsync(opts TxnOptions) (*Txn, error) {
	t := newTxn(c, opts)
	if src, ok := c.opts.Timestamps.(AsyncTimestampSource); ok {
		t.future = src.TimestampAsync()
	}
	return t, nil
}

// AutocommitOptions configures RunAutocommit.
type AutocommitOptions struct {
	Txn    TxnOptions // Autocommit is set by RunAutocommit
	Commit CommitOptions
	// MayRetry is asked before the function is run again: false once anything
	// was sent to the client. Nil: always.
	MayRetry func() bool
}

// Observed returns the largest timestamp that the oracle gave this client.
func (c *Client) Observed() timestamp.Timestamp {
	return timestamp.Timestamp(c.observed.Load())
}

// Timestamp returns a fresh timestamp from the oracle.
func (c *Client) Timestamp(ctx context.Context) (timestamp.Timestamp, error) {
	ts, err := c.opts.Timestamps.Timestamp(ctx)
	if err != nil {
		return 0, err
	}
	c.observe(ts)
	return ts, nil
}

// lost reports whether the gateway of a lock's transaction is lost.
func (c *Client) lost(ctx context.Context, l *kvpb.LockInfo) bool {
	g := l.GetGateway()
	return c.opts.GatewayLost != nil && g != nil && c.opts.GatewayLost(ctx, g.GetStore(), g.GetBoot())
}

// observe notes a timestamp that the oracle issued.
func (c *Client) observe(ts timestamp.Timestamp) {
	for {
		old := c.observed.Load()
		if uint64(ts) <= old || c.observed.CompareAndSwap(old, uint64(ts)) {
			return
		}
	}
}

// Stats returns the counters of this client.
func (c *Client) Stats() Stats { return c.stats.load() }
