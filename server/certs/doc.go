// Package certs makes and loads the certificates of a cluster.
//
// A directory holds what one machine needs, each certificate with its key, in PEM:
//
//	ca.crt                 whom everybody believes; may hold several, old and new
//	node.crt, node.key     of a node: its common name is "node", its hosts are named
//	client.NAME.crt, .key  of the role NAME, for SQL and for the command line
//	ca.key                 only where certificates are made
//
// Nodes show each other node certificates; a client's certificate does not open
// what only nodes may call (see server). Keys must not be readable for others.
//
// # Concurrency
//
// A Store may be used concurrently. What it hands out follows Reload: connections
// that exist go on, new ones use the new certificates. A Reload that fails changes
// nothing.
package certs
