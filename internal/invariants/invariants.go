// Package invariants stops the process when something that must hold does not.
// Operating faults (a full disk, a lost peer, bad input) are errors, never
// assertions.
package invariants

import "fmt"

// Assert panics unless cond holds. It is for cheap checks that stay on in
// production; costly ones belong behind Enabled.
func Assert(cond bool, format string, args ...any) {
	if !cond {
		panic("invariant broken: " + fmt.Sprintf(format, args...))
	}
}
