package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// gapPeriod is how often the client that measures gaps writes, if it is let.
const gapPeriod = 5 * time.Millisecond

// prober writes one small statement every gapPeriod, one after the other, through
// one node at a time, and remembers when each was acknowledged: the longest time
// between two is what an application sees of a failover. Its connection stays, or
// is made again to the same node.
type prober struct {
	// write does the statement of a number.
	write func(ctx context.Context, conn *pgx.Conn, n int) error
	stop  context.CancelFunc
	ended chan struct{}

	mu struct {
		sync.Mutex
		node    *cluster.Node
		acks    []ack
		errs    map[string]int
		changed chan struct{} // closed and replaced at each acknowledgement
	}
}

// ack is one statement that was acknowledged.
type ack struct {
	n    int
	at   time.Time
	took time.Duration
}

// gapStatementTimeout bounds one statement: above every gap that is allowed.
const gapStatementTimeout = 15 * time.Second

func startProber(node *cluster.Node, write func(context.Context, *pgx.Conn, int) error) *prober {
	ctx, stop := context.WithCancel(context.Background())
	p := &prober{write: write, stop: stop, ended: make(chan struct{})}
	p.mu.node, p.mu.errs, p.mu.changed = node, map[string]int{}, make(chan struct{})
	go func() { // ends with close
		defer close(p.ended)
		p.run(ctx)
	}()
	return p
}

func (p *prober) run(ctx context.Context) {
	t := time.NewTicker(gapPeriod)
	defer t.Stop()
	var conn *pgx.Conn
	var at *cluster.Node
	leave := func() {
		if conn != nil {
			_ = conn.Close(context.Background()) // it was used up to its end, or is broken
			conn = nil
		}
	}
	defer leave()
	for n := 0; ; n++ {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		p.mu.Lock()
		node := p.mu.node
		p.mu.Unlock()
		if node != at {
			leave()
			at = node
		}
		if conn == nil {
			if conn = tryConnect(node); conn == nil {
				continue
			}
		}
		began := time.Now()
		sctx, cancel := context.WithTimeout(ctx, gapStatementTimeout)
		err := p.write(sctx, conn, n)
		cancel()
		p.note(n, began, err)
		if err != nil && conn.IsClosed() {
			leave()
		}
	}
}

func (p *prober) note(n int, began time.Time, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return // the end
		}
		p.mu.errs[code(err)+" "+err.Error()]++
		return
	}
	now := time.Now()
	p.mu.acks = append(p.mu.acks, ack{n, now, now.Sub(began)})
	close(p.mu.changed)
	p.mu.changed = make(chan struct{})
}

// move makes the prober go on through another node.
func (p *prober) move(to *cluster.Node) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mu.node = to
}

// close ends it.
func (p *prober) close() {
	p.stop()
	<-p.ended
}

// await waits for an acknowledgement at or after t.
func (p *prober) await(ctx context.Context, t time.Time) error {
	for {
		p.mu.Lock()
		acks, changed := p.mu.acks, p.mu.changed
		errs := fmt.Sprint(p.mu.errs)
		p.mu.Unlock()
		if len(acks) > 0 && !acks[len(acks)-1].at.Before(t) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("nothing was acknowledged for %v (errors so far: %s)", time.Since(t).Round(time.Millisecond), errs)
		}
	}
}

// longest returns the longest time without an acknowledgement between two moments:
// also that from the last one before from, which was under way then.
func (p *prober) longest(from, to time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	last, most := from, time.Duration(0)
	for _, a := range p.mu.acks {
		switch {
		case a.at.Before(from):
			last = a.at
		case a.at.After(to):
			return max(most, to.Sub(last))
		default:
			most = max(most, a.at.Sub(last))
			last = a.at
		}
	}
	return max(most, to.Sub(last))
}

// errors are the errors since the last call, by text.
func (p *prober) errors() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.mu.errs
	p.mu.errs = map[string]int{}
	return out
}

// numbers are the statements that were acknowledged.
func (p *prober) numbers() (out []int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, a := range p.mu.acks {
		out = append(out, a.n)
	}
	return out
}
