// Package chaos runs the real binary as several processes, works on it through pgx,
// hurts it, and checks what the clients were told against what is there.
//
// An operation ends as one of
//
//	ok       the server acknowledged it: it must be there
//	failed   certainly not done: it must not be there
//	unknown  the answer was lost: it may be there, but whole or not at all
//
// Outcome is the rule for that; a wrong rule is the usual mistake of such a
// harness, so it errs towards unknown.
//
// There are two harnesses. Runs (TestRuns) combine what the flags name:
//
//	-workload  what clients do, and how it is judged: a load, see loads
//	-level     the isolation level; one that the server does not offer is skipped
//	-nemesis   what hurts the cluster, see nemeses; two at once with +
//	-seconds   how long
//	-seed      of all choices; the moments of a run are never the same, though
//	-slice     instead of all that: a slice that fits into the time, each day another
//
// Nemeses of clocks and disks need a test build (-tags faults), which obeys a file for
// each node; the machine's own are left alone.
//
// A run starts three processes with proxies between them, lets clients and nemeses
// work, mends everything, writes to each key through each node, reads the end
// state through each node, and judges the history, which is kept if it is bad (in
// CHAOS_HISTORIES or the temporary folder; `go test ./tests/elle -run TestKept`
// judges one of append again).
//
// The other tests make one scenario each. Those under a Workload compare what its
// operations say with what every node reads at the end (Check). Environment:
// CHAOS_ROUNDS (kills of one node, default 2), CHAOS_KILL_ALL (kills of all,
// default 2), CHAOS_SECONDS (length of each pgbench run, default 2), CHAOS_KEEP
// (keep the nodes' directories), CHAOS_GAPS (faults of each kind whose gap between
// acknowledged writes is measured, default 1: from 10 on they are judged by the goals), CHAOS_JOBS (jobs of
// the queue of TestJobQueue, default 1000), CHAOS_CHURN (per cent of the orders of TestChurn, default
// 1). `make chaos` and `make churn` run the full numbers.
package chaos
