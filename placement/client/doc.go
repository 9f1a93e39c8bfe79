// Package client is how a node talks to the placement service, wherever its
// leader is: in this process by a function call, elsewhere over gRPC. It follows
// the leader, keeps the node's copy of the directory and of the stores, and sends
// the store's reports.
//
// A Client is safe for concurrent use. Calls are retried until their context
// ends: every call of the service is harmless when made twice (timestamps and ids
// that nobody receives are lost, which costs nothing).
package client
