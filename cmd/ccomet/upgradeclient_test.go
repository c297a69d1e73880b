package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
)

// listener is a client that must not be disconnected, and must receive every message once.
type listener struct {
	t     *testing.T
	conn  net.Conn
	path  string
	next  map[string]int
	heard atomic.Int64
	ends  *atomic.Bool
}

var dataSeq = regexp.MustCompile(`"type":"data","cname":"(c[0-9])","seq":([0-9]+)`)

// listen connects and requests the path; a poll is repeated after each answer with messages.
func listen(t *testing.T, address, path string, ends *atomic.Bool) *listener {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	l := &listener{t: t, conn: conn, path: path, next: map[string]int{}, ends: ends}
	l.ask()
	go l.run()
	return l
}

func (l *listener) ask() {
	path := l.path
	if seq := l.next["c0"]; strings.HasPrefix(path, "/poll") {
		path += fmt.Sprintf("&seq=%d", max(seq, 1))
	}
	fmt.Fprintf(l.conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path)
}

func (l *listener) run() {
	for in := bufio.NewReader(l.conn); ; {
		line, err := in.ReadString('\n')
		if strings.HasPrefix(l.path, "/ws") && err == nil {
			err = l.readFrames(in)
		}
		if err != nil {
			if !l.ends.Load() {
				l.t.Errorf("%s: disconnected: %v", l.path, err)
			}
			return
		}
		if l.take(line) && strings.HasPrefix(l.path, "/poll") {
			l.ask()
		}
	}
}

// readFrames reads the messages of a WebSocket until it ends.
func (l *listener) readFrames(in *bufio.Reader) error {
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = in.ReadString('\n'); err != nil {
			return err
		}
	}
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return err
		}
		n := int(head[1])
		if n == 126 {
			if _, err := io.ReadFull(in, head[:]); err != nil {
				return err
			}
			n = int(head[0])<<8 | int(head[1])
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(in, payload); err != nil {
			return err
		}
		l.take(string(payload))
	}
}

// take checks the messages in a line, and reports whether there are any.
func (l *listener) take(line string) bool {
	found := dataSeq.FindAllStringSubmatch(line, -1)
	for _, m := range found {
		seq, _ := strconv.Atoi(m[2])
		if want := l.next[m[1]]; want != 0 && seq != want {
			l.t.Errorf("%s: number %d of %s, want %d", l.path, seq, m[1], want)
		}
		l.next[m[1]] = seq + 1
		l.heard.Add(1)
	}
	return len(found) > 0
}
