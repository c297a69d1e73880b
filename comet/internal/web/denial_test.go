package web

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// TestDenialsAreTold: each address is logged once a minute, and the number of lines is limited.
func TestDenialsAreTold(t *testing.T) {
	var out bytes.Buffer
	log := zerolog.New(&out)
	var d denials
	lines := func() int {
		defer out.Reset()
		return strings.Count(out.String(), `"level":"warn"`)
	}
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for _, client := range []netip.Addr{one, one, other, one, {}} {
		d.tell(&log, noon, client)
	}
	if text := out.String(); !strings.Contains(text, "192.0.2.1") || !strings.Contains(text, "unix") {
		t.Error(text)
	}
	if n := lines(); n != 3 {
		t.Errorf("%d lines", n)
	}
	d.tell(&log, noon.Add(time.Minute), one)
	if n := lines(); n != 1 {
		t.Errorf("%d lines a minute later", n)
	}
	for i := range 10 * deniedAddresses {
		d.tell(&log, noon.Add(2*time.Minute), netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}))
	}
	if n := lines(); n != deniedAddresses+1 || len(d.told) > deniedAddresses+1 {
		t.Errorf("%d lines, %d kept", n, len(d.told))
	}
}
