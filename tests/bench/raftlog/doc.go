// Command raftlog measures the replicated log alone, beside etcd: three processes
// each on this machine, fsync on, on the same file system, and one client process
// with a number of goroutines that each have one write under way. There is no SQL.
//
//	raftlog ──▶ etcdpeer serve ×3  ◀── etcdpeer load     (tests/bench/etcdpeer)
//	        └─▶ raftlog serve ×3   ◀── raftlog load, for each number of groups
//
// A write is one new key of 16 letters with a value of -bytes bytes. With etcd it is
// a Put, sent to the leader. Here it is a commit in one phase of one key, sent to the
// leader of its region over the same stream that the nodes of a cluster use: it takes
// latches, is checked for conflicts, replicated, and applied at the leader before it is
// answered. The processes are composed as package server does it, from
// transport.NewGRPC, store.Open and router.NewTransport. Leaders lie where elections
// put them.
//
// For each run it prints writes a second, the CPU seconds of all processes with the
// client for 1,000 writes, latencies, the file syncs of all processes for a write (in
// etcd the write-ahead log's, and two for each commit of bbolt), and the bytes that all
// processes had the kernel write to disk for a byte of value (write_bytes of
// /proc/PID/io). The runs of a round follow each other and the rounds repeat: medians
// are printed, and the spread of the CPU seconds.
//
//	go run ./tests/bench/raftlog -seconds 10 -rounds 3 -groups 1,64,1024
//
// On few cores the CPU seconds are the fair figure, as for tests/bench.
package main
