// Package liveness is the pure core of store liveness and of the leases that
// stand on it: which stores this one supports, which support this one, what that
// binds a follower to, and how long a leader may trust it.
//
//	          Message (one per pair of stores and period, for all regions)
//	               │                                   ▲
//	               ▼                                   │
//	now ──▶ Table.Receive, Table.Tick ──▶ messages, withdrawals, changed grants
//	               │
//	               ▼
//	             View ──▶ Bound: may this follower vote or campaign?
//	               └────▶ Acks.LeaseEnd: until when may this leader serve reads?
//
// It starts no goroutine and touches no clock, disk or socket: instants of the
// store's own lease clock come in, values go out. DESIGN.md has the argument why
// a region never has two valid leases, and the rules (A1, A2 …) that it needs; the
// tests hold a model that searches for a schedule against it.
//
// # Words
//
// A store *supports* another for an epoch: until the epoch ends none of its
// followers that acknowledged a leader of that store in that epoch helps anybody
// else to be elected. The epoch ends by *withdrawal*, which is never taken back: a
// later support has another epoch.
//
// # Invariants
//
//   - An Epoch names one support of one process for another process and is never
//     used twice: boot ids grow from start to start of a store, the counter from
//     withdrawal to withdrawal.
//   - A support of a process that is alive ends no earlier than one support period
//     after the message that renewed it last was received, on the supporter's clock.
//   - A lease that a message of instant s gave ends at s plus nine tenths of the
//     period, on the clock of the leader's store.
//
// # Concurrency
//
// A Table belongs to one goroutine at a time. A View is immutable. Bound and Acks
// belong to their replica.
package liveness
