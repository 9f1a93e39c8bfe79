package router

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quorate-db/quorate/internal/suspect"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

func getReq(key string) *kvpb.Request {
	return &kvpb.Request{Cmd: &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key)}}}
}

func commitReq(keys ...string) *kvpb.Request {
	c := &kvpb.CommitRequest{StartTs: 1}
	for _, k := range keys {
		c.Keys = append(c.Keys, []byte(k))
	}
	return &kvpb.Request{Cmd: &kvpb.Request_Commit{Commit: c}}
}

func ok() *kvpb.Response {
	return &kvpb.Response{Cmd: &kvpb.Response_Get{Get: &kvpb.GetResponse{}}}
}

func refuse(e *kvpb.RegionError) *kvpb.Response { return &kvpb.Response{RegionError: e} }

func refuseNotLeader(leader, term uint64) *kvpb.Response {
	nl := &kvpb.NotLeader{Term: term}
	if leader != 0 {
		nl.Leader = &metapb.Peer{StoreId: leader}
	}
	return refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_NotLeader{NotLeader: nl}})
}

// script answers requests in turn and notes who was asked.
type script struct {
	answers []func(store uint64, req *kvpb.Request) (*kvpb.Response, error)
	asked   []string
}

func (s *script) send(_ context.Context, store uint64, req *kvpb.Request) (*kvpb.Response, error) {
	s.asked = append(s.asked, fmt.Sprintf("%d/%d.%d", store, req.GetHeader().GetRegionId(), req.GetHeader().GetEpoch().GetVersion()))
	if len(s.answers) == 0 {
		return ok(), nil
	}
	f := s.answers[0]
	s.answers = s.answers[1:]
	return f(store, req)
}

func say(resp *kvpb.Response) func(uint64, *kvpb.Request) (*kvpb.Response, error) {
	return func(uint64, *kvpb.Request) (*kvpb.Response, error) { return resp, nil }
}

func fail(err error) func(uint64, *kvpb.Request) (*kvpb.Response, error) {
	return func(uint64, *kvpb.Request) (*kvpb.Response, error) { return nil, err }
}

var errBroken = errors.New("connection reset")

// What the router does with every kind of answer. asked is store/region.version
// per attempt.
func TestSendRepairs(t *testing.T) {
	type answers = []func(uint64, *kvpb.Request) (*kvpb.Response, error)
	current := func(regions ...*metapb.Region) *kvpb.Response {
		return refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_EpochNotMatch{EpochNotMatch: &kvpb.EpochNotMatch{Current: regions}}})
	}
	busy := refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_ServerBusy{ServerBusy: &kvpb.ServerBusy{BackoffMs: 100}}})
	ambiguous := refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_Ambiguous{Ambiguous: &kvpb.Ambiguous{}}})
	unavailable := refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_Unavailable{Unavailable: &kvpb.Unavailable{}}})
	notFound := refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_RegionNotFound{RegionNotFound: &kvpb.RegionNotFound{}}})
	large := refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_EntryTooLarge{EntryTooLarge: &kvpb.EntryTooLarge{Size: 9, Limit: 8}}})
	for _, tc := range []struct {
		name    string
		req     *kvpb.Request
		answers answers
		asked   string
		err     string // part of the error
		slow    bool   // must have waited
	}{
		{name: "leader", req: getReq("a"), asked: "1/2.1"},
		{name: "hint is followed at once", req: commitReq("a"), answers: answers{say(refuseNotLeader(3, 6))}, asked: "1/2.1 3/2.1"},
		{name: "without a hint peers are tried in turn", req: commitReq("a"), answers: answers{say(refuseNotLeader(0, 6)), say(refuseNotLeader(0, 6))}, asked: "1/2.1 2/2.1 3/2.1", slow: true},
		{name: "stale hint is not followed", req: getReq("a"), answers: answers{say(refuseNotLeader(2, 4))}, asked: "1/2.1 2/2.1", slow: true},
		{name: "split, key still in the left half", req: commitReq("a"), answers: answers{say(current(region(2, "", "k", 2), region(9, "k", "m", 2)))}, asked: "1/2.1 1/2.2"},
		{name: "split, key in the right half", req: commitReq("l"), answers: answers{say(current(region(9, "k", "m", 2), region(2, "", "k", 2)))}, asked: "1/2.1 1/9.2"},
		{name: "split between the keys", req: commitReq("a", "l"), answers: answers{say(current(region(2, "", "k", 2), region(9, "k", "m", 2)))}, asked: "1/2.1", err: ErrRegionChanged.Error()},
		{name: "keys of two regions", req: commitReq("a", "z"), asked: "", err: ErrRegionChanged.Error()},
		{name: "lagging store", req: getReq("a"), answers: answers{say(current(region(2, "", "m", 0)))}, asked: "1/2.1 2/2.1", slow: true},
		{name: "busy", req: commitReq("a"), answers: answers{say(busy)}, asked: "1/2.1 1/2.1", slow: true},
		{name: "unavailable", req: commitReq("a"), answers: answers{say(unavailable)}, asked: "1/2.1 2/2.1", slow: true},
		{name: "not found", req: commitReq("a"), answers: answers{say(notFound)}, asked: "1/2.1 2/2.1", slow: true},
		{name: "too large", req: commitReq("a"), answers: answers{say(large)}, asked: "1/2.1", err: "above the limit of 8"},
		{name: "unknown error", req: commitReq("a"), answers: answers{say(refuse(&kvpb.RegionError{Message: "odd"}))}, asked: "1/2.1", err: "odd"},
		{name: "ambiguous write", req: commitReq("a"), answers: answers{say(ambiguous)}, asked: "1/2.1", err: "outcome of a write to region 2 at store 1 is unknown"},
		{name: "ambiguous read", req: getReq("a"), answers: answers{say(ambiguous)}, asked: "1/2.1 1/2.1", slow: true},
		{name: "broken write", req: commitReq("a"), answers: answers{fail(errBroken)}, asked: "1/2.1", err: "is unknown: connection reset"},
		{name: "broken read", req: getReq("a"), answers: answers{fail(errBroken)}, asked: "1/2.1 2/2.1", slow: true},
		{name: "write not sent", req: commitReq("a"), answers: answers{fail(&NotSentError{StoreID: 1, Err: errBroken})}, asked: "1/2.1 2/2.1", slow: true},
		{name: "not sent, then broken", req: commitReq("a"), answers: answers{fail(&NotSentError{StoreID: 1, Err: errBroken}), fail(errBroken)}, asked: "1/2.1 2/2.1", err: "is unknown", slow: true},
		{name: "refused for good", req: getReq("a"), answers: answers{fail(&RegionError{Message: "too big"})}, asked: "1/2.1", err: "too big"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: tc.answers}
				r := newRouter(t, nil, s.send)
				r.Update([]Route{{Region: region(2, "", "m", 1), LeaderStore: 1, Term: 5}, {Region: region(3, "m", "", 1), LeaderStore: 2, Term: 1}}, true)
				began := time.Now()
				resp, err := r.Send(context.Background(), tc.req)
				if got := strings.Join(s.asked, " "); got != tc.asked {
					t.Errorf("asked %s, want %s", got, tc.asked)
				}
				if tc.err == "" && (err != nil || resp == nil) || tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)) {
					t.Errorf("got %v, want %q", err, tc.err)
				}
				if slow := time.Since(began) > 0; slow != tc.slow {
					t.Errorf("took %v", time.Since(began))
				}
				if tc.req.Header != nil {
					t.Error("the caller's request was changed")
				}
			})
		})
	}
}

type fakeDirectory map[uint64]*metapb.Region

func (d fakeDirectory) LookupKey(_ context.Context, key []byte) (Route, error) {
	for _, r := range d {
		if contains(r, key, false) {
			return Route{Region: r}, nil
		}
	}
	return Route{}, errors.New("not known")
}

func (d fakeDirectory) LookupID(_ context.Context, id uint64) (Route, error) {
	if d[id] == nil {
		return Route{}, errors.New("not known")
	}
	return Route{Region: d[id]}, nil
}

// Holes are filled by the directory, also for reverse scans, and a region that
// moved away altogether is found again.
func TestDirectory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		moved := region(4, "m", "", 3)
		moved.Peers = []*metapb.Peer{{StoreId: 7}}
		dir := fakeDirectory{2: region(2, "", "c", 1), 3: region(3, "c", "m", 1), 4: moved}
		var asked []uint64
		r := newRouter(t, dir, func(_ context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			asked = append(asked, store)
			if store == 7 {
				return ok(), nil
			}
			return refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_RegionNotFound{RegionNotFound: &kvpb.RegionNotFound{}}}), nil
		})
		ctx := context.Background()
		for key, want := range map[string]uint64{"c": 2, "m": 3, "": 4, "cc": 3, "c\x00": 3} {
			rt, err := r.LookupBefore(ctx, []byte(key))
			if err != nil || rt.Region.Id != want {
				t.Errorf("before %q: region %d, %v; want %d", key, rt.Region.GetId(), err, want)
			}
		}
		fresh := newRouter(t, dir, func(_ context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			asked = append(asked, store)
			if store == 7 {
				return ok(), nil
			}
			return refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_RegionNotFound{RegionNotFound: &kvpb.RegionNotFound{}}}), nil
		})
		fresh.Update([]Route{{Region: region(4, "m", "", 1), LeaderStore: 2}}, true)
		if _, err := fresh.Send(ctx, getReq("z")); err != nil {
			t.Error(err)
		}
		if n := len(asked); n < 3 || n > 6 || asked[n-1] != 7 {
			t.Errorf("asked %v", asked)
		}
	})
}

// Without help Send ends with its context and says what stood in the way.
func TestSendEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		r := newRouter(t, nil, func(context.Context, uint64, *kvpb.Request) (*kvpb.Response, error) {
			tries++
			return refuseNotLeader(0, 1), nil
		})
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if _, err := r.Send(ctx, getReq("a")); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no region is known") {
			t.Errorf("empty table: %v", err)
		}
		r.Update([]Route{{Region: region(2, "", "", 1)}}, false)
		ctx, cancel = context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_, err := r.Send(ctx, commitReq("a"))
		var amb *AmbiguousError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &amb) || !strings.Contains(err.Error(), "not the leader") {
			t.Errorf("no leader: %v", err)
		}
		if tries < 20 || tries > 120 {
			t.Errorf("%d attempts in 2 s", tries)
		}
		// Two stores that point at each other are not asked in a tight loop.
		tries = 0
		r = newRouter(t, nil, func(_ context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			tries++
			return refuseNotLeader(3-store, 1), nil
		})
		r.Update([]Route{{Region: region(2, "", "", 1)}}, false)
		ctx, cancel = context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := r.Send(ctx, getReq("a")); !errors.Is(err, context.DeadlineExceeded) || tries > 300 {
			t.Errorf("%v after %d attempts", err, tries)
		}
	})
}

// Marking a store suspect ends what is in flight to it: reads go elsewhere at
// once, writes are unknown, and the store is asked last from then on.
func TestMarkSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []uint64
		r := newRouter(t, nil, func(ctx context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			asked = append(asked, store)
			if store == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return ok(), nil
		})
		for _, req := range []*kvpb.Request{getReq("a"), commitReq("a")} {
			asked = nil
			r.Update([]Route{{Region: region(2, "", "", 1), LeaderStore: 1, Term: 5}}, true)
			r.mu.table.byID(2).leader, r.mu.table.byID(2).avoid = 1, 0
			done := make(chan error)
			began := time.Now()
			go func() {
				_, err := r.Send(context.Background(), req)
				done <- err
			}()
			synctest.Wait()
			r.MarkSuspect(1)
			err := <-done
			if d := time.Since(began); d > 50*time.Millisecond {
				t.Errorf("took %v", d)
			}
			var amb *AmbiguousError
			if read := req.GetGet() != nil; read && (err != nil || len(asked) != 2) || !read && (!errors.As(err, &amb) || !strings.Contains(err.Error(), "suspected")) {
				t.Errorf("read %v: %v, asked %v", read, err, asked)
			}
			asked = nil
			if _, err := r.Send(context.Background(), commitReq("a")); err != nil || asked[0] == 1 {
				t.Errorf("afterwards: %v, asked %v", err, asked)
			}
		}
	})
}

// A store that is suspected and silent costs little while the others elect a
// leader, although some of them still point at it; when it answers again it is
// waited for as usual.
func TestSilentSuspect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const election = 250 * time.Millisecond
		began := time.Now()
		silent := true
		r := newRouter(t, nil, func(ctx context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			switch {
			case store == 1 && silent:
				<-ctx.Done()
				return nil, ctx.Err()
			case store == 1:
				time.Sleep(300 * time.Millisecond)
				return ok(), nil
			case time.Since(began) < election:
				return refuseNotLeader(1, 5), nil
			case store == 3:
				return ok(), nil
			}
			return refuseNotLeader(3, 6), nil
		})
		r.Update([]Route{{Region: region(2, "", "", 1), LeaderStore: 1, Term: 5}}, true)
		r.MarkSuspect(1)
		for _, req := range []*kvpb.Request{getReq("a"), commitReq("a")} {
			began = time.Now()
			r.mu.table.byID(2).leader, r.mu.table.byID(2).term = 0, 5
			var amb *AmbiguousError
			for {
				if _, err := r.Send(context.Background(), req); err == nil {
					break
				} else if !errors.As(err, &amb) || req.GetGet() != nil {
					t.Fatalf("%T: %v", req.GetCmd(), err)
				}
			}
			if d := time.Since(began); d > election+2*suspect.Patience {
				t.Errorf("%T took %v", req.GetCmd(), d)
			}
		}
		silent = false
		r.Update([]Route{{Region: region(2, "", "", 2), LeaderStore: 1, Term: 7}}, true)
		time.Sleep(time.Second) // it is waited for half as long as it has been silent
		for range 2 {
			if _, err := r.Send(context.Background(), commitReq("a")); err != nil {
				t.Errorf("a suspect that answers late: %v", err)
			}
		}
		if r.stores.Suspected(1) {
			t.Error("it has answered and is suspected still")
		}
	})
}

// A request that waits for a region to have a leader goes on as soon as this node hears
// of one, however long its pauses have become.
func TestLeaderEndsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var elected atomic.Bool
		var last atomic.Uint64
		r := newRouter(t, nil, func(_ context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			if last.Store(store); elected.Load() && store == 3 {
				return ok(), nil
			}
			return refuseNotLeader(0, 5), nil
		})
		r.Update([]Route{{Region: region(2, "", "", 1), LeaderStore: 1, Term: 5}}, true)
		for i := range 50 {
			elected.Store(false)
			done := make(chan time.Time)
			go func() {
				if _, err := r.Send(context.Background(), commitReq("a")); err != nil {
					t.Error(err)
				}
				done <- time.Now()
			}()
			time.Sleep(time.Second + time.Duration(i)*time.Millisecond) // the pauses are long now
			elected.Store(true)
			known := time.Now()
			r.Update([]Route{{Region: region(2, "", "", 1), LeaderStore: 3, Term: 6 + uint64(i)}}, false)
			if d := (<-done).Sub(known); d > 0 || last.Load() != 3 {
				t.Fatalf("went on %v after the leader was known, at store %d", d, last.Load())
			}
			r.mu.Lock()
			r.mu.table.byID(2).setLeader(0)
			r.mu.Unlock()
		}
	})
}

// An attempt that gets no answer ends by itself.
func TestAttemptTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRouter(t, nil, func(ctx context.Context, store uint64, _ *kvpb.Request) (*kvpb.Response, error) {
			if store == 1 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return ok(), nil
		})
		r.Update([]Route{{Region: region(2, "", "", 1), LeaderStore: 1}}, true)
		began := time.Now()
		if _, err := r.Send(context.Background(), getReq("a")); err != nil || time.Since(began) > 6*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// Administration goes by region id and does not survive a change of epoch.
func TestSendRegion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: []func(uint64, *kvpb.Request) (*kvpb.Response, error){
			say(refuseNotLeader(3, 6)),
			say(refuse(&kvpb.RegionError{Kind: &kvpb.RegionError_EpochNotMatch{EpochNotMatch: &kvpb.EpochNotMatch{Current: []*metapb.Region{region(2, "", "k", 2)}}}})),
		}}
		r := newRouter(t, nil, s.send)
		r.Update([]Route{{Region: region(2, "", "m", 1), LeaderStore: 1, Term: 5}}, true)
		req := &kvpb.Request{Cmd: &kvpb.Request_Admin{Admin: &kvpb.AdminRequest{Cmd: &kvpb.AdminRequest_Split{Split: &kvpb.SplitRequest{}}}}}
		if _, err := r.SendRegion(context.Background(), 2, req); !errors.Is(err, ErrRegionChanged) {
			t.Errorf("got %v", err)
		}
		if _, err := r.SendRegion(context.Background(), 2, req); err != nil {
			t.Errorf("got %v", err)
		}
		if got := strings.Join(s.asked, " "); got != "1/2.1 3/2.1 3/2.2" {
			t.Errorf("asked %s", got)
		}
	})
}
