package placement

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quorate-db/quorate/proto/placementpb"
)

// keySettings precedes the name of a setting that somebody has chosen. The value is a
// number of bytes or nanoseconds; an empty one stands for the default. A program that
// does not know settings refuses to lead placement once one is stored.
var keySettings = []byte("\x01setting/")

// The settings of the cluster, with the names that people see.
const (
	settingSplitSize     = "region-split-size"
	settingSplitRequests = "region-split-requests"
	settingMergeSize     = "region-merge-size"
	settingMergeRest     = "region-merge-rest"
	settingRetention     = "gc-retention"
	settingReplaceAfter  = "replace-after"
)

type setting struct {
	name, about string
	kind        settingKind
	// The bounds of what may be chosen. A node's flags may lie outside.
	min, max int64
}

// settingKind is what the number of a setting counts.
type settingKind int

const (
	nanoseconds settingKind = iota
	bytesOf
	requests
)

const (
	mib = 1 << 20
	day = 24 * time.Hour
)

// settings is ordered by name.
var settings = []setting{
	{settingRetention, "for how long a snapshot stays readable, and old versions are kept", nanoseconds, int64(10 * time.Second), int64(30 * day)},
	{settingMergeRest, "how long after a change of its range a region is not merged", nanoseconds, int64(time.Second), int64(day)},
	{settingMergeSize, "two neighbours that are smaller together are merged; 0: never", bytesOf, 0, 512 * mib},
	{settingSplitRequests, "a region that gets more requests a second is split by load; 0: never", requests, 0, 1_000_000},
	{settingSplitSize, "a region that is larger is split", bytesOf, mib, 1024 * mib},
	{settingReplaceAfter, "how long a node is silent before its replicas are replaced", nanoseconds, int64(10 * time.Second), int64(7 * day)},
}

// fallback is the value while nobody has chosen one.
func (l *leadership) fallback(o *Options, name string) int64 {
	switch name {
	case settingSplitSize:
		return o.SplitSize
	case settingSplitRequests:
		return int64(max(o.SplitRequests, 0))
	case settingMergeSize:
		if o.MergeBelow != 0 {
			return max(o.MergeBelow, 0)
		}
		// Far enough below that what is merged is not split again soon.
		return min(DefaultMergeBelow, l.setting(o, settingSplitSize)/4)
	case settingMergeRest:
		return int64(o.MergeRest)
	case settingRetention:
		return int64(o.Retention)
	case settingReplaceAfter:
		return int64(o.DownAfter)
	}
	return 0
}

// setting is the value that counts. Requires: Service.mu held, or l not shared yet.
func (l *leadership) setting(o *Options, name string) int64 {
	if v, ok := l.settings[name]; ok {
		return v
	}
	return l.fallback(o, name)
}

func (l *leadership) duration(o *Options, name string) time.Duration {
	return time.Duration(l.setting(o, name))
}

func (d *setting) typeName() string {
	switch d.kind {
	case bytesOf:
		return "size"
	case requests:
		return "number"
	}
	return "duration"
}

func (d *setting) format(v int64) string {
	switch d.kind {
	case bytesOf:
		return formatSize(v)
	case requests:
		return strconv.FormatInt(v, 10)
	}
	return formatDuration(time.Duration(v))
}

// parse reads a value and checks its bounds.
func (d *setting) parse(text string) (int64, error) {
	var v int64
	switch d.kind {
	case bytesOf:
		n, ok := parseSize(text)
		if !ok {
			return 0, &ErrRefused{fmt.Sprintf("%s: %q is not a size such as 64MiB; it lies between %s and %s", d.name, text, d.format(d.min), d.format(d.max))}
		}
		v = n
	case requests:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, &ErrRefused{fmt.Sprintf("%s: %q is not a whole number; it lies between %s and %s", d.name, text, d.format(d.min), d.format(d.max))}
		}
		v = n
	default:
		n, err := time.ParseDuration(text)
		if err != nil {
			return 0, &ErrRefused{fmt.Sprintf("%s: %q is not a time such as 90s or 10m; it lies between %s and %s", d.name, text, d.format(d.min), d.format(d.max))}
		}
		v = int64(n)
	}
	if v < d.min || v > d.max {
		return 0, &ErrRefused{fmt.Sprintf("%s: %s is out of bounds: it lies between %s and %s", d.name, text, d.format(d.min), d.format(d.max))}
	}
	return v, nil
}

// formatDuration writes 10m instead of 10m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

var sizeUnits = []struct {
	suffix string
	n      int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

func formatSize(v int64) string {
	for _, u := range sizeUnits[:3] {
		if v >= u.n && v%u.n == 0 {
			return strconv.FormatInt(v/u.n, 10) + u.suffix
		}
	}
	return strconv.FormatInt(v, 10)
}

// parseSize reads a whole number of bytes, or of one of the units.
func parseSize(text string) (int64, bool) {
	unit := int64(1)
	for _, u := range sizeUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, unit = rest, u.n
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n < 0 || n > 1<<62/unit {
		return 0, false
	}
	return n * unit, true
}

func settingNamed(name string) *setting {
	for i := range settings {
		if settings[i].name == name {
			return &settings[i]
		}
	}
	return nil
}

func settingKey(name string) []byte { return append(slices.Clone(keySettings), name...) }

// loadSetting takes in a stored setting. One that this program does not know stays
// stored and counts for nothing.
func (l *leadership) loadSetting(p KV) error {
	if len(p.Value) == 0 {
		return nil
	}
	v, err := number(p)
	if err != nil {
		return err
	}
	if name := string(p.Key[len(keySettings):]); settingNamed(name) != nil {
		l.settings[name] = int64(v)
	}
	return nil
}

// Settings changes a setting, if the request names one, and lists all by name. A name or
// value that cannot be is *ErrRefused.
func (s *Service) Settings(ctx context.Context, req *placementpb.SettingsRequest) ([]*placementpb.Setting, error) {
	l, err := s.leading()
	if err != nil {
		return nil, err
	}
	if req.GetName() != "" {
		if err := s.changeSetting(ctx, l, req.Name, req.Value); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*placementpb.Setting, 0, len(settings))
	for i := range settings {
		d := &settings[i]
		_, set := l.settings[d.name]
		out = append(out, &placementpb.Setting{Name: d.name, Type: d.typeName(), Value: d.format(l.setting(&s.o, d.name)),
			Default: d.format(l.fallback(&s.o, d.name)), Min: d.format(d.min), Max: d.format(d.max), Set: set, About: d.about})
	}
	return out, nil
}

// settingDefault is the value that lets go of a choice.
const settingDefault = "default"

func (s *Service) changeSetting(ctx context.Context, l *leadership, name, value string) error {
	d := settingNamed(name)
	if d == nil {
		var names []string
		for _, d := range settings {
			names = append(names, d.name)
		}
		return &ErrRefused{fmt.Sprintf("there is no setting %q: there are %s", name, strings.Join(names, ", "))}
	}
	var v int64
	var stored []byte
	if value != settingDefault {
		var err error
		if v, err = d.parse(value); err != nil {
			return err
		}
		stored = putNumber(uint64(v))
	}
	// One change at a time, so that the two sizes are checked against each other.
	select {
	case s.join <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.join }()
	s.mu.Lock()
	after := *l
	after.settings = map[string]int64{}
	for k, old := range l.settings {
		after.settings[k] = old
	}
	s.mu.Unlock()
	if stored == nil {
		delete(after.settings, name)
	} else {
		after.settings[name] = v
	}
	if merge, split := after.setting(&s.o, settingMergeSize), after.setting(&s.o, settingSplitSize); merge > split/2 && (name == settingMergeSize || name == settingSplitSize) {
		return &ErrRefused{fmt.Sprintf("%s (%s) must be at most half of %s (%s), or what is merged would be split again", settingMergeSize, formatSize(merge), settingSplitSize, formatSize(split))}
	}
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	if err := s.o.Group.WriteRaw(ctx, l.term, []KV{{settingKey(name), stored}}); err != nil {
		return fmt.Errorf("store the setting %s: %w", name, err)
	}
	s.mu.Lock()
	l.settings = after.settings
	s.mu.Unlock()
	s.o.Logger.Info("placement: setting", "name", name, "value", value)
	s.wakePlanner()
	return nil
}
