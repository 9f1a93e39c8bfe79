package replica

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

const (
	// snapshotPatienceTicks is how long the leader waits for the end of a raft
	// snapshot's stream before it lets Raft try something else: ten minutes, since
	// streams wait for each other and are limited in rate.
	snapshotPatienceTicks = 6000
	// installPatienceTicks is how long it waits for the acknowledgement after the
	// stream: five seconds. A receiver that crashed in between would else be left
	// alone for ever.
	installPatienceTicks = 50
)

// snapshotMetadata is what Raft is told when it asks for a snapshot. What is sent
// in the end is newer: it is taken when the stream begins.
func (r *Replica) snapshotMetadata() (*raftpb.Snapshot, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.desc == nil || r.mu.destroyed {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	a := r.mu.applied
	return &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{
		Index: proto.Uint64(a.index), Term: proto.Uint64(a.term),
		ConfState: proto.Clone(a.conf).(*raftpb.ConfState),
	}}, nil
}

// sendSnapshot hands a MsgSnap to the store. Process only.
func (r *Replica) sendSnapshot(m *raftpb.Message) {
	env := r.envelope(m)
	if env == nil {
		r.rn.ReportSnapshot(m.GetTo(), raft.SnapshotFailure)
		return
	}
	r.sent[m.GetTo()] = 0
	r.cfg.Host.SendSnapshot(r, m, env)
}

// SnapshotDone tells the replica how the stream of a raft snapshot ended. A
// success is not passed on: the receiver's acknowledgement says when the snapshot
// is installed.
func (r *Replica) SnapshotDone(peer uint64, err error) {
	if err == nil {
		r.enqueueOp(func(*raft.RawNode) {
			if _, waits := r.sent[peer]; waits {
				r.sent[peer] = snapshotPatienceTicks - installPatienceTicks
			}
		})
		return
	}
	r.log.Info("raft snapshot was not sent", "to", peer, "error", err)
	r.enqueueOp(func(rn *raft.RawNode) {
		delete(r.sent, peer)
		rn.ReportSnapshot(peer, raft.SnapshotFailure)
	})
}

// The stream of a raft snapshot: a format byte, then records of key and value,
// each with its length in front; an empty key ends it, followed by the number of
// records.
const snapshotVersion = 1

// StreamSnapshot sends the region's state as of now. It blocks.
func (r *Replica) StreamSnapshot(ctx context.Context, t multiraft.Transport, m *raftpb.Message,
	to *multiraft.Envelope, bytesPerSecond int64) error {
	snap := r.cfg.State.NewSnapshot()
	defer snap.Close()
	desc, err := LoadDescriptor(snap, r.cfg.RegionID)
	if err != nil {
		return err
	}
	if desc == nil {
		return fmt.Errorf("region %d is gone", r.cfg.RegionID)
	}
	if region.PeerByID(desc, m.GetTo()) == nil {
		return fmt.Errorf("peer %d is no member of region %d any more", m.GetTo(), r.cfg.RegionID)
	}
	a, err := loadApplied(snap, r.cfg.RegionID)
	if err != nil {
		return err
	}
	meta, err := proto.Marshal(desc)
	if err != nil {
		return err
	}
	msg := &raftpb.Message{
		Type: raftpb.MsgSnap.Enum(), To: m.To, From: m.From, Term: m.Term,
		Snapshot: &raftpb.Snapshot{
			Metadata: &raftpb.SnapshotMetadata{Index: proto.Uint64(a.index), Term: proto.Uint64(a.term), ConfState: a.conf},
			Data:     a.gc.append(binary.AppendUvarint(nil, uint64(max(a.sizeBytes, 0)))),
		},
	}
	env := *to
	env.Message = msg
	env.ConfVer, env.Version = desc.GetEpoch().GetConfVer(), desc.GetEpoch().GetVersion()
	env.HasRange, env.StartKey, env.EndKey = true, desc.GetStartKey(), desc.GetEndKey()

	s := newSnapshotSource(snap, keys.UserSpans(desc.GetStartKey(), desc.GetEndKey()))
	defer s.close()
	err = t.SendSnapshot(ctx, to.ToStore, multiraft.SnapshotHeader{Envelope: &env, Meta: meta}, bytesPerSecond, s.chunk)
	return errors.Join(err, s.err)
}

// snapshotSource cuts the pairs of some spans into chunks.
type snapshotSource struct {
	reader engine.Reader
	spans  []keys.Span
	it     *engine.Iterator
	buf    []byte
	sent   int // of buf, in the last chunk
	rows   uint64
	ended  bool
	err    error
}

func newSnapshotSource(reader engine.Reader, spans []keys.Span) *snapshotSource {
	return &snapshotSource{reader: reader, spans: spans, buf: []byte{snapshotVersion}}
}

func (s *snapshotSource) close() {
	if s.it != nil {
		s.err = errors.Join(s.err, s.it.Close())
		s.it = nil
	}
}

// chunk returns the next piece of the stream, valid until the next call.
func (s *snapshotSource) chunk() ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	s.buf = s.buf[:copy(s.buf, s.buf[s.sent:])]
	for len(s.buf) < multiraft.SnapshotChunkBytesMax && !s.ended {
		if err := s.fill(); err != nil {
			s.err = err
			return nil, err
		}
	}
	if len(s.buf) == 0 {
		return nil, io.EOF
	}
	s.sent = min(len(s.buf), multiraft.SnapshotChunkBytesMax)
	return s.buf[:s.sent], nil
}

// fill adds one record, or the end.
func (s *snapshotSource) fill() error {
	if s.it == nil {
		if len(s.spans) == 0 {
			s.buf = binary.AppendUvarint(append(s.buf, 0), s.rows)
			s.ended = true
			return nil
		}
		it, err := s.reader.NewIter(engine.IterOptions{Lower: s.spans[0].Start, Upper: s.spans[0].End})
		if err != nil {
			return err
		}
		s.spans = s.spans[1:]
		s.it = it
		it.First()
	} else {
		s.it.Next()
	}
	if !s.it.Valid() {
		err := s.it.Close()
		s.it = nil
		return err
	}
	key, value := s.it.Key(), s.it.Value()
	if err := s.it.Error(); err != nil {
		return err
	}
	s.buf = append(binary.AppendUvarint(s.buf, uint64(len(key))), key...)
	s.buf = append(binary.AppendUvarint(s.buf, uint64(len(value))), value...)
	s.rows++
	return nil
}
