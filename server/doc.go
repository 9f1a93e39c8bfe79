// Package server is the composition root: it makes one node out of all layers and
// owns its life. It is the only package that sees every other one; the binary and
// the tests use it alike.
//
//	Start: sockets → engines → identity (own, bootstrap or join) → regions, router,
//	       placement, timestamps, transactions → SQL → RPC and HTTP → ready → SQL port
//	Stop:  SQL clients leave → leaders are handed over → everything closes, top down
//
// Nodes of one process (the demo) find each other through a LocalCluster and call
// each other without a network; everything else is the same code.
package server
