package pgwire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/quorate-db/quorate/internal/env"
	"github.com/xdg-go/scram"
)

// TestSCRAMVectors: the exchange of RFC 7677 §3, byte for byte.
func TestSCRAMVectors(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString("W22ZaJ0SNY7soEsUEjb6gQ==")
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewVerifier("pencil", salt)
	if err != nil {
		t.Fatal(err)
	}
	// The form that PostgreSQL stores, read and written.
	v, ok := ParseVerifier(v.String())
	if !ok {
		t.Fatalf("cannot read %s", v)
	}
	conv, err := v.conversation(func() string { return "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0" }, scram.ChannelBinding{})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ client, server string }{
		{"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"},
		{"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	} {
		got, err := conv.Step(step.client)
		if err != nil || got != step.server {
			t.Fatalf("%s\n got %s, %v\nwant %s", step.client, got, err, step.server)
		}
	}
	if !conv.Valid() {
		t.Error("the proof is not taken")
	}
}

// TestParseVerifier: what is not a verifier is a password.
func TestParseVerifier(t *testing.T) {
	key := base64.StdEncoding.EncodeToString(make([]byte, sha256.Size))
	for s, want := range map[string]bool{
		"SCRAM-SHA-256$4096:AAAA$" + key + ":" + key: true,
		"SCRAM-SHA-256$1:AAAA$" + key + ":" + key:    true,
		"SCRAM-SHA-256$0:AAAA$" + key + ":" + key:    false,
		"SCRAM-SHA-256$4096:$" + key + ":" + key:     false,
		"SCRAM-SHA-256$4096:AAAA$" + key + ":AAAA":   false,
		"SCRAM-SHA-256$4096:AAAA$" + key:             false,
		"SCRAM-SHA-256$4096:AAA$" + key + ":" + key:  false,
		"SCRAM-SHA-256$":                false,
		"md5" + strings.Repeat("0", 32): false,
		"pencil":                        false,
		"":                              false,
		"SCRAM-SHA-256$4096:AAAA$" + key + ":" + key + ":": false,
	} {
		if _, ok := ParseVerifier(s); ok != want {
			t.Errorf("%q: %v, want %v", s, ok, want)
		}
	}
}

// fakeRoles are roles with their passwords.
type fakeRoles struct {
	t         testing.TB
	passwords map[string]string
	until     map[string]time.Time
}

func (r fakeRoles) Login(_ context.Context, role string) (Login, error) {
	l := Login{Secret: []byte("of the cluster"), ValidUntil: r.until[role]}
	if pw, ok := r.passwords[role]; ok {
		v, err := NewVerifier(pw, []byte("0123456789abcdef"))
		if err != nil {
			return l, err
		}
		l.Verifier = v.String()
	}
	return l, nil
}

// newPasswordServer asks for passwords: encrypted connections may show a
// certificate instead.
func newPasswordServer(t testing.TB, cert tls.Certificate) *testServer {
	roles := fakeRoles{t, map[string]string{"ann": "pencil", "bob": "péncil", "late": "pencil"},
		map[string]time.Time{"late": time.Now().Add(-time.Second), "bob": time.Now().Add(time.Hour)}}
	rules, err := ParseRules(DefaultRules)
	if err != nil {
		t.Fatal(err)
	}
	return newTestServer(t, func(o *Options) {
		o.Auth = &RuleAuthenticator{Rules: func() Rules { return rules }, Roles: roles, Clock: env.SystemClock()}
		if cert.Certificate != nil {
			pool := x509.NewCertPool()
			leaf, err := x509.ParseCertificate(cert.Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			pool.AddCert(leaf)
			config := &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool}
			o.TLSConfig = func() *tls.Config { return config }
		}
	})
}

// TestPasswords: a right password lets in, plain and encrypted; everything else is
// refused in the same words.
func TestPasswords(t *testing.T) {
	addr := newPasswordServer(t, newCertificate(t)).listen(t)
	for _, c := range []struct {
		user, password, mode string
		code                 string
	}{
		{"ann", "pencil", "disable", ""},
		{"ann", "pencil", "require", ""},
		{"bob", "péncil", "require", ""},
		{"ann", "Pencil", "require", "28P01"},
		{"ann", "pen", "disable", "28P01"},
		{"late", "pencil", "require", "28P01"},   // it was valid until a second ago
		{"nobody", "pencil", "require", "28P01"}, // there is no such role
	} {
		t.Run(c.user+c.password+c.mode, func(t *testing.T) {
			conn, err := pgx.Connect(contextWithTimeout(t), fmt.Sprintf("postgres://%s:%s@%s/shop?sslmode=%s", c.user, c.password, addr, c.mode))
			if c.code == "" {
				if err != nil {
					t.Fatal(err)
				}
				conn.Close(context.Background())
				return
			}
			var pe *pgconn.PgError
			if !errors.As(err, &pe) || pe.Code != c.code || pe.Severity != "FATAL" ||
				pe.Message != fmt.Sprintf("password authentication failed for user %q", c.user) || pe.Detail != "" {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestUnknownRolesLookLikeOthers: the first answer has a salt of the usual length
// and the usual cost, each time the same.
func TestUnknownRolesLookLikeOthers(t *testing.T) {
	s := newPasswordServer(t, tls.Certificate{})
	addr := s.listen(t)
	form := regexp.MustCompile(`^r=abc[A-Za-z0-9+/]{24},s=([A-Za-z0-9+/=]{24}),i=4096$`)
	salts := map[string]string{}
	for _, user := range []string{"ann", "nobody", "late", "nobody", "other"} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.SetDeadline(time.Now().Add(testTimeout))
		nc.Write(startupPacket(protocol30, "user="+user))
		if got := readMessage(t, nc); string(got[8:]) != mechanism+"\x00\x00" {
			t.Fatalf("offered %q", got)
		}
		nc.Write(saslInitial(mechanism, "n,,n=,r=abc"))
		got := readMessage(t, nc)
		m := form.FindStringSubmatch(string(got[8:]))
		if m == nil {
			t.Fatalf("%s: %q", user, got)
		}
		if before, ok := salts[user]; ok && before != m[1] {
			t.Errorf("%s has two salts", user)
		}
		salts[user] = m[1]
		nc.Close()
	}
	if salts["nobody"] == salts["other"] {
		t.Error("two unknown roles have one salt")
	}
}

// readMessage reads a message, whose data begins at its byte 8 if it has a code.
func readMessage(t *testing.T, r io.Reader) []byte {
	t.Helper()
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(r, body); err != nil {
		t.Fatal(err)
	}
	return append(head[:4], body...)
}

func passwordMessage(body string) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'p'}, uint32(len(body)+4)), body...)
}

func saslInitial(mechanism, data string) []byte {
	return passwordMessage(mechanism + "\x00" + string(binary.BigEndian.AppendUint32(nil, uint32(len(data)))) + data)
}

// TestBrokenSCRAM: whatever is wrong with an exchange ends it with an error that
// names it, and nobody is let in.
func TestBrokenSCRAM(t *testing.T) {
	addr := newPasswordServer(t, tls.Certificate{}).listen(t)
	for name, c := range map[string]struct {
		send []byte
		want string
	}{
		"another message":    {[]byte("Q\x00\x00\x00\x05\x00"), `C="08P01"`},
		"unknown mechanism":  {saslInitial("GS2", "n,,n=,r=a"), "invalid SASL authentication mechanism"},
		"plus without TLS":   {saslInitial(mechanismPlus, "p=tls-server-end-point,,n=,r=a"), "invalid SASL authentication mechanism"},
		"binding by no plus": {saslInitial(mechanism, "p=tls-server-end-point,,n=,r=a"), "malformed SCRAM message"},
		"no nonce":           {saslInitial(mechanism, "n,,n="), "malformed SCRAM message"},
		"no text":            {saslInitial(mechanism, ""), "malformed SCRAM message"},
		"extension":          {saslInitial(mechanism, "n,,m=x,n=,r=a"), "malformed SCRAM message"},
		"no length":          {passwordMessage(mechanism + "\x00"), "malformed SASL response"},
		"length beyond":      {passwordMessage(mechanism + "\x00\x00\x00\x00\x09abc"), "malformed SASL response"},
		"no data":            {passwordMessage(mechanism + "\x00\xff\xff\xff\xff"), "malformed SCRAM message"},
		"not UTF-8":          {saslInitial("\xff", "x"), "malformed SASL response"},
		"too long":           {passwordMessage(strings.Repeat("x", passwordBytesMax+1)), "invalid length"},
		"too short":          {[]byte("p\x00\x00\x00\x03"), "invalid length"},
		"bad final":          {append(saslInitial(mechanism, "n,,n=,r=a"), passwordMessage("x")...), `C="28P01"`},
		"other nonce": {append(saslInitial(mechanism, "n,,n=,r=a"),
			passwordMessage("c=biws,r=b,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")...), `C="28P01"`},
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			client := newClient(t, nc)
			client.write(append(startupPacket(protocol30, "user=ann"), c.send...))
			if got := join(client.until("ReadyForQuery")); !strings.Contains(got, c.want) || !strings.HasSuffix(got, "closed") {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestChannelBinding: libpq, told to insist on channel binding, gets it over TLS
// and nothing without.
func TestChannelBinding(t *testing.T) {
	addr := newPasswordServer(t, newCertificate(t)).listen(t)
	for mode, want := range map[string]string{"require": "(2 rows)", "disable": "channel binding"} {
		out, _ := command(t, addr, "psql", "-X", "-c", "rows 2", "user=ann password=pencil dbname=shop channel_binding=require sslmode="+mode)
		if !strings.Contains(out, want) {
			t.Errorf("sslmode=%s: no %q in %s", mode, want, out)
		}
	}
}

// passwordsOnly asks everybody for a password.
type passwordsOnly struct{ v *Verifier }

func (p passwordsOnly) Authenticate(context.Context, Client) (Proof, error) {
	return Proof{Password: p.v}, nil
}

// FuzzSCRAM: no answer to a request for a password does harm, or lets in.
func FuzzSCRAM(f *testing.F) {
	f.Add(saslInitial(mechanism, "n,,n=,r=abc"))
	f.Add(append(saslInitial(mechanism, "n,,n=u,r=a"), passwordMessage("c=biws,r=a,p=AAAA")...))
	f.Add(saslInitial(mechanismPlus, "p=tls-server-end-point,,n=,r=a"))
	s := newTestServer(f, func(o *Options) { o.Auth = passwordsOnly{mockVerifier(nil, "ann")} })
	f.Fuzz(func(t *testing.T, data []byte) {
		near, far := net.Pipe()
		s.ServeConn(far)
		near.SetDeadline(time.Now().Add(testTimeout))
		answer := make(chan []byte, 1)
		go func() {
			b, _ := io.ReadAll(near)
			answer <- b
		}()
		near.Write(append(startupPacket(protocol30, "user=ann"), data...))
		near.Close()
		if b := <-answer; bytes.Contains(b, []byte("R\x00\x00\x00\x08\x00\x00\x00\x00")) {
			t.Errorf("let in by %q", data)
		}
	})
}
