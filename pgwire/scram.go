package pgwire

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/quorate-db/quorate/sql/sqlerr"
	"github.com/xdg-go/scram"
)

// The mechanisms by their names on the wire (RFC 5802 §4, RFC 7677).
const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"
)

// Sizes and costs of a new verifier, PostgreSQL's.
const (
	scramIterations = 4096
	// SaltBytes is the length of the salt of a new verifier.
	SaltBytes = 16
)

// Verifier is what is stored of a password: it can check a client's proof and
// prove in turn that the server knows it, but not be used to log in (RFC 5802 §3).
// It is immutable.
type Verifier struct {
	iterations                 int
	salt, storedKey, serverKey []byte
}

// NewVerifier derives the verifier of a password. salt has to be random, of
// SaltBytes.
func NewVerifier(password string, salt []byte) (*Verifier, error) {
	return derive(password, salt, scramIterations)
}

func derive(password string, salt []byte, iterations int) (*Verifier, error) {
	c, err := scram.SHA256.NewClient("", password, "")
	if err != nil {
		// As PostgreSQL does: a password that SASLprep forbids is taken as it is.
		c, err = scram.SHA256.NewClientUnprepped("", password, "")
	}
	if err != nil {
		return nil, fmt.Errorf("derive the keys of a password: %w", err)
	}
	cred, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: iterations})
	if err != nil {
		return nil, fmt.Errorf("derive the keys of a password: %w", err)
	}
	return &Verifier{iterations: iterations, salt: bytes.Clone(salt), storedKey: cred.StoredKey, serverKey: cred.ServerKey}, nil
}

// matches reports whether a verifier was made of a password.
func (v *Verifier) matches(password string) bool {
	other, err := derive(password, v.salt, v.iterations)
	return err == nil && subtle.ConstantTimeCompare(v.storedKey, other.storedKey) == 1
}

// mockVerifier is the verifier of a role that has none: no password matches it, and
// its salt is always the same, so that a client cannot tell such roles from others.
// secret is known to the cluster only.
func mockVerifier(secret []byte, user string) *Verifier {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(user))
	sum := mac.Sum(nil)
	// Nobody knows what hashes to zeros.
	return &Verifier{iterations: scramIterations, salt: sum[:SaltBytes], storedKey: make([]byte, sha256.Size), serverKey: sum}
}

// String is the form in pg_authid.rolpassword:
// SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
func (v *Verifier) String() string {
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("%s$%d:%s$%s:%s", mechanism, v.iterations, b64(v.salt), b64(v.storedKey), b64(v.serverKey))
}

// ParseVerifier reads what String wrote; ok is false for anything else, such as a
// password.
func ParseVerifier(s string) (v *Verifier, ok bool) {
	rest, ok := strings.CutPrefix(s, mechanism+"$")
	if !ok {
		return nil, false
	}
	head, keys, ok1 := strings.Cut(rest, "$")
	iterations, salt, ok2 := strings.Cut(head, ":")
	stored, server, ok3 := strings.Cut(keys, ":")
	if !ok1 || !ok2 || !ok3 {
		return nil, false
	}
	v = &Verifier{}
	var err error
	if v.iterations, err = strconv.Atoi(iterations); err != nil || v.iterations < 1 {
		return nil, false
	}
	for _, f := range []struct {
		text string
		to   *[]byte
		size int
	}{{salt, &v.salt, 0}, {stored, &v.storedKey, sha256.Size}, {server, &v.serverKey, sha256.Size}} {
		b, err := base64.StdEncoding.DecodeString(f.text)
		if err != nil || len(b) == 0 || f.size > 0 && len(b) != f.size {
			return nil, false
		}
		*f.to = b
	}
	return v, true
}

// checkPassword runs the SASL exchange (PostgreSQL manual, "SASL Authentication").
// A wrong password, an unknown role and a broken proof look the same.
func (c *conn) checkPassword(user string, v *Verifier) error {
	binding := c.channelBinding()
	c.out.open('R') // AuthenticationSASL
	c.out.uint32(10)
	if binding.IsSupported() {
		c.out.cstring(mechanismPlus)
	}
	c.out.cstring(mechanism)
	c.out.byte(0)
	c.out.close()
	if err := c.sendAuth(); err != nil {
		return err
	}

	first, err := c.saslInitial(binding.IsSupported())
	if err != nil {
		return err
	}
	nonce, err := c.nonce()
	if err != nil {
		return err
	}
	conv, err := v.conversation(func() string { return nonce }, binding)
	if err != nil {
		return err
	}
	answer, err := conv.Step(first)
	if err != nil {
		return protocolError("malformed SCRAM message").WithDetail("%v.", err)
	}
	c.authMessage(11, answer) // AuthenticationSASLContinue
	if err := c.sendAuth(); err != nil {
		return err
	}

	final, err := c.in.readPassword()
	if err != nil {
		return err
	}
	answer, err = conv.Step(string(final))
	if !conv.Valid() || err != nil {
		return sqlerr.New(sqlerr.InvalidPassword, "password authentication failed for user %q", user).WithSeverity(sqlerr.SeverityFatal).WithCause(err)
	}
	c.authMessage(12, answer) // AuthenticationSASLFinal
	return nil
}

// conversation begins the server's side of an exchange.
func (v *Verifier) conversation(nonce func() string, binding scram.ChannelBinding) (*scram.ServerConversation, error) {
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		// The name in the message is ignored, as in PostgreSQL: the startup packet has it.
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(v.salt), Iters: v.iterations},
			StoredKey: v.storedKey, ServerKey: v.serverKey}, nil
	})
	if err != nil {
		return nil, fmt.Errorf("begin SCRAM: %w", err)
	}
	server.WithNonceGenerator(nonce)
	if binding.IsSupported() {
		return server.NewConversationWithChannelBinding(binding), nil
	}
	return server.NewConversation(), nil
}

// saslInitial reads the client's choice of mechanism and its first message.
func (c *conn) saslInitial(plus bool) (string, error) {
	body, err := c.in.readPassword()
	if err != nil {
		return "", err
	}
	f := fields{body: body}
	name := string(f.text())
	data := f.value()
	if f.err != nil || len(f.body) > 0 {
		return "", protocolError("malformed SASL response")
	}
	bound := bytes.HasPrefix(data, []byte("p="))
	switch {
	case name != mechanism && (name != mechanismPlus || !plus):
		return "", protocolError("client selected an invalid SASL authentication mechanism")
	case name == mechanismPlus && !bound:
		return "", protocolError("malformed SCRAM message").WithDetail("The client selected %s, but the SCRAM message does not include channel binding data.", mechanismPlus)
	case name == mechanism && bound:
		return "", protocolError("malformed SCRAM message").WithDetail("The client selected %s without channel binding, but the SCRAM message includes channel binding data.", mechanism)
	}
	return string(data), nil
}

// nonce returns the server's part of the nonce (18 random bytes, as PostgreSQL).
func (c *conn) nonce() (string, error) {
	var raw [18]byte
	if _, err := c.server.opts.Entropy.Read(raw[:]); err != nil {
		return "", fmt.Errorf("make a nonce: %w", err)
	}
	return base64.StdEncoding.EncodeToString(raw[:]), nil
}

// channelBinding ties the password to the certificate that the client sees
// (tls-server-end-point, RFC 5929 §4); it is empty without TLS.
func (c *conn) channelBinding() scram.ChannelBinding {
	if c.serverCert == nil {
		return scram.ChannelBinding{}
	}
	cert, err := x509.ParseCertificate(c.serverCert)
	if err != nil {
		return scram.ChannelBinding{}
	}
	// The library's function is written for clients, who have the server as peer.
	b, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert}})
	if err != nil {
		return scram.ChannelBinding{} // a signature without a hash, such as Ed25519's: none is offered
	}
	return b
}

// authMessage writes a message of the SASL exchange.
func (c *conn) authMessage(code uint32, data string) {
	c.out.open('R')
	c.out.uint32(code)
	c.out.buf = append(c.out.buf, data...)
	c.out.close()
}

// sendAuth sends a message of the exchange and gives the buffer back: the client
// may take its time.
func (c *conn) sendAuth() error {
	err := c.out.flush()
	c.out.release()
	return err
}
