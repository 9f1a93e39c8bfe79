//go:build faults

package fault

import "sync/atomic"

// Enabled says whether anybody can hear of hits.
const Enabled = true

// watcher is the one piece of state of a process that is shared by all its stores.
// It exists in test builds only.
var watcher atomic.Pointer[func(string)]

// Hit says that the process has come to a named point.
func Hit(point string) {
	if f := watcher.Load(); f != nil {
		(*f)(point)
	}
}

// Watch has f called at every hit until stop is called, on the goroutine that hits,
// which may hold locks. There is one watcher at a time; a second one replaces it.
func Watch(f func(point string)) (stop func()) {
	watcher.Store(&f)
	return func() { watcher.CompareAndSwap(&f, nil) }
}
