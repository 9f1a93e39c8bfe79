package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// attemptTimeout bounds one operation of a client. It is below the longest
	// pause of a process, so that clients of a node that stands still move on.
	attemptTimeout = 5 * time.Second
	// hastyTimeout is the statement_timeout of every fourth client: it makes the
	// server give up on a commit, find out what became of it, or say that it does
	// not know, before the client has lost its patience.
	hastyTimeout = 700 * time.Millisecond
	// wander is how often a client moves to another node without a reason, one in
	// so many operations: else all would gather on the nodes that were never hurt.
	wander = 100
)

// attempt is how an operation went. Times are nanoseconds since the run began.
type attempt struct {
	Client  int     `json:"client"`
	Node    uint64  `json:"node"`
	Invoked int64   `json:"invoked"`
	Done    int64   `json:"done"`
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"`
	State   string  `json:"sqlstate,omitempty"`
}

func (a attempt) String() string {
	at := func(ns int64) string { return time.Duration(ns).Round(time.Millisecond).String() }
	return fmt.Sprintf("client %d on node %d, %s to %s, %s %s", a.Client, a.Node, at(a.Invoked), at(a.Done), a.Outcome, a.Error)
}

// MarshalJSON writes an outcome by its name.
func (o Outcome) MarshalJSON() ([]byte, error) { return json.Marshal(o.String()) }

// client does one operation after the other, on one node until its connection
// breaks, then on the next.
type client struct {
	id    int
	r     *run
	rng   *rand.Rand
	at    int  // counts the nodes it has moved to
	fixed bool // never moves
	node  server
	conn  *pgx.Conn
}

func newClient(r *run, id int) *client {
	return &client{id: id, r: r, rng: rand.New(rand.NewPCG(r.Seed, uint64(id))), at: id}
}

// work does operations until ctx ends.
func (c *client) work(ctx context.Context) {
	defer c.leave()
	for ctx.Err() == nil {
		if !c.connect() {
			idle(ctx, 20*time.Millisecond)
			continue
		}
		c.r.load.step(c)
		if c.rng.IntN(wander) == 0 {
			c.leave()
		}
	}
}

// connect makes sure that there is a connection, if a node gives one.
func (c *client) connect() bool {
	if c.conn != nil {
		return true
	}
	servers := c.r.servers()
	if len(servers) == 0 {
		return false
	}
	c.node = servers[c.at%len(servers)]
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(c.node.dsn)
	if err != nil {
		return false
	}
	if c.id%2 == 1 {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	}
	if c.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
		c.conn = nil
		c.at++
		return false
	}
	// Statements by themselves have the level, too.
	settings := []string{"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL " + c.r.level.sql}
	if c.id%4 == 3 {
		settings = append(settings, fmt.Sprintf("SET statement_timeout = %d", hastyTimeout.Milliseconds()))
	}
	if executeAll(ctx, c.conn, settings...) != nil {
		c.leave()
		return false
	}
	return true
}

// leave gives the connection up, so that the next one goes to another node.
func (c *client) leave() {
	if c.conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = c.conn.Close(ctx) // it was used up to its end, or is broken
		c.conn = nil
	}
	if !c.fixed {
		c.at++
	}
}

// transact runs body in a transaction block of the run's level. Requires: connect
// gave true.
func (c *client) transact(body func(ctx context.Context, conn *pgx.Conn) error) attempt {
	return c.try(func(ctx context.Context) (sent bool, err error) {
		if _, err = c.conn.Exec(ctx, "BEGIN ISOLATION LEVEL "+c.r.level.sql); err != nil {
			return false, err
		}
		if err = body(ctx, c.conn); err != nil {
			return false, err
		}
		tag, err := c.conn.Exec(ctx, "COMMIT")
		if err == nil && tag.String() != "COMMIT" {
			return false, fmt.Errorf("COMMIT was answered by %s", tag) // rolled back: certainly not done
		}
		return true, err
	})
}

// single runs one statement by itself: whatever it does, it is its own commit.
func (c *client) single(body func(ctx context.Context, conn *pgx.Conn) error) attempt {
	return c.try(func(ctx context.Context) (bool, error) { return true, body(ctx, c.conn) })
}

func (c *client) try(body func(ctx context.Context) (sent bool, err error)) attempt {
	ctx, cancel := context.WithTimeout(context.Background(), attemptTimeout)
	defer cancel()
	a := attempt{Client: c.id, Node: c.node.id, Invoked: c.r.now()}
	sent, err := body(ctx)
	a.Done = c.r.now()
	a.Outcome = outcomeOf(err, sent)
	if err == nil {
		return a
	}
	a.Error, a.State = err.Error(), code(err)
	switch {
	case c.conn.IsClosed() || a.State == "" || a.State[:2] == "57" || a.State[:2] == "08":
		c.leave()
	default:
		if _, err := c.conn.Exec(ctx, "ROLLBACK"); err != nil {
			c.leave()
		}
	}
	return a
}

// journal keeps what a run's operations did, in the order in which they ended.
type journal[E any] struct {
	mu      sync.Mutex
	entries []E
}

func (j *journal[E]) add(e E) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, e)
}

// all returns the entries; they must not be changed.
func (j *journal[E]) all() []E {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)]
}

// save writes the entries as lines of JSON.
func (j *journal[E]) save(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, e := range j.all() {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("write the history: %w", err)
		}
	}
	return nil
}
