package doctor

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// roomy is a machine with enough of everything for 100,000 connections.
var roomy = map[string]string{
	"proc/self/limits":   "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \n",
	"proc/self/cgroup":   "0::/system.slice/ccomet.service\n",
	"proc/meminfo":       "MemTotal: 8000000 kB\nMemAvailable:    4000000 kB\nCommitLimit:     4000000 kB\nCommitted_AS:     100000 kB\n",
	"fs.nr_open":         "1048576",
	"fs.file-nr":         "1500 0 9223372036854775807",
	"net.core.somaxconn": "8192",
	"net.ipv4.tcp_mem":   "200000 400000 600000",

	"fs.epoll.max_user_watches":    "800000",
	"net.ipv4.tcp_max_syn_backlog": "8192",
	"net.ipv4.tcp_syncookies":      "1",
	"net.ipv4.ip_local_port_range": "1024\t65535",
	"net.ipv4.tcp_rmem":            "4096 131072 6291456",
	"net.ipv4.tcp_wmem":            "4096 16384 4194304",
	"vm.overcommit_memory":         "0",
	"vm.max_map_count":             "65530",
}

// with returns a machine that differs from the roomy one: pairs of a kernel setting or a file,
// and its content; "" if it is missing.
func with(differs ...string) *Machine {
	texts := maps.Clone(roomy)
	for i := 0; i < len(differs); i += 2 {
		texts[differs[i]] = differs[i+1]
	}
	files := fstest.MapFS{}
	for name, text := range texts {
		if !strings.Contains(name, "/") {
			name = "proc/sys/" + strings.ReplaceAll(name, ".", "/")
		}
		if text != "" {
			files[name] = &fstest.MapFile{Data: []byte(text + "\n")}
		}
	}
	return &Machine{Files: files, Page: 4096}
}

// group returns the files of a control group's memory.
func group(path, max, current string) []string {
	return []string{"sys/fs/cgroup/" + path + "memory.max", max, "sys/fs/cgroup/" + path + "memory.current", current}
}

// TestDoctorMachines: the findings on machines that lack exactly one thing.
func TestDoctorMachines(t *testing.T) {
	tcp := Demand{Conns: 100_000, Fronts: []string{"127.0.0.1:8101", "127.0.0.1:8102"}, Polling: 30 * time.Second, Processors: 4, Proxied: true}
	local, alone, here := tcp, tcp, tcp
	local.Fronts = []string{"unix:/run/ccomet.sock"}
	alone.Proxied, here.ProxyHere = false, true
	const conntrack, timeout, wmem = "net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_tcp_timeout_established", "net.ipv4.tcp_wmem"
	for _, c := range []struct {
		name    string
		wish    Demand
		differs []string
		found   string // the end of the bad finding's name; "" for none
		status  Status
		says    []string // texts in that finding
	}{
		{"roomy", tcp, nil, "", OK, nil},
		{"little is shown", tcp, []string{"fs.nr_open", "", "fs.file-nr", "", "vm.max_map_count", "", "net.core.somaxconn", ""}, "", OK, nil},
		{"no limit", tcp, []string{"proc/self/limits", "Max open files  unlimited  unlimited  files"}, "", OK, nil},
		{"few descriptors", tcp, []string{"proc/self/limits", "Max open files  1024  65536  files"}, "descriptors of the process", Bad, []string{"65,536", "100,100", "LimitNOFILE=100100", "limits.d"}},
		{"no descriptors told", tcp, []string{"proc/self/limits", "Max cpu time  unlimited  unlimited  seconds"}, "descriptors of the process", Warn, []string{"Max open files"}},
		{"small nr_open", tcp, []string{"fs.nr_open", "65536"}, "fs.nr_open", Bad, []string{"fs.nr_open = 100100", "sysctl -w fs.nr_open=100100", sysctlFile}},
		{"many open files", tcp, []string{"fs.file-nr", "40000 0 140000"}, "fs.file-max", Bad, []string{"140,100", "fs.file-max = 154110"}},
		{"a proxy's files", here, []string{"fs.file-nr", "0 0 300000"}, "fs.file-max", Bad, []string{"300,100"}},
		{"few watches", tcp, []string{"fs.epoll.max_user_watches", "100000"}, "fs.epoll.max_user_watches", Bad, []string{"100100"}},
		{"old backlog", tcp, []string{"net.core.somaxconn", "128"}, "net.core.somaxconn", Warn, []string{"net.core.somaxconn = 6250"}},
		{"old backlog of a unix socket", local, []string{"net.core.somaxconn", "128"}, "net.core.somaxconn", Warn, []string{"502"}},
		{"few handshakes, cookies", tcp, []string{"net.ipv4.tcp_max_syn_backlog", "128"}, "", OK, nil},
		{"few handshakes", tcp, []string{"net.ipv4.tcp_max_syn_backlog", "128", "net.ipv4.tcp_syncookies", "0"}, "net.ipv4.tcp_max_syn_backlog", Warn, []string{"6250"}},
		{"few handshakes, unix socket", local, []string{"net.ipv4.tcp_max_syn_backlog", "128", "net.ipv4.tcp_syncookies", "0"}, "", OK, nil},
		{"usual ports", tcp, []string{"net.ipv4.ip_local_port_range", "32768\t60999"}, "net.ipv4.ip_local_port_range", Bad, []string{"56,464", "28,232", "1024 65535"}},
		{"usual ports, no proxy", alone, []string{"net.ipv4.ip_local_port_range", "32768\t60999"}, "net.ipv4.ip_local_port_range", Warn, []string{"without a proxy"}},
		{"usual ports, unix socket", local, []string{"net.ipv4.ip_local_port_range", "32768\t60999"}, "", OK, nil},
		{"little memory", tcp, []string{"proc/meminfo", "MemAvailable: 300000 kB"}, "memory", Bad, []string{"293 MiB", "453 MiB", "3,900 bytes"}},
		{"memory, just", tcp, []string{"proc/meminfo", "MemAvailable: 500000 kB"}, "memory", Warn, []string{"489 MiB"}},
		{"a proxy's memory", here, []string{"proc/meminfo", "MemAvailable: 1000000 kB"}, "memory", Bad, []string{"11,700 bytes"}},
		{"a group's memory", tcp, group("system.slice/ccomet.service/", "268435456", "100000000"), "memory", Bad, []string{"/sys/fs/cgroup/system.slice/ccomet.service/memory.max", "161 MiB"}},
		{"a group's memory, above", tcp, group("system.slice/", "268435456", "0"), "memory", Bad, []string{"/sys/fs/cgroup/system.slice/memory.max"}},
		{"a container's memory", tcp, group("", "268435456", "0"), "memory", Bad, []string{"/sys/fs/cgroup/memory.max"}},
		{"no bound of a group's", tcp, group("system.slice/ccomet.service/", "max", "100000000"), "", OK, nil},
		{"an old group's memory", tcp, []string{"proc/self/cgroup", "4:memory:/a", "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "268435456", "sys/fs/cgroup/memory/a/memory.usage_in_bytes", "1"}, "memory", Bad, []string{"memory.limit_in_bytes"}},
		{"an old group without a bound", tcp, []string{"proc/self/cgroup", "4:memory:/a", "sys/fs/cgroup/memory/a/memory.limit_in_bytes", "9223372036854771712"}, "", OK, nil},
		{"no promises, roomy", tcp, []string{"vm.overcommit_memory", "2"}, "", OK, nil},
		{"no promises", tcp, []string{"vm.overcommit_memory", "2", "proc/meminfo", "MemAvailable: 4000000 kB\nCommitLimit: 1000000 kB\nCommitted_AS: 990000 kB"}, "vm.overcommit_memory", Bad, []string{"10 MiB", "vm.overcommit_memory = 0"}},
		{"few maps", tcp, []string{"vm.max_map_count", "1024"}, "vm.max_map_count", Bad, []string{"1,084"}},
		{"few pages", tcp, []string{"net.ipv4.tcp_mem", "30000 60000 90000"}, "net.ipv4.tcp_mem", Warn, []string{"60,000 pages (235 MiB)", "75000 100000 150000"}},
		{"very few pages", tcp, []string{"net.ipv4.tcp_mem", "3000 6000 9000"}, "net.ipv4.tcp_mem", Bad, []string{"cuts connections"}},
		{"tiny buffers", tcp, []string{"net.ipv4.tcp_rmem", "1024 2048 2048"}, "net.ipv4.tcp_rmem", Warn, []string{"many pieces"}},
		{"huge buffers", tcp, []string{wmem, "4096 16777216 16777216"}, wmem, Warn, []string{"slow reader", "4096 16384 4194304"}},
		{"tracked", tcp, []string{conntrack, "262144", "net.netfilter.nf_conntrack_count", "1000", timeout, "432000"}, "", OK, nil},
		{"tracked, too many", tcp, []string{conntrack, "65536", "net.netfilter.nf_conntrack_count", "1000"}, conntrack, Bad, []string{"101,000", "notrack"}},
		{"tracked twice", here, []string{conntrack, "150000", "net.netfilter.nf_conntrack_count", "1000"}, conntrack, Bad, []string{"201,000"}},
		{"tracked, briefly", tcp, []string{conntrack, "262144", "net.netfilter.nf_conntrack_count", "1000", timeout, "60"}, timeout, Bad, []string{"120"}},
		{"not numbers", tcp, []string{"vm.max_map_count", "many"}, "vm.max_map_count", Warn, []string{"cannot be determined", "many"}},
		{"too few numbers", tcp, []string{"net.ipv4.tcp_mem", "1 2"}, "net.ipv4.tcp_mem", Warn, []string{"want 3 numbers"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			onlyFound(t, CheckMachine(with(c.differs...), c.wish), func(name string) bool { return name == c.found }, c.found, c.status, c.says)
		})
	}
}

// onlyFound expects exactly one bad finding, with this name, status and text; "": none.
func onlyFound(t *testing.T, findings []Finding, named func(string) bool, name string, status Status, says []string) {
	t.Helper()
	found := false
	for _, f := range findings {
		if f.Status == OK {
			continue
		}
		text := (&Diagnosis{Checks: []Finding{f}}).Text()
		if name == "" || !named(f.Name) || f.Status != status {
			t.Errorf("found: %s", text)
			continue
		}
		found = true
		for _, want := range says {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in %s", want, text)
			}
		}
	}
	if !found && name != "" {
		t.Errorf("%s is not found", name)
	}
}

// TestDoctorFollowed: after all the doctor's fixes, a machine that was too small for a million
// connections is OK.
func TestDoctorFollowed(t *testing.T) {
	w := Demand{Conns: 1_000_000, Fronts: []string{"127.0.0.1:8101"}, Polling: 30 * time.Second, Processors: 4, Proxied: true}
	small := []string{
		"net.netfilter.nf_conntrack_count", "10", "net.netfilter.nf_conntrack_max", "65536", "vm.max_map_count", "1000", "proc/meminfo", "MemAvailable: 8000000 kB",
		"fs.nr_open", "1000", "net.core.somaxconn", "128", "net.ipv4.tcp_syncookies", "0", "net.ipv4.ip_local_port_range", "32768 60999",
	}
	for _, f := range CheckMachine(with(small...), w) {
		for _, x := range f.Fixes {
			for _, line := range x.Lines {
				name, value, isSetting := strings.Cut(line, " = ")
				switch {
				case x.File == sysctlFile && name == "fs.file-max":
					small = append(small, "fs.file-nr", "10 0 "+value)
				case x.File == sysctlFile:
					small = append(small, name, value)
				case strings.HasPrefix(line, "LimitNOFILE="):
					small = append(small, "proc/self/limits", "Max open files  1024  "+strings.TrimPrefix(line, "LimitNOFILE=")+"  files")
				case isSetting && name == "front":
					w.Fronts = nil
					for port := range 16 { // abbreviated in the fix
						w.Fronts = append(w.Fronts, fmt.Sprintf("127.0.0.1:%d", 8101+port))
					}
				}
			}
		}
	}
	for _, f := range CheckMachine(with(small...), w) {
		if f.Status != OK {
			t.Errorf("%+v", f)
		}
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", -1000: "-1,000", -100: "-100", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
}
