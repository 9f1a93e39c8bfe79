//go:build !faults

package fault

// Enabled says whether anybody can hear of hits.
const Enabled = false

// Hit says that the process has come to a named point.
func Hit(string) {}

// Watch has f called at every hit; without the build tag faults it never is.
func Watch(f func(point string)) (stop func()) { return func() {} }
