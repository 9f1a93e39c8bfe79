package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"sync"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/quorate-db/quorate/proto/metapb"
)

// addressBook knows where the other stores are. It survives restarts in a file of
// the store's directory: a node must reach its peers before placement, which its
// peers make up, can tell it where they are.
type addressBook struct {
	path string
	mu   struct {
		sync.Mutex
		stores map[uint64]*metapb.Store // never changed in place
	}
}

func openAddressBook(dir string) (*addressBook, error) {
	b := &addressBook{path: filepath.Join(dir, "addresses.json")}
	b.mu.stores = map[uint64]*metapb.Store{}
	raw, err := os.ReadFile(b.path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the address book: %w", err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("the address book %s is damaged; delete it and start with --join: %w", b.path, err)
	}
	for _, m := range list {
		s := &metapb.Store{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(m, s); err != nil {
			return nil, fmt.Errorf("the address book %s is damaged; delete it and start with --join: %w", b.path, err)
		}
		b.mu.stores[s.Id] = s
	}
	return b, nil
}

// learn takes in what is known of stores. Of two records the one started later
// counts. It reports whether something was new.
func (b *addressBook) learn(stores []*metapb.Store) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	changed := false
	for _, s := range stores {
		if s.GetId() == 0 || s.RpcAddress == "" {
			continue
		}
		old := b.mu.stores[s.Id]
		if old != nil && (old.StartedUnixMs > s.StartedUnixMs || proto.Equal(old, s)) {
			continue
		}
		b.mu.stores[s.Id] = proto.Clone(s).(*metapb.Store)
		changed = true
	}
	if !changed {
		return false, nil
	}
	return true, b.saveLocked()
}

func (b *addressBook) saveLocked() error {
	var list []json.RawMessage
	for _, s := range b.listLocked() {
		m, err := protojson.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode the address book: %w", err)
		}
		list = append(list, m)
	}
	raw, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the address book: %w", err)
	}
	if err := writeFileDurably(b.path, raw); err != nil {
		return fmt.Errorf("write the address book: %w", err)
	}
	return nil
}

func (b *addressBook) rpc(id uint64) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.stores[id].GetRpcAddress()
}

func (b *addressBook) list() []*metapb.Store {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.listLocked()
}

func (b *addressBook) listLocked() []*metapb.Store {
	out := make([]*metapb.Store, 0, len(b.mu.stores))
	for _, s := range b.mu.stores {
		out = append(out, s)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Id < out[j].Id })
	return out
}

// writeFileDurably replaces a file so that a crash leaves the old or the new one.
func writeFileDurably(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
