package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"time"
)

// Store holds the certificates of a directory as they were last loaded.
type Store struct {
	dir, name string // name of the pair it shows, such as "node"
	now       atomic.Pointer[loaded]
}

// loaded is immutable.
type loaded struct {
	pair  tls.Certificate
	roots *x509.CertPool
	leaf  *x509.Certificate
	stamp string // of the files, to see changes by
}

// Node loads the certificates of a node.
func Node(dir string) (*Store, error) { return open(dir, nodeTLS) }

// Client loads those of the role, or the node's where the directory has none of the
// role: what the command line of that machine shows.
func Client(dir, role string) (*Store, error) {
	if !HasClient(dir, role) {
		if _, err := os.Stat(filepath.Join(dir, nodeTLS+".crt")); err == nil {
			return open(dir, nodeTLS)
		}
	}
	return open(dir, clientFile(role))
}

// Roots loads only whom to believe, for who shows no certificate.
func Roots(dir string) (*Store, error) { return open(dir, "") }

// HasClient reports whether the directory has a certificate of the role.
func HasClient(dir, role string) bool {
	_, err := os.Stat(filepath.Join(dir, clientFile(role)+".crt"))
	return err == nil
}

func open(dir, name string) (*Store, error) {
	s := &Store{dir: dir, name: name}
	_, err := s.Reload()
	return s, err
}

// Reload reads the files again if they have changed; changed says that it took new
// ones. With an error the old ones stay.
func (s *Store) Reload() (changed bool, err error) {
	base := filepath.Join(s.dir, s.name)
	files := []string{filepath.Join(s.dir, caCert)}
	if s.name != "" {
		files = append(files, base+".crt", base+".key")
	}
	stamp, err := stampOf(files...)
	if err != nil {
		return false, fmt.Errorf("load certificates: %w", err)
	}
	if old := s.now.Load(); old != nil && old.stamp == stamp {
		return false, nil
	}
	l := &loaded{roots: x509.NewCertPool(), stamp: stamp}
	if s.name != "" {
		if err := l.loadPair(base); err != nil {
			return false, err
		}
	}
	cas, err := readCerts(filepath.Join(s.dir, caCert))
	if err != nil {
		return false, err
	}
	for _, c := range cas {
		l.roots.AddCert(c)
	}
	if s.name == nodeTLS && l.leaf.Subject.CommonName != NodeName {
		return false, fmt.Errorf("certificate %s.crt is for %q, not for a node", base, l.leaf.Subject.CommonName)
	}
	s.now.Store(l)
	return true, nil
}

// loadPair reads base.crt and base.key.
func (l *loaded) loadPair(base string) error {
	info, err := os.Stat(base + ".key")
	switch {
	case err != nil:
		return fmt.Errorf("load certificates: %w", err)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("key %s.key can be read by others: chmod 600 it", base)
	}
	if l.pair, err = tls.LoadX509KeyPair(base+".crt", base+".key"); err != nil {
		return fmt.Errorf("load certificate %s.crt: %w", base, err)
	}
	if l.leaf, err = x509.ParseCertificate(l.pair.Certificate[0]); err != nil {
		return fmt.Errorf("load certificate %s.crt: %w", base, err)
	}
	return nil
}

func stampOf(files ...string) (string, error) {
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%d %d ", info.ModTime().UnixNano(), info.Size())
	}
	return b.String(), nil
}

// Expires is when the certificate ends to be valid.
func (s *Store) Expires() time.Time { return s.now.Load().leaf.NotAfter }

// Name is the common name of the certificate.
func (s *Store) Name() string { return s.now.Load().leaf.Subject.CommonName }

// server returns the configuration of a listener as it is now.
func (s *Store) server(auth tls.ClientAuthType) *tls.Config {
	l := s.now.Load()
	return &tls.Config{Certificates: []tls.Certificate{l.pair}, ClientCAs: l.roots, ClientAuth: auth, MinVersion: tls.VersionTLS12}
}

// RPC is the configuration of a listener that only takes who shows a certificate of
// this cluster.
func (s *Store) RPC() *tls.Config { return s.listener(tls.RequireAndVerifyClientCert, "h2") }

// Web is that of a listener that takes everybody, and certificates from who has one.
func (s *Store) Web() *tls.Config { return s.listener(tls.VerifyClientCertIfGiven, "h2", "http/1.1") }

func (s *Store) listener(auth tls.ClientAuthType, protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := s.server(auth)
		c.NextProtos = protocols
		return c, nil
	}}
}

// SQL is the present configuration of the SQL port, which hands it out per
// connection: certificates are taken, not asked for.
func (s *Store) SQL() *tls.Config { return s.server(tls.VerifyClientCertIfGiven) }

// Dial is the configuration of connections to a node at host. It must show a node's
// certificate of this cluster that names the host.
func (s *Store) Dial(host string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		ServerName: host,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &s.now.Load().pair, nil
		},
		// The library would take the authorities that were known when the connection was
		// configured; these may have changed since. VerifyConnection does all of its work.
		InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			return s.verifyNode(state, host)
		},
	}
}

// verifyNode checks what the library would, which knows no name for an address.
func (s *Store) verifyNode(state tls.ConnectionState, host string) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server has shown no certificate")
	}
	leaf := state.PeerCertificates[0]
	o := x509.VerifyOptions{Roots: s.now.Load().roots, Intermediates: x509.NewCertPool(), DNSName: host,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err != nil {
		return err
	}
	if leaf.Subject.CommonName != NodeName {
		return fmt.Errorf("the server's certificate is for %q, not for a node", leaf.Subject.CommonName)
	}
	return nil
}

// Info describes a certificate of a directory.
type Info struct {
	File    string
	Name    string // common name
	Hosts   []string
	Expires time.Time
	Problem string // empty if there is none
}

// List describes all certificates of a directory, by file name.
func List(dir string, now time.Time) ([]Info, error) {
	cas, err := readCerts(filepath.Join(dir, caCert))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, c := range cas {
		roots.AddCert(c)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.crt"))
	if err != nil {
		return nil, fmt.Errorf("list certificates: %w", err)
	}
	sort.Strings(files)
	var out []Info
	for _, f := range files {
		list, err := readCerts(f)
		if err != nil {
			out = append(out, Info{File: filepath.Base(f), Problem: err.Error()})
			continue
		}
		for _, c := range list {
			i := Info{File: filepath.Base(f), Name: c.Subject.CommonName, Hosts: c.DNSNames, Expires: c.NotAfter}
			for _, ip := range c.IPAddresses {
				i.Hosts = append(i.Hosts, ip.String())
			}
			_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
			if err != nil {
				i.Problem = err.Error()
			}
			out = append(out, i)
		}
	}
	return out, nil
}
