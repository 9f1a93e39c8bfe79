package locktable

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var t0 = time.Unix(1000, 0)

func own(id int) Owner { return Owner{ID: OwnerID(id)} }

// names lists waits as owner:key:mode.
func names(ws []*Wait) string {
	out := ""
	for i, w := range ws {
		if i > 0 {
			out += " "
		}
		out += fmt.Sprintf("%d:%s", w.Owner.ID, w.Key)
	}
	return out
}

// PostgreSQL 15 manual, table 13.3, conflicting row-level locks.
func TestConflictsArePostgreSQLs(t *testing.T) {
	want := [4][4]bool{
		{false, false, false, true},
		{false, false, true, true},
		{false, true, true, true},
		{true, true, true, true},
	}
	for a := KeyShare; a <= Update; a++ {
		for b := KeyShare; b <= Update; b++ {
			if got := a.Conflicts(b); got != want[a-1][b-1] {
				t.Errorf("%v against %v: %v", a, b, got)
			}
		}
	}
}

// A lock passes to the first who waits, in the call that frees it: somebody who
// asks in between finds it taken.
func TestHandOver(t *testing.T) {
	tb := New(time.Minute)
	if o, _ := tb.Acquire(t0, own(1), "a", Update, Block); o != Granted {
		t.Fatal(o)
	}
	tb.Acquire(t0, own(2), "a", Update, Block)
	tb.Acquire(t0, own(3), "a", Update, Block)
	if o, _ := tb.Acquire(t0, own(4), "a", Update, NoWait); o != Busy {
		t.Fatal(o)
	}
	g, _ := tb.Release(t0, 1)
	if names(g) != "2:a" {
		t.Fatalf("granted %s", names(g))
	}
	if o, _ := tb.Acquire(t0, own(4), "a", Update, NoWait); o != Busy {
		t.Fatal("a late comer overtook")
	}
	if g, _ = tb.Release(t0, 2); names(g) != "3:a" {
		t.Fatalf("granted %s", names(g))
	}
}

// A reader does not overtake a writer that waits, and readers are let in together.
func TestSharedLocksQueueBehindAWriter(t *testing.T) {
	tb := New(time.Minute)
	tb.Acquire(t0, own(1), "a", Share, Block)
	tb.Acquire(t0, own(2), "a", Update, Block)
	if o, _ := tb.Acquire(t0, own(3), "a", Share, Block); o != Waiting {
		t.Fatalf("a reader overtook the writer: %v", o)
	}
	tb.Acquire(t0, own(4), "a", KeyShare, Block)
	if g, _ := tb.Release(t0, 1); names(g) != "2:a" {
		t.Fatalf("granted %s", names(g))
	}
	if g, _ := tb.Release(t0, 2); names(g) != "3:a 4:a" {
		t.Fatalf("granted %s", names(g))
	}
}

// Who has a lock gets it again, gets a stronger one before those who wait for him,
// and keeps the strongest.
func TestReentranceAndUpgrade(t *testing.T) {
	tb := New(time.Minute)
	tb.Acquire(t0, own(1), "a", Update, Block)
	if o, _ := tb.Acquire(t0, own(1), "a", KeyShare, Block); o != Granted || tb.Mode(1, "a") != Update {
		t.Fatal(o, tb.Mode(1, "a"))
	}
	tb.Acquire(t0, own(2), "b", KeyShare, Block)
	tb.Acquire(t0, own(3), "b", KeyShare, Block)
	tb.Acquire(t0, own(4), "b", Update, Block)
	o, w := tb.Acquire(t0, own(2), "b", Update, Block)
	if o != Waiting {
		t.Fatal(o)
	}
	if b := tb.Blockers(w); len(b) != 1 || b[0].ID != 3 {
		t.Fatalf("the upgrade waits for %v", b)
	}
	if g, _ := tb.Release(t0, 3); names(g) != "2:b" || tb.Mode(2, "b") != Update {
		t.Fatalf("granted %s", names(g))
	}
}

// Taking a wait back lets those behind go on and leaves nothing of it; when its
// owner comes back soon it has its old place.
func TestCancel(t *testing.T) {
	tb := New(time.Minute)
	tb.Acquire(t0, own(1), "a", Share, Block)
	_, w2 := tb.Acquire(t0, own(2), "a", Update, Block)
	_, w3 := tb.Acquire(t0, own(3), "a", Share, Block)
	g, ok := tb.Cancel(t0, w2, true)
	if !ok || names(g) != "3:a" {
		t.Fatalf("%v, granted %s", ok, names(g))
	}
	if _, ok := tb.Cancel(t0, w3, false); ok {
		t.Fatal("a granted wait was taken back")
	}
	tb.Acquire(t0, own(4), "a", Update, Block)
	tb.Acquire(t0, own(2), "a", Update, Block)
	tb.Release(t0, 1)
	if g, _ := tb.Release(t0, 3); names(g) != "2:a" {
		t.Fatalf("granted %s: the place was lost", names(g))
	}
	if len(tb.owners) != 2 {
		t.Fatalf("%d owners are remembered", len(tb.owners))
	}
}

// A request that was under way when its owner was released is refused.
func TestReleasedOwnersStayOut(t *testing.T) {
	tb := New(time.Minute)
	_, _ = tb.Acquire(t0, own(1), "a", Update, Block)
	_, w := tb.Acquire(t0, own(2), "a", Update, Block)
	_, ended := tb.Release(t0, 2)
	if len(ended) != 1 || ended[0] != w {
		t.Fatalf("ended %s", names(ended))
	}
	if o, _ := tb.Acquire(t0, own(2), "b", Update, Block); o != Ended {
		t.Fatal(o)
	}
	for i := range endedMax + 10 {
		tb.Release(t0, OwnerID(100+i))
	}
	if len(tb.ended) != endedMax || len(tb.endedRing) != endedMax {
		t.Fatalf("%d ended owners are remembered", len(tb.ended))
	}
}

// An owner that gives no sign of life loses its locks; one that does keeps them.
func TestExpire(t *testing.T) {
	tb := New(5 * time.Second)
	tb.Acquire(t0, own(1), "a", Update, Block)
	tb.Acquire(t0, own(2), "b", Update, Block)
	tb.Acquire(t0.Add(time.Second), own(3), "a", Update, Block)
	tb.Acquire(t0.Add(time.Second), own(4), "a", Update, Block)
	tb.Keep(t0.Add(3*time.Second), 2)
	if g, _ := tb.Expire(t0.Add(4999 * time.Millisecond)); len(g) != 0 {
		t.Fatalf("granted %s too early", names(g))
	}
	tb.Keep(t0.Add(5*time.Second), 4)
	g, ended := tb.Expire(t0.Add(7 * time.Second))
	if names(g) != "4:a" || names(ended) != "3:a" && names(ended) != "" {
		t.Fatalf("granted %s, ended %s", names(g), names(ended))
	}
	if tb.Mode(2, "b") != Update {
		t.Fatal("a living owner lost its lock")
	}
	if o, _ := tb.Acquire(t0.Add(8*time.Second), own(1), "c", Update, Block); o != Granted {
		t.Fatalf("an owner that was only slow is refused: %v", o)
	}
}

// What is exported and imported is held as before; a cut takes the rest away.
func TestExportImportCut(t *testing.T) {
	tb := New(time.Minute)
	tb.Acquire(t0, Owner{ID: 1, PID: 7, Statement: "x"}, "a", Share, Block)
	tb.Acquire(t0, own(2), "a", KeyShare, Block)
	tb.Acquire(t0, own(1), "m", Update, Block)
	tb.Acquire(t0, own(3), "m", Update, Block)
	list := tb.Entries()
	other := New(time.Minute)
	other.Import(t0, list)
	if got := other.Entries(); !slices.Equal(got, list) {
		t.Fatalf("%v, want %v", got, list)
	}
	ended := tb.Cut(func(k string) bool { return k >= "m" })
	if names(ended) != "3:m" {
		t.Fatalf("ended %s", names(ended))
	}
	if held, waiting := tb.Len(); held != 2 || waiting != 0 || len(tb.owners) != 2 {
		t.Fatalf("%d held, %d waiting, %d owners", held, waiting, len(tb.owners))
	}
}

// model is the table as plain lists that are gone through from the start after
// every change.
type model struct {
	holds []Entry
	queue []*Wait
}

func (m *model) mode(id OwnerID, key string) Mode {
	for _, h := range m.holds {
		if h.Owner.ID == id && h.Key == key {
			return h.Mode
		}
	}
	return 0
}

func (m *model) against(id OwnerID, key string, mode Mode, before []*Wait) bool {
	for _, h := range m.holds {
		if h.Key == key && h.Owner.ID != id && h.Mode.Conflicts(mode) {
			return true
		}
	}
	for _, w := range before {
		if w.Key == key && w.Owner.ID != id && w.Mode.Conflicts(mode) {
			return true
		}
	}
	return false
}

func (m *model) hold(id OwnerID, key string, mode Mode) {
	for i := range m.holds {
		if m.holds[i].Owner.ID == id && m.holds[i].Key == key {
			m.holds[i].Mode = max(m.holds[i].Mode, mode)
			return
		}
	}
	m.holds = append(m.holds, Entry{Owner: own(int(id)), Key: key, Mode: mode})
}

func (m *model) acquire(w *Wait, p Policy) Outcome {
	id := w.Owner.ID
	have := m.mode(id, w.Key)
	before := m.queue
	if have != 0 {
		before = nil
	}
	switch {
	case have >= w.Mode:
		return Granted
	case !m.against(id, w.Key, w.Mode, before):
		m.hold(id, w.Key, w.Mode)
		return Granted
	case p == NoWait:
		return Busy
	}
	if have == 0 {
		m.queue = append(m.queue, w)
		return Waiting
	}
	// Behind the upgrades, before the rest.
	at := 0
	for at < len(m.queue) && m.queue[at].upgrade {
		at++
	}
	m.queue = slices.Insert(m.queue, at, w)
	return Waiting
}

func (m *model) settle() (granted []*Wait) {
	for again := true; again; {
		again = false
		for i, w := range m.queue {
			if !m.against(w.Owner.ID, w.Key, w.Mode, m.queue[:i]) {
				m.queue = slices.Delete(slices.Clone(m.queue), i, i+1)
				m.hold(w.Owner.ID, w.Key, w.Mode)
				granted = append(granted, w)
				again = true
				break
			}
		}
	}
	return granted
}

func (m *model) drop(id OwnerID, keep func(key string) bool) {
	m.holds = slices.DeleteFunc(m.holds, func(e Entry) bool { return e.Owner.ID == id && !keep(e.Key) })
}

// The table does what the plain lists do, whatever is asked of it.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(300) {
		runModel(t, seed)
	}
}

func runModel(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	tb, m := New(time.Hour), &model{}
	waits := map[*Wait]*Wait{} // of the model → of the table
	next := 1
	live := []int{}
	for range 6 {
		live = append(live, next)
		next++
	}
	for step := range 400 {
		i := rnd.IntN(len(live))
		id := OwnerID(live[i])
		key := string(rune('a' + rnd.IntN(3)))
		var got, want []*Wait
		switch rnd.IntN(8) {
		case 0, 1, 2, 3:
			p := Block
			if rnd.IntN(4) == 0 {
				p = NoWait
			}
			mode := Mode(1 + rnd.IntN(4))
			o, w := tb.Acquire(t0, own(int(id)), key, mode, p)
			mw := &Wait{Owner: own(int(id)), Key: key, Mode: mode, upgrade: m.mode(id, key) != 0}
			if mo := m.acquire(mw, p); mo != o {
				t.Fatalf("seed %d step %d: %d asks for %s %v: %v, want %v", seed, step, id, key, mode, o, mo)
			}
			if w != nil {
				waits[mw] = w
			}
		case 4, 5:
			got = tb.ReleaseKeys(t0, id, []string{key})
			m.drop(id, func(k string) bool { return k != key })
			want = m.settle()
		case 6:
			g, _ := tb.Release(t0, id)
			got = g
			m.queue = slices.DeleteFunc(m.queue, func(w *Wait) bool { return w.Owner.ID == id })
			m.drop(id, func(string) bool { return false })
			want = m.settle()
			live[i] = next
			next++
		case 7:
			if len(m.queue) == 0 {
				continue
			}
			j := rnd.IntN(len(m.queue))
			got, _ = tb.Cancel(t0, waits[m.queue[j]], false)
			m.queue = slices.Delete(slices.Clone(m.queue), j, j+1)
			want = m.settle()
		}
		if a, b := sortedNames(got), sortedNames(want); a != b {
			t.Fatalf("seed %d step %d: granted %s, want %s", seed, step, a, b)
		}
		checkTable(t, tb, m, seed, step)
	}
}

func sortedNames(ws []*Wait) string {
	ws = slices.Clone(ws)
	slices.SortFunc(ws, func(a, b *Wait) int {
		if x, y := fmt.Sprint(a.Owner.ID, a.Key, a.Mode), fmt.Sprint(b.Owner.ID, b.Key, b.Mode); x < y {
			return -1
		}
		return 1
	})
	return names(ws)
}

func checkTable(t *testing.T, tb *Table, m *model, seed uint64, step int) {
	t.Helper()
	held, waiting := tb.Len()
	if held != len(m.holds) || waiting != len(m.queue) || len(tb.Waits()) != waiting {
		t.Fatalf("seed %d step %d: %d held, %d waiting, want %d, %d", seed, step, held, waiting, len(m.holds), len(m.queue))
	}
	list := tb.Entries()
	for i, e := range list {
		if m.mode(e.Owner.ID, e.Key) != e.Mode {
			t.Fatalf("seed %d step %d: %d holds %s in %v", seed, step, e.Owner.ID, e.Key, e.Mode)
		}
		for _, o := range list[:i] {
			if o.Key == e.Key && o.Mode.Conflicts(e.Mode) {
				t.Fatalf("seed %d step %d: %v and %v hold %s", seed, step, o.Owner.ID, e.Owner.ID, e.Key)
			}
		}
	}
	for _, w := range tb.Waits() {
		if len(tb.Blockers(w)) == 0 {
			t.Fatalf("seed %d step %d: %d waits for nobody", seed, step, w.Owner.ID)
		}
	}
	for id, ow := range tb.owners {
		if len(ow.held)+len(ow.waits) == 0 {
			t.Fatalf("seed %d step %d: owner %d is remembered for nothing", seed, step, id)
		}
	}
}

// A fixed random history costs this much per request.
func BenchmarkAcquireRelease(b *testing.B) {
	tb := New(time.Minute)
	keys := make([]string, 64)
	for i := range keys {
		keys[i] = fmt.Sprintf("t\x80\x00\x01row%06d", i)
	}
	for i := range b.N {
		id := OwnerID(i + 1)
		for j := range 4 {
			tb.Acquire(t0, Owner{ID: id}, keys[(i+j)%len(keys)], Update, Block)
		}
		tb.Release(t0, id)
	}
}

// The locks and waits of one gateway go, those of others stay; only gateways that
// somebody waits for are told of, and none that is not named.
func TestExpireGateway(t *testing.T) {
	tb := New(time.Minute)
	of := func(id int, store uint64) Owner {
		o := own(id)
		o.Gateway = Gateway{Store: store, Boot: 5}
		return o
	}
	tb.Acquire(t0, of(1, 1), "a", Update, Block)
	tb.Acquire(t0, of(2, 2), "b", Update, Block)
	tb.Acquire(t0, own(3), "c", Update, Block)
	if g := tb.Gateways(); len(g) != 0 {
		t.Fatalf("nobody waits, and yet for %v", g)
	}
	tb.Acquire(t0, of(4, 1), "b", Update, Block) // waits, behind it another one
	tb.Acquire(t0, of(5, 2), "b", Update, Block)
	tb.Acquire(t0, of(6, 2), "a", Update, Block)
	tb.Acquire(t0, of(7, 2), "c", Update, Block)
	if g := tb.Gateways(); !slices.Equal(g, []Gateway{{1, 5}, {2, 5}}) {
		t.Fatalf("waited for: %v", g)
	}
	granted, ended := tb.ExpireGateway(t0, Gateway{Store: 1, Boot: 5})
	if names(granted) != "6:a" || names(ended) != "4:b" {
		t.Fatalf("granted %s, ended %s", names(granted), names(ended))
	}
	if granted, ended = tb.ExpireGateway(t0, Gateway{}); len(granted)+len(ended) > 0 {
		t.Fatalf("without a name: granted %s, ended %s", names(granted), names(ended))
	}
	if tb.Mode(2, "b") != Update || tb.Mode(3, "c") != Update {
		t.Fatal("a lock of another gateway is gone")
	}
	if o, _ := tb.Acquire(t0, of(1, 1), "a", Update, NoWait); o != Busy {
		t.Fatalf("an owner that comes back: %v", o)
	}
}
