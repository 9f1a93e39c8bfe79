package replica

import (
	"encoding/binary"
	"fmt"
	"strings"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// What a replica keeps on the disk, for people: used offline, on a store that is
// stopped. Nothing here is on the path of a request.

// Applied is a replica's stored progress.
type Applied struct {
	Index, Term    uint64
	SizeBytes      int64
	Fence, Collect timestamp.Timestamp
	// Newest is a bound of the timestamps of versions and rollback marks.
	Newest timestamp.Timestamp
	// Configuration is Raft's, as of Index.
	Configuration string
}

// LoadApplied returns the progress of a region's replica. It is an error if there is
// none.
func LoadApplied(r engine.Reader, regionID uint64) (Applied, error) {
	a, err := loadApplied(r, regionID)
	if err != nil {
		return Applied{}, err
	}
	return a.shown(), nil
}

func (a *appliedState) shown() Applied {
	conf := fmt.Sprintf("voters %v", a.conf.GetVoters())
	if out := a.conf.GetVotersOutgoing(); len(out) > 0 {
		conf += fmt.Sprintf(" outgoing %v", out)
	}
	if l := a.conf.GetLearners(); len(l) > 0 {
		conf += fmt.Sprintf(" learners %v", l)
	}
	return Applied{Index: a.index, Term: a.term, SizeBytes: a.sizeBytes, Fence: a.gc.fence, Collect: a.gc.collect, Newest: a.newest, Configuration: conf}
}

// FormatLocal writes the value of a region-local key for people. It never fails.
func FormatLocal(name string, value []byte) string {
	bad := func(err error) string { return fmt.Sprintf("! %v (0x%x)", err, value) }
	switch name {
	case keys.NameApplied:
		a, err := decodeApplied(value)
		if err != nil {
			return bad(err)
		}
		s := a.shown()
		return fmt.Sprintf("index %d term %d size %d fence %v collect %v newest %v %s", s.Index, s.Term, s.SizeBytes, s.Fence, s.Collect, s.Newest, s.Configuration)
	case keys.NameDescriptor:
		d := &metapb.Region{}
		if err := proto.Unmarshal(value, d); err != nil {
			return bad(err)
		}
		return describeRegion(d)
	case namePeer, nameMerged:
		id, n := binary.Uvarint(value)
		if n <= 0 {
			return bad(errBadCommand)
		}
		return fmt.Sprintf("peer %d", id)
	}
	return fmt.Sprintf("0x%x", value)
}

func describeRegion(d *metapb.Region) string {
	var peers []string
	for _, p := range d.GetPeers() {
		peers = append(peers, fmt.Sprintf("%d@%d %s", p.GetId(), p.GetStoreId(), strings.ToLower(p.GetRole().String())))
	}
	end := "max"
	if len(d.GetEndKey()) > 0 {
		end = keys.User(d.GetEndKey()).String()
	}
	out := fmt.Sprintf("region %d [%s, %s) epoch %d/%d peers %s", d.GetId(), keys.User(d.GetStartKey()), end, d.GetEpoch().GetConfVer(), d.GetEpoch().GetVersion(), strings.Join(peers, ", "))
	if d.GetStickyStart() {
		out += ", kept boundary"
	}
	if m := d.GetMerging(); m != nil {
		out += fmt.Sprintf(", merging into %d since index %d", m.GetTarget(), m.GetIndex())
	}
	return out
}

// String names the command.
func (k commandKind) String() string {
	switch k {
	case cmdWrite:
		return "write"
	case cmdSplit:
		return "split"
	case cmdChangePeers:
		return "change-peers"
	case cmdGC:
		return "gc"
	case cmdChecksum:
		return "checksum"
	case cmdLocks:
		return "locks"
	case cmdPrepareMerge:
		return "prepare-merge"
	case cmdCommitMerge:
		return "commit-merge"
	case cmdSettleMerge:
		return "settle-merge"
	case cmdRollbackMerge:
		return "rollback-merge"
	case cmdSticky:
		return "sticky"
	}
	return fmt.Sprintf("command %d", byte(k))
}

// FormatEntry says in a line what an entry of a raft log carries. batch is the engine
// batch of a write, nil for anything else.
func FormatEntry(e *raftpb.Entry) (text string, batch []byte, err error) {
	data := e.GetData()
	switch e.GetType() {
	case raftpb.EntryNormal:
		if len(data) == 0 {
			return "empty: a leader's first entry", nil, nil
		}
	default:
		cc := &raftpb.ConfChangeV2{}
		if err := proto.Unmarshal(data, cc); err != nil {
			return "", nil, fmt.Errorf("configuration change: %w", err)
		}
		if len(cc.GetChanges()) == 0 {
			return "end of a joint configuration", nil, nil
		}
		data = cc.GetContext()
	}
	c, err := decodeCommand(data)
	if err != nil {
		return "", nil, err
	}
	text = fmt.Sprintf("%v proposal %d epoch %d/%d", c.kind, c.id, c.confVer, c.version)
	if c.term != e.GetTerm() {
		text += fmt.Sprintf(" evaluated in term %d: without effect", c.term)
	}
	detail, err := c.detail()
	if detail != "" {
		text += ": " + detail
	}
	if c.kind == cmdWrite {
		batch = c.payload
	}
	return text, batch, err
}

// detail says what a command orders, "" for a write.
func (c *command) detail() (string, error) {
	read := func(m proto.Message) error { return proto.Unmarshal(c.payload, m) }
	switch c.kind {
	case cmdWrite:
		return fmt.Sprintf("%d bytes", len(c.payload)), nil
	case cmdSplit:
		req := &kvpb.SplitRequest{}
		if err := read(req); err != nil {
			return "", err
		}
		var parts []string
		for i, k := range req.GetKeys() {
			id := uint64(0)
			if i < len(req.GetNewRegions()) {
				id = req.GetNewRegions()[i].GetRegionId()
			}
			parts = append(parts, fmt.Sprintf("region %d from %s", id, keys.User(k)))
		}
		return strings.Join(parts, ", "), nil
	case cmdChangePeers:
		req := &kvpb.ChangePeersRequest{}
		if err := read(req); err != nil {
			return "", err
		}
		var parts []string
		for _, ch := range req.GetChanges() {
			parts = append(parts, fmt.Sprintf("%s peer %d on store %d", strings.ToLower(strings.ReplaceAll(ch.GetType().String(), "_", " ")), ch.GetPeer().GetId(), ch.GetPeer().GetStoreId()))
		}
		return strings.Join(parts, ", "), nil
	case cmdGC:
		g, err := decodeGC(c.payload)
		return fmt.Sprintf("fence %v collect %v", g.fence, g.collect), err
	case cmdSettleMerge:
		req := &kvpb.SettleMergeRequest{}
		err := read(req)
		return fmt.Sprintf("of region %d at index %d", req.GetSourceId(), req.GetMerging().GetIndex()), err
	case cmdRollbackMerge:
		req := &kvpb.RollbackMergeRequest{}
		err := read(req)
		return fmt.Sprintf("begun at index %d", req.GetIndex()), err
	case cmdPrepareMerge:
		req := &kvpb.PrepareMerge{}
		err := read(req)
		return fmt.Sprintf("into region %d in epoch %d/%d", req.GetTarget(), req.GetTargetEpoch().GetConfVer(), req.GetTargetEpoch().GetVersion()), err
	case cmdCommitMerge:
		req := &kvpb.CommitMerge{}
		err := read(req)
		return fmt.Sprintf("takes region %d, %d bytes, %d row locks", req.GetSource().GetId(), req.GetSizeBytes(), len(req.GetLocks())), err
	case cmdLocks:
		req := &kvpb.CarriedLocks{}
		err := read(req)
		return fmt.Sprintf("%d bytes", len(c.payload)), err
	}
	return "", nil
}
