package peer

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// addresses parses a valid list, whose elements are separated by spaces.
func addresses(t testing.TB, list string) Addresses {
	t.Helper()
	set, err := ParseAddresses(strings.Fields(list))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// peerAddr is an address, or the zero Addr for "unix".
func peerAddr(t testing.TB, text string) (addr netip.Addr) {
	t.Helper()
	if text == "unix" {
		return addr
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func TestRules(t *testing.T) {
	for _, test := range []struct{ allow, deny, in, out string }{
		{"", "", "127.0.0.1 ::1 unix", ""},
		{"127.0.0.1", "", "127.0.0.1", "127.0.0.2 127.0.0.10 ::1 unix"},
		{"127.", "", "127.0.0.1 127.255.255.255", "128.0.0.1 12.7.0.0 ::1 unix"},
		{"127", "", "127.0.0.1", "12.7.0.1"},
		{"192.168", "", "192.168.0.1 192.168.255.1", "192.169.0.1 19.216.8.1"},
		{"192.168.1", "", "192.168.1.1", "192.168.10.1 192.168.0.1"},
		{"192.168.1.", "", "192.168.1.1", "192.168.10.1"},
		{"0.0.0.0 0.", "", "0.0.0.0 0.1.2.3", "1.0.0.0"},
		{"10.0.0.1", "all", "10.0.0.1", "10.0.0.2 unix"},
		{"all", "", "10.0.0.1 fd00::1 unix", ""},
		{"*", "", "10.0.0.1 fd00::1 unix", ""},
		{"", "all", "", "10.0.0.1 ::1 unix"},
		{"", "*", "", "10.0.0.1 ::1 unix"},
		{"all", "all", "", "10.0.0.1 unix"},
		{"", "10.", "", "10.0.0.1 11.0.0.1 unix"},              // if there is any rule, an address that is not allowed is denied
		{"all", "10.", "11.0.0.1 unix", "10.0.0.1"},            // deny comes before an allow of all
		{"10.", "10.0.0.1", "10.0.0.1", "11.0.0.1"},            // allow comes before deny, however long
		{"10. all", "10.0.0.1", "10.0.0.1 11.0.0.1", ""},       // also with an allow of all
		{"10.0.0.4 10.", "", "10.0.0.3 10.0.0.4 10.9.9.9", ""}, // one element does not hide another
		{"10.0.0.0/8", "", "10.255.0.1", "11.0.0.0"},
		{"10.0.0.128/25", "", "10.0.0.128 10.0.0.255", "10.0.0.127 10.0.1.128"},
		{"10.0.0.1/32", "", "10.0.0.1", "10.0.0.0"},
		{"0.0.0.0/0", "", "1.2.3.4 ::ffff:1.2.3.4", "::1 unix"},
		{"::/0", "", "::1 fd00::1", "1.2.3.4 ::ffff:1.2.3.4 unix"},
		{"fd00::/8", "", "fd00::1 fdff::1", "fe00::1 127.0.0.1"},
		{"2001:db8::7", "", "2001:db8::7 2001:DB8:0::7", "2001:db8::8"},
		{"fe80::/10", "", "fe80::1 fe80::1%eth0", "fd80::1"},
		{"::ffff:10.0.0.5", "", "10.0.0.5 ::ffff:10.0.0.5", "10.0.0.6"},
		{"::ffff:10.0.0.0/104", "", "10.1.2.3 ::ffff:10.1.2.3", "11.0.0.1"},
		{"10.", "", "::ffff:10.1.2.3", "::10.1.2.3 ::ffff:11.0.0.1"},
		{"all", "10.", "::ffff:11.0.0.1", "::ffff:10.0.0.1"},
		{"unix", "", "unix", "127.0.0.1"},
		{"all", "unix", "127.0.0.1", "unix"},
		{"unix", "all", "unix", "127.0.0.1"},
	} {
		r := Rules{Allow: addresses(t, test.allow), Deny: addresses(t, test.deny)}
		for _, remote := range strings.Fields(test.in) {
			if !r.Allows(peerAddr(t, remote)) {
				t.Errorf("allow %q, deny %q: %s is denied", test.allow, test.deny, remote)
			}
		}
		for _, remote := range strings.Fields(test.out) {
			if r.Allows(peerAddr(t, remote)) {
				t.Errorf("allow %q, deny %q: %s is allowed", test.allow, test.deny, remote)
			}
		}
	}
}

// decide makes the decision from the text of an IPv4 address, as iComet does:
// other elements before "all", allow before deny.
func decide(allow, deny []string, ip string) bool {
	hit := func(list []string, all bool) bool {
		for _, element := range list {
			if element == "all" {
				if all {
					return true
				}
			} else if strings.HasPrefix(ip+".", strings.TrimSuffix(element, ".")+".") {
				return true
			}
		}
		return false
	}
	switch {
	case len(allow)+len(deny) == 0, hit(allow, false):
		return true
	case hit(deny, true):
		return false
	}
	return hit(allow, true)
}

// Random rules over a small set of addresses decide like decide.
func TestRandomRules(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rnd := rand.New(rand.NewPCG(seed, 0))
	part := func() string { return []string{"1", "10", "11", "101"}[rnd.IntN(4)] }
	element := func() string {
		if rnd.IntN(8) == 0 {
			return "all"
		}
		parts := make([]string, 1+rnd.IntN(4))
		for i := range parts {
			parts[i] = part()
		}
		text := strings.Join(parts, ".")
		if len(parts) < 4 && rnd.IntN(2) == 0 {
			text += "."
		}
		return text
	}
	list := func() (l []string) {
		for range rnd.IntN(4) {
			l = append(l, element())
		}
		return l
	}
	for range 2000 {
		allow, deny := list(), list()
		r := Rules{Allow: addresses(t, strings.Join(allow, " ")), Deny: addresses(t, strings.Join(deny, " "))}
		for range 20 {
			ip := fmt.Sprintf("%s.%s.%s.%s", part(), part(), part(), part())
			if got, want := r.Allows(netip.MustParseAddr(ip)), decide(allow, deny, ip); got != want {
				t.Fatalf("seed %d: allow %q, deny %q: %s is allowed: %v, want %v", seed, allow, deny, ip, got, want)
			}
		}
	}
}

func TestBadAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"":                   "want an address",
		".":                  "want an address",
		"10..":               "want an address",
		"10..0":              "want an address",
		".10":                "want an address",
		"10.0.0.256":         "want an address",
		"10.0.0.5.":          "want an address",
		"10.0.0.0.0":         "want an address",
		"010.":               "want an address",
		"10.+1":              "want an address",
		"10.*":               "want an address",
		"10.0.0.1-10.0.0.9":  "want an address",
		"localhost":          "want an address",
		"ALL":                "want an address",
		" 10.":               "want an address",
		"fd00:":              "want an address",
		"fe80::1%eth0":       "want an address",
		"fe80::%eth0/64":     "want an address",
		"10./8":              "want an address",
		"10.0.0.0/33":        "want an address",
		"10.0.0.0/":          "want an address",
		"fd00::/129":         "want an address",
		"10.0.0.5/8":         "want 10.0.0.0/8",
		"fd00::1/8":          "want fd00::/8",
		"::ffff:10.0.0.5/97": "want 0.0.0.0/1",
		"::ffff:10.0.0.0/90": "want ::ffc0:0:0/90",
	} {
		set, err := ParseAddresses([]string{"127.0.0.1", text})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("%q", text)) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if !set.Empty() {
			t.Errorf("%q: got a set with the error", text)
		}
	}
}
