package systemd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// firstSocket is the descriptor of the first socket that a service manager passes.
const firstSocket = 3

// HeldSockets are the sockets of the environment's LISTEN_FDS, by the names of
// LISTEN_FDNAMES, as addresses. The environment is emptied of them.
func HeldSockets() (map[string][]string, error) {
	pid, _ := take("LISTEN_PID")
	count, _ := take("LISTEN_FDS")
	names, _ := take("LISTEN_FDNAMES")
	if count == "" || pid != strconv.Itoa(os.Getpid()) {
		return nil, nil // none, or for a process that this one descends from
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
