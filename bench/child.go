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

// child is a process of the harness that is told what to do in lines, and
// answers in lines. It ends when its input does, so none outlives the harness.
type child struct {
	proc.Process
	name  string
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
	pulse *pulse
	owed  string            // the word that it still owes: nobody waited for it any longer
	moved func(line string) // hears lines "at …", which may come at any time, on a goroutine of its own
}

// hangTimeout is how long a child, and those that share its load, may say nothing while it is
// waited for.
const hangTimeout = time.Minute

// pulse is when something last moved, of one child or of several that share a load: on a slow
// machine one of them may have its turn late. Any goroutine may use it.
type pulse struct{ last atomic.Pointer[time.Time] }

func (p *pulse) beat() {
	now := time.Now()
	p.last.Store(&now)
}

// patience is what is left of hangTimeout, since something moved, or the wait began.
func (p *pulse) patience(began time.Time) time.Duration {
	if last := p.last.Load(); last != nil && last.After(began) {
		began = *last
	}
	return hangTimeout - time.Since(began)
}

// startChild runs this same program with a hidden command. shared is the pulse of those that
// share its load. moved, if not nil, hears what the child says of its progress.
func startChild(name string, shared *pulse, moved func(string)) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startProgram(name, shared, moved, self, name)
}

// startProgram runs any program that speaks as a child does.
func startProgram(name string, shared *pulse, moved func(string), argv ...string) (c *child, err error) {
	c = &child{name: name, pulse: shared, moved: moved, cmd: exec.Command(argv[0], argv[1:]...), lines: make(chan string, 16)}
	c.cmd.Stderr = os.Stderr
	// A Ctrl-C is for the harness, which then ends its children.
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

// listen takes what the child says. It takes a move at once, whatever else waits.
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

// configure sends a child what it must know, as its first line.
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

// hear waits for a line that begins with word, and returns the rest of it, as long as
// something moves.
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

// stuckError says that a child did not get on.
type stuckError struct{ name, word string }

func (e *stuckError) Error() string {
	return fmt.Sprintf("%s process: nothing has moved for %v while %q was waited for", e.name, hangTimeout, e.word)
}

// ask tells and hears.
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
	for range c.lines { // so that it is not stuck on what it says
	}
	_ = c.cmd.Wait()
	timer.Stop()
}

// commands reads the lines a child is told; the channel closes with its input.
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

// fail ends a child that cannot go on, and has its parent say why.
func fail(format string, args ...any) {
	fmt.Printf("error "+strings.ReplaceAll(format, "\n", " ")+"\n", args...)
	os.Exit(1)
}
