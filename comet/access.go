package comet

import (
	"errors"
	"fmt"
	"net/netip"

	"ccomet/httplite"
	"ccomet/reactor"

	"github.com/rs/zerolog"
)

// access is who is let in, on each side. Whose request it is, is settled so:
//
//  1. A connection is looked at when it opens: by its peer's address it is allowed
//     or denied, and the peer is a trusted proxy or not (look). That is kept in two
//     bits of its tag.
//  2. From a trusted proxy, where the side has the PROXY protocol on, a header
//     must come first. The client that it tells is judged once, for all requests
//     of the connection (takeProxyHeader).
//  3. Else X-Forwarded-For is believed of a trusted proxy, for each request
//     (barred). Of anybody else it is ignored.
type access struct {
	looks   bool // there is something to look at
	rules   [sides]Rules
	trusted Addresses
	proxied [sides]bool // the PROXY protocol is on
}

var sideNames = [2]string{"front", "admin"}

func newAccess(cfg *webConfig) (access, error) {
	var a access
	var errs []error
	read := func(name string, list []string) Addresses {
		set, err := ParseAddresses(list)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return set
	}
	a.rules[sideFront] = Rules{read("front allow", cfg.FrontAllow), read("front deny", cfg.FrontDeny)}
	a.rules[sideAdmin] = Rules{read("admin allow", cfg.AdminAllow), read("admin deny", cfg.AdminDeny)}
	a.trusted = read("trusted proxies", cfg.TrustedProxies)
	for _, name := range cfg.ProxyProtocol {
		side, ok := sideNamed(name)
		if !ok {
			errs = append(errs, fmt.Errorf("PROXY protocol on %q: want front or admin", name))
			continue
		}
		a.proxied[side] = true
	}
	// CComet's dialect is for the same people.
	a.rules[sideCComet], a.proxied[sideCComet] = a.rules[sideFront], a.proxied[sideFront]
	if len(cfg.ProxyProtocol) > 0 && len(cfg.TrustedProxies) == 0 {
		errs = append(errs, errors.New("the PROXY protocol is on, but there are no trusted proxies, who alone may speak it"))
	}
	a.looks = !a.rules[sideFront].empty() || !a.rules[sideAdmin].empty() || !a.trusted.empty()
	return a, errors.Join(errs...)
}

func sideNamed(name string) (side uint8, ok bool) {
	for i, n := range sideNames {
		if n == name {
			return uint8(i), true
		}
	}
	return 0, false
}

// warnClosed tells of rules by which nobody may come, which are seldom meant.
func (a *access) warnClosed(log *zerolog.Logger) {
	for side, name := range sideNames {
		if r := &a.rules[side]; !r.empty() && r.Allow.empty() {
			log.Warn().Str("side", name).Msg("nobody may come: there is deny without allow; allow all lets in who is not denied")
		}
	}
}

// look notes what a new connection's peer may do.
func (w *web) look(c reactor.Conn) {
	a := &w.site.access
	side := w.side(c)
	peer, err := w.loop.Peer(c)
	if err != nil {
		w.loop.Close(c) // it has gone already
		return
	}
	tag := side
	trusted := a.trusted.Has(peer.Addr())
	if trusted && a.proxied[side] {
		w.loop.SetTag(c, tag|tagHeader)
		return
	}
	if trusted {
		tag |= tagTrusted
	}
	if !a.rules[side].Allows(peer.Addr()) {
		tag |= tagDenied
	}
	w.loop.SetTag(c, tag)
}

// takeProxyHeader takes the header that a trusted proxy begins with, and returns
// its length: 0 while it is incomplete. ok is false when there is no request to
// be read behind it.
func (w *web) takeProxyHeader(c reactor.Conn, p []byte) (n int, ok bool) {
	from, n, malformed := parseProxyHeader(p)
	if malformed != nil {
		w.refuse(c, malformed)
		return len(p), false
	}
	if n == 0 {
		return 0, false
	}
	if from.none {
		peer, err := w.loop.Peer(c)
		if err != nil {
			w.loop.Close(c)
			return len(p), false
		}
		from.client = peer.Addr()
	}
	side := w.side(c)
	w.loop.SetTag(c, side)
	if w.site.access.rules[side].Allows(from.client) {
		if w.site.tellsApart() && from.client.IsValid() && !w.countClient(c, w.homes.hashAddr(from.client)) {
			return len(p), false
		}
		return n, true
	}
	// At once, before any request: the address is not kept.
	w.totals.refused.Add(1)
	w.tellDenial(side, from.client)
	w.body = appendDenial(w.body[:0], from.client)
	w.reply(&exchange{conn: c, side: side, last: true}, 403, typeText, w.body)
	return len(p), false
}

// barred answers a request whose sender may not come, or cannot be told, and
// says whether it has.
func (w *web) barred(x *exchange) bool {
	a, tag := &w.site.access, w.loop.Tag(x.conn)
	denied := tag&tagDenied != 0
	var client netip.Addr
	told := false
	if tag&tagTrusted != 0 {
		var ok bool
		if client, told, ok = forwardedClient(x.req, &a.trusted); !ok {
			w.fail(x, 400, "X-Forwarded-For: not a list of addresses")
			return true
		}
		if told {
			denied = !a.rules[x.side].Allows(client)
		}
	}
	if !denied {
		return false
	}
	if !told {
		peer, err := w.loop.Peer(x.conn)
		if err != nil {
			w.loop.Close(x.conn)
			return true
		}
		client = peer.Addr()
	}
	w.tellDenial(x.side, client)
	w.body = appendDenial(w.body[:0], client)
	w.failed(x, 403)
	return true
}

// barredEarly is barred for a request whose body has not arrived: nobody waits
// for the body of one that is not served, so the connection ends.
func (w *web) barredEarly(c reactor.Conn, req *httplite.Request) bool {
	if !req.HeadDone() || w.loop.Tag(c)&(tagDenied|tagTrusted) == 0 {
		return false
	}
	x := w.begin(c, req)
	x.last = true
	if !w.barred(x) {
		return false
	}
	req.Reset()
	w.dropHalf(c)
	return true
}

// tellDenial has the log tell whom the admin side does not let in.
func (w *web) tellDenial(side uint8, client netip.Addr) {
	if side == sideAdmin {
		w.site.denials.tell(w.cfg.Log, w.loop.Now(), client.Unmap().WithZone(""))
	}
}

// appendDenial appends the line that tells somebody that he may not come.
func appendDenial(dst []byte, peer netip.Addr) []byte {
	if !peer.IsValid() {
		return append(dst, "peers on unix sockets are not allowed here\n"...)
	}
	return append(peer.AppendTo(dst), " is not allowed here\n"...)
}
