package stmtstats

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

const (
	// StatementsMax is how many statements are remembered: pg_stat_statements.max.
	StatementsMax = 5000
	// textMax bounds the text of one of them, in bytes.
	textMax = 8 << 10
	// dropShare is the share of them that goes when there are too many.
	dropShare = 0.05
)

// Key is what statements are told apart by.
type Key struct {
	User        string
	Fingerprint uint64 // parse.Fingerprint
}

// Observation is one run of a statement.
type Observation struct {
	Took    time.Duration
	Rows    int64
	Failed  bool
	Retries int // how often the server has run it again by itself
}

// Statement is what was counted of one statement. Times are of the server: from
// the message to the last row handed to the connection.
type Statement struct {
	Key
	Text            string
	Calls           uint64 // without those that failed
	Errors          uint64
	Retries         uint64
	Rows            int64
	Total, Min, Max time.Duration
	Durations       Histogram // of calls and errors
	Last            time.Time
}

// Mean is the mean duration, 0 without calls.
func (s *Statement) Mean() time.Duration {
	if n := s.Calls + s.Errors; n > 0 {
		return s.Total / time.Duration(n)
	}
	return 0
}

// Merge adds what another node has counted of the same statement.
func (s *Statement) Merge(o *Statement) {
	if s.Calls+s.Errors == 0 || o.Calls+o.Errors > 0 && o.Min < s.Min {
		s.Min = o.Min
	}
	s.Max = max(s.Max, o.Max)
	s.Calls, s.Errors, s.Retries, s.Rows, s.Total = s.Calls+o.Calls, s.Errors+o.Errors, s.Retries+o.Retries, s.Rows+o.Rows, s.Total+o.Total
	s.Durations.Merge(&o.Durations)
	if o.Last.After(s.Last) {
		s.Last = o.Last
	}
}

// Totals is the sum over everything, statements that were given up included.
type Totals struct {
	Calls, Errors, Retries uint64
	Took                   time.Duration
	Durations              Histogram
}

// Recorder counts statements. The zero value is not ready: see New.
type Recorder struct {
	max int

	mu struct {
		sync.RWMutex
		statements map[Key]*counters
		dropped    uint64
		since      time.Time
	}
	totals struct {
		sync.Mutex
		Totals
	}
}

type counters struct {
	sync.Mutex
	s Statement
}

// New returns a recorder of at most limit statements, 0 for StatementsMax.
func New(limit int, now time.Time) *Recorder {
	if limit <= 0 {
		limit = StatementsMax
	}
	r := &Recorder{max: limit}
	r.mu.statements = map[Key]*counters{}
	r.mu.since = now
	return r
}

// Record counts one run. text is asked for the first time that a statement is seen.
func (r *Recorder) Record(k Key, text func() string, o Observation, now time.Time) {
	r.count(o)
	r.mu.RLock()
	c := r.mu.statements[k]
	r.mu.RUnlock()
	if c == nil {
		c = r.add(k, text())
	}
	c.Lock()
	defer c.Unlock()
	one := Statement{Retries: uint64(o.Retries), Rows: o.Rows, Total: o.Took, Min: o.Took, Max: o.Took, Last: now}
	if o.Failed {
		one.Errors = 1
	} else {
		one.Calls = 1
	}
	one.addTo(&c.s)
	c.s.Durations.Add(o.Took)
}

// addTo is Merge without the histogram, which is large.
func (s *Statement) addTo(to *Statement) {
	if to.Calls+to.Errors == 0 || s.Min < to.Min {
		to.Min = s.Min
	}
	to.Max = max(to.Max, s.Max)
	to.Calls, to.Errors, to.Retries, to.Rows, to.Total = to.Calls+s.Calls, to.Errors+s.Errors, to.Retries+s.Retries, to.Rows+s.Rows, to.Total+s.Total
	if s.Last.After(to.Last) {
		to.Last = s.Last
	}
}

func (r *Recorder) count(o Observation) {
	r.totals.Lock()
	defer r.totals.Unlock()
	if o.Failed {
		r.totals.Errors++
	} else {
		r.totals.Calls++
	}
	r.totals.Retries += uint64(o.Retries)
	r.totals.Took += o.Took
	r.totals.Durations.Add(o.Took)
}

func (r *Recorder) add(k Key, text string) *counters {
	if len(text) > textMax {
		text = text[:textMax]
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.mu.statements[k]; c != nil {
		return c // another session was faster
	}
	if len(r.mu.statements) >= r.max {
		r.drop()
	}
	c := &counters{}
	c.s.Key, c.s.Text = k, text
	r.mu.statements[k] = c
	return c
}

// drop gives up the statements that were called least; the caller holds the lock.
func (r *Recorder) drop() {
	type use struct {
		key   Key
		calls uint64
		last  time.Time
	}
	all := make([]use, 0, len(r.mu.statements))
	for k, c := range r.mu.statements {
		c.Lock()
		all = append(all, use{k, c.s.Calls + c.s.Errors, c.s.Last})
		c.Unlock()
	}
	slices.SortFunc(all, func(a, b use) int {
		return cmp.Or(cmp.Compare(a.calls, b.calls), a.last.Compare(b.last))
	})
	n := max(int(float64(len(all))*dropShare), 1)
	for _, u := range all[:n] {
		delete(r.mu.statements, u.key)
	}
	r.mu.dropped += uint64(n)
}

// List is a copy of all statements, those that took most time first.
func (r *Recorder) List() []Statement {
	r.mu.RLock()
	all := make([]*counters, 0, len(r.mu.statements))
	for _, c := range r.mu.statements {
		all = append(all, c)
	}
	r.mu.RUnlock()
	out := make([]Statement, len(all))
	for i, c := range all {
		c.Lock()
		out[i] = c.s
		c.Unlock()
	}
	Sort(out)
	return out
}

// MergeLists adds up what nodes have counted, those that took most time first.
func MergeLists(lists ...[]Statement) []Statement {
	at := map[Key]int{}
	var out []Statement
	for _, list := range lists {
		for i := range list {
			if j, ok := at[list[i].Key]; ok {
				out[j].Merge(&list[i])
				continue
			}
			at[list[i].Key] = len(out)
			out = append(out, list[i])
		}
	}
	Sort(out)
	return out
}

// Sort puts those that took most time first.
func Sort(list []Statement) {
	slices.SortFunc(list, func(a, b Statement) int {
		return cmp.Or(cmp.Compare(b.Total, a.Total), cmp.Compare(a.User, b.User), cmp.Compare(a.Text, b.Text))
	})
}

// Totals is the sum over everything since the start of the node.
func (r *Recorder) Totals() Totals {
	r.totals.Lock()
	defer r.totals.Unlock()
	return r.totals.Totals
}

// Since is when counting began, and how many statements were given up since.
func (r *Recorder) Since() (time.Time, uint64) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.mu.since, r.mu.dropped
}

// Reset forgets all statements; the totals go on.
func (r *Recorder) Reset(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.statements = map[Key]*counters{}
	r.mu.dropped, r.mu.since = 0, now
}
