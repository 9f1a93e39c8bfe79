package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/server/inspect"
	"github.com/quorate-db/quorate/storage/keys"
)

// offline is a verb that reads the store that --store names, which no process may use.
func offline(g *globals, use, short string, args cobra.PositionalArgs, run func(cmd *cobra.Command, s *inspect.Store, args []string) error) *cobra.Command {
	var dir string
	cmd := &cobra.Command{Use: use + " --store DIR", Short: short, Args: usageArgs(args), RunE: func(cmd *cobra.Command, args []string) (err error) {
		if dir == "" {
			return usageFault{fmt.Errorf("%s needs --store DIR", cmd.CommandPath())}
		}
		s, err := inspect.Open(dir)
		switch {
		case errors.Is(err, inspect.ErrInUse):
			return &exitError{code: exitRefused, what: "store " + dir + " is in use by a running node", cause: "what it holds changes while it is read", try: "stop the node first; for a running one: quorate region describe, quorate node describe"}
		case errors.Is(err, inspect.ErrNoStore):
			return &exitError{code: exitFailed, what: err.Error(), try: "name the directory that quorate start was given with --store"}
		case err != nil:
			return &exitError{code: exitFailed, what: "cannot read store " + dir, cause: err.Error()}
		}
		defer func() {
			if cerr := s.Close(); err == nil {
				err = cerr
			}
		}()
		return run(cmd, s, args)
	}}
	cmd.Flags().StringVar(&dir, "store", "", "directory of a store that no process uses")
	outputFlag(cmd, g)
	return cmd
}

func newDebugStore(g *globals) *cobra.Command {
	return offline(g, "store", "Say whose a stopped store is and what is in it", cobra.NoArgs, func(cmd *cobra.Command, s *inspect.Store, _ []string) error {
		id, found, err := s.Ident()
		if err != nil {
			return err
		}
		boot, err := s.Boot()
		if err != nil {
			return err
		}
		regions, err := s.Regions()
		if err != nil {
			return err
		}
		tombs, err := s.Tombstones()
		if err != nil {
			return err
		}
		out := struct {
			Dir        string `json:"dir"`
			Member     bool   `json:"member"`
			ClusterID  uint64 `json:"cluster_id"`
			NodeID     uint64 `json:"node_id"`
			StoreID    uint64 `json:"store_id"`
			Starts     uint64 `json:"starts"`
			Regions    int    `json:"regions"`
			Tombstones int    `json:"tombstones"`
			Names      string `json:"names_unknown,omitempty"`
		}{s.Dir, found, id.ClusterID, id.NodeID, id.StoreID, boot, len(regions), len(tombs), s.Names}
		return show(cmd.OutOrStdout(), g.output, out, func(w io.Writer, _ bool) {
			if !found {
				fmt.Fprintln(w, "the store belongs to no cluster yet")
			} else {
				fmt.Fprintf(w, "cluster\t%016x\nnode\t%d\nstore\t%d\n", id.ClusterID, id.NodeID, id.StoreID)
			}
			fmt.Fprintf(w, "starts\t%d\nregions\t%d\ntombstones\t%d\n", boot, len(regions), len(tombs))
			if s.Names != "" {
				fmt.Fprintf(w, "names of tables are not known: %s\n", s.Names)
			}
		})
	})
}

type storedRegionJSON struct {
	ID        uint64 `json:"id"`
	State     string `json:"state"` // replica, merged, log only
	Peer      uint64 `json:"peer_id"`
	Start     string `json:"start"`
	End       string `json:"end"`
	ConfVer   uint64 `json:"conf_ver"`
	Version   uint64 `json:"version"`
	Peers     string `json:"peers"`
	Applied   uint64 `json:"applied_index"`
	AppliedT  uint64 `json:"applied_term"`
	Size      int64  `json:"size_bytes"`
	Term      uint64 `json:"term"`
	Vote      uint64 `json:"vote"`
	Commit    uint64 `json:"commit_index"`
	First     uint64 `json:"log_first"`
	Last      uint64 `json:"log_last"`
	LogBytes  int64  `json:"log_bytes"`
	Fence     string `json:"gc_fence"`
	Collect   string `json:"gc_collect"`
	Configure string `json:"raft_configuration"`
	Problem   string `json:"problem,omitempty"`
}

func newDebugRegions(g *globals) *cobra.Command {
	return offline(g, "regions [ID]", "List the replicas of a stopped store, as they lie on the disk", cobra.MaximumNArgs(1), func(cmd *cobra.Command, s *inspect.Store, args []string) error {
		list, err := s.Regions()
		if err != nil {
			return err
		}
		if len(args) > 0 {
			id, err := regionID(args[0])
			if err != nil {
				return err
			}
			var one []inspect.Region
			for _, r := range list {
				if r.ID == id {
					one = append(one, r)
				}
			}
			if len(one) == 0 {
				return &exitError{code: exitFailed, what: fmt.Sprintf("the store holds nothing of region %d", id), try: "quorate debug tombstones"}
			}
			list = one
		}
		out := []storedRegionJSON{}
		damaged := 0
		for _, r := range list {
			if r.Problem != "" {
				damaged++
			}
			out = append(out, storedRegionJSON{r.ID, r.State, r.Peer, r.Start, r.End, r.Epoch[0], r.Epoch[1], r.Peers, r.Applied.Index, r.Applied.Term, r.Applied.SizeBytes,
				r.Term, r.Vote, r.Commit, r.First, r.Last, r.LogBytes, r.Applied.Fence.String(), r.Applied.Collect.String(), r.Applied.Configuration, r.Problem})
		}
		err = show(cmd.OutOrStdout(), g.output, out, func(w io.Writer, wide bool) {
			fmt.Fprint(w, "ID\tSTATE\tSTART\tEND\tEPOCH\tPEERS\tAPPLIED\tTERM\tCOMMIT\tLOG\tSIZE")
			if wide {
				fmt.Fprint(w, "\tVOTE\tRAFT\tFENCE\tCOLLECT")
			}
			fmt.Fprintln(w)
			for _, r := range list {
				log := fmt.Sprintf("%d-%d", r.First, r.Last)
				if r.First > r.Last {
					log = "empty"
				}
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%d/%d\t%s\t%d\t%d\t%d\t%s\t%s", r.ID, r.State, r.Start, r.End, r.Epoch[0], r.Epoch[1], r.Peers, r.Applied.Index, r.Term, r.Commit, log, bytesText(uint64(max(r.Applied.SizeBytes, 0))))
				if wide {
					fmt.Fprintf(w, "\t%d\t%s\t%v\t%v", r.Vote, r.Applied.Configuration, r.Applied.Fence, r.Applied.Collect)
				}
				fmt.Fprintln(w)
				if r.Problem != "" {
					fmt.Fprintf(w, "!  region %d: %s\n", r.ID, r.Problem)
				}
			}
		})
		if err == nil && damaged > 0 {
			err = &exitError{code: exitDegraded, what: fmt.Sprintf("%d regions cannot be read whole", damaged), try: "quorate debug log ID; quorate debug keys"}
		}
		return err
	})
}

func newDebugTombstones(g *globals) *cobra.Command {
	return offline(g, "tombstones", "List the regions that were removed from a stopped store", cobra.NoArgs, func(cmd *cobra.Command, s *inspect.Store, _ []string) error {
		list, err := s.Tombstones()
		if err != nil {
			return err
		}
		type entry struct {
			Region uint64 `json:"region_id"`
			Text   string `json:"text"`
		}
		out := []entry{}
		for _, t := range list {
			out = append(out, entry{t.Region, t.Text})
		}
		return show(cmd.OutOrStdout(), g.output, out, func(w io.Writer, _ bool) {
			for _, t := range list {
				fmt.Fprintln(w, t.Text)
			}
		})
	})
}

func newDebugLog(g *globals) *cobra.Command {
	var from, to uint64
	var limit int
	var operations, values bool
	cmd := offline(g, "log ID", "Print the raft log of a region of a stopped store", cobra.ExactArgs(1), func(cmd *cobra.Command, s *inspect.Store, args []string) error {
		id, err := regionID(args[0])
		if err != nil {
			return err
		}
		r := s.Region(id)
		list, err := s.Log(id, from, to, limit, operations || values, values)
		if err != nil {
			return &exitError{code: exitFailed, what: fmt.Sprintf("cannot read the log of region %d", id), cause: err.Error()}
		}
		type entry struct {
			Index      uint64   `json:"index"`
			Term       uint64   `json:"term"`
			Type       string   `json:"type"`
			Bytes      int      `json:"bytes"`
			Command    string   `json:"command"`
			Operations []string `json:"operations,omitempty"`
			Problem    string   `json:"problem,omitempty"`
		}
		out := []entry{}
		for _, e := range list {
			out = append(out, entry{e.Index, e.Term, e.Type, e.Bytes, e.Command, e.Operations, e.Problem})
		}
		return show(cmd.OutOrStdout(), g.output, out, func(w io.Writer, _ bool) {
			fmt.Fprintf(w, "region %d: term %d, vote %d, commit %d, applied %d, entries %d to %d\n", id, r.Term, r.Vote, r.Commit, r.Applied.Index, r.First, r.Last)
			fmt.Fprintln(w, "INDEX\tTERM\tBYTES\tCOMMAND")
			for _, e := range list {
				text := e.Command
				if e.Problem != "" {
					text += " ! " + e.Problem
				}
				fmt.Fprintf(w, "%d\t%d\t%d\t%s\n", e.Index, e.Term, e.Bytes, text)
				for _, op := range e.Operations {
					fmt.Fprintf(w, "\t\t\t  %s\n", op)
				}
			}
		})
	})
	f := cmd.Flags()
	f.Uint64Var(&from, "from", 0, "first index")
	f.Uint64Var(&to, "to", 0, "last index")
	f.IntVar(&limit, "limit", 100, "at most so many entries; 0: all")
	f.BoolVar(&operations, "operations", false, "list what each write does, with its keys")
	f.BoolVar(&values, "values", false, "with the values too")
	return cmd
}

// keyKinds are the kinds of keys that can be asked for.
var keyKinds = map[string]keys.Kind{"all": 0, "data": keys.KindData, "lock": keys.KindLock, "rollback": keys.KindRollback, "raw": keys.KindRaw,
	"region": keys.KindRegionLocal, "store": keys.KindStoreLocal}

func newDebugKeys(g *globals) *cobra.Command {
	var kind, from, to string
	var limit int
	var values bool
	cmd := offline(g, "keys", "Print the keys of a stopped store, as table and values", cobra.NoArgs, func(cmd *cobra.Command, s *inspect.Store, _ []string) error {
		k, ok := keyKinds[kind]
		if !ok {
			return usageFault{fmt.Errorf("--kind %q: there are all, data, lock, rollback, raw, region and store", kind)}
		}
		start, err := hexKey("--from", from)
		if err != nil {
			return err
		}
		end, err := hexKey("--to", to)
		if err != nil {
			return err
		}
		out := []string{}
		more, err := s.Keys(k, start, end, limit, values, func(line string) { out = append(out, line) })
		if err != nil {
			return &exitError{code: exitFailed, what: "cannot read the keys to the end", cause: err.Error(), try: "quorate debug regions"}
		}
		err = show(cmd.OutOrStdout(), g.output, out, func(w io.Writer, _ bool) {
			for _, line := range out {
				fmt.Fprintln(w, line)
			}
		})
		if err == nil && more {
			fmt.Fprintf(cmd.ErrOrStderr(), "there are more: --limit %d\n", 10*limit)
		}
		return err
	})
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "all", "all, data, lock, rollback, raw, region or store")
	f.StringVar(&from, "from", "", "first user key, as 0x…")
	f.StringVar(&to, "to", "", "first user key behind, as 0x…")
	f.IntVar(&limit, "limit", 100, "at most so many; 0: all")
	f.BoolVar(&values, "values", false, "with the values too")
	return cmd
}

func newDebugKey() *cobra.Command {
	return &cobra.Command{Use: "key 0x…", Short: "Take a key apart: a user key, or one of the state or log engine", Args: usageArgs(cobra.ExactArgs(1)), RunE: func(cmd *cobra.Command, args []string) error {
		k, err := hexKey("key", args[0])
		if err != nil {
			return err
		}
		w := cmd.OutOrStdout()
		fmt.Fprintln(w, "as a user key:          ", keys.User(k))
		fmt.Fprintln(w, "as one of the state engine:", keys.Encoded(k))
		fmt.Fprintln(w, "as one of the log engine: ", keys.FormatLog(k))
		return nil
	}}
}

// hexKey reads a key, which may be empty.
func hexKey(what, text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		return nil, usageFault{fmt.Errorf("%s %s is not a key in hexadecimal", what, strconv.Quote(text))}
	}
	return b, nil
}
