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

// access holds the access rules of each side. The client's address is determined in three
// steps:
//
//  1. When a connection opens, classify sets its tag from the peer's address: whether the peer
//     is denied, and whether it is a trusted proxy.
//  2. If the peer is a trusted proxy and the side uses the PROXY protocol, a PROXY header must
//     come first. The rules are applied once, to the client that it names, for all requests of
//     the connection (takeProxyHeader).
//  3. Otherwise, X-Forwarded-For from a trusted proxy is evaluated for each request (deny).
//     From any other peer it is ignored.
type access struct {
	Enabled bool // there are access rules or trusted proxies
	rules   [conn.NumSides]peer.Rules
	Trusted peer.Addresses
	proxied [conn.NumSides]bool // whether a trusted proxy must send a PROXY header
}

// sideNames are the names of the sides that can be configured: front and admin.
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
	for side := range a.rules { // the CComet side has the rules of the front side
		if uint8(side) != conn.Admin {
			a.rules[side], a.proxied[side] = a.rules[conn.Front], a.proxied[conn.Front]
		}
	}
	if len(cfg.ProxyProtocol) > 0 && len(cfg.TrustedProxies) == 0 {
		errs = append(errs, errors.New("the PROXY protocol is on, but there are no trusted proxies, and only they may use it"))
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

// warnClosed warns about a side whose rules deny every client, which is rarely intended.
func (a *access) warnClosed(log *zerolog.Logger) {
	for side, name := range sideNames {
		if r := &a.rules[side]; !r.Empty() && r.Allow.Empty() {
			log.Warn().Str("side", name).Msg("every client is denied, because there is a deny list without an allow list; allow = all admits every client that is not denied")
		}
	}
}

// classify returns the tag of a new connection, from its peer's address.
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

// ClassifyPeer sets the tag of a new connection (see classify).
func (w *Web) ClassifyPeer(c reactor.Conn) {
	remote, err := w.loop.Peer(c)
	if err != nil {
		w.loop.Close(c) // the peer has closed it already
		return
	}
	w.loop.SetTag(c, w.site.Access.classify(w.Side(c), remote.Addr()))
}

// takeProxyHeader parses the PROXY header at the start of p, and returns its length, or 0 while
// it is incomplete. If ok is false, the caller must not parse a request: the header is
// incomplete, or the connection is refused or closed, and then n is len(p).
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
	// The client is refused here, not at its first request, because its address is not stored.
	w.totals.Refused.Add(1)
	w.tellDenial(side, from.Client)
	w.Body = appendDenial(w.Body[:0], from.Client)
	w.reply(&exchange{recipient: recipient{conn: c, side: side, closeAfter: true}}, 403, frame.TypeText, w.Body)
	return len(p), false
}

// deny answers a request with 403 if its client is not allowed, or with 400 if X-Forwarded-For
// is malformed. It returns whether it has answered.
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

// denyBeforeBody is deny for a request whose head has arrived and whose body has not. It does
// not wait for the body, so the connection is closed after the response.
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

// tellDenial logs the address of a client that was denied on the admin side.
func (w *Web) tellDenial(side uint8, client netip.Addr) {
	if side == conn.Admin {
		w.site.denials.tell(w.cfg.Log, w.loop.Now(), client.Unmap().WithZone(""))
	}
}

// appendDenial appends the body of the response to a client that is not allowed.
func appendDenial(dst []byte, remote netip.Addr) []byte {
	if !remote.IsValid() {
		return append(dst, "peers on unix sockets are not allowed here\n"...)
	}
	return append(remote.AppendTo(dst), " is not allowed here\n"...)
}
