// Package arch holds the house rules as tests: which package may import which,
// where each third-party library lives, that clock, random source, files and
// network come from outside, that packages say what they are. A broken rule
// prints its reason.
package arch
