package server

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/quorate-db/quorate/proto/sqlpb"
	"github.com/quorate-db/quorate/server/console"
)

// snapshotOf reads the first snapshot of a node's stream.
func snapshotOf(ctx context.Context, c *http.Client, base string) (*console.Snapshot, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/console/events", nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	line, err := bufio.NewReader(resp.Body).ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	s := &console.Snapshot{}
	return s, json.Unmarshal([]byte(strings.TrimPrefix(string(line), "data: ")), s)
}

// TestConsoleShows proves that a node's console has what the cluster is and does, and
// that metrics count statements.
func TestConsoleShows(t *testing.T) {
	n := startNode(t, Config{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	db, err := pgx.Connect(ctx, "postgres://postgres@"+n.SQLAddr()+"/postgres?default_query_exec_mode=simple_protocol")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	for _, q := range []string{"create table shown (a int primary key)", "insert into shown values (1), (2)", "alter table shown split at values (10), (20)", "insert into shown values (1)"} {
		if _, err := db.Exec(ctx, q); err != nil && !strings.Contains(err.Error(), "23505") {
			t.Fatal(err)
		}
	}
	base := "http://" + n.HTTPAddr()
	s, err := snapshotOf(ctx, http.DefaultClient, base)
	if err != nil {
		t.Fatal(err)
	}
	if !s.Health.Healthy || s.Health.NodesLive != 1 || len(s.Nodes) != 1 || !s.Nodes[0].Live || s.Nodes[0].SQL != n.SQLAddr() {
		t.Errorf("health %+v, nodes %+v", s.Health, s.Nodes)
	}
	i := slices.IndexFunc(s.Statements, func(x console.Statement) bool { return x.Text == "insert into shown values ($1), ..." })
	if i < 0 || s.Statements[i].Calls != 1 || s.Statements[i].Rows != 2 || s.Statements[i].TotalMS <= 0 {
		t.Errorf("statements %+v", s.Statements)
	}
	i = slices.IndexFunc(s.Tables, func(x console.Table) bool { return x.Name == "public.shown" })
	if i < 0 || len(s.Tables[i].Cells) < 2 || s.Tables[i].Cells[0].Leader != 1 || s.Tables[i].Cells[0].Bad {
		t.Errorf("tables %+v", s.Tables)
	}
	resp, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	found := map[string]bool{}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		found[name] = value != "0"
	}
	for _, name := range []string{"quorate_statement_seconds_count", "quorate_statement_seconds_sum", `quorate_statement_seconds_bucket{le="+Inf"}`, "quorate_statement_errors_total", "quorate_sessions"} {
		if !found[name] {
			t.Errorf("no metric %s, or it is 0", name)
		}
	}
}

// TestConsoleDoors proves who gets in on a node with certificates: certificates and
// passwords of roles that may see what others do, as far as the rules admit them.
func TestConsoleDoors(t *testing.T) {
	dir := newCerts(t, "postgres", "bob")
	rules := filepath.Join(t.TempDir(), "hba")
	if err := os.WriteFile(rules, []byte("hostssl all eve all reject\nhostssl all all all cert-scram-sha-256"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, Config{CertsDir: dir, RulesFile: rules})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, port, err := net.SplitHostPort(n.SQLAddr())
	if err != nil {
		t.Fatal(err)
	}
	root, err := pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%[2]s dbname=postgres user=postgres sslmode=verify-full sslrootcert=%[1]s/ca.crt sslcert=%[1]s/client.postgres.crt sslkey=%[1]s/client.postgres.key", dir, port))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(ctx)
	for _, q := range []string{"create role ann login password 'pencil'", "grant pg_monitor to ann", "create role bob login password 'pencil'",
		"create role eve login superuser password 'pencil'", "create role group1 superuser password 'pencil'"} {
		if _, err := root.Exec(ctx, q); err != nil {
			t.Fatal(err)
		}
	}
	client := func(cert string) *http.Client {
		conf := &tls.Config{InsecureSkipVerify: true} // who the server is, is not the question here
		if cert != "" {
			pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "client."+cert+".crt"), filepath.Join(dir, "client."+cert+".key"))
			if err != nil {
				t.Fatal(err)
			}
			conf.Certificates = []tls.Certificate{pair}
		}
		return &http.Client{Transport: &http.Transport{TLSClientConfig: conf}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	base := "https://" + n.HTTPAddr()
	for cert, want := range map[string]bool{"postgres": true, "bob": false, "": false} {
		if _, err := snapshotOf(ctx, client(cert), base); (err == nil) != want {
			t.Errorf("certificate of %q: %v", cert, err)
		}
	}
	for _, c := range []struct {
		role, password string
		in             bool
	}{{"ann", "pencil", true}, {"ann", "wrong", false}, {"bob", "pencil", false}, {"eve", "pencil", false}, {"group1", "pencil", false}, {"nobody", "pencil", false}} {
		resp, err := client("").PostForm(base+"/console/login", url.Values{"role": {c.role}, "password": {c.password}})
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		cookies := resp.Cookies()
		if (len(cookies) == 1) != c.in {
			t.Errorf("%s with %q: %d %v", c.role, c.password, resp.StatusCode, cookies)
			continue
		}
		if !c.in {
			continue
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/console/load", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(cookies[0])
		page, err := client("").Do(req)
		if err != nil {
			t.Fatal(err)
		}
		page.Body.Close()
		if page.StatusCode != http.StatusOK {
			t.Errorf("%s has logged in and gets %d", c.role, page.StatusCode)
		}
	}
}

// TestLoadAddsUp proves that the load of nodes is added by period, that the period
// which is not over is left out, and that quantiles are those of all nodes together.
func TestLoadAddsUp(t *testing.T) {
	point := func(ms int64, n uint64, bucket uint32) *sqlpb.LoadPoint {
		return &sqlpb.LoadPoint{AtMs: ms, Statements: n, Errors: 1, Retries: 2, Sessions: 3, Durations: map[uint32]uint64{bucket: n, 4000: 1}}
	}
	got := addLoad([][]*sqlpb.LoadPoint{
		{point(9_999, 50, 40), point(10_100, 50, 40), point(15_200, 10, 40), point(20_000, 1, 40)},
		{point(14_900, 50, 60)},
	}, time.UnixMilli(10_000), time.UnixMilli(21_000))
	if len(got) != 2 || got[0].At != 10_000 || got[1].At != 15_000 {
		t.Fatalf("periods: %+v", got)
	}
	p := got[0]
	if p.Statements != 20 || p.Errors != 0.4 || p.Retries != 0.8 || p.Sessions != 6 {
		t.Errorf("sums: %+v", p)
	}
	if p.P50MS < 1 || p.P50MS > 1.3 || p.P99MS < 32 || p.P99MS > 41 {
		t.Errorf("quantiles: %+v", p)
	}
}
