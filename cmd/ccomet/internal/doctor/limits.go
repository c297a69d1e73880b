package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
)

// Demand describes what a machine must hold.
type Demand struct {
	Conns      int64
	Fronts     []string      // the server's addresses for clients
	Polling    time.Duration // the longest time a connection is silent
	Idle       time.Duration // the longest time a connection is idle between requests
	Processors int64
	Proxied    bool // there is a proxy in front of the server
	ProxyHere  bool // the proxy is on the same machine
	Routed     bool // the proxy's configuration is checked too
}

// The memory of one connection, in bytes: in the kernel, for a waiting TCP socket with its
// file, inode, directory entry and epoll item; and in the server, for a subscriber with a
// channel of its own.
const (
	socketBytes = 3900
	serverBytes = 170
)

// What a process needs in addition to its connections.
const (
	spareDescriptors = 100
	spareBytes       = 64 << 20
)

// The wanted length of the kernel's accept queue is within these bounds.
const leastBacklog, mostBacklog = 1024, 65535

// sockets returns the number of sockets on this machine. A proxy here has two for each
// connection: one to the client and one to the server.
func (d *Demand) sockets() int64 {
	if d.ProxyHere {
		return 3 * d.Conns
	}
	return d.Conns
}

// overTCP returns the server's TCP addresses, and whether it has no others.
func (d *Demand) overTCP() (list []string, all bool) {
	for _, address := range d.Fronts {
		if !strings.HasPrefix(address, "unix:") {
			list = append(list, address)
		}
	}
	return list, len(list) == len(d.Fronts)
}

// checks are the checks of the machine, in the order of the output. A check returns nil if
// it does not apply.
var checks = []struct {
	name  string
	check func(*Machine, *Demand) (*Finding, error)
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

// CheckMachine runs all checks of a machine.
func CheckMachine(m *Machine, d Demand) []Finding {
	var list []Finding
	for _, c := range checks {
		f, err := c.check(m, &d)
		switch {
		case errors.Is(err, fs.ErrNotExist) && c.name != checks[0].name:
			continue // this kernel does not have the setting, or this container does not show it
		case err != nil:
			f = &Finding{Status: Warn, Have: "cannot be determined: " + err.Error()}
		case f == nil:
			continue
		}
		f.Name = c.name
		list = append(list, *f)
	}
	return list
}

// atLeast returns the finding for a number with a lower bound.
func atLeast(have, want int64, otherwise Status, why string, fixes []fix) *Finding {
	f := &Finding{Have: amount(have), Want: grouped(want), Why: why}
	if have < want {
		f.Status, f.Fixes = otherwise, fixes
	}
	return f
}

// amount formats a limit.
func amount(n int64) string {
	if n == unlimited {
		return "no limit"
	}
	return grouped(n)
}

// knob returns the finding for a kernel setting with a lower bound.
func (m *Machine) knob(name string, want int64, otherwise Status, why string) (*Finding, error) {
	have, err := m.sysctl(name, 1)
	if err != nil {
		return nil, err
	}
	return atLeast(have[0], want, otherwise, why, sysctl(name, fmt.Sprint(want))), nil
}

func checkDescriptors(m *Machine, d *Demand) (*Finding, error) {
	_, hard, err := m.descriptors()
	if err != nil {
		return nil, err
	}
	want := d.Conns + spareDescriptors
	f := atLeast(hard, want, Bad, "each connection takes one; without one it is refused with 503", []fix{
		{File: "/etc/systemd/system/ccomet.service.d/limits.conf", Lines: []string{"[Service]", fmt.Sprintf("LimitNOFILE=%d", want)}, Now: "systemctl daemon-reload && systemctl restart ccomet"},
		{File: "/etc/security/limits.d/60-ccomet.conf, where it is started from a login", Lines: []string{fmt.Sprintf("*  hard  nofile  %d", want)}, Now: fmt.Sprintf("ulimit -Hn %d, as root, before it is started", want)},
		{File: "a container", Lines: []string{fmt.Sprintf("docker run --ulimit nofile=%d:%d …", want, want)}},
	})
	f.Have += " (the hard limit; the server raises the soft one to it)"
	return f, nil
}

func checkNrOpen(m *Machine, d *Demand) (*Finding, error) {
	return m.knob("fs.nr_open", d.Conns+spareDescriptors, Bad, "the descriptor limit of a process cannot be higher")
}

func checkFileMax(m *Machine, d *Demand) (*Finding, error) {
	counts, err := m.sysctl("fs.file-nr", 3) // open, free, maximum
	if err != nil {
		return nil, err
	}
	want := counts[0] + d.sockets() + spareDescriptors
	f := atLeast(counts[2], want, Bad, "open files of the whole machine, of which "+grouped(counts[0])+" are open", sysctl("fs.file-max", fmt.Sprint(want+want/10)))
	return f, nil
}

func checkWatches(m *Machine, d *Demand) (*Finding, error) {
	return m.knob("fs.epoll.max_user_watches", d.Conns+spareDescriptors, Bad,
		"each watched descriptor counts against its user's limit; beyond it, connections are refused with 503")
}

// rush returns how many connections may arrive within one turn of a loop, when all clients
// reconnect after a restart.
func (d *Demand) rush() int64 { return min(max(d.Conns/16, leastBacklog), mostBacklog) }

func checkBacklog(m *Machine, d *Demand) (*Finding, error) {
	why := "connections that wait to be accepted when all clients reconnect at once; beyond it a client retries after a second"
	if _, all := d.overTCP(); !all {
		why += ", and a proxy on a unix socket answers 502"
	}
	return m.knob("net.core.somaxconn", d.rush(), Warn, why)
}

func checkHandshakes(m *Machine, d *Demand) (*Finding, error) {
	if list, _ := d.overTCP(); len(list) == 0 {
		return nil, nil
	}
	const name = "net.ipv4.tcp_max_syn_backlog"
	f, err := m.knob(name, d.rush(), Warn, "connections in the TCP handshake when all clients reconnect at once")
	if err != nil || f.Status == OK {
		return f, err
	}
	if cookies, err := m.sysctl("net.ipv4.tcp_syncookies", 1); err == nil && cookies[0] > 0 {
		f.Status, f.Have, f.Fixes = OK, f.Have+" (SYN cookies are used beyond it)", nil
	}
	return f, nil
}

func checkPorts(m *Machine, d *Demand) (*Finding, error) {
	list, all := d.overTCP()
	if !all || d.Routed { // a unix socket has no ports; a check of the configuration is more precise
		return nil, nil
	}
	r, err := m.sysctl("net.ipv4.ip_local_port_range", 2)
	if err != nil {
		return nil, err
	}
	ports := r[1] - r[0] + 1
	addresses := int64(len(list))
	f := atLeast(ports*addresses, d.Conns, Bad, fmt.Sprintf("a proxy has %s ports to each address of the server's (--front), which has %d", grouped(ports), addresses), nil)
	if f.Status == OK {
		return f, nil
	}
	const most = 65535 - 1024 + 1
	f.Fixes = sysctl("net.ipv4.ip_local_port_range", "1024 65535")
	if need := (d.Conns + most - 1) / most; need > addresses {
		f.Fixes = append(f.Fixes, fix{File: fmt.Sprintf("the server's settings: %d addresses, all of which the proxy must know (or a unix socket)", need), Lines: []string{frontLine(need)}})
	}
	if !d.Proxied {
		f.Status, f.Why = Warn, f.Why+"; without a proxy it does not matter"
	} else if !d.ProxyHere {
		f.Why += "; if the proxy is on another machine, its ports count"
	}
	return f, nil
}

// frontLine returns a setting of n addresses.
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
