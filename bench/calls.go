package bench

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Calls counts the server's system calls with strace: of a message to many
// streams, and of a cycle of long poll, message, and long poll again on one
// connection.
func Calls(out io.Writer, server []string) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("counting system calls: %w (apt-get install strace)", err)
	}
	if err := fanoutCalls(out, server); err != nil {
		return err
	}
	return cycleCalls(out, server)
}

// traced runs work against a server, counting the calls that it makes from the
// time it is ready. done is called when they have been counted, before the
// server ends.
func traced(server []string, ready, work func(*Server) error, done func()) (table string, err error) {
	dir, err := os.MkdirTemp("", "ccomet-bench")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "calls")
	s, err := StartServer(server, "--loops", "1")
	if err != nil {
		return "", err
	}
	defer s.Close()
	defer done()
	if err = ready(s); err != nil {
		return "", err
	}
	tracer := exec.Command("strace", "-f", "-c", "-o", file, "-p", fmt.Sprint(int(s.Process)))
	said, err := tracer.StderrPipe()
	if err != nil {
		return "", err
	}
	if err = tracer.Start(); err != nil {
		return "", err
	}
	if _, err = bufio.NewReader(said).ReadString('\n'); err != nil { // "attached"
		return "", err
	}
	if err = work(s); err != nil {
		return "", err
	}
	_ = tracer.Process.Signal(os.Interrupt)
	_ = tracer.Wait()
	data, err := os.ReadFile(file)
	return string(data), err
}

func fanoutCalls(out io.Writer, server []string) error {
	const streams, messages = 10000, 20
	var c *Child
	table, err := traced(server, func(s *Server) (err error) {
		if c, err = StartChild("client", s.Front, sharedPath); err == nil {
			_, err = c.Ask("open", "open %d", streams)
		}
		return err
	}, func(s *Server) error {
		for n := range messages {
			if err := s.Publish("bench", 1); err != nil {
				return err
			}
			if _, err := c.Ask("got", "expect %d", (n+1)*streams); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		if c != nil {
			c.Close()
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "calls: %d messages to %d streams (%d deliveries, and %d publishes of one read and one write each):\n%s",
		messages, streams, messages*streams, messages, calls(table))
	return nil
}

func cycleCalls(out io.Writer, server []string) error {
	const cycles = 1000
	var conn net.Conn
	var answers *bufio.Reader
	table, err := traced(server, func(s *Server) (err error) {
		if conn, err = net.Dial("tcp", s.Front); err == nil {
			answers = bufio.NewReader(conn)
			err = s.Publish("poll", 1)
		}
		return err
	}, func(s *Server) error {
		for n := range cycles {
			// The poll waits for the next number, so it must be there before the message.
			if _, err := fmt.Fprintf(conn, "GET /poll?cname=poll&seq=%d HTTP/1.1\r\nHost: bench\r\n\r\n", n+2); err != nil {
				return err
			}
			if err := waitSubscribed(s); err != nil {
				return err
			}
			if err := s.Publish("poll", 1); err != nil {
				return err
			}
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				return err
			}
			if _, err = io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
		}
		return nil
	}, func() {
		if conn != nil {
			conn.Close()
		}
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "calls: %d cycles of poll, message, poll on one connection (and as many publishes and /info requests, of one read and one write each):\n%s",
		cycles, calls(table))
	return nil
}

// waitSubscribed asks the server, on the publishing connection, until the poll
// is there: one request is enough where the poll's came first.
func waitSubscribed(s *Server) error {
	for {
		if _, err := io.WriteString(s.publish, "GET /info?cname=poll HTTP/1.1\r\nHost: bench\r\n\r\n"); err != nil {
			return err
		}
		resp, err := http.ReadResponse(s.answers.R, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return err
		}
		if strings.Contains(string(body), `"subscribers": 1`) {
			return nil
		}
	}
}

// calls is the part of strace's table that has calls in it.
func calls(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) >= 5 && f[0] != "%" && f[0] != "------" {
			fmt.Fprintf(&b, "  %10s %s\n", f[3], f[len(f)-1])
		}
	}
	return b.String()
}
