package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// doctor is the command that says what is too small for a number of connections,
// on this machine and in the proxy in front.
type doctor struct {
	Conns int  `env:"-" required:"" placeholder:"N" help:"Connections that are wanted at a time, 1 to 1,073,741,824."`
	JSON  bool `env:"-" name:"json" help:"Print a JSON object instead of text."`
	PID   int  `env:"-" name:"pid" placeholder:"N" help:"Look at the limits of this process, such as a server that runs, instead of those that one would have that is started from here."`

	Front          []string `placeholder:"ADDR" default:"127.0.0.1:8100" group:"server" help:"Where the server listens for clients, or will, as for serve."`
	Admin          []string `placeholder:"ADDR" default:"127.0.0.1:8000" group:"server" help:"Where it listens for backends: --through publishes there, at the first."`
	PollingTimeout seconds  `placeholder:"S" default:"30" group:"server" help:"The longest that a subscriber hears nothing, as for serve."`
	IdleTimeout    seconds  `placeholder:"S" default:"75" group:"server" help:"How long a connection may stay open between requests, as for serve."`

	Nginx     string `env:"-" placeholder:"FILE" group:"proxy" help:"Look at an nginx configuration, and the files that it includes."`
	NginxRoot string `env:"-" placeholder:"DIR" group:"proxy" help:"Take DIR for / when nginx's files are read: another system's files, or a container's. FILE is then /etc/nginx/nginx.conf, unless --nginx names another."`

	Through []string `env:"-" placeholder:"URL" group:"proxy" help:"Try what stands in front of a server that runs: URL is what comes before /stream, such as https://example.com/comet. May be repeated."`
	Wait    seconds  `env:"-" placeholder:"S" default:"0s" group:"proxy" help:"Wait no longer for a heartbeat. Default: as long as the server lets one be waited for."`
}

// Help is what --help says beside the flags.
func (*doctor) Help() string {
	return `Before the connections come:

  ccomet doctor --conns 100000
  ccomet doctor --conns 100000 --nginx /etc/nginx/nginx.conf --through https://example.com/comet

For each thing that connections need: OK, WARN for what will hurt some day, or BAD for what is too
small; what there is, what is wanted, why, and the line that changes it in the file where it survives
a restart. Nothing is changed. --through publishes on a channel of its own, which it makes and
closes.

Exit status 0 if nothing is BAD, 1 if something is, 2 if it was asked wrongly.`
}

// maxConns bounds what can be asked for: the server's records.
const maxConns = 1 << 30

// AfterApply refuses what cannot be asked.
func (c *doctor) AfterApply() error {
	if c.Conns < 1 || c.Conns > maxConns {
		return fmt.Errorf("--conns is %d: want 1 to %d", c.Conns, maxConns)
	}
	if c.PID < 0 {
		return fmt.Errorf("--pid is %d: want the number of a process", c.PID)
	}
	if c.PollingTimeout < seconds(time.Second) || c.PollingTimeout > maxTime || c.Wait < 0 || c.Wait > maxTime {
		return fmt.Errorf("--polling-timeout and --wait: want 1s to %v", maxTime)
	}
	if c.IdleTimeout < seconds(time.Second) || c.IdleTimeout > maxTime {
		return fmt.Errorf("--idle-timeout is %v: want 1s to %v", c.IdleTimeout, maxTime)
	}
	for name, list := range map[string][]string{"front": c.Front, "admin": c.Admin} {
		for _, address := range list {
			if err := checkAddress(address); err != nil {
				return fmt.Errorf("--%s is %w", name, err)
			}
		}
	}
	for _, text := range c.Through {
		if _, err := parseThrough(text); err != nil {
			return fmt.Errorf("--through is %w", err)
		}
	}
	return nil
}

// Run looks, and tells.
func (c *doctor) Run(out io.Writer) error {
	m := &machine{files: os.DirFS("/"), pid: c.PID, page: int64(os.Getpagesize())}
	if _, err := m.text(m.process() + "/limits"); c.PID > 0 && err != nil {
		return settingsError{fmt.Errorf("--pid %d: %w", c.PID, err)}
	}
	w := c.wish()
	var config *nginxConfig
	if c.Nginx != "" || c.NginxRoot != "" {
		var err error
		if config, err = c.readNginx(); err != nil {
			return settingsError{err}
		}
		w.proxied, w.proxyHere, w.routed = true, c.NginxRoot == "", true
	}
	findings := checkMachine(m, w)
	if config != nil {
		findings = append(findings, checkNginx(config, m, w)...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, url := range c.Through {
		findings = append(findings, tryThrough(ctx, url, c.Admin[0], time.Duration(c.Wait))...)
	}
	return c.tell(out, findings)
}

// wish is what is wanted.
func (c *doctor) wish() wish {
	return wish{
		conns: int64(c.Conns), fronts: c.Front, polling: time.Duration(c.PollingTimeout), idle: time.Duration(c.IdleTimeout),
		processors: int64(runtime.NumCPU()), proxied: len(c.Through) > 0,
	}
}

// readNginx reads nginx's configuration.
func (c *doctor) readNginx() (*nginxConfig, error) {
	name, root := c.Nginx, c.NginxRoot
	if root == "" {
		root = "/"
		var err error
		if name, err = filepath.Abs(name); err != nil {
			return nil, err
		}
	} else if name == "" {
		name = "/etc/nginx/nginx.conf"
	}
	return readNginxConfig(os.DirFS(root), name)
}

// diagnosis is what --json prints.
type diagnosis struct {
	Conns  int       `json:"conns"`
	Status status    `json:"status"`
	Checks []finding `json:"checks"`
}

// tell prints what was found; an error says that something is too small.
func (c *doctor) tell(out io.Writer, findings []finding) error {
	d := diagnosis{Conns: c.Conns, Checks: findings}
	for _, f := range findings {
		d.Status = max(d.Status, f.Status)
	}
	var err error
	if c.JSON {
		encoder := json.NewEncoder(out)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		err = encoder.Encode(d)
	} else {
		_, err = io.WriteString(out, d.text())
	}
	if err == nil && d.Status == statusBad {
		err = exited(exitFailed)
	}
	return err
}

// text is a diagnosis for people.
func (d *diagnosis) text() string {
	var b strings.Builder
	counts := [3]int{}
	fmt.Fprintf(&b, "%s connections:\n\n", grouped(int64(d.Conns)))
	for _, f := range d.Checks {
		counts[f.Status]++
		f.write(&b)
	}
	fmt.Fprintf(&b, "\n%d OK, %d WARN, %d BAD\n", counts[statusOK], counts[statusWarn], counts[statusBad])
	return b.String()
}
