package sim

import (
	"fmt"
	"sort"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// history is what the clients were told. Every written value is unique, so at the
// end, when the versions of every key are known, each answer can be judged by
// itself: a read at ts must have returned the newest version up to ts. Since a
// gateway takes ts from the oracle after the read was asked for, and the oracle is
// above every commit timestamp that anybody was told, this makes the history
// linearizable, and stronger than that: all keys are read at one moment.
type history struct {
	w      *world
	writes []*write
	reads  []read
	byVal  map[string]*write
}

type outcome uint8

const (
	open outcome = iota
	isAcked
	isRefused
	isUnknown
)

func (o outcome) String() string { return [...]string{"open", "acknowledged", "refused", "unknown"}[o] }

// write is a transaction that writes.
type write struct {
	n      int
	keys   []string
	values []string
	start  timestamp.Timestamp
	commit timestamp.Timestamp // when acknowledged
	is     outcome
	why    string
}

func (w *write) String() string {
	return fmt.Sprintf("write %d of %v at %v (%v %v %s)", w.n, w.keys, w.start, w.is, w.commit, w.why)
}

type read struct {
	key    string
	ts     timestamp.Timestamp
	found  bool
	value  string
	commit timestamp.Timestamp
}

func newHistory(w *world) *history { return &history{w: w, byVal: make(map[string]*write)} }

func (h *history) begin(start timestamp.Timestamp, keys ...string) *write {
	wr := &write{n: len(h.writes), keys: keys, start: start}
	for _, k := range keys {
		v := fmt.Sprintf("%s=%d", k, wr.n)
		wr.values = append(wr.values, v)
		h.byVal[v] = wr
	}
	h.writes = append(h.writes, wr)
	return wr
}

func (h *history) end(wr *write, is outcome, why string) {
	if wr.is != open {
		h.w.violate("answers make sense", "%v ends again, %v", wr, is)
	}
	wr.is, wr.why = is, why
	h.w.trace.add(7, uint64(wr.n), uint64(is), uint64(wr.commit))
	h.w.count("writes " + is.String())
	if h.w.verbose != nil {
		h.w.say("%v", wr)
	}
}

func (h *history) acked(wr *write, commit timestamp.Timestamp) {
	if commit <= wr.start {
		h.w.violate("answers make sense", "%v committed at %v", wr, commit)
	}
	wr.commit = commit
	h.end(wr, isAcked, "")
	h.w.oracle.atLeast(commit)
}

func (h *history) refused(wr *write, why string) { h.end(wr, isRefused, why) }
func (h *history) unknown(wr *write)             { h.end(wr, isUnknown, "") }

func (h *history) read(key string, ts timestamp.Timestamp, g *kvpb.GetResponse) {
	r := read{key: key, ts: ts, found: g.GetFound(), value: string(g.GetValue()), commit: timestamp.Timestamp(g.GetCommitTs())}
	h.reads = append(h.reads, r)
	h.w.count("reads")
	h.w.trace.add(8, hashString(key), uint64(ts), hashString(r.value))
}

type version struct {
	commit timestamp.Timestamp
	value  string
}

// versions reads all versions of a key, oldest first.
func versions(r engine.Reader, key string) ([]version, error) {
	var out []version
	for ts := timestamp.Max; ; {
		v, err := mvcc.Get(r, keys.User(key), mvcc.ReadOptions{TS: ts})
		if err != nil {
			return nil, err
		}
		if !v.Found {
			break
		}
		out = append(out, version{v.CommitTS, string(v.Value)})
		ts = v.CommitTS - 1
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, nil
}

// judge compares what clients were told with the versions that are there in the end.
func (h *history) judge(truth map[string][]version) {
	w := h.w
	found := make(map[*write]map[string]timestamp.Timestamp)
	for i := range w.plan.keys {
		key := w.key(i)
		for j, v := range truth[key] {
			wr := h.byVal[v.value]
			if wr == nil {
				w.violate("no value from nowhere", "%s has %q at %v", key, v.value, v.commit)
				return
			}
			if found[wr] == nil {
				found[wr] = make(map[string]timestamp.Timestamp)
			}
			if _, twice := found[wr][key]; twice {
				w.violate("a write happens once", "%v is there twice, again at %v", wr, v.commit)
				return
			}
			found[wr][key] = v.commit
			// First committer wins: nobody wrote between start and commit.
			if j > 0 && truth[key][j-1].commit > wr.start {
				w.violate("no lost update", "%v is committed at %v over %q of %v, which it cannot have seen",
					wr, v.commit, truth[key][j-1].value, truth[key][j-1].commit)
				return
			}
		}
	}
	for _, wr := range h.writes {
		at := found[wr]
		switch {
		case wr.is == isRefused && len(at) > 0:
			w.violate("no refused write found", "%v is there: %v", wr, at)
		case wr.is == isAcked && len(at) < len(wr.keys):
			w.violate("no acknowledged write lost", "%v has only %v", wr, at)
		case len(at) != 0 && len(at) != len(wr.keys):
			w.violate("no torn write", "%v has only %v", wr, at)
		}
		var first timestamp.Timestamp
		for _, k := range wr.keys {
			c := at[k]
			if c == 0 {
				continue
			}
			if first == 0 {
				first = c
			}
			if c != first || c <= wr.start || (wr.is == isAcked && c != wr.commit) {
				w.violate("no torn write", "%v has %s at %v and %v", wr, k, c, first)
			}
		}
		if w.failure != nil {
			return
		}
	}
	for _, r := range h.reads {
		vs := truth[r.key]
		i := sort.Search(len(vs), func(i int) bool { return vs[i].commit > r.ts })
		var want version
		if i > 0 {
			want = vs[i-1]
		}
		if r.found != (i > 0) || r.value != want.value || (r.found && r.commit != want.commit) {
			w.violate("linearizability", "read of %s at %v returned %q (found %v, of %v), the newest version then was %q of %v (%v)",
				r.key, r.ts, r.value, r.found, r.commit, want.value, want.commit, h.byVal[want.value])
			return
		}
	}
}
