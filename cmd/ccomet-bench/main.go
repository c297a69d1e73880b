// Command ccomet-bench measures a ccomet server on this machine.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"

	"ccomet/bench"
)

type cli struct {
	Server string `default:"bin/ccomet" help:"The server's program, and its first arguments."`

	All      struct{}    `cmd:"" help:"Everything below, one after the other (some 6 minutes)."`
	Hold     struct{}    `cmd:"" help:"Resident memory an idle stream, from 2,000 to 18,000 of them: on one channel, and each on its own."`
	Fanout   fanoutCmd   `cmd:"" help:"Processor time a delivery, messages to many streams, beside a bare loop of write calls."`
	Channels channelsCmd `cmd:"" help:"Processor time a publish over many channels of one subscriber, beside a bare program."`
	Idle     struct{}    `cmd:"" help:"Processor time of 18,000 idle streams over a minute, with heartbeats of 30 s."`
	Calls    struct{}    `cmd:"" help:"System calls of a delivery and of a poll, counted by strace."`

	Client    clientCmd    `cmd:"" hidden:""`
	Publisher publisherCmd `cmd:"" hidden:""`
	Bare      struct{}     `cmd:"" hidden:""`
}

type fanoutCmd struct {
	Streams  int `default:"10000" help:"Connections."`
	Burst    int `default:"1" help:"Messages published at once."`
	Messages int `default:"50" help:"Messages a round."`
	Pairs    int `default:"9" help:"Rounds of ours and the bare loop's, in turn."`
	Loops    int `default:"0" help:"The server's loops; 0 is its default."`
}

type channelsCmd struct {
	Channels    int `default:"10000" help:"Channels, of one subscriber each."`
	Connections int `default:"64" help:"Connections that publish, one request at a time each."`
	Messages    int `default:"200000" help:"Publishes a round."`
	Pairs       int `default:"9" help:"Rounds of ours and the bare program's, in turn."`
	Loops       int `default:"0" help:"The server's loops; 0 is its default."`
}

type clientCmd struct {
	Address, Path string `arg:""`
}

type publisherCmd struct {
	Address     string `arg:""`
	Path        string `arg:""`
	Channels    int    `arg:""`
	Connections int    `arg:""`
}

func loops(n int) []string {
	if n == 0 {
		return nil
	}
	return []string{"--loops", fmt.Sprint(n)}
}

func main() {
	var c cli
	ctx := kong.Parse(&c, kong.Name("ccomet-bench"), kong.Description("Measures a ccomet server on this machine, with real connections over loopback."), kong.UsageOnError())
	server := strings.Fields(c.Server)
	var err error
	switch ctx.Command() {
	case "hold":
		err = bench.Hold(os.Stdout, server)
	case "fanout":
		f := c.Fanout
		err = bench.Fanout(os.Stdout, server, f.Streams, f.Burst, f.Messages, f.Pairs, loops(f.Loops)...)
	case "channels":
		f := c.Channels
		err = bench.Channels(os.Stdout, server, f.Channels, f.Connections, f.Messages, f.Pairs, loops(f.Loops)...)
	case "idle":
		err = bench.Idle(os.Stdout, server)
	case "calls":
		err = bench.Calls(os.Stdout, server)
	case "all":
		err = all(server)
	case "client <address> <path>":
		err = bench.RunClient(c.Client.Address, c.Client.Path)
	case "publisher <address> <path> <channels> <connections>":
		p := c.Publisher
		err = bench.RunPublisher(p.Address, p.Path, p.Channels, p.Connections)
	case "bare":
		err = bench.RunBare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "ccomet-bench:", err)
		os.Exit(1)
	}
}

// all runs every measurement with its defaults.
func all(server []string) error {
	for _, run := range []func() error{
		func() error { return bench.Hold(os.Stdout, server) },
		func() error { return bench.Fanout(os.Stdout, server, 10000, 1, 50, 9) },
		func() error { return bench.Fanout(os.Stdout, server, 10000, 50, 50, 9) },
		func() error { return bench.Channels(os.Stdout, server, 10000, 64, 200000, 9) },
		func() error { return bench.Idle(os.Stdout, server) },
		func() error { return bench.Calls(os.Stdout, server) },
	} {
		if err := run(); err != nil {
			return err
		}
	}
	return nil
}
