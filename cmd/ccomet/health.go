package main

import (
	"fmt"
	"io"
	"time"

	"ccomet/cmd/ccomet/internal/adminclient"
	"ccomet/cmd/ccomet/internal/settings"
)

// health asks a server whether it serves. It is for machines without another HTTP client, such
// as a container with this program alone.
type health struct {
	Ready bool     `help:"Ask whether messages pass between all its loops (/readyz), instead of whether it is alive (/healthz)."`
	Admin []string `placeholder:"ADDR" default:"127.0.0.1:8000" help:"Where its admin side is, as for serve; of several, the first is asked."`
}

// Help is the text of --help beside the flags.
func (*health) Help() string { return "The exit status is 0 if it is, and 1 if not." }

// healthTimeout is the time limit for the answer.
const healthTimeout = 2 * time.Second

func (c *health) Run(out io.Writer) error {
	settings.TrimList(c.Admin)
	if err := settings.CheckAddress(c.Admin[0]); err != nil {
		return settingsError{fmt.Errorf("--admin is %w", err)}
	}
	a := adminclient.New(c.Admin[0])
	a.Client.Timeout = healthTimeout
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	text, err := a.Get(path, nil)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, text)
	return err
}
