//go:build faults

package server

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/storage/engine"
)

// FaultsEnv names the environment variable that makes a test build obey a file: it
// says what is wrong with the node's clock and disk, and may change at any time.
//
//	clock offset=3600s rate=1.04
//	disk slow=300ms eio enospc full
const FaultsEnv = "QUORATE_FAULTS"

// faultsPoll is how often the file is read.
const faultsPoll = 10 * time.Millisecond

// withFaults puts a clock and a file system that obey the file in the place of the
// node's own.
func (c *Config) withFaults() engine.FS {
	path := os.Getenv(FaultsEnv)
	if path == "" {
		return nil
	}
	clock := env.NewSkewedClock(c.Env.Clock)
	fs := engine.NewFaultyFS(engine.DefaultFS(), time.Sleep)
	c.Env.Clock = clock
	c.Logger.Warn("this test build obeys " + path)
	go func() { // for as long as the process lives
		last := ""
		for ; ; time.Sleep(faultsPoll) {
			b, err := os.ReadFile(path)
			if text := string(b); err == nil && text != last {
				last = text
				if err := obey(text, clock, fs); err != nil {
					c.Logger.Error("faults", "err", err)
				}
			}
		}
	}()
	return fs
}

func obey(text string, clock *env.SkewedClock, fs *engine.FaultyFS) error {
	offset, rate := time.Duration(0), 1.0
	var d engine.DiskFault
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		var err error
		switch name {
		case "clock", "disk":
		case "offset":
			offset, err = time.ParseDuration(value)
		case "rate":
			rate, err = strconv.ParseFloat(value, 64)
		case "slow":
			d.SlowSync, err = time.ParseDuration(value)
		case "eio":
			d.FailSync = true
		case "enospc":
			d.FailWrite = true
		case "full":
			d.Full = true
		default:
			err = fmt.Errorf("unknown fault %q", word)
		}
		if err != nil {
			return err
		}
	}
	clock.Set(offset, rate)
	fs.Set(d)
	return nil
}
