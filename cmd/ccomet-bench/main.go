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
	Hold     holdCmd     `cmd:"" help:"Memory of waiting connections, which are opened in steps; with --churn, while some disconnect and reconnect."`
	Fanout   fanoutCmd   `cmd:"" help:"Messages to many subscribers of one channel: latency and processor time of a delivery, compared with a bare loop of write calls."`
	Channels channelsCmd `cmd:"" help:"Publishes to many channels with one subscriber each: rate, latency and processor time, compared with a bare program."`
	Batches  batchesCmd  `cmd:"" help:"Publishes of many messages with one request: processor time of a message, compared with as many pipelined requests."`
	Echo     echoCmd     `cmd:"" help:"Clients that publish on WebSockets and receive their own messages: processor time of a round trip, compared with a bare echo server."`
	Latency  latencyCmd  `cmd:"" help:"Publishes at a steady rate to channels with one subscriber each: time to receipt and to the answer, compared with a bare program."`
	Compare  compareCmd  `cmd:"" help:"Compares this server, others and a bare program, which take turns in one run: publishes, long polls, streams, connects and idle memory; medians and ratios."`
	Cluster  clusterCmd  `cmd:"" help:"Compares clusters of servers that share channels over Redis, which take turns: processor time, latency, the memory of Redis, reconnecting clients."`
	Storm    stormCmd    `cmd:"" help:"All connections are cut and reconnect at once: how long that takes, and how it affects other clients."`
	Upgrade  upgradeCmd  `cmd:"" help:"Upgrades a server again and again while clients of all transports wait: how long they receive nothing, lost messages, and memory; only for ccomet."`
	Siege    siegeCmd    `cmd:"" help:"Hostile clients: the three attacks of slowhttptest, and a flood against each limit; how other clients are affected, and memory; only for ccomet."`
	Soak     soakCmd     `cmd:"" help:"Everything that may happen to a server, at random, with every message verified: clients that vanish and stall, floods, upgrades, stops, crashes."`
	Loop     loopCmd     `cmd:"" help:"The benchmark of libevent: socket pairs of which some are active, with the reactor and with libevent."`
	Report   reportCmd   `cmd:"" help:"Turns saved results into an HTML page, SVG plots and Markdown tables, side by side."`
	Idle     idleCmd     `cmd:"" help:"Processor time of heartbeats, compared with a bare program."`
	Calls    callsCmd    `cmd:"" help:"System calls of a delivery and of a poll, counted by strace; only for ccomet."`

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
