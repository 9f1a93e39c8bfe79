package router

import (
	"bytes"
	"fmt"

	"github.com/quorate-db/quorate/proto/kvpb"
	"github.com/quorate-db/quorate/proto/metapb"
)

// span is what a request touches: the keys from lowest to highest, and up to end
// if it is a range.
type span struct {
	low, high []byte // lowest and highest single key
	isRange   bool
	end       []byte // of a range; empty: infinity
}

// requestSpan returns the span of a request that is addressed by its keys.
func requestSpan(req *kvpb.Request) (span, error) {
	switch c := req.GetCmd().(type) {
	case *kvpb.Request_Get:
		return pointSpan(c.Get.GetKey()), nil
	case *kvpb.Request_BatchGet:
		return keysSpan(c.BatchGet.GetKeys())
	case *kvpb.Request_Scan:
		return rangeSpan(c.Scan.GetStartKey(), c.Scan.GetEndKey()), nil
	case *kvpb.Request_Prewrite:
		muts := c.Prewrite.GetMutations()
		if len(muts) == 0 {
			return span{}, fmt.Errorf("prewrite without mutations")
		}
		s := pointSpan(muts[0].GetKey())
		for _, m := range muts[1:] {
			s.add(m.GetKey())
		}
		for _, r := range c.Prewrite.GetReads() {
			s.addRange(r)
		}
		return s, nil
	case *kvpb.Request_Commit:
		return keysSpan(c.Commit.GetKeys())
	case *kvpb.Request_Rollback:
		return keysSpan(c.Rollback.GetKeys())
	case *kvpb.Request_CheckTxnStatus:
		return pointSpan(c.CheckTxnStatus.GetPrimary()), nil
	case *kvpb.Request_CheckSecondaryLocks:
		return keysSpan(c.CheckSecondaryLocks.GetKeys())
	case *kvpb.Request_Resolve:
		if len(c.Resolve.GetKeys()) > 0 {
			return keysSpan(c.Resolve.GetKeys())
		}
		return rangeSpan(c.Resolve.GetStartKey(), c.Resolve.GetEndKey()), nil
	case *kvpb.Request_Heartbeat:
		return pointSpan(c.Heartbeat.GetPrimary()), nil
	case *kvpb.Request_Validate:
		list := c.Validate.GetSpans()
		if len(list) == 0 {
			return span{}, fmt.Errorf("validation of nothing")
		}
		s := pointSpan(list[0].GetStart())
		for _, r := range list {
			s.addRange(r)
		}
		return s, nil
	case *kvpb.Request_Lock:
		return keysSpan(c.Lock.GetKeys())
	case *kvpb.Request_Release:
		return keysSpan(c.Release.GetKeys())
	case *kvpb.Request_Keep:
		list := make([][]byte, len(c.Keep.GetLocks()))
		for i, h := range c.Keep.GetLocks() {
			list[i] = h.GetKey()
		}
		return keysSpan(list)
	case *kvpb.Request_ScanLocks:
		return rangeSpan(c.ScanLocks.GetStartKey(), c.ScanLocks.GetEndKey()), nil
	case *kvpb.Request_DeleteRange:
		return rangeSpan(c.DeleteRange.GetStartKey(), c.DeleteRange.GetEndKey()), nil
	default:
		return span{}, fmt.Errorf("request %T is not addressed by keys", req.GetCmd())
	}
}

func pointSpan(key []byte) span { return span{low: key, high: key} }

func rangeSpan(start, end []byte) span { return span{low: start, high: start, isRange: true, end: end} }

func keysSpan(keys [][]byte) (span, error) {
	if len(keys) == 0 {
		return span{}, fmt.Errorf("request without keys")
	}
	s := pointSpan(keys[0])
	for _, k := range keys[1:] {
		s.add(k)
	}
	return s, nil
}

func (s *span) add(key []byte) {
	if bytes.Compare(key, s.low) < 0 {
		s.low = key
	}
	if bytes.Compare(key, s.high) > 0 {
		s.high = key
	}
}

func (s *span) addRange(r *kvpb.KeySpan) {
	s.add(r.GetStart())
	switch {
	case !s.isRange:
		s.isRange, s.end = true, r.GetEnd()
	case len(s.end) > 0 && (len(r.GetEnd()) == 0 || bytes.Compare(r.GetEnd(), s.end) > 0):
		s.end = r.GetEnd()
	}
}

// within reports whether the region holds all of the span.
func (s *span) within(region *metapb.Region) bool {
	if !contains(region, s.low, false) || !contains(region, s.high, false) {
		return false
	}
	return !s.isRange || contains(region, s.end, true)
}

// isRead reports whether a request can be sent twice because it changes nothing.
func isRead(req *kvpb.Request) bool {
	switch c := req.GetCmd().(type) {
	case *kvpb.Request_Get, *kvpb.Request_BatchGet, *kvpb.Request_Scan, *kvpb.Request_ScanLocks:
		return true
	case *kvpb.Request_Validate, *kvpb.Request_Lock, *kvpb.Request_Release, *kvpb.Request_Keep:
		return true // what they change is in memory, and twice is as good as once
	case *kvpb.Request_CheckSecondaryLocks:
		return !c.CheckSecondaryLocks.GetRollbackIfMissing()
	case *kvpb.Request_Admin:
		_, ok := c.Admin.GetCmd().(*kvpb.AdminRequest_Describe)
		return ok
	}
	return false
}
