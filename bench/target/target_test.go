package target

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ccomet/httplite"
	"ccomet/httplite/websocket"
)

// full is what a request may be filled in with.
var full = Vars{Channel: 7, Seq: 12, Modified: 784111777, ETag: 3, Content: []byte("Zcb-0123")}

// parseRequest has the server's parser read a request, all of it.
func parseRequest(t *testing.T, data []byte) *httplite.Request {
	t.Helper()
	r := new(httplite.Request)
	limits := httplite.DefaultLimits
	n, err := r.Parse(append([]byte(nil), data...), &limits)
	if err != nil || n != len(data) {
		t.Fatalf("%q: parsed %d of %d bytes: %v", data, n, len(data), err)
	}
	return r
}

func TestBuiltin(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			target, err := Load(name)
			if err != nil {
				t.Fatal(err)
			}
			if target.Label == "" || target.About == "" || target.Spawn == "" || target.Process == "" {
				t.Errorf("a built-in target says all of itself: %+v", target)
			}
			for name, transport := range target.Transports {
				for _, v := range []*Vars{{Channel: 7}, &full} {
					request := transport.Request().Append(nil, v)
					if left := placeholder.Find(request); left != nil {
						t.Errorf("transport %s: %s is left in %q", name, left, request)
					}
					if !strings.Contains(string(request), "0000000000000007") {
						t.Errorf("transport %s names no channel: %q", name, request)
					}
					parseRequest(t, request)
				}
			}
			request := target.Publish.Request().Append(nil, &full)
			if left := placeholder.Find(request); left != nil {
				t.Errorf("publish: %s is left in %q", left, request)
			}
			for _, want := range []string{"0000000000000007", "Zcb-0123"} {
				if !strings.Contains(string(request), want) {
					t.Errorf("publish: %q is not in %q", want, request)
				}
			}
			parseRequest(t, request)
		})
	}
}

// A placeholder in a configuration file that is not filled in would stay there.
func TestBuiltinFiles(t *testing.T) {
	placeholder := regexp.MustCompile(`\{[a-z]+\}`)
	known := strings.NewReplacer("{front}", "", "{admin}", "", "{port}", "", "{dir}", "", "{cluster}", "", "{redis}", "", "{node}", "")
	for _, name := range Names() {
		target, err := Load(name)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{target.Spawn, target.Cluster.Flags, target.Cluster.Config}
		listens := strings.Contains(target.Spawn, "{front}")
		for _, f := range target.Files {
			texts = append(texts, f.Text)
			listens = listens || strings.Contains(f.Text, "{front}") || strings.Contains(f.Text, "{port}")
			if !strings.Contains(target.Spawn, f.Name) {
				t.Errorf("%s: %q does not use the file %s", name, target.Spawn, f.Name)
			}
		}
		for _, text := range texts {
			if left := placeholder.FindString(known.Replace(text)); left != "" {
				t.Errorf("%s: nothing replaces %s in %q", name, left, text)
			}
		}
		if !listens {
			t.Errorf("%s: the server is not told where to listen", name)
		}
	}
}

// The token that publishes to Mercure is signed with the key of its file.
func TestMercureToken(t *testing.T) {
	target, err := Load("mercure")
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile(`Bearer ((\S+\.\S+)\.(\S+))`).FindStringSubmatch(strings.Join(target.Publish.Headers, "\n"))
	key := regexp.MustCompile(`publisher_jwt (\S+) HS256`).FindStringSubmatch(target.Files[0].Text)
	if token == nil || key == nil {
		t.Fatal("no token, or no key")
	}
	sum := hmac.New(sha256.New, []byte(key[1]))
	sum.Write([]byte(token[2]))
	if want := base64.RawURLEncoding.EncodeToString(sum.Sum(nil)); token[3] != want {
		t.Errorf("the signature is %s, want %s", token[3], want)
	}
}

// minimal is the least that a target must say.
const minimal = `
label = "x"
process = "x"
front = "127.0.0.1:1"
default = "stream"

[transport.stream]
path = "/"

[publish]
method = "POST"
path = "/"
`

func TestDefaults(t *testing.T) {
	target, err := parse([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if target.Admin != target.Front || len(target.Publish.Status) != 1 || target.Publish.Status[0] != 200 {
		t.Errorf("admin %q, status %v", target.Admin, target.Publish.Status)
	}
}

// A refusal names the key.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{`label = "x"`, ``, "label is missing"},
		{`front = "127.0.0.1:1"`, ``, "front is missing"},
		{`process = "x"`, ``, "spawn and process are missing"},
		{`default = "stream"`, ``, "default is missing"},
		{`default = "stream"`, `default = "sse"`, `no transport "sse": want one of stream`},
		{"path = \"/\"\n\n", "\n", "transport.stream.path is missing"},
		{`method = "POST"`, ``, "publish.method is missing"},
		{"\"POST\"\npath = \"/\"", `"POST"`, "publish.path is missing"},
		{`label = "x"`, "label = \"x\"\ncolour = 1", "colour"},
		{`[publish]`, "[publish]\nspeed = 1", "speed"},
		{`label = "x"`, `label = 1`, "label"},
		{`[publish]`, "once = true\n[publish]", "transport.stream has once without a cursor"},
		{`[publish]`, "websocket = true\nonce = true\n[publish]", "transport.stream has websocket, and once, a body or the cursor"},
		{`[publish]`, "websocket = true\nbody = \"x\"\n[publish]", "transport.stream has websocket, and once, a body"},
		{`[publish]`, "cursor = \"x\"\n[publish]", `transport.stream.cursor is "x"`},
		{`[publish]`, "[[file]]\nname = \"a/b\"\n[publish]", `file.name is "a/b"`},
		{`[publish]`, "[[file]]\ntext = \"\"\n[publish]", `file.name is ""`},
	} {
		text := strings.Replace(minimal, c.old, c.new, 1)
		if text == minimal {
			t.Fatalf("%q is not there to be replaced", c.old)
		}
		target, err := parse([]byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %+v, %v; want %q", c.new, c.old, target, err, c.want)
		}
	}
}

func TestLoad(t *testing.T) {
	name := filepath.Join(t.TempDir(), "mine.toml")
	if _, err := Load(name); err == nil || !strings.Contains(err.Error(), "neither a file nor one of") || !strings.Contains(err.Error(), "ccomet") {
		t.Errorf("a file that is not there: %v", err)
	}
	if err := os.WriteFile(name, []byte(minimal), 0o644); err != nil {
		t.Fatal(err)
	}
	target, err := Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := target.Transport("carrier pigeon"); err == nil {
		t.Error("a transport that it does not have")
	}
	if transport, err := target.Transport(""); err != nil || transport.Path != "/" {
		t.Errorf("the default transport: %+v, %v", transport, err)
	}
}

func TestCompile(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"plain":                    "plain",
		"{channel}":                "0000000000000007",
		"a{seq}b{seq}":             "a12b12",
		"{content}":                "Zcb-0123",
		"{modified}":               "Sun, 06 Nov 1994 08:49:37 GMT",
		`"{etag}"`:                 `"3"`,
		"{other} {} {Channel}":     "{other} {} {Channel}",
		`{"c":{"{channel}":{}}}`:   `{"c":{"0000000000000007":{}}}`,
		"{{channel}}":              "{0000000000000007}",
		"}{channel}{":              "}0000000000000007{",
		"{channel":                 "{channel",
		"{ channel}{not {content}": "{ channel}{not Zcb-0123",
	} {
		if got := string(Compile(text).Append(nil, &full)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// What a cursor has nothing to say for yet is not said.
func TestEmptyHeaders(t *testing.T) {
	request := (&Transport{Path: "/", Headers: []string{"If-Modified-Since: {modified}", "If-None-Match: {etag}", "Accept: */*"}}).Request()
	for _, c := range []struct {
		vars            *Vars
		modified, match string
	}{
		{&Vars{}, "", ""},
		{&full, "Sun, 06 Nov 1994 08:49:37 GMT", "3"},
		{&Vars{Modified: 784111777}, "Sun, 06 Nov 1994 08:49:37 GMT", "0"},
	} {
		r := parseRequest(t, request.Append(nil, c.vars))
		if got := string(r.Header("If-Modified-Since")); got != c.modified {
			t.Errorf("%+v: If-Modified-Since: %q, want %q", c.vars, got, c.modified)
		}
		if got := string(r.Header("If-None-Match")); got != c.match {
			t.Errorf("%+v: If-None-Match: %q, want %q", c.vars, got, c.match)
		}
		if r.Header("Accept") == nil {
			t.Errorf("%+v: Accept was left out too", c.vars)
		}
	}
}

func TestRequest(t *testing.T) {
	for _, c := range []struct {
		request            *Request
		method, path, body string
		length             string
	}{
		{(&Transport{Path: "/s?c={channel}"}).Request(), "GET", "/s", "", ""},
		{(&Transport{Path: "/s", Body: "{seq}"}).Request(), "POST", "/s", "12", "2"},
		{(&Publish{Method: "GET", Path: "/p?c={content}"}).Request(), "GET", "/p", "", ""},
		{(&Publish{Method: "POST", Path: "/p"}).Request(), "POST", "/p", "", "0"},
		{(&Publish{Method: "PUT", Path: "/p", Body: "{content}"}).Request(), "PUT", "/p", "Zcb-0123", "8"},
	} {
		// Twice, one behind the other: the second is as whole as the first.
		first := c.request.Append(nil, &full)
		both := c.request.Append(first, &full)
		for _, data := range [][]byte{both[:len(first)], both[len(first):]} {
			r := parseRequest(t, data)
			if string(r.MethodBytes()) != c.method || string(r.Path()) != c.path || string(r.Body()) != c.body {
				t.Errorf("%q: %s %s with %q", data, r.MethodBytes(), r.Path(), r.Body())
			}
			if got := string(r.Header("Content-Length")); got != c.length {
				t.Errorf("%q: Content-Length %q, want %q", data, got, c.length)
			}
			if !r.KeepAlive() {
				t.Errorf("%q would close the connection", data)
			}
		}
	}
}

// A WebSocket's request is a handshake that a server takes.
func TestHandshake(t *testing.T) {
	transport := &Transport{Path: "/ws?cname={channel}", Headers: []string{"Origin: http://localhost"}, WebSocket: true}
	r := parseRequest(t, transport.Request().Append(nil, &full))
	if _, err := websocket.ReadHandshake(r, nil); err != nil || string(r.Path()) != "/ws" || string(r.Header("Origin")) != "http://localhost" {
		t.Errorf("%v: %s, Origin %q", err, r.Path(), r.Header("Origin"))
	}
}

func TestAppendDigits(t *testing.T) {
	for _, c := range []struct {
		n    uint64
		want string
	}{{0, "x0000"}, {7, "x0007"}, {1234, "x1234"}, {98765, "x8765"}} {
		if got := string(AppendDigits([]byte("x"), c.n, 4)); got != c.want {
			t.Errorf("%d: %q, want %q", c.n, got, c.want)
		}
	}
	if got := len(Compile("{channel}").Append(nil, &Vars{Channel: MaxChannel})); got != ChannelName {
		t.Errorf("the last channel's name has %d bytes, want %d", got, ChannelName)
	}
}

// FuzzTarget: whatever a file says, it is refused, or every request of it can be
// filled in, and text without placeholders comes out as it went in.
func FuzzTarget(f *testing.F) {
	f.Add([]byte(minimal))
	for _, name := range Names() {
		data, err := builtin.ReadFile(name + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte("label = \"{\"\n[transport.{}]"))
	f.Add([]byte(`{channel}{{seq}}{etag`))
	f.Fuzz(func(t *testing.T, data []byte) {
		text := string(data)
		filled := Compile(text).Append(nil, &full)
		has := false
		for word := range words {
			has = has || strings.Contains(text, "{"+word+"}")
		}
		if !has && string(filled) != text {
			t.Errorf("%q became %q", text, filled)
		}
		if again := Compile(text).Append(nil, &full); string(again) != string(filled) {
			t.Errorf("%q: %q, and then %q", text, filled, again)
		}
		target, err := parse(data)
		if err != nil {
			return
		}
		for _, name := range []string{"", target.Default} {
			transport, err := target.Transport(name)
			if err != nil {
				t.Fatalf("a target that was let pass: %v", err)
			}
			if !strings.HasSuffix(string(transport.Request().Append(nil, &full)), "\r\n\r\n") && transport.Body == "" {
				t.Error("a request without an end")
			}
		}
		body := string(Compile(target.Publish.Body).Append(nil, &full))
		if !strings.HasSuffix(string(target.Publish.Request().Append(nil, &full)), body) {
			t.Error("a publish without its body")
		}
	})
}
