// Command ccomet-bench measures comet servers: this one and others.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"ccomet/bench"
)

type cli struct {
	Hold     holdCmd     `cmd:"" help:"Memory of waiting connections: opened in steps, a row a step; with --churn, while some leave and come back."`
	Fanout   fanoutCmd   `cmd:"" help:"Messages to many subscribers of one channel: latency, and processor time a delivery, beside a bare loop of write calls."`
	Channels channelsCmd `cmd:"" help:"Publishes over many channels of one subscriber: rate, latency, and processor time, beside a bare program."`
	Batches  batchesCmd  `cmd:"" help:"Publishes of many messages with one request, beside as many pipelined requests: processor time a message."`
	Echo     echoCmd     `cmd:"" help:"Clients that publish on WebSockets and hear it back, beside a bare echo server: processor time a round."`
	Latency  latencyCmd  `cmd:"" help:"Publishes at a steady rate to channels of one subscriber: how long until it is there, and until its publisher is answered, beside a bare program."`
	Compare  compareCmd  `cmd:"" help:"This server, others and a bare program in one run, in turn: publishes, long polls, streams, connects and idle memory; medians and ratios."`
	Cluster  clusterCmd  `cmd:"" help:"Several servers that share channels over one Redis, this one and others in turn: processor time, latency, Redis' memory, clients that come back."`
	Storm    stormCmd    `cmd:"" help:"All connections are cut and come back at once: how long that takes, and what it does to others."`
	Upgrade  upgradeCmd  `cmd:"" help:"The server goes on in another program, again and again, while clients of all transports wait: their silences, what is lost, and memory; of ccomet alone."`
	Siege    siegeCmd    `cmd:"" help:"Hostile clients: slowhttptest's three ways, and floods against each ceiling; what others notice, and memory; of ccomet alone."`
	Soak     soakCmd     `cmd:"" help:"Everything that may happen to a server, at random, with every message verified: clients that vanish and stall, floods, upgrades, stops, crashes."`
	Loop     loopCmd     `cmd:"" help:"libevent's classic: socket pairs of which some are active, for the reactor and for libevent."`
	Report   reportCmd   `cmd:"" help:"Makes saved results an HTML page, SVG plots and Markdown tables, side by side."`
	Idle     idleCmd     `cmd:"" help:"Processor time of heartbeats, beside a bare program's."`
	Calls    callsCmd    `cmd:"" help:"System calls of a delivery and of a poll, counted by strace; of ccomet alone."`

	Client    clientCmd    `cmd:"" hidden:""`
	Publisher publisherCmd `cmd:"" hidden:""`
	Echoer    echoerCmd    `cmd:"" hidden:""`
	Bare      bareCmd      `cmd:"" hidden:""`
	Pairs     pairsCmd     `cmd:"" hidden:""`
}

// Processes of the harness.
type (
	clientCmd    struct{}
	publisherCmd struct{}
	echoerCmd    struct{}
	bareCmd      struct {
		Words []string `arg:"" optional:""`
	}
)

func (clientCmd) Run() error    { return bench.RunClient() }
func (publisherCmd) Run() error { return bench.RunPublisher() }
func (echoerCmd) Run() error    { return bench.RunEchoer() }
func (c bareCmd) Run() error    { return bench.RunBare(c.Words) }

func main() {
	var c cli
	parsed := kong.Parse(&c, kong.Name("ccomet-bench"), kong.UsageOnError(), vars, kong.ValueFormatter(describe),
		kong.Description("Measures comet servers on this machine, with real connections, and verifies every message."))
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	parsed.BindTo(ctx, (*context.Context)(nil))
	err := bench.RaiseDescriptors()
	if err == nil {
		err = parsed.Run()
	}
	switch {
	case err == nil:
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(os.Stderr, "ccomet-bench: ended before its time; what is above is what there was")
		os.Exit(130)
	default:
		fmt.Fprintln(os.Stderr, "ccomet-bench:", strings.TrimSpace(err.Error()))
		os.Exit(1)
	}
}
