package main

import (
	"context"
	"os"
	"time"

	"ccomet/bench/pairs"
	"ccomet/bench/proc"
	"ccomet/bench/result"
)

type loopCmd struct {
	Pairs  []int  `default:"1000,2000,3000,4000,5000,6000,7000,8000,9000" placeholder:"N" help:"Socket pairs."`
	Active []int  `default:"100,1000" placeholder:"N" help:"Pairs that are active at a time."`
	Writes int    `default:"20000" placeholder:"N" help:"Writes in a run."`
	Rounds int    `default:"15" placeholder:"N" help:"Runs of each contestant at each size, in turn."`
	Loops  []int  `default:"1,2" placeholder:"N" help:"Numbers of loops of the reactor; each is measured."`
	Edge   bool   `help:"Use edge-triggered events in libevent, which is faster than what its own benchmark does."`
	JSON   string `placeholder:"FILE" help:"Save the result, for report."`
	Label  string `default:"reactor" placeholder:"TEXT" help:"The name in reports."`
}

func (c *loopCmd) Run(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	r := &result.Result{
		Schema: result.Schema, Kind: result.KindLoop, Label: c.Label, Command: typed(),
		Started: time.Now().UTC().Truncate(time.Second), Machine: proc.ThisMachine(),
	}
	began := time.Now()
	r.Loop, err = pairs.Run(ctx, os.Stdout, pairs.Config{
		Pairs: c.Pairs, Active: c.Active, Writes: c.Writes, Rounds: c.Rounds, Loops: c.Loops, Level: !c.Edge,
		Contestant: []string{self, "pairs"},
	})
	if r.Loop == nil {
		return err
	}
	r.Seconds, r.Interrupted = time.Since(began).Seconds(), ctx.Err() != nil
	return save(c.JSON, r, err)
}

// pairsCmd runs the reactor's process of loop.
type pairsCmd struct {
	Loops, Pairs, Active, Writes int `arg:""`
}

func (c *pairsCmd) Run() error {
	return pairs.RunContestant(os.Stdin, os.Stdout, c.Loops, c.Pairs, c.Active, c.Writes)
}
