package replica

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// Incoming is a raft snapshot that was received into files and waits to be
// installed. It is installed or discarded once.
type Incoming struct {
	env    *multiraft.Envelope
	desc   *metapb.Region
	state  appliedState
	eng    *engine.Engine
	paths  []string
	excise keys.Span
	takes  []Taken
	done   func()
}

// Taken is a replica on this store whose region the one of a raft snapshot has taken.
type Taken struct{ RegionID, PeerID uint64 }

// OnDone has f called when the snapshot is installed or discarded.
func (i *Incoming) OnDone(f func()) { i.done = f }

// Descriptor is the region as the snapshot has it.
func (i *Incoming) Descriptor() *metapb.Region { return i.desc }

// Discard removes the files.
func (i *Incoming) Discard() {
	for _, p := range i.paths {
		// What stays behind is removed when the engine is opened again.
		_ = i.eng.FS().Remove(p)
	}
	i.finished()
}

func (i *Incoming) finished() {
	i.paths = nil
	if i.done != nil {
		i.done()
		i.done = nil
	}
}

// SnapshotDescriptor reads the region that a raft snapshot is of from its header.
func SnapshotDescriptor(h multiraft.SnapshotHeader) (*metapb.Region, error) {
	desc := &metapb.Region{}
	if err := proto.Unmarshal(h.Meta, desc); err != nil {
		return nil, fmt.Errorf("raft snapshot: descriptor: %w", err)
	}
	if err := region.Validate(desc); err != nil {
		return nil, fmt.Errorf("raft snapshot: %w", err)
	}
	if h.Envelope == nil || h.Envelope.Message.GetType() != raftpb.MsgSnap || desc.GetId() != h.Envelope.RegionID {
		return nil, errors.New("raft snapshot: header does not fit the region")
	}
	return desc, nil
}

// snapshotFileBytes is where the files of a raft snapshot are cut.
const snapshotFileBytes = 64 << 20

// ReadSnapshot writes a raft snapshot's stream into files beside the engine. name
// must be unique among the snapshots of this process. takes are the replicas on this
// store that go when it is installed, in the same ingest.
func ReadSnapshot(eng *engine.Engine, name string, h multiraft.SnapshotHeader, takes []Taken, next func() ([]byte, error)) (_ *Incoming, err error) {
	desc, err := SnapshotDescriptor(h)
	if err != nil {
		return nil, err
	}
	meta := h.Envelope.Message.GetSnapshot().GetMetadata()
	in := &Incoming{env: h.Envelope, desc: desc, eng: eng, takes: takes}
	in.state = appliedState{index: meta.GetIndex(), term: meta.GetTerm(), conf: meta.GetConfState()}
	if in.state.index <= InitialIndex-1 || in.state.conf == nil {
		return nil, errors.New("raft snapshot: no index or no configuration")
	}
	if size, n := binary.Uvarint(h.Envelope.Message.GetSnapshot().GetData()); n > 0 {
		in.state.sizeBytes = int64(size)
		if in.state.gc, err = decodeGC(h.Envelope.Message.GetSnapshot().GetData()[n:]); err != nil {
			return nil, fmt.Errorf("raft snapshot: %w", err)
		}
	}
	w := &snapshotFiles{eng: eng, name: name}
	defer func() {
		if err != nil {
			w.abort()
			in.paths = w.paths
			in.Discard()
		}
	}()
	spans := keys.UserSpans(desc.GetStartKey(), desc.GetEndKey())
	// One span is excised, the others are cleared by range deletions in the files
	// of the same ingest (rule C4).
	in.excise = spans[0]
	if err := w.writeStream(bufio.NewReader(&chunkReader{next: next}), spans); err != nil {
		return nil, fmt.Errorf("raft snapshot of region %d: %w", desc.GetId(), err)
	}
	in.state.newest = w.newest
	if err := w.writeLocal(desc, h.Envelope.ToPeer, &in.state); err != nil {
		return nil, fmt.Errorf("raft snapshot of region %d: %w", desc.GetId(), err)
	}
	for _, t := range takes {
		if err := w.writeTaken(t); err != nil {
			return nil, fmt.Errorf("raft snapshot of region %d: %w", desc.GetId(), err)
		}
	}
	in.paths = w.paths
	return in, nil
}

// snapshotFiles writes sorted pairs into sstables.
type snapshotFiles struct {
	eng   *engine.Engine
	name  string
	w     *engine.SSTWriter
	paths []string
	// newest timestamp of the versions and marks that were written.
	newest timestamp.Timestamp
}

func (f *snapshotFiles) open() error {
	path := f.eng.StagingPath(fmt.Sprintf("%s-%d.sst", f.name, len(f.paths)))
	w, err := f.eng.NewSSTWriter(path)
	if err != nil {
		return err
	}
	f.w = w
	f.paths = append(f.paths, path)
	return nil
}

func (f *snapshotFiles) finish() error {
	if f.w == nil {
		return nil
	}
	_, err := f.w.Finish()
	f.w = nil
	return err
}

func (f *snapshotFiles) abort() {
	if f.w != nil {
		_ = f.w.Abort()
		f.w = nil
	}
}

func (f *snapshotFiles) writeStream(in *bufio.Reader, spans []keys.Span) error {
	version, err := in.ReadByte()
	if err != nil {
		return err
	}
	if version != snapshotVersion {
		return fmt.Errorf("stream of format %d", version)
	}
	at := -1 // span being written
	enter := func(i int) error {
		for at < i {
			if err := f.finish(); err != nil {
				return err
			}
			if at++; at == 0 {
				continue // excised: a file is made when a pair comes
			}
			if err := f.open(); err != nil {
				return err
			}
			if err := f.w.DeleteRange(spans[at].Start, spans[at].End); err != nil {
				return err
			}
		}
		return nil
	}
	var rows uint64
	for {
		key, err := readBytes(in)
		if err != nil {
			return err
		}
		if len(key) == 0 {
			break
		}
		value, err := readBytes(in)
		if err != nil {
			return err
		}
		i := max(at, 0)
		for i < len(spans) && !inSpan(spans[i], key) {
			i++
		}
		if i == len(spans) {
			return fmt.Errorf("key %v is outside of the region or out of order", keys.Encoded(key))
		}
		if err := enter(i); err != nil {
			return err
		}
		if f.w != nil && i == 0 && f.w.Size() >= snapshotFileBytes {
			if err := f.finish(); err != nil {
				return err
			}
		}
		if f.w == nil {
			if err := f.open(); err != nil {
				return err
			}
		}
		if err := f.w.Set(key, value); err != nil {
			return err
		}
		if k := keys.Kind(key[0]); k == keys.KindData || k == keys.KindRollback {
			_, ts, err := keys.DecodeVersion(key)
			if err != nil {
				return err
			}
			f.newest = max(f.newest, ts)
		}
		rows++
	}
	want, err := binary.ReadUvarint(in)
	if err != nil {
		return noEOF(err)
	}
	if want != rows {
		return fmt.Errorf("%d pairs, the sender counted %d", rows, want)
	}
	if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("stream goes on behind its end (%v)", err)
	}
	if err := enter(len(spans) - 1); err != nil {
		return err
	}
	return f.finish()
}

// writeLocal writes what the replica keeps about itself.
func (f *snapshotFiles) writeLocal(desc *metapb.Region, peerID uint64, a *appliedState) error {
	if err := f.open(); err != nil {
		return err
	}
	span := keys.RegionLocalSpan(desc.GetId())
	if err := f.w.DeleteRange(span.Start, span.End); err != nil {
		return err
	}
	// Names in order: applied, descriptor, peer.
	if err := writeApplied(sstWriter{f.w}, desc.GetId(), a); err != nil {
		return err
	}
	if err := writeDescriptor(sstWriter{f.w}, desc); err != nil {
		return err
	}
	if err := writePeer(sstWriter{f.w}, desc.GetId(), peerID); err != nil {
		return err
	}
	return f.finish()
}

// writeTaken replaces what a taken replica keeps about itself by the mark.
func (f *snapshotFiles) writeTaken(t Taken) error {
	if err := f.open(); err != nil {
		return err
	}
	if err := clearAbsorbed(sstWriter{f.w}, t.RegionID, t.PeerID); err != nil {
		return err
	}
	return f.finish()
}

// sstWriter is an engine.Writer over a file.
type sstWriter struct{ *engine.SSTWriter }

func (sstWriter) Delete([]byte) error { return errors.New("sstable takes no deletion of a key") }

// inSpan compares suffix-less bounds with a key: both are kinds with a user key,
// for which bytewise order is the engine's.
func inSpan(s keys.Span, key []byte) bool {
	if len(key) == 0 || key[0] != s.Start[0] {
		return false
	}
	d, err := keys.Decode(key)
	if err != nil {
		return false
	}
	start, err := keys.Decode(s.Start)
	if err != nil || string(d.User) < string(start.User) {
		return false
	}
	if s.End[0] != s.Start[0] {
		return true
	}
	end, err := keys.Decode(s.End)
	return err == nil && string(d.User) < string(end.User)
}

// recordBytesMax bounds one key or value of the stream: an entry's limit and some.
const recordBytesMax = 2 * entryBytesMax

func readBytes(in *bufio.Reader) ([]byte, error) {
	n, err := binary.ReadUvarint(in)
	if err != nil {
		return nil, noEOF(err)
	}
	if n > recordBytesMax {
		return nil, fmt.Errorf("record of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(in, b); err != nil {
		return nil, noEOF(err)
	}
	return b, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// chunkReader reads from chunks.
type chunkReader struct {
	next func() ([]byte, error)
	rest []byte
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		chunk, err := c.next()
		if err != nil {
			return 0, err
		}
		c.rest = chunk
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}
