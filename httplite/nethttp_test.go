package httplite

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/textproto"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ccomet/httplite/attacks"
)

// net/http and this package agree about a request, or they differ in one of the ways below: what we refuse and
// net/http does not, and what net/http refuses and we do not.

// stricter has an entry for each rule by which we refuse what net/http accepts, or waits for more of. It says why
// that is a rule, and checks whether an input breaks it, in another way than the parser. A rule without an entry is
// also one of net/http's.
var stricter = map[Kind]struct {
	because string
	broken  func(in *input) bool
}{
	BareLF: {"RFC 9112 2.2 lets a recipient take a LF for a line's end; two who disagree see other requests",
		func(in *input) bool { return bareLF.MatchString(in.text) }},
	ObsFold: {"RFC 9112 5.2: refuse, or replace by spaces, as net/http does",
		func(in *input) bool { return obsFold.MatchString(in.text) }},
	BadRequestLine: {"RFC 9112 3: two single spaces; net/http lets CONNECT have no target",
		func(in *input) bool { return strings.HasPrefix(in.lines[0], "CONNECT  ") }},
	BadTarget: {"RFC 9112 3.2: a target has one of four forms; net/url takes bytes and schemes that no URI of HTTP has",
		func(in *input) bool { return !in.goodTarget() }},
	UnsupportedVersion: {"RFC 9110 15.6.6: another than 1.x is not spoken here; net/http leaves that to its server",
		func(in *input) bool { return !strings.HasPrefix(in.version, "HTTP/1.") }},
	BadHost: {"RFC 9112 3.2: a Host that is none is 400; net/http leaves that to its server",
		func(in *input) bool {
			return slices.ContainsFunc(in.values("Host"), func(v string) bool { return v != "" && !goodHost(v) })
		}},
	MissingHost: {"RFC 9112 3.2: HTTP/1.1 without Host is 400; net/http leaves that to its server",
		func(in *input) bool { return in.version != "HTTP/1.0" && len(in.values("Host")) == 0 }},
	ConflictingContentLength: {"RFC 9110 8.6 lets one forgive the same number twice; some take only one form of that",
		func(in *input) bool {
			v := in.values("Content-Length")
			return len(v) > 1 || len(v) == 1 && strings.Contains(v[0], ",")
		}},
	BadContentLength: {"RFC 9110 8.6: a number in digits; net/http unfolds it first",
		func(in *input) bool {
			return slices.ContainsFunc(in.values("Content-Length"), func(v string) bool { return !digits.MatchString(v) })
		}},
	LengthAndChunked: {"RFC 9112 6.1: ought to be handled as an error; net/http heeds the chunks",
		func(in *input) bool {
			return len(in.values("Content-Length")) > 0 && len(in.values("Transfer-Encoding")) > 0
		}},
	BadTransferEncoding: {"RFC 9112 6.1, 6.3: chunked, once, and not in HTTP/1.0, where net/http ignores it; it also unfolds it",
		func(in *input) bool {
			v := in.values("Transfer-Encoding")
			return len(v) > 1 || len(v) == 1 && (in.version == "HTTP/1.0" || !strings.EqualFold(v[0], "chunked"))
		}},
	SpaceBeforeColon: {"RFC 9112 5.1: 400; net/http leaves that to its server",
		func(in *input) bool { return spaceColon.MatchString(in.text) }},
	BadHeaderName: {"RFC 9110 5.1: a name is a token; net/http lets spaces pass, and leaves that to its server",
		func(in *input) bool { return badField(in.lines[1:]) }},
	BadTrailer: {"RFC 9112 7.1.2: trailers are fields, with the same rules",
		func(in *input) bool {
			trailers, _, _ := strings.Cut(in.chunks().behind, "\r\n\r\n")
			return badField(strings.Split(trailers, "\r\n"))
		}},
	BadExpect: {"RFC 9110 10.1.1: 417 for what cannot be met; net/http leaves that to its server",
		func(in *input) bool {
			return slices.ContainsFunc(in.values("Expect"), func(v string) bool { return !strings.EqualFold(v, "100-continue") })
		}},
	BadChunk: {"RFC 9112 7.1: no white space behind a size, up to 15 digits, and extensions by their grammar",
		func(in *input) bool { return len(in.values("Transfer-Encoding")) > 0 && in.chunks().bad }},
	LineTooLong:    {"Limits.Line", func(in *input) bool { return len(in.lines[0]) > DefaultLimits.Line }},
	HeadTooLarge:   {"Limits.Head, which counts for trailers too", func(in *input) bool { return len(in.text) > DefaultLimits.Head }},
	TooManyHeaders: {"Limits.Headers", func(in *input) bool { return len(in.lines) > DefaultLimits.Headers+1 }},
	BodyTooLarge:   {"Limits.Body", func(in *input) bool { return in.large() }},
}

// laxer lists the inputs that we accept and net/http refuses, by its error.
var laxer = []struct {
	because string
	theirs  string // part of its error
	only    func(in *input) bool
}{
	{"RFC 3986 3.2.2 has escapes in a host: net/url decodes some and refuses the others", "parse ",
		func(in *input) bool { return !strings.HasPrefix(in.target, "/") && strings.Contains(in.target, "%") }},
	{"RFC 9110 6.5.1 binds who announces trailers: net/http refuses some names, we drop trailers", "bad trailer key",
		func(in *input) bool { return len(in.values("Trailer")) > 0 }},
	{"RFC 9112 7.1.1 has recipients take white space before an extension", "invalid byte in chunk length",
		func(in *input) bool { return regexp.MustCompile(`[ \t];`).MatchString(in.text) }},
	{"net/http allows a chunk's first line 4096 bytes", "header line too long",
		func(in *input) bool { return len(in.text) > 4096 }},
	{"net/http allows little framing where there is little content", "too much non-data",
		func(in *input) bool { return len(in.values("Transfer-Encoding")) > 0 }},
}

// The grammar of RFC 3986 and RFC 9112, but with any query (see the package comment). Inputs are read as ISO
// 8859-1.
const (
	hostGrammar = `((?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]+\])`
	pathGrammar = `/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*`
	tokenChars  = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
)

var (
	bareLF     = regexp.MustCompile(`(^|[^\r])\n`)
	spaceColon = regexp.MustCompile(`\n` + tokenChars + `[ \t]+:`)
	goodField  = regexp.MustCompile(`^` + tokenChars + `:[\t -~\x{80}-\x{ff}]*$`)
	obsFold    = regexp.MustCompile(`\n[ \t]`)
	digits     = regexp.MustCompile(`^[0-9]+$`)
	hexDigits  = regexp.MustCompile(`^[0-9A-Fa-f]*`)
	hostPort   = regexp.MustCompile(`^` + hostGrammar + `(?::([0-9]*))?$`)
	absolute   = regexp.MustCompile(`^(?i:https?)://([^/?]*)(` + pathGrammar + `)?(\?[!-"$-~\x{80}-\x{ff}]*)?$`)
	origin     = regexp.MustCompile(`^` + pathGrammar + `(\?[!-"$-~\x{80}-\x{ff}]*)?$`)
	chunkLine  = regexp.MustCompile(`^([0-9A-Fa-f]{1,15})(?:[ \t]*;[ \t]*` + tokenChars + `(?:[ \t]*=[ \t]*(?:` + tokenChars +
		`|"(?:[\t !#-\[\]-~\x{80}-\x{ff}]|\\[\t -~\x{80}-\x{ff}])*"))?)*$`)
)

// goodHost reports whether s is a host with an optional port.
func goodHost(s string) bool {
	m := hostPort.FindStringSubmatch(s)
	if m == nil || m[1][0] != '[' {
		return m != nil
	}
	addr, err := netip.ParseAddr(strings.Trim(m[1], "[]"))
	return err == nil && addr.Is6()
}

// goodTarget reports whether the target has one of the four forms.
func (in *input) goodTarget() bool {
	if in.verb == "CONNECT" {
		_, port, _ := strings.Cut(in.target[strings.LastIndexByte(in.target, ']')+1:], ":")
		n, err := strconv.ParseUint(port, 10, 64)
		return goodHost(in.target) && err == nil && n > 0 && n <= 65535
	}
	if in.verb == "OPTIONS" && in.target == "*" || origin.MatchString(in.target) {
		return true
	}
	m := absolute.FindStringSubmatch(in.target)
	return m != nil && goodHost(m[1])
}

// input is a request as plain text, split into lines at every LF, without any check.
type input struct {
	text                  string // each byte a character
	lines                 []string
	verb, target, version string
	body                  string // after the first empty line
}

func newInput(raw []byte) *input {
	var b strings.Builder
	for _, c := range raw {
		b.WriteRune(rune(c))
	}
	in := &input{text: b.String()}
	head, body, _ := strings.Cut(in.text, "\r\n\r\n")
	in.body = body
	in.lines = strings.Split(head, "\r\n")
	first := strings.SplitN(in.lines[0], " ", 3)
	first = append(first, "", "")
	in.verb, in.target, in.version = first[0], first[1], first[2]
	return in
}

// values returns the values of all fields with that name.
func (in *input) values(name string) (list []string) {
	for _, line := range in.lines[1:] {
		if n, v, _ := strings.Cut(line, ":"); strings.EqualFold(n, name) {
			list = append(list, strings.Trim(v, " \t"))
		}
	}
	return list
}

func badField(lines []string) bool {
	return slices.ContainsFunc(lines, func(l string) bool { return !goodField.MatchString(l) })
}

// chunked describes a chunked body.
type chunked struct {
	size   int  // as far as it was read
	bad    bool // something before the trailers is wrong
	behind string
}

// chunks reads the body as chunks, up to the last one or to an error.
func (in *input) chunks() (c chunked) {
	for rest := []rune(in.body); ; {
		line, behind, whole := strings.Cut(string(rest), "\r\n")
		m := chunkLine.FindStringSubmatch(line)
		if m == nil || !whole {
			n, err := strconv.ParseInt("0"+hexDigits.FindString(line), 16, 64)
			if err != nil {
				n = 1 << 60
			}
			c.size += int(n) // perhaps too large already
			c.bad = true
			return c
		}
		n, _ := strconv.ParseInt(m[1], 16, 64)
		c.size += int(n)
		rest = []rune(behind)
		if c.behind = behind; n == 0 || int(n)+2 > len(rest) {
			c.bad = n > 0 && int(n) < len(rest) && rest[n] != '\r'
			return c
		}
		if c.bad = string(rest[n:n+2]) != "\r\n"; c.bad {
			return c
		}
		rest = rest[n+2:]
	}
}

func (in *input) large() bool {
	for _, v := range in.values("Content-Length") {
		if v = strings.TrimLeft(v, "0"); len(v) > 7 || len(v) == 7 && v > "1048576" {
			return true
		}
	}
	return len(in.values("Transfer-Encoding")) > 0 && in.chunks().size > DefaultLimits.Body
}

// theirs is net/http's result for an input.
type theirs struct {
	req   *http.Request
	body  []byte
	left  int
	err   error
	waits bool // for more
}

func readTheirs(raw []byte) (t theirs) {
	reader := bufio.NewReaderSize(bytes.NewReader(raw), 1<<16)
	if t.req, t.err = http.ReadRequest(reader); t.err == nil {
		t.body, t.err = io.ReadAll(t.req.Body)
	}
	t.waits = errors.Is(t.err, io.EOF) || errors.Is(t.err, io.ErrUnexpectedEOF)
	t.left = reader.Buffered()
	return t
}

// against compares our result for an input with net/http's. It returns what differs and why, or an error if there
// is no reason. It accepts one empty line before the request, which net/http does not (RFC 9112 2.2).
func against(got outcome, raw []byte) (why string, err error) {
	if trimmed, cut := bytes.CutPrefix(raw, []byte("\r\n")); cut {
		raw = trimmed
		got.n = max(got.n-2, 0)
	}
	in := newInput(raw)
	switch {
	case got.kind != 0:
		they := readTheirs(raw)
		if they.waits { // it checks no line before the head is complete
			they = readTheirs(append(bytes.Clone(raw), "\r\n\r\n"...))
		}
		if they.err != nil && !they.waits {
			return "", nil
		}
		rule, ok := stricter[got.kind]
		if !ok {
			return "", fmt.Errorf("we refuse by %v, which net/http does not know: %+v, %v", got.kind, they.req, they.err)
		}
		if !rule.broken(in) {
			return "", fmt.Errorf("we refuse by %v, which is not broken; net/http: %+v, %v", got.kind, they.req, they.err)
		}
		return got.kind.String() + ": " + rule.because, nil
	case got.n == 0:
		if they := readTheirs(raw); they.err == nil {
			return "", fmt.Errorf("we wait for more, net/http does not: %+v", they.req)
		}
		return "", nil
	}
	they := readTheirs(raw[:got.n])
	if they.err != nil {
		for _, l := range laxer {
			if strings.Contains(they.err.Error(), l.theirs) && l.only(in) {
				return l.because, nil
			}
		}
		return "", fmt.Errorf("net/http refuses: %v", they.err)
	}
	return "", compareRequest(got, they)
}

// compareRequest compares a request with net/http's.
func compareRequest(got outcome, they theirs) error {
	r := they.req
	if they.left > 0 {
		return fmt.Errorf("net/http leaves %d bytes", they.left)
	}
	if got.verb != r.Method || got.target != r.RequestURI || got.minor != min(r.ProtoMinor, 1) ||
		got.keepAlive == r.Close || got.body != string(they.body) {
		return fmt.Errorf("we have %v, net/http %+v, body %q", got, r, they.body)
	}
	if !escapedHost(got) && got.host != r.Host { // net/url decodes escapes in it
		return fmt.Errorf("host %q, net/http has %q", got.host, r.Host)
	}
	path, err := url.PathUnescape(got.path)
	pathless := r.URL.Scheme != "" && r.URL.Path == "" && path == "/"
	if err != nil || !pathless && path != r.URL.Path {
		return fmt.Errorf("path %q (%v), net/http has %q", got.path, err, r.URL.Path)
	}
	if got.query != r.URL.RawQuery {
		return fmt.Errorf("query %q, net/http has %q", got.query, r.URL.RawQuery)
	}
	ours := http.Header{}
	for line := range strings.Lines(got.headers) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		ours.Add(textproto.CanonicalMIMEHeaderKey(name), value)
	}
	for _, name := range []string{"Host", "Transfer-Encoding", "Trailer", "Cache-Control", "Content-Length"} { // net/http moves or adds these
		ours.Del(name)
		r.Header.Del(name)
	}
	if len(ours)+len(r.Header) > 0 && !reflect.DeepEqual(ours, r.Header) {
		return fmt.Errorf("header %q, net/http has %q", ours, r.Header)
	}
	return nil
}

// escapedHost reports whether the authority in the target contains an escape.
func escapedHost(o outcome) bool {
	return !strings.HasPrefix(o.target, "/") && strings.Contains(o.host, "%")
}

// Each attack that net/http accepts is explained, and every explanation is used.
func TestAttacksAgainstNetHTTP(t *testing.T) {
	cases, err := attacks.Read("testdata/attacks")
	if err != nil {
		t.Fatal(err)
	}
	used := map[Kind]bool{}
	for _, c := range cases {
		got := feed(t, c.Raw, nil)
		why, err := against(got, []byte(c.Raw))
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if why != "" {
			used[got.kind] = true
		}
	}
	for k := range stricter {
		if !used[k] {
			t.Errorf("no attack shows that net/http lacks the rule %v", k)
		}
	}
}

func FuzzAgainstNetHTTP(f *testing.F) {
	cases, err := attacks.Read("testdata/attacks")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		f.Add([]byte(c.Raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := against(feed(t, string(raw), nil), raw); err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
	})
}
