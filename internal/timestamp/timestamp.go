// Package timestamp defines the timestamps that order everything in a cluster.
//
// A timestamp is issued by the timestamp oracle (TSO): physical milliseconds
// since the Unix epoch in the upper bits and a logical counter in the lower 18.
// A transaction's start timestamp is also its id, because the oracle gives every
// waiter a distinct one.
package timestamp

import (
	"fmt"
	"time"
)

// LogicalBits is the width of the logical counter.
const LogicalBits = 18

// LogicalMax is the largest logical counter.
const LogicalMax = 1<<LogicalBits - 1

// Timestamp is a point in the order of the cluster. Zero means none.
type Timestamp uint64

// Max is above every timestamp that is ever issued.
const Max Timestamp = 1<<63 - 1

// Make joins the physical and the logical part.
func Make(physicalMs int64, logical uint32) Timestamp {
	return Timestamp(uint64(physicalMs)<<LogicalBits | uint64(logical)&LogicalMax)
}

// PhysicalMs returns the milliseconds since the Unix epoch.
func (t Timestamp) PhysicalMs() int64 { return int64(t >> LogicalBits) }

// Logical returns the counter within the millisecond.
func (t Timestamp) Logical() uint32 { return uint32(t & LogicalMax) }

// Time returns the physical part as a time.
func (t Timestamp) Time() time.Time { return time.UnixMilli(t.PhysicalMs()) }

// Next returns the smallest timestamp above t.
func (t Timestamp) Next() Timestamp { return t + 1 }

// Prev returns the largest timestamp below t; zero stays zero.
func (t Timestamp) Prev() Timestamp {
	if t == 0 {
		return 0
	}
	return t - 1
}

// IsZero reports whether t is none.
func (t Timestamp) IsZero() bool { return t == 0 }

// String writes physical milliseconds and logical counter, joined by a dot.
func (t Timestamp) String() string { return fmt.Sprintf("%d.%d", t.PhysicalMs(), t.Logical()) }
