package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ccomet/httplite"
	"ccomet/httplite/attacks"
)

// The table of attacks through nginx. Each request of nginx is one request, and the same, for
// the server; and each client gets the answers to its requests as nginx parsed them, and
// nothing else.

// meant is a request as nginx parsed it, from its log. Conn identifies the connection by
// nginx's port and the client's address, which is different for each.
type meant struct{ Conn, ID, Status, Upstream, Request string }

// meantFormat makes nginx log such requests.
const meantFormat = `log_format meant escape=json '{"Conn":"$server_port $remote_addr","ID":"$request_id","Status":"$status",` +
	`"Upstream":"$upstream_status","Request":"$request"}';
	access_log `

// plainly returns configuration that lets the whole table through: any path, no TLS, an ID for
// each request, and short timeouts for requests that never end.
func plainly(x *proxy, further ...string) []string {
	return append([]string{
		"access_log " + x.dir + "/access.log;", meantFormat + x.dir + "/meant.log meant; client_header_timeout 1s; client_body_timeout 1s; keepalive_timeout 1s; lingering_timeout 1s;",
		" ssl http2 backlog", " backlog",
		"location /comet/ {", "location / {",
		"proxy_set_header X-Forwarded-Proto $scheme;", "proxy_set_header X-Request-Id $request_id;",
		"location ~ ^/icomet/.* {", "location / {",
		"rewrite ^/icomet/(.*) /$1 break;", "proxy_set_header X-Request-Id $request_id;",
	}, further...)
}

func TestNginxAttacks(t *testing.T) {
	t.Parallel()
	cases := readAttacks(t)
	for _, c := range []struct {
		name    string
		further []string
		pieces  int
		chunks  bool // some requests of nginx are
	}{
		{"as it is to be copied", nil, 1, false},
		{"targets as they came", []string{"proxy_pass http://ccomet/;", "proxy_pass http://ccomet;"}, 300, false},
		{"bodies as they come", []string{"proxy_pass http://ccomet/;", "proxy_pass http://ccomet; proxy_request_buffering off;"}, 300, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := newProxy(t)
			p := start(t, nil, "--max-head", "16384") // as the table assumes
			old, current := newTap(t, "127.0.0.1:0", p.front), newTap(t, x.socket(), p.front)
			x.start(old.address, plainly(x, c.further...)...)
			got := map[string]*attempt{}
			attackAll(t, x.current, cases, c.pieces, got)
			if c.further == nil {
				attackAll(t, x.old, cases, c.pieces, got)
			}
			log := x.meant(got)
			for conn, a := range got {
				a.check(t, log[conn])
			}
			turns := append(old.turns(), current.turns()...)
			checkTurns(t, turns, log)
			if chunks := strings.Contains(strings.Join(current.seen(), ""), "\r\nTransfer-Encoding: chunked\r\n"); chunks != c.chunks {
				t.Errorf("nginx sends chunks: %v", chunks)
			}
			get(t, p.front, "/ping")
			p.stop(syscall.SIGTERM)
		})
	}
}

// attempt is what a client has received for an attack.
type attempt struct {
	*attacks.Case
	got string
}

// attackAll runs every attack on a connection of its own, sent in pieces, several at a time.
func attackAll(t *testing.T, address string, cases []attacks.Case, pieces int, all map[string]*attempt) {
	t.Helper()
	var mu sync.Mutex
	var running sync.WaitGroup
	room := make(chan struct{}, 128)
	for i := range cases {
		running.Add(1)
		go func() {
			defer running.Done()
			room <- struct{}{}
			defer func() { <-room }()
			from := net.IPv4(127, 1, byte(i>>8), byte(i)) // so that ports are not exhausted
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			text := cases[i].Raw + marker
			send(c, text, 1+len(text)/pieces)
			got, err := io.ReadAll(c)
			if err != nil && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: %v", cases[i].Name, err)
			}
			_, to, _ := net.SplitHostPort(address)
			mu.Lock()
			all[to+" "+from.String()] = &attempt{&cases[i], string(got)}
			mu.Unlock()
		}()
	}
	running.Wait()
}

// meant reads nginx's log by connection, when it contains every answered request.
func (x *proxy) meant(got map[string]*attempt) map[string][]meant {
	x.t.Helper()
	for limit := time.Now().Add(hangTimeout); ; {
		log, missing := map[string][]meant{}, ""
		text, err := os.ReadFile(filepath.Join(x.dir, "meant.log"))
		if err != nil {
			x.t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var m meant
			if json.Unmarshal([]byte(line), &m) == nil {
				log[m.Conn] = append(log[m.Conn], m)
			}
		}
		for conn, a := range got {
			if len(log[conn]) < strings.Count(a.got, "\r\nServer: nginx") {
				missing = a.Name
			}
		}
		if missing == "" {
			return log
		}
		if time.Now().After(limit) {
			x.t.Fatalf("nginx answered %s without logging it", missing)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// called matches the function that an answer calls.
var called = regexp.MustCompile(`^([a-z]+)\(\{"type":"ping"`)

// check compares the answers with the requests in nginx's log.
func (a *attempt) check(t *testing.T, log []meant) {
	if a.got != "" && !strings.HasPrefix(a.got, "HTTP/") {
		if !strings.HasSuffix(log[0].Request, "/ping?cb=a") || len(log) != 1 { // HTTP/0.9 has no heads
			t.Errorf("%s: %q for %v", a.Name, a.got, log)
		}
		return
	}
	reader := bufio.NewReader(strings.NewReader(a.got))
	for _, m := range log {
		if m.Status == "408" && m.Upstream == "" {
			continue // it did not arrive, and nginx says nothing
		}
		method, _, _ := strings.Cut(m.Request, " ")
		resp, err := http.ReadResponse(reader, &http.Request{Method: method})
		if err == nil && resp.StatusCode == 100 {
			resp, err = http.ReadResponse(reader, &http.Request{Method: method})
		}
		if err != nil {
			t.Errorf("%s: no answer to %+v, but %q", a.Name, m, a.got)
			return
		}
		body, err := io.ReadAll(resp.Body)
		if itoa(resp.StatusCode) != m.Status || err != nil {
			t.Errorf("%s: answered %s %v, where nginx has %+v", a.Name, resp.Status, err, m)
		}
		if name := called.FindSubmatch(body); name != nil && !strings.Contains(m.Request, "cb="+string(name[1])) {
			t.Errorf("%s: %q is the answer to %+v", a.Name, body, m)
		}
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("%s: an answer without a request: %q", a.Name, rest)
	}
}

var requestID = regexp.MustCompile(`(?m)^X-Request-Id: ([0-9a-f]{32})\r$`)

// checkTurns compares the exchanges between nginx and the server with nginx's log: one request,
// one answer.
func checkTurns(t *testing.T, talks [][]turn, log map[string][]meant) {
	meantBy := map[string]meant{}
	for _, list := range log {
		for _, m := range list {
			if m.Upstream != "" && m.Upstream != "-" {
				meantBy[m.ID] = m
			}
		}
	}
	answered := 0
	for _, talk := range talks {
		for _, one := range talk {
			head, _, _ := strings.Cut(one.asked, "\r\n\r\n")
			ids := requestID.FindAllStringSubmatch(head+"\r\n", -1)
			if len(ids) != 1 {
				t.Errorf("nginx's request has %d identities: %q", len(ids), one.asked)
				continue
			}
			m, ok := meantBy[ids[0][1]]
			if !ok {
				continue // abandoned by its client, or by nginx
			}
			delete(meantBy, m.ID)
			answered++
			checkTurn(t, m, one)
		}
	}
	if len(meantBy) > 0 {
		t.Errorf("nginx has answers without requests: %v", meantBy)
	}
	if answered < 300 {
		t.Errorf("only %d requests came through nginx", answered)
	}
}

// checkTurn: the server has read exactly one request, and has sent exactly one answer.
func checkTurn(t *testing.T, m meant, one turn) {
	method, rest, _ := strings.Cut(one.asked, " ")
	reader := bufio.NewReader(strings.NewReader(one.answered))
	resp, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		t.Errorf("%+v: asked %q, answered %q: %v", m, one.asked, one.answered, err)
		return
	}
	body, err := io.ReadAll(resp.Body)
	if itoa(resp.StatusCode) != m.Upstream || err != nil || reader.Buffered() > 0 {
		t.Errorf("%+v: asked %q, answered %q (%v, %d bytes left)", m, one.asked, one.answered, err, reader.Buffered())
	}
	target, _, _ := strings.Cut(rest, " ")
	if name := called.FindSubmatch(body); name != nil && !strings.Contains(target, "cb="+string(name[1])) {
		t.Errorf("%+v: asked %q, answered %q", m, one.asked, one.answered)
	}
	var req httplite.Request
	n, err := req.Parse([]byte(one.asked), nil)
	refused := resp.StatusCode >= 400 && resp.StatusCode != 404 && resp.StatusCode != 405
	if err == nil && n != len(one.asked) || err != nil && !refused {
		t.Errorf("%+v: of %q, %d bytes are a request: %v", m, one.asked, n, err)
	}
}
