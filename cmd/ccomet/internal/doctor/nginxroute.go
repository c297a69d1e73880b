package doctor

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/settings"
)

// find returns the first directive of a name in the block, or nil.
func (d *nginxDirective) find(name string) *nginxDirective {
	for _, inner := range d.block {
		if inner.name == name {
			return inner
		}
	}
	return nil
}

// all returns the directives of a name in the block.
func (d *nginxDirective) all(name string) (list []*nginxDirective) {
	for _, inner := range d.block {
		if inner.name == name {
			list = append(list, inner)
		}
	}
	return list
}

// inherited returns the directives of a name that apply in a block: its own, or those of
// the nearest enclosing block that has any.
func (d *nginxDirective) inherited(name string) []*nginxDirective {
	for ; d != nil; d = d.parent {
		if list := d.all(name); len(list) > 0 {
			return list
		}
	}
	return nil
}

// value returns the first argument of the inherited directive, or a default.
func (d *nginxDirective) value(name, otherwise string) string {
	for _, found := range d.inherited(name) {
		if len(found.args) > 0 {
			return found.args[0]
		}
	}
	return otherwise
}

// title returns the directive with its arguments.
func (d *nginxDirective) title() string {
	return strings.Join(append([]string{d.name}, d.args...), " ")
}

// nginxTime parses a time span: "60", "60s", "1m30s", "1h 30m", "500ms".
func nginxTime(text string) (time.Duration, bool) {
	units := []struct {
		name string
		unit time.Duration
	}{ // a unit comes before its prefixes
		{"ms", time.Millisecond}, {"y", 365 * 24 * time.Hour}, {"M", 30 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour},
		{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"", time.Second},
	}
	var total time.Duration
	for rest := strings.TrimSpace(text); rest != ""; rest = strings.TrimSpace(rest) {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil {
			return 0, false
		}
		rest = rest[digits:]
		for _, u := range units {
			if after, found := strings.CutPrefix(rest, u.name); found {
				rest, total = after, total+time.Duration(n)*u.unit
				break
			}
		}
	}
	return total, text != ""
}

// nginxRoute is a location with a proxy_pass.
type nginxRoute struct {
	*nginxDirective                 // the location
	servers         []string        // the targets: "HOST:PORT" or "unix:/PATH"
	upstream        *nginxDirective // nil: proxy_pass names no upstream group
}

// routes returns the locations that lead to a server's addresses.
func (c *NginxConfig) routes(fronts []string) (list []nginxRoute) {
	http := c.top.find("http")
	if http == nil {
		return nil
	}
	var walk func(d *nginxDirective)
	walk = func(d *nginxDirective) {
		for _, inner := range d.block {
			walk(inner)
		}
		pass := d.find("proxy_pass")
		if pass == nil || len(pass.args) == 0 {
			return
		}
		for _, target := range targets(d, http, pass.args[0]) {
			r := routeTo(d, http, target)
			if slices.ContainsFunc(r.servers, func(server string) bool { return leadsTo(server, fronts) }) {
				list = append(list, r)
				break
			}
		}
	}
	walk(http)
	return list
}

// targets returns the possible values of a proxy_pass with one variable, from the table
// (split_clients, map, geo) or the set that defines it. A target without a variable, or
// with an undefined one, is returned unchanged.
func targets(location, http *nginxDirective, target string) (list []string) {
	begin := strings.IndexByte(target, '$')
	if begin < 0 {
		return []string{target}
	}
	name := strings.TrimPrefix(target[begin+1:], "{")
	name = name[:len(name)-len(strings.TrimLeft(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"))]
	end := begin + 1 + len(name)
	if strings.HasPrefix(target[begin+1:], "{") {
		end = min(end+len("{}"), len(target))
	}
	add := func(value string) {
		if whole := target[:begin] + value + target[end:]; !slices.Contains(list, whole) {
			list = append(list, whole)
		}
	}
	for _, kind := range []string{"split_clients", "map", "geo"} {
		for _, table := range http.all(kind) {
			if len(table.args) == 0 || table.args[len(table.args)-1] != "$"+name {
				continue
			}
			for _, row := range table.block {
				if len(row.args) == 1 {
					add(row.args[0])
				}
			}
		}
	}
	for _, set := range location.inherited("set") {
		if len(set.args) == 2 && set.args[0] == "$"+name {
			add(set.args[1])
		}
	}
	if len(list) == 0 {
		add(target[begin:end])
	}
	return list
}

// routeTo returns the route of a proxy_pass.
func routeTo(location, http *nginxDirective, target string) nginxRoute {
	r := nginxRoute{nginxDirective: location}
	scheme, rest, found := strings.Cut(target, "://")
	if !found {
		return r
	}
	host, _, _ := strings.Cut(rest, "/")
	if strings.HasPrefix(rest, "unix:") {
		socket, _, _ := strings.Cut(strings.TrimPrefix(rest, "unix:"), ":")
		host = "unix:" + socket
	}
	for _, up := range http.all("upstream") {
		if len(up.args) > 0 && up.args[0] == host {
			r.upstream = up
			for _, server := range up.all("server") {
				if len(server.args) > 0 {
					r.servers = append(r.servers, withPort(server.args[0], "80"))
				}
			}
			return r
		}
	}
	r.servers = []string{withPort(host, map[string]string{"https": "443"}[scheme])}
	return r
}

// withPort adds the usual port, or 80, to an address without one.
func withPort(host, usual string) string {
	if strings.HasPrefix(host, "unix:") || strings.HasPrefix(host, "$") {
		return host
	}
	if _, _, err := net.SplitHostPort(host); err == nil {
		return host
	}
	if usual == "" {
		usual = "80"
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), usual)
}

// leadsTo reports whether an address is one that a server listens on.
func leadsTo(server string, fronts []string) bool {
	for _, front := range fronts {
		if server == front {
			return true
		}
		ap, err := settings.ParseTCP(front)
		host, port, err2 := net.SplitHostPort(server)
		if err != nil || err2 != nil || port != strconv.Itoa(int(ap.Port())) {
			continue
		}
		if host == "localhost" {
			host = "127.0.0.1"
		}
		addr, err := netip.ParseAddr(host)
		if ap.Addr().IsUnspecified() || err == nil && addr == ap.Addr() {
			return true
		}
	}
	return false
}
