package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"ccomet/cmd/ccomet/internal/doctor"
)

// doctored runs the doctor in front of a running server, and returns its findings by the end of
// their names.
func doctored(t *testing.T, p *process, env []string, url string, flags ...string) (map[string]doctor.Finding, int) {
	t.Helper()
	stdout, stderr, exit := runFor(t, env, append([]string{"doctor", "--conns", "10", "--json", "--admin", p.admin, "--through", url}, flags...)...)
	var d struct {
		Checks []struct{ Name, Status, Have, Why string }
	}
	if err := json.Unmarshal([]byte(stdout), &d); err != nil {
		t.Fatalf("%v: %d %s %s", err, exit, stdout, stderr)
	}
	found := map[string]doctor.Finding{}
	for _, c := range d.Checks {
		name, isThrough := strings.CutPrefix(c.Name, "through "+url+": ")
		if !isThrough {
			if c.Status == "bad" {
				t.Errorf("10 connections: %+v", c)
			}
			continue
		}
		for s, text := range doctor.StatusNames {
			if strings.EqualFold(text, c.Status) {
				found[name] = doctor.Finding{Name: name, Status: doctor.Status(s), Have: c.Have, Why: c.Why}
			}
		}
	}
	return found, exit
}

// expectFound compares the statuses of the findings.
func expectFound(t *testing.T, got map[string]doctor.Finding, want map[string]doctor.Status) {
	t.Helper()
	for name, f := range got {
		if s, known := want[name]; !known || s != f.Status {
			t.Errorf("%q is %v (%s; %s), want %v", name, f.Status, f.Have, f.Why, s)
		}
	}
	for name := range want {
		if _, there := got[name]; !there {
			t.Errorf("%q is not mentioned", name)
		}
	}
}

// well returns the findings when everything is OK.
func well() map[string]doctor.Status {
	return map[string]doctor.Status{
		"the server": doctor.OK, "messages on /stream": doctor.OK, "messages on /sse": doctor.OK, "polls": doctor.OK,
		"Last-Event-ID": doctor.OK, "a silent stream": doctor.OK, "WebSocket": doctor.OK,
	}
}

// TestDoctorThrough: nginx as configured for users is OK, with both of its routes, and with
// tokens. The doctor leaves no channel behind.
func TestDoctorThrough(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 1 --auth token")
	env := []string{"SSL_CERT_FILE=" + filepath.Join(x.dir, "cert.pem")}
	for _, w := range x.ways()[:2] {
		found, exit := doctored(t, p, env, w.url)
		if expectFound(t, found, well()); exit != 0 {
			t.Errorf("exit status %d", exit)
		}
	}
	if a := get(t, p.admin, "/info"); !strings.Contains(a.body, `"channels": 0`) {
		t.Error(a)
	}
}

// TestDoctorThroughBuffering: messages are delayed if nginx ignores the server's
// X-Accel-Buffering.
func TestDoctorThroughBuffering(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 1", "proxy_buffering off;", "proxy_buffering on; proxy_ignore_headers X-Accel-Buffering;")
	want := well()
	for _, name := range []string{"messages on /stream", "messages on /sse", "Last-Event-ID", "a silent stream"} {
		want[name] = doctor.Bad
	}
	found, exit := doctored(t, p, nil, "http://"+x.old+"/icomet", "--wait", "4")
	if expectFound(t, found, want); exit != exitFailed {
		t.Errorf("exit status %d", exit)
	}
	if f := found["messages on /stream"]; !strings.Contains(f.Why, "until a buffer is full") {
		t.Error(f)
	}
}

// TestDoctorThroughCut: a stream is cut if nginx's timeout is shorter than the silence before a
// heartbeat. A wait that is too short to tell is reported as such.
func TestDoctorThroughCut(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 30", "proxy_read_timeout 60s", "proxy_read_timeout 5s") // a shorter timeout could expire before the message arrives, on a slow machine
	want := well()
	want["a silent stream"] = doctor.Bad
	found, exit := doctored(t, p, nil, "http://"+x.old+"/icomet")
	if expectFound(t, found, want); exit != exitFailed {
		t.Errorf("exit status %d", exit)
	}
	if f := found["a silent stream"]; !strings.Contains(f.Have, "is cut after") {
		t.Error(f)
	}
	p, x = behind(t, "--polling-timeout 3600")
	want["a silent stream"] = doctor.Warn
	found, exit = doctored(t, p, nil, "http://"+x.old+"/icomet", "--wait", "1")
	if expectFound(t, found, want); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
}

// TestDoctorThroughNothing: the proxy does not lead to the server, or the server behind it is
// not the one of the admin address.
func TestDoctorThroughNothing(t *testing.T) {
	t.Parallel()
	p, x := behind(t, "--polling-timeout 1")
	for url, says := range map[string]string{
		"http://" + x.old + "/elsewhere": "404",
		"http://" + reserve(t):           "refused",
	} {
		found, exit := doctored(t, p, nil, url)
		if expectFound(t, found, map[string]doctor.Status{"the server": doctor.Bad}); exit != exitFailed || !strings.Contains(found["the server"].Have, says) {
			t.Errorf("%s: %d %v", url, exit, found)
		}
	}
	p.admin = reserve(t)
	found, exit := doctored(t, p, nil, "http://"+x.old+"/icomet")
	if expectFound(t, found, map[string]doctor.Status{"the server": doctor.OK, "publishing": doctor.Warn}); exit != 0 {
		t.Errorf("exit status %d", exit)
	}
}

// TestDoctorThroughStrangers: other proxies may change content types, and remove header fields.
func TestDoctorThroughStrangers(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--polling-timeout", "1")
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Last-Event-ID")
		forward(w, r, p.front)
	}))
	defer stranger.Close()
	want := well()
	want["Last-Event-ID"], want["type of /sse"], want["WebSocket"] = doctor.Bad, doctor.Bad, doctor.Warn
	found, _ := doctored(t, p, nil, stranger.URL)
	expectFound(t, found, want)
}

// forward passes a request on, and its response back as text, piece by piece.
func forward(w http.ResponseWriter, r *http.Request, to string) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+to+r.URL.RequestURI(), nil)
	if err != nil {
		panic(err)
	}
	req.Header = r.Header
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	w.Header().Set("Content-Type", "text/plain")
	buf := make([]byte, 4096)
	for {
		n, err := resp.Body.Read(buf)
		_, _ = w.Write(buf[:n])
		_ = http.NewResponseController(w).Flush()
		if err != nil {
			return
		}
	}
}
