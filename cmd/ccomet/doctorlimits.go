package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// wish is what a machine is to hold.
type wish struct {
	conns      int64
	fronts     []string      // addresses of the server's, for clients
	polling    time.Duration // the longest a connection is silent
	idle       time.Duration // the longest one is kept between requests
	processors int64
	proxied    bool // something stands in front
	proxyHere  bool // on the same machine
	routed     bool // its configuration is looked at, too
}

// What one connection takes, in bytes: of the kernel, for a TCP socket that waits,
// with its file, inode, directory entry and epoll item; and of the server, for one
// with a channel of its own.
const (
	socketBytes = 3900
	serverBytes = 170
)

// What a process needs beside its connections.
const (
	spareDescriptors = 100
	spareBytes       = 64 << 20
)

// backlogs bound what is wanted of the kernel's queues.
const leastBacklog, mostBacklog = 1024, 65535

// sockets are those of all connections on this machine: a proxy here has two for
// each, to the client and to the server.
func (w *wish) sockets() int64 {
	if w.proxyHere {
		return 3 * w.conns
	}
	return w.conns
}

// overTCP are the server's TCP addresses, and whether all are.
func (w *wish) overTCP() (list []string, all bool) {
	for _, address := range w.fronts {
		if !strings.HasPrefix(address, "unix:") {
			list = append(list, address)
		}
	}
	return list, len(list) == len(w.fronts)
}

// checks are those of the machine, in the order they are told. Each returns
// nothing where there is nothing to say.
var checks = []struct {
	name  string
	check func(*machine, *wish) (*finding, error)
}{
	{"descriptors of the process", checkDescriptors},
	{"fs.nr_open", checkNrOpen},
	{"fs.file-max", checkFileMax},
	{"fs.epoll.max_user_watches", checkWatches},
	{"net.core.somaxconn", checkBacklog},
	{"net.ipv4.tcp_max_syn_backlog", checkHandshakes},
	{"net.ipv4.ip_local_port_range", checkPorts},
	{"memory", checkMemory},
	{"vm.overcommit_memory", checkOvercommit},
	{"vm.max_map_count", checkMaps},
	{"net.ipv4.tcp_mem", checkSocketPages},
	{"net.ipv4.tcp_rmem", checkReceiveBuffers},
	{"net.ipv4.tcp_wmem", checkSendBuffers},
	{"net.netfilter.nf_conntrack_max", checkTracking},
	{"net.netfilter.nf_conntrack_tcp_timeout_established", checkTrackingTime},
}

// checkMachine makes all checks of a machine.
func checkMachine(m *machine, w wish) []finding {
	var list []finding
	for _, c := range checks {
		f, err := c.check(m, &w)
		switch {
		case errors.Is(err, fs.ErrNotExist) && c.name != checks[0].name:
			continue // this kernel does not have it, or this container does not show it
		case err != nil:
			f = &finding{Status: statusWarn, Have: "cannot be told: " + err.Error()}
		case f == nil:
			continue
		}
		f.Name = c.name
		list = append(list, *f)
	}
	return list
}

// atLeast is the finding of a number that must not be below another.
func atLeast(have, want int64, otherwise status, why string, fixes []fix) *finding {
	f := &finding{Have: amount(have), Want: grouped(want), Why: why}
	if have < want {
		f.Status, f.Fixes = otherwise, fixes
	}
	return f
}

// amount is a number of a limit.
func amount(n int64) string {
	if n == unlimited {
		return "no limit"
	}
	return grouped(n)
}

// knob is the finding of a kernel setting of one number.
func (m *machine) knob(name string, want int64, otherwise status, why string) (*finding, error) {
	have, err := m.sysctl(name, 1)
	if err != nil {
		return nil, err
	}
	return atLeast(have[0], want, otherwise, why, sysctl(name, fmt.Sprint(want))), nil
}

func checkDescriptors(m *machine, w *wish) (*finding, error) {
	_, hard, err := m.descriptors()
	if err != nil {
		return nil, err
	}
	want := w.conns + spareDescriptors
	f := atLeast(hard, want, statusBad, "each connection takes one; without one it is refused with 503", []fix{
		{File: "/etc/systemd/system/ccomet.service.d/limits.conf", Lines: []string{"[Service]", fmt.Sprintf("LimitNOFILE=%d", want)}, Now: "systemctl daemon-reload && systemctl restart ccomet"},
		{File: "/etc/security/limits.d/60-ccomet.conf, where it is started from a login", Lines: []string{fmt.Sprintf("*  hard  nofile  %d", want)}, Now: fmt.Sprintf("ulimit -Hn %d, as root, before it is started", want)},
		{File: "a container", Lines: []string{fmt.Sprintf("docker run --ulimit nofile=%d:%d …", want, want)}},
	})
	f.Have += " (the hard limit; the server raises the soft one to it)"
	return f, nil
}

func checkNrOpen(m *machine, w *wish) (*finding, error) {
	return m.knob("fs.nr_open", w.conns+spareDescriptors, statusBad, "no process's limit of descriptors can be higher")
}

func checkFileMax(m *machine, w *wish) (*finding, error) {
	counts, err := m.sysctl("fs.file-nr", 3) // open, free, most
	if err != nil {
		return nil, err
	}
	want := counts[0] + w.sockets() + spareDescriptors
	f := atLeast(counts[2], want, statusBad, "open files of the whole machine, of which "+grouped(counts[0])+" are open", sysctl("fs.file-max", fmt.Sprint(want+want/10)))
	return f, nil
}

func checkWatches(m *machine, w *wish) (*finding, error) {
	return m.knob("fs.epoll.max_user_watches", w.conns+spareDescriptors, statusBad,
		"a descriptor that is watched for events takes one of its user's; without one a connection is refused with 503")
}

// rush is how many connections may arrive before a loop has its next turn, when
// all clients come back after a restart.
func (w *wish) rush() int64 { return min(max(w.conns/16, leastBacklog), mostBacklog) }

func checkBacklog(m *machine, w *wish) (*finding, error) {
	why := "connections that wait to be accepted when all clients come back at once; beyond it a client tries again after a second"
	if _, all := w.overTCP(); !all {
		why += ", and a proxy on a unix socket answers 502"
	}
	return m.knob("net.core.somaxconn", w.rush(), statusWarn, why)
}

func checkHandshakes(m *machine, w *wish) (*finding, error) {
	if list, _ := w.overTCP(); len(list) == 0 {
		return nil, nil
	}
	const name = "net.ipv4.tcp_max_syn_backlog"
	f, err := m.knob(name, w.rush(), statusWarn, "connections whose handshake is under way when all clients come back at once")
	if err != nil || f.Status == statusOK {
		return f, err
	}
	if cookies, err := m.sysctl("net.ipv4.tcp_syncookies", 1); err == nil && cookies[0] > 0 {
		f.Status, f.Have, f.Fixes = statusOK, f.Have+" (cookies step in beyond it)", nil
	}
	return f, nil
}

func checkPorts(m *machine, w *wish) (*finding, error) {
	list, all := w.overTCP()
	if !all || w.routed { // a unix socket has no ports; the configuration tells more
		return nil, nil
	}
	r, err := m.sysctl("net.ipv4.ip_local_port_range", 2)
	if err != nil {
		return nil, err
	}
	ports := r[1] - r[0] + 1
	addresses := int64(len(list))
	f := atLeast(ports*addresses, w.conns, statusBad, fmt.Sprintf("a proxy has %s ports to each address of the server's (--front), which has %d", grouped(ports), addresses), nil)
	if f.Status == statusOK {
		return f, nil
	}
	const most = 65535 - 1024 + 1
	f.Fixes = sysctl("net.ipv4.ip_local_port_range", "1024 65535")
	if need := (w.conns + most - 1) / most; need > addresses {
		f.Fixes = append(f.Fixes, fix{File: fmt.Sprintf("the server's settings: %d addresses, all of which the proxy must know (or a unix socket)", need), Lines: []string{frontLine(need)}})
	}
	if !w.proxied {
		f.Status, f.Why = statusWarn, f.Why+"; without a proxy it does not matter"
	} else if !w.proxyHere {
		f.Why += "; if it is on another machine, that one's ports count"
	}
	return f, nil
}

// frontLine is a setting of so many addresses.
func frontLine(n int64) string {
	const shown = 3
	var list []string
	for port := int64(8101); port <= 8100+min(n, shown); port++ {
		list = append(list, fmt.Sprintf("%q", fmt.Sprintf("127.0.0.1:%d", port)))
	}
	if n > shown {
		list = append(list, fmt.Sprintf("… to %q", fmt.Sprintf("127.0.0.1:%d", 8100+n)))
	}
	return "front = [" + strings.Join(list, ", ") + "]"
}
