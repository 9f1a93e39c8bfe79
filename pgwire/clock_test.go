package pgwire

import (
	"time"

	"github.com/quorate-db/quorate/internal/env"
)

// manualClock stands still until it is moved. It makes no timers.
type manualClock struct {
	env.Clock
	now time.Time
}

func (c *manualClock) Now() time.Time { return c.now }
