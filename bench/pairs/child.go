package pairs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is a contestant's process. Its size is in its arguments. It says "ready", answers "run"
// with "micros N", and ends at the end of its input or with the context.
type child struct {
	who   string
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	wrong bytes.Buffer // its standard error
	ended bool
}

// hangTimeout is the time limit of one answer.
const hangTimeout = time.Minute

func startChild(ctx context.Context, s side, pairs, active, writes int) (*child, error) {
	args := append(append([]string{}, s.command[1:]...), fmt.Sprint(pairs), fmt.Sprint(active), fmt.Sprint(writes))
	c := &child{who: s.who, cmd: exec.CommandContext(ctx, s.command[0], args...)}
	c.cmd.Stderr = &c.wrong
	// Ctrl-C is for the harness, which then ends its children.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.who, err)
	}
	if _, err := c.hear("ready"); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// run performs one run, and returns its duration in microseconds.
func (c *child) run() (float64, error) {
	if _, err := io.WriteString(c.in, "run\n"); err != nil {
		return 0, c.failed("run", err)
	}
	said, err := c.hear("micros")
	if err != nil {
		return 0, err
	}
	micros, err := strconv.ParseFloat(said, 64)
	if err != nil || micros <= 0 {
		return 0, fmt.Errorf("%s took %q microseconds", c.who, said)
	}
	return micros, nil
}

// hear waits for a line that begins with word, and returns the rest of it.
func (c *child) hear(word string) (string, error) {
	timer := time.AfterFunc(hangTimeout, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := c.out.ReadString('\n')
	if err != nil {
		return "", c.failed(word, err)
	}
	got, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if got != word {
		return "", fmt.Errorf("waiting for %s to say %q, heard %q", c.who, word, line)
	}
	return rest, nil
}

// failed returns the error of a child that has ended, with its standard error.
func (c *child) failed(word string, err error) error {
	c.close()
	return fmt.Errorf("waiting for %s to say %q: %w (%v) %s", c.who, word, err, c.cmd.ProcessState, bytes.TrimSpace(c.wrong.Bytes()))
}

// close ends the child.
func (c *child) close() {
	if c.ended {
		return
	}
	c.ended = true
	_ = c.in.Close()
	timer := time.AfterFunc(hangTimeout, func() { _ = c.cmd.Process.Kill() })
	_ = c.cmd.Wait()
	timer.Stop()
}
