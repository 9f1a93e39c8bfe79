// Package chaos runs the real binary as several processes, writes through pgx,
// hurts the processes, and checks that nothing that was acknowledged is lost.
//
// A Workload has writers, each bound to one node, moving to the next one on an
// error. Each operation has ids that no other operation has, and ends as one of
//
//	ok       the server acknowledged it: it must be there
//	failed   certainly not done: it must not be there
//	unknown  the answer was lost: it may be there, but whole or not at all
//
// Outcome is the rule for that; a wrong rule is the usual mistake of such a
// harness, so it errs towards unknown. Check compares what the operations say
// with what every node reads at the end.
//
// Environment: CHAOS_ROUNDS (kills of one node, default 2), CHAOS_KILL_ALL (kills
// of all, default 2), CHAOS_SECONDS (length of each pgbench run, default 2),
// CHAOS_KEEP (keep the nodes' directories). `make chaos` runs the full numbers.
package chaos
