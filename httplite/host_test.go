package httplite

import (
	"net/netip"
	"testing"
)

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"": true, "h": true, "h:": true, "h:80": true, "127.0.0.1:8080": true, "a-b_c.example": true,
		"xn--caf-dma.example": true, "a%C3%A9": true, "a,b;c": true, "[::1]": true, "[::1]:80": true,
		"a b": false, ":": false, ":80": false, "a\tb": false, "a/b": false, "a?b": false, "a#b": false, "u@h": false, "a\\b": false,
		"a:b": false, "a:1:2": false, "h:80 ": false, "%": false, "%4": false, "%4g": false, "é": false,
		"[": false, "[]": false, "]": false, "[::1": false, "::1": false, "[::1]80": false, "[::1]:x": false,
		"[127.0.0.1]": false, "[v1.x]": false, "[fe80::1%eth0]": false,
	} {
		if validHost([]byte(host)) != want {
			t.Errorf("validHost(%q) = %v", host, !want)
		}
	}
}

// Every string of up to eight of these pieces is an address for us if and only if it is one for
// net/netip.
func TestValidIPv6AgreesWithNetip(t *testing.T) {
	pieces := []string{":", "::", "1", "abcd:", "2:3:", "1.2.3.4", "00000", "."}
	valid := 0
	var try func(s string, depth int)
	try = func(s string, depth int) {
		addr, err := netip.ParseAddr(s)
		want := err == nil && addr.Is6()
		if validIPv6([]byte(s)) != want {
			t.Fatalf("validIPv6(%q) = %v", s, !want)
		}
		if want {
			valid++
		}
		for _, p := range pieces {
			if depth > 0 {
				try(s+p, depth-1)
			}
		}
	}
	try("", 6)
	for _, s := range []string{"1.2.3.4", "01.2.3.4", "256.1.1.1", "1.2.3", "1.2.3.4.5", "1.2.3.", "1..2.3", "1.2.3.4444", "0.0.0.0", "a.1.1.1"} {
		addr, err := netip.ParseAddr(s)
		if want := err == nil && addr.Is4(); validIPv4([]byte(s)) != want {
			t.Errorf("validIPv4(%q) = %v", s, !want)
		}
	}
	if valid < 1000 {
		t.Errorf("only %d addresses tried", valid)
	}
}
