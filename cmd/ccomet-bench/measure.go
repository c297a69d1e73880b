package main

import (
	"context"
	"math/rand/v2"
	"os"
	"time"

	"ccomet/bench"
	"ccomet/bench/target"
)

type holdCmd struct {
	common
	Channels string        `default:"shared" enum:"shared,own" help:"shared: one channel for all connections; own: one for each connection."`
	Each     int           `name:"channels-each" default:"1" placeholder:"N" help:"Channels of a connection. With more than one, connections with one channel are measured first, and the cost of a further channel is printed."`
	Steps    int           `default:"10" placeholder:"N" help:"Steps in which the connections are opened."`
	Idle     time.Duration `default:"1s" placeholder:"TIME" help:"How long idle processor time is measured at each step; 0 does not measure it."`
	Churn    float64       `default:"0" placeholder:"SHARE" help:"The part of the connections that disconnect and reconnect each second afterwards; 0.05 is 5 %."`
	For      time.Duration `default:"10m" placeholder:"TIME" help:"How long they do that."`
	Every    time.Duration `default:"10s" placeholder:"TIME" help:"How often memory is measured meanwhile."`
}

func (c *holdCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	o.Own = c.Channels == "own"
	return c.save(o.Hold(ctx, bench.HoldConfig{Steps: c.Steps, Several: c.Each, Idle: c.Idle, Churn: c.Churn, For: c.For, Every: c.Every}))
}

type fanoutCmd struct {
	common
	Messages int `default:"50" placeholder:"N" help:"Messages in a round."`
	Burst    int `default:"1" placeholder:"N" help:"Messages published at once."`
	Rounds   int `default:"9" placeholder:"N" help:"Rounds of the server and of the bare loop, in turn."`
	Stuck    int `default:"0" placeholder:"N" help:"Instead, alternate rounds without and with N clients that do not read; 0 does not."`
}

func (c *fanoutCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	if c.Stuck > 0 {
		return c.save(o.Stuck(ctx, bench.StuckConfig{Readers: c.Stuck, Messages: c.Messages, Rounds: c.Rounds}))
	}
	return c.save(o.Fanout(ctx, bench.FanoutConfig{Messages: c.Messages, Burst: c.Burst, Rounds: c.Rounds}))
}

type channelsCmd struct {
	common
	Publishers int `default:"64" placeholder:"N" help:"Connections that publish, one request at a time each."`
	Publishes  int `default:"200000" placeholder:"N" help:"Publishes in a round: a multiple of the connections."`
	Rounds     int `default:"9" placeholder:"N" help:"Rounds of the server and of the bare program, in turn."`
}

func (c *channelsCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return c.save(o.Channels(ctx, bench.ChannelsConfig{Publishers: c.Publishers, Publishes: c.Publishes, Rounds: c.Rounds}))
}

type latencyCmd struct {
	common
	Rate       float64 `default:"1000" placeholder:"N" help:"Publishes a second, on a fixed schedule; 0 publishes as soon as the last one is answered."`
	Publishes  int     `default:"2000" placeholder:"N" help:"Publishes in a round."`
	Publishers int     `default:"1" placeholder:"N" help:"Connections that publish."`
	Depth      int     `default:"1" placeholder:"N" help:"Publishes that each may have under way, if the server accepts pipelined requests."`
	Rounds     int     `default:"9" placeholder:"N" help:"Rounds of the server and of the bare program, in turn."`
}

func (c *latencyCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return c.save(o.Latency(ctx, bench.LatencyConfig{Rate: c.Rate, Publishes: c.Publishes, Publishers: c.Publishers, Depth: c.Depth, Rounds: c.Rounds}))
}

type batchesCmd struct {
	common
	Batch     int `default:"1000" placeholder:"N" help:"Messages in a request, and the number of channels."`
	Publishes int `default:"200000" placeholder:"N" help:"Publishes in a round: a multiple of the batch."`
	Rounds    int `default:"9" placeholder:"N" help:"Rounds of batches and of single requests, in turn."`
}

func (c *batchesCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return o.Batches(ctx, bench.BatchesConfig{Batch: c.Batch, Publishes: c.Publishes, Rounds: c.Rounds})
}

type echoCmd struct {
	common
	InFlight int `default:"64" placeholder:"N" help:"Publishes that are under way at a time, of all clients together."`
	Publish  int `default:"100000" placeholder:"N" help:"Publishes in a round."`
	Rounds   int `default:"9" placeholder:"N" help:"Rounds of the server and of the bare program, in turn."`
}

func (c *echoCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return o.Echo(ctx, bench.EchoConfig{InFlight: c.InFlight, Publish: c.Publish, Rounds: c.Rounds})
}

type stormCmd struct {
	common
	Quiet      time.Duration `default:"5s" placeholder:"TIME" help:"How long latency is measured before the storm."`
	Probe      time.Duration `default:"20ms" placeholder:"TIME" help:"Time between messages to 50 subscribers that stay connected."`
	Every      time.Duration `default:"200ms" placeholder:"TIME" help:"Time between messages to the subscribers that are cut."`
	AcceptRate int           `default:"0" placeholder:"N" help:"Compare with a second storm, on a server with this --accept-rate."`
}

func (c *stormCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return c.save(o.Storm(ctx, bench.StormConfig{Quiet: c.Quiet, Probe: c.Probe, Storm: c.Every, AcceptRate: c.AcceptRate}))
}

type upgradeCmd struct {
	common
	Upgrades   int           `default:"20" placeholder:"N" help:"Upgrades, one after the other."`
	Beside     string        `placeholder:"FILE" help:"Another version of the server's program, which takes turns with the first."`
	Publishers int           `default:"200" placeholder:"N" help:"Connections that publish, each to a channel of its own. Clients share these channels."`
	Rate       float64       `default:"400" placeholder:"N" help:"Messages published a second by all publishers together."`
	Window     time.Duration `default:"1500ms" placeholder:"TIME" help:"How long clients are observed before and after each upgrade."`
	Churn      int           `default:"20" placeholder:"N" help:"Connections a second that disconnect and reconnect meanwhile."`
	Idle       int           `default:"0" placeholder:"N" help:"Further connections that wait on streams, receive nothing meanwhile, and must all receive a message in the end."`
	Channels   string        `default:"shared" enum:"shared,own" help:"Channels of the idle connections. shared: one for all; own: one for each."`
	History    int           `default:"0" placeholder:"N" help:"Messages that each channel of the idle connections has before."`
}

func (c *upgradeCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	o.Own, o.PerClient = c.Channels == "own", max(1, c.PerClient)
	return c.save(o.Upgrade(ctx, bench.UpgradeConfig{
		Upgrades: c.Upgrades, Publishers: c.Publishers, Rate: c.Rate, Window: c.Window, Churn: c.Churn, Beside: c.Beside,
		Idle: c.Idle, History: c.History,
	}))
}

type siegeCmd struct {
	common
	Each   time.Duration `default:"6s" placeholder:"TIME" help:"How long each attack lasts, and the quiet time before it; whole seconds."`
	Probe  time.Duration `default:"20ms" placeholder:"TIME" help:"Time between messages to 50 connected subscribers, and between new connections."`
	Rate   int           `default:"4000" placeholder:"N" help:"Connections that slowhttptest opens in a second, up to --conns, which is the server's --max-connections."`
	Rounds int           `default:"3" placeholder:"N" help:"Rounds of each attack, with a quiet time before each."`
}

func (c *siegeCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return c.save(o.Siege(ctx, bench.SiegeConfig{Each: c.Each, Probe: c.Probe, Rate: c.Rate, Rounds: c.Rounds}))
}

type idleCmd struct {
	common
	For time.Duration `default:"60s" placeholder:"TIME" help:"For how long."`
}

func (c *idleCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return o.Idle(ctx, c.For)
}

type callsCmd struct {
	common
	Messages int `default:"20" placeholder:"N" help:"Messages to all subscribers."`
	Cycles   int `default:"1000" placeholder:"N" help:"Cycles of poll, message and poll again."`
}

func (c *callsCmd) Run(ctx context.Context) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	return o.Calls(ctx, c.Messages, c.Cycles)
}

type soakCmd struct {
	For   time.Duration `default:"5m" placeholder:"TIME" help:"For how long."`
	Cycle time.Duration `default:"30s" placeholder:"TIME" help:"How long things happen until all is calm, and judged."`
	Seed  uint64        `placeholder:"N" help:"What happens follows from it, though not to the millisecond. Default: another each time."`
	Conns int           `default:"3000" placeholder:"N" help:"Connections at the most: two thirds of them wait, the rest attack."`
	Rate  float64       `default:"40" placeholder:"N" help:"Messages published a second, beside bursts."`
	Spawn string        `placeholder:"COMMAND" help:"Start the server with this and the soak's own flags; {front} and {admin} are filled in."`
	Loud  bool          `help:"Tell each thing that happens."`
	JSON  string        `placeholder:"FILE" help:"Save the result."`

	Cluster bool `help:"Three nodes over a Redis with a replica and Sentinels, which are killed and failed over at random. Of --conns a tenth are clients."`
}

func (c *soakCmd) Run(ctx context.Context) error {
	t, err := target.Load("ccomet")
	if err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = uint64(rand.Uint32())
	}
	o := &bench.Options{Target: t, Spawn: c.Spawn, Connections: c.Conns, Size: bench.MinSize, PerClient: c.Conns, Command: typed(), Out: os.Stdout}
	if c.Cluster {
		o.Connections = max(10, c.Conns/10)
		r, err := o.SoakCluster(ctx, bench.SoakConfig{For: c.For, Cycle: c.Cycle, Seed: c.Seed, Rate: c.Rate, Loud: c.Loud})
		return save(c.JSON, r, err)
	}
	r, err := o.Soak(ctx, bench.SoakConfig{For: c.For, Cycle: c.Cycle, Seed: c.Seed, Rate: c.Rate, Loud: c.Loud})
	return save(c.JSON, r, err)
}
