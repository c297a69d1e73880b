package doctor

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"ccomet/cmd/ccomet/internal/adminclient"
)

// arrival is the time limit for a message, and for everything else except a heartbeat.
const arrival = 3 * time.Second

// through tests the proxy in front of a server from the outside.
type through struct {
	base   string // the URL before a path
	admin  *adminclient.Client
	client *http.Client
	wait   time.Duration // for a heartbeat; 0: the server's polling timeout and a moment
	query  string        // query for the channel on which messages are published

	polling time.Duration // the server's polling timeout, from /ping
}

// ParseThrough parses the public URL of a server.
func ParseThrough(text string) (base string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q: want what comes before /stream, as in https://example.com/comet", text)
	}
	return strings.TrimRight(text, "/"), nil
}

// TryThrough runs all tests. They take at most the wait for a heartbeat and a few times
// arrival.
func TryThrough(ctx context.Context, address, admin string, wait time.Duration) []Finding {
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	base, _ := ParseThrough(address) // AfterApply has validated it
	t := &through{base: base, admin: adminclient.New(admin), wait: wait, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	list := t.try(ctx)
	for i := range list {
		list[i].Name = "through " + base + ": " + list[i].Name
	}
	return list
}

// try runs the tests one after the other. Meanwhile a silent stream waits for its
// heartbeat.
func (t *through) try(ctx context.Context) []Finding {
	list := []Finding{t.tryPing(ctx)}
	if list[0].Status != OK {
		return list
	}
	name := "ccomet-doctor-" + rand.Text()
	silent, err := t.sign(name + "-silent")
	if err == nil {
		t.query, err = t.sign(name)
	}
	defer t.closeChannels(name, name+"-silent")
	if err != nil {
		return append(list, Finding{
			Name: "publishing", Status: Warn, Have: err.Error(), Why: "the other tests need it",
			Fixes: []fix{{File: "--admin ADDR", Lines: []string{"of the server behind " + t.base + ", on which backends may publish"}}},
		})
	}
	began := time.Now()
	quiet := newFlow(ctx, t.client, t.base+"/stream?"+silent, nil)
	defer quiet.leave()
	for _, path := range []string{"/stream", "/sse"} {
		list = append(list, t.tryFlow(ctx, path)...)
	}
	poll, seq := t.tryPoll(ctx)
	list = append(list, poll)
	if poll.Status == OK {
		list = append(list, t.tryResume(ctx, seq))
	}
	return append(list, t.tryWebSocket(ctx), t.tryHeartbeat(quiet, began))
}

// sign creates a channel, and returns the query to subscribe to it.
func (t *through) sign(name string) (query string, err error) {
	text, err := t.admin.Get("/sign", url.Values{"cname": {name}})
	if err != nil {
		return "", err
	}
	var signed struct{ Token string }
	if err := json.Unmarshal([]byte(text), &signed); err != nil {
		return "", fmt.Errorf("/sign answers %.100q: %w", text, err)
	}
	return url.Values{"cname": {name}, "token": {signed.Token}}.Encode(), nil
}

// closeChannels deletes the test channels.
func (t *through) closeChannels(names ...string) {
	for _, name := range names {
		_, _ = t.admin.Get("/close", url.Values{"cname": {name}}) // without this, they expire
	}
}

func (t *through) publish(content string) error {
	values, err := url.ParseQuery(t.query)
	if err != nil {
		return err
	}
	_, err = t.admin.Get("/push", url.Values{"cname": values["cname"], "content": {content}})
	return err
}

// pinged matches the answer of /ping.
var pinged = regexp.MustCompile(`"type":"ping","sub_timeout":(\d+)`)

// tryPing tests whether the server can be reached.
func (t *through) tryPing(ctx context.Context) Finding {
	f := Finding{Name: "the server", Why: "the proxy must pass requests for " + t.base + "/… on to the server, as /…"}
	ctx, cancel := context.WithTimeout(ctx, arrival)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.base+"/ping", nil)
	var resp *http.Response
	if err == nil {
		resp, err = t.client.Do(req)
	}
	if err != nil {
		f.Status, f.Have = Bad, err.Error()
		f.Why, f.Fixes = t.unreached(err)
		return f
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	found := pinged.FindSubmatch(text)
	if found == nil || err != nil {
		f.Status, f.Have = Bad, fmt.Sprintf("/ping is answered %s, %.60q", resp.Status, text)
		f.Fixes = []fix{{File: "nginx, within a location that ends in /", Lines: []string{"proxy_pass http://127.0.0.1:8100/;"}}}
		switch {
		case resp.Header.Get("Location") != "":
			f.Have += ": go to " + resp.Header.Get("Location")
		case resp.StatusCode == http.StatusBadGateway:
			f.Why = "the proxy does not reach the server: is it running where proxy_pass points to?"
		}
		return f
	}
	seconds, _ := strconv.Atoi(string(found[1]))
	t.polling = time.Duration(seconds) * time.Second
	f.Have = "answers, over " + resp.Proto
	return f
}

// largeMessage is larger than a usual proxy buffer, in bytes.
const largeMessage = 16 << 10

// tryFlow tests whether messages arrive on an endless response immediately, each before the
// next is published.
func (t *through) tryFlow(ctx context.Context, path string) []Finding {
	f := Finding{Name: "messages on " + path, Have: "each arrives immediately"}
	flow := newFlow(ctx, t.client, t.base+path+"?"+t.query, nil)
	defer flow.leave()
	first, large := path+" 1", path+" 2 "+strings.Repeat("x", largeMessage)
	_, err := flow.await(arrival, `"next_seq"`)
	if err == nil {
		err = t.publish(first)
	}
	if err == nil {
		_, err = flow.await(arrival, jsonText(first))
	}
	if err == nil {
		err = t.publish(large)
	}
	if err == nil {
		_, err = flow.await(arrival, jsonText(large))
	}
	if err != nil {
		f.Status, f.Have = Bad, err.Error()
		f.Why, f.Fixes = diagnose(flow, err)
	}
	return append([]Finding{f}, t.checkHead(flow, path)...)
}

// jsonText returns a string as JSON.
func jsonText(s string) string {
	text, _ := json.Marshal(s) // a string never fails
	return string(text)
}

// diagnose returns why messages do not arrive, and fixes.
func diagnose(f *flow, err error) (why string, fixes []fix) {
	const where = "nginx, within the location"
	if !errors.Is(err, errLate) {
		return "the proxy ends a response before the server does", []fix{{File: where, Lines: []string{"proxy_read_timeout 60s;"}}}
	}
	why = "messages are delayed until a buffer is full"
	fixes = []fix{{File: where, Lines: []string{"proxy_buffering off;", "gzip off;"}}}
	if f.head != nil && f.head.Header.Get("X-Accel-Buffering") != "" {
		return why + "; the server's X-Accel-Buffering: no arrives here, so a proxy other than nginx delays them", fixes
	}
	fixes[0].Lines = append(fixes[0].Lines, "# and no proxy_ignore_headers X-Accel-Buffering")
	return why, fixes
}

// checkHead checks a response's head.
func (t *through) checkHead(flow *flow, path string) (list []Finding) {
	if flow.head == nil {
		return nil
	}
	if got, want := flow.head.Header.Get("Content-Type"), "text/event-stream"; path == "/sse" && !strings.HasPrefix(got, want) {
		list = append(list, Finding{
			Name: "type of " + path, Status: Bad, Have: strconv.Quote(got), Want: want, Why: "a browser's EventSource never reconnects",
			Fixes: []fix{{File: "nginx, within the location", Lines: []string{"# no add_header and no proxy_hide_header of Content-Type"}}},
		})
	}
	if flow.head.Uncompressed {
		list = append(list, Finding{
			Name: "compression of " + path, Status: Warn, Have: "gzip", Why: "messages are too small to benefit, and it takes 256 KiB of the proxy for each stream",
			Fixes: []fix{{File: "nginx, within the location", Lines: []string{"gzip off;"}}},
		})
	}
	return list
}

// numbered matches the number of a message, or the next number.
var numbered = regexp.MustCompile(`"seq":(-?\d+)`)

// tryPoll tests whether a poll is answered by the message that it waits for, and returns
// the number of that message.
func (t *through) tryPoll(ctx context.Context) (f Finding, seq int) {
	f = Finding{Name: "polls", Have: "are answered with their message"}
	const content = "/sub 1"
	ask := func(seq int) *flow {
		return newFlow(ctx, t.client, fmt.Sprintf("%s/sub?%s&seq=%d", t.base, t.query, seq), nil)
	}
	flow := ask(0)
	defer func() { flow.leave() }()
	line, err := flow.await(arrival, `"next_seq"`)
	if err == nil {
		seq, err = strconv.Atoi(strings.TrimPrefix(numbered.FindString(line), `"seq":`))
	}
	if err == nil {
		flow.leave()
		flow = ask(seq)
		err = t.publish(content)
	}
	if err == nil {
		_, err = flow.await(arrival, jsonText(content))
	}
	if err != nil {
		f.Status, f.Have = Bad, err.Error()
		f.Why, f.Fixes = diagnose(flow, err)
	}
	return f, seq
}

// tryResume tests whether a browser that reconnects gets the messages that it has missed.
func (t *through) tryResume(ctx context.Context, seq int) Finding {
	f := Finding{Name: "Last-Event-ID", Have: "comes through"}
	flow := newFlow(ctx, t.client, t.base+"/sse?"+t.query, http.Header{"Last-Event-Id": {strconv.Itoa(seq - 1)}})
	defer flow.leave()
	if _, err := flow.await(arrival, fmt.Sprintf(`"seq":%d,`, seq), `"data"`); err != nil {
		f.Status, f.Have, f.Why = Bad, err.Error(), "a browser that reconnects with it does not get the missed messages"
		f.Fixes = []fix{{File: "nginx, within the location", Lines: []string{"proxy_set_header Last-Event-ID $http_last_event_id;", "proxy_buffering off;"}}}
	}
	return f
}

// moment is how late a heartbeat may be.
const moment = 5 * time.Second

// tryHeartbeat tests whether a silent stream stays open until its heartbeat.
func (t *through) tryHeartbeat(quiet *flow, began time.Time) Finding {
	f := Finding{Name: "a silent stream", Want: "the server's polling timeout, " + t.polling.String()}
	wait := t.wait
	if wait == 0 {
		wait = t.polling + moment
	}
	_, err := quiet.await(max(wait-time.Since(began), time.Millisecond), `"noop"`)
	lived := time.Since(began).Round(100 * time.Millisecond)
	switch {
	case err == nil:
		f.Have = fmt.Sprintf("had its heartbeat after %v", lived)
	case errors.Is(err, errLate) && wait < t.polling:
		f.Status, f.Have = Warn, fmt.Sprintf("stayed open for %v; the test did not wait longer", lived)
		f.Fixes = []fix{{File: "this command", Lines: []string{fmt.Sprintf("--wait %d", int64((t.polling + moment).Seconds()))}}}
	case errors.Is(err, errLate):
		f.Status, f.Have = Bad, fmt.Sprintf("has no heartbeat after %v", lived)
		f.Why, f.Fixes = diagnose(quiet, err)
	default:
		f.Status, f.Have = Bad, fmt.Sprintf("is cut after %v: %v", lived, err)
		f.Why = "the proxy closes silent connections"
		f.Fixes = []fix{{File: "nginx, within the location", Lines: []string{fmt.Sprintf("proxy_read_timeout %ds;", int64((2 * t.polling).Seconds()))}}}
	}
	return f
}
