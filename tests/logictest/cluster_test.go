package logictest

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/server"
)

// shape is a cluster that the scripts run on.
type shape struct {
	name       string
	nodes      int
	splitBytes int64
	extended   bool
}

// tinyRegionBytes makes tables of a few hundred rows lie in several regions.
const tinyRegionBytes = 8 << 10

func shapes() []shape {
	return []shape{
		{name: "one-node", nodes: 1},
		{name: "three-nodes", nodes: 3, extended: true},
		{name: "tiny-regions", nodes: 1, splitBytes: tinyRegionBytes},
	}
}

// startCluster starts the nodes of a shape in this process and returns how to
// connect to each. They are stopped when the test ends.
func startCluster(t testing.TB, s shape) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	base := server.Config{
		ListenSQL: "127.0.0.1:0", ListenRPC: "127.0.0.1:0", ListenHTTP: "127.0.0.1:0",
		CacheBytes: 32 << 20, SplitSizeBytes: s.splitBytes,
		Local: server.NewLocalCluster(env.SystemClock()), Env: env.System(),
	}
	var dsns []string
	var nodes []*server.Node
	t.Cleanup(func() {
		for i := len(nodes) - 1; i >= 0; i-- {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
			if err := nodes[i].Stop(ctx); err != nil {
				t.Logf("stop node %d: %v", i+1, err)
			}
			cancel()
		}
	})
	for i := range s.nodes {
		c := base
		c.StoreDir = filepath.Join(dir, fmt.Sprintf("node%d", i+1))
		if i > 0 {
			c.Join = []string{nodes[0].RPCAddr()}
		}
		n, err := server.Start(ctx, c)
		if err != nil {
			t.Fatalf("start node %d: %v", i+1, err)
		}
		nodes = append(nodes, n)
		u := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: n.SQLAddr(), Path: "/postgres", RawQuery: "sslmode=disable"}
		dsns = append(dsns, u.String())
	}
	return dsns
}

// dropAll removes what scripts left, so that the next one finds an empty database.
func dropAll(ctx context.Context, dsn string) error {
	c, err := pgconn.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	rows := c.ExecParams(ctx, "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public' AND relkind = 'r'", nil, nil, nil, nil).Read()
	if rows.Err != nil {
		return fmt.Errorf("list tables: %w", rows.Err)
	}
	var names []string
	for _, r := range rows.Rows {
		names = append(names, `"`+strings.ReplaceAll(string(r[0]), `"`, `""`)+`"`)
	}
	if len(names) == 0 {
		return nil
	}
	if _, err := c.Exec(ctx, "DROP TABLE "+strings.Join(names, ", ")+" CASCADE").ReadAll(); err != nil {
		return fmt.Errorf("drop tables: %w", err)
	}
	return nil
}
