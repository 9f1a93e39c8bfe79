package txn

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// Random reads, writes, savepoints and scans of one transaction over many
// regions, with regions split meanwhile, against a map.
func TestAgainstMap(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			withCluster(t, []string{"k10", "k20", "k30"}, func(t *testing.T, c *cluster, cl *Client) { againstMap(t, c, cl, seed) })
		})
	}
}

func againstMap(t *testing.T, c *cluster, cl *Client, seed uint64) {
	r := seededRand(t, seed)
	key := func() string { return fmt.Sprintf("k%02d", r.IntN(40)) }
	model := map[string]string{}
	for round := range 6 {
		tx := mustBegin(t, cl)
		mine := maps.Clone(model)
		type saved struct {
			sp    Savepoint
			model map[string]string
		}
		var sps []saved
		check := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for step := range 60 {
			switch op := r.IntN(14); op {
			case 0, 1, 2, 3:
				k, v := key(), fmt.Sprintf("v%d.%d", round, step)
				check(tx.Put([]byte(k), []byte(v)))
				mine[k] = v
			case 4, 5:
				k := key()
				check(tx.Delete([]byte(k)))
				delete(mine, k)
			case 6:
				check(tx.LockKey([]byte(key())))
			case 7:
				k := key()
				err := tx.Insert(bg, []byte(k), []byte("ins"))
				if _, exists := mine[k]; exists != (err != nil) {
					t.Fatalf("insert of %s: %v, exists %v", k, err, exists)
				}
				if err == nil {
					mine[k] = "ins"
				}
			case 8:
				sps = append(sps, saved{tx.Savepoint(), maps.Clone(mine)})
			case 9:
				if n := len(sps); n > 0 {
					i := r.IntN(n)
					if r.IntN(2) == 0 {
						check(tx.RollbackTo(sps[i].sp))
						mine = maps.Clone(sps[i].model)
						sps = sps[:i+1]
					} else {
						check(tx.Release(sps[i].sp))
						sps = sps[:i]
					}
				}
			case 10:
				if r.IntN(4) == 0 {
					c.split(key())
				}
				if r.IntN(4) == 0 {
					c.moveLeaders()
				}
			case 11:
				var keys [][]byte
				for range r.IntN(10) {
					keys = append(keys, []byte(key()))
				}
				got, err := tx.BatchGet(bg, keys)
				check(err)
				for i, k := range keys {
					if v, ok := mine[string(k)]; ok != got[i].Found || v != string(got[i].Value) {
						t.Fatalf("batch get %s: %q %v, want %q %v", k, got[i].Value, got[i].Found, v, ok)
					}
				}
			default:
				opts := ScanOptions{Reverse: r.IntN(2) == 0, LimitHint: r.IntN(6), KeysOnly: false}
				if r.IntN(3) > 0 {
					opts.Start = []byte(key())
				}
				if r.IntN(3) > 0 {
					opts.End = []byte(key())
				}
				if got, want := scan(t, tx, opts), modelScan(mine, opts); got != want {
					t.Fatalf("round %d step %d: scan %+v\n got %s\nwant %s", round, step, opts, got, want)
				}
			}
		}
		if r.IntN(4) == 0 {
			check(tx.Rollback(bg))
			continue
		}
		check(tx.Commit(bg, CommitOptions{}))
		synctestWait() // locks whose writes were undone are released in the background
		model = mine
		if tx.buf.bytes != 0 {
			t.Fatal("buffer not dropped")
		}
	}
	if got, want := scan(t, mustBegin(t, cl), ScanOptions{}), modelScan(model, ScanOptions{}); got != want {
		t.Fatalf("at the end\n got %s\nwant %s", got, want)
	}
}

func modelScan(m map[string]string, opts ScanOptions) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k >= string(opts.Start) && (len(opts.End) == 0 || k < string(opts.End)) {
			out = append(out, k+"="+m[k])
		}
	}
	if opts.Reverse {
		slices.Reverse(out)
	}
	return strings.Join(out, " ")
}

// The buffer's account of its size comes back to where it was.
func TestBufferBytes(t *testing.T) {
	var b buffer
	b.init(1 << 20)
	for i := range 100 {
		if err := b.put(fmt.Appendf(nil, "k%d", i), make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	size := b.bytes
	for range 50 {
		sp := b.savepoint()
		for i := range 100 {
			for range 3 {
				if err := b.put(fmt.Appendf(nil, "k%d", i), make([]byte, 20)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := b.rollbackTo(sp); err != nil {
			t.Fatal(err)
		}
		if err := b.release(sp); err != nil {
			t.Fatal(err)
		}
	}
	if b.bytes != size || b.count != 100 {
		t.Errorf("%d bytes and %d keys, want %d and 100", b.bytes, b.count, size)
	}
	// Savepoints that are released keep no old versions for ever.
	for range 1000 {
		sp := b.savepoint()
		if err := b.put([]byte("k1"), make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if err := b.release(sp); err != nil {
			t.Fatal(err)
		}
	}
	if b.bytes > size+100 {
		t.Errorf("%d bytes after overwriting, want about %d", b.bytes, size)
	}
}

// Large transactions go in bounded requests, and several tables' worth of locks
// left by a crash are resolved region by region.
func TestLargeTransaction(t *testing.T) {
	withCluster(t, []string{"k3", "k6"}, func(t *testing.T, c *cluster, cl *Client) {
		const n = 10_000
		var most, largest int
		var resolves int
		c.setHook(func(p phase, _ uint64, req *kvpb.Request) fault {
			if p == before && kindOf(req) == "prewrite" {
				muts := req.GetPrewrite().GetMutations()
				size := 0
				for _, m := range muts {
					size += len(m.GetKey()) + len(m.GetValue())
				}
				c.mu.Lock()
				most, largest = max(most, len(muts)), max(largest, size)
				c.mu.Unlock()
			}
			if p == before && kindOf(req) == "resolve" {
				c.mu.Lock()
				resolves++
				c.mu.Unlock()
			}
			return none
		})
		tx := mustBegin(t, cl)
		value := bytes.Repeat([]byte("x"), 400)
		for i := range n {
			if err := tx.Put(fmt.Appendf(nil, "k%05d", i*10), value); err != nil {
				t.Fatal(err)
			}
		}
		c.maxOnly.Store(600 << 10) // regions take less than what is asked of them
		if err := tx.Commit(bg, CommitOptions{}); err != nil {
			t.Fatal(err)
		}
		if most > 4096 || largest > 1<<20 {
			t.Errorf("a request had %d mutations of %d bytes", most, largest)
		}
		c.maxOnly.Store(0)
		count := 0
		it := mustBegin(t, cl).Scan(ScanOptions{})
		defer it.Close()
		for it.Next(bg) {
			count++
		}
		if it.Err() != nil || count != n {
			t.Errorf("found %d rows, %v", count, it.Err())
		}
		if resolves > 10 {
			t.Errorf("%d resolve requests", resolves)
		}
		time.Sleep(time.Second)
		if l := c.locks(); l != 0 {
			t.Errorf("%d locks left", l)
		}
	})
}

// BenchmarkBufferPut measures the write buffer alone.
func BenchmarkBufferPut(b *testing.B) {
	var buf buffer
	buf.init(1 << 40)
	keys := make([][]byte, b.N)
	for i := range keys {
		keys[i] = fmt.Appendf(nil, "key%016x", uint64(i)*0x9e3779b97f4a7c15)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for _, k := range keys {
		if err := buf.put(k, k); err != nil {
			b.Fatal(err)
		}
	}
}
