//go:build faults

package sim

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var pointCall = regexp.MustCompile(`fault\.Hit\(("[^"]*")?`)

// crashPoints finds the named points of the product by reading its source, but for
// those of placement, which has a test of its own.
func crashPoints(t *testing.T) []string {
	t.Helper()
	const root = "../.."
	var out []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != root && strings.HasPrefix(name, ".") || path == filepath.Join(root, "internal", "fault") ||
				path == filepath.Join(root, "placement") || path == filepath.Join(root, "tests") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range pointCall.FindAllStringSubmatch(string(src), -1) {
			name := strings.Trim(m[1], `"`)
			if name == "" || !strings.Contains(name, "/") {
				t.Errorf("%s: the name of a point is a literal what/when, not %q", path, name)
			}
			if slices.Contains(out, name) {
				t.Errorf("%s: point %s is somewhere else too", path, name)
			}
			out = append(out, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

const (
	crashesPerPoint = 6  // at least, over all seeds of a point
	seedsPerPoint   = 40 // at most
)

// A crash at any named point, under load and beside other faults, breaks no
// promise. A point at which nothing ever crashed fails the test.
func TestCrashPoints(t *testing.T) {
	oneProcessor(t)
	points := crashPoints(t)
	if len(points) < 30 {
		t.Errorf("found %d points only: %v", len(points), points)
	}
	for i, point := range points {
		if !inShare(i, len(points)) {
			continue
		}
		begun := time.Now()
		crashes, seeds := 0, 0
		for seeds < seedsPerPoint && crashes < crashesPerPoint {
			seeds++
			r := simulate(pointPlan(uint64(1000*(i+1)+seeds), point), mutant{}, nil)
			crashes += r.counts["crashes at a point"]
			if r.failure != nil {
				fail(t, r, nil)
				break
			}
		}
		t.Logf("%-32s %d crashes in %d seeds, %v", point, crashes, seeds, time.Since(begun).Round(time.Millisecond))
		if crashes == 0 && !t.Failed() {
			t.Errorf("nothing crashed at %s in %d seeds: it is never reached", point, seeds)
		}
	}
}

var (
	flagPoints = flag.Int("points", 0, "how many of the named points TestCrashPoints takes; 0: all")
	flagShare  = flag.Int("share", 0, "which share of them: each number another")
)

// inShare reports whether the i-th of n points is in the share that was asked for.
func inShare(i, n int) bool {
	most := *flagPoints
	return most <= 0 || most >= n || ((i-*flagShare*most)%n+n)%n < most
}

// A store is lost with its disk at the moment at which it has applied a change of
// membership, or is about to remove a replica: whoever is left goes on with every
// region, also where that store alone knew of the change.
func TestLossDuringChange(t *testing.T) {
	oneProcessor(t)
	deaths := 0
	for i, point := range []string{"membership/before-apply", "membership/after-apply", "destroy/before-sync", "destroy/after-tombstone"} {
		for seed := range uint64(lossSeeds) {
			p := lossPlan(uint64(100_000+1000*i)+seed, point)
			r := simulate(p, mutant{}, nil)
			deaths += r.counts["deaths"]
			if r.failure != nil {
				fail(t, r, nil)
				break
			}
		}
	}
	t.Logf("%d stores were lost", deaths)
	if deaths < 2*lossSeeds {
		t.Errorf("%d stores were lost only", deaths)
	}
}

// lossSeeds is how many seeds each point gets.
const lossSeeds = 6

// lossPlan is a plan in which placement replaces voters all the time, of regions that
// have three from the beginning, and the first store that comes to a point, some seconds
// after the start, is lost.
func lossPlan(seed uint64, point string) *plan {
	p := pointPlan(seed, point)
	p.stores, p.voters = 5, 3
	for len(p.rates) < p.stores {
		p.rates = append(p.rates, 1)
	}
	p.placed, p.membership = true, false
	p.crashes, p.diesThere = 1, true
	p.faults = slices.DeleteFunc(p.faults, func(f fault) bool { return f.kind == storeDies || f.kind == crashPoint })
	return p
}

// pointPlan is a plan in which everything happens often, with a few crashes at a
// point.
func pointPlan(seed uint64, point string) *plan {
	p := newPlan(seed)
	p.split, p.transfer, p.membership, p.eagerSync = true, true, true, true
	p.retention = 500 * time.Millisecond
	p.adminEvery = 200 * time.Millisecond
	p.chaos = 15 * time.Second // most points come by within seconds
	p.crashAt, p.crashes = point, 4
	return p
}
