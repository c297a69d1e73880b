package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority signs certificates for Redis and nodes.
type authority struct {
	t       *testing.T
	dir     string
	cert    *x509.Certificate
	private *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.private = a.issue("ca", nil)
	return a
}

// issue writes a certificate and its key, NAME.pem and NAME-key.pem. Without a parent it is the
// authority's own.
func (a *authority) issue(name string, parent *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, IsCA: parent == nil, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	signer := a.private
	if parent == nil {
		parent, signer, template.KeyUsage, template.ExtKeyUsage = template, private, x509.KeyUsageCertSign, nil
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(a.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, private
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// The password of the tests. It must not appear in any log or answer.
const hidden = "hidden-password"

// newSecuredRedis runs a Redis that requires TLS with client certificates, and has only the
// user app. URLs begin with rediss://app:PASSWORD@.
func newSecuredRedis(t *testing.T, a *authority) (r *redis, at string) {
	t.Helper()
	a.issue("redis", a.cert)
	a.issue("node", a.cert)
	at = reserve(t)
	_, port, _ := net.SplitHostPort(at)
	return newRedis(t, "--tls-port", port, "--tls-cert-file", a.file("redis.pem"), "--tls-key-file", a.file("redis-key.pem"), "--tls-ca-cert-file", a.file("ca.pem"),
		"--tls-auth-clients", "yes", "--requirepass", "of-the-default-user", "--user", "app", "on", ">"+hidden, "~ccomet:*", "+@all"), at
}

// TestClusterTLS: nodes use TLS with Redis, a client certificate, and a user of their own.
// Errors name the cause, and never the password.
func TestClusterTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	r, at := newSecuredRedis(t, a)
	parameters := "?ca=" + a.file("ca.pem") + "&cert=" + a.file("node.pem") + "&key=" + a.file("node-key.pem")
	good := "rediss://app:" + hidden + "@" + at
	s := &sharing{redis: r}
	for _, name := range []string{"one", "other"} {
		s.nodes = append(s.nodes, start(t, []string{"CCOMET_REDIS=" + good + parameters}, "--node", name, "--drain-time", "0.2"))
	}
	stream := s.stream(1, "/stream?cname=a")
	expect(t, stream, object("next_seq", "a", 1, "")+"\n")
	s.numbered(0, "a", "over TLS")
	expect(t, stream, object("data", "a", 1, "over TLS")+"\n")

	otherCA := newAuthority(t)
	for what, c := range map[string]struct{ url, want string }{
		"a wrong password":         {"rediss://app:" + hidden + "-wrong@" + at + parameters, "WRONGPASS"},
		"no user":                  {"rediss://" + at + parameters, "NOAUTH"},
		"another authority":        {good + strings.Replace(parameters, a.file("ca.pem"), otherCA.file("ca.pem"), 1), "unknown authority"},
		"no authority":             {good, "unknown authority"},
		"no certificate":           {good + "?ca=" + a.file("ca.pem"), "certificate"},
		"no TLS":                   {"redis://app:" + hidden + "@" + at, "rediss"},
		"a certificate of another": {good + parameters + "&servername=elsewhere", "elsewhere"},
	} {
		p := waiting(t, []string{"CCOMET_REDIS=" + c.url})
		untilOr(t, func() bool { return strings.Contains(p.logged(), "waiting for Redis") }, p.logged)
		if log := p.logged(); !strings.Contains(log, c.want) || strings.Contains(log, hidden) {
			t.Errorf("%s: the node says %s, want %q and no password", what, log, c.want)
		}
		p.kill()
	}
	for url, want := range map[string]string{good + "?ca=" + a.file("ca.pem"): "certificate", "redis://" + at: "TLS"} {
		if found := strings.Join(mapValues(examine(t, []string{"CCOMET_REDIS=" + url})), "\n"); !strings.Contains(found, want) || strings.Contains(found, hidden) {
			t.Errorf("the doctor says %s of %s", found, want)
		}
	}
	s.passwordChanges(t, "app")
	for _, n := range s.nodes {
		if strings.Contains(n.logged(), hidden) {
			t.Errorf("a node logs the password: %s", n.logged())
		}
	}
}

// passwordChanges changes Redis' password for a while: meanwhile, everything that needs Redis
// is refused.
func (s *sharing) passwordChanges(t *testing.T, user string) {
	t.Helper()
	admin := func(args ...string) { s.mustAs("of-the-default-user", args...) }
	admin("ACL", "SETUSER", user, "resetpass", ">another")
	admin("CLIENT", "KILL", "TYPE", "normal")
	s.refuses(0, "a")
	untilOr(t, func() bool { return strings.Contains(get(t, s.nodes[0].admin, "/readyz").body, "WRONGPASS") }, func() string { return get(t, s.nodes[0].admin, "/readyz").body })
	if a := get(t, s.nodes[0].admin, "/readyz"); a.status != http.StatusServiceUnavailable || strings.Contains(a.body, hidden) {
		t.Errorf("/readyz: %v", a)
	}
	admin("ACL", "SETUSER", user, "resetpass", ">"+hidden)
	s.publishes(0, "a", "again")
}

// TestClusterSentinelPassword: the Sentinels have a password of their own.
func TestClusterSentinelPassword(t *testing.T) {
	t.Parallel()
	r := newRedis(t, "--requirepass", hidden)
	sentinel := newSentinel(t, r, "mine", "requirepass "+hidden+"-2", "sentinel auth-pass mine "+hidden)
	url := "redis-sentinel://:" + hidden + "@" + sentinel.address + "/mine"
	s := &sharing{redis: r}
	for _, name := range []string{"one", "other"} {
		s.nodes = append(s.nodes, start(t, []string{"CCOMET_REDIS=" + url + "?sentinel_password=" + hidden + "-2"}, "--node", name, "--drain-time", "0.2"))
	}
	stream := s.stream(1, "/stream?cname=a")
	expect(t, stream, object("next_seq", "a", 1, "")+"\n")
	s.numbered(0, "a", "by a Sentinel")
	expect(t, stream, object("data", "a", 1, "by a Sentinel")+"\n")
	for wrong, want := range map[string]string{url: "NOAUTH", url + "?sentinel_password=" + hidden + "-3": "WRONGPASS"} {
		p := waiting(t, []string{"CCOMET_REDIS=" + wrong})
		untilOr(t, func() bool { return strings.Contains(p.logged(), "waiting for Redis") }, p.logged)
		if log := p.logged(); !strings.Contains(log, want) || strings.Contains(log, hidden) {
			t.Errorf("the node says %s, want %q and no password", log, want)
		}
		p.kill()
	}
}
