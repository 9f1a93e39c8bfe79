// Package locktable holds the row locks of one region: who has locked which key,
// and who waits for it, first come first served.
//
//	Acquire ─▶ granted | Wait in the key's queue | busy (no waiting wanted)
//	Release, ReleaseKeys, Cancel, Expire ─▶ the waits that are granted by it
//
// The table is a pure value: no goroutine, no clock, no mutex, no callback. Every
// call that frees something returns the waits that it granted; a lock passes from
// its holder to the next in the queue within that call, so that nobody who comes
// later gets between them.
//
// Locks live in memory alone. The table of a leader is exported into the log when
// the leadership is transferred and when the region is split; in a crash it is
// lost. What a transaction relied on is checked again when it commits.
//
// # Invariants
//
//   - Two holders of a key never have modes that conflict.
//   - A key's first waiter conflicts with a holder; a later one with a holder or
//     with a waiter before it.
//   - An owner that is in no queue and holds nothing is forgotten, except for a
//     bounded memory of the owners that were released for good: a request of
//     theirs that was under way at that time is refused.
//   - The order of grants depends on the order of calls alone.
//
// A Table is used by one goroutine at a time.
package locktable
