package settings

import (
	"strings"
	"testing"
	"time"
)

// TestSeconds: whole seconds, as a number or as a duration. What String says is parsed to the
// same value.
func TestSeconds(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		said string
	}{
		{"0", 0, "0s"},
		{"90", 90 * time.Second, "1m30s"},
		{"90s", 90 * time.Second, "1m30s"},
		{"2m", 2 * time.Minute, "2m"},
		{"8760h", 8760 * time.Hour, "8760h"},
		{"3600", time.Hour, "1h"},
		{"10m", 10 * time.Minute, "10m"},
		{"-1", -time.Second, "-1s"},
		{"1000ms", time.Second, "1s"},
	} {
		var got, again Seconds
		if err := got.UnmarshalText([]byte(c.text)); err != nil || time.Duration(got) != c.want || got.String() != c.said {
			t.Errorf("%q: %v, said %q, error %v; want %v, said %q", c.text, time.Duration(got), got, err, c.want, c.said)
		}
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != got {
			t.Errorf("%q, which String says for %q: %v, error %v", got, c.text, again, err)
		}
	}
	for _, text := range []string{"", "1.5", "1500ms", "9999999999", "1 s", "s", "1d"} {
		if err := new(Seconds).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "want whole seconds") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// TestDrainTime: seconds with fractions, to a millisecond.
func TestDrainTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5": 5 * time.Second, "0.3": 300 * time.Millisecond, "300ms": 300 * time.Millisecond, "1m0.5s": 60500 * time.Millisecond, "0.0004": 0,
	} {
		var got DrainTime
		if err := got.UnmarshalText([]byte(text)); err != nil || time.Duration(got) != want {
			t.Errorf("%q: %v, error %v; want %v", text, time.Duration(got), err, want)
		}
	}
	for _, text := range []string{"", "NaN", "Inf", "1e300", "five"} {
		if err := new(DrainTime).UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), "want seconds") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

// TestAddresses: what can be listened on, and what the error says for the rest.
func TestAddresses(t *testing.T) {
	longest := "unix:/" + strings.Repeat("x", 106)
	for _, c := range []struct{ address, err string }{
		{"127.0.0.1:8080", ""},
		{":8080", ""},
		{"localhost:0", ""},
		{"[::1]:65535", ""},
		{"unix:relative", ""},
		{longest, ""},
		{"fd:3", ""},
		{"", "want HOST:PORT"},
		{"8080", "want HOST:PORT"},
		{"example.com:80", "want HOST:PORT with a numeric host"},
		{"127.0.0.1:65536", "want HOST:PORT"},
		{"::1:80", "want HOST:PORT"},
		{"unix:", "want a path of 1 to 107 bytes"},
		{longest + "x", "want a path of 1 to 107 bytes"},
		{"fd:2", "want fd:N, a descriptor of 3 or more"},
		{"fd:x", "want fd:N"},
	} {
		if err := CheckAddress(c.address); (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: error %v, want %q", c.address, err, c.err)
		}
	}
	for address, want := range map[string]string{":80": "[::]:80", "localhost:80": "127.0.0.1:80", "[::1]:80": "[::1]:80"} {
		if got, err := ParseTCP(address); err != nil || got.String() != want {
			t.Errorf("%q: %v, error %v; want %s", address, got, err, want)
		}
	}
}
