package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// splitOrMerge cuts a table of the load at some key, or merges some region with its
// right neighbour: as many regions come as go.
func splitOrMerge(ctx context.Context, f *faults, rng *rand.Rand) (string, func(context.Context) error, error) {
	if rng.IntN(2) == 0 {
		tables, running := f.r.load.tables(), f.c.Running()
		if len(tables) == 0 || len(running) == 0 {
			return "", nil, nil
		}
		table, at := tables[rng.IntN(len(tables))], rng.IntN(splitBelow)
		cctx, cancel := context.WithTimeout(ctx, askTimeout)
		defer cancel()
		err := execute(cctx, running[rng.IntN(len(running))], fmt.Sprintf("ALTER TABLE %s SPLIT AT VALUES (%d)", table, at))
		return fmt.Sprintf("%s split at %d (error: %v)", table, at, err), nil, nil
	}
	r, ok := f.someRegion(ctx, rng)
	if !ok || r.ID == 1 {
		return "", nil, nil
	}
	out := mergeRegion(ctx, f.c, r.ID)
	return fmt.Sprintf("region %d merged with its neighbour (exit code %d %s)", r.ID, out.Code, strings.TrimSpace(out.Stderr)), nil, nil
}

func mergeRegion(ctx context.Context, c *cluster.Cluster, id uint64) cluster.Output {
	cctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return c.CLI(cctx, "region", "merge", fmt.Sprint(id), "--timeout", askTimeout.String())
}
