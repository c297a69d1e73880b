package doctor

import "fmt"

// The checks of memory.

// bytes returns the memory of all connections, in the kernel and in the server.
func (d *Demand) bytes() int64 { return d.sockets()*socketBytes + d.Conns*serverBytes + spareBytes }

func checkMemory(m *Machine, d *Demand) (*Finding, error) {
	sizes, err := m.memory("MemAvailable")
	if err != nil {
		return nil, err
	}
	have, bounded := sizes[0], "available on the machine"
	if left, file := m.group(); left < have {
		have, bounded = left, "left by "+file
	}
	want := d.bytes()
	f := &Finding{
		Have: mebibytes(have) + " " + bounded, Want: mebibytes(want),
		Why: fmt.Sprintf("a connection takes %s bytes of the kernel, and up to %d of the server", grouped(d.sockets()/d.Conns*socketBytes), serverBytes),
	}
	switch {
	case have < want:
		f.Status = Bad
	case have < want+want/4:
		f.Status, f.Why = Warn, f.Why+"; messages in delivery and stored messages need memory in addition"
	}
	if f.Status != OK {
		f.Fixes = []fix{{File: "more memory, or fewer connections on this machine"}}
	}
	return f, nil
}

// A value of vm.overcommit_memory.
const overcommitNever = 2

func checkOvercommit(m *Machine, d *Demand) (*Finding, error) {
	const name = "vm.overcommit_memory"
	mode, err := m.sysctl(name, 1)
	if err != nil {
		return nil, err
	}
	f := &Finding{Have: grouped(mode[0]), Why: "with 2, the kernel commits memory only up to a limit; beyond it, connections are refused"}
	if mode[0] != overcommitNever {
		return f, nil
	}
	sizes, err := m.memory("CommitLimit", "Committed_AS")
	if err != nil {
		return nil, err
	}
	left, want := sizes[0]-sizes[1], d.Conns*serverBytes+spareBytes
	f.Have = fmt.Sprintf("%d, which leaves %s to promise", mode[0], mebibytes(left))
	f.Want = mebibytes(want)
	if left < want {
		f.Status, f.Fixes = Bad, sysctl(name, "0")
	}
	return f, nil
}

// The server maps memory in pieces of recordsMapped records, in the worst case one mapping
// each. A connection has records of recordsEach kinds.
const recordsMapped, recordsEach = 4096, 3

// spareMaps is the number of mappings of a Go program without connections.
const spareMaps = 1000

func checkMaps(m *Machine, d *Demand) (*Finding, error) {
	want := recordsEach*(d.Conns/recordsMapped+d.Processors) + spareMaps
	return m.knob("vm.max_map_count", want, Bad, "memory mappings that a process may have")
}

func checkSocketPages(m *Machine, d *Demand) (*Finding, error) {
	const name = "net.ipv4.tcp_mem"
	pages, err := m.sysctl(name, 3)
	if err != nil {
		return nil, err
	}
	want := d.sockets()
	f := atLeast(pages[1], want, Warn, "pages of all TCP buffers: a message to all fills one for each connection until its client has acknowledged it; beyond this limit the kernel shrinks buffers", nil)
	f.Have += " pages (" + mebibytes(pages[1]*m.Page) + ")"
	if f.Status == OK {
		return f, nil
	}
	f.Fixes = sysctl(name, fmt.Sprintf("%d %d %d", want*3/4, want, want*3/2))
	if pages[2] < want/4 {
		f.Status = Bad
		f.Why += fmt.Sprintf("; beyond %s, not a quarter of them, it cuts connections", grouped(pages[2]))
	}
	return f, nil
}

// Usual bounds of a socket buffer. With a smaller one a message arrives in many pieces.
// With a larger one a slow reader takes more memory than everything else of its connection.
const leastBuffer, mostBuffer = 4096, 1 << 20

func checkReceiveBuffers(m *Machine, _ *Demand) (*Finding, error) {
	return m.buffers("net.ipv4.tcp_rmem", "4096 131072 6291456")
}

func checkSendBuffers(m *Machine, _ *Demand) (*Finding, error) {
	return m.buffers("net.ipv4.tcp_wmem", "4096 16384 4194304")
}

// buffers returns the finding for the sizes of a socket buffer: minimum, default, maximum.
func (m *Machine) buffers(name, usual string) (*Finding, error) {
	sizes, err := m.sysctl(name, 3)
	if err != nil {
		return nil, err
	}
	f := &Finding{Have: fmt.Sprintf("%d %d %d", sizes[0], sizes[1], sizes[2])}
	switch {
	case sizes[1] < leastBuffer || sizes[2] < leastBuffer:
		f.Why = fmt.Sprintf("below %d bytes a message is sent in many pieces", leastBuffer)
	case sizes[0] > mostBuffer || sizes[1] > mostBuffer:
		f.Why = fmt.Sprintf("above %s bytes each slow reader may use as much", grouped(mostBuffer))
	default:
		return f, nil
	}
	f.Status, f.Want, f.Fixes = Warn, "some "+usual, sysctl(name, usual)
	return f, nil
}

func checkTracking(m *Machine, d *Demand) (*Finding, error) {
	const name = "net.netfilter.nf_conntrack_max"
	now, err := m.sysctl("net.netfilter.nf_conntrack_count", 1)
	if err != nil {
		return nil, err
	}
	tracked := d.Conns
	if list, all := d.overTCP(); d.ProxyHere && all && len(list) > 0 {
		tracked *= 2 // also to the server
	}
	return m.knob(name, now[0]+tracked, Bad, "connections that the firewall tracks, "+grouped(now[0])+" now; beyond it packets are dropped: raise it, or exclude the server's ports (notrack)")
}

func checkTrackingTime(m *Machine, d *Demand) (*Finding, error) {
	const name = "net.netfilter.nf_conntrack_tcp_timeout_established"
	return m.knob(name, 4*int64(d.Polling.Seconds()), Bad, "seconds after which the firewall forgets a silent connection; a connection may be silent for --polling-timeout")
}
