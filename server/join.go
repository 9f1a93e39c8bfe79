package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/region/store"
)

// Version is the version of this binary.
const Version = "0.1.0"

const (
	helloTimeout = time.Second
	joinPause    = 100 * time.Millisecond
)

// joinToken returns the token under which this empty store joins. It is kept in
// a file until the store has its identity, so that a store which crashed after
// it was accepted gets the same id again.
func joinToken(dir string) (string, error) {
	path := filepath.Join(dir, "join-token")
	raw, err := os.ReadFile(path)
	if err == nil && len(raw) > 0 {
		return string(raw), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the join token: %w", err)
	}
	var b [16]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", fmt.Errorf("make a join token: %w", err)
	}
	token := hex.EncodeToString(b[:])
	if err := writeFileDurably(path, []byte(token)); err != nil {
		return "", fmt.Errorf("write the join token: %w", err)
	}
	return token, nil
}

// join asks the nodes of a cluster to take this empty store in, until one does.
func join(ctx context.Context, cfg *Config, d *dialer, book *addressBook, self *metapb.Store) (store.Ident, error) {
	token, err := joinToken(cfg.StoreDir)
	if err != nil {
		return store.Ident{}, err
	}
	targets := append([]string(nil), cfg.Join...)
	for round := 0; ; round++ {
		var last error
		// The list grows while it is walked: an answer may name the leader.
		for i := 0; i < len(targets) && i < 16; i++ {
			addr := targets[i]
			resp, err := joinAt(ctx, d, addr, &placementpb.JoinRequest{JoinToken: token, Store: self})
			if err != nil {
				last = fmt.Errorf("join through %s: %w", addr, err)
				continue
			}
			if e := resp.GetError(); e != nil {
				last = fmt.Errorf("join through %s: %s", addr, e.Message)
				if !e.NotLeader {
					return store.Ident{}, last
				}
				if e.LeaderAddress != "" && len(targets) < 16 {
					targets = append(targets, e.LeaderAddress)
				}
				continue
			}
			if _, err := book.learn(resp.Stores); err != nil {
				return store.Ident{}, err
			}
			return store.Ident{ClusterID: resp.ClusterId, StoreID: resp.StoreId, NodeID: resp.StoreId}, nil
		}
		if round%50 == 0 {
			cfg.Logger.Warn("waiting for a node of the cluster", "join", cfg.Join, "err", last)
		}
		targets = append(targets[:0:0], cfg.Join...)
		if err := env.Sleep(ctx, cfg.Env.Clock, joinPause); err != nil {
			return store.Ident{}, fmt.Errorf("no node of --join took this store in: %w", last)
		}
	}
}

func joinAt(ctx context.Context, d *dialer, addr string, req *placementpb.JoinRequest) (*placementpb.JoinResponse, error) {
	c, err := d.address(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*helloTimeout)
	defer cancel()
	return placementpb.NewPlacementClient(c).Join(ctx, req)
}

// greet tells the nodes it knows of, and those of --join, where this node is now,
// and learns from their answers where the others are. It fails only when a node
// of --join belongs to another cluster.
func greet(ctx context.Context, cfg *Config, d *dialer, book *addressBook, ident store.Ident, self *metapb.Store) error {
	type target struct {
		addr  string
		named bool // by --join
	}
	var targets []target
	for _, j := range cfg.Join {
		targets = append(targets, target{j, true})
	}
	for _, s := range book.list() {
		if s.Id != ident.StoreID {
			targets = append(targets, target{s.RpcAddress, false})
		}
	}
	type answer struct {
		t    target
		resp *adminpb.HelloResponse
	}
	answers := make(chan answer, len(targets))
	for _, t := range targets {
		go func() { // ends with its call, which has a timeout
			resp, err := hello(ctx, d, t.addr, ident, self)
			if err != nil {
				resp = nil
			}
			answers <- answer{t, resp}
		}()
	}
	for range targets {
		a := <-answers
		if a.resp == nil || a.resp.ClusterId == 0 {
			continue
		}
		if a.resp.ClusterId != ident.ClusterID {
			if a.t.named {
				return fmt.Errorf("store directory %s belongs to cluster %016x, the node at %s is of cluster %016x: name another directory, or nodes of this cluster",
					cfg.StoreDir, ident.ClusterID, a.t.addr, a.resp.ClusterId)
			}
			continue // somebody else took over an old address
		}
		if _, err := book.learn(a.resp.Stores); err != nil {
			return err
		}
	}
	return nil
}

func hello(ctx context.Context, d *dialer, addr string, ident store.Ident, self *metapb.Store) (*adminpb.HelloResponse, error) {
	c, err := d.address(addr)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, helloTimeout)
	defer cancel()
	return adminpb.NewAdminClient(c).Hello(ctx, &adminpb.HelloRequest{ClusterId: ident.ClusterID, Store: self})
}
