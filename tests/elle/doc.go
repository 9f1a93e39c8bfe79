// Package elle finds isolation anomalies in histories of transactions that append
// to lists and read them whole, after the idea of Kingsbury and Alvaro, "Elle:
// Inferring Isolation Anomalies from Experimental Observations" (VLDB 2020). It is
// pure: a History goes in, a Report comes out.
//
// A list that was read tells the order of all writes up to that read. From the
// longest list of each key follow the dependencies between transactions:
//
//	ww  a appended an element, b appended the next one
//	wr  b read a list whose last element a appended
//	rw  a read a list to which b appended the next element: a did not see b
//	rt  a had ended before b began
//
// A cycle among them means that the transactions fit into no order. What kind of
// cycle it is says which isolation levels it breaks (Adya, "Weak Consistency",
// 1999; Cerone and Gotsman, "Analysing Snapshot Isolation", 2016):
//
//	G0             ww only
//	G1c            ww and wr
//	G-single       one rw
//	G-nonadjacent  several rw, no two of them one after the other
//	G2-item        two rw one after the other: write skew
//
// and each of them with -realtime, when it needs an rt edge. Other anomalies are
// seen without a graph: see direct.go. Level.Forbids is the table of what is
// illegal where.
//
// The search is linear in the number of dependencies but for the printing of
// examples, whose number is bounded. Real-time edges are kept in a transitive
// reduction: an edge is left out if others lead the same way.
//
// Nothing here is shared: Check may be called concurrently.
package elle
