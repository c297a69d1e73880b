package bench

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Server is the server under measurement, as a process of its own.
type Server struct {
	Process
	Front, Admin string
	cmd          *exec.Cmd
	publish      net.Conn
	answers      *textproto.Reader
}

// StartServer runs a command, which is a ccomet and its first arguments, on
// ports of its own.
func StartServer(command []string, args ...string) (*Server, error) {
	argv := append(append([]string{}, command[1:]...), "serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	s := &Server{cmd: exec.Command(command[0], append(argv, args...)...)}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err = s.cmd.Start(); err != nil {
		return nil, err
	}
	if err = s.listening(bufio.NewReader(stderr)); err != nil {
		_ = s.cmd.Process.Kill()
		return nil, err
	}
	if s.publish, err = net.Dial("tcp", s.Admin); err != nil {
		return nil, err
	}
	s.answers = textproto.NewReader(bufio.NewReader(s.publish))
	return s, nil
}

// listening reads the log for the line that tells the addresses.
func (s *Server) listening(log *bufio.Reader) error {
	var said strings.Builder
	for {
		line, err := log.ReadBytes('\n')
		said.Write(line)
		if err != nil {
			return fmt.Errorf("the server did not start: %w: %s", err, said.String())
		}
		var entry struct {
			Front, Admin []string
		}
		if json.Unmarshal(line, &entry) == nil && len(entry.Front) > 0 && len(entry.Admin) > 0 {
			s.Front, s.Admin, s.Process = entry.Front[0], entry.Admin[0], Process(s.cmd.Process.Pid)
			go func() { _, _ = io.Copy(io.Discard, log) }()
			return nil
		}
	}
}

// Publish publishes a burst of n messages on a channel: n requests in one
// write, and then n answers.
func (s *Server) Publish(cname string, n int) error {
	request := fmt.Sprintf("GET /push?cname=%s&content=%s HTTP/1.1\r\nHost: bench\r\n\r\n", cname, Content)
	if _, err := io.WriteString(s.publish, strings.Repeat(request, n)); err != nil {
		return err
	}
	for range n {
		resp, err := http.ReadResponse(s.answers.R, nil)
		if err != nil {
			return err
		}
		if _, err = io.Copy(io.Discard, resp.Body); err != nil {
			return err
		}
		if resp.StatusCode != 200 {
			return fmt.Errorf("publish: %s", resp.Status)
		}
	}
	return nil
}

// Close ends the server politely.
func (s *Server) Close() {
	_ = s.publish.Close()
	_ = syscall.Kill(int(s.Process), syscall.SIGTERM)
	timer := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	timer.Stop()
}
