package certs

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// NodeName is the common name of every node's certificate.
const NodeName = "node"

// Lifetimes of new certificates.
const (
	CALifetime   = 10 * 365 * 24 * time.Hour
	LeafLifetime = 825 * 24 * time.Hour // what common clients accept at most
)

// backdate lets a certificate be used at once by machines whose clocks are behind.
const backdate = time.Hour

const (
	caCert  = "ca.crt"
	nodeTLS = "node"
)

// CreateCA makes the certificate authority of a cluster: ca.crt in dir and its key
// at keyFile, which must not exist.
func CreateCA(dir, keyFile string, now time.Time) error {
	key, err := newKey()
	if err != nil {
		return err
	}
	t := template("Quorate CA", now, CALifetime)
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return fmt.Errorf("make the CA's certificate: %w", err)
	}
	return writePair(filepath.Join(dir, caCert), keyFile, der, key, false)
}

// CreateNode makes node.crt and node.key for a node that others reach by the given
// host names and addresses. With overwrite it replaces an older one.
func CreateNode(dir, caKey string, hosts []string, now time.Time, overwrite bool) error {
	if len(hosts) == 0 {
		return errors.New("no host: name every name and address that the node is reached by")
	}
	t := template(NodeName, now, LeafLifetime)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return createLeaf(dir, caKey, nodeTLS, t, overwrite)
}

// CreateClient makes client.ROLE.crt and its key for a role.
func CreateClient(dir, caKey, role string, now time.Time, overwrite bool) error {
	if role == "" || role == NodeName || strings.ContainsAny(role, `/\`) || len(role) > 63 {
		return fmt.Errorf("%q cannot be the role of a certificate", role)
	}
	t := template(role, now, LeafLifetime)
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return createLeaf(dir, caKey, clientFile(role), t, overwrite)
}

func clientFile(role string) string { return "client." + role }

func createLeaf(dir, caKey, name string, t *x509.Certificate, overwrite bool) error {
	ca, signer, err := loadCA(dir, caKey)
	if err != nil {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	if t.NotAfter.After(ca.NotAfter) {
		t.NotAfter = ca.NotAfter
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, t, ca, key.Public(), signer)
	if err != nil {
		return fmt.Errorf("sign %s: %w", name, err)
	}
	path := filepath.Join(dir, name)
	return writePair(path+".crt", path+".key", der, key, overwrite)
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	return key, nil
}

func template(name string, now time.Time, life time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		serial = big.NewInt(now.UnixNano()) // rand.Reader does not fail; two certificates would only share a number
	}
	return &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: name, Organization: []string{"Quorate"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(life)}
}

// loadCA returns the certificate of dir's ca.crt that belongs to the key.
func loadCA(dir, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	raw, err := os.ReadFile(keyFile)
	if err != nil {
		return nil, nil, fmt.Errorf("read the CA's key: %w", err)
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, nil, fmt.Errorf("%s holds no key", keyFile)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, fmt.Errorf("read the CA's key %s: %w", keyFile, err)
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s: a key of type %T is not supported", keyFile, parsed)
	}
	list, err := readCerts(filepath.Join(dir, caCert))
	if err != nil {
		return nil, nil, err
	}
	for _, c := range list {
		if key.PublicKey.Equal(c.PublicKey) {
			return c, key, nil
		}
	}
	return nil, nil, fmt.Errorf("%s is the key of no certificate in %s", keyFile, filepath.Join(dir, caCert))
}

func readCerts(path string) ([]*x509.Certificate, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	var list []*x509.Certificate
	for {
		var block *pem.Block
		if block, raw = pem.Decode(raw); block == nil {
			break
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate %s: %w", path, err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return list, nil
}

// writePair writes key and certificate. The key comes first and both are renamed
// into place, so that nobody reads half of one.
func writePair(certFile, keyFile string, der []byte, key *ecdsa.PrivateKey, overwrite bool) error {
	if !overwrite {
		for _, f := range []string{certFile, keyFile} {
			if _, err := os.Stat(f); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s exists already", f)
			}
		}
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	for _, f := range []struct {
		path, kind string
		der        []byte
		mode       fs.FileMode
	}{{keyFile, "PRIVATE KEY", raw, 0o600}, {certFile, "CERTIFICATE", der, 0o644}} {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
			return fmt.Errorf("make the directory of certificates: %w", err)
		}
		tmp := f.path + ".tmp"
		if err := os.WriteFile(tmp, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), f.mode); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
		if err := os.Rename(tmp, f.path); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	return nil
}
