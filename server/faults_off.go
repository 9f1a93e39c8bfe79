//go:build !faults

package server

import "github.com/quorate-db/quorate/storage/engine"

// withFaults is for test builds (-tags faults): this one has none.
func (c *Config) withFaults() engine.FS { return nil }
