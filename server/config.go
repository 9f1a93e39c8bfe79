package server

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/storage/engine"
)

// Config is what a node is started with. See DESIGN §10 for the flags.
type Config struct {
	// StoreDir holds the node's data; it is created if it does not exist.
	StoreDir string
	// ListenSQL, ListenRPC and ListenHTTP are the addresses of the three
	// sockets. Port 0 lets the system choose.
	ListenSQL, ListenRPC, ListenHTTP string
	// AdvertiseSQL and AdvertiseRPC are the addresses that others use, if they
	// differ from where the node listens.
	AdvertiseSQL, AdvertiseRPC string
	// Join lists RPC addresses of nodes of the cluster to join. Empty: an empty
	// store makes a new cluster.
	Join []string
	// Locality are pairs such as dc=a, zone=b.
	Locality map[string]string
	// Insecure permits to listen beyond loopback without certificates.
	Insecure bool
	// CertsDir holds the node's certificates; empty: without TLS. See package certs.
	CertsDir string
	// RulesFile says who may log in how, in the form of pg_hba.conf; empty for the
	// default rules.
	RulesFile string
	// ReloadNow asks to look at both at once; else they are looked at every ten
	// seconds.
	ReloadNow <-chan os.Signal
	// CacheBytes is the block cache, MemoryBytes the whole; 0 chooses.
	CacheBytes int64
	// Local joins nodes of one process: see LocalCluster. May be nil.
	Local *LocalCluster
	// SplitSizeBytes is the size at which regions split, 0 for the default.
	SplitSizeBytes int64
	// LoadSplitRequests is how many requests a second a region may get before it is split
	// by load: 0 for the default, less: never.
	LoadSplitRequests int
	// MergeRest is how long after a change of its range a region is not merged by
	// itself, 0 for the default.
	MergeRest time.Duration
	// DownAfter is how long a node is silent before its replicas are replaced, 0 for the
	// default.
	DownAfter time.Duration
	// Retention is how long old versions are kept, 0 for the default. All nodes must
	// have the same.
	Retention time.Duration

	Env    env.Env
	Logger *slog.Logger

	fs engine.FS // nil: the operating system's
}

// Validate fills in defaults and says what is wrong with the rest.
func (c *Config) Validate() error {
	if c.StoreDir == "" {
		return &UsageError{"no store directory given: name one with --store DIR"}
	}
	for _, a := range []struct{ flag, addr string }{
		{"--listen-sql", c.ListenSQL}, {"--listen-rpc", c.ListenRPC}, {"--listen-http", c.ListenHTTP},
	} {
		host, _, err := net.SplitHostPort(a.addr)
		if err != nil {
			return &UsageError{fmt.Sprintf("%s %q is not HOST:PORT: %v", a.flag, a.addr, err)}
		}
		if !c.Insecure && c.CertsDir == "" && !loopback(host) {
			return &UsageError{fmt.Sprintf("%s %s is reachable from other machines, and there are no certificates: name them with --certs-dir (see quorate cert), listen on 127.0.0.1, or say --insecure", a.flag, a.addr)}
		}
	}
	if c.Insecure && c.CertsDir != "" {
		return &UsageError{"--insecure and --certs-dir exclude each other"}
	}
	for _, j := range c.Join {
		if _, _, err := net.SplitHostPort(j); err != nil {
			return &UsageError{fmt.Sprintf("--join %q is not HOST:PORT: %v", j, err)}
		}
	}
	for _, a := range []struct{ flag, addr string }{{"--advertise-sql", c.AdvertiseSQL}, {"--advertise-rpc", c.AdvertiseRPC}} {
		if a.addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			return &UsageError{fmt.Sprintf("%s %q is not HOST:PORT: %v", a.flag, a.addr, err)}
		}
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 256 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Env.Clock == nil {
		c.Env = env.System()
	}
	return nil
}

// UsageError says that the node was started with a setting that cannot be.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
