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
// # What is checked
//
// The five properties of the Raft paper (figure 3): election safety, leader
// append-only, log matching, leader completeness, state machine safety; one vote
// per term; no lease beside a newer leader; regions that tile the key space; every
// read returns what was newest at its timestamp; no acknowledged write lost, no
// refused one found, none torn; no version that appears below the point up to which
// old ones were given up; replicas that are equal byte by byte, garbage apart; and in the
// quiet end every key writable within five seconds.
//
// # What is not simulated
//
// Pebble keeps goroutines of its own. With automatic compactions off, a memtable
// that never fills, flushes as events and one processor they do not reach the
// result. The choice of what an unsynced disk keeps is a hash of the path and the
// block, not of the order in which files are visited. A disk that keeps any unsynced
// name keeps those of synced files, as journaling file systems do.
//
// Learners are promoted only when the leader says that they are filled; to wait for
// that is the part of placement, which is not in the simulation yet.
//
// # Use
//
//	go test ./tests/sim -run TestSeeds -seeds 200     many seeds
//	go test ./tests/sim -run TestSeeds -seed 17 -v    one, with what it prints
//	    -trace            every event
//	    -drop 3,5         without the faults 3 and 5 of the plan
//	    -shrink=false     do not look for a smaller plan when it fails
//
// Everything is in test files: nothing of it is compiled into the product.
package sim
