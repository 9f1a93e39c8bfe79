package multiraft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/multiraft/liveness"
)

// The encoding of an envelope. All numbers are unsigned varints; a field of bytes
// is its length and then the bytes.
//
//	version                     1 byte, codecVersion
//	region, from and to store, from and to peer, conf version, version
//	flags                       1 byte: range, acknowledgement, liveness present
//	[start key, end key]
//	[epoch: supporter, supported, count; commit index]
//	[liveness message, and nothing more]
//	message type
//	present fields              bit set, in the order of the field… constants
//	the numbers that are present, in that order
//	[context]                   [snapshot: its protobuf encoding]
//	number of entries, bytes of all their data, then each entry:
//	    flags 1 byte: which fields are present; [type] [term] [index] [data]
//
// Presence is kept because the messages are proto2: what comes out equals what
// went in. Message.Responses never leaves a store and is refused.
const codecVersion = 2

const (
	flagRange = 1 << iota
	flagAck
	flagLiveness

	flagMask = 1<<3 - 1
)

// Bits of the present fields. The numbers come first, in the order of encoding.
const (
	fieldTo = 1 << iota
	fieldFrom
	fieldTerm
	fieldLogTerm
	fieldIndex
	fieldCommit
	fieldVote
	fieldRejectHint
	fieldReject     // no bytes: the value is in fieldRejectTrue
	fieldRejectTrue // set if Reject is present and true
	fieldContext
	fieldSnapshot

	numberFields = 8
	numberMask   = 1<<numberFields - 1
	fieldMask    = 1<<12 - 1
)

// Bits of an entry's present fields.
const (
	entryType = 1 << iota
	entryTerm
	entryIndex
	entryData

	entryMask = 1<<4 - 1
)

// ErrCorruptEnvelope is wrapped by all errors of DecodeEnvelope.
var ErrCorruptEnvelope = errors.New("corrupt raft message")

// EnvelopeSizeMax returns an upper bound of the envelope's encoded size.
func EnvelopeSizeMax(env *Envelope) int {
	if env.Liveness != nil {
		return 2 + 20*binary.MaxVarintLen64 + len(env.StartKey) + len(env.EndKey)
	}
	m := env.Message
	n := 1 + 12*binary.MaxVarintLen64 + 2*binary.MaxVarintLen64 + // header, keys' lengths
		(numberFields+6)*binary.MaxVarintLen64 +
		len(env.StartKey) + len(env.EndKey) + len(m.Context)
	if m.Snapshot != nil {
		n += proto.Size(m.Snapshot)
	}
	for _, e := range m.Entries {
		n += 1 + 4*binary.MaxVarintLen64 + len(e.GetData())
	}
	return n
}

// AppendEnvelope appends the encoding of env to dst. It fails for messages that
// must not leave a store.
func AppendEnvelope(dst []byte, env *Envelope) ([]byte, error) {
	m := env.Message
	if m == nil && env.Liveness == nil {
		return dst, errors.New("encode raft message: there is none")
	}
	if len(m.GetResponses()) > 0 || (m != nil && raft.IsLocalMsg(m.GetType())) {
		return dst, fmt.Errorf("encode raft message: %v is local to a store", m.GetType())
	}
	dst = append(dst, codecVersion)
	for _, v := range [...]uint64{
		env.RegionID, env.FromStore, env.ToStore, env.FromPeer, env.ToPeer, env.ConfVer, env.Version,
	} {
		dst = binary.AppendUvarint(dst, v)
	}
	flags := byte(0)
	if env.HasRange {
		flags |= flagRange
	}
	ack := !env.Epoch.IsZero() || env.Commit > 0
	if ack {
		flags |= flagAck
	}
	if env.Liveness != nil {
		flags |= flagLiveness
	}
	dst = append(dst, flags)
	if env.HasRange {
		dst = appendBytes(dst, env.StartKey)
		dst = appendBytes(dst, env.EndKey)
	}
	if ack {
		for _, v := range [...]uint64{env.Epoch.Supporter, env.Epoch.Supported, env.Epoch.Count, env.Commit} {
			dst = binary.AppendUvarint(dst, v)
		}
	}
	if env.Liveness != nil {
		return appendLiveness(dst, env.Liveness), nil
	}
	return appendMessage(dst, m)
}

// appendLiveness leaves out the stores, which are the envelope's.
func appendLiveness(dst []byte, m *liveness.Message) []byte {
	asks := uint64(0)
	if m.Asks {
		asks = 1
	}
	for _, v := range [...]uint64{m.Boot, m.PeerBoot, uint64(m.SentAt), asks, uint64(m.Echo), m.Count, uint64(m.Base)} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}

func (r *reader) liveness(env *Envelope) *liveness.Message {
	m := &liveness.Message{From: env.FromStore, To: env.ToStore}
	var sent, asks, echo, base uint64
	for _, p := range [...]*uint64{&m.Boot, &m.PeerBoot, &sent, &asks, &echo, &m.Count, &base} {
		*p = r.uvarint()
	}
	if asks > 1 || max(sent, echo, base) > uint64(liveness.Never) {
		r.fail("number out of range")
	}
	m.Asks, m.SentAt, m.Echo, m.Base = asks == 1, time.Duration(sent), time.Duration(echo), time.Duration(base)
	return m
}

func appendMessage(dst []byte, m *raftpb.Message) ([]byte, error) {
	dst = binary.AppendUvarint(dst, uint64(m.GetType()))
	numbers := [numberFields]*uint64{m.To, m.From, m.Term, m.LogTerm, m.Index, m.Commit, m.Vote, m.RejectHint}
	fields := uint64(0)
	for i, p := range numbers {
		if p != nil {
			fields |= 1 << i
		}
	}
	if m.Reject != nil {
		fields |= fieldReject
		if *m.Reject {
			fields |= fieldRejectTrue
		}
	}
	if m.Context != nil {
		fields |= fieldContext
	}
	if m.Snapshot != nil {
		fields |= fieldSnapshot
	}
	dst = binary.AppendUvarint(dst, fields)
	for _, p := range numbers {
		if p != nil {
			dst = binary.AppendUvarint(dst, *p)
		}
	}
	if m.Context != nil {
		dst = appendBytes(dst, m.Context)
	}
	if m.Snapshot != nil {
		dst = binary.AppendUvarint(dst, uint64(proto.Size(m.Snapshot)))
		var err error
		if dst, err = (proto.MarshalOptions{}).MarshalAppend(dst, m.Snapshot); err != nil {
			return dst, fmt.Errorf("encode raft message: %w", err)
		}
	}
	if len(m.Entries) > entriesMax {
		return dst, fmt.Errorf("encode raft message: %d entries, at most %d are allowed", len(m.Entries), entriesMax)
	}
	return appendEntries(dst, m.Entries), nil
}

func appendEntries(dst []byte, es []*raftpb.Entry) []byte {
	data := 0
	for _, e := range es {
		data += len(e.GetData())
	}
	dst = binary.AppendUvarint(dst, uint64(len(es)))
	dst = binary.AppendUvarint(dst, uint64(data))
	for _, e := range es {
		fields := byte(0)
		at := len(dst)
		dst = append(dst, 0)
		if e.Type != nil {
			fields |= entryType
			dst = binary.AppendUvarint(dst, uint64(*e.Type))
		}
		if e.Term != nil {
			fields |= entryTerm
			dst = binary.AppendUvarint(dst, *e.Term)
		}
		if e.Index != nil {
			fields |= entryIndex
			dst = binary.AppendUvarint(dst, *e.Index)
		}
		if e.Data != nil {
			fields |= entryData
			dst = appendBytes(dst, e.Data)
		}
		dst[at] = fields
	}
	return dst
}

func appendBytes(dst, b []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// decoded is an envelope with the memory that its message needs in any case.
type decoded struct {
	env     Envelope
	msg     raftpb.Message
	typ     raftpb.MessageType
	numbers [numberFields]uint64
	reject  bool
}

// DecodeEnvelope reads an envelope that fills b. The result shares no memory with
// b; the data of all its entries lie in one piece of memory. What
// it allocates is bounded by len(b) and entriesMax, not by numbers found in b. It
// accepts only messages that may come from another store, and returns an error
// that wraps ErrCorruptEnvelope for anything else.
func DecodeEnvelope(b []byte) (*Envelope, error) {
	r := reader{b: b}
	if v := r.byte(); r.err == nil && v != codecVersion {
		return nil, fmt.Errorf("%w: version %d, this binary knows %d", ErrCorruptEnvelope, v, codecVersion)
	}
	d := new(decoded)
	env := &d.env
	for _, p := range [...]*uint64{
		&env.RegionID, &env.FromStore, &env.ToStore, &env.FromPeer, &env.ToPeer, &env.ConfVer, &env.Version,
	} {
		*p = r.uvarint()
	}
	flags := r.byte()
	if flags&^byte(flagMask) != 0 {
		r.fail("unknown flags")
	}
	if flags&flagRange != 0 {
		env.HasRange = true
		env.StartKey = r.clone(r.uvarint())
		env.EndKey = r.clone(r.uvarint())
	}
	if flags&flagAck != 0 {
		for _, p := range [...]*uint64{&env.Epoch.Supporter, &env.Epoch.Supported, &env.Epoch.Count, &env.Commit} {
			*p = r.uvarint()
		}
		if e := env.Epoch; e.IsZero() && (env.Commit == 0 || e != (liveness.Epoch{})) {
			r.fail("acknowledgement of nothing")
		}
	}
	if flags&flagLiveness != 0 {
		env.Liveness = r.liveness(env)
	} else {
		r.message(d)
		env.Message = &d.msg
	}
	if r.err == nil && len(r.b) > 0 {
		r.fail("bytes behind the end")
	}
	if r.err != nil {
		return nil, r.err
	}
	return env, nil
}

// reader takes fields off a slice. After the first error every method returns
// zero values.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrCorruptEnvelope, what)
	}
	r.b = nil
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.fail("truncated")
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail("truncated or oversized number")
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes returns the next n bytes, which still belong to the input.
func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail("length beyond the end")
		return nil
	}
	c := r.b[:n:n]
	r.b = r.b[n:]
	return c
}

// clone returns a copy of the next n bytes that is not nil unless it fails.
func (r *reader) clone(n uint64) []byte {
	b := r.bytes(n)
	if r.err != nil {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

func (r *reader) message(d *decoded) {
	m := &d.msg
	t := r.uvarint()
	if _, known := raftpb.MessageType_name[int32(min(t, 1<<31-1))]; !known {
		r.fail("unknown message type")
		return
	}
	d.typ = raftpb.MessageType(t)
	m.Type = &d.typ
	fields := r.uvarint()
	if fields&^fieldMask != 0 {
		r.fail("unknown message fields")
	}
	targets := [numberFields]**uint64{
		&m.To, &m.From, &m.Term, &m.LogTerm, &m.Index, &m.Commit, &m.Vote, &m.RejectHint,
	}
	for f := fields & numberMask; f != 0; f &= f - 1 {
		i := bits.TrailingZeros64(f)
		d.numbers[i] = r.uvarint()
		*targets[i] = &d.numbers[i]
	}
	if fields&fieldReject != 0 {
		d.reject = fields&fieldRejectTrue != 0
		m.Reject = &d.reject
	} else if fields&fieldRejectTrue != 0 {
		r.fail("value of an absent field")
	}
	if fields&fieldContext != 0 {
		m.Context = r.clone(r.uvarint())
	}
	if fields&fieldSnapshot != 0 {
		b := r.bytes(r.uvarint())
		if r.err == nil {
			m.Snapshot = new(raftpb.Snapshot)
			if err := proto.Unmarshal(b, m.Snapshot); err != nil {
				r.fail("bad snapshot")
			}
		}
	}
	// What a store sends to itself must not be forged from outside: the library
	// trusts a MsgStorageAppendResp to mean that entries are durable.
	if raft.IsLocalMsg(d.typ) || raft.IsLocalMsgTarget(m.GetFrom()) || raft.IsLocalMsgTarget(m.GetTo()) {
		r.fail("message that is local to a store")
	}
	r.entries(m)
}

// entryMemory holds what the fields of one entry point to.
type entryMemory struct {
	entry       raftpb.Entry
	term, index uint64
	typ         raftpb.EntryType
}

func (r *reader) entries(m *raftpb.Message) {
	n, size := r.uvarint(), r.uvarint()
	// An entry takes one byte at least.
	if n > entriesMax || n > uint64(len(r.b)) || size > uint64(len(r.b)) {
		r.fail("more entries than bytes")
	}
	if r.err != nil || n == 0 {
		if size != 0 {
			r.fail("data without entries")
		}
		return
	}
	m.Entries = make([]*raftpb.Entry, 0, min(n, entriesPrealloc))
	slab := make([]entryMemory, min(n, entriesPrealloc))
	data := make([]byte, 0, size)
	for i := uint64(0); i < n && r.err == nil; i++ {
		if len(slab) == 0 {
			slab = make([]entryMemory, min(n-i, entriesPrealloc))
		}
		s := &slab[0]
		slab = slab[1:]
		fields := r.byte()
		if fields&^byte(entryMask) != 0 {
			r.fail("unknown entry fields")
		}
		if fields&entryType != 0 {
			t := r.uvarint()
			if _, known := raftpb.EntryType_name[int32(min(t, 1<<31-1))]; !known {
				r.fail("unknown entry type")
			}
			s.typ = raftpb.EntryType(t)
			s.entry.Type = &s.typ
		}
		if fields&entryTerm != 0 {
			s.term = r.uvarint()
			s.entry.Term = &s.term
		}
		if fields&entryIndex != 0 {
			s.index = r.uvarint()
			s.entry.Index = &s.index
		}
		if fields&entryData != 0 {
			b := r.bytes(r.uvarint())
			if len(b) > cap(data)-len(data) {
				r.fail("more data than announced")
				return
			}
			at := len(data)
			data = append(data, b...)
			s.entry.Data = data[at:len(data):len(data)]
		}
		m.Entries = append(m.Entries, &s.entry)
	}
	if uint64(len(data)) != size {
		r.fail("less data than announced")
	}
}

const (
	// entriesMax bounds the entries of a message. The library counts at least
	// four bytes of MaxAppendBytes for each, so that it never makes so many.
	entriesMax = 1 << 17
	// entriesPrealloc bounds the memory that is taken on the word of a count: a
	// message of MaxAppendBytes with entries of a usual size fits.
	entriesPrealloc = 1024
)
