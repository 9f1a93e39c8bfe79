// Command mutants puts known mistakes into the product, one at a time, and demands
// that the suite notices each.
//
//	registry (consensus.go, …): name, what it breaks, old text → new text, killing test
//	        │
//	        ▼  a mutated copy of the file in a temporary folder, go test -overlay
//	go test -run KILLER ./package        fails: killed; passes: a survivor
//
// The work tree is never touched. A mistake in a library (the Raft library's own
// rules are ours to keep too) goes into a copy of its module, which a second go.mod
// puts in place of the original.
//
// A survivor means that the suite is too weak: the suite is mended, the mutant stays.
// A mutant whose old text is not in its file exactly once is an error, which
// TestMutantsApply finds in `make test`; whoever changes such a line moves the
// mutant along.
//
//	go run ./tests/mutants                   all, and that each killer passes without
//	go run ./tests/mutants -only 'lease'     those whose name matches
//	go run ./tests/mutants -slice 60s        as many as fit, each day others
//	go run ./tests/mutants -list             the table without running anything
//
// # To add one
//
// Append a mutant to a registry, the shortest text that is unique in its file, and
// name the test that must fail. Run it with -only. Best is a killer that is fast and
// fails for the reason that the mutant names: a test of the package; the simulation
// where the harm shows only under faults (sim: from which seed, how many).
package main
