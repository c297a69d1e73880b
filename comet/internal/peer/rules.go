// Package peer judges the other end of a connection: its address, the client behind a
// proxy, the origin of a page.
package peer

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"unsafe"
)

// Addresses is a set of peers, by address. The zero value is empty. It never changes
// once made: any goroutine may use it.
type Addresses struct {
	all, unix bool
	prefixes  []netip.Prefix
}

// ParseAddresses parses a list. Each element is one of
//
//   - an address: 10.0.0.5, 2001:db8::7;
//   - the beginning of an IPv4 address, in whole numbers: "127.", "192.168.", also
//     without the last dot. So "192.168.1" does not match 192.168.10.1;
//   - a network: 10.0.0.0/8, fd00::/8, with no bit beyond the length;
//   - "all" or "*": all peers;
//   - "unix": peers on unix sockets, which have no address.
//
// An IPv4 address written as IPv6 (::ffff:10.0.0.5) is that IPv4 address. The error
// quotes the element and says what is wrong with it.
func ParseAddresses(list []string) (Addresses, error) {
	var a Addresses
	for _, text := range list {
		switch text {
		case "all", "*":
			a.all = true
			continue
		case "unix":
			a.unix = true
			continue
		}
		prefix, err := parsePrefix(text)
		if err != nil {
			return Addresses{}, fmt.Errorf("%q: %w", text, err)
		}
		a.prefixes = append(a.prefixes, prefix)
	}
	return a, nil
}

var errNoAddresses = errors.New("want an address (10.0.0.5, fd00::5), the beginning of one (10.0.), a network (10.0.0.0/8, fd00::/8), all or unix")

func parsePrefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		return parseNetwork(text)
	}
	if addr, ok := parseAddr([]byte(text)); ok {
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	parts := strings.Split(strings.TrimSuffix(text, "."), ".")
	var bytes4 [4]byte
	if len(parts) >= len(bytes4) {
		return netip.Prefix{}, errNoAddresses
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || part != strconv.FormatUint(n, 10) {
			return netip.Prefix{}, errNoAddresses
		}
		bytes4[i] = byte(n)
	}
	return netip.PrefixFrom(netip.AddrFrom4(bytes4), 8*len(parts)), nil
}

// mappedBits is the number of bits before an IPv4 address in its IPv6 form.
const mappedBits = 96

func parseNetwork(text string) (netip.Prefix, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, errNoAddresses
	}
	if prefix.Addr().Is4In6() && prefix.Bits() >= mappedBits {
		prefix = netip.PrefixFrom(prefix.Addr().Unmap(), prefix.Bits()-mappedBits)
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, fmt.Errorf("has bits after its prefix length: want %v", masked)
	}
	return prefix, nil
}

func (a *Addresses) Empty() bool { return !a.all && !a.unix && len(a.prefixes) == 0 }

// Has reports whether a peer is in the set. The zero Addr is a peer on a unix socket. It
// does not allocate, and compares each element.
func (a *Addresses) Has(peer netip.Addr) bool { return a.all || a.hasNamed(peer) }

// hasNamed is Has, but ignores "all".
func (a *Addresses) hasNamed(peer netip.Addr) bool {
	if !peer.IsValid() {
		return a.unix
	}
	peer = peer.Unmap().WithZone("")
	for _, prefix := range a.prefixes {
		if prefix.Contains(peer) {
			return true
		}
	}
	return false
}

// Rules decide which peers may connect. The zero value lets all in.
//
// The precedence is iComet's: neither the order of the elements nor their length counts.
// The first case that applies decides:
//
//  1. there are no rules at all: allowed;
//  2. an element of Allow other than "all" has the peer: allowed;
//  3. an element of Deny other than "all" has the peer: denied;
//  4. Deny has "all": denied;
//  5. Allow has "all": allowed;
//  6. otherwise: denied.
//
// So with any rule, a peer that is not allowed is denied. Deny is useful only with "all"
// in Allow.
type Rules struct{ Allow, Deny Addresses }

// Allows reports whether a peer may connect. The zero Addr is a peer on a unix socket.
// It does not allocate.
func (r *Rules) Allows(peer netip.Addr) bool {
	switch {
	case r.Empty(), r.Allow.hasNamed(peer):
		return true
	case r.Deny.Has(peer):
		return false
	}
	return r.Allow.all
}

func (r *Rules) Empty() bool { return r.Allow.Empty() && r.Deny.Empty() }

// parseAddr parses an address without a zone. It returns an IPv4 address written as IPv6
// as IPv4.
func parseAddr(text []byte) (netip.Addr, bool) {
	if len(text) == 0 || bytes.IndexByte(text, '%') >= 0 {
		return netip.Addr{}, false
	}
	// No copy: the text outlives the call, and only an error, which is dropped here,
	// would refer to it.
	addr, err := netip.ParseAddr(unsafe.String(&text[0], len(text)))
	return addr.Unmap(), err == nil
}
