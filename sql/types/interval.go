package types

// Interval is a span of time. Months, days and microseconds stay apart, since
// neither a month nor a day has a fixed length.
type Interval struct {
	Micros int64
	Days   int32
	Months int32
}
