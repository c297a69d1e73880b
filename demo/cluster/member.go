package main

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// member is a process that can be stopped and started again. It is safe for concurrent use.
type member struct {
	name, address, path string
	args                []string
	log                 string // file with its output

	mu     sync.Mutex
	cmd    *exec.Cmd // nil while it is stopped
	ended  chan struct{}
	frozen bool
}

func newMember(dir, name, address, path string, args ...string) *member {
	return &member{name: name, address: address, path: path, args: args, log: filepath.Join(dir, name+".out")}
}

// start starts the process, unless it runs.
func (m *member) start() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd != nil {
		return nil
	}
	log, err := os.OpenFile(m.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd, ended := exec.Command(m.path, m.args...), make(chan struct{})
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM} // Ctrl-C is for this process, which then stops the others in order
	if err := cmd.Start(); err != nil {
		return err
	}
	m.cmd, m.ended, m.frozen = cmd, ended, false
	go func() {
		_ = cmd.Wait()
		m.mu.Lock()
		m.cmd = nil
		m.mu.Unlock()
		close(ended)
	}()
	return nil
}

// patience is how long a process may take to end before it is killed.
const patience = 10 * time.Second

// stop sends the process a signal that ends it, and waits for its end.
func (m *member) stop(sig syscall.Signal) error {
	m.mu.Lock()
	cmd, ended := m.cmd, m.ended
	m.mu.Unlock()
	if cmd == nil {
		return nil
	}
	_ = m.freeze(false)
	if err := cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		<-ended
	}
	return nil
}

// freeze stops the process temporarily, with its connections, or continues it.
func (m *member) freeze(on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cmd == nil || m.frozen == on {
		return nil
	}
	sig := syscall.SIGCONT
	if on {
		sig = syscall.SIGSTOP
	}
	m.frozen = on
	return m.cmd.Process.Signal(sig)
}

// state returns the state of the process.
func (m *member) state() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.cmd == nil:
		return "stopped"
	case m.frozen:
		return "frozen"
	}
	return "runs"
}

func (m *member) runs() bool { return m.state() != "stopped" }

func (m *member) listens() bool {
	c, err := net.DialTimeout("tcp", m.address, time.Second)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// lastWords returns the last lines of the process's output.
func (m *member) lastWords() string {
	text, _ := os.ReadFile(m.log)
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte(" | ")))
}
