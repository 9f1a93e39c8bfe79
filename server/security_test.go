package server

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/quorate-db/quorate/server/certs"
)

// newCerts makes certificates for nodes on this machine and for some roles.
func newCerts(t *testing.T, roles ...string) string {
	t.Helper()
	dir, now := t.TempDir(), time.Now()
	key := filepath.Join(t.TempDir(), "ca.key")
	err := certs.CreateCA(dir, key, now)
	if err == nil {
		err = certs.CreateNode(dir, key, []string{"127.0.0.1"}, now, false)
	}
	for _, r := range roles {
		if err == nil {
			err = certs.CreateClient(dir, key, r, now, false)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestWhoMayCallWhat walks every method of a node: only nodes may call those between
// nodes, the administrator the rest too, and nobody anything without a certificate.
func TestWhoMayCallWhat(t *testing.T) {
	dir := newCerts(t, "postgres", "bob")
	n := startNode(t, Config{CertsDir: dir})
	show := map[string]func() (*certs.Store, error){
		"node":     func() (*certs.Store, error) { return certs.Node(dir) },
		"postgres": func() (*certs.Store, error) { return certs.Client(dir, "postgres") },
		"bob":      func() (*certs.Store, error) { return certs.Client(dir, "bob") },
		"nobody":   func() (*certs.Store, error) { return certs.Roots(dir) },
		"plain":    func() (*certs.Store, error) { return nil, nil },
	}
	methods := 0
	for who, load := range show {
		c, err := load()
		if err != nil {
			t.Fatal(err)
		}
		conn, err := Dial(n.RPCAddr(), c)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for service, info := range n.grpc.GetServiceInfo() {
			for _, m := range info.Methods {
				methods++
				full := "/" + service + "/" + m.Name
				want := who == "node" || who == "postgres" && strings.HasPrefix(full, adminService) && m.Name != "Hello"
				if err := try(conn, full, m); want != allowed(err) {
					t.Errorf("%s calls %s: %v", who, full, err)
				}
			}
		}
	}
	if methods < 100 {
		t.Errorf("only %d calls were tried", methods)
	}
}

// try calls a method with an empty message and gives up soon: who is let in may get
// any answer, or none.
func try(conn *grpc.ClientConn, method string, m grpc.MethodInfo) error {
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if !m.IsClientStream && !m.IsServerStream {
		return conn.Invoke(ctx, method, &emptypb.Empty{}, &emptypb.Empty{})
	}
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	return s.RecvMsg(&emptypb.Empty{})
}

func allowed(err error) bool {
	switch status.Code(err) {
	case codes.PermissionDenied, codes.Unavailable: // refused by mayCall, or by TLS
		return false
	}
	return true
}

// TestSecureNode: certificates and passwords open the SQL port as the rules say, and
// follow their files.
func TestSecureNode(t *testing.T) {
	dir := newCerts(t, "postgres")
	rules := filepath.Join(t.TempDir(), "hba")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("hostssl all all all cert-scram-sha-256")
	n := startNode(t, Config{CertsDir: dir, RulesFile: rules})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, port, err := net.SplitHostPort(n.SQLAddr())
	if err != nil {
		t.Fatal(err)
	}
	connect := func(user, rest string) (*pgx.Conn, error) {
		return pgx.Connect(ctx, fmt.Sprintf("host=127.0.0.1 port=%s dbname=postgres user=%s sslrootcert=%s/ca.crt %s", port, user, dir, rest))
	}
	root, err := connect("postgres", fmt.Sprintf("sslmode=verify-full sslcert=%[1]s/client.postgres.crt sslkey=%[1]s/client.postgres.key", dir))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close(ctx)
	if _, err := root.Exec(ctx, "CREATE ROLE ann LOGIN PASSWORD 'pencil'"); err != nil {
		t.Fatal(err)
	}
	for rest, want := range map[string]string{
		"sslmode=verify-full password=pencil": "",
		"sslmode=verify-full password=wrong":  "28P01",
		"sslmode=disable password=pencil":     "28000", // no rule for plain connections
	} {
		c, err := connect("ann", rest)
		if err == nil {
			c.Close(ctx)
		}
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", rest, err)
		}
	}
	// A mistake in the file changes nothing, new rules count at once.
	write("hostssl all all all scram")
	if err := n.Reload(); err == nil || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("a broken file: %v", err)
	}
	write("host all all 127.0.0.1 trust")
	if err := n.Reload(); err != nil {
		t.Fatal(err)
	}
	c, err := connect("ann", "sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	c.Close(ctx)
}
