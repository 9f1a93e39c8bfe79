package replica

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/internal/timestamp"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
)

// A region's log begins behind this entry, of which every replica has the effect
// from bootstrap or from its birth. It is not zero, so that an empty log is told
// from the beginning of the history: a new peer always needs a raft snapshot.
const (
	InitialIndex = 5
	InitialTerm  = 5
)

// appliedState is what a replica knows about its progress. It is written in the
// same engine batch as the data of the last entry that it covers (rule C1).
type appliedState struct {
	index, term uint64
	conf        *raftpb.ConfState
	sizeBytes   int64 // approximate: what the last collection of garbage left and was written since, minus what splits took away
	gc          gcState
	// newest: no version of the region has a commit timestamp above it, no rollback mark
	// a start timestamp. newestUnknown is true of every region.
	newest timestamp.Timestamp

	// encodedConf is encodedOf as it is written: the configuration hardly ever changes.
	encodedConf []byte
	encodedOf   *raftpb.ConfState
}

// appliedVersion is 3 since the newest timestamp is in it. States of version 2 are
// read: they do not know it. Those of version 1 have no bounds of the garbage
// collection either.
const appliedVersion = 3

func (a *appliedState) encode() ([]byte, error) {
	if a.encodedOf != a.conf || a.conf == nil {
		conf, err := proto.Marshal(a.conf)
		if err != nil {
			return nil, fmt.Errorf("encode configuration: %w", err)
		}
		a.encodedOf, a.encodedConf = a.conf, conf
	}
	conf := a.encodedConf
	b := make([]byte, 0, 58+len(conf))
	b = append(b, appliedVersion)
	b = binary.AppendUvarint(b, a.index)
	b = binary.AppendUvarint(b, a.term)
	b = binary.AppendUvarint(b, uint64(max(a.sizeBytes, 0)))
	b = a.gc.append(b)
	b = binary.AppendUvarint(b, uint64(a.newest))
	return append(b, conf...), nil
}

func decodeApplied(b []byte) (appliedState, error) {
	var a appliedState
	if len(b) == 0 || b[0] == 0 || b[0] > appliedVersion {
		return a, errors.New("applied state: unknown format")
	}
	f := [6]uint64{5: uint64(newestUnknown)}
	n := len(f)
	switch b[0] {
	case 1:
		n = 3
	case 2:
		n = 5
	}
	b = b[1:]
	for i := range n {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return a, errors.New("applied state: truncated")
		}
		f[i], b = v, b[n:]
	}
	a.index, a.term, a.sizeBytes, a.conf = f[0], f[1], int64(f[2]), &raftpb.ConfState{}
	a.gc = gcState{fence: timestamp.Timestamp(f[3]), collect: timestamp.Timestamp(f[4])}
	a.newest = timestamp.Timestamp(f[5])
	if err := proto.Unmarshal(b, a.conf); err != nil {
		return a, fmt.Errorf("applied state: configuration: %w", err)
	}
	return a, nil
}

func writeApplied(w engine.Writer, regionID uint64, a *appliedState) error {
	b, err := a.encode()
	if err != nil {
		return err
	}
	return w.Set(keys.RegionLocal(regionID, keys.NameApplied), b)
}

func writeDescriptor(w engine.Writer, desc *metapb.Region) error {
	b, err := proto.Marshal(desc)
	if err != nil {
		return fmt.Errorf("encode descriptor: %w", err)
	}
	return w.Set(keys.RegionLocal(desc.GetId(), keys.NameDescriptor), b)
}

// namePeer is the region-local key of the replica's own peer id. The descriptor
// does not tell it any more when the peer was removed.
const namePeer = "peer"

func writePeer(w engine.Writer, regionID, peerID uint64) error {
	return w.Set(keys.RegionLocal(regionID, namePeer), binary.AppendUvarint(nil, peerID))
}

// LoadPeer returns the id of this store's peer of a region, found = false if the
// state engine does not hold the region.
func LoadPeer(r engine.Reader, regionID uint64) (peerID uint64, found bool, err error) {
	b, found, err := r.Get(keys.RegionLocal(regionID, namePeer))
	if err != nil || !found {
		return 0, false, err
	}
	peerID, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, false, fmt.Errorf("region %d: malformed peer id", regionID)
	}
	return peerID, true, nil
}

// WriteInitial writes the state of a region's replica on a store at bootstrap.
func WriteInitial(w engine.Writer, desc *metapb.Region, storeID uint64) error {
	p := region.PeerOn(desc, storeID)
	if p == nil {
		return fmt.Errorf("region %d has no peer on store %d", desc.GetId(), storeID)
	}
	return writeInitial(w, desc, p.GetId(), appliedState{})
}

// writeInitial writes the state of a new replica. What is not about its log and its
// members it takes from a.
func writeInitial(w engine.Writer, desc *metapb.Region, peerID uint64, a appliedState) error {
	if err := region.Validate(desc); err != nil {
		return err
	}
	if err := writePeer(w, desc.GetId(), peerID); err != nil {
		return err
	}
	if err := writeDescriptor(w, desc); err != nil {
		return err
	}
	a.index, a.term, a.conf = InitialIndex, InitialTerm, confStateOf(desc)
	return writeApplied(w, desc.GetId(), &a)
}

// LoadDescriptor returns the region's descriptor in the state engine, or nil.
func LoadDescriptor(r engine.Reader, regionID uint64) (*metapb.Region, error) {
	b, found, err := r.Get(keys.RegionLocal(regionID, keys.NameDescriptor))
	if err != nil || !found {
		return nil, err
	}
	desc := &metapb.Region{}
	if err := proto.Unmarshal(b, desc); err != nil {
		return nil, fmt.Errorf("descriptor of region %d: %w", regionID, err)
	}
	if desc.GetId() != regionID {
		return nil, fmt.Errorf("descriptor of region %d names region %d", regionID, desc.GetId())
	}
	return desc, nil
}

func loadApplied(r engine.Reader, regionID uint64) (appliedState, error) {
	b, found, err := r.Get(keys.RegionLocal(regionID, keys.NameApplied))
	if err != nil {
		return appliedState{}, err
	}
	if !found {
		return appliedState{}, fmt.Errorf("region %d has a descriptor but no applied state", regionID)
	}
	a, err := decodeApplied(b)
	if err != nil {
		return appliedState{}, fmt.Errorf("region %d: %w", regionID, err)
	}
	return a, nil
}

// ClearState adds to w the deletion of everything that the state engine holds for
// a region: its keys in [start, end) and what the replica keeps about it.
func ClearState(w engine.Writer, desc *metapb.Region) error {
	if err := clearUserKeys(w, desc.GetStartKey(), desc.GetEndKey()); err != nil {
		return err
	}
	local := keys.RegionLocalSpan(desc.GetId())
	return w.DeleteRange(local.Start, local.End)
}

func clearUserKeys(w engine.Writer, start, end []byte) error {
	for _, s := range keys.UserSpans(start, end) {
		if err := w.DeleteRange(s.Start, s.End); err != nil {
			return err
		}
	}
	return nil
}

// confStateOf derives Raft's configuration from the peers of a region that is
// not in a joint configuration.
func confStateOf(desc *metapb.Region) *raftpb.ConfState {
	cs := &raftpb.ConfState{}
	for _, p := range desc.GetPeers() {
		if p.GetRole() == metapb.PeerRole_LEARNER {
			cs.Learners = append(cs.Learners, p.GetId())
		} else {
			cs.Voters = append(cs.Voters, p.GetId())
		}
	}
	return cs
}
