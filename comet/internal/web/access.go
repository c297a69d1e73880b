package web

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/rs/zerolog"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/peer"
	"ccomet/httplite"
	"ccomet/reactor"
)

// access has the rules of which clients are let in, on each side. Which client a request is
// of is settled in three steps:
//
//  1. A connection is classified when it opens: by its peer's address it is allowed
//     or denied, and the peer is a trusted proxy or not (ClassifyPeer). That is kept in
//     two bits of its tag.
//  2. From a trusted proxy, where the side has the PROXY protocol on, a header
//     must come first. The client that it names is judged once, for all requests
//     of the connection (takeProxyHeader).
//  3. Else X-Forwarded-For is believed of a trusted proxy, for each request
//     (deny). From any other peer it is ignored.
type access struct {
	Enabled bool // there are rules, or proxies
	rules   [conn.NumSides]peer.Rules
	Trusted peer.Addresses
	proxied [conn.NumSides]bool // the PROXY protocol is on
}

// sideNames are the sides that have rules of their own.
var sideNames = conn.SideNames[:conn.CComet]

func newAccess(cfg *Config) (access, error) {
	var a access
	var errs []error
	read := func(name string, list []string) peer.Addresses {
		set, err := peer.ParseAddresses(list)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return set
	}
	a.rules[conn.Front] = peer.Rules{Allow: read("front allow", cfg.FrontAllow), Deny: read("front deny", cfg.FrontDeny)}
	a.rules[conn.Admin] = peer.Rules{Allow: read("admin allow", cfg.AdminAllow), Deny: read("admin deny", cfg.AdminDeny)}
	a.Trusted = read("trusted proxies", cfg.TrustedProxies)
	for _, name := range cfg.ProxyProtocol {
		side, ok := sideNamed(name)
		if !ok {
			errs = append(errs, fmt.Errorf("PROXY protocol on %q: want front or admin", name))
			continue
		}
		a.proxied[side] = true
	}
	for side := range a.rules { // every side but the admin side is for the front side's clients
		if uint8(side) != conn.Admin {
			a.rules[side], a.proxied[side] = a.rules[conn.Front], a.proxied[conn.Front]
		}
	}
	if len(cfg.ProxyProtocol) > 0 && len(cfg.TrustedProxies) == 0 {
		errs = append(errs, errors.New("the PROXY protocol is on, but there are no trusted proxies, which alone may speak it"))
	}
	a.Enabled = !a.rules[conn.Front].Empty() || !a.rules[conn.Admin].Empty() || !a.Trusted.Empty()
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

// warnClosed tells of rules that let no client in, which are seldom meant.
func (a *access) warnClosed(log *zerolog.Logger) {
	for side, name := range sideNames {
		if r := &a.rules[side]; !r.Empty() && r.Allow.Empty() {
			log.Warn().Str("side", name).Msg("no client is let in: there is deny without allow; with allow all, every client is that is not denied")
		}
	}
}

// classify is the tag of a new connection, by its peer's address.
func (a *access) classify(side uint8, remote netip.Addr) (tag uint8) {
	trusted := a.Trusted.Has(remote)
	if trusted && a.proxied[side] {
		return side | conn.TagHeader
	}
	tag = side
	if trusted {
		tag |= conn.TagTrusted
	}
	if !a.rules[side].Allows(remote) {
		tag |= conn.TagDenied
	}
	return tag
}

// ClassifyPeer notes what a new connection's peer may do.
func (w *Web) ClassifyPeer(c reactor.Conn) {
	remote, err := w.loop.Peer(c)
	if err != nil {
		w.loop.Close(c) // it has gone already
		return
	}
	w.loop.SetTag(c, w.site.Access.classify(w.Side(c), remote.Addr()))
}

// takeProxyHeader takes the header that a trusted proxy begins with, and returns
// its length: 0 while it is incomplete. ok is false when there is no request to
// be read behind it.
func (w *Web) takeProxyHeader(c reactor.Conn, p []byte) (n int, ok bool) {
	from, n, malformed := peer.ParseProxyHeader(p)
	if malformed != nil {
		w.Refuse(c, malformed)
		return len(p), false
	}
	if n == 0 {
		return 0, false
	}
	if from.None {
		remote, err := w.loop.Peer(c)
		if err != nil {
			w.loop.Close(c)
			return len(p), false
		}
		from.Client = remote.Addr()
	}
	side := w.Side(c)
	w.loop.SetTag(c, side)
	if w.site.Access.rules[side].Allows(from.Client) {
		if w.site.tellsApart() && from.Client.IsValid() && !w.countClient(c, w.homes.HashAddr(from.Client)) {
			return len(p), false
		}
		return n, true
	}
	// At once, before any request: the address is not kept.
	w.totals.Refused.Add(1)
	w.tellDenial(side, from.Client)
	w.Body = appendDenial(w.Body[:0], from.Client)
	w.reply(&exchange{recipient: recipient{conn: c, side: side, closeAfter: true}}, 403, frame.TypeText, w.Body)
	return len(p), false
}

// deny answers a request whose client is not let in, or cannot be told, and says
// whether it has.
func (w *Web) deny(x *exchange) bool {
	a, tag := &w.site.Access, w.loop.Tag(x.conn)
	denied := tag&conn.TagDenied != 0
	var client netip.Addr
	told := false
	if tag&conn.TagTrusted != 0 {
		var ok bool
		if client, told, ok = peer.ForwardedClient(x.req, &a.Trusted); !ok {
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
		remote, err := w.loop.Peer(x.conn)
		if err != nil {
			w.loop.Close(x.conn)
			return true
		}
		client = remote.Addr()
	}
	w.tellDenial(x.side, client)
	w.Body = appendDenial(w.Body[:0], client)
	w.failed(x, 403)
	return true
}

// denyBeforeBody is deny for a request whose body has not arrived: the body of one that is
// not served is not awaited, so the connection ends.
func (w *Web) denyBeforeBody(c reactor.Conn, req *httplite.Request) bool {
	if !req.HeadDone() || w.loop.Tag(c)&(conn.TagDenied|conn.TagTrusted) == 0 {
		return false
	}
	x := w.begin(c, req)
	x.closeAfter = true
	if !w.deny(x) {
		return false
	}
	req.Reset()
	w.parsers.drop(c)
	return true
}

// tellDenial has the log tell which address the admin side does not let in.
func (w *Web) tellDenial(side uint8, client netip.Addr) {
	if side == conn.Admin {
		w.site.denials.tell(w.cfg.Log, w.loop.Now(), client.Unmap().WithZone(""))
	}
}

// appendDenial appends the line that tells a client that it is not let in.
func appendDenial(dst []byte, remote netip.Addr) []byte {
	if !remote.IsValid() {
		return append(dst, "peers on unix sockets are not allowed here\n"...)
	}
	return append(remote.AppendTo(dst), " is not allowed here\n"...)
}
