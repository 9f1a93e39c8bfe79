// Package proto holds the wire contracts between the processes of a cluster, one
// folder each: metapb (regions, peers, stores), kvpb (a store's regions towards
// gateways), placementpb (timestamps, ids, directory, operators), sqlpb (what SQL
// engines ask each other about sessions) and adminpb (the command line). Generated code lies beside its source; `make proto` makes it
// again. Raft messages have a codec of their own in multiraft.
package proto
