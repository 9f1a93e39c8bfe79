package mvcc

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// Scans get past keys with many versions and many lock records, in both
// directions, also when no value is visible behind them.
func TestScanOverDeepHistories(t *testing.T) {
	for _, depth := range []int{1, nextsMax - 1, nextsMax, nextsMax + 1, 30} {
		for _, kind := range []Kind{Put, LockOnly} {
			e := testEngine(t)
			put := func(key string, k Kind, at timestamp.Timestamp) {
				b := e.NewBatch()
				defer b.Close()
				if err := errors.Join(putVersion(b, keys.User(key), Version{Kind: k, StartTS: at - 1, CommitTS: at, Value: fmt.Append(nil, at)[:0]}), e.Apply(b, false)); err != nil {
					t.Fatal(err)
				}
			}
			put("a", Put, 10)
			put("c", Put, 10)
			for i := range depth {
				put("b", kind, timestamp.Timestamp(100+10*i))
			}
			for at, want := range map[timestamp.Timestamp]int{50: 2, 100: 3, 100 + 10*timestamp.Timestamp(depth/2): 3, timestamp.Max: 3} {
				if kind == LockOnly {
					want = 2
				}
				for _, reverse := range []bool{false, true} {
					res, err := Scan(e, ScanOptions{ReadOptions: ReadOptions{TS: at}, Reverse: reverse})
					if err != nil || len(res.Rows) != want {
						t.Errorf("depth %d of %v, at %d, reverse=%v: %d rows, want %d, err %v", depth, kind, at, reverse, len(res.Rows), want, err)
					}
				}
			}
		}
	}
}

// Rows of one result may be changed and appended to without touching each other.
func TestRowsAreTheCallersOwn(t *testing.T) {
	e := testEngine(t)
	for _, k := range []string{"a", "b", "c"} {
		err := evaluate(t, e, func(b *engine.Batch) error {
			_, err := OnePC(b, e, []Mutation{{Kind: Put, Key: keys.User(k), Value: []byte(k)}}, 1, 2)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	res, err := Scan(e, ScanOptions{ReadOptions: ReadOptions{TS: 5}})
	if err != nil {
		t.Fatal(err)
	}
	_ = append(res.Rows[0].Value, "xxxxxxxx"...)
	_ = append(res.Rows[1].Key, "xxxxxxxx"...)
	if string(res.Rows[1].Value) != "b" || string(res.Rows[2].Key) != "c" {
		t.Errorf("rows share memory: %q", res.Rows)
	}
}

// Nonsense is an error, not a stored lock.
func TestBadArguments(t *testing.T) {
	e := testEngine(t)
	good := Mutation{Kind: Put, Key: keys.User("a")}
	p := PrewriteParams{Primary: keys.User("a"), StartTS: 5, TTLms: 1}
	for i, f := range []func(b *engine.Batch) error{
		func(b *engine.Batch) error { _, err := Prewrite(b, e, Mutation{Key: keys.User("a")}, p); return err },
		func(b *engine.Batch) error { _, err := Prewrite(b, e, Mutation{Kind: Put}, p); return err },
		func(b *engine.Batch) error {
			_, err := Prewrite(b, e, good, PrewriteParams{StartTS: 5, TTLms: 1})
			return err
		},
		func(b *engine.Batch) error { q := p; q.StartTS = 0; _, err := Prewrite(b, e, good, q); return err },
		func(b *engine.Batch) error { q := p; q.TTLms = 0; _, err := Prewrite(b, e, good, q); return err },
		func(b *engine.Batch) error {
			q := p
			q.Secondaries = make([]keys.User, secondariesMax+1)
			_, err := Prewrite(b, e, good, q)
			return err
		},
		func(b *engine.Batch) error { _, err := OnePC(b, e, []Mutation{good}, 5, 5); return err },
		func(b *engine.Batch) error { return Commit(b, e, keys.User("a"), 5, 4) },
		func(b *engine.Batch) error { _, err := GC(b, e, nil, nil, 5, 0); return err },
		func(b *engine.Batch) error { _, _, err := ScanLocks(e, nil, nil, 5, 0); return err },
		func(b *engine.Batch) error {
			_, err := CheckTxnStatus(b, e, CheckTxnParams{Primary: keys.User("a"), StartTS: 5, CallerTS: timestamp.Max})
			return err
		},
	} {
		if err := evaluate(t, e, f); err == nil {
			t.Errorf("call %d succeeded", i)
		}
	}
}

// Raw values are apart from versioned ones and scan in pages.
func TestRaw(t *testing.T) {
	e := testEngine(t)
	err := evaluate(t, e, func(b *engine.Batch) error {
		return errors.Join(RawPut(b, keys.User("\x01a"), []byte("1")), RawPut(b, keys.User("\x01b"), nil), RawPut(b, keys.User("\x02c"), []byte("3")),
			RawDelete(b, keys.User("\x01a")), RawPut(b, keys.User("\x01d"), []byte("4")))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := RawGet(e, keys.User("\x01a")); found || err != nil {
		t.Errorf("deleted: %v, %v", found, err)
	}
	if v, found, err := RawGet(e, keys.User("\x01b")); !found || len(v) != 0 || err != nil {
		t.Errorf("empty: %q, %v, %v", v, found, err)
	}
	if v, err := Get(e, keys.User("\x01b"), ReadOptions{TS: timestamp.Max}); v.Found || err != nil {
		t.Errorf("versioned read of a raw value: %v, %v", v, err)
	}
	rows, resume, err := RawScan(e, keys.User("\x01"), keys.User("\x02"), 1)
	if err != nil || len(rows) != 1 || string(resume) != "\x01d" {
		t.Fatalf("first page: %v, resume %q, %v", rows, resume, err)
	}
	rows, resume, err = RawScan(e, resume, keys.User("\x02"), 1)
	if err != nil || len(rows) != 1 || string(rows[0].Value) != "4" || resume != nil {
		t.Errorf("second page: %v, resume %q, %v", rows, resume, err)
	}
}

// Corrupt values are errors that wrap ErrCorrupt, wherever they are met.
func TestCorruptValues(t *testing.T) {
	key := keys.User("a")
	for what, put := range map[string][2][]byte{
		"version": {keys.DataVersion(key, 5), {9, 9, 9}},
		"lock":    {keys.Lock(key), {9}},
		"mark":    {keys.RollbackMark(key, 7), {9}},
	} {
		e := testEngine(t)
		if err := evaluate(t, e, func(b *engine.Batch) error { return b.Set(put[0], put[1]) }); err != nil {
			t.Fatal(err)
		}
		err := evaluate(t, e, func(b *engine.Batch) error {
			_, err := Prewrite(b, e, Mutation{Kind: Put, Key: key}, PrewriteParams{Primary: key, StartTS: 7, TTLms: 1})
			return err
		})
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("prewrite over a bad %s: %v", what, err)
		}
		if what == "mark" {
			continue
		}
		for _, reverse := range []bool{false, true} {
			if _, err := Scan(e, ScanOptions{ReadOptions: ReadOptions{TS: 9}, Reverse: reverse}); !errors.Is(err, ErrCorrupt) {
				t.Errorf("scan over a bad %s: %v", what, err)
			}
		}
		if _, err := Get(e, key, ReadOptions{TS: 9}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("get of a bad %s: %v", what, err)
		}
	}
}

func FuzzDecodeLock(f *testing.F) {
	f.Add(encodeLock(&Lock{Kind: Put, Primary: keys.User("p"), StartTS: 5, TTLms: 7, Value: []byte("v")}))
	f.Add(encodeLock(&Lock{Kind: LockOnly, Primary: keys.User("p"), StartTS: 5, TTLms: 3, Gateway: Gateway{Store: 2, Boot: 300}}))
	f.Add(encodeLock(&Lock{Kind: Delete, Primary: keys.User("p"), StartTS: 5, ForUpdateTS: 8, MinCommitTS: 9, TxnSize: 3, Async: true, Secondaries: []keys.User{keys.User("s"), keys.User("t")}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := decodeLock(b)
		if err != nil {
			return
		}
		again, err := decodeLock(encodeLock(l))
		if err != nil || !reflect.DeepEqual(l, again) {
			t.Fatalf("%x: %+v, again %+v, %v", b, l, again, err)
		}
	})
}

func FuzzDecodeVersion(f *testing.F) {
	f.Add(encodeVersion(Version{Kind: Put, StartTS: 5, CommitTS: 9, Value: []byte("v")}), uint64(9))
	f.Fuzz(func(t *testing.T, b []byte, ts uint64) {
		v, err := decodeVersion(b, timestamp.Timestamp(ts))
		if err != nil {
			return
		}
		again, err := decodeVersion(encodeVersion(v), v.CommitTS)
		if err != nil || again.StartTS != v.StartTS || again.Kind != v.Kind || !bytes.Equal(again.Value, v.Value) || v.StartTS == 0 {
			t.Fatalf("%x: %+v, again %+v, %v", b, v, again, err)
		}
	})
}

// benchStore holds n keys with three versions each, on the engine's files.
func benchStore(b *testing.B, n int) *engine.Engine {
	e := testEngine(b)
	for v := range 3 {
		batch := e.NewBatch()
		for i := range n {
			at := timestamp.Timestamp(100*v + 10)
			if err := putVersion(batch, benchKey(i), Version{Kind: Put, StartTS: at - 1, CommitTS: at, Value: make([]byte, 100)}); err != nil {
				b.Fatal(err)
			}
		}
		if err := errors.Join(e.Apply(batch, false), batch.Close(), e.Flush()); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	return e
}

func benchKey(i int) keys.User {
	return keys.AppendInt(keys.IndexPrefix(53, 1), keys.Ascending, int64(i))
}

func BenchmarkGet(b *testing.B) {
	e := benchStore(b, 20000)
	for i := range b.N {
		if v, err := Get(e, benchKey(i*7919%20000), ReadOptions{TS: 150}); err != nil || !v.Found {
			b.Fatal(err)
		}
	}
}

func BenchmarkScan100(b *testing.B) {
	for _, reverse := range []bool{false, true} {
		b.Run(fmt.Sprintf("reverse=%v", reverse), func(b *testing.B) {
			e := benchStore(b, 20000)
			for i := range b.N {
				start := i * 7919 % 19000
				res, err := Scan(e, ScanOptions{ReadOptions: ReadOptions{TS: 150}, Start: benchKey(start), End: benchKey(start + 500), RowsMax: 100, Reverse: reverse})
				if err != nil || len(res.Rows) != 100 {
					b.Fatal(err, len(res.Rows))
				}
			}
		})
	}
}

func BenchmarkPrewrite(b *testing.B) {
	e := benchStore(b, 20000)
	batch := e.NewBatch()
	defer batch.Close()
	for i := range b.N {
		key := benchKey(i * 7919 % 20000)
		if i%1000 == 999 {
			if err := batch.SetRepr(engine.EmptyRepr()); err != nil {
				b.Fatal(err)
			}
		}
		_, err := Prewrite(batch, e, Mutation{Kind: Put, Key: key, Value: make([]byte, 100)}, PrewriteParams{Primary: key, StartTS: 1000, TTLms: 3000})
		if err != nil {
			b.Fatal(err)
		}
	}
}
