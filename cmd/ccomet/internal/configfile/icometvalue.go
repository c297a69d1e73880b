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

// iComet takes any text for any value: of a number the digits that it begins with,
// of a level that it does not know "debug". So does this, and warns of what it takes
// instead. Quotes and capitals, which iComet does not know either, are understood.
// Which addresses may come, and where to, is never guessed.

// icometSetting takes the value of a key for its flag. One that is empty leaves
// the default.
func (f *File) icometSetting(n *icometNode, name string) {
	text := n.value
	if bare := unquoted(text); bare != text {
		f.warn(n.line, n.path(), "is in quotes, which iComet takes for a part of it: %s is taken", bare)
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

// unquoted is a text without the quotes that are all round it.
func unquoted(text string) string {
	if n := len(text); n >= 2 && (text[0] == '"' || text[0] == '\'') && text[n-1] == text[0] {
		return text[1 : n-1]
	}
	return text
}

// icometValue is a value as our flag means it, nil for the default.
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
		f.warn(n.line, n.path(), "%q is no level: debug is taken, as iComet does", text)
		return "debug", nil
	case name == "polling-timeout":
		if leadingNumber(text) < 1 {
			return nil, fmt.Errorf("is %q: want 1 or more: iComet does not start with it either", text)
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

// lowered is a text in small letters.
func (f *File) lowered(n *icometNode, text string) string {
	low := strings.ToLower(text)
	if low != text {
		f.warn(n.line, n.path(), "%q: %s is taken", text, low)
	}
	return low
}

// icometNumber is the number that a text begins with, 0 for none, within bounds.
func (f *File) icometNumber(n *icometNode, text string, most int64) int64 {
	number := max(0, min(most, leadingNumber(text)))
	if strconv.FormatInt(number, 10) != strings.TrimPrefix(text, "+") {
		f.warn(n.line, n.path(), "%q: %d is taken", text, number)
	}
	return number
}

// leadingNumber reads a number as C's atoi does, but for those too large for it,
// which are the largest.
func leadingNumber(text string) int64 {
	end := 0
	for end < len(text) && (text[end] >= '0' && text[end] <= '9' || end == 0 && (text[0] == '-' || text[0] == '+')) {
		end++
	}
	number, _ := strconv.ParseInt(text[:end], 10, 64) // of no digits 0, of too many the bound
	return number
}

// icometAddress is an address to listen on, of which iComet takes the first that
// the host's name stands for.
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
	f.warn(n.line, n.path(), "%q: %s is taken", text, address)
	return address, nil
}

// resolveTimeout is how long the address of a name may take.
const resolveTimeout = 10 * time.Second

// resolve is the first address of a host's name, of IPv4 if it has any.
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

// beside is a path that the file tells, relative to its directory.
func (f *File) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	whole, err := filepath.Abs(filepath.Join(filepath.Dir(f.name), path))
	if err != nil {
		return path // no working directory: opening it will tell
	}
	return whole
}
