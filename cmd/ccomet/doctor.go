package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/doctor"
	"ccomet/cmd/ccomet/internal/settings"
)

// doctorCommand checks whether this machine, and the proxy in front, can hold a number of
// connections.
type doctorCommand struct {
	Conns int  `env:"-" placeholder:"N" help:"How many connections there will be at a time, 1 to 1,073,741,824. It may be left out if only Redis is checked."`
	JSON  bool `env:"-" name:"json" help:"Print a JSON object instead of text."`
	PID   int  `env:"-" name:"pid" placeholder:"N" help:"Check the limits of this process, such as a running server, instead of the limits of a server that is started from here."`

	Front          []string         `placeholder:"ADDR" default:"127.0.0.1:8100" group:"server"`
	Admin          []string         `placeholder:"ADDR" default:"127.0.0.1:8000" group:"server"`
	PollingTimeout settings.Seconds `placeholder:"S" default:"30" group:"server"`
	IdleTimeout    settings.Seconds `placeholder:"S" default:"75" group:"server"`

	Nginx     string `env:"-" placeholder:"FILE" group:"proxy" help:"Check an nginx configuration, and the files that it includes."`
	NginxRoot string `env:"-" placeholder:"DIR" group:"proxy" help:"Read nginx's files below DIR instead of /: those of another system, or of a container. FILE is then /etc/nginx/nginx.conf, unless --nginx names another."`

	Through []string         `env:"-" placeholder:"URL" group:"proxy" help:"Try the proxy in front of a running server: URL is what comes before /stream, such as https://example.com/comet. Messages are published at the first --admin. May be repeated."`
	Wait    settings.Seconds `env:"-" placeholder:"S" default:"0s" group:"proxy" help:"How long to wait for a heartbeat. The default is as long as one may take."`

	redisFlags `embed:""`
}

// redisFlags are the doctor's flags about Redis.
type redisFlags struct {
	Redis             []string `placeholder:"URL" group:"redis"`
	RedisPrefix       string   `placeholder:"TEXT" default:"ccomet:" group:"redis"`
	RedisPartitions   int      `placeholder:"N" default:"0" group:"redis"`
	RedisBus          int      `placeholder:"N" default:"100000" group:"redis"`
	Channels          int      `env:"-" placeholder:"N" default:"0" group:"redis" help:"How many channels will have messages, 0 to 1,073,741,824. The default is --conns."`
	ChannelBufferSize int      `placeholder:"N" default:"100" group:"redis"`
	MessageBytes      int      `env:"-" placeholder:"BYTES" default:"200" group:"redis" help:"How long a message is, 1 to 268,435,456."`
}

// Help is the text of --help beside the flags.
func (*doctorCommand) Help() string {
	return `Before the connections come:

  ccomet doctor --conns 100000
  ccomet doctor --conns 100000 --nginx /etc/nginx/nginx.conf --through https://example.com/comet

Where several servers are to share channels over Redis:

  ccomet doctor --conns 100000 --redis redis://10.0.0.9

For each resource it prints OK, WARN (this may fail later) or BAD (this is too small), with the value that was
found, the value that is needed, the reason, and the line that changes it in a file that survives a restart.
It changes nothing itself. --through publishes on a channel of its own, which it creates and closes.

The exit status is 0 if nothing is BAD, 1 if something is, and 2 for a wrong command line.`
}

// maxConns is the largest --conns: the server has no more records.
const maxConns = 1 << 30

// AfterApply returns an error for invalid flags.
func (c *doctorCommand) AfterApply() error {
	if c.Conns == 0 && len(c.Redis) == 0 {
		return fmt.Errorf("--conns is missing, the connections that the machine is to hold: want 1 to %d, or --redis", maxConns)
	}
	if c.Conns < 0 || c.Conns > maxConns {
		return fmt.Errorf("--conns is %d: want 1 to %d", c.Conns, maxConns)
	}
	if err := c.redisFlags.check(); err != nil {
		return err
	}
	if c.PID < 0 {
		return fmt.Errorf("--pid is %d: want the number of a process", c.PID)
	}
	if c.PollingTimeout < settings.Seconds(time.Second) || c.PollingTimeout > settings.MaxTime || c.Wait < 0 || c.Wait > settings.MaxTime {
		return fmt.Errorf("--polling-timeout and --wait: want 1s to %v", settings.MaxTime)
	}
	if c.IdleTimeout < settings.Seconds(time.Second) || c.IdleTimeout > settings.MaxTime {
		return fmt.Errorf("--idle-timeout is %v: want 1s to %v", c.IdleTimeout, settings.MaxTime)
	}
	for name, list := range map[string][]string{"front": c.Front, "admin": c.Admin} {
		for _, address := range list {
			if err := settings.CheckAddress(address); err != nil {
				return fmt.Errorf("--%s is %w", name, err)
			}
		}
	}
	for _, text := range c.Through {
		if _, err := doctor.ParseThrough(text); err != nil {
			return fmt.Errorf("--through is %w", err)
		}
	}
	return nil
}

// Run checks everything, and prints the findings.
func (c *doctorCommand) Run(out io.Writer) error {
	m := &doctor.Machine{Files: os.DirFS("/"), PID: c.PID, Page: int64(os.Getpagesize())}
	if _, err := m.Text(m.Process() + "/limits"); c.PID > 0 && err != nil {
		return settingsError{fmt.Errorf("--pid %d: %w", c.PID, err)}
	}
	w := c.demand()
	var config *doctor.NginxConfig
	if c.Nginx != "" || c.NginxRoot != "" {
		var err error
		if config, err = c.readNginx(); err != nil {
			return settingsError{err}
		}
		w.Proxied, w.ProxyHere, w.Routed = true, c.NginxRoot == "", true
	}
	var findings []doctor.Finding
	if c.Conns > 0 {
		findings = doctor.CheckMachine(m, w)
	}
	if config != nil {
		findings = append(findings, doctor.CheckNginx(config, m, w)...)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if len(c.Redis) > 0 {
		findings = append(findings, c.tryRedis(ctx, c.Conns)...)
	}
	for _, url := range c.Through {
		findings = append(findings, doctor.TryThrough(ctx, url, c.Admin[0], time.Duration(c.Wait))...)
	}
	return c.tell(out, findings)
}

// demand returns the requirements on the machine.
func (c *doctorCommand) demand() doctor.Demand {
	return doctor.Demand{
		Conns: int64(c.Conns), Fronts: c.Front, Polling: time.Duration(c.PollingTimeout), Idle: time.Duration(c.IdleTimeout),
		Processors: int64(runtime.NumCPU()), Proxied: len(c.Through) > 0,
	}
}

func (c *doctorCommand) readNginx() (*doctor.NginxConfig, error) {
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
	return doctor.ReadNginxConfig(os.DirFS(root), name)
}

// tell prints the findings. It returns an exit status if one is Bad.
func (c *doctorCommand) tell(out io.Writer, findings []doctor.Finding) error {
	d := doctor.Diagnosis{Conns: c.Conns, Checks: findings}
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
		_, err = io.WriteString(out, d.Text())
	}
	if err == nil && d.Status == doctor.Bad {
		err = daemon.ExitStatus(exitFailed)
	}
	return err
}
