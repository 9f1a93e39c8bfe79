// Package latch keeps commands of one replica apart from each other while they
// are evaluated, replicated and applied. Latches are in memory and belong to
// requests; locks are durable and belong to transactions (storage/mvcc).
//
// A request names all its points and spans at once and waits for every earlier
// request that it conflicts with: first in, first out, so there is no deadlock
// and nobody starves. A write of a one-phase commit also puts a memory lock with
// its commit timestamp: reads below it pass, others wait until it is released.
package latch
