package pgwire

import (
	"context"
	"net"
	"net/netip"

	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Client is what an Authenticator knows of who wants to connect.
type Client struct {
	User, Database string
	Addr           net.Addr
	TLS            bool
}

// Authenticator decides whether a client is who it says. Whether the role and
// the database exist is the engine's business. It must be safe for concurrent use.
type Authenticator interface {
	// Authenticate returns the error that refuses the client: 28000 for one that no
	// rule admits. ctx ends with the authentication timeout.
	Authenticate(ctx context.Context, c Client) error
}

// TrustLoopback admits clients on this machine without a password and refuses
// all others: the rule of a node without certificates.
type TrustLoopback struct{}

// Authenticate implements Authenticator.
func (TrustLoopback) Authenticate(_ context.Context, c Client) error {
	if isLoopback(c.Addr) {
		return nil
	}
	encryption := "no encryption"
	if c.TLS {
		encryption = "SSL encryption"
	}
	return sqlerr.New(sqlerr.InvalidAuthorizationSpecification,
		"no pg_hba.conf entry for host %q, user %q, database %q, %s", host(c.Addr), c.User, c.Database, encryption).
		WithHint("Without certificates the node takes connections from its own machine only; --insecure takes them from everywhere.")
}

// TrustAll admits everybody: the rule of a node that was started as insecure.
type TrustAll struct{}

// Authenticate implements Authenticator.
func (TrustAll) Authenticate(context.Context, Client) error { return nil }

func isLoopback(a net.Addr) bool {
	if a == nil {
		return false
	}
	if a.Network() == "unix" {
		return true
	}
	ap, err := netip.ParseAddrPort(a.String())
	return err == nil && ap.Addr().Unmap().IsLoopback()
}

// host is the address without the port.
func host(a net.Addr) string {
	if a == nil {
		return "unknown"
	}
	if h, _, err := net.SplitHostPort(a.String()); err == nil {
		return h
	}
	return a.String()
}
