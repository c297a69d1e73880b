package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// nobody is the user of nginx's workers if the tests run as root.
const nobody = 65534

// proxy is a real nginx with demo/nginx.conf in front of a server.
type proxy struct {
	t            *testing.T
	cmd          *exec.Cmd
	path, dir    string
	complaint    bytes.Buffer // its standard error
	old, current string       // the addresses of its two servers: iComet's route, and the better one
	roots        *x509.CertPool
	ended        chan error
}

// findNginx skips a test if nginx is not installed.
func findNginx(t *testing.T) string {
	t.Helper()
	needsMuch(t)
	for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	leaveOut(t, "no nginx here: the server is not tested behind it")
	return ""
}

// needsMuch skips a test that runs a large program, if only quick tests are wanted ("make
// check").
func needsMuch(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not part of the quick tests")
	}
}

// leaveOut skips a test, or fails it if tests must not be skipped.
func leaveOut(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CCOMET_NO_SKIP") == "1" {
		t.Fatal(why + "; and tests may not be skipped")
	}
	t.Skip(why)
}

// descriptors returns the limit on a process's file descriptors.
func descriptors(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Max, 65536))
}

// newProxy prepares to run nginx. Its directory may contain a server's socket.
func newProxy(t *testing.T) *proxy {
	t.Helper()
	x := &proxy{t: t, path: findNginx(t), old: reserve(t), current: reserve(t), ended: make(chan error, 1)}
	var err error
	if x.dir, err = os.MkdirTemp("", "ccomet-nginx"); err != nil { // other users cannot enter t.TempDir()
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(x.dir) })
	return x
}

// socket returns the address where the better route expects a server.
func (x *proxy) socket() string { return "unix:" + filepath.Join(x.dir, "front.sock") }

// start runs nginx, without privileges, until the test ends. front is where iComet's route
// expects a server. replace has pairs of a piece of the configuration and its replacement.
func (x *proxy) start(front string, replace ...string) {
	x.t.Helper()
	x.run("nginx.conf", append([]string{"listen 80 ", "listen " + x.old + " ", "unix:/run/ccomet/front.sock", x.socket(), "127.0.0.1:8100", front}, replace...))
}

// run runs nginx with a configuration of demo/, which listens on both addresses.
func (x *proxy) run(name string, replace []string) {
	x.t.Helper()
	x.certify()
	x.configure(name, replace)
	x.giveAway()
	x.cmd = exec.Command(x.path, "-p", x.dir, "-e", "error.log", "-c", "nginx.conf", "-g", "daemon off;")
	x.cmd.Stderr = &x.complaint
	if os.Getuid() == 0 {
		x.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if err := x.cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(x.stop)
	go func() { x.ended <- x.cmd.Wait() }()
	for _, address := range []string{x.old, x.current} {
		x.reach(address)
	}
}

// configure adapts a configuration of demo/ to a test: addresses, paths and limits of the
// machine are replaced, the rest is what users copy. It fails if a replaced piece is missing.
func (x *proxy) configure(name string, replace []string) {
	x.t.Helper()
	text, err := os.ReadFile("../../demo/" + name)
	if err != nil {
		x.t.Fatal(err)
	}
	config := string(text)
	replace = append([]string{
		"listen 443 ", "listen " + x.current + " ",
		"pid /run/nginx.pid", "pid " + x.dir + "/nginx.pid",
		"/var/log/nginx/", x.dir + "/",
		"/etc/ssl/certs/ccomet.pem", x.dir + "/cert.pem",
		"/etc/ssl/private/ccomet.key", x.dir + "/key.pem",
		"user www-data;", "", // only root's nginx obeys it
		"worker_rlimit_nofile 65536;", "worker_rlimit_nofile " + itoa(descriptors(x.t)) + ";",
		"worker_connections 32768;", "worker_connections " + itoa(min(16384, descriptors(x.t))) + ";",
		// The directories of Debian's nginx for bodies are closed to other users.
		"http {", "http { client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;",
	}, replace...)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(config, replace[i]) {
			x.t.Fatalf("%s has no %q", name, replace[i])
		}
		config = strings.ReplaceAll(config, replace[i], replace[i+1])
	}
	x.write("nginx.conf", config)
}

func (x *proxy) write(name, text string) {
	x.t.Helper()
	if err := os.WriteFile(filepath.Join(x.dir, name), []byte(text), 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// certify creates a certificate of nginx for 127.0.0.1.
func (x *proxy) certify() {
	x.t.Helper()
	cert, key := certificate(x.t)
	x.roots = x509.NewCertPool()
	x.roots.AppendCertsFromPEM(cert)
	x.write("cert.pem", string(cert))
	x.write("key.pem", string(key))
}

// certificate returns a self-signed certificate for 127.0.0.1, and its key, as PEM.
func certificate(t *testing.T) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ccomet's tests"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

// giveAway gives the directory and its content, including a server's socket, to nginx's user.
func (x *proxy) giveAway() {
	x.t.Helper()
	if os.Getuid() != 0 {
		return
	}
	err := filepath.WalkDir(x.dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, nobody, nobody))
	})
	if err != nil {
		x.t.Fatal(err)
	}
}

// reach waits until nginx listens on an address.
func (x *proxy) reach(address string) {
	x.t.Helper()
	for limit := time.After(hangTimeout); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case err := <-x.ended:
			x.ended <- err
			x.t.Fatalf("nginx ended: %v\n%s", err, x.complaint.String())
		case <-limit:
			x.t.Fatalf("nginx does not listen: %v\n%s", err, x.log())
		}
	}
}

func (x *proxy) log() string {
	text, _ := os.ReadFile(filepath.Join(x.dir, "error.log"))
	return string(text)
}

// stop ends nginx with its workers. Its log must contain no alert.
func (x *proxy) stop() {
	_ = x.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-x.ended:
	case <-time.After(hangTimeout):
		x.t.Error("nginx does not end")
		_ = x.cmd.Process.Kill()
	}
	for _, level := range []string{"[alert]", "[emerg]"} {
		if strings.Contains(x.log(), level) {
			x.t.Errorf("nginx's log: %s", x.log())
			return
		}
	}
}

// way is a route to a server's front side.
type way struct {
	name   string
	url    string // the URL before a path
	client *http.Client
	major  int // major version of HTTP
}

// ways returns the routes through nginx.
func (x *proxy) ways() []way {
	secure := func(h2 bool) *http.Client {
		t := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: x.roots}, ForceAttemptHTTP2: h2}
		if !h2 {
			t.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
		}
		x.t.Cleanup(t.CloseIdleConnections)
		return &http.Client{Transport: t, Timeout: hangTimeout}
	}
	return []way{
		{"iComet's", "http://" + x.old + "/icomet", client, 1},
		{"TLS, HTTP/1.1", "https://" + x.current + "/comet", secure(false), 1},
		{"TLS, HTTP/2", "https://" + x.current + "/comet", secure(true), 2},
	}
}

// get starts a request. The response may be read until the test ends.
func (w way) get(t *testing.T, path string) *http.Response {
	t.Helper()
	resp, err := w.client.Get(w.url + path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if resp.ProtoMajor != w.major {
		t.Errorf("%s: %s", w.name, resp.Proto)
	}
	return resp
}

// reply is a response, or an error.
type reply struct {
	resp *http.Response
	err  error
}

// begin sends a request whose answer may take long.
func (w way) begin(path string) chan reply {
	answered := make(chan reply, 1)
	go func() {
		resp, err := w.client.Get(w.url + path)
		answered <- reply{resp, err}
	}()
	return answered
}
