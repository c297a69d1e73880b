package client

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"ccomet/comet"
)

// server runs until the test ends, with a proxy to its front side that can be
// cut.
type server struct {
	*comet.Server
	t     *testing.T
	pub   *Publisher
	way   *way
	front string
}

func newServer(t *testing.T, cfg comet.Config) *server {
	t.Helper()
	cfg.Front, cfg.Admin, cfg.Loops = []string{"127.0.0.1:0"}, []string{"127.0.0.1:0"}, 2
	cfg.RetryTime = 10 * time.Millisecond
	srv, err := comet.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	s := &server{Server: srv, t: t, pub: &Publisher{URL: "http://" + srv.AdminAddrs()[0]}, way: newWay(t, srv.FrontAddrs()[0])}
	s.front = "http://" + s.way.Addr().String()
	t.Cleanup(func() {
		srv.Stop()
		if err := srv.Wait(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *server) publish(channel string, contents ...string) {
	s.t.Helper()
	var messages []Message
	for _, content := range contents {
		messages = append(messages, Message{channel, content})
	}
	results, err := s.pub.PublishAll(s.t.Context(), messages...)
	for _, r := range results {
		err = errors.Join(err, r.Err)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// admin sends a request to the admin side.
func (s *server) admin(path string) string {
	s.t.Helper()
	resp, err := http.Get(s.pub.URL + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(text)
}

// way forwards connections to a server until it is cut.
type way struct {
	net.Listener
	mutex sync.Mutex
	conns []net.Conn
	came  int
}

func newWay(t *testing.T, to string) *way {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &way{Listener: ln}
	t.Cleanup(func() { ln.Close(); w.cut() })
	go func() {
		for {
			from, err := ln.Accept()
			if err != nil {
				return
			}
			on, err := net.Dial("tcp", to)
			if err != nil {
				from.Close()
				continue
			}
			w.mutex.Lock()
			w.conns = append(w.conns, from, on)
			w.came++
			w.mutex.Unlock()
			for _, pair := range [][2]net.Conn{{from, on}, {on, from}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
				}()
			}
		}
	}()
	return w
}

// cut ends all connections.
func (w *way) cut() {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}
