// Package router finds the region that holds a key and gets a request answered
// by it. It is the client side of region/store and knows nothing of
// transactions.
//
//	Router ── table (routes ordered by start key; pushed, corrected by errors)
//	   │  └── Directory (asked when the table has a hole or proved wrong)
//	   └──── Sender: Transport = stores of this process | gRPC
//
// A caller makes a request whose keys lie in one region (GroupKeys, SplitRange,
// Lookup and LookupBefore help) and calls Send. The router fills the header,
// sends to the leader and repairs its table from what comes back: another leader,
// a newer epoch, a region that moved. It tries again by itself as long as nothing
// ran and the keys still lie in one region.
//
// Invariants:
//
//   - Routes in the table never overlap; of two that would, the one with the
//     newer range version stays.
//   - A write is sent again only after an answer (or a transport) said that it
//     did not run. Everything else comes back as *AmbiguousError.
//   - A request is never spread over regions: when its keys no longer lie in one,
//     the answer is ErrRegionChanged and nothing ran.
//
// Lock order: Router.mu is a leaf; it is never held across a call to Directory or
// Sender. All exported methods may be called concurrently. Requests handed to
// Send are not changed, and their byte slices must not be changed by the caller
// afterwards: a store of the same process may still read them.
package router
