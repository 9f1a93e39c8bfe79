package pgwire

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// Method is how a rule lets clients in.
type Method string

// The methods. The first four are PostgreSQL's.
const (
	MethodTrust  Method = "trust"
	MethodReject Method = "reject"
	MethodSCRAM  Method = "scram-sha-256"
	// MethodCert asks for a certificate whose common name is the role.
	MethodCert Method = "cert"
	// MethodCertOrSCRAM takes such a certificate, and a password from who has none.
	MethodCertOrSCRAM Method = "cert-scram-sha-256"
)

// Rule is one line of a list of rules, which has the form of PostgreSQL's
// pg_hba.conf: type, databases, roles, address, method.
type Rule struct {
	ssl, plain       bool // which connections it is for
	databases, users []string
	address          netip.Prefix
	anyAddress       bool
	method           Method
}

// Rules is a list of which the first that matches decides; a client that none
// matches is refused. It is immutable.
type Rules []Rule

// DefaultRules is the list of a node with certificates: encrypted connections show
// a certificate or know the password, plain ones come from this machine and know it.
const DefaultRules = `
# type    database  role  address       method
hostssl   all       all   all           cert-scram-sha-256
hostnossl all       all   127.0.0.1/32  scram-sha-256
hostnossl all       all   ::1/128       scram-sha-256
`

// ParseRules reads a list of rules. Its error names the line.
func ParseRules(text string) (Rules, error) {
	var rules Rules
	for i, line := range strings.Split(text, "\n") {
		words := ruleWords(line)
		if len(words) == 0 {
			continue
		}
		r, err := parseRule(words)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// ruleWords cuts a line at blanks, but for those between quotes, up to a comment.
func ruleWords(line string) (words []string) {
	quoted, start := false, -1 // of the word that goes on
	end := func(at int) {
		if start >= 0 {
			words = append(words, line[start:at])
		}
		start = -1
	}
	for i, c := range line {
		switch {
		case c == '#' && !quoted:
			end(i)
			return words
		case !quoted && (c == ' ' || c == '\t' || c == '\r'):
			end(i)
			continue
		case c == '"':
			quoted = !quoted
		}
		if start < 0 {
			start = i
		}
	}
	end(len(line))
	return words
}

func parseRule(words []string) (Rule, error) {
	var r Rule
	switch words[0] {
	case "host":
		r.ssl, r.plain = true, true
	case "hostssl":
		r.ssl = true
	case "hostnossl":
		r.plain = true
	default:
		return r, fmt.Errorf("connection type %q: there are host, hostssl and hostnossl", words[0])
	}
	// An address and its mask may stand apart.
	if len(words) == 6 {
		mask, err := netip.ParseAddr(words[4])
		if err != nil {
			return r, fmt.Errorf("too many words")
		}
		bits, ok := maskBits(mask)
		if !ok {
			return r, fmt.Errorf("%q is no mask", words[4])
		}
		words = []string{words[0], words[1], words[2], fmt.Sprintf("%s/%d", words[3], bits), words[5]}
	}
	if len(words) != 5 {
		return r, fmt.Errorf("a rule has five words (type, database, role, address, method), this one has %d", len(words))
	}
	for _, list := range []struct {
		text string
		to   *[]string
	}{{words[1], &r.databases}, {words[2], &r.users}} {
		for _, name := range strings.Split(list.text, ",") {
			quoted := len(name) > 1 && strings.HasPrefix(name, `"`) && strings.HasSuffix(name, `"`)
			switch {
			case quoted:
				name = "=" + name[1:len(name)-1]
			case name == "" || strings.ContainsAny(name, `+@/"`):
				return r, fmt.Errorf("name %q: groups, files and patterns are not supported", name)
			case name != "all" && name != "sameuser":
				name = "=" + name
			}
			*list.to = append(*list.to, name)
		}
	}
	if slices.Contains(r.users, "sameuser") {
		return r, fmt.Errorf("sameuser is no role")
	}
	if err := r.parseAddress(words[3]); err != nil {
		return r, err
	}
	switch r.method = Method(words[4]); r.method {
	case MethodTrust, MethodReject, MethodSCRAM:
	case MethodCert, MethodCertOrSCRAM:
		if r.plain {
			return r, fmt.Errorf("method %s needs type hostssl", r.method)
		}
	default:
		return r, fmt.Errorf("method %q: there are trust, reject, scram-sha-256, cert and cert-scram-sha-256", words[4])
	}
	return r, nil
}

func (r *Rule) parseAddress(s string) error {
	if s == "all" {
		r.anyAddress = true
		return nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		r.address = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return fmt.Errorf("address %q: write all, an address, or an address with the length of its prefix (10.0.0.0/8)", s)
	}
	if p.Masked() != p {
		return fmt.Errorf("address %q has bits beyond its prefix: did you mean %s?", s, p.Masked())
	}
	r.address = p
	return nil
}

// maskBits returns the length of the prefix that a mask such as 255.0.0.0 means.
func maskBits(mask netip.Addr) (int, bool) {
	n, ended := 0, false
	for _, b := range mask.AsSlice() {
		for bit := 7; bit >= 0; bit-- {
			switch one := b>>bit&1 == 1; {
			case one && ended:
				return 0, false
			case one:
				n++
			default:
				ended = true
			}
		}
	}
	return n, true
}

// Match returns the method of the first rule that is meant for a client; ok is
// false if there is none.
func (rs Rules) Match(c Client) (m Method, ok bool) {
	var addr netip.Addr
	if c.Addr != nil {
		if ap, err := netip.ParseAddrPort(c.Addr.String()); err == nil {
			addr = ap.Addr().Unmap().WithZone("")
		}
	}
	for i := range rs {
		if rs[i].matches(c, addr) {
			return rs[i].method, true
		}
	}
	return "", false
}

func (r *Rule) matches(c Client, addr netip.Addr) bool {
	if c.TLS && !r.ssl || !c.TLS && !r.plain {
		return false
	}
	if !r.anyAddress && !(addr.IsValid() && r.address.Contains(addr)) {
		return false
	}
	db := slices.ContainsFunc(r.databases, func(d string) bool {
		return d == "all" || d == "sameuser" && c.Database == c.User || d == "="+c.Database
	})
	return db && slices.ContainsFunc(r.users, func(u string) bool { return u == "all" || u == "="+c.User })
}

// Login is what is known of a role that wants to log in.
type Login struct {
	// Verifier is in the form of Verifier.String, empty for a role without password
	// and for an unknown one.
	Verifier string
	// ValidUntil is when the password ends to be valid; zero is never.
	ValidUntil time.Time
	// Secret gives roles without a password a salt that looks like any other; the
	// same on all nodes.
	Secret []byte
}

// Roles looks up what a role may log in with. It must be safe for concurrent use.
type Roles interface {
	Login(ctx context.Context, role string) (Login, error)
}

// RuleAuthenticator authenticates by a list of rules.
type RuleAuthenticator struct {
	Rules func() Rules // the list as it is now
	Roles Roles
	Clock env.Clock
}

// Authenticate implements Authenticator.
func (a *RuleAuthenticator) Authenticate(ctx context.Context, c Client) (Proof, error) {
	method, ok := a.Rules().Match(c)
	if !ok {
		return Proof{}, refusal(c).WithHint("Ask the administrator of the node for a rule.")
	}
	switch method {
	case MethodTrust:
		return Proof{}, nil
	case MethodSCRAM:
		return a.password(ctx, c)
	case MethodCertOrSCRAM:
		if c.CertName == "" {
			return a.password(ctx, c)
		}
		fallthrough
	case MethodCert:
		switch c.CertName {
		case "":
			return Proof{}, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "connection requires a valid client certificate")
		case c.User:
			return Proof{}, nil
		}
		return Proof{}, sqlerr.New(sqlerr.InvalidAuthorizationSpecification, "certificate authentication failed for user %q", c.User).
			WithDetail("The certificate is for %q.", c.CertName)
	}
	// MethodReject.
	e := refusal(c)
	e.Message = "pg_hba.conf rejects connection" + strings.TrimPrefix(e.Message, "no pg_hba.conf entry")
	return Proof{}, e
}

func (a *RuleAuthenticator) password(ctx context.Context, c Client) (Proof, error) {
	l, err := a.Roles.Login(ctx, c.User)
	if err != nil {
		return Proof{}, err
	}
	v, ok := ParseVerifier(l.Verifier)
	if !ok || !l.ValidUntil.IsZero() && !a.Clock.Now().Before(l.ValidUntil) {
		v = mockVerifier(l.Secret, c.User)
	}
	return Proof{Password: v}, nil
}
