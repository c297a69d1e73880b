package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/upgrade"
)

// goOn has the server of a file that runs go on in this program, with every connection. Where
// that cannot be it says why, and that it is not done.
func (c *serve) goOn(out io.Writer, file string) (done bool, err error) {
	if err := c.startable(); err != nil {
		return false, fmt.Errorf("not restarted: %w", err)
	}
	pid, stopping, err := daemon.ServesFor(c.Pidfile, file)
	if pid == 0 || stopping || err != nil {
		return false, nil // what follows tells
	}
	before, after, err := c.upgrade(pid)
	if errors.Is(err, upgrade.ErrUnderWay) {
		return false, fmt.Errorf("not restarted: %w", err)
	} else if err != nil {
		fmt.Fprintf(out, "warning: process %d cannot go on in this program, so that its clients are disconnected: %v\n", pid, err)
		return false, nil
	}
	fmt.Fprintf(out, "process %d goes on: ", pid)
	return true, tellOutcome(out, before, after)
}

// upgradePatience is how long a restart waits for the outcome of an upgrade.
const upgradePatience = time.Minute

// upgrade upgrades a process, if that comes to what a restart comes to: this program, with
// this file and this environment.
func (c *serve) upgrade(pid int) (before, after upgrade.Status, err error) {
	before, err = upgrade.Ask(pid)
	if err == nil {
		err = c.wouldBe(before)
	}
	if err != nil {
		return before, after, err
	}
	return upgrade.Upgrade(func() (upgrade.Status, error) { return upgrade.Ask(pid) }, upgradePatience)
}

// wouldBe is an error if a server would not be upgraded to what this command starts.
func (c *serve) wouldBe(s upgrade.Status) error {
	if same, err := sameFile(s.Program, "/proc/self/exe"); err != nil || !same {
		return errors.Join(err, fmt.Errorf("it was started from another file, %s", s.Program))
	}
	if same, err := sameFile(s.Config, c.Config); err != nil || !same {
		return errors.Join(err, fmt.Errorf("it has another configuration file, %q", s.Config))
	}
	its, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", s.PID))
	if err != nil {
		return err
	}
	if !slices.Equal(ownVariables(strings.Split(string(its), "\x00")), ownVariables(os.Environ())) {
		return fmt.Errorf("it has other %s_ variables in its environment", envPrefix)
	}
	return nil
}

func sameFile(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second), err
}

// ownVariables are those of an environment that are settings, in order.
func ownVariables(environment []string) (list []string) {
	for _, v := range environment {
		name, value, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, envPrefix+"_") && value != "" && name != daemon.ReadyVariable && name != upgrade.RoleVariable {
			list = append(list, v)
		}
	}
	slices.Sort(list)
	return list
}

// restart takes the place of the server of a file, if one runs.
func (c *icomet) restart(out io.Writer, server *serve, file string) error {
	from, err := daemon.TakeSockets(server.Pidfile, file)
	if err != nil {
		fmt.Fprintf(out, "warning: the sockets of the server that runs are not taken over: %v\n", err)
	}
	pid, err := daemon.StopServer(server.Pidfile, file)
	from.Close()
	if err != nil {
		return err
	}
	if pid != 0 {
		fmt.Fprintf(out, "process %d has ended\n", pid)
	}
	server.sockets = from.Sockets
	return server.Run(out)
}
