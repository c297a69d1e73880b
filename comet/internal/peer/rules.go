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

// Addresses is a set of peers, named by where they come from. The zero value is
// empty. Once made it is only read, by any goroutine.
type Addresses struct {
	all, unix bool
	prefixes  []netip.Prefix
}

// ParseAddresses reads a list, of which each element is one of
//
//   - an address: 10.0.0.5, 2001:db8::7;
//   - the beginning of an IPv4 address, in whole numbers: "127.", "192.168."
//     and the same without the last dot. So "192.168.1" is not 192.168.10.1;
//   - a network: 10.0.0.0/8, fd00::/8, with no bit beyond the length;
//   - "all" or "*": all peers;
//   - "unix": peers on unix sockets, which have no address.
//
// An IPv4 address written as IPv6 (::ffff:10.0.0.5) is that IPv4 address. The
// error quotes the element and says what is wrong with it.
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

// mappedBits are those in front of the IPv4 address in its form as IPv6.
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
		return netip.Prefix{}, fmt.Errorf("has bits beyond its length: want %v", masked)
	}
	return prefix, nil
}

func (a *Addresses) Empty() bool { return !a.all && !a.unix && len(a.prefixes) == 0 }

// Has says whether a peer is in the set. The zero Addr is a peer on a unix
// socket. Nothing is allocated; the cost is a comparison an element.
func (a *Addresses) Has(peer netip.Addr) bool { return a.all || a.hasNamed(peer) }

// hasNamed is Has without what "all" adds.
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

// Rules say which peers may come. The zero value lets all in.
//
// The precedence is iComet's, in which neither the order of the elements nor
// their length counts. The first that holds decides:
//
//  1. there are no rules at all: allowed;
//  2. an element of Allow other than "all" has the peer: allowed;
//  3. an element of Deny other than "all" has the peer: denied;
//  4. Deny has "all": denied;
//  5. Allow has "all": allowed;
//  6. otherwise: denied.
//
// So with any rule, a peer that is not allowed is denied, and Deny is of use only beside
// an Allow of "all".
type Rules struct{ Allow, Deny Addresses }

// Allows says whether a peer may come. The zero Addr is a peer on a unix
// socket. Nothing is allocated.
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

// parseAddr reads an address without a zone; of IPv4 written as IPv6 it is the
// IPv4 one.
func parseAddr(text []byte) (netip.Addr, bool) {
	if len(text) == 0 || bytes.IndexByte(text, '%') >= 0 {
		return netip.Addr{}, false
	}
	// Not copied: the text outlives the call, and only an error, which ends here,
	// would refer to it.
	addr, err := netip.ParseAddr(unsafe.String(&text[0], len(text)))
	return addr.Unmap(), err == nil
}
