package replica

import (
	"bytes"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region"
)

// Send runs a request and calls done once with the answer, never with nil,
// possibly before it returns. What goes on after a wait is handed to exec; nil
// means on whatever goroutine ended the wait.
func (r *Replica) Send(req *kvpb.Request, exec func(func()), done func(*kvpb.Response)) *Call {
	return r.SendOneOf(req, exec, done, nil)
}

// SendOneOf is Send for one request of many: proposed is called, if it is not nil,
// instead of Host.Enqueue when the region has a proposal that wants to be processed,
// so that this can be asked for once for many.
func (r *Replica) SendOneOf(req *kvpb.Request, exec func(func()), done func(*kvpb.Response), proposed func(regionID uint64)) *Call {
	if exec == nil {
		exec = func(f func()) { f() }
	}
	c := &Call{req: req, exec: exec, done: done, proposed: proposed}
	switch cmd := req.GetCmd().(type) {
	case *kvpb.Request_Get, *kvpb.Request_BatchGet, *kvpb.Request_Scan, *kvpb.Request_ScanLocks,
		*kvpb.Request_Validate:
		r.read(c)
	case *kvpb.Request_Prewrite, *kvpb.Request_Commit, *kvpb.Request_Rollback, *kvpb.Request_CheckTxnStatus,
		*kvpb.Request_Resolve, *kvpb.Request_Heartbeat, *kvpb.Request_DeleteRange:
		r.write(c)
	case *kvpb.Request_CheckSecondaryLocks:
		if cmd.CheckSecondaryLocks.GetRollbackIfMissing() {
			r.write(c)
		} else {
			r.read(c)
		}
	case *kvpb.Request_Lock:
		r.lockRows(c, cmd.Lock)
	case *kvpb.Request_Release:
		r.releaseRows(c, cmd.Release)
	case *kvpb.Request_Keep:
		r.keepOwner(c, cmd.Keep)
	case *kvpb.Request_Admin:
		r.admin(c, cmd.Admin)
	default:
		c.finish(region.Response(region.Refused("request without a command, or with one that is not known here")))
	}
	return c
}

func (r *Replica) admin(c *Call, req *kvpb.AdminRequest) {
	switch cmd := req.GetCmd().(type) {
	case *kvpb.AdminRequest_Split:
		l, _, e := r.check(c.req, true)
		if e != nil {
			c.finish(region.Response(e))
			return
		}
		r.split(c, l, cmd.Split)
	case *kvpb.AdminRequest_TransferLeader:
		r.transferLeader(c, cmd.TransferLeader.GetToStore())
	case *kvpb.AdminRequest_ChangePeers:
		r.changePeers(c, cmd.ChangePeers)
	case *kvpb.AdminRequest_Merge:
		r.merge(c, cmd.Merge.GetSource())
	case *kvpb.AdminRequest_SettleMerge:
		r.settleMerge(c, cmd.SettleMerge)
	case *kvpb.AdminRequest_RollbackMerge:
		r.rollbackMerge(c, cmd.RollbackMerge.GetIndex())
	case *kvpb.AdminRequest_SetSticky:
		r.setSticky(c, cmd.SetSticky)
	case *kvpb.AdminRequest_Describe:
		r.describe(c)
	case *kvpb.AdminRequest_Checksum:
		r.checksum(c, cmd.Checksum.GetIndex())
	default:
		c.finish(region.Response(region.Refused("administrative request without a command, or with one that is not known here")))
	}
}

// checkRange answers KeyNotInRegion unless [start, end) lies in the region.
func checkRange(desc *metapb.Region, start, end []byte) errorAnswer {
	if len(end) != 0 && bytes.Compare(start, end) > 0 {
		return region.Refused("range ends before it starts")
	}
	if !region.ContainsRange(desc, start, end) {
		return region.KeyNotInRegion(start, desc)
	}
	return nil
}

func checkKey(desc *metapb.Region, key []byte) errorAnswer {
	if !region.Contains(desc, key) {
		return region.KeyNotInRegion(key, desc)
	}
	return nil
}

func checkKeyList(desc *metapb.Region, list [][]byte) errorAnswer {
	for _, k := range list {
		if e := checkKey(desc, k); e != nil {
			return e
		}
	}
	return nil
}

// Bounds on what one request may name or return.
const (
	requestKeysMax = 65536
	scanRowsMax    = 4096
	scanBytesMax   = 4 << 20
	locksMax       = 1024
)
