// Package region holds what everybody who deals with regions agrees on: typed
// ids, questions about descriptors (metapb.Region) and the errors that a region
// answers with (kvpb.RegionError).
//
// A region is a contiguous range of user keys, [start, end), replicated by one
// Raft group. Its epoch has two counters: conf_ver rises with every change of
// membership, version with every split. Of two descriptors that overlap, the one
// with the larger version is the newer; of two with the same id and version, the
// one with the larger conf_ver.
//
// The machinery is below: region/latch (latches of one replica), region/replica
// (one member of a Raft group), region/store (all replicas of a store),
// region/router (the client side). This package is a leaf of values and
// functions without state; all of it may be used concurrently.
package region
