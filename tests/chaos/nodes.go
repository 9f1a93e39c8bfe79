package chaos

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/tests/internal/cluster"
)

// execute runs one statement through a node.
func execute(ctx context.Context, n *cluster.Node, text string) error {
	conn, err := n.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.Background()) }() // the answer was read
	if _, err := conn.Exec(ctx, text); err != nil {
		return fmt.Errorf("%s: %w", text, err)
	}
	return nil
}

func kill(n *cluster.Node) error { n.Kill(); return nil }

// inParallel runs f for all nodes at once and returns the first error.
func inParallel(nodes []*cluster.Node, f func(*cluster.Node) error) error {
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Add(1)
		go func() {
			defer wg.Done()
			errs[i] = f(n)
		}()
	}
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			return fmt.Errorf("%s: %w", nodes[i].Name, err)
		}
	}
	return nil
}

// executeAll runs statements one after the other.
func executeAll(ctx context.Context, conn *pgx.Conn, texts ...string) error {
	for _, s := range texts {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}
