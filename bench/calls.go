package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"ccomet/bench/target"
)

// Calls counts the server's system calls with strace: for messages to many subscribers, and
// for cycles of long poll, message, and long poll on one connection. It works only with
// this server, whose /info reports whether a poll waits.
func (o *Options) Calls(ctx context.Context, messages, cycles int) error {
	if _, err := exec.LookPath("strace"); err != nil {
		return fmt.Errorf("counting system calls: %w (apt-get install strace)", err)
	}
	o.Own = false
	r, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.fanoutCalls(messages); err != nil {
		return err
	}
	return r.cycleCalls(cycles)
}

// traced runs work, and returns strace's table of the server's calls meanwhile.
func (r *run) traced(work func() error) (table string, err error) {
	dir, err := os.MkdirTemp("", "ccomet-bench")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "calls")
	tracer := exec.Command("strace", "-f", "-c", "-o", file, "-p", fmt.Sprint(int(r.server.Process)))
	said, err := tracer.StderrPipe()
	if err != nil {
		return "", err
	}
	if err = tracer.Start(); err != nil {
		return "", err
	}
	lines := bufio.NewReader(said)
	if _, err = lines.ReadString('\n'); err == nil { // "attached"
		go func() { _, _ = io.Copy(io.Discard, lines) }()
		err = work()
	}
	_ = tracer.Process.Signal(os.Interrupt)
	_ = tracer.Wait()
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(file)
	return string(data), err
}

func (r *run) fanoutCalls(messages int) error {
	s := r.swarm(0, false)
	if err := s.open(r.ctx, r.Connections, 1); err != nil {
		return err
	}
	p, err := r.publisher(0, 1, 1, 1)
	if err != nil {
		return err
	}
	table, err := r.traced(func() error {
		for range messages {
			if err := s.expect(1); err != nil {
				return err
			}
			if _, err := p.ask(r.ctx, "published", "publish 1"); err != nil {
				return err
			}
			if err := r.arrived(s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.print("calls: %d messages to %d subscribers (%d deliveries, and %d publishes of one read and one write each):\n%s",
		messages, r.Connections, messages*r.Connections, messages, calls(table))
	return nil
}

// cycleCalls polls on one connection, again and again.
func (r *run) cycleCalls(cycles int) error {
	conn, err := net.Dial("tcp", r.server.front)
	if err != nil {
		return err
	}
	defer conn.Close()
	admin, err := net.Dial("tcp", r.server.admin)
	if err != nil {
		return err
	}
	defer admin.Close()
	polls, answers := bufio.NewReader(conn), bufio.NewReader(admin)
	// The first message of this channel determines the number that the first poll waits
	// for.
	publish := fmt.Sprintf("/push?cname=%016d&content=x", target.MaxChannel)
	if _, err = get(admin, answers, publish); err != nil {
		return err
	}
	table, err := r.traced(func() error {
		for n := range cycles {
			// The message must be published after the poll has started to wait.
			if _, err := fmt.Fprintf(conn, "GET /poll?cname=%016d&seq=%d HTTP/1.1\r\nHost: localhost\r\n\r\n", target.MaxChannel, n+2); err != nil {
				return err
			}
			for waits := false; !waits; {
				info, err := get(admin, answers, fmt.Sprintf("/info?cname=%016d", target.MaxChannel))
				if err != nil {
					return err
				}
				waits = strings.Contains(info, `"subscribers": 1`)
			}
			if _, err := get(admin, answers, publish); err != nil {
				return err
			}
			if _, err := body(polls); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.print("calls: %d cycles of poll, message, poll on one connection (and as many publishes and /info requests, of one read and one write each):\n%s",
		cycles, calls(table))
	return nil
}

// get sends a request on a persistent connection.
func get(conn net.Conn, answers *bufio.Reader, path string) (string, error) {
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		return "", err
	}
	return body(answers)
}

func body(answers *bufio.Reader) (string, error) {
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("the server answered %s: %s", resp.Status, data)
	}
	return string(data), err
}

// calls returns the lines of strace's table that contain counts.
func calls(table string) string {
	var b strings.Builder
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) >= 5 && f[0] != "%" && f[0] != "------" {
			fmt.Fprintf(&b, "  %10s %s\n", f[3], f[len(f)-1])
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
