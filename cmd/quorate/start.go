package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/server"
)

// stopWithin bounds a stop in good order; what is left is done by the restart.
const stopWithin = 5 * time.Second

func newStart(g *globals) *cobra.Command {
	cfg := server.Config{}
	var join []string
	var locality, pidFile, memory, level string
	cmd := &cobra.Command{
		Use:   "start --store DIR",
		Short: "Run a node: a new cluster in an empty store, or --join one",
		Args:  usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, j := range join {
				for _, a := range strings.Split(j, ",") {
					if a = strings.TrimSpace(a); a != "" {
						cfg.Join = append(cfg.Join, a)
					}
				}
			}
			var err error
			if cfg.Locality, err = parseLocality(locality); err != nil {
				return err
			}
			if err := applyMemoryLimit(memory, &cfg, 1); err != nil {
				return err
			}
			if cfg.Logger, err = newLogger(level); err != nil {
				return err
			}
			if cfg.StoreDir != "" && pidFile != "" {
				if err := writePID(pidFile); err != nil {
					return err
				}
				defer os.Remove(pidFile)
			}
			cfg.Env = env.System()
			cfg.CertsDir = g.certs
			reload := make(chan os.Signal, 1)
			signal.Notify(reload, syscall.SIGHUP)
			defer signal.Stop(reload)
			cfg.ReloadNow = reload
			return runNode(cmd.Context(), cfg, cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.StoreDir, "store", "", "directory of the node's data (made if missing)")
	f.StringVar(&cfg.ListenSQL, "listen-sql", "127.0.0.1:5433", "address for PostgreSQL clients")
	f.StringVar(&cfg.ListenRPC, "listen-rpc", "127.0.0.1:7433", "address for other nodes and the command line")
	f.StringVar(&cfg.ListenHTTP, "listen-http", "127.0.0.1:8433", "address for health, metrics and profiles")
	f.StringVar(&cfg.AdvertiseSQL, "advertise-sql", "", "SQL address that others are told, if not --listen-sql")
	f.StringVar(&cfg.AdvertiseRPC, "advertise-rpc", "", "RPC address that others are told, if not --listen-rpc")
	f.StringArrayVar(&join, "join", nil, "RPC addresses of nodes of the cluster to join, by comma")
	f.StringVar(&locality, "locality", "", "where the node is, as dc=a,zone=b")
	f.BoolVar(&cfg.Insecure, "insecure", false, "listen beyond loopback without certificates")
	f.StringVar(&cfg.RulesFile, "hba-file", "", "who may log in how, in the form of pg_hba.conf (default: by certificate or password)")
	f.StringVar(&pidFile, "pid-file", "", "write the process id here before listening")
	f.StringVar(&memory, "memory-limit", "", "memory to use, such as 2GiB (default: no limit)")
	f.DurationVar(&cfg.Retention, "gc-retention", 0, "how long old versions are kept, the same on all nodes (default 10m)")
	f.DurationVar(&cfg.DownAfter, "replace-after", 0, "how long a node is silent before its replicas are replaced (default 5m)")
	f.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// runNode runs a node until it is told to stop, or fails.
func runNode(ctx context.Context, cfg server.Config, cmd *cobra.Command) error {
	paceCollections()
	n, err := server.Start(ctx, cfg)
	if err != nil {
		if ctx.Err() != nil {
			return nil // told to stop while it was starting
		}
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), readyLine(n))
	select {
	case <-ctx.Done():
	case <-n.Failed():
	}
	failure := n.Err()
	sctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	if failure != nil {
		// Nothing can be handed over, and nothing may be acknowledged any more.
		_ = n.StopNow(sctx)
		return fmt.Errorf("the node stopped: %w", failure)
	}
	return n.Stop(sctx)
}

func readyLine(n *server.Node) string {
	return fmt.Sprintf("ready node=%d sql=%s rpc=%s http=%s", n.ID(), n.SQLAddr(), n.RPCAddr(), n.HTTPAddr())
}

func newLogger(level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, &server.UsageError{Message: fmt.Sprintf("--log-level %q: there are debug, info, warn and error", level)}
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: l})), nil
}

func parseLocality(s string) (map[string]string, error) {
	if s == "" {
		return nil, nil
	}
	m := map[string]string{}
	for _, p := range strings.Split(s, ",") {
		k, v, ok := strings.Cut(p, "=")
		if !ok || k == "" || v == "" {
			return nil, &server.UsageError{Message: fmt.Sprintf("--locality %q is not of the form dc=a,zone=b", s)}
		}
		m[k] = v
	}
	return m, nil
}

// applyMemoryLimit gives a quarter of the limit to the block caches of the
// process's nodes and tells the runtime the whole.
func applyMemoryLimit(s string, cfg *server.Config, nodes int64) error {
	if s == "" {
		return nil
	}
	n, err := parseSize(s)
	if err != nil {
		return &server.UsageError{Message: fmt.Sprintf("--memory-limit %q: %v", s, err)}
	}
	if n < 64<<20 {
		return &server.UsageError{Message: fmt.Sprintf("--memory-limit %q: a node needs at least 64MiB", s)}
	}
	debug.SetMemoryLimit(n)
	cfg.CacheBytes = n / 4 / nodes
	return nil
}

func parseSize(s string) (int64, error) {
	units := []struct {
		suffix string
		n      int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}}
	for _, u := range units {
		if num, ok := strings.CutSuffix(s, u.suffix); ok {
			f, err := strconv.ParseFloat(strings.TrimSpace(num), 64)
			if err != nil || f < 0 || f*float64(u.n) > 1<<62 {
				return 0, errors.New("not a size such as 512MiB or 2GiB")
			}
			return int64(f * float64(u.n)), nil
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("not a size such as 512MiB or 2GiB")
	}
	return n, nil
}

// writePID writes the process id, replacing what a dead process left.
func writePID(path string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("write --pid-file %s: %w", filepath.Clean(path), err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write --pid-file %s: %w", filepath.Clean(path), err)
	}
	return nil
}
