package server

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/internal/stop"
	"github.com/quorate-db/quorate/internal/suspect"
	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/transport"
	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/placement"
	"github.com/quorate-db/quorate/placement/client"
	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region/router"
	"github.com/quorate-db/quorate/region/store"
	"github.com/quorate-db/quorate/server/certs"
	"github.com/quorate-db/quorate/server/console"
	"github.com/quorate-db/quorate/sql"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/txn"
)

const (
	placementRegion = 1
	firstRegion     = 2
	// drainTimeout bounds how long a stopping node tries to hand over what it
	// leads; closeTimeout what comes after.
	drainTimeout = 3 * time.Second
	closeTimeout = 2 * time.Second
	// greetPeriod is how often peers are told of this node while no leader is known.
	greetPeriod = time.Second
)

// Node is one running node: every layer of Quorate, joined.
type Node struct {
	cfg   Config
	log   *slog.Logger
	ident store.Ident
	began time.Time

	sqlLis, rpcLis, httpLis net.Listener
	certs                   *certs.Store // nil without certificates
	rules                   rules

	book      *addressBook
	dial      *dialer
	engines   *store.Engines
	cache     *engine.Cache
	grpc      *grpc.Server
	transport interface{ Close() }
	store     *store.Store
	placement *placement.Service
	client    *client.Client
	dir       *directory
	senders   *router.Transport
	sessions  *sessions
	suspects  *suspect.Stores
	router    *router.Router
	oracle    *txn.BatchingOracle
	txn       *txn.Client
	lease     *schemaLease
	sql       *sql.Engine
	pg        *pgwire.Server
	http      *http.Server
	console   *console.Console

	reports *reporter
	rates   *rates
	load    load
	group   *stop.Group
	// built is closed when all of the above are set: the store calls back
	// while it is being opened.
	built   chan struct{}
	serves  atomic.Bool
	retired atomic.Bool // removed from the cluster: serves nobody any more

	fatal struct {
		sync.Once
		ch  chan struct{}
		err error
	}
	stopOnce sync.Once
	stopErr  error
}

// Start opens the node's sockets and its store, joins or makes a cluster, and
// returns when the node serves SQL. If it fails, or ctx ends before, everything
// is closed again.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.fs = cfg.withFaults()
	n := &Node{cfg: cfg, log: cfg.Logger, began: cfg.Env.Clock.Now(), built: make(chan struct{}), dir: newDirectory()}
	n.fatal.ch = make(chan struct{})
	n.group = stop.NewGroup(context.Background())
	if err := n.start(ctx); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

func (n *Node) start(ctx context.Context) error {
	if err := n.loadSecurity(); err != nil {
		return err
	}
	if err := n.listen(); err != nil {
		return err
	}
	if err := makeStoreDir(n.cfg.StoreDir); err != nil {
		return err
	}
	var err error
	if n.book, err = openAddressBook(n.cfg.StoreDir); err != nil {
		return err
	}
	n.dial = newDialer(n.book, n.certs)
	n.cache = engine.NewCache(n.cfg.CacheBytes)
	n.engines, err = store.OpenEngines(store.EngineOptions{Dir: n.cfg.StoreDir, FS: n.cfg.fs, Cache: n.cache, Logger: n.log, OnFatal: n.fail})
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("store %s is in use by another process: stop that one, or name another directory with --store", n.cfg.StoreDir)
	}
	if err != nil {
		return fmt.Errorf("open store %s: %w", n.cfg.StoreDir, err)
	}
	if err := n.identify(ctx); err != nil {
		return err
	}
	n.log = n.log.With("node", n.ident.NodeID)
	if _, err := n.book.learn([]*metapb.Store{n.self()}); err != nil {
		return err
	}
	if err := n.build(); err != nil {
		return err
	}
	return n.serve(ctx)
}

func (n *Node) listen() error {
	for _, l := range []struct {
		flag, addr string
		to         *net.Listener
	}{
		{"--listen-rpc", n.cfg.ListenRPC, &n.rpcLis},
		{"--listen-sql", n.cfg.ListenSQL, &n.sqlLis},
		{"--listen-http", n.cfg.ListenHTTP, &n.httpLis},
	} {
		lis, err := net.Listen("tcp", l.addr)
		if err != nil {
			return fmt.Errorf("listen on %s (%s): %w", l.addr, l.flag, err)
		}
		*l.to = lis
	}
	return nil
}

func makeStoreDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make store directory: %w", err)
	}
	// Without this a crash of the machine could lose a new store as a whole.
	parent, err := os.Open(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return fmt.Errorf("sync the parent of the store directory: %w", err)
	}
	err = parent.Sync()
	if cerr := parent.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("sync the parent of the store directory: %w", err)
	}
	return nil
}

// identify finds out who this node is: from its store, or by making or joining
// a cluster.
func (n *Node) identify(ctx context.Context) error {
	ident, found, err := n.engines.Ident()
	if err != nil {
		return fmt.Errorf("read the identity of store %s: %w", n.cfg.StoreDir, err)
	}
	switch {
	case found:
		n.ident = ident
		return greet(ctx, &n.cfg, n.dial, n.book, ident, n.self())
	case len(n.cfg.Join) > 0:
		if ident, err = join(ctx, &n.cfg, n.dial, n.book, n.self()); err != nil {
			return err
		}
		if err := n.engines.WriteIdent(ident); err != nil {
			return fmt.Errorf("write the identity of the store: %w", err)
		}
		n.ident = ident
		return nil
	default:
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("make a cluster id: %w", err)
		}
		// The top bit stays clear so that the id is exact in any JSON reader
		// that has 64-bit integers; zero means none.
		n.ident = store.Ident{ClusterID: binary.BigEndian.Uint64(b[:])>>1 | 1, StoreID: 1, NodeID: 1}
		return store.Bootstrap(n.engines, n.ident, firstRegions())
	}
}

// firstRegions are those of a new cluster: the placement group and one region for
// everything else.
func firstRegions() []*metapb.Region {
	boundary := []byte{0x02}
	peer := func(id uint64) []*metapb.Peer { return []*metapb.Peer{{Id: id, NodeId: 1, StoreId: 1}} }
	return []*metapb.Region{
		{Id: placementRegion, EndKey: boundary, Epoch: &metapb.Epoch{ConfVer: 1, Version: 1}, Peers: peer(1)},
		{Id: firstRegion, StartKey: boundary, Epoch: &metapb.Epoch{ConfVer: 1, Version: 1}, Peers: peer(2)},
	}
}

// build makes every layer, from the disk upward.
func (n *Node) build() error {
	n.grpc = NewGRPCServer(n.certs)
	n.reports = newReporter(n)
	n.rates = newRates()
	var err error
	n.store, err = store.Open(n.engines, store.Options{
		Transport:      n.openTransport,
		Timestamps:     n.freshTimestamp,
		Clock:          n.cfg.Env.Clock,
		Rand:           env.SystemRand(),
		Logger:         n.log,
		Fatal:          n.fail,
		Splits:         splitPlanner{n},
		OnSuspected:    n.storeLost,
		OnLeader:       n.leaderKnown,
		Reporter:       n.reports,
		Peers:          storePeers{n},
		SplitSizeBytes: n.cfg.SplitSizeBytes,
		OldLocks:       n.settleOldLocks,

		LoadSplitRequests: cmp.Or(n.cfg.LoadSplitRequests, placement.DefaultSplitRequests),
	})
	if err != nil {
		return fmt.Errorf("open the regions of store %s: %w", n.cfg.StoreDir, err)
	}
	n.senders = router.NewTransport(n.dial.store)
	n.suspects = suspect.New(n.cfg.Env.Clock)
	if n.cfg.Local != nil {
		n.cfg.Local.add(n.ident.StoreID, n.store, n.senders)
	} else {
		n.senders.Register(n.ident.StoreID, n.store)
	}
	n.router, err = router.New(router.Options{
		Directory: n.dir, Sender: n.senders, Clock: n.cfg.Env.Clock, Rand: env.SystemRand(), Logger: n.log,
		ClusterID: func() uint64 { return n.ident.ClusterID }, LocalStore: n.ident.StoreID,
		Suspects: n.suspects,
	})
	if err != nil {
		return err
	}
	n.placement = placement.New(placement.Options{
		StoreID: n.ident.StoreID, ClusterID: n.ident.ClusterID, Group: placementGroup{n.store.Local(placementRegion)},
		Held:  n.store.Local(placementRegion).Held,
		Admin: regionAdmin{n}, AddressOf: n.book.rpc, Clock: n.cfg.Env.Clock, Logger: n.log,
		Retention: n.cfg.Retention, DownAfter: n.cfg.DownAfter,
		SplitSize: n.cfg.SplitSizeBytes, MergeBelow: n.cfg.SplitSizeBytes / 5, MergeRest: n.cfg.MergeRest,
		SplitRequests: n.cfg.LoadSplitRequests,
	})
	n.client = client.New(client.Options{
		StoreID: n.ident.StoreID, ClusterID: n.ident.ClusterID, Local: n.placement.Local(), Dial: n.dial.store,
		Peers: n.placementPeers, Suspects: n.suspects, Clock: n.cfg.Env.Clock, Rand: env.SystemRand(), Logger: n.log,
		Update: n.directoryUpdate, Self: n.self, NewLeader: n.reports.sendFull,
	})
	n.oracle, err = txn.NewBatchingOracle(txn.OracleOptions{
		Fetch: func(ctx context.Context, count uint32, atLeast timestamp.Timestamp) (timestamp.Timestamp, uint32, error) {
			first, err := n.client.Timestamps(ctx, count, atLeast)
			return first, count, err
		},
		Direct: func(atLeast timestamp.Timestamp) (timestamp.Timestamp, bool) {
			return n.placement.TryTimestamps(1, atLeast)
		},
		Clock: n.cfg.Env.Clock, Rand: env.SystemRand(), Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.txn, err = txn.New(txn.Options{
		Router: n.router, Timestamps: n.oracle, Clock: n.cfg.Env.Clock, Rand: env.SystemRand(), Logger: n.log,
		Gateway: &kvpb.Gateway{Store: n.ident.StoreID, Boot: n.store.Boot()}, GatewayLost: n.store.GatewayLost,
	})
	if err != nil {
		return err
	}
	n.lease = newSchemaLease(n.ident.NodeID, n.client, n.cfg.Env.Clock, n.log)
	if err := n.buildSQL(); err != nil {
		return err
	}
	n.store.RegisterKV(n.grpc)
	n.sessions.register(n.grpc)
	n.placement.Register(n.grpc)
	adminpb.RegisterAdminServer(n.grpc, &admin{n: n})
	var doors console.Doors
	if n.certs != nil || n.cfg.RulesFile != "" {
		doors = consoleDoors{n}
	}
	if n.console, err = console.New(console.Options{Source: consoleSource{n}, Clock: n.cfg.Env.Clock, Logger: n.log, Doors: doors}); err != nil {
		return err
	}
	n.http = &http.Server{Handler: n.httpHandler(), ReadHeaderTimeout: 5 * time.Second}
	close(n.built)
	return nil
}

func (n *Node) openTransport(r multiraft.Receiver, s multiraft.SnapshotHandler) (multiraft.Transport, error) {
	if n.cfg.Local != nil {
		t := n.cfg.Local.network.Join(n.ident.StoreID, r, s)
		n.transport = t
		return t, nil
	}
	t, err := transport.NewGRPC(transport.Options{
		StoreID: n.ident.StoreID, ClusterID: n.ident.ClusterID, Receiver: r, Snapshots: s, Dial: n.dial.store, DialSnapshots: n.dial.snapshots,
		Clock: n.cfg.Env.Clock, Rand: env.SystemRand(), Logger: n.log,
	})
	if err != nil {
		return nil, err
	}
	t.Register(n.grpc)
	n.transport = t
	return t, nil
}

// storeLost hears that a store is probably gone: what is under way to it fails at
// once, and what it led is looked for elsewhere.
func (n *Node) storeLost(store uint64) {
	select {
	case <-n.built:
		n.router.MarkSuspect(store)
		n.client.Forget(store)
	default: // nothing has been sent yet
	}
}

// leaderKnown hears from the own store who leads a region: often before any request
// could be told, and before placement has.
func (n *Node) leaderKnown(region *metapb.Region, leader, term uint64) {
	select {
	case <-n.built:
		if leader != 0 {
			n.router.Update([]router.Route{{Region: region, LeaderStore: leader, Term: term}}, false)
		}
	default: // nothing has been sent yet
	}
}

func (n *Node) freshTimestamp(ctx context.Context) (timestamp.Timestamp, error) {
	select {
	case <-n.built:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	return n.oracle.Timestamp(ctx)
}

// serve opens the doors and waits until the node can answer a statement.
func (n *Node) serve(ctx context.Context) error {
	n.group.Go("rpc", func(context.Context) {
		if err := n.grpc.Serve(n.rpcLis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			n.fail(fmt.Errorf("serve RPC: %w", err))
		}
	})
	n.placement.Start()
	n.client.Start()
	n.group.Go("reports", n.reports.run)
	n.group.Go("schema lease", n.lease.run)
	n.group.Go("greet", n.greetLoop)
	n.group.Go("garbage", n.garbageLoop)
	n.group.Go("statistics", func(ctx context.Context) {
		n.sql.StatisticsLoop(ctx, func() bool { return n.client.Leader() == n.ident.StoreID })
	})
	n.group.Go("rates", n.rateLoop)
	n.group.Go("check replicas", n.checkLoop)
	n.group.Go("reload", n.reloadLoop)
	n.group.Go("notifications", n.sessions.wakeLoop)
	n.group.Go("http", func(context.Context) {
		if err := n.serveHTTP(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			n.fail(fmt.Errorf("serve HTTP: %w", err))
		}
	})
	// The SQL port is bound already but nobody accepts before the node can
	// answer, so a client that comes early waits a moment instead of failing.
	for {
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		err := n.probe(attempt)
		cancel()
		if err == nil {
			break
		}
		n.log.Debug("not ready yet", "err", err)
		select {
		case <-n.fatal.ch:
			return n.fatal.err
		default:
		}
		if serr := env.Sleep(ctx, n.cfg.Env.Clock, 10*time.Millisecond); serr != nil {
			return fmt.Errorf("the node did not become ready: %w", err)
		}
	}
	n.group.Go("sql", func(context.Context) {
		if err := n.pg.Serve(n.sqlLis); err != nil {
			n.fail(fmt.Errorf("serve SQL: %w", err))
		}
	})
	n.serves.Store(true)
	return nil
}

// probe does what the simplest statement needs: a timestamp, a lease on the
// schema, and a read at a region's leader.
func (n *Node) probe(ctx context.Context) error {
	if n.lease.Until() == 0 {
		if _, err := n.lease.ask(ctx, 0); err != nil {
			return err
		}
	}
	t, err := n.txn.Begin(ctx, txn.TxnOptions{ReadOnly: true, Autocommit: true})
	if err != nil {
		return err
	}
	defer func() { _ = t.Rollback(ctx) }() // it has written nothing
	_, _, err = t.Get(ctx, []byte{0x02})
	return err
}

// greetLoop tells peers of this node's address for as long as no leader of the
// placement group is known: it could be that they cannot find each other.
func (n *Node) greetLoop(ctx context.Context) {
	t := n.cfg.Env.Clock.NewTicker(greetPeriod)
	defer t.Stop()
	for {
		if n.client.Leader() == 0 {
			if err := greet(ctx, &n.cfg, n.dial, n.book, n.ident, n.self()); err != nil {
				n.log.Warn("greet peers", "err", err)
			}
		}
		select {
		case <-t.C():
		case <-ctx.Done():
			return
		}
	}
}

// self is this node's record.
func (n *Node) self() *metapb.Store {
	advertise := func(want string, l net.Listener) string {
		if want != "" {
			return want
		}
		return l.Addr().String()
	}
	return &metapb.Store{
		Id: n.ident.StoreID, NodeId: n.ident.NodeID, Version: Version, Locality: n.cfg.Locality,
		RpcAddress: advertise(n.cfg.AdvertiseRPC, n.rpcLis), SqlAddress: advertise(n.cfg.AdvertiseSQL, n.sqlLis),
		HttpAddress: n.httpLis.Addr().String(), StartedUnixMs: n.began.UnixMilli(),
	}
}

// placementPeers lists the stores that may lead placement: the one that leads as
// far as this node knows, then the others, those that are suspected last.
func (n *Node) placementPeers() []uint64 {
	var out, suspects []uint64
	add := func(id uint64) {
		switch {
		case slices.Contains(out, id) || slices.Contains(suspects, id):
		case n.suspects.Suspected(id):
			suspects = append(suspects, id)
		default:
			out = append(out, id)
		}
	}
	if lead := n.store.Local(placementRegion).LeaderStore(); lead != 0 {
		add(lead)
	}
	for _, s := range n.book.list() {
		add(s.Id)
	}
	return append(out, suspects...)
}

func (n *Node) directoryUpdate(u *placementpb.DirectoryUpdate) {
	if len(u.Stores) > 0 {
		if _, err := n.book.learn(u.Stores); err != nil {
			n.log.Warn("keep the address book", "err", err)
		}
	}
	for _, s := range u.Stores {
		if s.Id == n.ident.StoreID && s.State == metapb.StoreState_REMOVED {
			n.retire()
		}
	}
	routes := n.dir.update(u)
	n.router.Update(routes, false)
	if u.SchemaVersion > 0 {
		n.lease.heard(u.SchemaVersion)
	}
}

// retire makes the node refuse work: it was removed from the cluster and holds
// nothing any more. Its process stays for whoever looks.
func (n *Node) retire() {
	if !n.retired.CompareAndSwap(false, true) {
		return
	}
	n.serves.Store(false)
	n.log.Info("this node was removed from the cluster: it holds nothing and serves nobody; stop it, and delete its store")
	n.group.Go("retire", func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, drainTimeout)
		defer cancel()
		if err := n.pg.Shutdown(ctx); err != nil {
			n.log.Debug("clients of the removed node", "err", err)
		}
	})
}

// SQLAddr, RPCAddr and HTTPAddr are where the node listens.
func (n *Node) SQLAddr() string { return n.sqlLis.Addr().String() }

// RPCAddr is the address for other nodes and the command line.
func (n *Node) RPCAddr() string { return n.rpcLis.Addr().String() }

// HTTPAddr is the address of metrics and health.
func (n *Node) HTTPAddr() string { return n.httpLis.Addr().String() }

// ID is the node's id.
func (n *Node) ID() uint64 { return n.ident.NodeID }

// fail records that the node cannot go on.
func (n *Node) fail(err error) {
	n.fatal.Do(func() {
		n.fatal.err = err
		n.log.Error("the node stops", "err", err)
		close(n.fatal.ch)
	})
}

// Failed is closed when the node cannot go on (a disk failed); Err says why.
func (n *Node) Failed() <-chan struct{} { return n.fatal.ch }

// Err is the reason of Failed.
func (n *Node) Err() error {
	select {
	case <-n.fatal.ch:
		return n.fatal.err
	default:
		return nil
	}
}

// Stop ends the node in good order: SQL clients are asked to leave, leaders are
// handed over, then everything is closed. A second call waits for the first.
func (n *Node) Stop(ctx context.Context) error {
	n.stopOnce.Do(func() {
		n.serves.Store(false)
		dctx, cancel := context.WithTimeout(ctx, drainTimeout)
		// Placement gives it no leader back meanwhile. The next start ends that.
		if len(n.members()) > 1 {
			mark, done := context.WithTimeout(dctx, drainTimeout/6)
			if _, err := n.client.SetStore(mark, &placementpb.SetStoreRequest{StoreId: n.ident.StoreID, State: metapb.StoreState_DRAINING}); err != nil {
				n.log.Debug("say that this node drains", "err", err)
			}
			done()
		}
		if err := n.pg.Shutdown(dctx); err != nil {
			n.log.Debug("drain SQL clients", "err", err)
		}
		if err := n.store.Drain(dctx); err != nil {
			n.log.Info("drain leaders", "err", err)
		}
		cancel()
		n.stopErr = n.close()
	})
	return n.stopErr
}

// StopNow ends the node without handing its leaders over: for nodes that all
// stop at once.
func (n *Node) StopNow(context.Context) error {
	n.stopOnce.Do(func() {
		n.serves.Store(false)
		n.stopErr = n.close()
	})
	return n.stopErr
}

// close ends everything that was begun, in the reverse order.
func (n *Node) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if n.console != nil {
		n.console.Close()
	}
	if n.pg != nil {
		n.pg.Close()
	}
	if n.txn != nil {
		if err := n.txn.Close(ctx); err != nil {
			n.log.Debug("transactions were left to others", "err", err)
		}
	}
	if n.oracle != nil {
		n.oracle.Close()
	}
	if n.client != nil {
		n.client.Stop()
	}
	if n.placement != nil {
		n.placement.Stop()
	}
	if n.http != nil {
		_ = n.http.Close() // idle connections only
	}
	if n.grpc != nil {
		n.grpc.Stop()
	}
	n.group.Stop()
	if n.cfg.Local != nil && n.senders != nil {
		n.cfg.Local.remove(n.ident.StoreID, n.senders)
	}
	var errs []error
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.transport != nil {
		n.transport.Close()
	}
	if n.engines != nil {
		errs = append(errs, n.engines.Close())
	}
	if n.cache != nil {
		n.cache.Close()
	}
	if n.senders != nil {
		n.senders.Close()
	}
	if n.dial != nil {
		n.dial.close()
	}
	for _, l := range []net.Listener{n.sqlLis, n.rpcLis, n.httpLis} {
		if l != nil {
			_ = l.Close() // closed already by its server, as a rule
		}
	}
	return errors.Join(errs...)
}
