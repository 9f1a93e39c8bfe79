package replica

import (
	"errors"
	"fmt"
	"hash"
	"hash/fnv"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/mvcc"
)

// checksums are the states that this replica hashed, newest last.
type checksums struct {
	sync.Mutex
	list []*kvpb.ChecksumResponse // replaced when done, never changed
}

// checksumsKept is how many results are kept for whoever asks for them.
const checksumsKept = 4

func (s *checksums) put(r *kvpb.ChecksumResponse) {
	s.Lock()
	defer s.Unlock()
	for i, old := range s.list {
		if old.GetIndex() == r.GetIndex() {
			s.list[i] = r
			return
		}
	}
	if s.list = append(s.list, r); len(s.list) > checksumsKept {
		s.list = append(s.list[:0:0], s.list[1:]...)
	}
}

func (s *checksums) get(index uint64) *kvpb.ChecksumResponse {
	s.Lock()
	defer s.Unlock()
	for _, r := range s.list {
		if r.GetIndex() == index {
			return r
		}
	}
	return nil
}

func checksumAnswer(r *kvpb.ChecksumResponse) *kvpb.Response {
	return &kvpb.Response{Cmd: &kvpb.Response_Admin{Admin: &kvpb.AdminResponse{Cmd: &kvpb.AdminResponse_Checksum{Checksum: r}}}}
}

// checksum begins a comparison at the leader, or tells this replica's result.
func (r *Replica) checksum(c *Call, index uint64) {
	if index > 0 {
		switch res := r.sums.get(index); {
		case res != nil:
			c.finish(checksumAnswer(res))
		default:
			// What is not applied yet may still come; what was passed by a raft
			// snapshot, or before a restart, will not.
			c.finish(checksumAnswer(&kvpb.ChecksumResponse{Index: index, Unknown: r.AppliedIndex() >= index}))
		}
		return
	}
	l, desc, e := r.check(c.req, false)
	if e != nil {
		c.finish(region.Response(e))
		return
	}
	r.propose(l, desc, &proposal{call: c, cmd: command{kind: cmdChecksum}})
}

// applyChecksum pins the state as of this entry, which is the engine's with the
// round's batch so far on top, and has it hashed in the background.
func (r *Replica) applyChecksum(index uint64, batch *engine.Batch) (*kvpb.Response, error) {
	desc, collect := r.apl.desc, r.apl.gc.collect
	res := &kvpb.ChecksumResponse{Index: index, Region: desc}
	r.sums.put(res)
	pin, err := pinState(r.cfg.State, batch, desc)
	if err != nil {
		return nil, err
	}
	if !r.cfg.Host.RunSlowly(func() { r.sums.put(hashState(pin, index, desc, collect)) }) {
		busy := proto.Clone(res).(*kvpb.ChecksumResponse)
		busy.Error = "too many checksums wait on this store"
		r.sums.put(busy)
		return checksumAnswer(res), pin.close()
	}
	return checksumAnswer(res), nil
}

// hashState hashes what is live at collect: replicas have collected different parts
// of their garbage.
func hashState(pin *pinned, index uint64, desc *metapb.Region, collect timestamp.Timestamp) *kvpb.ChecksumResponse {
	res := &kvpb.ChecksumResponse{Index: index, Region: desc}
	h := fnv.New64a()
	hashPair(h, desc.GetStartKey(), desc.GetEndKey())
	err := mvcc.VisitLive(pin, desc.GetStartKey(), desc.GetEndKey(), collect, func(k, v []byte) error {
		hashPair(h, k, v)
		res.Pairs++
		return nil
	})
	if err = errors.Join(err, pin.close()); err != nil {
		res.Error = err.Error()
		return res
	}
	res.Done, res.Hash = true, h.Sum64()
	return res
}

func hashPair(h hash.Hash64, k, v []byte) {
	var n [8]byte
	for i, l := range [2]int{len(k), len(v)} {
		n[4*i], n[4*i+1], n[4*i+2], n[4*i+3] = byte(l), byte(l>>8), byte(l>>16), byte(l>>24)
	}
	h.Write(n[:])
	h.Write(k)
	h.Write(v)
}

// pinned is the state of a region at one moment: an iterator was opened over each
// kind of keys then. It is a Reader for one pass over these spans.
type pinned struct {
	batch *engine.Batch
	its   map[string]*engine.Iterator
}

func pinState(e *engine.Engine, batch *engine.Batch, desc *metapb.Region) (*pinned, error) {
	p := &pinned{batch: e.NewIndexedBatch(), its: make(map[string]*engine.Iterator)}
	if err := p.batch.ApplyRepr(batch.Repr()); err != nil {
		return nil, errors.Join(err, p.close())
	}
	for _, s := range keys.UserSpans(desc.GetStartKey(), desc.GetEndKey()) {
		it, err := p.batch.NewIter(engine.IterOptions{Lower: s.Start, Upper: s.End})
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.its[string(s.Start)] = it
	}
	return p, nil
}

// Get implements engine.Reader; there is none.
func (p *pinned) Get([]byte) ([]byte, bool, error) {
	return nil, false, errors.New("get: a pinned state can only be iterated over")
}

// NewIter implements engine.Reader: it gives the span's iterator away, once.
func (p *pinned) NewIter(o engine.IterOptions) (*engine.Iterator, error) {
	it := p.its[string(o.Lower)]
	if it == nil {
		return nil, fmt.Errorf("iterate from %x: the span is not pinned", o.Lower)
	}
	delete(p.its, string(o.Lower))
	return it, nil
}

func (p *pinned) close() error {
	var errs []error
	for _, it := range p.its {
		errs = append(errs, it.Close())
	}
	p.its = nil
	return errors.Join(append(errs, p.batch.Close())...)
}
