package main

import (
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"ccomet/bench"
	"ccomet/bench/proc"
	"ccomet/bench/result"
	"ccomet/bench/target"
)

// common are the flags of all measurements of a server.
type common struct {
	Target    string `default:"ccomet" placeholder:"NAME|FILE" help:"The server: ${targets}, or a TOML file that says how to use another."`
	Transport string `placeholder:"NAME" help:"The transport of the clients, if the target has it: stream, poll, sse, ws. Default: the target's."`
	Spawn     string `placeholder:"COMMAND" xor:"which" help:"Start the server with this command; {front}, {admin}, {port} and {dir} are filled in. Default: the target's command."`
	Running   bool   `xor:"which" help:"Measure a server that is running already, found by the target's process name."`
	PID       int    `placeholder:"N" xor:"which" help:"Measure a server that is running already, with this process number."`
	Front     string `placeholder:"HOST:PORT" help:"Where a running server's clients connect. Default: the target's."`
	Admin     string `placeholder:"HOST:PORT" help:"Where a running server's backends publish. Default: the target's."`
	Conns     int    `default:"10000" placeholder:"N" help:"Connections."`
	Size      int    `default:"64" placeholder:"BYTES" help:"Bytes of a message's content."`
	PerClient int    `default:"18000" placeholder:"N" help:"Connections of a client process; there are as many processes as needed."`
	JSON      string `placeholder:"FILE" help:"Save the result, for report."`
	Label     string `placeholder:"TEXT" help:"The server's name in reports. Default: the target's."`
}

func (c *common) options() (*bench.Options, error) {
	t, err := target.Load(c.Target)
	if err != nil {
		return nil, err
	}
	return &bench.Options{
		Target: t, Transport: c.Transport,
		Spawn: c.Spawn, Running: c.Running, PID: proc.Process(c.PID), Front: c.Front, Admin: c.Admin,
		Connections: c.Conns, Size: c.Size, PerClient: max(1, min(c.PerClient, c.Conns)),
		Label: c.Label, Command: typed(), Out: os.Stdout, Progress: bench.NewProgress(os.Stderr),
	}, nil
}

// typed returns the command line.
func typed() string {
	words := append([]string{"ccomet-bench"}, os.Args[1:]...)
	for i, w := range words {
		if strings.ContainsAny(w, " {}") {
			words[i] = "'" + w + "'"
		}
	}
	return strings.Join(words, " ")
}

// commit is the commit of the build; the linker sets it.
var commit string

// save saves a result, even a partial one, and returns the error.
func (c *common) save(r *result.Result, err error) error { return save(c.JSON, r, err) }

func save(name string, r *result.Result, err error) error {
	if r == nil || name == "" {
		return err
	}
	r.Commit = commit
	if failed := r.Save(name); err == nil {
		err = failed
	}
	return err
}

var vars = kong.Vars{"targets": strings.Join(target.Names(), ", "), "rows": strings.Join(bench.CompareRows(), ", ")}

// describe returns the help of a flag with its default.
func describe(v *kong.Value) string {
	if !v.HasDefault || v.Default == "" || v.Default == "0" {
		return v.Help
	}
	return v.Help + " (default " + v.Default + ")"
}
