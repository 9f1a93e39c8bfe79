package elle

import (
	"fmt"
	"slices"
	"sort"
)

// elem names an appended element.
type elem struct{ key, value int }

// site is where an element was appended: position of the transaction, whether it
// was that transaction's last append to the key.
type site struct {
	txn   int
	final bool
}

// finalReader stands for the final reads where a reader is named.
const finalReader = -1

// lister is a read of a key by a committed transaction.
type lister struct {
	txn  int // position in the history, or finalReader
	list []int
	// own is set when the transaction had appended to the key before.
	own bool
}

// facts are what the direct checks found, and what the graph is made from.
type facts struct {
	h       History
	writers map[elem]site
	reads   map[int][]lister // by key, in the order of the history
	keys    []int            // of reads, ascending
	// order is the version order of each key that has one.
	order map[int][]int
	found []Anomaly
}

func (f *facts) report(k Kind, format string, args ...any) {
	f.found = append(f.found, Anomaly{Kind: k, Text: fmt.Sprintf(format, args...), Count: 1})
}

// name is how the transaction at a position is called in texts.
func (f *facts) name(txn int) string {
	if txn == finalReader {
		return "the final read"
	}
	return fmt.Sprintf("T%d", f.h.Txns[txn].ID)
}

// gather indexes appends and reads. An error means that the history itself is of
// no use: an element appended twice.
func gather(h History) (*facts, error) {
	f := &facts{h: h, writers: map[elem]site{}, reads: map[int][]lister{}, order: map[int][]int{}}
	for i := range h.Txns {
		t := &h.Txns[i]
		for _, o := range t.Ops {
			if !o.Append {
				continue
			}
			if w, ok := f.writers[elem{o.Key, o.Value}]; ok {
				return nil, fmt.Errorf("malformed history: T%d and T%d both append %d to key %d: values must be unique", h.Txns[w.txn].ID, t.ID, o.Value, o.Key)
			}
			f.writers[elem{o.Key, o.Value}] = site{txn: i}
		}
		f.markFinal(i)
		if t.Outcome != OK {
			continue
		}
		for j, o := range t.Ops {
			if !o.Append {
				own := slices.ContainsFunc(t.Ops[:j], func(p Op) bool { return p.Append && p.Key == o.Key })
				f.reads[o.Key] = append(f.reads[o.Key], lister{i, o.List, own})
			}
		}
	}
	for k, l := range h.Final {
		f.reads[k] = append(f.reads[k], lister{finalReader, l, false})
	}
	for k := range f.reads {
		f.keys = append(f.keys, k)
	}
	sort.Ints(f.keys)
	return f, nil
}

// markFinal marks a transaction's last append to each key.
func (f *facts) markFinal(txn int) {
	ops := f.h.Txns[txn].Ops
	for j, o := range ops {
		later := slices.ContainsFunc(ops[j+1:], func(p Op) bool { return p.Append && p.Key == o.Key })
		if o.Append && !later {
			f.writers[elem{o.Key, o.Value}] = site{txn, true}
		}
	}
}

// checkInternal: a transaction sees its own appends, and the list of a key that it
// has seen before does not change otherwise.
func (f *facts) checkInternal() {
	type view struct {
		key   int
		known []int // the list as it must be, if read; else what it must end with
		read  bool
	}
	var views []view
	for i := range f.h.Txns {
		t := &f.h.Txns[i]
		if t.Outcome != OK {
			continue
		}
		views = views[:0]
		for _, o := range t.Ops {
			at := slices.IndexFunc(views, func(v view) bool { return v.key == o.Key })
			if at < 0 {
				views = append(views, view{key: o.Key})
				at = len(views) - 1
			}
			v := &views[at]
			if o.Append {
				v.known = append(slices.Clip(v.known), o.Value)
				continue
			}
			switch {
			case v.read && !slices.Equal(o.List, v.known):
				f.report(Internal, "T%d read key %d as %v, it must have been %v by what it had read and appended: %v", t.ID, o.Key, o.List, v.known, t)
			case !v.read && !endsWith(o.List, v.known):
				f.report(Internal, "T%d read key %d as %v, which does not end with its own %v: %v", t.ID, o.Key, o.List, v.known, t)
			}
			v.known, v.read = o.List, true
		}
	}
}

func endsWith(list, end []int) bool {
	return len(list) >= len(end) && slices.Equal(list[len(list)-len(end):], end)
}

func startsWith(list, start []int) bool {
	return len(list) >= len(start) && slices.Equal(list[:len(start)], start)
}

// checkLists finds the version order of each key, the longest list, and judges
// every list that was read.
func (f *facts) checkLists() {
	for _, k := range f.keys {
		longest := lister{txn: finalReader}
		for _, r := range f.reads[k] {
			if len(r.list) > len(longest.list) {
				longest = r
			}
		}
		sound := f.checkElements(k, longest)
		failed := f.firstFailed(k, longest.list)
		for _, r := range f.reads[k] {
			if !startsWith(longest.list, r.list) {
				sound = false
				f.report(IncompatibleOrder, "%s read key %d as %v, %s as %v: neither begins with the other", f.name(r.txn), k, r.list, f.name(longest.txn), longest.list)
				f.checkElements(k, r)
				f.reportG1a(k, r, f.firstFailed(k, r.list))
			} else {
				f.reportG1a(k, r, failed)
			}
			f.checkG1b(k, r)
		}
		if sound {
			f.order[k] = longest.list
		}
	}
}

// checkElements looks for duplicates and garbage in one list. It reports whether
// the list can serve as a version order.
func (f *facts) checkElements(k int, r lister) bool {
	sound := true
	seen := make(map[int]bool, len(r.list))
	for _, v := range r.list {
		if seen[v] {
			sound = false
			f.report(DuplicateElement, "%s read key %d as %v: %d twice", f.name(r.txn), k, r.list, v)
		}
		seen[v] = true
		if _, ok := f.writers[elem{k, v}]; !ok {
			f.report(GarbageRead, "%s read key %d as %v: nobody has ever appended %d", f.name(r.txn), k, r.list, v)
		}
	}
	return sound
}

// firstFailed is the position of the first element of a failed transaction, or the
// length of the list.
func (f *facts) firstFailed(k int, list []int) int {
	for i, v := range list {
		if w, ok := f.writers[elem{k, v}]; ok && f.h.Txns[w.txn].Outcome == Failed {
			return i
		}
	}
	return len(list)
}

func (f *facts) reportG1a(k int, r lister, failed int) {
	if failed < len(r.list) {
		v := r.list[failed]
		f.report(G1a, "%s read key %d as %v: %d was appended by a transaction that failed, %v", f.name(r.txn), k, r.list, v, f.h.Txns[f.writers[elem{k, v}].txn])
	}
}

// checkG1b: nobody sees a state from the middle of another's transaction.
func (f *facts) checkG1b(k int, r lister) {
	if len(r.list) == 0 {
		return
	}
	last := r.list[len(r.list)-1]
	if w, ok := f.writers[elem{k, last}]; ok && w.txn != r.txn && !w.final {
		f.report(G1b, "%s read key %d as %v: %d is not the last append of %v", f.name(r.txn), k, r.list, last, f.h.Txns[w.txn])
	}
}

// checkFinal: at the end each acknowledged append is there, and of a transaction
// with an unknown outcome all appends or none.
func (f *facts) checkFinal() {
	if f.h.Final == nil {
		return
	}
	there := map[elem]bool{}
	for k, l := range f.h.Final {
		for _, v := range l {
			there[elem{k, v}] = true
		}
	}
	for i := range f.h.Txns {
		t := &f.h.Txns[i]
		var in, out []Op
		for _, o := range t.Ops {
			switch {
			case !o.Append:
			case there[elem{o.Key, o.Value}]:
				in = append(in, o)
			default:
				out = append(out, o)
			}
		}
		switch {
		case t.Outcome == OK && len(out) > 0:
			f.report(LostWrite, "at the end %v is not there: %v", out, t)
		case t.Outcome == Unknown && len(in) > 0 && len(out) > 0:
			f.report(TornTxn, "at the end %v is there and %v is not: %v", in, out, t)
		}
	}
}

// checkLostUpdate: no two transactions read the same version of a key and then
// both append to it.
func (f *facts) checkLostUpdate() {
	type version struct{ key, length int }
	first := map[version]int{}
	for i := range f.h.Txns {
		t := &f.h.Txns[i]
		if t.Outcome != OK {
			continue
		}
		for j, o := range t.Ops {
			if o.Append || f.order[o.Key] == nil && len(o.List) > 0 {
				continue
			}
			same := func(p Op) bool { return p.Key == o.Key }
			if slices.ContainsFunc(t.Ops[:j], same) || !slices.ContainsFunc(t.Ops[j+1:], func(p Op) bool { return p.Append && same(p) }) {
				continue // not its first step with the key, or not appended to
			}
			v := version{o.Key, len(o.List)}
			if other, ok := first[v]; ok {
				f.report(LostUpdate, "T%d and T%d both read key %d as %v and appended to it: %v; %v", f.h.Txns[other].ID, t.ID, o.Key, o.List, f.h.Txns[other], t)
				continue
			}
			first[v] = i
		}
	}
}
