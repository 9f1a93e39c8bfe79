package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/quorate-db/quorate/pgwire"
	"github.com/quorate-db/quorate/server/certs"
)

// reloadEvery is how often the files of certificates and rules are looked at.
const reloadEvery = 10 * time.Second

// expiryWarning is how long before its end a certificate is warned of.
const expiryWarning = 30 * 24 * time.Hour

// rules is the list of who may log in how, as it is now.
type rules struct {
	now  atomic.Pointer[pgwire.Rules]
	text string // what it was read from; owned by the loop
}

// loadSecurity reads certificates and rules before anything listens.
func (n *Node) loadSecurity() error {
	if n.cfg.CertsDir != "" {
		c, err := certs.Node(n.cfg.CertsDir)
		if err != nil {
			return err
		}
		n.certs = c
		n.warnOfExpiry()
	}
	_, err := n.loadRules()
	return err
}

func (n *Node) warnOfExpiry() {
	if left := n.certs.Expires().Sub(n.cfg.Env.Clock.Now()); left < expiryWarning {
		n.log.Warn("the node's certificate ends soon: make a new one with quorate cert create-node --overwrite", "expires", n.certs.Expires(), "days", int(left.Hours()/24))
	}
}

// loadRules reads the rules again; changed says that they are others now.
func (n *Node) loadRules() (changed bool, err error) {
	text := ""
	switch {
	case n.cfg.RulesFile != "":
		raw, err := os.ReadFile(n.cfg.RulesFile)
		if err != nil {
			return false, fmt.Errorf("read the rules of --hba-file: %w", err)
		}
		text = string(raw)
	case n.certs != nil:
		text = pgwire.DefaultRules
	default:
		return false, nil
	}
	if n.rules.now.Load() != nil && text == n.rules.text {
		return false, nil
	}
	r, err := pgwire.ParseRules(text)
	if err != nil {
		return false, fmt.Errorf("read the rules of --hba-file %s: %w", n.cfg.RulesFile, err)
	}
	n.rules.text = text
	n.rules.now.Store(&r)
	return true, nil
}

// authenticator decides about clients: by rules where there are some, otherwise by
// where they come from.
func (n *Node) authenticator() pgwire.Authenticator {
	switch {
	case n.rules.now.Load() != nil:
		return &pgwire.RuleAuthenticator{Rules: func() pgwire.Rules { return *n.rules.now.Load() }, Roles: n.sql, Clock: n.cfg.Env.Clock}
	case n.cfg.Insecure:
		return pgwire.TrustAll{}
	}
	return pgwire.TrustLoopback{}
}

// sqlTLS is nil without certificates: the port then declines encryption.
func (n *Node) sqlTLS() func() *tls.Config {
	if n.certs == nil {
		return nil
	}
	return n.certs.SQL
}

// Reload reads certificates and rules again, for connections to come. What cannot
// be read stays as it was, and is the error.
func (n *Node) Reload() error {
	if n.certs != nil {
		changed, err := n.certs.Reload()
		if err != nil {
			return err
		}
		if changed {
			n.log.Info("new certificates", "expires", n.certs.Expires())
			n.warnOfExpiry()
		}
	}
	changed, err := n.loadRules()
	if changed {
		n.log.Info("new rules for logins", "file", n.cfg.RulesFile)
	}
	return err
}

// reloadLoop follows the files, and Config.Reload.
func (n *Node) reloadLoop(ctx context.Context) {
	if n.certs == nil && n.cfg.RulesFile == "" {
		return
	}
	for {
		t := n.cfg.Env.Clock.NewTimer(reloadEvery)
		select {
		case <-t.C():
		case <-n.cfg.ReloadNow:
		case <-ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
		if err := n.Reload(); err != nil {
			n.log.Error("certificates and rules stay as they were", "err", err)
		}
	}
}

// serveHTTP serves until the server is shut down.
func (n *Node) serveHTTP() error {
	if n.certs == nil {
		return n.http.Serve(n.httpLis)
	}
	n.http.TLSConfig = n.certs.Web()
	return n.http.ServeTLS(n.httpLis, "", "")
}

// guarded keeps what tells of the inside from everybody who has not shown a
// certificate of a node or of the administrator, where there are certificates.
func (n *Node) guarded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.certs != nil && strings.HasPrefix(r.URL.Path, "/debug/") {
			name := ""
			if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
				name = r.TLS.VerifiedChains[0][0].Subject.CommonName
			}
			if name != certs.NodeName && name != adminRole {
				http.Error(w, "show the certificate of a node or of the role "+adminRole, http.StatusForbidden)
				return
			}
		}
		h.ServeHTTP(w, r)
	})
}
