package main

import (
	"context"
	"os"

	"ccomet/bench"
)

type clusterCmd struct {
	Others     []string `arg:"" optional:"" name:"target" help:"Servers to compare with: targets that say how several of them use one Redis, such as nchan."`
	Target     string   `default:"ccomet" placeholder:"NAME|FILE" help:"The server to compare them with."`
	Transport  string   `placeholder:"NAME" help:"The transport of the clients. Default: the target's."`
	Rounds     int      `default:"6" placeholder:"N" help:"Rounds, in which all take turns."`
	Publishes  int      `default:"20000" placeholder:"N" help:"Publishes in a round, pipelined."`
	Publishers int      `default:"8" placeholder:"N" help:"Connections that publish."`
	Depth      int      `default:"16" placeholder:"N" help:"Publishes that each may have under way."`
	Rate       float64  `default:"500" placeholder:"N" help:"Publishes a second while latency is measured."`
	Paced      int      `default:"1000" placeholder:"N" help:"Publishes in a round of that."`
	Return     int      `default:"18000" placeholder:"N" help:"Clients with a channel each that reconnect at once after their node was ended; 0 leaves this out."`
	Conns      int      `default:"1000" placeholder:"N" help:"Channels of one subscriber each."`
	Size       int      `default:"64" placeholder:"BYTES" help:"Bytes of a message's content."`
	PerClient  int      `default:"18000" placeholder:"N" help:"Connections of a client process."`
	JSON       string   `placeholder:"FILE" help:"Save the result, for report."`
}

func (c *clusterCmd) Run(ctx context.Context) error {
	o, err := contestant(c.Target)
	if err != nil {
		return err
	}
	o.Transport, o.Connections, o.Size, o.PerClient = c.Transport, c.Conns, c.Size, max(1, c.PerClient)
	o.Command, o.Out = typed(), os.Stdout
	config := bench.ClusterConfig{
		Rounds: c.Rounds, Publishes: c.Publishes, Publishers: c.Publishers, Depth: c.Depth, Rate: c.Rate, Paced: c.Paced, Return: c.Return,
	}
	for _, name := range c.Others {
		other, err := contestant(name)
		if err != nil {
			return err
		}
		config.Others = append(config.Others, other)
	}
	r, err := o.Cluster(ctx, config)
	return save(c.JSON, r, err)
}
