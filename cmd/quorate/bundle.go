package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quorate-db/quorate/proto/adminpb"
	"github.com/quorate-db/quorate/proto/metapb"
	"github.com/quorate-db/quorate/proto/placementpb"
	"github.com/quorate-db/quorate/server"
	"github.com/quorate-db/quorate/server/certs"
	"github.com/quorate-db/quorate/storage/keys"
)

const (
	// bundleAsk bounds one question of a bundle: what does not answer is left out.
	bundleAsk = 10 * time.Second
	// bundleFileMax bounds a profile or log in a bundle.
	bundleFileMax = 64 << 20
)

func newDebugBundle(g *globals) *cobra.Command {
	b := &bundle{g: g}
	var out string
	cmd := &cobra.Command{Use: "bundle [--out FILE]", Short: "Gather what helps to find a fault into one archive: no user data unless asked for", Args: usageArgs(cobra.NoArgs),
		Long: `Gather status, nodes, regions, operators, settings, metrics and profiles of all nodes
into one archive. Keys of rows are replaced by a hash, unless --with-keys is given; logs,
which may name keys, are taken only with --log. Names of tables are in it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				out = "quorate-bundle-" + time.Now().UTC().Format("20060102-150405") + ".tar.gz"
			}
			return b.write(cmd, out)
		}}
	f := cmd.Flags()
	f.StringVar(&out, "out", "", "the archive (default quorate-bundle-TIME.tar.gz)")
	f.BoolVar(&b.withKeys, "with-keys", false, "with the keys of rows, which are user data")
	f.StringArrayVar(&b.logs, "log", nil, "add this log file, which may name keys (may be repeated)")
	f.DurationVar(&b.cpu, "cpu", 0, "add a CPU profile of each node over this time")
	timeoutFlag(cmd, g, 5*time.Minute)
	return cmd
}

// bundle is the archive being written.
type bundle struct {
	g        *globals
	withKeys bool
	logs     []string
	cpu      time.Duration

	tar      *tar.Writer
	dir      string
	missing  []string // what could not be had, and why
	contents []string
}

// write makes the archive. It is whole or not there.
func (b *bundle) write(cmd *cobra.Command, path string) (err error) {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return &exitError{code: exitFailed, what: "cannot make the archive", cause: err.Error(), try: "name another file with --out"}
	}
	defer func() {
		if err != nil {
			_ = os.Remove(tmp) // the fault is told
		}
	}()
	zip := gzip.NewWriter(f)
	b.tar, b.dir = tar.NewWriter(zip), strings.TrimSuffix(filepath.Base(path), ".tar.gz")
	err = b.g.call(cmd.Context(), b.gather)
	if err = errors.Join(err, b.tar.Close(), zip.Close(), f.Close()); err != nil {
		return err
	}
	if err = os.Rename(tmp, path); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "%s: %d files\n", path, len(b.contents))
	for _, m := range b.missing {
		fmt.Fprintf(cmd.ErrOrStderr(), "left out: %s\n", m)
	}
	return nil
}

// gather asks for everything. Only an archive that cannot be written, or a node that
// cannot be reached at all, is an error.
func (b *bundle) gather(ctx context.Context, cl adminpb.AdminClient) error {
	st, err := cl.Status(ctx, &adminpb.StatusRequest{Detail: true})
	if err != nil {
		return err
	}
	var nodes *adminpb.NodesResponse
	for _, part := range []struct {
		name string
		ask  func(ctx context.Context) (any, error)
	}{
		{"status", func(context.Context) (any, error) { return statusJSON(st), nil }},
		{"nodes", func(ctx context.Context) (any, error) {
			nodes, err = cl.Nodes(ctx, &adminpb.NodesRequest{})
			return nodesJSON(nodes.GetNodes()), err
		}},
		{"regions", func(ctx context.Context) (any, error) {
			m, err := cl.RegionMap(ctx, &adminpb.RegionsRequest{})
			b.hideKeys(m.GetRegions())
			return mapJSON(m), err
		}},
		{"operators", func(ctx context.Context) (any, error) {
			r, err := cl.Operators(ctx, &placementpb.OperatorsRequest{History: true})
			return operatorsJSON(r.GetOperators()), errors.Join(err, answered(r.GetError()))
		}},
		{"schedulers", func(ctx context.Context) (any, error) {
			r, err := cl.Schedulers(ctx, &placementpb.SchedulersRequest{})
			return schedulersJSON(r.GetSchedulers()), errors.Join(err, answered(r.GetError()))
		}},
		{"settings", func(ctx context.Context) (any, error) {
			list, err := settingsOf(ctx, cl, &placementpb.SettingsRequest{})
			out := []settingJSON{}
			for _, s := range list {
				out = append(out, toSettingJSON(s))
			}
			return out, err
		}},
	} {
		if err := b.addAnswer(ctx, part.name+".json", part.ask); err != nil {
			return err
		}
	}
	for _, n := range nodes.GetNodes() {
		if n.Store.State == metapb.StoreState_REMOVED {
			continue
		}
		if err := b.addNode(ctx, cl, n); err != nil {
			return err
		}
	}
	for _, path := range b.logs {
		if err := b.addLog(path); err != nil {
			return err
		}
	}
	return b.addManifest()
}

func answered(e *placementpb.Error) error {
	if e == nil {
		return nil
	}
	return errors.New(e.Message)
}

// addAnswer adds an answer as JSON; one that does not come is noted.
func (b *bundle) addAnswer(ctx context.Context, name string, ask func(ctx context.Context) (any, error)) error {
	ctx, cancel := context.WithTimeout(ctx, bundleAsk)
	defer cancel()
	v, err := ask(ctx)
	if err != nil {
		b.missing = append(b.missing, name+": "+err.Error())
		return nil
	}
	return b.addJSON(name, v)
}

func (b *bundle) addJSON(name string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if !b.withKeys {
		text = rowKeys.ReplaceAll(text, []byte("$1/…"))
	}
	return b.add(name, append(text, '\n'))
}

// rowKeys matches a decoded key of a row within a JSON string, to the end of the string:
// a value may hold anything. A # begins what hideKey made.
var rowKeys = regexp.MustCompile(`(/t/\d+/\d+)/(?:[^#"\\]|\\.)(?:[^"\\]|\\.)*`)

// hideKeys puts hashes in the place of what regions say of rows.
func (b *bundle) hideKeys(regions []*adminpb.MapRegion) {
	if b.withKeys {
		return
	}
	for _, m := range regions {
		m.Info.Region.StartKey, m.Info.Start = hideKey(m.Info.Region.StartKey, m.Info.Start)
		m.Info.Region.EndKey, m.Info.End = hideKey(m.Info.Region.EndKey, m.Info.End)
	}
}

// hideKey keeps table and index of a key. Two keys that are the same stay the same.
func hideKey(key []byte, text string) ([]byte, string) {
	table, index, rest, err := keys.DecodeIndexPrefix(key)
	if err != nil || len(rest) == 0 {
		return key, text
	}
	sum := sha256.Sum256(rest)
	prefix := keys.IndexPrefix(table, index)
	return append(prefix, sum[:4]...), fmt.Sprintf("/t/%d/%d/#%x", table, index, sum[:4])
}

func (b *bundle) add(name string, data []byte) error {
	h := &tar.Header{Name: b.dir + "/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: time.Now().Truncate(time.Second)}
	if err := b.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := b.tar.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	b.contents = append(b.contents, name)
	return nil
}

// addNode adds what a node says of itself, and its profiles.
func (b *bundle) addNode(ctx context.Context, cl adminpb.AdminClient, n *adminpb.Node) error {
	dir := fmt.Sprintf("node%d/", n.Store.NodeId)
	err := b.addAnswer(ctx, dir+"describe.json", func(ctx context.Context) (any, error) {
		d, err := cl.DescribeNode(ctx, &adminpb.DescribeNodeRequest{NodeId: n.Store.NodeId})
		if err != nil {
			return nil, err
		}
		return nodeDescribeJSON(d), nil
	})
	if err != nil {
		return err
	}
	client, scheme, err := b.httpClient(n.Store.HttpAddress)
	if err != nil {
		return err
	}
	pages := []struct{ name, path string }{
		{"metrics.txt", "/metrics"}, {"stats.json", "/debug/stats"}, {"goroutines.txt", "/debug/pprof/goroutine?debug=1"}, {"heap.pprof", "/debug/pprof/heap"},
	}
	if b.cpu > 0 {
		pages = append(pages, struct{ name, path string }{"cpu.pprof", fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(b.cpu.Seconds())))})
	}
	for _, p := range pages {
		data, err := fetch(ctx, client, scheme+"://"+n.Store.HttpAddress+p.path, bundleAsk+b.cpu)
		if err != nil {
			b.missing = append(b.missing, dir+p.name+": "+err.Error())
			continue
		}
		if err := b.add(dir+p.name, data); err != nil {
			return err
		}
	}
	return nil
}

func (b *bundle) httpClient(addr string) (*http.Client, string, error) {
	if b.g.certs == "" {
		return &http.Client{}, "http", nil
	}
	shown, err := certs.Client(b.g.certs, "postgres")
	if err != nil {
		return nil, "", &exitError{code: exitFailed, what: "cannot use the certificates in " + b.g.certs, cause: err.Error(), try: "quorate cert status"}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, "", err
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: shown.Dial(host)}}, "https", nil
}

func fetch(ctx context.Context, client *http.Client, url string, most time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, bundleFileMax))
}

// addLog adds the end of a log file.
func (b *bundle) addLog(path string) error {
	f, err := os.Open(path)
	if err != nil {
		b.missing = append(b.missing, "log "+path+": "+err.Error())
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err == nil && st.Size() > bundleFileMax {
		if _, err := f.Seek(st.Size()-bundleFileMax, io.SeekStart); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, bundleFileMax))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return b.add(fmt.Sprintf("logs/%d-%s", len(b.contents), filepath.Base(path)), data)
}

func (b *bundle) addManifest() error {
	return b.addJSON("manifest.json", struct {
		Version  string   `json:"version"`
		Made     string   `json:"made"`
		Asked    string   `json:"asked"`
		WithKeys bool     `json:"with_keys"`
		Contents []string `json:"contents"`
		Missing  []string `json:"missing"`
	}{server.Version, time.Now().UTC().Format(time.RFC3339), b.g.host, b.withKeys, b.contents, append([]string{}, b.missing...)})
}
