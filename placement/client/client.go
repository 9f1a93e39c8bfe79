package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/internal/suspect"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

// Options of a Client.
type Options struct {
	StoreID   uint64
	ClusterID uint64
	// Local is the service of this process.
	Local placementpb.PlacementClient
	// Dial connects to another store.
	Dial func(ctx context.Context, store uint64) (*grpc.ClientConn, error)
	// Peers lists stores that may lead the placement group, best guess first.
	Peers func() []uint64
	// Suspects is shared with others who send to stores; nil: nobody is suspected.
	Suspects *suspect.Stores
	Clock    env.Clock
	Rand     env.Rand
	Logger   *slog.Logger
	// Update takes in each update of the directory, in order. It must not block.
	Update func(*placementpb.DirectoryUpdate)
	// Self returns this store's record; each new leader is told of it, so that
	// changed addresses get known.
	Self func() *metapb.Store
	// NewLeader is called when another store was found to lead the group: the
	// store's next report must be full.
	NewLeader func()
}

const (
	retryMin = 2 * time.Millisecond
	// retryMax bounds the pauses of a call: every transaction of the node may wait for
	// it, and a new leader is there within a second or not for long.
	retryMax = 25 * time.Millisecond
	// watchPause is the pause between watches, and between orders to a leader that is
	// none.
	watchPause = 100 * time.Millisecond
	// attemptTimeout bounds one try at one store, so that a frozen one does not
	// hold a call up.
	attemptTimeout = 2 * time.Second
)

// Client talks to the placement service.
type Client struct {
	o     Options
	group *stop.Group
	// oracle is the stream that timestamps come through.
	oracle oracleStream
	mu     struct {
		sync.Mutex
		leader uint64 // store that answered last, 0 if unknown
		rand   env.Rand
		// endWatch ends the running watch, which listens to watched.
		endWatch context.CancelFunc
		watched  uint64
	}
}

// New returns a client. Start begins its watch of the directory.
func New(o Options) *Client {
	if o.Suspects == nil {
		o.Suspects = suspect.New(o.Clock)
	}
	c := &Client{o: o}
	c.mu.rand = o.Rand
	return c
}

// Start begins to follow the directory.
func (c *Client) Start() {
	c.group = stop.NewGroup(context.Background())
	c.group.Go("placement-watch", c.watch)
}

// Stop ends the watch.
func (c *Client) Stop() {
	c.oracle.close()
	if c.group != nil {
		c.group.Stop()
	}
}

// Leader returns the store that led the group when last heard of, 0 if unknown.
func (c *Client) Leader() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.leader
}

func (c *Client) setLeader(store uint64) {
	c.mu.Lock()
	changed := store != 0 && c.mu.leader != store
	c.mu.leader = store
	if changed && c.mu.endWatch != nil && c.mu.watched != store {
		c.mu.endWatch() // a frozen former leader would never end it
	}
	c.mu.Unlock()
	if changed && c.o.NewLeader != nil {
		c.o.NewLeader()
	}
}

// Forget says that a store is probably gone: if it led the group, the leader is
// looked for elsewhere, and the watch that listens to it ends.
func (c *Client) Forget(store uint64) {
	c.oracle.endAt(store)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.leader == store {
		c.mu.leader = 0
	}
	if c.mu.endWatch != nil && c.mu.watched == store {
		c.mu.endWatch()
	}
}

func (c *Client) conn(ctx context.Context, store uint64) (placementpb.PlacementClient, error) {
	if store == c.o.StoreID {
		return c.o.Local, nil
	}
	cc, err := c.o.Dial(ctx, store)
	if err != nil {
		return nil, err
	}
	return placementpb.NewPlacementClient(cc), nil
}

// call tries f at the leader, and at the other stores while that is not known,
// until it succeeds, fails for good, or ctx ends. f returns the Error of the
// answer; only "not leader" is retried, besides broken connections.
func (c *Client) call(ctx context.Context, what string, f func(context.Context, placementpb.PlacementClient) (*placementpb.Error, error)) error {
	backoff := retryMin
	next := c.Leader()
	var tried int
	var last error
	for {
		if next == 0 {
			peers := c.o.Peers()
			if len(peers) > 0 {
				next = peers[tried%len(peers)]
			} else {
				next = c.o.StoreID
			}
			tried++
		}
		pc, err := c.conn(ctx, next)
		if err == nil {
			attempt, cancel := c.o.Suspects.Bound(ctx, next, attemptTimeout)
			var e *placementpb.Error
			e, err = f(attempt, pc)
			cancel()
			if err == nil {
				c.o.Suspects.Answered(next)
				if e == nil {
					c.setLeader(next)
					return nil
				}
				if !e.NotLeader {
					return errors.New(e.Message)
				}
				err = errors.New(e.Message)
				if e.LeaderStore != 0 && e.LeaderStore != next && !c.o.Suspects.Suspected(e.LeaderStore) {
					next, last = e.LeaderStore, err
					if tried++; tried%4 != 0 { // two stores may point at each other for a while
						continue
					}
				}
			}
		}
		last = err
		next = 0
		c.mu.Lock()
		c.mu.leader = 0
		d := env.Jitter(c.mu.rand, backoff)
		c.mu.Unlock()
		if sleepErr := env.Sleep(ctx, c.o.Clock, d); sleepErr != nil {
			return fmt.Errorf("%s: %w (last: %v)", what, sleepErr, last)
		}
		backoff = min(2*backoff, retryMax)
	}
}

// Timestamps gives the first of count distinct timestamps above atLeast.
func (c *Client) Timestamps(ctx context.Context, count uint32, atLeast timestamp.Timestamp) (timestamp.Timestamp, error) {
	if first, ok := c.oracle.ask(ctx, c, count, atLeast); ok {
		return first, nil
	}
	var first uint64
	err := c.call(ctx, "get timestamps", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		r, err := pc.Timestamps(ctx, &placementpb.TimestampsRequest{Count: count, AtLeast: uint64(atLeast)})
		first = r.GetFirst()
		return r.GetError(), err
	})
	return timestamp.Timestamp(first), err
}

// AllocIDs gives the first of count ids that were never given before.
func (c *Client) AllocIDs(ctx context.Context, count uint32) (uint64, error) {
	var first uint64
	err := c.call(ctx, "allocate ids", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		r, err := pc.AllocIDs(ctx, &placementpb.AllocIDsRequest{Count: count})
		first = r.GetFirst()
		return r.GetError(), err
	})
	return first, err
}

// Announce tells the service of this store and its addresses.
func (c *Client) Announce(ctx context.Context, s *metapb.Store) error {
	return c.call(ctx, "announce the store", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		r, err := pc.Join(ctx, &placementpb.JoinRequest{ClusterId: c.o.ClusterID, Store: s})
		return r.GetError(), err
	})
}

// Report sends a report. The answer says whether the next one must be full, and how
// far old versions are given up.
func (c *Client) Report(ctx context.Context, req *placementpb.ReportRequest) (resp *placementpb.ReportResponse, err error) {
	err = c.call(ctx, "report", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		var err error
		resp, err = pc.Report(ctx, req)
		return resp.GetError(), err
	})
	return resp, err
}

// SchemaLease renews the gateway's lease on the schema.
func (c *Client) SchemaLease(ctx context.Context, req *placementpb.SchemaLeaseRequest) (resp *placementpb.SchemaLeaseResponse, err error) {
	err = c.call(ctx, "renew the schema lease", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		var err error
		resp, err = pc.SchemaLease(ctx, req)
		return resp.GetError(), err
	})
	return resp, err
}

// UnknownError says that the answer to an order got lost: it may have been taken.
type UnknownError struct {
	Store uint64 // that it was sent to
	Err   error
}

func (e *UnknownError) Error() string {
	return fmt.Sprintf("it is not known whether the order was taken, its answer from store %d is lost: %v", e.Store, e.Err)
}

func (e *UnknownError) Unwrap() error { return e.Err }

// Operate orders an operator. Unlike other calls it is not repeated once it may
// have been taken: then the error is *UnknownError.
func (c *Client) Operate(ctx context.Context, req *placementpb.OperateRequest) (*placementpb.OperateResponse, error) {
	for {
		next := c.Leader()
		if next == 0 {
			if _, err := c.Operators(ctx, false); err != nil { // finds the leader
				return nil, err
			}
			continue
		}
		resp, sent, err := c.operate(ctx, next, req)
		switch {
		case err != nil && sent:
			return nil, &UnknownError{Store: next, Err: err}
		case err == nil && !resp.GetError().GetNotLeader():
			return resp, nil
		}
		c.setLeader(0)
		if sleepErr := env.Sleep(ctx, c.o.Clock, watchPause); sleepErr != nil {
			return nil, errors.Join(sleepErr, err)
		}
	}
}

// operate sends an order to one store. After an error, sent says that the order may
// have reached it.
func (c *Client) operate(ctx context.Context, store uint64, req *placementpb.OperateRequest) (resp *placementpb.OperateResponse, sent bool, err error) {
	pc, err := c.conn(ctx, store)
	if err != nil {
		return nil, false, err
	}
	ctx, cancel := c.o.Suspects.Bound(ctx, store, 0)
	defer cancel()
	// gRPC sets the peer once the call was given a connection. Without one, nothing
	// left this process.
	var at peer.Peer
	if resp, err = pc.Operate(ctx, req, grpc.Peer(&at)); err != nil {
		return nil, at.Addr != nil || store == c.o.StoreID, err
	}
	c.o.Suspects.Answered(store)
	return resp, false, nil
}

// Operators lists running operators, and those that ended if history is set.
func (c *Client) Operators(ctx context.Context, history bool) (ops []*placementpb.Operator, err error) {
	err = c.call(ctx, "list operators", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		r, err := pc.Operators(ctx, &placementpb.OperatorsRequest{History: history})
		ops = r.GetOperators()
		return r.GetError(), err
	})
	return ops, err
}

// Alarms adds an alarm (nil: none), clears those of a region (0: none), and lists all.
func (c *Client) Alarms(ctx context.Context, add *placementpb.Alarm, clear uint64) (list []*placementpb.Alarm, err error) {
	err = c.call(ctx, "alarms", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		r, err := pc.Alarms(ctx, &placementpb.AlarmsRequest{Add: add, ClearRegion: clear})
		list = r.GetAlarms()
		return r.GetError(), err
	})
	return list, err
}

// SetStore changes the state of a store, or looks how far a change is. A refusal
// comes in the answer.
func (c *Client) SetStore(ctx context.Context, req *placementpb.SetStoreRequest) (resp *placementpb.SetStoreResponse, err error) {
	err = c.call(ctx, "set the state of a store", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		var err error
		resp, err = pc.SetStore(ctx, req)
		if resp.GetRefused() {
			return nil, err
		}
		return resp.GetError(), err
	})
	return resp, err
}

// Schedulers pauses or resumes a scheduler, if asked to, and lists all.
func (c *Client) Schedulers(ctx context.Context, req *placementpb.SchedulersRequest) (list []*placementpb.Scheduler, err error) {
	err = c.call(ctx, "schedulers", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		r, err := pc.Schedulers(ctx, req)
		list = r.GetSchedulers()
		return r.GetError(), err
	})
	return list, err
}

// Explain says why a region is as it is.
func (c *Client) Explain(ctx context.Context, region uint64) (resp *placementpb.ExplainResponse, err error) {
	err = c.call(ctx, "explain a region", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		var err error
		resp, err = pc.Explain(ctx, &placementpb.ExplainRequest{RegionId: region})
		return resp.GetError(), err
	})
	return resp, err
}

// Settings changes a setting, if asked to, and lists all. A refusal comes in the answer.
func (c *Client) Settings(ctx context.Context, req *placementpb.SettingsRequest) (resp *placementpb.SettingsResponse, err error) {
	err = c.call(ctx, "settings", func(ctx context.Context, pc placementpb.PlacementClient) (*placementpb.Error, error) {
		var err error
		resp, err = pc.Settings(ctx, req)
		if resp.GetRefused() {
			return nil, err
		}
		return resp.GetError(), err
	})
	return resp, err
}

// watch follows the directory, at whichever store leads.
func (c *Client) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := c.watchOnce(ctx); err != nil && ctx.Err() == nil {
			c.o.Logger.Debug("placement: watch", "err", err)
		}
		_ = env.Sleep(ctx, c.o.Clock, watchPause)
	}
}

func (c *Client) watchOnce(ctx context.Context) error {
	// Announcing finds the leader, and makes it know this store's addresses
	// before it hands them to others.
	if err := c.Announce(ctx, c.o.Self()); err != nil {
		return err
	}
	lead := c.Leader()
	pc, err := c.conn(ctx, lead)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.mu.Lock()
	c.mu.endWatch, c.mu.watched = cancel, lead
	c.mu.Unlock()
	stream, err := pc.Watch(ctx, &placementpb.WatchRequest{})
	if err != nil {
		return err
	}
	for {
		u, err := stream.Recv()
		if err != nil {
			return err
		}
		if u.Error != nil {
			return errors.New(u.Error.Message)
		}
		c.o.Update(u)
	}
}
