package certs

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// newDir makes a directory with an authority, a node's certificate for 127.0.0.1 and
// localhost, and one of the role ann.
func newDir(t *testing.T, now time.Time) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	key := filepath.Join(dir, "ca.key")
	for _, err := range []error{
		CreateCA(dir, key, now),
		CreateNode(dir, key, []string{"127.0.0.1", "localhost"}, now, false),
		CreateClient(dir, key, "ann", now, false),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func load(t *testing.T, f func(string) (*Store, error), dir string) *Store {
	t.Helper()
	s, err := f(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ann(dir string) (*Store, error) { return Client(dir, "ann") }

// shake connects two sides and returns the name that the server saw, and the error
// of the side that objected.
func shake(t *testing.T, server, client *tls.Config) (name string, err error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	type seen struct {
		name string
		err  error
	}
	answer := make(chan seen, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			answer <- seen{err: err}
			return
		}
		defer nc.Close()
		c := tls.Server(nc, server)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := c.HandshakeContext(ctx); err != nil {
			answer <- seen{err: err}
			return
		}
		var s seen
		if chains := c.ConnectionState().VerifiedChains; len(chains) > 0 {
			s.name = chains[0][0].Subject.CommonName
		}
		c.Write([]byte{1})
		answer <- s
	}()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(nc, client)
	// With TLS 1.3 the client hears of a refusal when it reads.
	_, clientErr := io.ReadFull(c, make([]byte, 1))
	nc.Close()
	s := <-answer
	if clientErr != nil {
		return s.name, clientErr
	}
	return s.name, s.err
}

// TestHandshakes: nodes and clients of a cluster find each other, strangers and
// impostors do not.
func TestHandshakes(t *testing.T) {
	now := time.Now()
	dir, other := newDir(t, now), newDir(t, now)
	node, client := load(t, Node, dir), load(t, ann, dir)
	stranger := load(t, Node, other)
	if err := CreateNode(other, filepath.Join(other, "ca.key"), []string{"10.0.0.1"}, now, true); err != nil {
		t.Fatal(err)
	}
	roots := load(t, Roots, dir)
	old := newDir(t, now.Add(-20*365*24*time.Hour))
	for _, c := range []struct {
		what           string
		server, client *tls.Config
		name, err      string
	}{
		{"node to node", node.RPC(), node.Dial("127.0.0.1"), "node", ""},
		{"by name", node.RPC(), node.Dial("localhost"), "node", ""},
		{"client to node", node.RPC(), client.Dial("127.0.0.1"), "ann", ""},
		{"nobody to RPC", node.RPC(), roots.Dial("127.0.0.1"), "", "certificate required"},
		{"nobody to SQL", node.SQL(), roots.Dial("127.0.0.1"), "", ""},
		{"nobody to the web", node.Web(), roots.Dial("127.0.0.1"), "", ""},
		{"client to SQL", node.SQL(), client.Dial("127.0.0.1"), "ann", ""},
		{"another host", node.RPC(), node.Dial("127.0.0.2"), "", "certificate is valid for 127.0.0.1"},
		{"another cluster", node.RPC(), stranger.Dial("127.0.0.1"), "", "unknown authority"},
		{"a client as server", client.server(tls.NoClientCert), client.Dial("127.0.0.1"), "", "certificate"},
		{"too old", load(t, Node, old).SQL(), load(t, Roots, old).Dial("127.0.0.1"), "", "expired"},
	} {
		name, err := shake(t, c.server, c.client)
		if c.err == "" && (err != nil || name != c.name) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %q, %v", c.what, name, err)
		}
	}
}

// TestReload: new files count for new connections, bad ones change nothing.
func TestReload(t *testing.T) {
	now := time.Now()
	dir := newDir(t, now)
	s := load(t, Node, dir)
	if changed, err := s.Reload(); changed || err != nil {
		t.Errorf("unchanged files: %v, %v", changed, err)
	}
	before := s.SQL().Certificates[0].Certificate[0]
	if err := os.WriteFile(filepath.Join(dir, "node.crt"), []byte("nothing"), 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(); changed || err == nil {
		t.Errorf("a broken certificate: %v, %v", changed, err)
	}
	if string(s.SQL().Certificates[0].Certificate[0]) != string(before) {
		t.Error("a broken certificate was taken")
	}
	if err := CreateNode(dir, filepath.Join(dir, "ca.key"), []string{"127.0.0.1"}, now.Add(-time.Hour), true); err != nil {
		t.Fatal(err)
	}
	if changed, err := s.Reload(); !changed || err != nil {
		t.Errorf("a new certificate: %v, %v", changed, err)
	}
	if string(s.SQL().Certificates[0].Certificate[0]) == string(before) {
		t.Error("the old certificate is still shown")
	}
	if _, err := shake(t, s.RPC(), s.Dial("127.0.0.1")); err != nil {
		t.Error(err)
	}
}

// TestLoadRefuses: what is unsafe or wrong is named.
func TestLoadRefuses(t *testing.T) {
	now := time.Now()
	for want, breakIt := range map[string]func(dir string) error{
		"can be read by others": func(dir string) error { return os.Chmod(filepath.Join(dir, "node.key"), 0o640) },
		"no such file":          func(dir string) error { return os.Remove(filepath.Join(dir, "ca.crt")) },
		"not for a node": func(dir string) error {
			for _, ext := range []string{".crt", ".key"} {
				if err := os.Rename(filepath.Join(dir, "client.ann"+ext), filepath.Join(dir, "node"+ext)); err != nil {
					return err
				}
			}
			return nil
		},
		"private key does not match": func(dir string) error {
			return os.Rename(filepath.Join(dir, "client.ann.key"), filepath.Join(dir, "node.key"))
		},
	} {
		dir := newDir(t, now)
		if err := breakIt(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := Node(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	dir := newDir(t, now)
	key := filepath.Join(dir, "ca.key")
	if err := CreateNode(dir, key, []string{"x"}, now, false); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("a second certificate: %v", err)
	}
	if err := CreateNode(dir, filepath.Join(dir, "node.key"), []string{"x"}, now, true); err == nil || !strings.Contains(err.Error(), "is the key of no certificate") {
		t.Errorf("another key: %v", err)
	}
	for _, role := range []string{"", "node", "a/b", strings.Repeat("x", 64)} {
		if err := CreateClient(dir, key, role, now, false); err == nil {
			t.Errorf("a certificate for %q", role)
		}
	}
}

// TestList names what is wrong with the certificates of a directory.
func TestList(t *testing.T) {
	now := time.Now()
	dir := newDir(t, now)
	for at, want := range map[time.Time]string{now: "", now.Add(LeafLifetime + time.Hour): "expired"} {
		list, err := List(dir, at)
		if err != nil || len(list) != 3 {
			t.Fatalf("%v, %v", list, err)
		}
		if i := list[2]; i.Name != "node" || strings.Join(i.Hosts, " ") != "localhost 127.0.0.1" || !strings.Contains(i.Problem, want) || want == "" && i.Problem != "" {
			t.Errorf("%+v", i)
		}
	}
}
