//go:build faults

package sim

import (
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
