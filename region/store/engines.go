package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/quorate-db/quorate/internal/fault"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/region/replica"
	"github.com/quorate-db/quorate/storage/engine"
	"github.com/quorate-db/quorate/storage/keys"
	"github.com/quorate-db/quorate/storage/raftlog"
)

// EngineOptions are the parameters of OpenEngines.
type EngineOptions struct {
	// Dir holds both engines; it is created if missing. Required.
	Dir string
	// FS is nil for the operating system's.
	FS engine.FS
	// Cache is shared by both engines; nil gives each a small one.
	Cache *engine.Cache
	// Logger may be nil.
	Logger *slog.Logger
	// OnFatal is called with the first fatal error of each engine; may be nil. It
	// must not call the engines.
	OnFatal func(error)
	// DeterministicForSim: see engine.Options.
	DeterministicForSim bool
	// MemTableBytes is zero or a size for both engines' memtables, for tests.
	MemTableBytes uint64
	// ReadOnly opens engines that are there and changes nothing: see engine.Options.
	ReadOnly bool
}

// Engines are the two engines of one store and the raft logs in one of them.
type Engines struct {
	State *engine.Engine
	Log   *engine.Engine
	Logs  *raftlog.LogStore
}

// OpenEngines opens or creates the engines in Dir.
func OpenEngines(o EngineOptions) (*Engines, error) {
	if o.Dir == "" {
		return nil, errors.New("open engines: no directory")
	}
	fs := o.FS
	if fs == nil {
		fs = engine.DefaultFS()
	}
	open := func(name string, kind engine.Kind) (*engine.Engine, error) {
		return engine.Open(fs.PathJoin(o.Dir, name), engine.Options{
			Kind: kind, FS: fs, Cache: o.Cache, Logger: o.Logger, OnFatal: o.OnFatal,
			DeterministicForSim: o.DeterministicForSim, MemTableBytes: o.MemTableBytes, ReadOnly: o.ReadOnly,
		})
	}
	state, err := open("state", engine.StateEngine)
	if err != nil {
		return nil, err
	}
	log, err := open("log", engine.LogEngine)
	if err != nil {
		return nil, errors.Join(err, state.Close())
	}
	logs, err := raftlog.Open(log, raftlog.Options{})
	if err != nil {
		return nil, errors.Join(err, log.Close(), state.Close())
	}
	return &Engines{State: state, Log: log, Logs: logs}, nil
}

// Close closes both engines. A second Close does nothing.
func (e *Engines) Close() error { return errors.Join(e.Log.Close(), e.State.Close()) }

const identVersion = 1

var identKey = keys.StoreLocal("ident")

// Ident returns the identity of the store, if it has one.
func (e *Engines) Ident() (ident Ident, found bool, err error) {
	b, found, err := e.State.Get(identKey)
	if err != nil || !found {
		return Ident{}, false, err
	}
	if len(b) == 0 || b[0] != identVersion {
		return Ident{}, false, errors.New("identity of the store: unknown format")
	}
	b = b[1:]
	for _, f := range [...]*uint64{&ident.ClusterID, &ident.StoreID, &ident.NodeID} {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return Ident{}, false, errors.New("identity of the store: truncated")
		}
		*f, b = v, b[n:]
	}
	return ident, true, nil
}

// WriteIdent gives a store without regions its identity, durably: what a store
// that joins a cluster does instead of Bootstrap. Another identity than the one
// that is there is refused.
func (e *Engines) WriteIdent(ident Ident) error {
	b := e.State.NewBatch()
	defer b.Close()
	fresh, err := e.addIdent(b, ident)
	if err != nil || !fresh {
		return err
	}
	fault.Hit("join/before-ident")
	if err := e.State.Apply(b, true); err != nil {
		return err
	}
	fault.Hit("join/after-ident")
	return nil
}

// addIdent reports whether the identity is new.
func (e *Engines) addIdent(b *engine.Batch, ident Ident) (fresh bool, err error) {
	if ident.ClusterID == 0 || ident.StoreID == 0 || ident.NodeID == 0 {
		return false, fmt.Errorf("identity of the store: %+v is incomplete", ident)
	}
	have, found, err := e.Ident()
	if err != nil {
		return false, err
	}
	if found {
		if have != ident {
			return false, fmt.Errorf("store is node %d, store %d of cluster %x and cannot become node %d, store %d of cluster %x",
				have.NodeID, have.StoreID, have.ClusterID, ident.NodeID, ident.StoreID, ident.ClusterID)
		}
		return false, nil
	}
	v := []byte{identVersion}
	for _, f := range [...]uint64{ident.ClusterID, ident.StoreID, ident.NodeID} {
		v = binary.AppendUvarint(v, f)
	}
	return true, b.Set(identKey, v)
}

// Bootstrap writes the store's identity and its first regions into fresh
// engines, durably. Each region must have a peer on this store; its peers on other
// stores must bootstrap the same descriptor. A second call with the same ident
// does nothing if the first one finished.
func Bootstrap(e *Engines, ident Ident, regions []*metapb.Region) error {
	b := e.State.NewBatch()
	defer b.Close()
	fresh, err := e.addIdent(b, ident)
	if err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	if !fresh {
		return nil
	}
	for _, desc := range regions {
		if err := replica.WriteInitial(b, desc, ident.StoreID); err != nil {
			return fmt.Errorf("bootstrap: %w", err)
		}
	}
	fault.Hit("bootstrap/before-write")
	if err := e.State.Apply(b, true); err != nil {
		return fmt.Errorf("bootstrap: %w", err)
	}
	fault.Hit("bootstrap/after-write")
	return nil
}
