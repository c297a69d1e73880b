package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"ccomet/cmd/ccomet/internal/doctor"
)

// TestDoctorUnreached: if there is no answer at all, the advice is about that, and not about
// paths.
func TestDoctorUnreached(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	answers := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	untrusted, plain, closed := httptest.NewUnstartedServer(answers), httptest.NewUnstartedServer(answers), httptest.NewServer(answers)
	for s, begin := range map[*httptest.Server]func(){untrusted: untrusted.StartTLS, plain: plain.Start} {
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail
		begin()
		t.Cleanup(s.Close)
	}
	closed.Close()
	for url, want := range map[string]string{
		untrusted.URL: "do not trust the certificate",
		strings.Replace(plain.URL, "http://", "https://", 1): "does not use TLS",
		closed.URL: "nothing listens",
	} {
		found, exit := doctored(t, p, nil, url)
		f := found["the server"]
		if exit == 0 || f.Status != doctor.Bad || !strings.Contains(f.Why, want) || strings.Contains(f.Why, "pass requests") {
			t.Errorf("%s: exit %d, %+v, want %q", url, exit, f, want)
		}
	}
}
