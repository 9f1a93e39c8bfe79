package multiraft

import "github.com/quorate-db/quorate/internal/fault"

// worker is what one goroutine reuses from round to round.
type worker struct {
	d     *Driver
	items []item
	round Round
}

func (w *worker) init(d *Driver) {
	w.d = d
	w.round.d = d
	w.items = make([]item, 0, roundGroupsMax)
}

// workLoop ends when the scheduler stops.
func (d *Driver) workLoop(sh *shard) {
	var w worker
	w.init(d)
	for w.run(sh, true) {
	}
}

// PollRound runs one worker round on the caller's goroutine: the placement
// group's if it has work, else one of the other groups'. It reports whether there
// was work. When the log queue is over its bound it is flushed first, as a worker
// would have waited for the log writer. Manual mode only.
func (d *Driver) PollRound() bool {
	if d.log.full() {
		d.FlushLog()
	}
	for _, sh := range d.sched.shards {
		if d.manual.run(sh, false) {
			return true
		}
	}
	return false
}

// run takes what one round may have, handles it, in several rounds if it turns
// out to be much, and reports whether there was anything.
func (w *worker) run(sh *shard, wait bool) bool {
	w.items = sh.take(w.items[:0], wait)
	if len(w.items) == 0 {
		return false
	}
	d, owned := w.d, w.items
	for i, it := range w.items {
		d.processor.Process(it.group, it.work, &w.round)
		if rest := w.items[i+1:]; len(rest) == 0 || w.round.full() {
			d.counters.rounds.Add(1)
			d.counters.roundGroups.Add(uint64(len(owned) - len(rest)))
			w.finish()
			sh.done(owned[:len(owned)-len(rest)])
			owned = rest
		}
	}
	return true
}

// finish does what the round collected, in the order that the package promises.
func (w *worker) finish() {
	d, r := w.d, &w.round
	defer r.reset()
	if d.failure.err() != nil {
		return
	}
	if len(r.sends) > 0 {
		for _, env := range r.sends {
			d.transport.Send(env)
		}
		d.transport.Flush()
		d.counters.messages.Add(uint64(len(r.sends)))
	}
	if len(r.appends) > 0 && !d.log.enqueue(r.appends) {
		return
	}
	if r.state != nil && !r.state.Empty() {
		fault.Hit("apply/before-commit")
		if err := d.state.Apply(r.state, false); err != nil {
			d.fail(err)
			return
		}
		d.counters.stateBatch.Add(1)
		fault.Hit("apply/after-commit")
	}
	for _, f := range r.afterApply {
		f()
	}
}

// reset forgets the output and keeps the memory.
func (r *Round) reset() {
	clear(r.appends)
	clear(r.sends)
	clear(r.afterApply)
	r.appends, r.sends, r.afterApply, r.logBytes = r.appends[:0], r.sends[:0], r.afterApply[:0], 0
	if r.state != nil {
		// Nothing to do about an error: the batch was committed, or the store is
		// failing already.
		_ = r.state.Close()
		r.state = nil
	}
}
