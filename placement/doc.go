// Package placement is the cluster's own brain: it hands out ids and timestamps,
// knows the stores, keeps the directory of regions, and moves replicas and
// leaders where they should be.
//
//	          Report, Timestamps, Join …            KV admin requests
//	stores ─────────────────────────▶ Service ─────────────────────────▶ stores
//	       ◀───────────── Watch ─────    │ raw keys, one Raft group
//	                                     ▼
//	                              Group (region 1)
//
// Every node runs a Service beside its replica of region 1, the placement group.
// Only the one on the group's leader works; the others say who leads. What cannot
// be made again is kept in the group: the cluster's id, the ids given out, the
// stores, the bound of timestamps, the schema version, the bounds of the garbage
// collection, the settings that somebody chose (settings.go). The directory is made
// again from the stores' reports by every new leader, within about a second. What
// happened to regions (events.go) and which operators ended is in the leader's memory
// alone; Explain answers from it and from what the schedulers think.
//
// Invariants:
//   - Ids and timestamps are given only below a bound that is stored already. The
//     bound of timestamps is 2 s ahead, or 10 s while no transaction runs anywhere and
//     nobody asks: each is a write of the group. It is taken back as soon as somebody does.
//   - A timestamp is given only if this store's lease on the group was valid
//     after the request arrived, so a deposed leader gives none.
//   - Old versions are given up in two steps: regions first refuse what started below
//     a fence, and only what lies below the point where all of them have done so, and
//     hold no lock from below, is deleted (gc.go).
//   - The schedulers (placement/scheduler) are pure functions of a snapshot of
//     the directory; an operator carries the epoch it was made for and ends when
//     the region has another one that it did not cause.
//
// Stores drain (their leaders leave), and are decommissioned (everything leaves, then
// they are REMOVED for ever) or replaced when they are silent for five minutes
// (members.go). Alarms, such as replicas that differ, are stored until cleared.
//
// A Service is safe for concurrent use. It starts its goroutines in Start and
// ends them in Stop.
package placement
