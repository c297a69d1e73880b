package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// serial is a serial port that passes on all bytes unchanged.
type serial struct{ fd int }

// openSerial opens a serial port by its path in /dev.
func openSerial(path string) (serial, error) {
	// Without O_NONBLOCK, opening would wait for a carrier signal that never
	// comes.
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return serial{}, fmt.Errorf("opening %s: %w", path, err)
	}
	mode := unix.Termios{Cflag: unix.CS8 | unix.CLOCAL | unix.B115200}
	if err = errors.Join(unix.SetNonblock(fd, false), unix.IoctlSetTermios(fd, unix.TCSETS, &mode)); err != nil {
		return serial{}, fmt.Errorf("opening %s: %w", path, err)
	}
	return serial{fd}, nil
}

// Write returns when all bytes have left the port: then they are safe if the
// machine dies.
func (s serial) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		n, err := unix.Write(s.fd, p[written:])
		if err != nil && err != unix.EINTR {
			return written, fmt.Errorf("writing to a serial port: %w", err)
		}
		written += max(n, 0)
	}
	return len(p), s.drain()
}

func (s serial) drain() error {
	for {
		switch err := unix.IoctlSetInt(s.fd, unix.TCSBRK, 1); err {
		case nil:
			return nil
		case unix.EINTR:
		default:
			return fmt.Errorf("draining a serial port: %w", err)
		}
	}
}

// openConsole makes the console the output of this process and of the commands,
// and /dev/null their input.
func openConsole() error {
	console, err := openSerial("/dev/console")
	if err != nil {
		return err
	}
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening /dev/null: %w", err)
	}
	return errors.Join(unix.Dup3(null, 0, 0), unix.Dup3(console.fd, 1, 0), unix.Dup3(console.fd, 2, 0))
}
