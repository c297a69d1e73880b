package comet

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/limit"
)

const (
	asLines  = "application/x-ndjson"
	multi    = "207 Multi-Status"
	bad400   = "400 Bad Request"
	large413 = "413 Request Entity Too Large"
	many429  = "429 Too Many Requests"
)

// reqBatch is a request that publishes a batch.
func reqBatch(minor int, contentType, body string, more ...string) string {
	return fmt.Sprintf("POST /publish HTTP/1.%d\r\nHost: h\r\nContent-Type: %s\r\n%sContent-Length: %d\r\n\r\n%s",
		minor, contentType, strings.Join(more, ""), len(body), body)
}

// line is a message of a batch.
func line(cname, content string) string {
	return fmt.Sprintf(`{"cname":%q,"content":%q}`, cname, content)
}

// batchRows are batches, their elements separated by spaces, and the answers.
var batchRows = []struct {
	name, batch, answers, status string
	cfg                          Config
	before                       string
	more                         string // further header lines
}{
	{name: "one", batch: line("a", "x"), answers: `{"seq":1}`, status: ok200},
	{name: "some", batch: line("a", "x") + " " + line("b", "y") + " " + line("a", "z"), answers: `{"seq":1} {"seq":1} {"seq":2}`, status: ok200},
	{name: "to several channels", batch: `{"cnames":["a","b","a"],"content":"x"} ` + line("b", "y"), answers: `[{"seq":1},{"seq":1},{"seq":2}] {"seq":2}`, status: ok200},
	{name: "to several, of which there is one", batch: `{"cnames":["a"],"content":"x"}`, answers: `[{"seq":1}]`, status: ok200},
	{name: "to several, one of which fails", batch: `{"cnames":["a","","b"],"content":"x"}`,
		answers: `[{"seq":1},{"error":"400","content":"cname_is_missing"},{"seq":1}]`, status: multi},
	{name: "some fail", batch: line("a", "x") + ` {"cname":"a"} ` + line("a", "y"), answers: `{"seq":1} {"error":"400","content":"WHERE2:_content_is_missing"} {"seq":2}`, status: multi},
	{name: "all fail", batch: `{"cname":"a"} {"content":"x"}`,
		answers: `{"error":"400","content":"WHERE1:_content_is_missing"} {"error":"400","content":"WHERE2:_cname_is_missing,_or_cnames"}`, status: bad400},
	{name: "a name too long", batch: line(strings.Repeat("n", 256), "x"), answers: `{"error":"400","content":"cname:_256_bytes,_at_most_255"}`, status: bad400},
	{name: "a key too long", batch: `{"cname":"a","content":"x","key":"` + strings.Repeat("k", 129) + `"}`,
		answers: `{"error":"400","content":"key:_129_bytes,_want_1_to_128"}`, status: bad400},
	{name: "an empty key", batch: `{"cname":"a","content":"x","key":""}`, answers: `{"error":"400","content":"key:_0_bytes,_want_1_to_128"}`, status: bad400},
	{name: "a message too large", cfg: Config{MaxMessage: 5}, batch: line("a", "123456") + " " + line("a", "éé1"),
		answers: `{"error":"413","content":"content_is_6_bytes:_max-message_is_5"} {"seq":1}`, status: multi},
	{name: "too many channels", cfg: Config{MaxChannels: 1}, before: "/sign?cname=a", batch: line("a", "x") + " " + line("b", "y"),
		answers: `{"seq":1} {"error":"429","content":"too_many_channels:_max-channels_is_1"}`, status: multi, more: "Retry-After: 5\r\n"},
	{name: "too many to one channel", cfg: Config{PublishRatePerChannel: 2}, batch: line("a", "x") + " " + line("a", "y") + " " + line("a", "z"),
		answers: `{"seq":1} {"seq":2} {"error":"429","content":"too_many_publishes_to_this_channel:_publish-rate-per-channel_is_2_a_second"}`, status: multi, more: "Retry-After: 1\r\n"},
	{name: "too many from one address", cfg: Config{PublishRatePerAddress: 2}, batch: line("a", "x") + " " + line("b", "y") + " " + line("c", "z"),
		answers: `{"seq":1} {"seq":1} {"error":"429","content":"too_many_publishes_from_this_address:_publish-rate-per-address_is_2_a_second"}`, status: multi, more: "Retry-After: 1\r\n"},
	{name: "keys", batch: `{"cname":"a","content":"x","key":"k"} {"cnames":["b","a"],"content":"y","key":"\u006b"} ` + line("a", "z"),
		answers: `{"seq":1} [{"seq":1},{"seq":1}] {"seq":2}`, status: ok200},
}

func TestBatches(t *testing.T) {
	everyWire(t, func(t *testing.T, loops, minor int) {
		for _, r := range batchRows {
			for _, contentType := range []string{asLines, "Application/JSON; charset=utf-8"} {
				t.Run(r.name+"/"+contentType, func(t *testing.T) {
					r.cfg.Loops = loops
					srv := startWire(t, r.cfg)
					if r.before != "" {
						srv.ask(r.before)
					}
					batch, answers, where, told := strings.ReplaceAll(r.batch, " ", "\n"), strings.ReplaceAll(r.answers, " ", "\n")+"\n", "line ", asLines
					if contentType != asLines {
						batch, where, told = "["+strings.ReplaceAll(r.batch, " ", ",")+"]", "element ", asJSON
						answers = "[" + strings.ReplaceAll(r.answers, " ", ",") + "]\n"
					}
					answers = strings.ReplaceAll(strings.ReplaceAll(answers, "_", " "), "WHERE", where)
					var more []string
					if minor == 1 {
						more = append(more, closing)
					}
					got := srv.talk(conn.Admin, reqBatch(minor, contentType, batch, closing))
					same(t, got, answer(r.status, told, answers, append(more, r.more)...))
				})
			}
		}
	})
}

// The published content is the given one, even if that is not a string.
func TestBatchContents(t *testing.T) {
	srv := startWire(t, Config{Loops: 3})
	contents := []string{`"x"`, `""`, `"\u00e9\n\"\\\/😀\ud83d\ude00"`, "\"\u2028\"", `7`, `-1.50e+3`, `null`, `true`, `{"a": [1, "é\n"]}`, `[]`}
	var body strings.Builder
	for _, content := range contents {
		fmt.Fprintf(&body, `{"cname":"a","content":%s}`+"\r\n\n", content)
	}
	srv.talk(conn.Admin, reqBatch(0, asLines, body.String()))
	_, text, _ := strings.Cut(srv.talk(conn.Front, reqGet(0, "/history?cname=a")), "\r\n\r\n")
	messages := parsePast(t, text).Messages
	for n, content := range contents {
		want := content
		if strings.HasPrefix(content, `"`) {
			if err := json.Unmarshal([]byte(content), &want); err != nil {
				t.Fatal(err)
			}
		}
		if n >= len(messages) || messages[n].Content != want {
			t.Errorf("%s: %+v", content, messages)
		}
	}
	if strings.ContainsRune(text, 0x2028) {
		t.Error("a line separator is not escaped")
	}
}

// A request that is not a batch publishes nothing, and the answer says what is wrong.
func TestBatchesRefused(t *testing.T) {
	srv := startWire(t, Config{Loops: 2, MaxMessage: 1000, MaxBatch: 200_000, MaxBatchMessages: 10})
	good := line("a", "x")
	for _, r := range []struct{ contentType, body, status, why string }{
		{asJSON, "[" + good + "," + good, bad400, "element 3, byte 57 of the body: want , or ] behind an element"},
		{asJSON, "[" + good + "{", bad400, "element 2, byte 29 of the body: want , or ] behind an element"},
		{asJSON, good, bad400, "element 1, byte 1 of the body: want [, the beginning of an array: objects alone, one a line, are application/x-ndjson"},
		{asJSON, "", bad400, "element 1, byte 1 of the body: want [, the beginning of an array"},
		{asLines, "", bad400, "the body is empty: want a line for each message, or an array of them"},
		{asLines, "\r\n\n ", bad400, "the body is empty: want a line for each message, or an array of them"},
		{asLines, strings.Repeat(good+"\n", 11), large413, "too many messages for one request: max-batch-messages is 10"},
		{asLines, `{"cnames":["` + strings.Repeat(`a","`, 10) + `a"],"content":"x"}`, large413, "too many messages for one request: max-batch-messages is 10"},
		{asJSON, "[" + strings.Repeat("{},", 10) + good + "]", large413, "too many messages for one request: max-batch-messages is 10"},
		{asJSON, "[" + strings.Repeat(" ", 200_000) + "]", large413, "the body is too long: max-batch is 200000"},
		{"text/plain", good, "415 Unsupported Media Type", `"text/plain": want Content-Type application/x-ndjson for lines, or application/json for an array`},
		{"application/x-www-form-urlencoded", "cname=a&content=x", "415 Unsupported Media Type",
			`"application/x-www-form-urlencoded": want Content-Type application/x-ndjson for lines, or application/json for an array`},
		{"", good, "415 Unsupported Media Type", "a body without a Content-Type: want Content-Type application/x-ndjson for lines, or application/json for an array"},
	} {
		more := ""
		if strings.Contains(r.why, "max-batch is") {
			more = "Connection: close\r\n"
		}
		got := srv.talk(conn.Admin, reqBatch(0, r.contentType, r.body))
		same(t, strings.Replace(got, more, "", 1), answer(r.status, asText, r.why+"\n"))
	}
	same(t, srv.talk(conn.Admin, reqGet(0, "/publish")), answer("405 Method Not Allowed", asText, "method not allowed here: want POST, OPTIONS\n", "Allow: POST, OPTIONS\r\n"))
	if got := srv.talk(conn.Admin, reqBatch(0, asJSON, "["+good+"]", "Origin: https://x.example\r\n")); !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("from a web page: %q", got)
	}
	same(t, srv.ask("/check?cname=a"), "{}\n")
	same(t, srv.talk(conn.Admin, reqBatch(0, asJSON, " [ ] ")), answer(ok200, asJSON, "[]\n"))
	// At the bounds it is accepted.
	full := strings.Repeat(good+"\n", 9) + strings.Repeat(" ", 200_000-10*len(good)-9) + good
	if got := srv.talk(conn.Admin, reqBatch(0, asLines, full)); !strings.HasSuffix(got, `{"seq":10}`+"\n") || len(full) != 200_000 {
		t.Errorf("got %q", got)
	}
}

// A body may come in chunks, in pieces, and after 100 Continue.
func TestBatchInPieces(t *testing.T) {
	for _, loops := range []int{1, 3} {
		srv := startWire(t, Config{Loops: loops})
		body := strings.Repeat(line("a", strings.Repeat("m", 500))+"\n", 200)
		var chunks strings.Builder
		for rest := body; rest != ""; {
			n := min(len(rest), 777)
			fmt.Fprintf(&chunks, "%x;x=y\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		head := "POST /publish HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-ndjson\r\n" + closing
		c := srv.dial(conn.Admin)
		c.send(head + "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
		c.expect("HTTP/1.1 100 Continue\r\n\r\n")
		c.send(chunks.String() + "0\r\n\r\n")
		if got := c.rest(); !strings.HasSuffix(got, `{"seq":200}`+"\n") {
			t.Fatalf("got %.300q", got)
		}
		// 100 Continue is not sent for a body that is too large.
		got := srv.talk(conn.Admin, head+"Content-Length: 1048577\r\nExpect: 100-continue\r\n\r\n")
		same(t, got, answer(large413, asText, "the body is too long: max-batch is 1048576\n", closing))
		got = srv.talk(conn.Admin, head+"Transfer-Encoding: chunked\r\n\r\n100001\r\n")
		same(t, got, answer(large413, asText, "the body is too long: max-batch is 1048576\n", closing))
	}
}

// checkOrder compares the messages that the readers of all channels got with the order in
// the batch and the numbers in its answer.
func checkOrder(t *testing.T, readers map[string]*end, told []string, messages int) {
	t.Helper()
	total := 0
	for cname, reader := range readers {
		list, _ := reader.events()
		prev := -1
		for k, ev := range list {
			if cname == "c0" && (k == 0 || k == len(list)-1) {
				if want := []string{"first", "last"}[min(k, 1)]; ev.Content != want {
					t.Fatalf("message %d is %q, want %q", k, ev.Content, want)
				}
				continue
			}
			var n int
			fmt.Sscan(ev.Content, &n)
			if n <= prev || n*n%len(readers) != int(cname[1]-'0') || told[n] != fmt.Sprintf(`{"seq":%d}`, ev.Seq) {
				t.Fatalf("%s: %+v behind %d, told %s", cname, ev, prev, told[n])
			}
			prev = n
			total++
		}
	}
	if total != messages {
		t.Errorf("%d messages arrived", total)
	}
}

// A batch of thousands keeps the order of each channel, before and after other requests of
// its connection, and is published in several turns.
func TestBatchOrder(t *testing.T) {
	const messages, chans = 9000, 7
	for _, loops := range []int{1, 3} {
		h := newHarness(t, Config{Loops: loops, ChannelBufferSize: 2000})
		readers := map[string]*end{}
		for n := range chans {
			cname := fmt.Sprintf("c%d", n)
			readers[cname] = streams(h, cname, 1)[0]
		}
		var body strings.Builder
		for n := range messages {
			body.WriteString(line(fmt.Sprintf("c%d", n*n%chans), fmt.Sprint(n)) + "\n")
		}
		e := h.connect(h.srv.shards[0], conn.Admin, 0)
		text := reqGet(1, "/push?cname=c0&content=first") + reqBatch(1, asLines, body.String()) + reqGet(1, "/push?cname=c0&content=last&ack=1")
		for text != "" {
			n, err := unix.Write(e.fd, []byte(text[:min(len(text), 32<<10)]))
			if err != nil && err != unix.EAGAIN {
				t.Fatal(err)
			}
			text = text[max(n, 0):]
			for _, s := range h.srv.shards {
				before := s.broker.Published()
				h.turn(s)
				if n := s.broker.Published() - before; n > 3100 {
					t.Fatalf("%d messages in a turn", n)
				}
			}
		}
		h.settle()
		_, first, ok := e.response()
		_, answers, ok2 := e.response()
		_, last, ok3 := e.response()
		if !ok || !ok2 || !ok3 || first != done || !strings.HasPrefix(last, `{"type":"ok","seq":`) {
			t.Fatalf("answers %q, %.100q, %q", first, answers, last)
		}
		if n := strings.Count(answers, "\n"); n != messages || strings.Contains(answers, "error") {
			t.Fatalf("%d answers, %.200q", n, answers)
		}
		checkOrder(t, readers, strings.Split(answers, "\n"), messages)
		check(t, h.srv, true, "")
	}
}

// A message with a key is published once in two minutes, for each channel and each of its
// lives. Beyond the bound the oldest keys are forgotten.
func TestBatchKeys(t *testing.T) {
	st := newStage(t, Config{Loops: 2, MaxPublishKeys: 2 * 100, AdminIdleTimeout: time.Hour, ChannelTimeout: time.Hour})
	cname := st.homed(1)
	publish := func(key string) string {
		p := st.enter(0, conn.Admin)
		p.send(reqBatch(1, asLines, fmt.Sprintf(`{"cname":%q,"content":"x","key":%q}`, cname, key), closing))
		return strings.TrimSpace(p.body())
	}
	is := func(got string, seq int) {
		t.Helper()
		same(t, got, fmt.Sprintf(`{"seq":%d}`, seq))
	}
	is(publish("k"), 1)
	is(publish("k"), 1)
	is(publish("l"), 2)
	st.later(119 * time.Second)
	is(publish("k"), 1)
	st.later(2 * time.Second)
	is(publish("k"), 3)
	is(publish("k"), 3)
	cname = st.homed(0)
	is(publish("k"), 1)
	cname = st.homed(1)
	st.admin(0, "/close?cname="+cname)
	is(publish("k"), 1)
	for n := range 99 {
		is(publish(fmt.Sprint(n)), n+2)
	}
	is(publish("0"), 2)
	met := func() int64 { return st.srv.totals.Hits[limit.PublishKeys].Times.Load() }
	if met() != 1 { // one belonged to the life before, and is forgotten
		t.Errorf("the bound was reached %d times", met())
	}
	is(publish("99"), 101)
	is(publish("k"), 102) // forgotten as the oldest key
	is(publish("99"), 101)
	if met() != 3 {
		t.Errorf("the bound was reached %d times", met())
	}
	check(t, st.srv, true, "")
}

// If a shared log numbers messages, a batch is answered when all have their
// numbers.
func TestBatchOfALateLog(t *testing.T) {
	h, log := newLate(t, Config{})
	p := h.connect(h.srv.shards[0], conn.Admin, 0)
	p.write(reqBatch(1, asLines, line("a", "x")+"\n"+line("b", "y")+"\n"+`{"cname":1}`+"\n"+line("a", "z")))
	h.settle()
	if len(log.proposals) != 3 {
		t.Fatalf("%d are proposed", len(log.proposals))
	}
	for range 3 {
		wantAnswers(t, p)
		if p := log.proposals[0]; string(p.mail.Content()) == "y" {
			log.refuse()
		} else {
			log.commit()()
		}
		h.settle()
	}
	wantAnswers(t, p, `207 {"seq":1}`+"\n"+`{"error":"503","content":"the log that numbers messages cannot be reached"}`+"\n"+
		`{"error":"400","content":"line 3: cname: want a string"}`+"\n"+`{"seq":2}`)
	check(t, h.srv, true, "")
}
