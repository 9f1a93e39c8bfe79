package sim

import (
	"container/heap"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
)

// world is the simulation: virtual time, the queue of events, and everything in it.
type world struct {
	plan  *plan
	now   time.Duration // since the beginning
	seq   uint64
	steps uint64
	queue eventQueue

	nodes   []*node
	net     *network
	check   *checker
	hist    *history
	clients []*client
	oracle  oracle
	cache   *engine.Cache
	collect *safePoint
	placer  *placer
	windows *windows
	ids     uint64 // last id given to a region or a peer

	// A source of chance for each part, so that leaving a fault out changes as
	// little as possible elsewhere.
	rngNet, rngClient, rngDisk, rngFault *rand.Rand

	trace   traceHash
	verbose io.Writer // nil: no trace
	logger  *slog.Logger
	tail    []string // the last lines of the trace
	quiet   bool     // no new faults, no new chances of loss
	failure *violation
	mutant  mutant
	running *node // whose code runs now
	armed   *armed
	stats   map[string]int
}

// violation is the first promise that was broken.
type violation struct {
	name  string // for example "election safety"
	what  string
	at    time.Duration
	steps uint64
	tail  []string
}

func (v *violation) Error() string {
	return fmt.Sprintf("%s broken at %v, step %d: %s", v.name, v.at, v.steps, v.what)
}

type event struct {
	at   time.Duration
	seq  uint64
	name string
	f    func()
}

type eventQueue []*event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	return q[i].at < q[j].at || (q[i].at == q[j].at && q[i].seq < q[j].seq)
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(*event)) }
func (q *eventQueue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return e
}

// traceHash is a running hash over everything that happens.
type traceHash struct{ h uint64 }

func (t *traceHash) add(vs ...uint64) {
	h := t.h
	if h == 0 {
		h = 14695981039346656037
	}
	for _, v := range vs {
		for i := 0; i < 8; i++ {
			h = (h ^ (v & 0xff)) * 1099511628211
			v >>= 8
		}
	}
	t.h = h
}

func hashBytes(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

func hashString(s string) uint64 { return hashBytes([]byte(s)) }

// after schedules f.
func (w *world) after(d time.Duration, name string, f func()) {
	w.seq++
	heap.Push(&w.queue, &event{at: w.now + max(d, 0), seq: w.seq, name: name, f: f})
}

// runUntil handles events up to a moment, or until a promise is broken.
func (w *world) runUntil(end time.Duration) {
	defer func() {
		if p := recover(); p != nil {
			w.violate("no panic", "%v\n%s", p, trimStack(debug.Stack()))
		}
	}()
	for w.failure == nil && w.queue.Len() > 0 && w.queue[0].at <= end {
		e := heap.Pop(&w.queue).(*event)
		w.now = e.at
		w.steps++
		w.trace.add(uint64(e.at), hashString(e.name))
		e.f()
	}
	if w.failure == nil {
		w.now = max(w.now, end)
	}
}

// trimStack leaves the frames that matter.
func trimStack(b []byte) string {
	lines := strings.Split(string(b), "\n")
	for i, l := range lines {
		if strings.Contains(l, "panic(") && i > 2 {
			lines = lines[i:]
			break
		}
	}
	return strings.Join(lines[:min(len(lines), 40)], "\n")
}

func (w *world) violate(name, format string, args ...any) {
	if w.failure != nil {
		return
	}
	w.failure = &violation{name: name, what: fmt.Sprintf(format, args...), at: w.now, steps: w.steps, tail: w.tail}
	w.say("VIOLATION %s: %s", name, w.failure.what)
}

const tailLines = 60

// say writes a line of the trace.
func (w *world) say(format string, args ...any) {
	line := fmt.Sprintf("%12v %04x  ", w.now, w.trace.h&0xffff) + fmt.Sprintf(format, args...)
	if w.verbose != nil {
		fmt.Fprintln(w.verbose, line)
	}
	if len(w.tail) >= tailLines {
		w.tail = append(w.tail[:0], w.tail[1:]...)
	}
	w.tail = append(w.tail, line)
}

func (w *world) count(what string) { w.stats[what]++ }

func (w *world) statLine() string {
	names := make([]string, 0, len(w.stats))
	for k := range w.stats {
		names = append(names, k)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, " %s=%d", n, w.stats[n])
	}
	return strings.TrimSpace(b.String())
}

func (w *world) node(store uint64) *node {
	if store == 0 || store > uint64(len(w.nodes)) {
		return nil
	}
	return w.nodes[store-1]
}

func (w *world) newIDs(n int) uint64 {
	first := w.ids + 1
	w.ids += uint64(n)
	return first
}

// between draws a duration in [lo, hi).
func between(r *rand.Rand, lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + time.Duration(r.Int64N(int64(hi-lo)))
}

func chance(r *rand.Rand, p float64) bool { return p > 0 && r.Float64() < p }

// oracle gives out rising timestamps.
type oracle struct {
	w    *world
	last timestamp.Timestamp
	away bool // gives errors to stores
}

func (o *oracle) next() timestamp.Timestamp {
	ms := uint64(baseTime.UnixMilli()) + uint64(o.w.now/time.Millisecond)
	o.last = max(o.last.Next(), timestamp.Make(int64(ms), 0))
	return o.last
}

// atLeast is what a gateway asks before it tells a client of a commit timestamp
// that a region chose by itself (rule D3).
func (o *oracle) atLeast(ts timestamp.Timestamp) { o.last = max(o.last, ts) }

var baseTime = time.Unix(1_700_000_000, 0)

// initialRegions are what the cluster is bootstrapped with: the placement region
// and one for all user keys, each with a voter on the given stores.
func (w *world) initialRegions(stores []uint64) []*metapb.Region {
	var out []*metapb.Region
	for _, id := range []uint64{region.PlacementID, region.FirstUserID} {
		var peers []*metapb.Peer
		for _, s := range stores {
			peers = append(peers, &metapb.Peer{Id: w.newIDs(1), NodeId: s, StoreId: s})
		}
		start, end := []byte(nil), []byte{2}
		if id == region.FirstUserID {
			start, end = []byte{2}, nil
		}
		out = append(out, region.Initial(id, start, end, peers...))
	}
	return out
}
