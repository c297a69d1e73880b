package systemd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// firstSocket is the file descriptor of the first socket that a service manager passes.
const firstSocket = 3

// HeldSockets returns the sockets of LISTEN_FDS as addresses, by their names in
// LISTEN_FDNAMES. It removes the variables from the environment.
func HeldSockets() (map[string][]string, error) {
	pid, _ := take("LISTEN_PID")
	count, _ := take("LISTEN_FDS")
	names, _ := take("LISTEN_FDNAMES")
	if count == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // there are none, or they are for a parent process
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return nil, fmt.Errorf("LISTEN_FDS is %q: want a number of sockets", count)
	}
	list := strings.Split(names, ":")
	if n > 0 && len(list) != n {
		return nil, fmt.Errorf("LISTEN_FDNAMES is %q: want as many names as there are sockets, %d", names, n)
	}
	sockets := map[string][]string{}
	for i := range n {
		sockets[list[i]] = append(sockets[list[i]], fmt.Sprintf("fd:%d", firstSocket+i))
	}
	return sockets, nil
}
