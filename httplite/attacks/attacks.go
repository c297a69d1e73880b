// Package attacks reads tables of requests that try to be misunderstood, with the expected result of each. They are
// for tests of everything that reads HTTP requests: a parser, a server, a server behind a proxy.
//
// A table is a text file. A line that begins with '#' is a comment. The other lines are, for each case:
//
//	= what it tries
//	> a line of the request, which CR LF follows
//	< an expected result
//
// There is one '<' line for each result, in order:
//
//	< GET /path            a request by that method for that target
//	< GET /path body       the same with a body
//	< 400 BareLF           refused, with that status, by that rule; nothing is read after it
//	< waits                a request has begun that is not complete
//	< ends                 the connection ends, and nothing is read after the last request
//
// In '>' lines, and in the body of a '<' line, a backslash begins an escape: \r \n \t \v \f \0 \\ and \xNN are
// bytes, \{3*x} is x three times, where x may contain escapes, and a name in braces is one of
//
//	\{get}         GET /ping?cb=a HTTP/1.1 and a field Host: h, without the last CR LF
//	\{chunked}     the same, with a field Transfer-Encoding: chunked and its CR LF, but without the empty line
//	\{smuggled}    GET /ping?cb=smuggled HTTP/1.1, complete
//
// A backslash at the end of a line means that no CR LF follows.
package attacks

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Case is one input and its expected result.
type Case struct {
	Name string // the name of its file, and what it tries
	Raw  string
	Want []Request // the valid requests in it
	// At most one of these is set. If none is, Raw contains nothing but Want, and another request may follow.
	Refused *Refusal // the input after Want is refused
	Waits   bool     // the input after Want is an incomplete request
	Ends    bool     // the connection ends after Want
}

// Request is a request that the reader must find.
type Request struct{ Method, Target, Body string }

// Refusal is the answer to an input that breaks a rule.
type Refusal struct {
	Status int
	Rule   string
}

var named = map[string]string{
	"get":      "GET /ping?cb=a HTTP/1.1\r\nHost: h",
	"chunked":  "GET /ping?cb=a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n",
	"smuggled": "GET /ping?cb=smuggled HTTP/1.1\r\nHost: h\r\n\r\n",
}

// Read returns the cases of all tables in a directory: the files that end in .txt. Its errors name the file and the
// line. Two cases with the same name are an error, too.
func Read(dir string) ([]Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	var cases []Case
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		table := strings.TrimSuffix(filepath.Base(file), ".txt")
		for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
			switch {
			case line == "" || line[0] == '#':
				continue
			case strings.HasPrefix(line, "= "):
				cases = append(cases, Case{Name: table + ": " + line[2:]})
				if name := cases[len(cases)-1].Name; seen[name] {
					err = fmt.Errorf("a second case of the name %q", name)
				} else {
					seen[name] = true
				}
			case len(cases) == 0:
				err = fmt.Errorf("a line before the first case")
			default:
				err = cases[len(cases)-1].add(line)
			}
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
			}
		}
	}
	if len(cases) == 0 {
		return nil, fmt.Errorf("no cases in %s", dir)
	}
	return cases, nil
}

// add adds a line to a case.
func (c *Case) add(line string) error {
	kind, rest := line[0], strings.TrimPrefix(line[1:], " ")
	switch {
	case kind == '>' && len(c.Want) == 0 && !c.closed():
		ending := "\r\n"
		if trimmed := strings.TrimRight(rest, `\`); (len(rest)-len(trimmed))%2 == 1 {
			rest, ending = rest[:len(rest)-1], ""
		}
		text, err := decode(rest)
		c.Raw += text + ending
		return err
	case kind == '<' && !c.closed():
		return c.expect(rest)
	}
	return fmt.Errorf("%q is out of place", line)
}

func (c *Case) closed() bool { return c.Refused != nil || c.Waits || c.Ends }

// expect adds an expected result to a case.
func (c *Case) expect(text string) error {
	first, rest, _ := strings.Cut(text, " ")
	status, err := strconv.Atoi(first)
	switch {
	case err == nil && rest != "":
		c.Refused = &Refusal{status, rest}
	case text == "waits":
		c.Waits = true
	case text == "ends":
		c.Ends = true
	case rest != "":
		target, body, _ := strings.Cut(rest, " ")
		request := Request{Method: first}
		if request.Target, err = decode(target); err == nil {
			request.Body, err = decode(body)
		}
		c.Want = append(c.Want, request)
		return err
	default:
		return fmt.Errorf("%q is not a result of a request", text)
	}
	return nil
}

// decode replaces the escapes in text.
func decode(text string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, `\`)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		if after == "" {
			return "", fmt.Errorf(`a \ at the end is part of no escape`)
		}
		size := 1
		switch i := strings.IndexByte(`rntvf0\`, after[0]); {
		case i >= 0:
			b.WriteByte("\r\n\t\v\f\x00\\"[i])
		case after[0] == 'x' && len(after) >= 3:
			v, err := strconv.ParseUint(after[1:3], 16, 8)
			if err != nil {
				return "", fmt.Errorf(`\%s is no byte`, after[:3])
			}
			b.WriteByte(byte(v))
			size = 3
		case after[0] == '{':
			if size = braced(after); size == 0 {
				return "", fmt.Errorf(`\%s has no end`, after)
			}
			inner, err := expand(after[1 : size-1])
			if err != nil {
				return "", err
			}
			b.WriteString(inner)
		default:
			return "", fmt.Errorf(`\%c is no escape`, after[0])
		}
		text = after[size:]
	}
}

// braced returns the length of the text in braces that begins s, 0 if it has no end. Only braces of escapes count.
func braced(s string) int {
	depth := 1
	for i := 1; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], `\{`):
			depth++
			i++
		case s[i] == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// expand returns what the text in an escape's braces stands for.
func expand(inner string) (string, error) {
	if text, ok := named[inner]; ok {
		return text, nil
	}
	count, text, _ := strings.Cut(inner, "*")
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 || n > 100000 {
		return "", fmt.Errorf(`\{%s} is neither a name nor a number of times`, inner)
	}
	text, err = decode(text)
	return strings.Repeat(text, n), err
}
