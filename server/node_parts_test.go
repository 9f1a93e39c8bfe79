package server

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
)

func valid() Config {
	return Config{StoreDir: "d", ListenSQL: "127.0.0.1:0", ListenRPC: "127.0.0.1:0", ListenHTTP: "[::1]:0"}
}

// What cannot be is refused as a fault of usage, naming the flag, before anything
// is touched; beyond loopback needs --insecure.
func TestConfigRefusesWhatCannotBe(t *testing.T) {
	c := valid()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"no store":        func(c *Config) { c.StoreDir = "" },
		"no port":         func(c *Config) { c.ListenRPC = "localhost" },
		"all addresses":   func(c *Config) { c.ListenSQL = "0.0.0.0:5433" },
		"empty host":      func(c *Config) { c.ListenSQL = ":5433" },
		"another machine": func(c *Config) { c.ListenHTTP = "10.0.0.1:80" },
		"bad join":        func(c *Config) { c.Join = []string{"here"} },
		"bad advertise":   func(c *Config) { c.AdvertiseSQL = "here" },
	} {
		c := valid()
		spoil(&c)
		var usage *UsageError
		if err := c.Validate(); !errors.As(err, &usage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	c = valid()
	c.ListenSQL, c.Insecure = "0.0.0.0:5433", true
	if err := c.Validate(); err != nil {
		t.Errorf("with --insecure: %v", err)
	}
}

// The address book survives a restart, keeps the record that was started later,
// and says so when its file is damaged.
func TestAddressBook(t *testing.T) {
	dir := t.TempDir()
	b, err := openAddressBook(dir)
	if err != nil {
		t.Fatal(err)
	}
	learn := func(id uint64, addr string, started int64) bool {
		t.Helper()
		changed, err := b.learn([]*metapb.Store{{Id: id, RpcAddress: addr, StartedUnixMs: started}})
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if !learn(2, "a:1", 10) || learn(2, "a:1", 10) {
		t.Error("a new record is news, the same one is not")
	}
	if learn(2, "old:1", 5) || !learn(2, "b:1", 20) {
		t.Error("the record that was started later counts")
	}
	if b, err = openAddressBook(dir); err != nil || b.rpc(2) != "b:1" || b.rpc(3) != "" {
		t.Fatalf("after a restart: %q, %v", b.rpc(2), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "addresses.json"), []byte("[{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openAddressBook(dir); err == nil {
		t.Error("a damaged file was taken for an empty one")
	}
}

// The token under which an empty store joins outlives a crash, so that it gets the
// same id again.
func TestJoinTokenStays(t *testing.T) {
	dir := t.TempDir()
	a, err := joinToken(dir)
	if err != nil || len(a) != 32 {
		t.Fatalf("%q, %v", a, err)
	}
	if b, err := joinToken(dir); err != nil || b != a {
		t.Errorf("%q became %q, %v", a, b, err)
	}
}

// The node's directory drops what a newer region covers, forgets everything at a
// full update, and lets those wait who ask for a key that is not known yet.
func TestDirectoryCopy(t *testing.T) {
	d := newDirectory()
	route := func(id uint64, start, end string, leader uint64) *placementpb.RegionRoute {
		return &placementpb.RegionRoute{Region: &metapb.Region{Id: id, StartKey: []byte(start), EndKey: []byte(end)}, LeaderStore: leader}
	}
	found := make(chan uint64, 1)
	go func() {
		rt, err := d.LookupKey(t.Context(), []byte("k"))
		if err != nil {
			found <- 0
			return
		}
		found <- rt.Region.Id
	}()
	d.update(&placementpb.DirectoryUpdate{Full: true, Regions: []*placementpb.RegionRoute{route(2, "", "", 1)}})
	if id := <-found; id != 2 {
		t.Errorf("k is in region %d", id)
	}
	d.update(&placementpb.DirectoryUpdate{Regions: []*placementpb.RegionRoute{route(3, "m", "", 1), route(2, "", "m", 1)}})
	if rs := d.regions(); len(rs) != 2 || rs[0].Region.Id != 2 || rs[1].Region.Id != 3 {
		t.Errorf("after a split: %v", rs)
	}
	d.update(&placementpb.DirectoryUpdate{Full: true})
	if rs := d.regions(); len(rs) != 0 {
		t.Errorf("after an empty full update: %v", rs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.LookupKey(ctx, []byte("k")); err == nil {
		t.Error("found what is not known")
	}
}
