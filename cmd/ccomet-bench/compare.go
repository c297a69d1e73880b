package main

import (
	"context"
	"os"
	"strings"

	"ccomet/bench"
	"ccomet/bench/target"
)

type compareCmd struct {
	Others    []string `arg:"" optional:"" name:"target" help:"Servers to compare with: ${targets}, or TOML files. Further words are flags for the server: 'ccomet --loops 1'."`
	Target    string   `default:"ccomet" placeholder:"NAME|FILE" help:"The server to compare them with, in the same form."`
	Spawn     string   `placeholder:"COMMAND" help:"Start that server with this command; {front}, {admin}, {port} and {dir} are filled in. Default: the target's command."`
	Transport string   `placeholder:"NAME" help:"The transport for everything but long polls. Default: stream."`
	Rounds    int      `default:"6" placeholder:"N" help:"Rounds, in which all take turns. Six rounds take about 2 minutes for each server, and as much for the bare program."`
	Only      []string `placeholder:"ROW" help:"Measure only these: ${rows}."`
	Conns     int      `default:"10000" placeholder:"N" help:"Connections; half as many more in the measurement in which all connect at once."`
	Size      int      `default:"64" placeholder:"BYTES" help:"Bytes of a message's content."`
	PerClient int      `default:"18000" placeholder:"N" help:"Connections of a client process."`
	JSON      string   `placeholder:"FILE" help:"Save the result, for report."`
	Label     string   `placeholder:"TEXT" help:"The server's name in reports. Default: the target's."`
}

func (c *compareCmd) Run(ctx context.Context) error {
	o, err := contestant(c.Target)
	if err != nil {
		return err
	}
	if c.Spawn != "" {
		o.Spawn = c.Spawn
	}
	if c.Label != "" {
		o.Label = c.Label
	}
	o.Transport, o.Connections, o.Size, o.PerClient = c.Transport, c.Conns, c.Size, max(1, c.PerClient)
	o.Command, o.Out, o.Progress = typed(), os.Stdout, bench.NewProgress(os.Stderr)
	config := bench.CompareConfig{Rounds: c.Rounds, Only: c.Only}
	for _, name := range c.Others {
		other, err := contestant(name)
		if err != nil {
			return err
		}
		config.Others = append(config.Others, other)
	}
	r, err := o.Compare(ctx, config)
	return save(c.JSON, r, err)
}

// contestant returns the options for a target name, which flags for its server may follow.
func contestant(name string) (*bench.Options, error) {
	words := strings.Fields(name)
	if len(words) == 0 {
		words = []string{""}
	}
	t, err := target.Load(words[0])
	if err != nil {
		return nil, err
	}
	o := &bench.Options{Target: t}
	if len(words) > 1 {
		o.Spawn = t.Spawn + " " + strings.Join(words[1:], " ")
		o.Label = t.Label + " " + strings.Join(words[1:], " ")
	}
	return o, nil
}
