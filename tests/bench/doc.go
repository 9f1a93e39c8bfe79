// Command bench measures Quorate (three processes on this machine) against a
// PostgreSQL 15 on this machine, in the same run and in turns (A B A B), with
// pgbench: read only (-S), simple updates (-N) and its default script, prepared,
// both with fsync on. It prints the medians of transactions a second, the 99th
// percentile of the latency from pgbench's own log, the CPU seconds that all
// server processes together took for 1,000 transactions, and the ratios.
//
// On few cores the CPU seconds are the fair figure: client, three servers and
// whatever else runs share them, and a loaded machine changes latencies but hardly
// the work done.
//
//	go run ./tests/bench -quorate bin/quorate -seconds 10 -out bin/bench.txt
//
// It needs the Debian package postgresql-15 and says so if it is missing.
//
// With -peers it compares more, in pairs that run in turns: one PostgreSQL with one
// node of Quorate, and a primary with two synchronous standbys, one of which has to
// answer, with three processes. The loads are pgbench in two modes with 1, 8 and 32
// clients, those of sysbench where that is installed, COPY, and queries over all rows
// of a large table. It prints one table, CPU seconds per 1,000 operations first.
// peers.txt is what it printed last. With -peers-base it compares two binaries of Quorate.
//
//	go run ./tests/bench -peers -peers-only 'pgbench -S'
//
// With -idle N it measures instead what N regions cost that nobody uses (CPU and
// resident memory of the three processes), how long it takes to cut them, and how
// long to lead all of them again when all processes are killed at once. That needs no
// PostgreSQL.
//
//	go run ./tests/bench -idle 10000
//
// On two cores that others used too (load 10 to 18), with -idle 1000 -idle-seconds 30
// -idle-settle 15s: 2.9 to 3.1 % of a core and 230 MB; all led 2.7 s after a SIGKILL of
// all. What is left is one waking of each process every 150 ms: messages of store
// liveness, a sync of the log, and once a second the report and the lease on the schema.
package main
