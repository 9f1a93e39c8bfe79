package replica

import (
	"sync"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/region"
)

// Call is a request under way. It is answered exactly once.
type Call struct {
	req  *kvpb.Request
	exec func(func()) // runs what goes on after a wait
	done func(*kvpb.Response)
	// proposed, if set, is told that the region has a proposal and sees to it that the
	// replica is processed soon.
	proposed func(regionID uint64)

	mu       sync.Mutex
	state    callState
	restarts int
	abandon  func() // takes back what the call waits for; may be nil
}

type callState uint8

const (
	callEvaluating callState = iota // nothing was handed over yet
	callProposed                    // the outcome is decided by Raft
	callAnswered
)

// finish answers the call, unless it is answered already.
func (c *Call) finish(resp *kvpb.Response) {
	if c == nil {
		return
	}
	c.mu.Lock()
	if c.state == callAnswered {
		c.mu.Unlock()
		return
	}
	c.state = callAnswered
	c.mu.Unlock()
	c.done(resp)
}

// answered reports whether nobody waits any more.
func (c *Call) answered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == callAnswered
}

// onAbandon has f called if the call is given up; a later call replaces f. If that
// has happened already, f is called at once.
func (c *Call) onAbandon(f func()) {
	c.mu.Lock()
	over := c.state == callAnswered
	c.abandon = f
	c.mu.Unlock()
	if over {
		f()
	}
}

// propose moves the call into the hands of Raft. It reports false if the call was
// given up before.
func (c *Call) propose() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == callAnswered {
		return false
	}
	c.state = callProposed
	return true
}

// restart takes the call back after a part of it was applied.
func (c *Call) restart() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == callAnswered {
		return false
	}
	c.state = callEvaluating
	c.restarts++
	return true
}

// Abandon answers the call for a caller that waits no longer. What was proposed
// goes on and keeps its latches until its outcome is known.
func (c *Call) Abandon(why string) {
	if c == nil {
		return // answered before it became a call
	}
	c.mu.Lock()
	state, part := c.state, c.restarts > 0
	if state == callAnswered {
		c.mu.Unlock()
		return
	}
	c.state = callAnswered
	undo := c.abandon
	c.mu.Unlock()
	if undo != nil {
		undo()
	}
	if state == callProposed || part {
		c.done(region.Response(region.Ambiguous(why)))
		return
	}
	c.done(region.Response(region.ServerBusy(why, 1)))
}
