package elle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
)

// Outcome of a transaction as its client knows it.
type Outcome string

const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"  // certainly without effect
	Unknown Outcome = "unknown" // the answer was lost
)

// Op is one step of a transaction: an append of Value, or a read that gave List.
type Op struct {
	Append bool  `json:"append,omitempty"`
	Key    int   `json:"key"`
	Value  int   `json:"value,omitempty"`
	List   []int `json:"list,omitempty"`
}

// Append is a step that appends a value. No two appends to a key have the same.
func Append(key, value int) Op { return Op{Append: true, Key: key, Value: value} }

// Read is a step that read a list.
func Read(key int, list ...int) Op { return Op{Key: key, List: list} }

func (o Op) String() string {
	if o.Append {
		return fmt.Sprintf("append %d to %d", o.Value, o.Key)
	}
	return fmt.Sprintf("read %d: %v", o.Key, o.List)
}

// Txn is one transaction. Of a transaction that did not end well Ops has what it
// tried, as far as it came.
type Txn struct {
	ID      int     `json:"id"`
	Client  int     `json:"client"`
	Node    uint64  `json:"node,omitempty"` // where the client was connected; for people only
	Outcome Outcome `json:"outcome"`
	// Invoked and Done are times in nanoseconds of one monotonic clock. Done of a
	// transaction with an unknown outcome means nothing: it may take effect later.
	Invoked int64  `json:"invoked"`
	Done    int64  `json:"done"`
	Ops     []Op   `json:"ops"`
	Error   string `json:"error,omitempty"` // why it is not OK; for people only
}

func (t Txn) String() string {
	var ops []string
	for _, o := range t.Ops {
		ops = append(ops, o.String())
	}
	end := fmt.Sprintf("%d", t.Done)
	if t.Outcome == Unknown {
		end = "?"
	}
	return fmt.Sprintf("T%d (client %d, %s, [%d, %s]): %s", t.ID, t.Client, t.Outcome, t.Invoked, end, strings.Join(ops, "; "))
}

// end is when the transaction had certainly taken effect.
func (t *Txn) end() int64 {
	if t.Outcome != OK {
		return math.MaxInt64
	}
	return t.Done
}

// History is what a test run saw.
type History struct {
	Txns []Txn
	// Final are the lists read after everything had ended and was mended, nil if
	// that was not done. A key without a list counts as never appended to.
	Final map[int][]int
}

// finalLine is how a file holds the final lists.
type finalLine struct {
	Final map[int][]int `json:"final"`
}

// Write writes the history as lines of JSON.
func (h History) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	e := json.NewEncoder(b)
	for i := range h.Txns {
		if err := e.Encode(&h.Txns[i]); err != nil {
			return fmt.Errorf("write transaction %d: %w", h.Txns[i].ID, err)
		}
	}
	if h.Final != nil {
		if err := e.Encode(finalLine{h.Final}); err != nil {
			return fmt.Errorf("write the final lists: %w", err)
		}
	}
	return b.Flush()
}

// ReadHistory reads what Write wrote.
func ReadHistory(r io.Reader) (History, error) {
	var h History
	d := json.NewDecoder(r)
	for {
		var line struct {
			Txn
			finalLine
		}
		if err := d.Decode(&line); err == io.EOF {
			return h, nil
		} else if err != nil {
			return h, fmt.Errorf("read transaction %d: %w", len(h.Txns), err)
		}
		if line.Final != nil {
			h.Final = line.Final
			continue
		}
		h.Txns = append(h.Txns, line.Txn)
	}
}
