package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet"
)

// rehearsalProcess is the rehearsal's process in the running server. Only one goroutine uses it.
type rehearsalProcess struct {
	cmd     *exec.Cmd
	control *os.File
	answers chan answer  // closed when the rehearsal has ended
	output  prefixWriter // its stdout and stderr
	ended   bool
}

// startRehearsal starts the new program, with the arguments and the environment of this one.
func startRehearsal() (*rehearsalProcess, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("creating a pair of sockets: %w", err)
	}
	its := os.NewFile(uintptr(ends[1]), "control")
	defer its.Close()
	r := &rehearsalProcess{control: os.NewFile(uintptr(ends[0]), "control"), answers: make(chan answer, 4)}
	r.cmd = &exec.Cmd{
		Path: process.path, Args: process.args, Env: append(process.environment[:len(process.environment):len(process.environment)], RoleVariable+"="+string(roleClean)),
		Stdout: &r.output, Stderr: &r.output, // the same writer keeps the lines in order
		ExtraFiles: []*os.File{its}, WaitDelay: time.Second,
	}
	if err := withoutHugePages(r.cmd.Start); err != nil {
		r.control.Close()
		return nil, fmt.Errorf("the program on the disk, %s, cannot be started: %w", process.path, reason(err))
	}
	go r.readAnswers()
	return r, nil
}

// reason returns the error of the system call alone: the rest is of no use to an operator.
func reason(err error) error {
	about := new(os.PathError)
	switch {
	case errors.Is(err, unix.ENOEXEC):
		return errors.New("it is not a program for this machine")
	case errors.As(err, &about):
		return about.Err
	}
	return err
}

// withoutHugePages calls start with huge pages switched off for the program that it starts. A rehearsal
// needs little memory, and huge pages would double it on systems that give them to every program.
func withoutHugePages(start func() error) error {
	if disabled, err := unix.PrctlRetInt(unix.PR_GET_THP_DISABLE, 0, 0, 0, 0); err == nil && disabled == 0 {
		_ = unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0)
		defer func() { _ = unix.Prctl(unix.PR_SET_THP_DISABLE, 0, 0, 0, 0) }()
	}
	return start()
}

// readAnswers reads the rehearsal's answers until it ends.
func (r *rehearsalProcess) readAnswers() {
	defer close(r.answers)
	text := make([]byte, 64<<10)
	for {
		n, _, _, _, err := unix.Recvmsg(int(r.control.Fd()), text, nil, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n == 0 {
			return
		}
		var word answer
		if err := json.Unmarshal(text[:n], &word); err != nil {
			word.Error = fmt.Sprintf("its answer cannot be parsed: %v", err)
		}
		r.answers <- word
	}
}

// await waits for the rehearsal's next answer. It returns an error if the answer has one, if the
// rehearsal ends, or if no answer comes in time. doing describes the present step of the rehearsal.
func (r *rehearsalProcess) await(ctx context.Context, timeout time.Duration, doing string) (answer, error) {
	late := time.NewTimer(timeout)
	defer late.Stop()
	select {
	case word, ok := <-r.answers:
		switch {
		case !ok:
			r.kill()
			return answer{}, fmt.Errorf("the new version ended (%v) before it was ready%s", r.cmd.ProcessState, r.lastWords())
		case word.Error != "":
			return answer{}, errors.New("the new version: " + word.Error)
		}
		return word, nil
	case <-ctx.Done():
		return answer{}, errors.New("the server is about to end")
	case <-late.C:
		return answer{}, fmt.Errorf("the new version has not answered within %v while %s", timeout, doing)
	}
}

// lastWords returns what the rehearsal has written to stdout and stderr, as one line after a colon.
func (r *rehearsalProcess) lastWords() string {
	text := strings.TrimSpace(string(r.output.text))
	if text == "" {
		return ""
	}
	return ": " + strings.ReplaceAll(text, "\n", "; ")
}

// send sends the rehearsal either the descriptors of the hand-over, or the addresses that the running
// server listens on.
func (r *rehearsalProcess) send(has []comet.Sockets, fds []int) error {
	text, err := json.Marshal(has)
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	err = unix.Sendmsg(int(r.control.Fd()), text, rights, nil, unix.MSG_NOSIGNAL)
	if err != nil {
		return fmt.Errorf("sending the hand-over to the new version: %w", err)
	}
	return nil
}

// kill ends the rehearsal's process and waits for its end. It may be called again.
func (r *rehearsalProcess) kill() {
	if r.ended {
		return
	}
	r.ended = true
	_ = r.cmd.Process.Kill() // the process may have ended already
	_ = r.cmd.Wait()         // the error says only how it ended
	_ = unix.Shutdown(int(r.control.Fd()), unix.SHUT_RDWR)
	for range r.answers { // until readAnswers has ended
	}
	r.control.Close()
}

// prefixWriter keeps the first maxOutput bytes written to it, and drops the rest.
type prefixWriter struct{ text []byte }

const maxOutput = 500

func (w *prefixWriter) Write(p []byte) (int, error) {
	w.text = append(w.text, p[:min(len(p), maxOutput-len(w.text))]...)
	return len(p), nil
}
