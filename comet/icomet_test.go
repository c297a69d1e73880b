package comet

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/web"
)

// Requests as iComet's clients and backends send them, and the answers, are data:
// testdata/icomet/requests.txt describes its format.

type icometCase struct {
	name     string
	line     int
	requests []icometRequest
}

type icometRequest struct {
	line                 int
	side                 uint8
	method, target, kind string
	body                 string
	hasBody              bool
	icomet, plain        string // answers
}

var repeated = regexp.MustCompile(`<([^<>*]+)\*(\d+)>`)

func readICometCases(t *testing.T, name string) (cases []icometCase) {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range strings.Split(string(text), "\n") {
		line = repeated.ReplaceAllStringFunc(line, func(s string) string {
			part := repeated.FindStringSubmatch(s)
			times, _ := strconv.Atoi(part[2])
			return strings.Repeat(part[1], times)
		})
		word, rest, _ := strings.Cut(line, " ")
		if word == "*" {
			cases = append(cases, icometCase{name: rest, line: n + 1})
		}
		if line == "" || word == "*" || word[0] == '#' {
			continue
		}
		c := &cases[len(cases)-1]
		if word == "front" || word == "admin" {
			method, target, _ := strings.Cut(rest, " ")
			side := map[string]uint8{"front": conn.Front, "admin": conn.Admin}[word]
			c.requests = append(c.requests, icometRequest{line: n + 1, side: side, method: method, target: target})
			continue
		}
		r := &c.requests[len(c.requests)-1]
		switch word {
		case "type":
			r.kind = rest
		case "body":
			r.body, r.hasBody = rest, true
		case "both":
			r.icomet, r.plain = rest, rest
		case "icomet":
			r.icomet = rest
		case "plain":
			r.plain = rest
		case "original":
			// The answer of iComet itself: only ours is tested here.
		default:
			t.Fatalf("%s:%d: %q", name, n+1, word)
		}
	}
	return cases
}

func (r *icometRequest) bytes() string {
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: h\r\nConnection: close\r\n", r.method, r.target)
	if r.kind != "" {
		head += "Content-Type: " + r.kind + "\r\n"
	}
	if r.hasBody {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(r.body))
	}
	return head + "\r\n" + r.body
}

// TestInPlaceOfIComet: each case in iComet's place, and by itself. The names of the cases
// say what they show.
func TestInPlaceOfIComet(t *testing.T) {
	cases := readICometCases(t, "testdata/icomet/requests.txt")
	if len(cases) < 40 {
		t.Fatalf("%d cases", len(cases))
	}
	for mode, cfg := range map[string]Config{
		"icomet": {Compat: web.CompatIComet(), MaxMessage: 1 << 20}, // as the program sets it
		"plain":  {},
	} {
		for _, c := range cases {
			t.Run(mode+"/"+c.name, func(t *testing.T) {
				cfg.Loops = 2
				st := newStage(t, cfg)
				for _, r := range c.requests {
					want := map[string]string{"icomet": r.icomet, "plain": r.plain}[mode]
					p := st.enter(0, r.side)
					checkICometAnswer(t, r.line, p.sendInParts(r.bytes()), want)
					p.leave()
					st.settle()
				}
			})
		}
	}
}

func checkICometAnswer(t *testing.T, line int, got, want string) {
	t.Helper()
	if want == "waits" && got == "" {
		return
	}
	head, body, _ := strings.Cut(got, "\r\n\r\n")
	if len(head) < len("HTTP/1.1 200") {
		t.Fatalf("line %d: got %.200q", line, got)
	}
	status := head[len("HTTP/1.1 "):][:3]
	body = strings.TrimSuffix(anyToken.ReplaceAllString(body, `"token":"T"`), "\n")
	wantStatus, wantBody, _ := strings.Cut(want, " ")
	if want == "" {
		wantStatus, wantBody = "200", "~"
	}
	part, partly := strings.CutPrefix(wantBody, "~")
	if status != wantStatus || partly && !strings.Contains(body, part) || !partly && body != wantBody {
		t.Errorf("line %d: got %s %.400q, want %.400q", line, status, body, want)
	}
}

// sendInParts sends a request of which the socket takes only a part at once, and returns the
// answer. When there is an answer, the rest is no longer sent.
func (p *player) sendInParts(request string) (got string) {
	const part = 64 << 10
	for got == "" && len(request) > 0 {
		n := min(len(request), part)
		p.send(request[:n])
		got, request = p.take(), request[n:]
	}
	return got
}
