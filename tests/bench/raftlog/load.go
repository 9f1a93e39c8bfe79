package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	mrand "math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/router"
)

// client writes keys and knows which store leads which group.
type client struct {
	out    *router.Transport
	stores []uint64
	leader []atomic.Uint64 // by group
	logic  atomic.Uint32
	value  []byte
}

// load is the client process.
func load(args []string) error {
	f := flag.NewFlagSet("load", flag.ExitOnError)
	list := f.String("stores", "", "id=address of all stores")
	groups := f.Int("groups", 1, "number of groups")
	proposers := f.Int("proposers", 64, "goroutines, each with one write under way")
	size := f.Int("bytes", 100, "size of a value")
	warm := f.Duration("warm", 2*time.Second, "time before the measurement")
	length := f.Duration("run", 10*time.Second, "time of the measurement")
	if err := f.Parse(args); err != nil {
		return err
	}
	ids, addr, err := addresses(*list)
	if err != nil {
		return err
	}
	d := newDialer(addr)
	defer d.close()
	c := &client{out: router.NewTransport(d.store), stores: ids, leader: make([]atomic.Uint64, *groups), value: make([]byte, *size)}
	defer c.out.Close()
	_, _ = rand.Read(c.value)
	ctx := context.Background()
	if err := c.eachGroup(ctx, *proposers); err != nil {
		return err
	}
	if _, err := c.run(ctx, *proposers, *warm); err != nil {
		return err
	}
	fmt.Println("begin")
	cpu, began := cpuTime(), time.Now()
	lat, err := c.run(ctx, *proposers, *length)
	if err != nil {
		return err
	}
	if len(lat) == 0 {
		return errors.New("nothing was written")
	}
	slices.Sort(lat)
	return json.NewEncoder(os.Stdout).Encode(result{
		Writes: float64(len(lat)), Seconds: time.Since(began).Seconds(), CPU: (cpuTime() - cpu).Seconds(),
		P50: lat[len(lat)/2].Seconds() * 1e3, P99: lat[len(lat)*99/100].Seconds() * 1e3,
	})
}

// eachGroup writes once to every group, so that all have leaders that are known.
func (c *client) eachGroup(ctx context.Context, workers int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for g := int(next.Add(1) - 1); g < len(c.leader) && errs[w] == nil; g = int(next.Add(1) - 1) {
				errs[w] = c.write(ctx, g)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// run keeps the writers busy for a time and returns the latencies.
func (c *client) run(ctx context.Context, workers int, d time.Duration) ([]time.Duration, error) {
	var wg sync.WaitGroup
	lat, errs := make([][]time.Duration, workers), make([]error, workers)
	end := time.Now().Add(d)
	for w := range workers {
		wg.Go(func() {
			for began := time.Now(); began.Before(end); {
				if errs[w] = c.write(ctx, mrand.IntN(len(c.leader))); errs[w] != nil {
					return
				}
				now := time.Now()
				lat[w] = append(lat[w], now.Sub(began))
				began = now
			}
		})
	}
	wg.Wait()
	return slices.Concat(lat...), errors.Join(errs...)
}

// write commits one new key of a group, wherever its leader is.
func (c *client) write(ctx context.Context, group int) error {
	start := timestamp.Make(time.Now().UnixMilli(), c.logic.Add(1)&timestamp.LogicalMax)
	req := &kvpb.Request{
		Header: &kvpb.Header{ClusterId: clusterID, RegionId: regionOf(group), Epoch: &metapb.Epoch{ConfVer: 1, Version: 1}},
		Cmd: &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{
			StartTs: uint64(start), OnePc: true, TxnSize: 1,
			Mutations: []*kvpb.Mutation{{
				Op: kvpb.MutationOp_PUT, Value: c.value, Key: append(fmt.Appendf(nil, "%06d", group), rand.Text()[:10]...),
			}},
		}},
	}
	for i := 0; ; i++ {
		to := c.leader[group].Load()
		if to == 0 {
			to = c.stores[(group+i)%len(c.stores)]
		}
		resp, err := c.out.Send(ctx, to, req)
		if err == nil && resp.GetPrewrite().GetOnePcCommitTs() != 0 {
			c.leader[group].Store(to)
			return nil
		}
		// A repetition of a commit whose outcome is not known finds out what became of
		// it.
		e := resp.GetRegionError()
		switch {
		case err == nil && e.GetNotLeader() == nil && e.GetServerBusy() == nil && e.GetUnavailable() == nil && e.GetAmbiguous() == nil:
			return fmt.Errorf("group %d: %v", group, resp)
		case ctx.Err() != nil:
			return fmt.Errorf("group %d: no leader took a write: %v: %w", group, resp, errors.Join(err, ctx.Err()))
		}
		c.leader[group].Store(e.GetNotLeader().GetLeader().GetStoreId())
		time.Sleep(5 * time.Millisecond)
	}
}

// cpuTime is what this process has used.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
