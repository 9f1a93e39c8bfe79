// Package cluster runs the real binary as child processes for tests and
// benchmarks: it builds it, starts nodes with directories and ports of their own,
// kills, stops, pauses and restarts them, runs the command line against them, and
// keeps what they write to stderr.
//
// Ports are chosen below the range from which the kernel takes the ports of
// outgoing connections, and a restarted node gets its old ones: a client that
// happens to connect from the port of a dead node would keep it from coming back,
// or connect to itself.
//
// A child dies with its parent (the kernel is asked for that), and Close kills
// what still runs, so that nothing is left behind whatever a test does. Methods of
// a Node are for one goroutine at a time; different nodes may be used
// concurrently.
package cluster
