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

// goOn upgrades the running server of a file to this program, with all connections. If that is
// not possible, it prints the reason and returns false.
func (c *serve) goOn(out io.Writer, file string) (done bool, err error) {
	if err := c.startable(); err != nil {
		return false, fmt.Errorf("not restarted: %w", err)
	}
	pid, stopping, err := daemon.ServesFor(c.Pidfile, file)
	if pid == 0 || stopping || err != nil {
		return false, nil // the caller's restart reports it
	}
	before, after, err := c.upgrade(pid)
	if errors.Is(err, upgrade.ErrUnderWay) {
		return false, fmt.Errorf("not restarted: %w", err)
	} else if err != nil {
		fmt.Fprintf(out, "warning: process %d cannot be upgraded to this program, so its clients are disconnected: %v\n", pid, err)
		return false, nil
	}
	fmt.Fprintf(out, "process %d continues: ", pid)
	return true, printOutcome(out, before, after)
}

// upgradePatience is how long a restart waits for an upgrade.
const upgradePatience = time.Minute

// upgrade upgrades a process, if the result is the same as that of a restart: this program with
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

// wouldBe returns an error if an upgrade would not result in the server that this command
// starts.
func (c *serve) wouldBe(s upgrade.Status) error {
	if same, err := sameFile(s.Program, "/proc/self/exe"); err != nil || !same {
		return errors.Join(err, fmt.Errorf("it runs another program file, %s", s.Program))
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

// ownVariables returns the variables of an environment that are settings, sorted.
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

// restart stops the running server of a file, if there is one, and starts this one in its
// place.
func (c *icomet) restart(out io.Writer, server *serve, file string) error {
	from, err := daemon.TakeSockets(server.Pidfile, file)
	if err != nil {
		fmt.Fprintf(out, "warning: the listening sockets of the running server cannot be taken over: %v\n", err)
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
