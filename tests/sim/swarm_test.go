package sim

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/quorate-db/quorate/multiraft"
)

// settings are what some seeds set differently from the product, so that limits are
// reached within a few entries. The zero value is the product's.
type settings struct {
	raft multiraft.RaftSettings
}

// drawSettings turns each unusual setting on in some seeds; a quarter of the seeds
// has none.
func drawSettings(seed uint64) settings {
	r := rand.New(rand.NewPCG(seed, 0x73657474))
	var s settings
	if r.IntN(4) == 0 {
		return s
	}
	some := func(f func()) {
		if r.IntN(3) == 0 {
			f()
		}
	}
	some(func() { s.raft.MaxAppendBytes = 1 }) // one entry a message
	some(func() { s.raft.MaxInflightMessages = 1 + r.IntN(3) })
	some(func() { s.raft.MaxUncommittedBytes = 1 }) // one proposal at a time
	some(func() { s.raft.MaxApplyingBytes = 1 })
	some(func() { s.raft.ElectionSpreadTicks = 1 })
	some(func() { s.raft.InboxMessages = 2 + r.IntN(6) })
	some(func() { s.raft.LogKeepBytes = 1 + r.Int64N(4<<10) }) // a raft snapshot after a few entries
	return s
}

func (s settings) String() string {
	var out []string
	add := func(name string, v int64) {
		if v != 0 {
			out = append(out, fmt.Sprintf("%s %d", name, v))
		}
	}
	add("append bytes", int64(s.raft.MaxAppendBytes))
	add("messages in flight", int64(s.raft.MaxInflightMessages))
	add("uncommitted bytes", int64(s.raft.MaxUncommittedBytes))
	add("applying bytes", int64(s.raft.MaxApplyingBytes))
	add("election spread", int64(s.raft.ElectionSpreadTicks))
	add("inbox", int64(s.raft.InboxMessages))
	add("log kept", s.raft.LogKeepBytes)
	if out == nil {
		return "as in the product"
	}
	return strings.Join(out, ", ")
}

// wildRate is any that rule A4 has the simulation survive without leases.
func wildRate(r *rand.Rand) float64 { return 0.5 + 1.5*r.Float64() }

// drawWild makes every eighth seed one with clocks that nobody can rely on: without
// leases nothing of what is promised depends on them.
func (p *plan) drawWild() {
	r := rand.New(rand.NewPCG(p.seed, 0x77696c64))
	if r.IntN(8) != 0 {
		return
	}
	p.wild, p.noLeases = true, true
	for i := range p.rates {
		p.rates[i] = wildRate(r)
	}
	for i := range p.faults {
		if p.faults[i].kind == rateChange {
			p.faults[i].rate = wildRate(r)
		}
	}
}

// drawPlacement decides who changes the membership: placement's schedulers, or
// orders drawn at random; and whether a store is lost for good.
func (p *plan) drawPlacement() {
	r := rand.New(rand.NewPCG(p.seed, 0x706c6163))
	if r.IntN(2) == 0 {
		return
	}
	p.placed, p.membership = true, false
	// A disk may be lost only where every region has a second copy of everything
	// that it acknowledged, from the beginning.
	if p.stores > 3 && p.voters == 3 && r.IntN(2) == 0 {
		f := p.draw(r, storeDies)
		f.at = between(r, 5*time.Second, p.chaos*2/3)
		p.add(f, nil)
	}
}
