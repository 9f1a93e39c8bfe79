package store

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/quorate-db/quorate/proto/kvpb"
)

// Three stores in one process on memory file systems, so what is measured is the
// code and not a disk.
func BenchmarkRegion(b *testing.B) {
	c := startReal(b)
	ctx := b.Context()
	put := func(i uint64) error {
		key := fmt.Sprintf("t%06d", i%10000)
		resp := c.send(ctx, key, func(q *kvpb.Request) {
			q.Cmd = &kvpb.Request_Prewrite{Prewrite: &kvpb.PrewriteRequest{StartTs: c.ts.Add(1), OnePc: true,
				Mutations: []*kvpb.Mutation{{Key: []byte(key), Value: make([]byte, 100)}}}}
		})
		if resp.GetRegionError() != nil {
			return fmt.Errorf("%v", resp)
		}
		return nil
	}
	for i := range uint64(100) {
		if err := put(i); err != nil {
			b.Fatal(err)
		}
	}
	var n atomic.Uint64
	b.Run("put", func(b *testing.B) {
		b.SetParallelism(8)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if err := put(n.Add(1)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("get", func(b *testing.B) {
		b.SetParallelism(8)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				key := fmt.Sprintf("t%06d", n.Add(1)%10000)
				resp := c.send(ctx, key, func(q *kvpb.Request) {
					q.Cmd = &kvpb.Request_Get{Get: &kvpb.GetRequest{Key: []byte(key), Read: &kvpb.ReadContext{ReadTs: c.ts.Add(1)}}}
				})
				if resp.GetRegionError() != nil {
					b.Error(resp)
					return
				}
			}
		})
	})
}
