package configfile

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/comet"
)

// iComet accepts any text as any value: it reads the leading digits of a number, and an
// unknown log level means "debug". This parser does the same, and warns with the value that
// it uses. It also accepts quotes and capital letters, unlike iComet. Addresses and access
// rules are never guessed.

// icometSetting sets a flag from a key's value. An empty value means the default.
func (f *File) icometSetting(n *icometNode, name string) {
	text := n.value
	if bare := unquoted(text); bare != text {
		f.warn(n.line, n.path(), "is in quotes, which would be part of the value in iComet: %s is used", bare)
		text = bare
	}
	value, err := f.icometValue(n, name, text)
	switch {
	case err != nil:
		f.complain(n.line, n.path(), "%v", err)
	case value != nil:
		f.set(name, entry{n.line, n.path(), value})
	}
}

// unquoted removes the quotes around a text.
func unquoted(text string) string {
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}

// icometValue converts a text to a value of the flag, or nil for the default.
func (f *File) icometValue(n *icometNode, name, text string) (any, error) {
	if name == "admin-allow" || name == "admin-deny" {
		text = f.lowered(n, text)
		if _, err := comet.ParseAddresses([]string{text}); err != nil {
			return nil, err
		}
		list, _ := f.Entries[name].Value.([]any)
		return append(list, text), nil
	}
	if text == "" {
		return nil, nil
	}
	flag := f.flags[name]
	switch {
	case name == "pidfile", name == "log-output" && text != "stdout" && text != "stderr":
		return f.beside(text), nil
	case name == "front", name == "admin":
		return f.icometAddress(n, text)
	case name == "auth":
		return f.lowered(n, text), nil
	case name == "log-level":
		if _, ok := logging.Levels[strings.ToLower(text)]; ok {
			return f.lowered(n, text), nil
		}
		f.warn(n.line, n.path(), "%q is not a level: debug is used, as in iComet", text)
		return "debug", nil
	case name == "polling-timeout":
		if leadingNumber(text) < 1 {
			return nil, fmt.Errorf("is %q: want 1 or more; iComet does not start with it either", text)
		}
		return f.icometNumber(n, text, settings.MaxSeconds), nil
	case flag.Target.Type() == reflect.TypeFor[settings.Seconds]():
		return f.icometNumber(n, text, settings.MaxSeconds), nil
	case name == "log-rotate-size":
		return f.icometNumber(n, text, settings.MaxRotateSize), nil
	case flag.Target.Kind() == reflect.Int:
		return f.icometNumber(n, text, settings.MaxCount), nil
	}
	return text, nil
}

// lowered returns a text in lower case, and warns if that changes it.
func (f *File) lowered(n *icometNode, text string) string {
	low := strings.ToLower(text)
	if low != text {
		f.warn(n.line, n.path(), "%q: %s is used", text, low)
	}
	return low
}

// icometNumber returns the leading number of a text, 0 if there is none, limited to
// 0..most.
func (f *File) icometNumber(n *icometNode, text string, most int64) int64 {
	number := max(0, min(most, leadingNumber(text)))
	if strconv.FormatInt(number, 10) != strings.TrimPrefix(text, "+") {
		f.warn(n.line, n.path(), "%q: %d is used", text, number)
	}
	return number
}

// leadingNumber parses a number as C's atoi does, except that one out of range becomes the
// nearest int64.
func leadingNumber(text string) int64 {
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	number, _ := strconv.ParseInt(text[:end], 10, 64) // 0 without digits; clamped if out of range
	return number
}

// icometAddress returns a listening address. A host name is resolved to its first address,
// as in iComet.
func (f *File) icometAddress(n *icometNode, text string) (any, error) {
	if err := settings.CheckAddress(text); err == nil {
		return text, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return nil, fmt.Errorf("is %w", settings.CheckAddress(text))
	}
	if host == "*" {
		host = "0.0.0.0"
	} else if _, err := netip.ParseAddr(host); err != nil && host != "" {
		if host, err = f.resolve(host); err != nil {
			return nil, fmt.Errorf("is %q: %w", text, err)
		}
	}
	if digits := strconv.FormatInt(leadingNumber(port), 10); strings.HasPrefix(port, digits) {
		port = digits
	}
	address := net.JoinHostPort(host, port)
	if err := settings.CheckAddress(address); err != nil {
		return nil, fmt.Errorf("is %w", err)
	}
	f.warn(n.line, n.path(), "%q: %s is used", text, address)
	return address, nil
}

// resolveTimeout is the time limit for resolving a host name.
const resolveTimeout = 10 * time.Second

// resolve returns the first address of a host name, preferably IPv4.
func resolve(host string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return "", err
	}
	for _, addr := range addrs {
		if addr.Unmap().Is4() {
			return addr.Unmap().String(), nil
		}
	}
	return addrs[0].String(), nil
}

// beside returns a path of the file as an absolute path.
func (f *File) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	whole, err := filepath.Abs(filepath.Join(filepath.Dir(f.name), path))
	if err != nil {
		return path // there is no working directory: opening the file will fail
	}
	return whole
}
