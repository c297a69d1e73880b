package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws/wsutil"
)

// Each function here returns a function for changed.seen.

// request returns a GET request with additional header fields.
func request(path string, fields ...string) string {
	return "GET " + path + " HTTP/1.1\r\n" + strings.Join(append([]string{"Host: localhost"}, fields...), "\r\n") + "\r\n\r\n"
}

var handshake = []string{
	"Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Extensions: permessage-deflate",
}

// sends sends a request from an address of this machine, and returns the connection.
func (s *changing) sends(side, from, text string) (net.Conn, *bufio.Reader) {
	s.t.Helper()
	to := map[string]string{"front": s.front, "admin": s.admin}[side]
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.Dial("tcp", to)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(hangTimeout))
	if _, err := io.WriteString(c, text); err != nil {
		s.t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

// response sends a request and reads the head of the response.
func (s *changing) response(side, from, text string) *http.Response {
	s.t.Helper()
	c, in := s.sends(side, from, text)
	defer c.Close()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return resp
}

// listens tells for each socket of the server's directory, or for the second address of the front side,
// whether the server listens there.
func listens(names ...string) func(*changing) string {
	return func(s *changing) string {
		var list []string
		for _, name := range names {
			c, err := net.Dial("unix", filepath.Join(s.dir, name))
			if err != nil {
				list = append(list, "no")
				if _, err := os.Lstat(filepath.Join(s.dir, name)); err == nil {
					list = append(list, "(its file stays)")
				}
				continue
			}
			fmt.Fprint(c, request("/ping"))
			if _, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil {
				list = append(list, "mute:")
			}
			c.Close()
			list = append(list, "yes")
		}
		return strings.Join(list, " ")
	}
}

// answered tells the status of a response.
func answered(side, from, text string) func(*changing) string {
	return func(s *changing) string { return strconv.Itoa(s.response(side, from, text).StatusCode) }
}

// headed tells a header field of a response.
func headed(side, path, field string, fields ...string) func(*changing) string {
	return func(s *changing) string {
		value, _, _ := strings.Cut(s.response(side, "127.0.0.1", request(path, fields...)).Header.Get(field), ";")
		if value == "" {
			return "none"
		}
		return value
	}
}

// streamed tells the type of the first message of a stream.
func streamed(path string) func(*changing) string {
	return func(s *changing) string {
		c, in := s.sends("front", "127.0.0.1", request(path))
		defer c.Close()
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return err.Error()
			}
			if _, rest, ok := strings.Cut(line, `"type":"`); ok {
				kind, _, _ := strings.Cut(rest, `"`)
				return kind
			}
		}
	}
}

// pushes tells the status of a publish of that many bytes.
func pushes(cname string, size int) func(*changing) string {
	return answered("admin", "127.0.0.1", request("/push?cname="+cname+"&content="+strings.Repeat("x", size)))
}

// kept returns how many messages a channel keeps.
func (s *changing) kept(cname string) string {
	s.t.Helper()
	_, rest, _ := strings.Cut(get(s.t, s.admin, "/explain?cname="+cname).body, `"kept": `)
	n, _, _ := strings.Cut(rest, ",")
	return n
}

// retains publishes n messages, and tells how many the channel keeps: at most n, or "fewer" if their number
// depends on the size of other things.
func retains(cname string, n, size int) func(*changing) string {
	return func(s *changing) string {
		for range n {
			s.push(cname, strings.Repeat("x", size))
		}
		kept, _ := strconv.Atoi(s.kept(cname))
		if n == 40 && kept < n || kept > n {
			return map[bool]string{true: "fewer", false: itoa(n)}[kept < n]
		}
		return itoa(kept)
	}
}

// keepsBeside tells how many messages a channel keeps while another channel takes all memory.
func keepsBeside(s *changing) string {
	for range 4 {
		s.push("beside", strings.Repeat("x", 1000))
	}
	for range 60 {
		s.push("greedy", strings.Repeat("x", 1000))
	}
	if n := s.kept("beside"); n == "4" {
		return n
	}
	return "fewer"
}

// posted publishes a batch.
func (s *changing) posted(body string) string {
	s.t.Helper()
	c, in := s.sends("admin", "127.0.0.1", fmt.Sprintf("POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	defer c.Close()
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	return strconv.Itoa(resp.StatusCode) + " " + string(text)
}

// batch tells the status of a batch of n messages.
func batch(n, size int) func(*changing) string {
	one := `{"cname":"batch","content":"` + strings.Repeat("x", size) + `"}`
	return func(s *changing) string { return s.posted("[" + strings.Repeat(one+",", n-1) + one + "]")[:3] }
}

// remembers tells whether the key of a message is remembered after those of two others.
func remembers(s *changing) string {
	round := itoa(int(s.status().Upgrades))
	publish := func(key string) string {
		return s.posted(`[{"cname":"keys","content":"x","key":"` + key + "-" + round + `"}]`)
	}
	first := publish("k1")
	publish("k2")
	publish("k3")
	if publish("k1") == first {
		return "yes"
	}
	return "no"
}

// operates sends an operation on a WebSocket n times, and tells the last answer: its type, the code of a
// refusal, or the code with which the WebSocket is closed.
func operates(text string, n int) func(*changing) string {
	return func(s *changing) string {
		c := dialWebSocket(s.t, "ws://"+s.front+"/ws?cname=w", nil, nil)
		defer c.Close()
		for range n {
			if err := wsutil.WriteClientText(c, []byte(text)); err != nil {
				s.t.Fatal(err)
			}
		}
		for answers := 0; ; {
			got, err := wsutil.ReadServerText(struct {
				io.Reader
				io.Writer
			}{c.in, c})
			closed := new(wsutil.ClosedError)
			switch {
			case errors.As(err, closed):
				return itoa(int(closed.Code))
			case err != nil:
				return err.Error()
			case !strings.Contains(string(got), `"id":1`) && !strings.Contains(string(got), `"error"`):
				continue
			}
			if answers++; answers == n {
				for _, word := range []string{"429", "403", `"pong"`, `"ok"`} {
					if strings.Contains(string(got), word) {
						return strings.Trim(word, `"`)
					}
				}
				return string(got)
			}
		}
	}
}

// retries tells whether the first event of an event stream has a time for reconnects.
func retries(s *changing) string {
	c, in := s.sends("front", "127.0.0.1", request("/sse?cname=retry"))
	defer c.Close()
	for found := "no"; ; {
		line, err := in.ReadString('\n')
		switch {
		case err != nil:
			return err.Error()
		case strings.Contains(line, "retry:"):
			found = "yes"
		case strings.Contains(line, "data:"):
			return found
		}
	}
}

// floods publishes until a message is refused, at most 60 times, and tells the last status.
func floods(path string) func(*changing) string {
	return func(s *changing) string {
		for n := range 60 {
			to := path
			if !strings.HasSuffix(path, "content=x") { // a channel of its own
				to += itoa(n)
			}
			if status := s.response("admin", "127.0.0.1", request(to)).StatusCode; status != 200 {
				return itoa(status)
			}
		}
		return "200"
	}
}

// crowds opens streams, and tells the status of the last one. Each is of a channel of its own, unless the
// channel is "crowd". from is their address, or "" for one each.
func crowds(path, from string, n int) func(*changing) string {
	return func(s *changing) string {
		last, round := "", itoa(int(s.status().Upgrades))
		for n := range n {
			to, by := path, from
			if !strings.HasSuffix(path, "crowd") {
				to += itoa(n) + "-" + round
			}
			if by == "" {
				by = "127.0.1." + itoa(n+1)
			}
			c, in := s.sends("front", by, request(to))
			defer c.Close()
			resp, err := http.ReadResponse(in, nil)
			if err != nil {
				return err.Error()
			}
			last = strconv.Itoa(resp.StatusCode)
			if line, _ := bufio.NewReader(resp.Body).ReadString('\n'); strings.Contains(line, `"429"`) {
				last = "429"
			}
		}
		return last
	}
}

// polls publishes n messages, and tells how many a poll gets at once.
func polls(n, size int) func(*changing) string {
	return func(s *changing) string {
		for range n {
			s.push("poll", strings.Repeat("x", size))
		}
		next := s.kept("poll")
		body := get(s.t, s.front, "/poll?cname=poll&seq=1").body
		if got := strings.Count(body, `"content"`); itoa(got) == next {
			return next
		}
		return "fewer"
	}
}
