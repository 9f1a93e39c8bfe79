// Package fault names the moments at which a crash would hurt most: right before
// and right after something becomes durable.
//
//	fault.Hit("install/before-log-reset")
//
// In an ordinary build Hit is empty and is compiled away. With the build tag faults
// a test may be told of every hit (Watch) and let the machine crash there. A name is
// "what/before-step" or "what/after-step", a literal, and stands at one place only:
// tests/sim finds the names by reading the source, crashes at each of them under
// load, and fails if one is never reached.
package fault
