// Command init is process 1 of the virtual machine that bench/vm/run boots. It
// prepares the machine for a million connections, runs the commands of the file
// /commands in order, sends the files that they left in /results over the
// second serial port, and powers off. It writes errors to the console, and
// powers off after them too.
package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "init: this is process 1 of a virtual machine, and powers it off: use bench/vm/run")
		os.Exit(2)
	}
	if err := work(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
	}
	if err := (serial{1}).drain(); err != nil {
		fmt.Fprintln(os.Stderr, "init:", err)
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Fprintln(os.Stderr, "init: powering off:", err)
	}
}

// work does everything between boot and power-off. The exit status of a command
// is no error here: it is sent with the results.
func work() error {
	if err := mountAll(); err != nil {
		return err
	}
	if err := openConsole(); err != nil {
		return err
	}
	memory, err := totalMemory()
	if err != nil {
		return err
	}
	if err = errors.Join(applySettings(settings(memory)), raiseDescriptors(), loopbackUp()); err != nil {
		return err
	}
	fmt.Println("init:", facts(memory))

	if err = errors.Join(os.Setenv("PATH", "/bin"), os.Setenv("HOME", "/tmp")); err != nil {
		return err
	}
	text, err := os.ReadFile("/commands")
	if err != nil {
		return err
	}
	commands, err := parseCommands(text)
	if err != nil {
		return err
	}
	port, err := openSerial("/dev/ttyS1")
	if err != nil {
		return err
	}
	return runAll(commands, newResults(port, "/results"))
}

// runAll runs every command, also after one has failed. It sends results after
// each, so that they are not lost if the machine dies later.
func runAll(commands []command, r *results) error {
	outcomes := make([]outcome, len(commands))
	for i, c := range commands {
		outcomes[i] = outcome{c, "unfinished"}
	}
	if err := r.send(outcomes); err != nil {
		return err
	}
	for i, c := range commands {
		fmt.Println("init: running", c)
		status, err := c.runAlone()
		if err != nil {
			return err
		}
		outcomes[i].status = fmt.Sprint(status)
		if err := r.send(outcomes); err != nil {
			return err
		}
	}
	return nil
}
