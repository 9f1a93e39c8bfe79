// Package sim runs whole stores in one goroutine, on virtual time, and checks
// after every step that nothing promised is broken.
//
//	          plan (drawn from the seed: faults, settings)
//	            │
//	clients ──▶ world: a queue of events ordered by (virtual time, number)
//	            │        │            │
//	            ▼        ▼            ▼
//	          node 1   node 2 …     network: delay, loss, repeats, cuts
//	            │  region/store in manual mode: Tick, Poll, SyncState, SendAsync
//	            ▼
//	          disk: a file system in memory that forgets what was not synced
//
// checker listens to Raft at work (replica.Observer) and to the network; history
// listens to the clients. One seed decides everything: the same seed gives the
// same sequence of events, told by the hash of the trace.
//
// # What a seed draws
//
// A plan: stores, network, disks, clients, a random subset of the faults (swarm
// testing), and for three seeds of four unusual settings (swarm_test.go): one entry a
// message, one message in flight, an inbox of a few, a log that is cut after a few
// entries, elections that differ by a tick. Faults: crashes that keep nothing, all or
// a part of what was not synced, at any moment, at a sync, at a named point
// (internal/fault); power loss; cuts of one way, isolation, partitions, storms; slow
// disks, full disks, failed syncs of either engine; stopped processes, clocks that
// jump or run at other rates; an oracle that is away; the loss of a store with its
// disk, at any moment or right at a change of membership. Every eighth seed has clocks
// that differ up to four times, and no leases.
// Membership changes by random orders, or as placement's schedulers plan it
// (placer_test.go): learner, joint replacement, removal after a hand-over, repair.
// A seed takes more than a minute of virtual time.
//
// # What is checked, and where
//
// At every step, kept up to date by what the replicas tell (checker_test.go):
//
//	election safety                one leader a term                  BecameLeader
//	one vote a term                as told to others                  VoteGranted, sent
//	leader append-only             no entry of a leader is replaced   Appended
//	log matching                   same index and term, same entry    entry
//	                               and predecessor
//	leader completeness            a leader of the newest term has    complete
//	                               what is committed
//	a leader counts its own term   Raft §5.4.2                        Committed
//	state machine safety           same index, same command; in       Applied, SnapshotInstalled,
//	                               order; never back                  opened
//	one valid lease                none beside a newer leader         lease, LeaseHeld
//	applied state is durable       what was published as durable is   opened
//	                               there after a crash
//	timestamps rise, never repeat  the product's oracle               oracle_test.go
//	a register is linearizable     raw values of region 1             admin_test.go
//
// Ten times a second: regions of a store do not overlap, nor do two of one version
// (ranges). With every safe point: no version appears below it (collect_test.go). In
// the quiet end: every key is writable within five seconds; then all stores lose
// power with everything that is not synced, and afterwards every key is readable, the
// regions tile the key space, replicas are equal byte by byte, garbage apart, no lock
// is left, and the history is judged (history_test.go): every read returned what was
// newest at its timestamp, no acknowledged write is lost, no refused one found, none
// torn, none twice, no update lost.
//
// What is acknowledged lies on the disks of a quorum: not looked up at every
// acknowledgement, but by power losses that keep nothing, at least two in each seed.
// Sums of accounts, lists, secondary indexes need SQL: tests/chaos.
//
// # Schedules that broke other systems
//
//	lease kept through a failed transfer           region/store TestLeaseNotServedAfterTransfer
//	restarted voter helps to elect too early       region/store TestRestartedVoterDoesNotVoteEarly
//	stopped longer than the lease, then a read     region/store TestPausedLeaderServesNothingQueued
//	machine suspended                              region/store TestA4SuspendedMachineHasNoLease
//	read index asked again returns less            region/store TestReadIndexAskedAgain
//	cut 1-2, write, cut 1-3, heal 2-3, all asleep  region/store TestPartitionMovesWhileARegionSleeps
//	split while a store is down, parent asleep     region/store TestSplitWhileAStoreIsDown
//	message to a child before the split            region/store TestMessagesBeforeBirth
//	row lock across a split, across a transfer     region/store TestRowLocksFollowASplit, TestRowLocksFollowATransfer
//	reads of a replica that waits for a snapshot   region/store TestReplicaWithoutStateRefusesAtOnce
//	no space: log append, snapshot receive         region/store TestNoSpaceForTheLog, TestNoSpaceForARaftSnapshot
//	no space: flush                                storage/engine TestFlushErrorIsFatal
//	many regions start together                    region/store TestManyRegionsStartTogether
//	operator planned before a change               region/store TestChangeAppliedTwiceHasNoEffect, TestStaleEpochAfterSplit
//
//	two merges, one slow peer                      region/store TestMergeIsGivenUp
//	merge settled before and behind its commit     region/store TestSettleDecides
//	restart between fence and commit, compaction   region/store TestMergeStopsCompaction
//	crash at any sync of a merge                   region/store TestMergeCrashAtEverySync
//	crash at any step of a raft snapshot           region/store TestSnapshotCrashAtEachStep
//	all disks of a machine hang at once            region/store TestStallOfAllDisksCostsNoLeader
//
// Which rule of leases, regions and recovery is kept by which test, each seen failing,
// is the table that go run ./tests/mutants -list prints.
//
// # What is not simulated
//
// Pebble keeps goroutines of its own. With automatic compactions off, a memtable
// that never fills, flushes as events and one processor they do not reach the
// result. The choice of what an unsynced disk keeps is a hash of the path and the
// block, not of the order in which files are visited. A disk that keeps any unsynced
// name keeps those of synced files, as journaling file systems do.
//
// The placement service itself: its schedulers and its oracle are, carried out and
// fed by code of this package. A failed sync of the state engine comes only where the
// store asks for one; where Pebble syncs by itself it ends the process.
//
// # Use
//
//	go test ./tests/sim -run TestSeeds -seeds 200     many seeds; make sim
//	go test ./tests/sim -run TestSeeds -seed 17 -v    one, with what it prints
//	    -trace            every event
//	    -drop 3,5         without the faults 3 and 5 of the plan
//	    -shrink=false     do not look for a smaller plan when it fails
//	go test -tags faults ./tests/sim -run TestCrashPoints     a crash at every named point
//	    -points 8 -share 3    at eight of them, those of share 3
//	go test -tags faults ./tests/sim -run TestLossDuringChange    a disk is lost during a change
//
// With the build tag faults plans hold crashes at named points besides; make sim uses
// it. A failure prints the seed and what is left of its plan after a search by
// bisection for faults that it does not need.
//
// Everything is in test files: nothing of it is compiled into the product.
package sim
