package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ccomet/bench/proc"
	"ccomet/bench/target"
)

// server is the server under measurement: one that was started for it, or a running one.
type server struct {
	proc.Process
	front, admin string // HOST:PORT
	command      string // the command that started it; "" for a running server
	cmd          *exec.Cmd
	dir          string
	log          *tail
	ended        chan struct{}

	program  string   // path of the program that upgrades replace; "" without upgrades
	versions []string // the programs that replace it in turn
	words    []string // pairs of further placeholders and their replacements
}

// startServer starts a target on free ports, by a command or by the target's own for "".
func startServer(ctx context.Context, t *target.Target, command string) (*server, error) {
	s, err := newServer(t, command, "{cluster}", "")
	if err != nil {
		return nil, err
	}
	if err := s.launch(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

// newServer prepares a server for launch. words are pairs: further placeholders of its
// command and its files, and their replacements.
func newServer(t *target.Target, command string, words ...string) (*server, error) {
	if command == "" {
		command = t.Spawn
	}
	if strings.TrimSpace(command) == "" {
		return nil, fmt.Errorf("%s: the target file has no command to start it: want --spawn, or --running", t.Label)
	}
	s := &server{log: new(tail), words: words}
	var err error
	if s.front, s.admin, err = freeAddresses(); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp("", "ccomet-bench"); err != nil {
		return nil, err
	}
	if t.Admin == t.Front && !strings.Contains(command, "{admin}") {
		s.admin = s.front
	}
	for _, f := range t.Files {
		if err := os.WriteFile(filepath.Join(s.dir, f.Name), []byte(s.fill(f.Text)), 0o644); err != nil {
			return nil, errors.Join(err, os.RemoveAll(s.dir))
		}
	}
	s.command = command
	return s, nil
}

// fill replaces the placeholders of Target.Spawn.
func (s *server) fill(text string) string {
	_, port, _ := net.SplitHostPort(s.front)
	for i := 0; i+1 < len(s.words); i += 2 { // first, because replacements may contain the other placeholders
		text = strings.ReplaceAll(text, s.words[i], s.words[i+1])
	}
	return strings.NewReplacer("{front}", s.front, "{admin}", s.admin, "{port}", port, "{dir}", s.dir).Replace(text)
}

// launch starts the command, with additional arguments if there are any, and waits until
// the server listens. It may be called again after the server has ended.
func (s *server) launch(ctx context.Context, more ...string) error {
	argv := append(strings.Fields(s.fill(s.command)), more...)
	cmd, ended := exec.Command(argv[0], argv[1:]...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C is for the harness, which then stops the server
		Pdeathsig: syscall.SIGKILL, // the server ends if the harness is killed
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the server: %w", err)
	}
	s.cmd, s.ended, s.Process = cmd, ended, proc.Process(cmd.Process.Pid)
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	for _, address := range []string{s.front, s.admin} {
		if err := s.reachable(ctx, address); err != nil {
			s.end()
			return err
		}
	}
	return nil
}

// freeAddresses returns two addresses on which no process listens.
func freeAddresses() (front, admin string, err error) {
	var addresses [2]string
	for i := range addresses {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "", "", err
		}
		defer l.Close()
		addresses[i] = l.Addr().String()
	}
	return addresses[0], addresses[1], nil
}

// reachable waits until the server listens on an address.
func (s *server) reachable(ctx context.Context, address string) error {
	const wait = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		conn, err := net.DialTimeout("tcp", address, wait)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended at once: %s: %s", s.fill(s.command), s.log)
		case <-ctx.Done():
			return fmt.Errorf("the server does not listen at %s: %w: %s: %s", address, err, s.fill(s.command), s.log)
		case <-again.C:
		}
	}
}

// kill ends the process by SIGKILL.
func (s *server) kill() {
	_ = syscall.Kill(-int(s.Process), syscall.SIGKILL)
	<-s.ended
}

// remove removes the server's files.
func (s *server) remove() error { return os.RemoveAll(s.dir) }

// close stops a server that was started here, and removes its files.
func (s *server) close() {
	if s.cmd != nil {
		s.end()
	}
	if s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// end stops the process, unless it has ended.
func (s *server) end() {
	select {
	case <-s.ended:
		return
	default:
	}
	_ = syscall.Kill(int(s.Process), syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-int(s.Process), syscall.SIGKILL)
		<-s.ended
	}
}

// atRest waits until a server is almost idle, because costs are read when all work is done.
func atRest(ctx context.Context, p proc.Process) {
	const look, most = 50 * time.Millisecond, 40
	before, err := p.CPU()
	for range most {
		if err != nil || sleep(ctx, look) != nil {
			return
		}
		after, failed := p.CPU()
		if failed != nil || after.Sub(before).All < look/25 {
			return
		}
		before = after
	}
}

// sleep waits for d, or until ctx is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tail keeps the end of a process's output.
type tail struct {
	mu    sync.Mutex
	text  []byte
	begun []byte            // an incomplete line
	hears func(line string) // if set, called with each complete line, with mu held
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hears != nil {
		t.begun = append(t.begun, p...)
		for {
			line, rest, whole := bytes.Cut(t.begun, []byte("\n"))
			if !whole {
				break
			}
			t.hears(string(line))
			t.begun = rest
		}
	}
	t.text = append(t.text, p...)
	t.text = t.text[max(0, len(t.text)-4096):]
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.text) == 0 {
		return "it printed nothing"
	}
	return strings.TrimSpace(string(t.text))
}
