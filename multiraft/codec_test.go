package multiraft

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/quorate-db/quorate/multiraft/liveness"
)

// equalEnvelopes compares, presence of optional fields included.
func equalEnvelopes(a, b *Envelope) bool {
	x, y := *a, *b
	x.Message, y.Message = nil, nil
	return reflect.DeepEqual(x, y) && proto.Equal(a.Message, b.Message)
}

func genEnvelope(t *rapid.T) *Envelope {
	num := func(name string) uint64 {
		return rapid.OneOf(rapid.Uint64Range(0, 300), rapid.Uint64Range(0, 1<<63)).Draw(t, name)
	}
	opt := func(name string) *uint64 {
		if !rapid.Bool().Draw(t, "has "+name) {
			return nil
		}
		return new(num(name))
	}
	blob := func(name string) []byte { return rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name) }
	types := []raftpb.MessageType{raftpb.MsgApp, raftpb.MsgAppResp, raftpb.MsgVote, raftpb.MsgHeartbeat, raftpb.MsgSnap, raftpb.MsgTimeoutNow}
	m := &raftpb.Message{
		Type: rapid.SampledFrom(types).Draw(t, "type").Enum(),
		To:   opt("to"), From: opt("from"), Term: opt("term"), LogTerm: opt("logterm"), Index: opt("index"),
		Commit: opt("commit"), Vote: opt("vote"), RejectHint: opt("hint"),
	}
	if rapid.Bool().Draw(t, "has reject") {
		m.Reject = new(rapid.Bool().Draw(t, "reject"))
	}
	if rapid.Bool().Draw(t, "has context") {
		m.Context = blob("context")
	}
	if rapid.Bool().Draw(t, "has snapshot") {
		m.Snapshot = &raftpb.Snapshot{Data: blob("snap"), Metadata: &raftpb.SnapshotMetadata{
			Index: opt("snapindex"), Term: opt("snapterm"), ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}},
		}}
	}
	for range rapid.IntRange(0, 5).Draw(t, "entries") {
		e := &raftpb.Entry{Term: opt("eterm"), Index: opt("eindex")}
		if rapid.Bool().Draw(t, "has etype") {
			e.Type = rapid.SampledFrom([]raftpb.EntryType{raftpb.EntryNormal, raftpb.EntryConfChangeV2}).Draw(t, "etype").Enum()
		}
		if rapid.Bool().Draw(t, "has data") {
			e.Data = blob("data")
		}
		m.Entries = append(m.Entries, e)
	}
	env := &Envelope{
		RegionID: num("region"), FromStore: num("fs"), ToStore: num("ts"), FromPeer: num("fp"), ToPeer: num("tp"),
		ConfVer: num("cv"), Version: num("v"), Message: m,
	}
	if rapid.Bool().Draw(t, "has range") {
		env.HasRange, env.StartKey, env.EndKey = true, blob("start"), blob("end")
	}
	if rapid.Bool().Draw(t, "has epoch") {
		env.Epoch = liveness.Epoch{Supporter: num("supporter"), Supported: num("supported"), Count: 1 + num("count")}
	}
	env.Commit = num("envelope commit")
	if rapid.Bool().Draw(t, "is liveness") {
		instant := func(name string) time.Duration { return time.Duration(rapid.Int64Min(0).Draw(t, name)) }
		env.Message, env.Liveness = nil, &liveness.Message{
			From: env.FromStore, To: env.ToStore, Boot: num("boot"), PeerBoot: num("peer boot"), SentAt: instant("sent"),
			Asks: rapid.Bool().Draw(t, "asks"), Echo: instant("echo"), Count: num("grant"), Base: instant("base"),
		}
	}
	return env
}

// What is decoded equals what was encoded, stays within the promised size, and
// does not change when the input is overwritten afterwards.
func TestEnvelopeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := genEnvelope(t)
		b, err := AppendEnvelope([]byte("prefix"), env)
		if err != nil {
			t.Fatal(err)
		}
		b = b[len("prefix"):]
		if len(b) > EnvelopeSizeMax(env) {
			t.Fatalf("%d bytes, bound was %d", len(b), EnvelopeSizeMax(env))
		}
		got, err := DecodeEnvelope(b)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] ^= 0xff
		}
		if !equalEnvelopes(env, got) {
			t.Fatalf("got  %+v %v\nwant %+v %v", got, got.Message, env, env.Message)
		}
	})
}

// Every prefix of an encoding, and an encoding with bytes behind it, is refused.
func TestEnvelopeTruncated(t *testing.T) {
	b, err := AppendEnvelope(nil, sampleEnvelope())
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if _, err := DecodeEnvelope(b[:n]); !errors.Is(err, ErrCorruptEnvelope) {
			t.Fatalf("%d of %d bytes: %v", n, len(b), err)
		}
	}
	if _, err := DecodeEnvelope(append(b, 0)); !errors.Is(err, ErrCorruptEnvelope) {
		t.Fatalf("a byte behind the end: %v", err)
	}
}

// A peer cannot make a store believe that its own disk or its own state machine
// has answered, nor can such a message be sent by mistake.
func TestEnvelopeLocalMessagesAreRefused(t *testing.T) {
	for _, typ := range []raftpb.MessageType{
		raftpb.MsgHup, raftpb.MsgBeat, raftpb.MsgUnreachable, raftpb.MsgStorageAppend,
		raftpb.MsgStorageAppendResp, raftpb.MsgStorageApply, raftpb.MsgStorageApplyResp, raftpb.MsgCheckQuorum,
	} {
		env := &Envelope{RegionID: 1, Message: &raftpb.Message{Type: typ.Enum()}}
		if _, err := AppendEnvelope(nil, env); err == nil {
			t.Errorf("%v was encoded", typ)
		}
		ok, err := AppendEnvelope(nil, &Envelope{RegionID: 1, Message: &raftpb.Message{Type: raftpb.MsgApp.Enum()}})
		if err != nil {
			t.Fatal(err)
		}
		at := len(ok) - 4 // type, fields, entries, data
		if ok[at] != byte(raftpb.MsgApp) {
			t.Fatalf("message type is not at %d of %x", at, ok)
		}
		ok[at] = byte(typ)
		if _, err := DecodeEnvelope(ok); !errors.Is(err, ErrCorruptEnvelope) {
			t.Errorf("%v was decoded: %v", typ, err)
		}
	}
	forged, err := AppendEnvelope(nil, &Envelope{RegionID: 1, Message: &raftpb.Message{
		Type: raftpb.MsgAppResp.Enum(), From: new(uint64(raft.LocalAppendThread)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeEnvelope(forged); !errors.Is(err, ErrCorruptEnvelope) {
		t.Errorf("message from the local append thread was decoded: %v", err)
	}
}

// A count without the bytes to back it costs no memory.
func TestEnvelopeForgedCount(t *testing.T) {
	b, err := AppendEnvelope(nil, &Envelope{RegionID: 1, Message: &raftpb.Message{Type: raftpb.MsgApp.Enum()}})
	if err != nil {
		t.Fatal(err)
	}
	b = append(b[:len(b)-2], 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)
	allocs := testing.AllocsPerRun(10, func() {
		if _, err := DecodeEnvelope(b); !errors.Is(err, ErrCorruptEnvelope) {
			t.Errorf("forged count: %v", err)
		}
	})
	if allocs > 8 {
		t.Errorf("%v allocations", allocs)
	}
}

func sampleEnvelope() *Envelope {
	return &Envelope{
		RegionID: 77, FromStore: 1, ToStore: 2, FromPeer: 101, ToPeer: 102, ConfVer: 3, Version: 9,
		HasRange: true, StartKey: []byte("a"), EndKey: []byte("m"),
		Message: &raftpb.Message{
			Type: raftpb.MsgApp.Enum(), To: new(uint64(102)), From: new(uint64(101)), Term: new(uint64(6)),
			LogTerm: new(uint64(6)), Index: new(uint64(1200)), Commit: new(uint64(1199)),
			Entries: []*raftpb.Entry{
				{Term: new(uint64(6)), Index: new(uint64(1201)), Data: bytes.Repeat([]byte("x"), 100)},
				{Term: new(uint64(6)), Index: new(uint64(1202))},
			},
		},
	}
}

func FuzzDecodeEnvelope(f *testing.F) {
	b, err := AppendEnvelope(nil, sampleEnvelope())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	snap := sampleEnvelope()
	snap.Message = &raftpb.Message{Type: raftpb.MsgSnap.Enum(), Reject: new(true), Context: []byte{1},
		Snapshot: &raftpb.Snapshot{Metadata: &raftpb.SnapshotMetadata{Index: new(uint64(7))}}}
	if b, err = AppendEnvelope(nil, snap); err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		env, err := DecodeEnvelope(b)
		if err != nil {
			if !errors.Is(err, ErrCorruptEnvelope) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		// What was accepted means the same after another trip.
		again, err := AppendEnvelope(nil, env)
		if err != nil {
			t.Fatalf("decoded but not encodable: %v", err)
		}
		env2, err := DecodeEnvelope(again)
		if err != nil || !equalEnvelopes(env, env2) {
			t.Fatalf("second trip differs: %v", err)
		}
	})
}

func BenchmarkEnvelope(b *testing.B) {
	env := sampleEnvelope()
	buf, err := AppendEnvelope(nil, env)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		dst := make([]byte, 0, 4096)
		for b.Loop() {
			if _, err := AppendEnvelope(dst, env); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := DecodeEnvelope(buf); err != nil {
				b.Fatal(err)
			}
		}
	})
}
