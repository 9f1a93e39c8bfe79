package store

import (
	"slices"
	"time"

	"github.com/quorate-db/quorate/multiraft/liveness"
	"github.com/quorate-db/quorate/region/replica"
)

const (
	// startsMax bounds the regions that this store tries to lead at once after it was
	// opened.
	startsMax = campaignsMax
	// startStep and startStepPerRegion are how long the next in rank waits longer: for
	// all that the first ones have to do.
	startStep          = time.Second
	startStepPerRegion = 500 * time.Microsecond
	// startPatience is how long a replica awaits its start while too few other stores
	// are heard of. Then it is on its own, as one that has lost its leader.
	startPatience = 10 * time.Second
	// startTrial is how long a campaign counts as under way.
	startTrial = 2 * time.Second
)

// starter has the replicas campaign that were found when the store was opened and that
// no leader looks after, each when it is its turn. Used by the ticker alone.
type starter struct {
	waiting []*replica.Replica // ordered by region id
	trials  []trial
	heard   map[uint64]heardBoot // by store
	opened  time.Duration
	// since is when the first region could have had a leader; negative: not yet.
	since time.Duration
}

type trial struct {
	r  *replica.Replica
	at time.Duration
}

// heardBoot is when a process of a store was heard of first.
type heardBoot struct {
	boot uint64
	at   time.Duration
}

func (t *starter) init(all []*replica.Replica, now time.Duration) {
	*t = starter{heard: make(map[uint64]heardBoot), opened: now, since: -1}
	for _, r := range all {
		if r.AwaitsStart() {
			t.waiting = append(t.waiting, r)
		}
	}
}

// run lets those campaign whose turn it is.
func (t *starter) run(s *Store, v *liveness.View, now time.Duration) {
	if len(t.waiting) == 0 {
		return
	}
	lives := func(store uint64) bool { return v.Peer(store).Alive(now) }
	for _, p := range v.Peers {
		if h := t.heard[p.Store]; p.Boot != 0 && h.boot != p.Boot {
			t.heard[p.Store] = heardBoot{p.Boot, now}
		}
	}
	// A process that has been heard of for so long votes (rule A11).
	votes := func(store uint64) bool {
		h := t.heard[store]
		return h.boot != 0 && now-h.at >= liveness.Support && lives(store)
	}
	t.trials = slices.DeleteFunc(t.trials, func(k trial) bool {
		i := k.r.Info()
		return i.Leader != nil || i.Destroyed || now-k.at > startTrial
	})
	patient := now-t.opened < startPatience
	if len(t.trials) >= startsMax || patient && !slices.ContainsFunc(v.Peers, func(p liveness.PeerView) bool { return votes(p.Store) }) {
		return // nobody's turn, without asking each
	}
	step := startStep + time.Duration(len(s.all()))*startStepPerRegion
	t.waiting = slices.DeleteFunc(t.waiting, func(r *replica.Replica) bool {
		if !r.AwaitsStart() {
			return true
		}
		if len(t.trials) >= startsMax {
			return false
		}
		rank, enough := r.StartRank(lives, votes)
		if !enough {
			if patient {
				return false
			}
			r.Begin(false)
			s.wakeful.note(r)
			return true
		}
		if t.since < 0 {
			t.since = now
		}
		if now-t.since < time.Duration(rank)*step {
			return false
		}
		t.trials = append(t.trials, trial{r, now})
		r.Begin(true)
		s.wakeful.note(r)
		return true
	})
	if len(t.waiting) == 0 {
		*t = starter{}
	}
}
