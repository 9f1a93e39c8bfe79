package transport

import (
	"errors"
	"io"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/multiraft/liveness"
)

func sampleFrame(t testing.TB, n int) []byte {
	t.Helper()
	var envs []*multiraft.Envelope
	size := 0
	for i := range n {
		env := &multiraft.Envelope{RegionID: uint64(i), FromStore: 1, ToStore: 2, Message: &raftpb.Message{
			Type: raftpb.MsgApp.Enum(), Index: new(uint64(i)), Entries: []*raftpb.Entry{{Data: make([]byte, 10*i)}},
		}}
		envs = append(envs, env)
		size += multiraft.EnvelopeSizeMax(env)
	}
	out := encodeFrame(1, 2, envs, size, func(_ *multiraft.Envelope, err error) { t.Error(err) })
	defer out.Free()
	return append([]byte(nil), out.ReadOnlyData()...)
}

// A frame gives back its messages in order; one that cannot be encoded is left
// out and does not spoil the others.
func TestFrame(t *testing.T) {
	seen := 0
	from, to, err := decodeFrame(sampleFrame(t, 200), func(env *multiraft.Envelope) error {
		if env.RegionID != uint64(seen) || len(env.Message.Entries[0].Data) != 10*seen {
			t.Fatalf("message %d: %+v", seen, env)
		}
		seen++
		return nil
	})
	if from != 1 || to != 2 || err != nil || seen != 200 {
		t.Fatalf("from %d to %d, %d messages, %v", from, to, seen, err)
	}

	good := &multiraft.Envelope{FromStore: 1, ToStore: 2, Message: &raftpb.Message{Type: raftpb.MsgApp.Enum()}}
	local := &multiraft.Envelope{FromStore: 1, ToStore: 2, Message: &raftpb.Message{Type: raftpb.MsgHup.Enum()}}
	bad := 0
	out := encodeFrame(1, 2, []*multiraft.Envelope{good, local, good}, 1, func(*multiraft.Envelope, error) { bad++ })
	seen = 0
	_, _, err = decodeFrame(out.ReadOnlyData(), func(*multiraft.Envelope) error { seen++; return nil })
	if err != nil || bad != 1 || seen != 2 {
		t.Errorf("%d left out, %d seen, %v", bad, seen, err)
	}
}

// frames is a stream that holds the given messages.
type frames struct {
	grpc.ServerStream
	left [][]byte
}

func (f *frames) RecvMsg(m any) error {
	if len(f.left) == 0 {
		return io.EOF
	}
	m.(*wrapperspb.BytesValue).Value = f.left[0]
	f.left = f.left[1:]
	return nil
}

// Only an end with the right number of bytes ends a raft snapshot; an error stays.
func TestSnapshotReaderEnd(t *testing.T) {
	for _, tc := range []struct {
		name  string
		after [][]byte
		want  error
	}{
		{"whole", [][]byte{{snapshotEnd, 3}}, io.EOF},
		{"stream ends without an end", nil, io.ErrUnexpectedEOF},
		{"too few bytes", [][]byte{{snapshotEnd, 4}}, errCorruptFrame},
		{"too many bytes", [][]byte{{snapshotEnd, 2}}, errCorruptFrame},
		{"end without a number", [][]byte{{snapshotEnd}}, errCorruptFrame},
		{"second header", [][]byte{{snapshotHeader}, {snapshotEnd, 3}}, errCorruptFrame},
		{"empty message", [][]byte{{}, {snapshotEnd, 3}}, errCorruptFrame},
		{"large chunk", [][]byte{append([]byte{snapshotChunk}, make([]byte, multiraft.SnapshotChunkBytesMax+1)...)}, errCorruptFrame},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := snapshotReader{s: &frames{left: append([][]byte{{snapshotChunk, 'a', 'b'}, {snapshotChunk, 'c'}}, tc.after...)}}
			for range 2 {
				if _, err := r.next(); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if _, err := r.next(); !errors.Is(err, tc.want) {
					t.Errorf("got %v, want %v", err, tc.want)
				}
			}
			if r.ended != (tc.want == io.EOF) {
				t.Errorf("ended: %v", r.ended)
			}
		})
	}
}

func FuzzDecodeFrame(f *testing.F) {
	f.Add(sampleFrame(f, 3))
	f.Add([]byte{frameVersion, 1, 2})
	heartbeat := &multiraft.Envelope{FromStore: 1, ToStore: 2, Liveness: &liveness.Message{}}
	out := encodeFrame(1, 2, []*multiraft.Envelope{heartbeat}, multiraft.EnvelopeSizeMax(heartbeat),
		func(_ *multiraft.Envelope, err error) { f.Error(err) })
	f.Add(append([]byte(nil), out.ReadOnlyData()...))
	out.Free()
	f.Fuzz(func(t *testing.T, b []byte) {
		from, to, err := decodeFrame(b, func(env *multiraft.Envelope) error {
			if (env.Message != nil) == (env.Liveness != nil) {
				t.Fatal("neither or both of a Raft message and one of store liveness")
			}
			if env.Message != nil && env.Message.Type == nil {
				t.Fatal("a message without a type")
			}
			return nil
		})
		if err != nil && !errors.Is(err, errCorruptFrame) && !errors.Is(err, multiraft.ErrCorruptEnvelope) {
			t.Fatalf("from %d to %d: error of another kind: %v", from, to, err)
		}
	})
}

func FuzzDecodeHeader(f *testing.F) {
	h, err := appendHeader(nil, multiraft.SnapshotHeader{Meta: []byte("meta"), Envelope: &multiraft.Envelope{
		Message: &raftpb.Message{Type: raftpb.MsgSnap.Enum(), Snapshot: &raftpb.Snapshot{Data: []byte("x")}},
	}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(h)
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := decodeHeader(b); err == nil && h.Envelope == nil {
			t.Fatal("a header without an envelope")
		}
	})
}
