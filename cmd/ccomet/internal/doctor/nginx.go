package doctor

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CheckNginx checks a configuration of nginx.
func CheckNginx(c *NginxConfig, m *Machine, needed Demand) []Finding {
	list := []Finding{c.checkConnections(&needed), c.checkDescriptors(&needed)}
	routes := c.routes(needed.Fronts)
	if len(routes) == 0 {
		return append(list, Finding{
			Name: "nginx: the way to the server", Status: Bad, Have: "no proxy_pass of " + c.main + ", or of what it includes, leads to " + strings.Join(needed.Fronts, " or "),
			Why:   "the server listens on --front; a variable in proxy_pass is followed only if a table in http (map, split_clients) or a set defines it",
			Fixes: []fix{{File: "within a location of " + c.main, Lines: []string{"proxy_pass " + passTo(needed.Fronts[0]) + ";"}}},
		})
	}
	for _, r := range routes {
		for _, check := range routeChecks {
			if f := check(&r, &needed); f != nil {
				f.Name = fmt.Sprintf("nginx, %s (%s): %s", r.title(), r.place(), f.Name)
				for i := range f.Fixes {
					if f.Fixes[i].File == "" {
						f.Fixes[i].File = r.place() + ", within the " + r.name
					}
				}
				list = append(list, *f)
			}
		}
	}
	list = append(list, checkUpgrades(routes))
	return append(list, checkRoutePorts(routes, m, &needed)...)
}

// checkUpgrades checks that some location passes WebSockets on.
func checkUpgrades(routes []nginxRoute) Finding {
	f := Finding{Name: "nginx: WebSocket", Have: "no location passes Upgrade on",
		Why: "WebSockets are refused with 426, and clients fall back to event streams or polls, if they can"}
	for i := range routes {
		if r := &routes[i]; r.upgrades() {
			f.Have, f.Why = "the upgrade is passed on ("+r.place()+")", ""
			return f
		}
	}
	f.Status = Warn
	f.Fixes = []fix{{File: routes[0].place() + ", within a separate location for /ws with the same directives as this one",
		Lines: []string{"proxy_http_version 1.1;", "proxy_set_header Upgrade $http_upgrade;", "proxy_set_header Connection upgrade;", "proxy_set_header Host $http_host;"}}}
	return f
}

// upgrades reports whether a location passes WebSockets on.
func (r *nginxRoute) upgrades() bool {
	upgrade, connection := false, false
	for _, d := range r.inherited("proxy_set_header") {
		if len(d.args) == 2 {
			upgrade = upgrade || strings.EqualFold(d.args[0], "Upgrade")
			connection = connection || strings.EqualFold(d.args[0], "Connection") && d.args[1] != ""
		}
	}
	return upgrade && connection && r.value("proxy_http_version", "1.0") == "1.1"
}

// passTo returns the argument of proxy_pass for an address.
func passTo(address string) string {
	if strings.HasPrefix(address, "unix:") {
		return "http://" + address + ":/"
	}
	if strings.HasPrefix(address, ":") {
		address = "127.0.0.1" + address
	}
	return "http://" + address + "/"
}

// number returns a directive with one number, in a block at the top level, or at the top
// level itself.
func (c *NginxConfig) number(block, name string) (n int64, said bool) {
	d := &c.top
	if block != "" {
		if d = c.top.find(block); d == nil {
			return 0, false
		}
	}
	d = d.find(name)
	if d == nil || len(d.args) == 0 {
		return 0, false
	}
	n, err := strconv.ParseInt(d.args[0], 10, 64)
	return n, err == nil
}

// nginx's defaults. The number of descriptors is the usual limit of a service.
const nginxConnections, nginxWorkers, nginxDescriptors = 512, 1, 1024

// workers returns the number of nginx's worker processes.
func (c *NginxConfig) workers(needed *Demand) int64 {
	if n, said := c.number("", "worker_processes"); said && n > 0 {
		return n
	}
	if d := c.top.find("worker_processes"); d != nil && slices.Equal(d.args, []string{"auto"}) {
		return needed.Processors
	}
	return nginxWorkers
}

// each returns how many connections one worker must hold: two for each client, to the
// client and to the server, and a quarter more, because workers do not share evenly.
func (c *NginxConfig) each(needed *Demand) int64 {
	n := c.workers(needed)
	return (2*needed.Conns+n-1)/n*5/4 + spareDescriptors
}

func (c *NginxConfig) checkConnections(needed *Demand) Finding {
	have, said := c.number("events", "worker_connections")
	if !said {
		have = nginxConnections
	}
	want := c.each(needed)
	f := atLeast(have, want, Bad, "each client takes two connections of a worker, one to the client and one to the server; workers do not share evenly",
		[]fix{{File: c.main + ", within events", Lines: []string{fmt.Sprintf("worker_connections %d;", want)}}})
	f.Name, f.Have = "nginx: worker_connections", fmt.Sprintf("%s, %s workers", f.Have, grouped(c.workers(needed)))
	if have < want && have*c.workers(needed) >= 2*needed.Conns {
		f.Status = Warn
	}
	return *f
}

func (c *NginxConfig) checkDescriptors(needed *Demand) Finding {
	want := c.each(needed) + spareDescriptors
	have, said := c.number("", "worker_rlimit_nofile")
	if !said {
		have = nginxDescriptors
	}
	f := atLeast(have, want, Bad, "each of these connections takes a descriptor of the worker; no worker may have more than fs.nr_open",
		[]fix{{File: c.main + ", at the top", Lines: []string{fmt.Sprintf("worker_rlimit_nofile %d;", want)}}})
	f.Name = "nginx: worker_rlimit_nofile"
	if !said {
		f.Have = "not set: nginx uses the limit that it was started with, usually " + grouped(nginxDescriptors)
	}
	return *f
}

// routeChecks are the checks of each location that leads to the server.
var routeChecks = []func(*nginxRoute, *Demand) *Finding{checkReadTimeout, checkBuffering, checkUpstreamHTTP, checkUpstreamIdle, checkGzip}

// nginxReadTimeout is nginx's default.
const nginxReadTimeout = "60s"

func checkReadTimeout(r *nginxRoute, needed *Demand) *Finding {
	text := r.value("proxy_read_timeout", nginxReadTimeout)
	f := &Finding{Name: "proxy_read_timeout", Have: text, Want: "more than " + needed.Polling.String(),
		Why: "nginx cuts a connection that is silent for this time, and a connection may be silent for --polling-timeout"}
	have, understood := nginxTime(text)
	switch {
	case !understood:
		f.Status = Warn
	case have <= needed.Polling:
		f.Status = Bad
	case have < needed.Polling+5*time.Second:
		f.Status, f.Why = Warn, f.Why+", and somewhat longer when the machine is busy"
	}
	if f.Status != OK {
		f.Fixes = []fix{{Lines: []string{fmt.Sprintf("proxy_read_timeout %ds;", int64((2 * needed.Polling).Seconds()))}}}
	}
	return f
}

func checkBuffering(r *nginxRoute, _ *Demand) *Finding {
	f := &Finding{Name: "proxy_buffering", Have: "on, except for the server's X-Accel-Buffering: no",
		Why: "messages are delayed until a buffer is full"}
	if r.value("proxy_buffering", "on") == "off" {
		f.Have = "off"
		return f
	}
	for _, ignored := range r.inherited("proxy_ignore_headers") {
		if slices.ContainsFunc(ignored.args, func(name string) bool { return strings.EqualFold(name, "X-Accel-Buffering") }) {
			f.Status, f.Have = Bad, "on, and the server's X-Accel-Buffering: no is ignored ("+ignored.place()+")"
			f.Fixes = []fix{{Lines: []string{"proxy_buffering off;"}}}
		}
	}
	return f
}

func checkUpstreamHTTP(r *nginxRoute, _ *Demand) *Finding {
	version := r.value("proxy_http_version", "1.0")
	header := ""
	for _, d := range r.inherited("proxy_set_header") {
		if len(d.args) == 2 && strings.EqualFold(d.args[0], "Connection") {
			header = " and Connection " + strconv.Quote(d.args[1])
		}
	}
	if r.upgrades() {
		return nil // a WebSocket has a connection of its own
	}
	kept := r.upstream != nil && r.upstream.find("keepalive") != nil
	f := &Finding{Name: "connections to the server", Have: "HTTP/" + version + header}
	if version == "1.1" && header == ` and Connection ""` && kept {
		return f
	}
	if !kept {
		f.Have += ", no keepalive in an upstream"
	}
	f.Status = Warn
	f.Why = "nginx opens a new connection for each request: this works, but each poll takes two more descriptors, and a port for a minute"
	f.Fixes = []fix{{Lines: []string{"proxy_http_version 1.1;", `proxy_set_header Connection "";`}}}
	if !kept {
		f.Fixes = append(f.Fixes, fix{File: "within the upstream block that proxy_pass names", Lines: []string{"keepalive 64;", "keepalive_timeout 45s; # below --idle-timeout"}})
	}
	return f
}

// nginxUpstreamIdle is nginx's default for an idle connection to a server.
const nginxUpstreamIdle = "60s"

// checkUpstreamIdle checks that nginx closes idle connections before the server does. If
// the server closes one, a request may be on its way.
func checkUpstreamIdle(r *nginxRoute, needed *Demand) *Finding {
	if r.upstream == nil || r.upstream.find("keepalive") == nil {
		return nil
	}
	text, said := nginxUpstreamIdle, r.upstream.find("keepalive_timeout")
	if said != nil && len(said.args) > 0 {
		text = said.args[0]
	}
	f := &Finding{Name: "keepalive_timeout of the upstream", Have: text, Want: "less than " + needed.Idle.String(),
		Why: "the server closes a connection that is idle for --idle-timeout; a request that nginx sends at that moment is lost, and a publish is not retried"}
	if said == nil {
		f.Have += ", nginx's default"
	}
	have, understood := nginxTime(text)
	switch {
	case !understood:
		f.Status = Warn
	case have >= needed.Idle:
		f.Status = Bad
	}
	if f.Status != OK {
		f.Fixes = []fix{{File: "within the upstream block that proxy_pass names", Lines: []string{fmt.Sprintf("keepalive_timeout %ds;", max(int64((needed.Idle*3/5).Seconds()), 1))}}}
	}
	return f
}

func checkGzip(r *nginxRoute, _ *Demand) *Finding {
	f := &Finding{Name: "gzip", Have: r.value("gzip", "off")}
	if f.Have != "on" {
		return nil
	}
	f.Status, f.Why = Warn, "messages are too small to benefit, and it takes 256 KiB for each stream of a type in gzip_types (always of text/html)"
	f.Fixes = []fix{{Lines: []string{"gzip off;"}}}
	return f
}

// checkRoutePorts checks that nginx has enough local ports for the server's addresses.
func checkRoutePorts(routes []nginxRoute, m *Machine, needed *Demand) []Finding {
	servers := map[string]bool{}
	for _, r := range routes {
		for _, server := range r.servers {
			if strings.HasPrefix(server, "unix:") {
				return nil
			}
			servers[server] = true
		}
	}
	r, err := m.sysctl("net.ipv4.ip_local_port_range", 2)
	if err != nil {
		return nil
	}
	ports := (r[1] - r[0] + 1) * int64(len(servers))
	f := atLeast(ports, needed.Conns, Bad, fmt.Sprintf("each connection to the server takes a port, of which there are %s to each of the %d addresses that nginx knows; if nginx is on another machine, its ports count", grouped(r[1]-r[0]+1), len(servers)),
		[]fix{{File: "the upstream, and the server's --front", Lines: []string{"server unix:/run/ccomet/front.sock max_fails=0; # has no ports, or several of 127.0.0.1:8101 …"}}})
	f.Name = "nginx: ports to the server"
	return []Finding{*f}
}
