package multiraft

import (
	"runtime"
	"sync"
)

// roundGroupsMax bounds the groups of one round: enough to share one engine
// batch, few enough that the first group's waiters are not kept from their answer
// by the last one's work.
const roundGroupsMax = 64

// roundGroupsMin is up to how many groups a worker takes without leaving a share to
// another one: to wake it costs as much as some groups.
const roundGroupsMin = 16

// enqueueChunk bounds how many groups are queued while a shard's mutex is held.
const enqueueChunk = 128

// scheduler is a sharded queue of groups that have work. Shard 0 belongs to the
// placement group alone.
type scheduler struct {
	shards []*shard
}

// item is a group taken from the queue, with what it was queued for.
type item struct {
	group uint64
	work  Work
}

// groupState exists while a group is queued or running.
// Invariant: queued and running are never both set; work that arrives while
// running waits in flags and ticks.
type groupState struct {
	flags   Flags
	ticks   uint8
	queued  bool
	running bool
}

func (s groupState) pending() bool { return s.flags != 0 || s.ticks != 0 }

type shard struct {
	workers int
	mu      struct {
		sync.Mutex
		// groups is bounded by the number of groups of the store: each is in it
		// at most once, however often it is enqueued.
		groups  map[uint64]groupState
		queue   fifo
		stopped bool
	}
	nonEmpty *sync.Cond
}

// newScheduler makes one shard for the placement group and others with at most
// workersPerShard workers each.
func newScheduler(workers int) *scheduler {
	const workersPerShard = 8
	n := (workers + workersPerShard - 1) / workersPerShard
	s := &scheduler{shards: []*shard{newShard(1)}}
	for i := range n {
		w := workers / n
		if i < workers%n {
			w++
		}
		s.shards = append(s.shards, newShard(w))
	}
	return s
}

func newShard(workers int) *shard {
	s := &shard{workers: workers}
	s.mu.groups = make(map[uint64]groupState)
	s.nonEmpty = sync.NewCond(&s.mu.Mutex)
	return s
}

func (s *scheduler) shardOf(group uint64) *shard {
	if group == PlacementGroup {
		return s.shards[0]
	}
	return s.shards[1+group%uint64(len(s.shards)-1)]
}

// enqueue adds to what is pending for a group.
func (s *scheduler) enqueue(group uint64, f Flags, ticks int) {
	sh := s.shardOf(group)
	sh.mu.Lock()
	wake := sh.addLocked(group, f, ticks)
	sh.mu.Unlock()
	if wake {
		sh.nonEmpty.Signal()
	}
}

// knows reports whether a group is queued or running.
func (s *scheduler) knows(group uint64) bool {
	sh := s.shardOf(group)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	_, known := sh.mu.groups[group]
	return known
}

// enqueueAll does the same for many groups, in their order.
func (s *scheduler) enqueueAll(groups []uint64, f Flags, ticks int) {
	for len(groups) > 0 {
		chunk := groups[:min(len(groups), enqueueChunk)]
		groups = groups[len(chunk):]
		for _, sh := range s.shards {
			n := 0
			sh.mu.Lock()
			for _, g := range chunk {
				if s.shardOf(g) == sh && sh.addLocked(g, f, ticks) {
					n++
				}
			}
			sh.mu.Unlock()
			if n > 1 {
				sh.nonEmpty.Broadcast()
			} else if n == 1 {
				sh.nonEmpty.Signal()
			}
		}
	}
}

// stop makes take return nothing from now on.
func (s *scheduler) stop() {
	for _, sh := range s.shards {
		sh.mu.Lock()
		sh.mu.stopped = true
		sh.mu.Unlock()
		sh.nonEmpty.Broadcast()
	}
}

// addLocked reports whether a worker has to be woken for the group: the queue was
// empty, or has become long enough for one more. A worker that leaves something wakes
// another, so there is none idle while groups wait.
// Requires: s.mu held.
func (s *shard) addLocked(group uint64, f Flags, ticks int) bool {
	if s.mu.stopped {
		return false
	}
	st := s.mu.groups[group]
	st.flags |= f
	st.ticks = uint8(min(int(st.ticks)+ticks, MaxTicks))
	queue := !st.queued && !st.running && st.pending()
	if queue {
		st.queued = true
		s.mu.queue.push(group)
	}
	if st.queued || st.running {
		s.mu.groups[group] = st
	}
	return queue && s.mu.queue.len()%roundGroupsMin == 1
}

// take appends the next groups to dst, which become the caller's until it calls
// done. It waits for work if wait is set, and returns dst as it is when there is
// none or the scheduler stops.
func (s *shard) take(dst []item, wait bool) []item {
	if wait {
		// Whoever is ready to run may have more for the same round.
		runtime.Gosched()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for wait && s.mu.queue.len() == 0 && !s.mu.stopped {
		s.nonEmpty.Wait()
		s.mu.Unlock()
		runtime.Gosched()
		s.mu.Lock()
	}
	if s.mu.stopped {
		return dst
	}
	// Leave the other workers of the shard their share.
	n := max((s.mu.queue.len()+s.workers-1)/s.workers, min(s.mu.queue.len(), roundGroupsMin))
	for range min(n, roundGroupsMax) {
		g := s.mu.queue.pop()
		st := s.mu.groups[g]
		dst = append(dst, item{group: g, work: Work{
			Requests: st.flags&Requests != 0,
			Ready:    st.flags&Ready != 0,
			Ticks:    int(st.ticks),
		}})
		s.mu.groups[g] = groupState{running: true}
	}
	if s.mu.queue.len() > 0 && wait {
		s.nonEmpty.Signal()
	}
	return dst
}

// done gives groups back. Those for which work arrived meanwhile are queued
// again, behind the others.
func (s *shard) done(items []item) {
	s.mu.Lock()
	n := 0
	for _, it := range items {
		st := s.mu.groups[it.group]
		st.running = false
		if !st.pending() || s.mu.stopped {
			delete(s.mu.groups, it.group)
			continue
		}
		st.queued = true
		s.mu.groups[it.group] = st
		s.mu.queue.push(it.group)
		n++
	}
	s.mu.Unlock()
	if n > 1 {
		// The caller itself comes back for some of them.
		s.nonEmpty.Signal()
	}
}

// fifo is a queue of group ids that reuses its memory.
type fifo struct {
	ids  []uint64
	head int
}

func (f *fifo) len() int { return len(f.ids) - f.head }

func (f *fifo) push(id uint64) {
	if f.head > 0 && len(f.ids) == cap(f.ids) {
		n := copy(f.ids, f.ids[f.head:])
		f.ids, f.head = f.ids[:n], 0
	}
	f.ids = append(f.ids, id)
}

func (f *fifo) pop() uint64 {
	id := f.ids[f.head]
	f.head++
	if f.head == len(f.ids) {
		f.ids, f.head = f.ids[:0], 0
	}
	return id
}
