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
	// CertName is the common name of the certificate that the client has shown and
	// the TLS configuration has verified; empty without one.
	CertName string
}

// Authenticator decides how a client has to prove who it is. Whether the role may
// log in and the database exists is the engine's business. It must be safe for
// concurrent use.
type Authenticator interface {
	// Authenticate returns what the client has to show, or the error that refuses it:
	// 28000 for one that no rule admits. ctx ends with the authentication timeout.
	Authenticate(ctx context.Context, c Client) (Proof, error)
}

// Admits reports whether an authenticator would admit a client that shows a password in
// the clear, for what is not a connection of the PostgreSQL protocol. It takes as long
// for a role that does not exist; an error says that nobody can tell now.
func Admits(ctx context.Context, a Authenticator, c Client, password string) (bool, error) {
	proof, err := a.Authenticate(ctx, c)
	switch {
	case sqlerr.CodeOf(err) == sqlerr.InvalidAuthorizationSpecification:
		return false, nil
	case err != nil:
		return false, err
	case proof.Password == nil:
		return true, nil
	}
	return proof.Password.matches(password), nil
}

// Proof is what a client has to show. The zero value asks for nothing.
type Proof struct {
	// Password asks for the password of the role by SCRAM-SHA-256.
	Password *Verifier
}

// TrustLoopback admits clients on this machine without a password and refuses
// all others: the rule of a node without certificates.
type TrustLoopback struct{}

// Authenticate implements Authenticator.
func (TrustLoopback) Authenticate(_ context.Context, c Client) (Proof, error) {
	if isLoopback(c.Addr) {
		return Proof{}, nil
	}
	return Proof{}, refusal(c).
		WithHint("Without certificates the node takes connections from its own machine only; --insecure takes them from everywhere.")
}

// refusal is the error for a client that no rule admits, in PostgreSQL's words.
func refusal(c Client) *sqlerr.Error {
	encryption := "no encryption"
	if c.TLS {
		encryption = "SSL encryption"
	}
	return sqlerr.New(sqlerr.InvalidAuthorizationSpecification,
		"no pg_hba.conf entry for host %q, user %q, database %q, %s", host(c.Addr), c.User, c.Database, encryption)
}

// TrustAll admits everybody: the rule of a node that was started as insecure.
type TrustAll struct{}

// Authenticate implements Authenticator.
func (TrustAll) Authenticate(context.Context, Client) (Proof, error) { return Proof{}, nil }

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
