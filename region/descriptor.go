package region

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/storage/keys"
)

// ID names a region, for ever.
type ID = uint64

// Ids that bootstrap gives out. Placement gives larger ones.
const (
	// PlacementID is the region of the placement state, ["", "\x02").
	PlacementID ID = 1
	// FirstUserID is the first region of user keys, ["\x02", "") at bootstrap.
	FirstUserID ID = 2
)

// ContainsKey reports whether key lies in [start, end); an empty end is infinity.
func ContainsKey(start, end, key []byte) bool {
	return bytes.Compare(key, start) >= 0 && (len(end) == 0 || bytes.Compare(key, end) < 0)
}

// Contains reports whether the region holds key.
func Contains(r *metapb.Region, key []byte) bool {
	return ContainsKey(r.GetStartKey(), r.GetEndKey(), key)
}

// ContainsRange reports whether the region holds all of [start, end); an empty
// end is infinity.
func ContainsRange(r *metapb.Region, start, end []byte) bool {
	if bytes.Compare(start, r.GetStartKey()) < 0 {
		return false
	}
	if len(r.GetEndKey()) == 0 {
		return true
	}
	return len(end) != 0 && bytes.Compare(end, r.GetEndKey()) <= 0
}

// RangesOverlap reports whether [s1, e1) and [s2, e2) share a key; empty ends
// are infinity.
func RangesOverlap(s1, e1, s2, e2 []byte) bool {
	return (len(e2) == 0 || bytes.Compare(s1, e2) < 0) && (len(e1) == 0 || bytes.Compare(s2, e1) < 0)
}

// Overlaps reports whether two regions share a key.
func Overlaps(a, b *metapb.Region) bool {
	return RangesOverlap(a.GetStartKey(), a.GetEndKey(), b.GetStartKey(), b.GetEndKey())
}

// CompareEpoch returns -1, 0 or +1 as a is older than, equal to or newer than b:
// first by version, then by conf_ver.
func CompareEpoch(a, b *metapb.Epoch) int {
	switch {
	case a.GetVersion() != b.GetVersion():
		if a.GetVersion() < b.GetVersion() {
			return -1
		}
		return 1
	case a.GetConfVer() != b.GetConfVer():
		if a.GetConfVer() < b.GetConfVer() {
			return -1
		}
		return 1
	}
	return 0
}

// PeerOn returns the region's peer on a store, or nil.
func PeerOn(r *metapb.Region, storeID uint64) *metapb.Peer {
	for _, p := range r.GetPeers() {
		if p.GetStoreId() == storeID {
			return p
		}
	}
	return nil
}

// PeerByID returns the region's peer with that id, or nil.
func PeerByID(r *metapb.Region, peerID uint64) *metapb.Peer {
	for _, p := range r.GetPeers() {
		if p.GetId() == peerID {
			return p
		}
	}
	return nil
}

// IsVoter reports whether the role votes in the present or, in a joint
// configuration, in one of the two.
func IsVoter(role metapb.PeerRole) bool { return role != metapb.PeerRole_LEARNER }

// VotesBefore reports whether a peer of that role votes in the configuration that a
// change of membership starts from, or in the only one there is.
func VotesBefore(role metapb.PeerRole) bool {
	return role == metapb.PeerRole_VOTER || role == metapb.PeerRole_OUTGOING_VOTER
}

// VotesAfter is VotesBefore for the configuration that the change leads to.
func VotesAfter(role metapb.PeerRole) bool {
	return role == metapb.PeerRole_VOTER || role == metapb.PeerRole_INCOMING_VOTER
}

// HasVoter reports whether the peer is a member that votes. (The role of a peer that is
// not there reads as that of a voter.)
func HasVoter(r *metapb.Region, peerID uint64) bool {
	p := PeerByID(r, peerID)
	return p != nil && IsVoter(p.GetRole())
}

// IsJoint reports whether the region is in a joint configuration.
func IsJoint(r *metapb.Region) bool {
	for _, p := range r.GetPeers() {
		if p.GetRole() == metapb.PeerRole_INCOMING_VOTER || p.GetRole() == metapb.PeerRole_OUTGOING_VOTER {
			return true
		}
	}
	return false
}

// Absorbed reports whether a region has taken another one, or a region that had. It
// remembers the last ones only.
func Absorbed(r *metapb.Region, id ID) bool {
	for _, a := range r.GetAbsorbed() {
		if a.GetRegionId() == id {
			return true
		}
	}
	return false
}

// Clone returns a deep copy.
func Clone(r *metapb.Region) *metapb.Region { return proto.Clone(r).(*metapb.Region) }

// Validate says what is wrong with a descriptor that comes from outside.
func Validate(r *metapb.Region) error {
	if r.GetId() == 0 {
		return fmt.Errorf("region without id")
	}
	if len(r.GetEndKey()) != 0 && bytes.Compare(r.GetStartKey(), r.GetEndKey()) >= 0 {
		return fmt.Errorf("region %d: empty range [%x, %x)", r.GetId(), r.GetStartKey(), r.GetEndKey())
	}
	if len(r.GetPeers()) == 0 {
		return fmt.Errorf("region %d: no peers", r.GetId())
	}
	peers, stores := make(map[uint64]bool), make(map[uint64]bool)
	for _, p := range r.GetPeers() {
		if p.GetId() == 0 || p.GetStoreId() == 0 {
			return fmt.Errorf("region %d: peer without id or store", r.GetId())
		}
		if peers[p.GetId()] || stores[p.GetStoreId()] {
			return fmt.Errorf("region %d: peer %d or store %d is there twice", r.GetId(), p.GetId(), p.GetStoreId())
		}
		peers[p.GetId()], stores[p.GetStoreId()] = true, true
	}
	return nil
}

// Describe writes a descriptor in one line for logs and errors.
func Describe(r *metapb.Region) string {
	end := "+inf"
	if len(r.GetEndKey()) != 0 {
		end = keys.User(r.GetEndKey()).String()
	}
	return fmt.Sprintf("region %d [%s, %s) epoch %d/%d", r.GetId(), keys.User(r.GetStartKey()).String(), end,
		r.GetEpoch().GetConfVer(), r.GetEpoch().GetVersion())
}

// Initial returns the descriptor of a region at bootstrap.
func Initial(id ID, start, end []byte, peers ...*metapb.Peer) *metapb.Region {
	return &metapb.Region{
		Id:       id,
		StartKey: start,
		EndKey:   end,
		Epoch:    &metapb.Epoch{ConfVer: 1, Version: 1},
		Peers:    peers,
	}
}
