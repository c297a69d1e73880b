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

// A web page must not publish: any page that a browser on some machine has open can
// have it send requests to whatever that machine reaches, with an image's address, a
// form or a script. Two things give such a request away:
//
//   - The browser says for whose page it asks: Sec-Fetch-Site, where it trusts the
//     way to the server (as it does to 127.0.0.1), or else Origin, with most requests.
//   - A page whose own name was made to lead here (DNS rebinding) asks for its own
//     site, as far as the browser knows. But its name is in the request: Host.
//
// A client that is no browser sends none of the first, and asks by an address, by localhost
// or by a name that the settings have.

// Hosts are names of hosts. The zero value has none.
type Hosts struct {
	any   bool
	exact map[string]bool
	below []string // ".example.com"
}

// ParseHosts reads a list of names, each a text or several with commas between them:
// "comet.internal"; "*.example.com" for all below a domain; "*" for every name.
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

// has says whether a Host field has one of the names, an address, localhost or nothing.
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

// hostName is a Host field without its port, and without an IPv6 address's brackets.
func hostName(field []byte) []byte {
	if len(field) > 0 && field[0] == '[' {
		name, _, _ := bytes.Cut(field[1:], []byte("]"))
		return name
	}
	name, _, _ := bytes.Cut(field, []byte(":"))
	return name
}

// pageGuard tells which requests a browser makes for a page that may not make them.
type pageGuard struct {
	site     *Site
	loop     *reactor.Loop
	goodHost string // the last Host that was found to be this server's
}

// concerns says whether a request asks what not every page may ask: anything of the admin
// side, also where Config.Public has it on the front side.
func (g *pageGuard) concerns(x *exchange) bool {
	_, public := g.site.cfg.Public[string(x.req.Path())]
	return x.side == conn.Admin || public && x.side == conn.Front
}

// refuses says whether a request must not be served, and appends the line that says why.
func (g *pageGuard) refuses(dst []byte, x *exchange) (reason []byte, refused bool) {
	switch {
	case g.foreignPage(x):
		return appendForeignPage(dst, x, "ask this"), true
	case x.side == conn.Admin && g.foreignHost(x):
		dst = append(append(dst, "the name "...), hostName(x.req.Host())...)
		return append(dst, " is not known here: admin-host names those that are, an address and localhost always are\n"...), true
	}
	return dst, false
}

// appendForeignPage appends the line that tells a page of another site that it may not do
// something.
func appendForeignPage(dst []byte, x *exchange, what string) []byte {
	dst = append(append(dst, "a page of another site may not "...), what...)
	if origin := pageOf(x.req); len(origin) > 0 {
		dst = append(append(append(dst, " (it is of "...), origin...), ')')
	}
	return append(append(append(dst, ": "...), originSetting(x.side)...), " names those that may\n"...)
}

// foreignHost says whether a request names a host that is not this one. On a unix socket
// any name will do: no browser connects there.
func (g *pageGuard) foreignHost(x *exchange) bool {
	host := x.req.Host()
	if string(host) == g.goodHost {
		return false
	}
	if g.site.adminHosts.has(host) {
		g.goodHost = string(host) // most that come next have the same
		return false
	}
	remote, err := g.loop.Peer(x.conn)
	return err != nil || remote.Addr().IsValid()
}

// foreignPage says whether a browser makes a request for a page that is neither of this
// server nor of an origin that may. Any page may ask the admin side where all are let
// in; what the front side has of the admin side is not for all that may read there.
func (g *pageGuard) foreignPage(x *exchange) bool {
	site, origin := x.req.Header("Sec-Fetch-Site"), x.req.Header("Origin")
	switch string(site) {
	case "same-origin", "none": // none: the user has typed the address
		return false
	case "":
		if len(origin) == 0 || isOriginOf(origin, x.req.Host()) {
			return false
		}
	}
	origins := &g.site.cors[x.side].Origins
	return !origins.Names(pageOf(x.req)) && !(x.side == conn.Admin && origins.Any)
}

// refusePage answers a request that a browser makes for a page that may not make it,
// and says whether it has.
func (w *Web) refusePage(x *exchange) bool {
	var refused bool
	if w.Body, refused = w.pages.refuses(w.Body[:0], x); !refused {
		return false
	}
	if x.side == conn.Admin && w.cfg.Compat.PagesMayPublish {
		if w.site.pageWarned.CompareAndSwap(false, true) {
			w.cfg.Log.Warn().Str("reason", string(bytes.TrimSpace(w.Body))).Msg("the admin side serves what a web page may have asked, for the sake of iComet's pages; compat = none refuses it")
		}
		return false
	}
	w.failed(x, 403)
	return true
}

// pageOf is the origin of the page that a browser makes a request for, as far as it says.
func pageOf(req *httplite.Request) []byte {
	if origin := req.Header("Origin"); len(origin) > 0 {
		return origin
	}
	return peer.OriginIn(req.Header("Referer"))
}

// isOriginOf says whether an origin is that of a host, by whichever scheme.
func isOriginOf(origin, host []byte) bool {
	_, authority, found := bytes.Cut(origin, []byte("://"))
	return found && bytes.EqualFold(authority, host)
}
