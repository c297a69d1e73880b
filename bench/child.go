package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"ccomet/bench/proc"
)

// child is a process of the harness. It reads commands and writes answers, one a line. It
// ends at the end of its input, so it cannot outlive the harness.
type child struct {
	proc.Process
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	pulse *pulse
	owed  string            // answer that is still due, because the wait for it was abandoned
	moved func(line string) // called for "at …" lines at any time, on a separate goroutine
}

// hangTimeout is how long a child, and the others that share its load, may be silent before
// the wait for an answer is abandoned.
const hangTimeout = time.Minute

// pulse is the time of the last progress of one child, or of several that share a load: on
// a slow machine one of them may get its turn late. It is safe for concurrent use.
type pulse struct{ last atomic.Pointer[time.Time] }

func (p *pulse) beat() {
	now := time.Now()
	p.last.Store(&now)
}

// patience returns what is left of hangTimeout since the last progress, or since the wait
// began.
func (p *pulse) patience(began time.Time) time.Duration {
	if last := p.last.Load(); last != nil && last.After(began) {
		began = *last
	}
	return hangTimeout - time.Since(began)
}

// startChild runs this program with a hidden command. shared is the pulse of the children
// that share its load. If moved is not nil, it is called with each report of progress.
func startChild(name string, shared *pulse, moved func(string)) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProgram(name, shared, moved, self, name)
}

// startProgram runs any program that follows the protocol of a child.
func startProgram(name string, shared *pulse, moved func(string), argv ...string) (c *child, err error) {
	c = &child{name: name, pulse: shared, moved: moved, cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 16)}
	c.cmd.Stderr = os.Stderr
	// Ctrl-C is for the harness, which then ends its children.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err = c.cmd.Start(); err != nil {
		return nil, err
	}
	c.Process = proc.Process(c.cmd.Process.Pid)
	go c.listen(bufio.NewReader(out))
	return c, nil
}

// listen reads the child's output. Reports of progress are handled without delay.
func (c *child) listen(out *bufio.Reader) {
	defer close(c.lines)
	for {
		line, err := out.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimSpace(line)
		at, moving := strings.CutPrefix(line, "at ")
		if !moving {
			c.lines <- line
			continue
		}
		if c.moved != nil {
			c.moved(at)
		}
		c.pulse.beat()
	}
}

// configure sends a child its configuration, as its first line.
func (c *child) configure(config any) error {
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	return c.send("config " + string(data))
}

func (c *child) send(line string) error {
	_, err := io.WriteString(c.in, line+"\n")
	if err != nil {
		return fmt.Errorf("%s process: %w", c.name, err)
	}
	return nil
}

func (c *child) tell(format string, args ...any) error { return c.send(fmt.Sprintf(format, args...)) }

// hear waits for a line that begins with word, as long as there is progress, and returns
// the rest of the line.
func (c *child) hear(ctx context.Context, word string) (string, error) {
	began := time.Now()
	silence := time.NewTimer(hangTimeout)
	defer silence.Stop()
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				return "", fmt.Errorf("%s process: ended while %q was waited for", c.name, word)
			}
			got, rest, _ := strings.Cut(line, " ")
			owed := got == c.owed
			if owed {
				c.owed = ""
			}
			switch {
			case got == word:
				return rest, nil
			case got == "error":
				return "", errors.New(rest)
			case !owed:
				return "", fmt.Errorf("%s process: waiting for %q, heard %q", c.name, word, line)
			}
		case <-silence.C:
			left := c.pulse.patience(began)
			if left <= 0 {
				c.owed = word
				return "", &stuckError{c.name, word}
			}
			silence.Reset(left)
		case <-ctx.Done():
			c.owed = word
			return "", ctx.Err()
		}
	}
}

// stuckError is returned if a child makes no progress.
type stuckError struct{ name, word string }

func (e *stuckError) Error() string {
	return fmt.Sprintf("%s process: nothing has moved for %v while %q was waited for", e.name, hangTimeout, e.word)
}

// ask sends a command and waits for its answer.
func (c *child) ask(ctx context.Context, word, format string, args ...any) (string, error) {
	if err := c.tell(format, args...); err != nil {
		return "", err
	}
	return c.hear(ctx, word)
}

// close ends the child.
func (c *child) close() {
	_ = c.in.Close()
	timer := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	for range c.lines { // so that writing does not block the child
	}
	_ = c.cmd.Wait()
	timer.Stop()
}

// commands reads the commands of this child. The channel closes at the end of the input.
func commands() <-chan string {
	lines := make(chan string)
	go func() {
		in := bufio.NewScanner(os.Stdin)
		in.Buffer(nil, 1<<20)
		for in.Scan() {
			lines <- in.Text()
		}
		close(lines)
	}()
	return lines
}

// fail ends this child, and makes its parent report the error.
func fail(format string, args ...any) {
	fmt.Printf("error "+strings.ReplaceAll(format, "\n", " ")+"\n", args...)
	os.Exit(1)
}
