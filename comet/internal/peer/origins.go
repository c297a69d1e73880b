package peer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Origins is a set of web origins (RFC 6454). The zero value is empty.
type Origins struct {
	Any      bool // "*"
	exact    map[string]bool
	patterns []originPattern
	Texts    []string // as browsers write them, without "*"
}

// originPattern is a pattern such as "https://*.example.com": an origin begins with
// head and ends with tail, with at least one label of its host between.
type originPattern struct{ head, tail string }

// ParseOrigins parses a list, where an element may be several origins with commas
// between them: "https://example.com", with a port if it is not the scheme's default;
// "https://*.example.com" for all hosts below a domain, but not the domain itself; "*"
// for all origins.
func ParseOrigins(list []string) (o Origins, err error) {
	var errs []error
	for _, texts := range list {
		for text := range strings.SplitSeq(texts, ",") {
			if text = strings.TrimSpace(text); text == "" {
				continue
			}
			if err := o.add(text); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return o, errors.Join(errs...)
}

func (o *Origins) add(text string) error {
	if text == "*" {
		o.Any = true
		return nil
	}
	if text == "null" {
		return errors.New(`"null": it is the origin of every sandboxed page and file; * lets in all`)
	}
	origin, err := normalOrigin(text)
	if err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	o.Texts = append(o.Texts, origin)
	if head, tail, found := strings.Cut(origin, "*"); found {
		o.patterns = append(o.patterns, originPattern{head, tail})
		return nil
	}
	if o.exact == nil {
		o.exact = map[string]bool{}
	}
	o.exact[origin] = true
	return nil
}

var errNoOrigin = errors.New("want an origin, as in https://example.com or https://*.example.com:8443")

// ownPorts are the schemes' default ports, which browsers leave out.
var ownPorts = map[string]string{"http": ":80", "https": ":443"}

// normalOrigin returns an origin, or a pattern, as browsers write it.
func normalOrigin(text string) (string, error) {
	scheme, host, found := strings.Cut(strings.ToLower(text), "://")
	if !found || scheme == "" || strings.Trim(scheme, "abcdefghijklmnopqrstuvwxyz0123456789+-.") != "" {
		return "", errNoOrigin
	}
	if i := strings.IndexAny(host, "/?#@"); i >= 0 {
		return "", fmt.Errorf("%q does not belong to an origin; %w", host[i:], errNoOrigin)
	}
	host = strings.TrimSuffix(host, ownPorts[scheme])
	name, rest := host, ""
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		if end < 0 || strings.Trim(host[1:end], "0123456789abcdef:.") != "" {
			return "", errNoOrigin
		}
		name, rest = "ipv6", host[end+1:]
	} else if colon := strings.IndexByte(host, ':'); colon >= 0 {
		name, rest = host[:colon], host[colon:]
	}
	if port, found := strings.CutPrefix(rest, ":"); rest != "" {
		if n, err := strconv.ParseUint(port, 10, 16); !found || err != nil || n == 0 || port[0] == '0' {
			return "", errNoOrigin
		}
	}
	name = strings.TrimPrefix(name, "*.")
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" || name[0] == '.' {
		return "", errNoOrigin
	}
	return scheme + "://" + host, nil
}

func (o *Origins) Empty() bool { return !o.Any && !o.Named() }

// Named reports whether there are any origins other than "*".
func (o *Origins) Named() bool { return len(o.Texts) > 0 }

// Names reports whether an origin is in the set; "*" does not count.
func (o *Origins) Names(origin []byte) bool {
	if o.exact[string(origin)] {
		return true
	}
	for i := range o.patterns {
		if o.patterns[i].matches(string(origin)) {
			return true
		}
	}
	return false
}

func (p *originPattern) matches(origin string) bool {
	between, begins := strings.CutPrefix(origin, p.head)
	between, ends := strings.CutSuffix(between, p.tail)
	return begins && ends && between != "" && between[0] != '.' && strings.Trim(between, "abcdefghijklmnopqrstuvwxyz0123456789-._") == ""
}

// OriginIn returns the origin of a URL: the part before its path.
func OriginIn(url []byte) []byte {
	for i, slashes := 0, 0; i < len(url); i++ {
		if url[i] == '/' {
			if slashes++; slashes == 3 {
				return url[:i]
			}
		}
	}
	return url
}
