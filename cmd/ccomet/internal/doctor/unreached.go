package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// unreached returns why a request gets no answer at all, and fixes. Such a failure is not
// about the paths that a proxy forwards.
func (t *through) unreached(err error) (why string, fixes []fix) {
	var certificate *tls.CertificateVerificationError
	var name *net.DNSError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	host := ""
	if u, err := url.Parse(t.base); err == nil {
		host = u.Hostname()
	}
	switch {
	case errors.As(err, &certificate):
		return "clients do not trust the certificate for " + host, []fix{
			{File: "nginx, within the server", Lines: []string{"ssl_certificate …; # for " + host + ", with the intermediate certificates behind it"}},
			{File: "this command, where the authority is your own", Lines: []string{"SSL_CERT_FILE=AUTHORITY.pem ccomet doctor …"}},
		}
	case errors.As(err, &record), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "this port does not use TLS", []fix{
			{File: "this command", Lines: []string{"--through http://" + strings.TrimPrefix(t.base, "https://")}},
			{File: "nginx, within the server", Lines: []string{"listen 443 ssl;"}},
		}
	case errors.As(err, &alert):
		return "the proxy refuses the TLS handshake: it has no certificate for " + host + ", or requires a client certificate", nil
	case errors.As(err, &name) && name.IsNotFound:
		return host + " has no address in DNS", nil
	case errors.As(err, &name):
		return "the DNS server gives no answer about " + host, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens on that address and port: does the proxy run?", nil
	case errors.Is(err, context.DeadlineExceeded):
		return "there is no answer within " + arrival.String() + ": a firewall drops the packets, or the proxy does not reach the server", nil
	}
	return "the connection fails before there is an answer", nil
}
