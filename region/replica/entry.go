package replica

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/quorate-db/quorate/multiraft"
	"github.com/quorate-db/quorate/proto/metapb"
)

// commandKind says what the payload of an entry is.
type commandKind byte

const (
	// cmdWrite: the bytes of an engine batch.
	cmdWrite commandKind = iota + 1
	// cmdSplit: a kvpb.SplitRequest.
	cmdSplit
	// cmdChangePeers: a kvpb.ChangePeersRequest, in the context of a configuration
	// change.
	cmdChangePeers
	// cmdGC: the new bounds of the garbage collection, see gcState.
	cmdGC
	// cmdChecksum: no payload. Every replica hashes its state as of this entry.
	cmdChecksum
	// cmdLocks: a kvpb.CarriedLocks, written before the leadership is handed over.
	cmdLocks
	// cmdPrepareMerge: a kvpb.PrepareMerge, in the log of the region that is given up.
	cmdPrepareMerge
	// cmdCommitMerge: a kvpb.CommitMerge, in the log of the region that takes it.
	cmdCommitMerge
	// cmdSettleMerge: a kvpb.SettleMergeRequest, likewise: if the attempt is not
	// committed by now it never will be.
	cmdSettleMerge
	// cmdRollbackMerge: a kvpb.RollbackMergeRequest, in the log of the region that was
	// to be given up.
	cmdRollbackMerge
	// cmdSticky: a kvpb.SetStickyRequest.
	cmdSticky

	cmdLast = cmdSticky
)

// command is what a raft entry carries: the header that apply checks and the
// payload.
type command struct {
	kind    commandKind
	id      uint64 // of the proposal, unique within region and term
	term    uint64 // in which it was evaluated
	confVer uint64 // epoch against which it was evaluated
	version uint64
	payload []byte
}

const commandVersion = 1

var errBadCommand = errors.New("malformed command")

// entryBytesMax bounds an encoded command.
const entryBytesMax = multiraft.MaxEntryBytes

func (c *command) encode() []byte {
	b := make([]byte, 0, 2+4*binary.MaxVarintLen64+len(c.payload))
	b = append(b, commandVersion, byte(c.kind))
	for _, v := range [...]uint64{c.id, c.term, c.confVer, c.version} {
		b = binary.AppendUvarint(b, v)
	}
	return append(b, c.payload...)
}

// decodeCommand reads what encode wrote. The payload points into b.
func decodeCommand(b []byte) (command, error) {
	if len(b) < 2 {
		return command{}, fmt.Errorf("%w: %d bytes", errBadCommand, len(b))
	}
	if b[0] != commandVersion {
		return command{}, fmt.Errorf("%w: format %d", errBadCommand, b[0])
	}
	c := command{kind: commandKind(b[1])}
	if c.kind < cmdWrite || c.kind > cmdLast {
		return command{}, fmt.Errorf("%w: kind %d", errBadCommand, b[1])
	}
	b = b[2:]
	for _, f := range [...]*uint64{&c.id, &c.term, &c.confVer, &c.version} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return command{}, fmt.Errorf("%w: header ends early", errBadCommand)
		}
		*f, b = v, b[n:]
	}
	c.payload = b
	return c, nil
}

func (c *command) setEpoch(e *metapb.Epoch) { c.confVer, c.version = e.GetConfVer(), e.GetVersion() }

// matches reports whether the command may still be applied to a region of this
// epoch by an entry of that term: data needs the same range, changes of
// membership, splits and merges the same members too.
func (c *command) matches(e *metapb.Epoch, entryTerm uint64) (termOK, epochOK bool) {
	epochOK = c.version == e.GetVersion()
	switch c.kind {
	case cmdChangePeers, cmdSplit, cmdPrepareMerge, cmdCommitMerge:
		epochOK = epochOK && c.confVer == e.GetConfVer()
	}
	return c.term == entryTerm, epochOK
}

// entryHash identifies an entry's content for Observer.
func entryHash(e *raftpb.Entry) uint64 {
	h := fnv.New64a()
	h.Write([]byte{byte(e.GetType())})
	h.Write(e.GetData())
	return h.Sum64()
}
