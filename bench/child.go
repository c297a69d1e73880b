package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Child is a process of ours that is told what to do in lines, and answers
// each with one line.
type Child struct {
	Process
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

// patience bounds every wait for a child.
const patience = 2 * time.Minute

// StartChild runs this same program with arguments.
func StartChild(args ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &Child{cmd: exec.Command(self, args...)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if err = c.cmd.Start(); err != nil {
		return nil, err
	}
	c.Process = Process(c.cmd.Process.Pid)
	return c, nil
}

// Tell sends a line.
func (c *Child) Tell(format string, args ...any) error {
	_, err := fmt.Fprintf(c.in, format+"\n", args...)
	return err
}

// Hear waits for a line that begins with word, and returns the rest of it.
func (c *Child) Hear(word string) (string, error) {
	timer := time.AfterFunc(patience, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	line, err := c.out.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("%s %s: waiting for %q: %w", c.cmd.Path, c.cmd.Args[1], word, err)
	}
	line = strings.TrimSpace(line)
	if got, rest, _ := strings.Cut(line, " "); got == word {
		return rest, nil
	}
	return "", fmt.Errorf("%s: waiting for %q, heard %q", c.cmd.Args[1], word, line)
}

// Ask tells and hears.
func (c *Child) Ask(word, format string, args ...any) (string, error) {
	if err := c.Tell(format, args...); err != nil {
		return "", err
	}
	return c.Hear(word)
}

// Close ends the child: it stops when its input does.
func (c *Child) Close() {
	_ = c.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() })
	_ = c.cmd.Wait()
	timer.Stop()
}

// commands reads the lines a child is told; the channel closes with its input.
func commands() <-chan string {
	lines := make(chan string)
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			lines <- in.Text()
		}
		close(lines)
	}()
	return lines
}
