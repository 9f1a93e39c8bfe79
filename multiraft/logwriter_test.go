package multiraft

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// probe is everything around a driver: it records events in order.
type probe struct {
	mu     sync.Mutex
	events []string
	fatals []error

	process func(group uint64, w Work, r *Round)
	// wait, if set, decides over Wait of synced batches.
	wait chan error
	// failCommit makes the next commit fail.
	failCommit error
	got        chan string
	quiet      bool // record nothing
	// over ends all waits, so that a test that fails does not hang in Stop.
	over chan struct{}
}

func (p *probe) event(format string, args ...any) {
	if p.quiet {
		return
	}
	e := fmt.Sprintf(format, args...)
	p.mu.Lock()
	p.events = append(p.events, e)
	p.mu.Unlock()
	select {
	case p.got <- e:
	default:
	}
}

func (p *probe) all() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.events)
}

// until waits for an event.
func (p *probe) until(t *testing.T, want string) {
	t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		if slices.Contains(p.all(), want) {
			return
		}
		select {
		case <-p.got:
		case <-timeout:
			t.Fatalf("no %q in %q", want, p.all())
		}
	}
}

func (p *probe) Process(g uint64, w Work, r *Round)  { p.process(g, w, r) }
func (p *probe) Deliver(g uint64, m *raftpb.Message) { p.event("deliver %d/%d", g, m.GetIndex()) }
func (p *probe) Send(e *Envelope)                    { p.event("send %d/%d", e.RegionID, e.Message.GetIndex()) }
func (p *probe) Flush()                              { p.event("flush") }
func (p *probe) NewBatch() LogBatch                  { return &probeBatch{p: p} }
func (p *probe) SendSnapshot(context.Context, uint64, SnapshotHeader, int64, func() ([]byte, error)) error {
	return errors.New("no snapshots here")
}

type probeBatch struct {
	p      *probe
	groups []uint64
	sync   bool
}

func (b *probeBatch) Append(g uint64, _ *raftpb.HardState, _ []*raftpb.Entry) error {
	b.groups = append(b.groups, g)
	return nil
}

func (b *probeBatch) Commit(sync bool) error {
	b.sync = sync
	if b.p.failCommit != nil {
		return b.p.failCommit
	}
	b.p.event("write %v sync=%v", b.groups, sync)
	return nil
}

func (b *probeBatch) Wait() error {
	if !b.sync || b.p.wait == nil {
		return nil
	}
	select {
	case err := <-b.p.wait:
		return err
	case <-b.p.over:
		return nil
	}
}

func (b *probeBatch) Close() error { return nil }

func newProbe(t testing.TB, manual bool) (*probe, *Driver, *engine.Engine) {
	t.Helper()
	eng, err := engine.Open("state", engine.Options{Kind: engine.StateEngine, FS: engine.NewMemFS(), MemTableBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	p := &probe{got: make(chan string, 1), over: make(chan struct{})}
	d, err := New(Options{
		Log: p, State: eng, Transport: p, Processor: p, Clock: env.SystemClock(), Workers: 2,
		TickInterval: time.Hour, Manual: manual, Groups: func() []uint64 { return nil },
		Logger: slog.New(slog.DiscardHandler),
		Fatal: func(err error) {
			p.mu.Lock()
			p.fatals = append(p.fatals, err)
			p.mu.Unlock()
			p.event("fatal")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		close(p.over)
		d.Stop()
		_ = eng.Close()
	})
	return p, d, eng
}

func message(index uint64) *raftpb.Message {
	return &raftpb.Message{Type: raftpb.MsgAppResp.Enum(), Index: new(index)}
}

func synced(group, index uint64) Append {
	return Append{
		Group: group, MustSync: true,
		Entries:   []*raftpb.Entry{{Index: new(index), Term: new(uint64(1)), Data: make([]byte, 100)}},
		Responses: []*raftpb.Message{message(index)},
		Envelopes: []*Envelope{{RegionID: group, Message: message(index)}},
	}
}

// The order of a round: messages without durability, then the log, then the state
// commit, then the callbacks; answers only when the log is durable. All groups of
// the round share one log batch and one sync.
func TestRoundOrder(t *testing.T) {
	p, d, eng := newProbe(t, true)
	key := keys.RegionLocal(9, "applied")
	p.process = func(g uint64, _ Work, r *Round) {
		r.Append(synced(g, 10))
		r.Send(&Envelope{RegionID: g, Message: message(5)})
		if err := r.StateBatch().Set(key, []byte{byte(g)}); err != nil {
			t.Error(err)
		}
		r.AfterApply(func() {
			v, found, err := eng.Get(key)
			p.event("callback %d sees %v %v %v", g, v, found, err)
		})
	}
	d.EnqueueAll([]uint64{2, 3}, Requests)
	if !d.PollRound() || d.PollRound() {
		t.Fatal("one round was expected")
	}
	want := []string{
		"send 2/5", "send 3/5", "flush",
		"callback 2 sees [3] true <nil>", "callback 3 sees [3] true <nil>",
	}
	if got := p.all(); !slices.Equal(got, want) {
		t.Fatalf("round\n got %q\nwant %q", got, want)
	}
	if !d.FlushLog() || d.FlushLog() {
		t.Fatal("one flush was expected")
	}
	want = append(want, "write [2 3] sync=true",
		"send 2/10", "deliver 2/10", "send 3/10", "deliver 3/10", "flush")
	if got := p.all(); !slices.Equal(got, want) {
		t.Fatalf("flush\n got %q\nwant %q", got, want)
	}
	m := d.Metrics()
	if m.Rounds != 1 || m.RoundGroups != 2 || m.LogBatches != 1 || m.LogSyncs != 1 || m.LogAppends != 2 ||
		m.LogEntries != 2 || m.LogBytes != 200 || m.StateBatch != 1 || m.Messages != 4 || m.LogQueued != 0 {
		t.Errorf("metrics %+v", m)
	}
}

// An append without MustSync costs no sync, yet its responses wait for the synced
// one in front of it.
func TestUnsyncedAppendWaitsForEarlierSync(t *testing.T) {
	p, d, _ := newProbe(t, false)
	p.wait = make(chan error)
	n := uint64(0)
	p.process = func(g uint64, _ Work, r *Round) {
		n++
		a := synced(g, n)
		a.Envelopes = nil
		if n == 2 {
			a.Entries, a.MustSync = nil, false
		}
		r.Append(a)
		p.event("process %d", n)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	d.Enqueue(2, Ready)
	p.until(t, "write [2] sync=true")
	d.Enqueue(2, Ready)
	p.until(t, "process 2") // while the first sync is under way
	for _, e := range p.all() {
		if e == "deliver 2/1" || e == "deliver 2/2" {
			t.Fatalf("%q before the sync returned", e)
		}
	}
	p.wait <- nil
	p.until(t, "deliver 2/2")
	if got := p.all(); slices.Index(got, "deliver 2/1") > slices.Index(got, "deliver 2/2") {
		t.Fatalf("out of order: %q", got)
	}
	if m := d.Metrics(); m.LogSyncs != 1 {
		t.Errorf("%d syncs", m.LogSyncs)
	}
}

// While a sync is under way what comes is queued, and a failure of the sync is
// reported once: neither the batch that failed nor those behind it, written or
// not, are acknowledged, and no group runs any more.
func TestSyncErrorIsFatal(t *testing.T) {
	p, d, _ := newProbe(t, false)
	p.wait = make(chan error, 8)
	var n uint64
	p.process = func(g uint64, _ Work, r *Round) {
		n++
		r.Append(synced(g, n))
		p.event("process %d", n)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	d.Enqueue(2, Ready)
	p.until(t, "process 1")
	d.Enqueue(2, Ready)
	p.until(t, "process 2")
	p.wait <- errors.New("disk on fire")
	p.until(t, "fatal")
	p.wait <- nil // the next sync would succeed, which means nothing
	p.wait <- nil
	d.Enqueue(2, Ready)
	d.Stop()
	for _, e := range p.all() {
		if e == "deliver 2/1" || e == "deliver 2/2" || e == "send 2/1" || e == "process 3" {
			t.Errorf("%q after a failed sync", e)
		}
	}
	if len(p.fatals) != 1 || d.Failed() == nil {
		t.Errorf("fatal errors %v, Failed() = %v", p.fatals, d.Failed())
	}
}

// The same for an error of the write itself, in manual mode.
func TestWriteErrorIsFatal(t *testing.T) {
	p, d, _ := newProbe(t, true)
	p.process = func(g uint64, _ Work, r *Round) {
		r.Append(synced(g, 1))
		r.AfterApply(func() { p.event("callback") })
	}
	d.Enqueue(2, Ready)
	d.PollRound()
	p.failCommit = errors.New("no space left")
	d.FlushLog()
	p.failCommit = nil
	d.Enqueue(2, Ready)
	if d.PollRound() || d.FlushLog() {
		t.Error("work was done after a failed write")
	}
	if got, want := p.all(), []string{"callback", "fatal"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// When the state engine fails, what the commit would have acknowledged is not.
func TestStateErrorIsFatal(t *testing.T) {
	p, d, eng := newProbe(t, true)
	p.process = func(g uint64, _ Work, r *Round) {
		if err := r.StateBatch().Set(keys.RegionLocal(g, "x"), nil); err != nil {
			t.Error(err)
		}
		_ = eng.Close()
		r.AfterApply(func() { p.event("callback") })
	}
	d.Enqueue(2, Ready)
	d.PollRound()
	if got, want := p.all(), []string{"fatal"}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// A full log queue holds the workers back and lets them go when the disk is done;
// nothing is lost.
func TestFullLogQueueBlocksWorkers(t *testing.T) {
	p, d, _ := newProbe(t, false)
	p.wait = make(chan error)
	const rounds = 12
	n := uint64(0)
	p.process = func(g uint64, _ Work, r *Round) {
		n++
		a := synced(g, n)
		a.Entries[0].Data = make([]byte, logBatchBytesMax)
		r.Append(a)
		if n < rounds {
			d.Enqueue(g, Ready)
		}
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	d.Enqueue(2, Ready)
	// No event follows when the worker begins to wait, so this asks.
	poll := time.NewTicker(time.Millisecond)
	defer poll.Stop()
	deadline := time.After(10 * time.Second)
	for d.Metrics().LogFull == 0 {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatal("the worker never waited")
		}
	}
	if q := d.Metrics().LogQueued; q > logQueueBytesMax+logBatchBytesMax+1000 {
		t.Errorf("%d bytes queued", q)
	}
	close(p.wait) // every sync succeeds from now on
	p.until(t, fmt.Sprintf("deliver 2/%d", rounds))
	d.Stop()
	if q := d.Metrics().LogQueued; q != 0 {
		t.Errorf("%d bytes still counted", q)
	}
}

// A group with much to write does not share its round with those behind it, and
// what was handled before them is finished first.
func TestLargeOutputEndsRound(t *testing.T) {
	p, d, _ := newProbe(t, true)
	p.process = func(g uint64, _ Work, r *Round) {
		p.event("process %d", g)
		switch g {
		case 3:
			a := synced(g, 1)
			a.Entries[0].Data = make([]byte, roundBytesMax)
			r.Append(a)
		case 4:
			if err := r.StateBatch().Set(keys.RegionLocal(g, "x"), make([]byte, roundBytesMax)); err != nil {
				t.Error(err)
			}
		}
		r.AfterApply(func() { p.event("callback %d", g) })
	}
	d.EnqueueAll([]uint64{2, 3, 4, 5}, Ready)
	d.PollRound()
	want := []string{
		"process 2", "process 3", "callback 2", "callback 3",
		"process 4", "callback 4", "process 5", "callback 5",
	}
	if got := p.all(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if m := d.Metrics(); m.Rounds != 3 || m.RoundGroups != 4 {
		t.Errorf("%d rounds with %d groups", m.Rounds, m.RoundGroups)
	}
}

// Stop writes and acknowledges what the workers had handed over.
func TestStopDrainsLog(t *testing.T) {
	p, d, _ := newProbe(t, false)
	p.wait = make(chan error)
	p.process = func(g uint64, _ Work, r *Round) {
		r.Append(synced(g, 1))
		p.event("processed %d", g)
	}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	d.EnqueueAll([]uint64{1, 2, 3, 4}, Ready)
	for g := 1; g <= 4; g++ {
		p.until(t, fmt.Sprintf("processed %d", g))
	}
	close(p.wait)
	d.Stop()
	for g := 1; g <= 4; g++ {
		if !slices.Contains(p.all(), fmt.Sprintf("deliver %d/1", g)) {
			t.Errorf("group %d was not answered: %q", g, p.all())
		}
	}
	if err := d.Start(); !errors.Is(err, ErrStopped) {
		t.Errorf("start after stop: %v", err)
	}
}

// BenchmarkRound is what the driver itself costs for a group that appends an
// entry, sends two messages and applies one: one operation is a round of 64
// groups with its log batch.
func BenchmarkRound(b *testing.B) {
	p, d, _ := newProbe(b, true)
	p.quiet = true
	ids := make([]uint64, roundGroupsMax)
	entry := []*raftpb.Entry{{Index: new(uint64(1)), Term: new(uint64(1)), Data: make([]byte, 128)}}
	responses, env := []*raftpb.Message{message(1)}, &Envelope{Message: message(1)}
	for i := range ids {
		ids[i] = uint64(i) + 2
	}
	callback := func() {}
	p.process = func(g uint64, _ Work, r *Round) {
		r.Append(Append{Group: g, MustSync: true, Entries: entry, Responses: responses})
		r.Send(env)
		r.Send(env)
		r.AfterApply(callback)
	}
	b.ReportAllocs()
	for b.Loop() {
		d.EnqueueAll(ids, Ready)
		d.PollRound()
		d.FlushLog()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(ids)), "ns/group")
}
