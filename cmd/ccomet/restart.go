package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/reactor"
)

// startable tries what a server may fail at when it starts, as far as that goes
// while another one has the addresses: each must be free, or taken.
func (c *serve) startable() error {
	return c.startableBeside(slices.Concat(c.Front, c.Admin, c.CComet))
}

// startableBeside is startable where it is known which addresses the other one has.
func (c *serve) startableBeside(taken []string) error {
	addresses := slices.Concat(c.Front, c.Admin, c.CComet)
	for i, address := range addresses {
		if slices.Contains(addresses[:i], address) && !strings.HasSuffix(address, ":0") {
			return fmt.Errorf("%s is set twice: want each address once", address)
		}
		if strings.HasPrefix(address, "fd:") {
			continue // the service manager's
		}
		ln, err := reactor.Listen(address, reactor.SocketOptions{Exclusive: true})
		if err == nil {
			ln.Close()
		} else if !errors.Is(err, unix.EADDRINUSE) || !slices.Contains(taken, address) {
			return err
		}
	}
	if !c.LogsToFile() {
		return nil
	}
	file, err := logging.OpenOutput(c.LogOutput)
	if err != nil {
		return fmt.Errorf("--log-output: %w", err)
	}
	return file.Close()
}
