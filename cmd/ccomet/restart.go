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

// startable checks what can fail when a server starts, as far as possible while another server
// has the addresses: each address must be free or in use.
func (c *serve) startable() error {
	return c.startableBeside(slices.Concat(c.Front, c.Admin, c.CComet))
}

// startableBeside is startable with the addresses that the other server uses.
func (c *serve) startableBeside(taken []string) error {
	addresses := slices.Concat(c.Front, c.Admin, c.CComet)
	for i, address := range addresses {
		if slices.Contains(addresses[:i], address) && !strings.HasSuffix(address, ":0") {
			return fmt.Errorf("%s is set twice: want each address once", address)
		}
		if strings.HasPrefix(address, "fd:") {
			continue // opened by the service manager
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
