package pgwire

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/quorate-db/quorate/internal/env"
	"github.com/quorate-db/quorate/sql/sqlerr"
)

// TestRules: the first rule that matches decides; the parts of a rule mean what
// they mean in pg_hba.conf.
func TestRules(t *testing.T) {
	rules, err := ParseRules(`
# one after the other
host     shop          ann,"b c"  10.1.0.0/16            trust
hostssl  all           all        10.0.0.0 255.0.0.0     cert      # with a mask
host     sameuser      all        all                    scram-sha-256
hostnossl "all"        all        ::1                    reject
`)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		db, user, addr string
		tls            bool
		want           Method
	}{
		{"shop", "ann", "10.1.2.3:4", false, MethodTrust},
		{"shop", "b c", "10.1.2.3:4", true, MethodTrust},
		{"shop", "ann", "[::ffff:10.1.2.3]:4", true, MethodTrust},
		{"shop", "bob", "10.1.2.3:4", true, MethodCert},
		{"shop", "bob", "10.1.2.3:4", false, ""},
		{"bob", "bob", "10.1.2.3:4", false, MethodSCRAM},
		{"bob", "bob", "[fe80::1%eth0]:4", false, MethodSCRAM},
		{"all", "bob", "[::1]:4", false, MethodReject},
		{"all", "bob", "[::1]:4", true, ""},
		{"shop", "bob", "[::1]:4", false, ""},
		{"shop", "ann", "pipe", true, ""},
	} {
		got, ok := rules.Match(Client{User: c.user, Database: c.db, Addr: stringAddr(c.addr), TLS: c.tls})
		if got != c.want || ok != (c.want != "") {
			t.Errorf("%+v: %q", c, got)
		}
	}
	if _, ok := rules.Match(Client{User: "bob", Database: "shop"}); ok {
		t.Error("a client without address matches a rule for addresses")
	}
}

// TestBadRules: a list that says something else than it seems is refused, by line.
func TestBadRules(t *testing.T) {
	for text, want := range map[string]string{
		"host all all all":                      "has 4",
		"host all all all trust x":              "too many words",
		"local all all trust":                   "connection type",
		"host all all all md5":                  `method "md5"`,
		"host all all all cert":                 "needs type hostssl",
		"host all +ann all trust":               "groups",
		"host all all 10.0.0.1/8 trust":         "did you mean 10.0.0.0/8",
		"host all all 10.0.0 trust":             "write all, an address",
		"host all all 10.0.0.0 255.0.1.0 trust": "no mask",
		"host all sameuser all trust":           "sameuser is no role",
		"host all ann, all trust":               "name \"\"",
	} {
		if _, err := ParseRules("\n" + text); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "line 2: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestRulesAgainstReference compares the match with one written the other way
// round, over random rules and clients of a small world.
func TestRulesAgainstReference(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	pick := func(s ...string) string { return s[rng.IntN(len(s))] }
	type line struct{ typ, db, user, addr, method string }
	matched := 0
	for range 20000 {
		var lines []line
		var text strings.Builder
		for range rng.IntN(4) {
			l := line{pick("host", "hostssl", "hostnossl"), pick("all", "a", "a,b", "sameuser"), pick("all", "a", "b,c"),
				pick("all", "10.0.0.0/8", "10.0.0.0/31", "::/0", "fe80::/10"), pick("trust", "reject", "scram-sha-256")}
			lines = append(lines, l)
			fmt.Fprintln(&text, l.typ, l.db, l.user, l.addr, l.method)
		}
		rules, err := ParseRules(text.String())
		if err != nil {
			t.Fatal(err)
		}
		c := Client{User: pick("a", "b", "c", "d"), Database: pick("a", "b", "d"), TLS: rng.IntN(2) == 0,
			Addr: stringAddr(pick("10.0.0.1:1", "10.9.0.1:1", "11.0.0.1:1", "[fe80::1]:1", "[::1]:1"))}
		want := Method("")
		for i := len(lines) - 1; i >= 0; i-- {
			l := lines[i]
			ok := l.typ == "host" || (l.typ == "hostssl") == c.TLS
			ok = ok && (l.db == "all" || strings.Contains(","+l.db+",", ","+c.Database+",") || l.db == "sameuser" && c.Database == c.User)
			ok = ok && (l.user == "all" || strings.Contains(","+l.user+",", ","+c.User+","))
			if l.addr != "all" {
				ok = ok && netip.MustParsePrefix(l.addr).Contains(netip.MustParseAddrPort(c.Addr.String()).Addr())
			}
			if ok {
				want = Method(l.method)
			}
		}
		if got, _ := rules.Match(c); got != want {
			t.Fatalf("%s%+v: got %q, want %q", text.String(), c, got, want)
		}
		if want != "" {
			matched++
		}
	}
	if matched < 1000 {
		t.Errorf("only %d clients matched a rule", matched)
	}
}

// TestCertificates: a certificate is for the role that it names.
func TestCertificates(t *testing.T) {
	for _, c := range []struct {
		rule, cert string
		code       string // of the refusal
		password   bool
	}{
		{"cert", "ann", "", false},
		{"cert", "bob", "28000", false},
		{"cert", "", "28000", false},
		{"cert-scram-sha-256", "ann", "", false},
		{"cert-scram-sha-256", "bob", "28000", false},
		{"cert-scram-sha-256", "", "", true},
		{"reject", "ann", "28000", false},
	} {
		rules, err := ParseRules("hostssl all all all " + c.rule)
		if err != nil {
			t.Fatal(err)
		}
		a := &RuleAuthenticator{Rules: func() Rules { return rules }, Roles: fakeRoles{t: t}, Clock: env.SystemClock()}
		p, err := a.Authenticate(context.Background(), Client{User: "ann", Database: "d", TLS: true, CertName: c.cert, Addr: stringAddr("1.2.3.4:5")})
		code := ""
		if err != nil {
			code = sqlerr.CodeOf(err)
		}
		if code != c.code || (p.Password != nil) != c.password {
			t.Errorf("%+v: %v, %+v", c, err, p)
		}
	}
}

// FuzzHBA: any text is a list of rules or an error.
func FuzzHBA(f *testing.F) {
	f.Add(DefaultRules)
	f.Add("host all \"a b\",c 1.2.3.4 255.0.0.0 reject # x")
	f.Fuzz(func(t *testing.T, text string) {
		rules, err := ParseRules(text)
		if err != nil && rules != nil {
			t.Error("both rules and an error")
		}
		rules.Match(Client{User: "a", Database: "b", Addr: stringAddr("1.2.3.4:5")})
	})
}
