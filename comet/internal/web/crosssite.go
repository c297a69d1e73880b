package web

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/peer"
	"ccomet/httplite"
	"ccomet/reactor"
)

// A web page must not publish. Any page that a user has open in a browser can make the browser
// send requests to every host that the user's machine reaches, by an image URL, a form or a
// script. Two things reveal such a request:
//
//   - The browser names the page's site: in Sec-Fetch-Site, if it considers the connection
//     trustworthy (as it does for 127.0.0.1), else in Origin with most requests.
//   - A page may make its own host name resolve to this server (DNS rebinding). To the browser,
//     its requests are then same-site. But the Host field has the page's host name.
//
// A client that is not a browser sends neither Sec-Fetch-Site nor Origin, and its Host is an
// address, localhost or a configured name.

// Hosts is a set of host names. The zero value is empty.
type Hosts struct {
	any   bool
	exact map[string]bool
	below []string // ".example.com"
}

// ParseHosts parses a list of host names. Each item may hold several, separated by commas:
// "comet.internal"; "*.example.com" for all names below a domain; "*" for every name.
func ParseHosts(list []string) (h Hosts, err error) {
	var errs []error
	for _, texts := range list {
		for text := range strings.SplitSeq(texts, ",") {
			text = strings.ToLower(strings.TrimSpace(text))
			name, wild := strings.CutPrefix(text, "*.")
			switch {
			case text == "":
			case text == "*":
				h.any = true
			case name == "" || name[0] == '.' || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "":
				errs = append(errs, fmt.Errorf("%q: want a host's name without a port, *.example.com, or *", text))
			case wild:
				h.below = append(h.below, "."+name)
			default:
				if h.exact == nil {
					h.exact = map[string]bool{}
				}
				h.exact[name] = true
			}
		}
	}
	return h, errors.Join(errs...)
}

// has reports whether a Host field is in the set, or is an IP address, localhost or empty.
func (h *Hosts) has(field []byte) bool {
	name := strings.ToLower(string(hostName(field)))
	if h.any || name == "" || name == "localhost" || strings.HasSuffix(name, ".localhost") || h.exact[name] {
		return true
	}
	for _, domain := range h.below {
		if strings.HasSuffix(name, domain) {
			return true
		}
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// hostName returns a Host field without its port, and without the brackets of an IPv6 address.
func hostName(field []byte) []byte {
	if len(field) > 0 && field[0] == '[' {
		name, _, _ := bytes.Cut(field[1:], []byte("]"))
		return name
	}
	name, _, _ := bytes.Cut(field, []byte(":"))
	return name
}

// pageGuard recognises requests that a browser makes for a page that is not permitted to make
// them.
type pageGuard struct {
	site     *Site
	loop     *reactor.Loop
	goodHost string // the last accepted Host
}

// concerns reports whether a request needs the check: every request on the admin side, and
// those on the front side whose path is in Config.Public.
func (g *pageGuard) concerns(x *exchange) bool {
	_, public := g.site.cfg.Public[string(x.req.Path())]
	return x.side == conn.Admin || public && x.side == conn.Front
}

// refuses reports whether a request must be refused, and appends the reason to dst.
func (g *pageGuard) refuses(dst []byte, x *exchange) (reason []byte, refused bool) {
	switch {
	case g.foreignPage(x):
		return appendForeignPage(dst, x, "send this request"), true
	case x.side == conn.Admin && g.foreignHost(x):
		dst = append(append(dst, "the host name "...), hostName(x.req.Host())...)
		return append(dst, " is not accepted: admin-host lists the accepted host names; an address and localhost always are\n"...), true
	}
	return dst, false
}

// appendForeignPage appends the reason why a page of another site is refused; what names the
// forbidden action.
func appendForeignPage(dst []byte, x *exchange, what string) []byte {
	dst = append(append(dst, "a page of another site may not "...), what...)
	if origin := pageOf(x.req); len(origin) > 0 {
		dst = append(append(append(dst, " (its origin is "...), origin...), ')')
	}
	return append(append(append(dst, ": "...), originSetting(x.side)...), " lists the permitted origins\n"...)
}

// foreignHost reports whether the Host field is not a name of this server. On a unix socket
// every name is accepted, because browsers do not connect there.
func (g *pageGuard) foreignHost(x *exchange) bool {
	host := x.req.Host()
	if string(host) == g.goodHost {
		return false
	}
	if g.site.adminHosts.has(host) {
		g.goodHost = string(host) // most following requests have the same Host
		return false
	}
	remote, err := g.loop.Peer(x.conn)
	return err != nil || remote.Addr().IsValid()
}

// foreignPage reports whether a browser makes a request for a page that is neither of this
// server's own origin nor of a permitted one. "*" among the permitted origins counts on the
// admin side only: on the front side it permits reading, not what Config.Public exposes.
func (g *pageGuard) foreignPage(x *exchange) bool {
	site, origin := x.req.Header("Sec-Fetch-Site"), x.req.Header("Origin")
	switch string(site) {
	case "same-origin", "none": // none: the user has entered the address
		return false
	case "":
		if len(origin) == 0 || isOriginOf(origin, x.req.Host()) {
			return false
		}
	}
	origins := &g.site.cors[x.side].Origins
	return !origins.Names(pageOf(x.req)) && !(x.side == conn.Admin && origins.Any)
}

// refusePage refuses a request that a browser makes for a page that is not permitted to make
// it. It returns whether it has answered.
func (w *Web) refusePage(x *exchange) bool {
	var refused bool
	if w.Body, refused = w.pages.refuses(w.Body[:0], x); !refused {
		return false
	}
	if x.side == conn.Admin && w.cfg.Compat.PagesMayPublish {
		if w.site.pageWarned.CompareAndSwap(false, true) {
			w.cfg.Log.Warn().Str("reason", string(bytes.TrimSpace(w.Body))).Msg("the admin side serves a request that a page of another site may have sent, as compat = icomet permits; compat = none refuses such requests")
		}
		return false
	}
	w.failed(x, 403)
	return true
}

// pageOf returns the origin of the page that a request is for, from Origin or else Referer.
func pageOf(req *httplite.Request) []byte {
	if origin := req.Header("Origin"); len(origin) > 0 {
		return origin
	}
	return peer.OriginIn(req.Header("Referer"))
}

// isOriginOf reports whether an origin has the given host, with any scheme.
func isOriginOf(origin, host []byte) bool {
	_, authority, found := bytes.Cut(origin, []byte("://"))
	return found && bytes.EqualFold(authority, host)
}
