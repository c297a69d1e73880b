package comet

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"ccomet/comet/internal/conn"
)

func queryEscape(s string) string { return url.QueryEscape(s) }

// jsonText is JSON that escapes as little as the server does.
func jsonText(v any) string {
	var text strings.Builder
	to := json.NewEncoder(&text)
	to.SetEscapeHTML(false)
	_ = to.Encode(v) // strings, and maps of them: it cannot fail
	return strings.TrimSuffix(text.String(), "\n")
}

// text is a message as the server sends it. epoch is told if it is not empty.
func (e *event) text(epoch string) string {
	if epoch != "" {
		epoch = fmt.Sprintf(`,"epoch":%q`, epoch)
	}
	return fmt.Sprintf(`{"type":%q,"cname":%s,"seq":%d,"content":%s%s}`, e.Type, jsonText(e.Cname), e.Seq, jsonText(e.Content), epoch)
}

// member is a subscriber of the model.
type member struct {
	*player
	m      *model
	path   string // its transport
	minor  int    // of HTTP
	lost   bool
	alone  bool // it has only ever had one channel
	waits  bool // a poll that had to wait
	topics []*topicOf
	ws     *wsPlayer
	in     string // of the body, not handled yet
	begun  bool
	over   bool                // nothing more may come
	want   []string            // answers to the operations of a WebSocket
	left   map[string][]string // messages of channels that these operations have left
	asked  string
}

// topicOf is a channel of a member.
type topicOf struct {
	name, epoch string
	told        bool // the next message tells the epoch
	want        []string
	ids         []string // of server-sent events
}

var modelPaths = []string{"/stream", "/sse", "/iframe", "/sub", "/poll?cb=f", "/ws", "/ws"}

func (c *member) polls() bool { return c.path == "/sub" || c.path == "/poll?cb=f" }

func (c *member) reads(name string) bool {
	return !c.over && slices.ContainsFunc(c.topics, func(t *topicOf) bool { return t.name == name })
}

// give adds messages that a member is to receive from a channel.
func (c *member) give(name string, list ...event) {
	for _, t := range c.topics {
		if t.name == name {
			c.giveTo(t, list)
		}
	}
}

func (c *member) giveTo(t *topicOf, list []event) {
	for _, e := range list {
		epoch := ""
		if t.told {
			epoch, t.told = t.epoch, false
		}
		t.want = append(t.want, e.text(epoch))
		id := e.Seq
		if e.Type != "data" && e.Type != "broadcast" {
			id--
		}
		text := fmt.Sprintf("%d.%s", id, t.epoch)
		if e.Type == "close" {
			text = "closed"
		}
		t.ids = append(t.ids, text)
	}
}

// join is what a subscription gets at once, and the number of the first message that it gets.
func (m *model) join(name string, seq int32, epoch string, lost bool) (t *topicOf, list []event, first int32) {
	ch := m.channel(name)
	t = &topicOf{name: name, epoch: ch.epoch}
	first = ch.oldest()
	switch {
	case seq != 0 && epoch != "" && (epoch != ch.epoch || seq > ch.next):
		if lost {
			list = append(list, event{Type: "lost", Cname: name, Seq: first, Content: fmt.Sprintf("%d-", seq)})
		}
		list = append(list, spread(ch.kept)...)
	case seq == 0 || seq > ch.next:
		return t, []event{{Type: "next_seq", Cname: name, Seq: ch.next}}, ch.next
	case seq < first:
		if lost {
			list = append(list, event{Type: "lost", Cname: name, Seq: first, Content: fmt.Sprintf("%d-%d", seq, first-1)})
		}
		list = append(list, spread(ch.kept)...)
	default:
		list = spread(ch.kept[seq-first:])
		first = seq
	}
	return t, list, first
}

// subscribe adds a member: on one channel, or on several.
func (m *model) subscribe() {
	c := &member{m: m, path: modelPaths[m.rng.IntN(len(modelPaths))], minor: m.rng.IntN(2), lost: m.rng.IntN(2) == 0}
	loop := m.loop()
	query, header := "", ""
	names := modelNames
	if m.rng.IntN(3) > 0 || c.polls() && len(m.channels) < len(names) { // a poll asks one channel after the other, and need not come to the last
		n := m.rng.IntN(len(names))
		names = names[n : n+1]
	}
	if c.lost {
		query += "&lost=1"
	}
	for _, name := range names {
		seq, epoch, told := m.place(name)
		if c.path == "/sse" && len(names) == 1 && seq > 0 && m.rng.IntN(2) == 0 {
			header, told = c.comesBack(seq, epoch), false
			query += "&cname=" + queryEscape(name) + "&seq=1"
			if ch := m.channels[name]; epoch == "" && (ch == nil && seq > 1 || ch != nil && seq > ch.next) {
				epoch = "other"
			}
		} else {
			query += fmt.Sprintf("&cname=%s&seq=%d%s", queryEscape(name), seq, epochParameter(epoch, told))
		}
		t, list, _ := m.join(name, seq, epoch, c.lost)
		t.told = told
		c.giveTo(t, list)
		c.topics = append(c.topics, t)
	}
	c.alone = len(names) == 1
	c.asked = c.path + " " + query + " " + header
	if c.path == "/ws" {
		c.ws = m.websocket(loop, "/ws?"+query[1:])
		c.player = c.ws.player
	} else {
		c.player = m.enter(loop, conn.Front)
		c.send(reqGet(c.minor, strings.Replace(c.path+"?"+query[1:], "?cb=f?", "?cb=f&", 1), header))
	}
	m.members = append(m.members, c)
	m.got[c.path]++
}

// comesBack is the header of a browser that comes back, which counts in the place of the query.
func (c *member) comesBack(seq int32, epoch string) string {
	if epoch == "" {
		return fmt.Sprintf("Last-Event-ID: %d\r\n", seq-1)
	}
	return fmt.Sprintf("Last-Event-ID: %d.%s\r\n", seq-1, epoch)
}

// compare compares the received messages with the expected ones.
func (c *member) compare() {
	c.m.t.Helper()
	lines, ids := c.hear()
	var got = map[string][]string{}
	var answers []string
	for _, line := range lines {
		var e struct {
			event
			ID *int
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			c.m.fail("%s: it gets %q: %v", c.asked, line, err)
		}
		if e.ID != nil {
			answers = append(answers, line)
			continue
		}
		got[e.Cname] = append(got[e.Cname], line)
	}
	if !slices.Equal(answers, c.want) {
		c.m.fail("%s: its operations are answered %q, want %q", c.asked, answers, c.want)
	}
	c.want = nil
	if c.polls() {
		c.comparePoll(got)
		return
	}
	for name, want := range c.left {
		if len(got[name]) < len(want) || !slices.Equal(got[name][:len(want)], want) {
			c.m.fail("%s: channel %s, which it has left: it gets %q, want %q", c.asked, name, got[name], want)
		}
		if got[name] = got[name][len(want):]; len(got[name]) == 0 {
			delete(got, name)
		}
	}
	c.left = nil
	for _, t := range c.topics {
		if !slices.Equal(got[t.name], t.want) {
			c.m.fail("%s: channel %s: it gets %q, want %q", c.asked, t.name, got[t.name], t.want)
		}
		if c.path == "/sse" && c.alone && !slices.Equal(ids, t.ids) {
			c.m.fail("%s: its ids are %q, want %q", c.asked, ids, t.ids)
		}
		delete(got, t.name)
		t.want, t.ids = nil, nil
	}
	if len(got) > 0 {
		c.m.fail("%s: it gets %q of channels that it does not read", c.asked, got)
	}
	before := len(c.topics)
	c.topics = slices.DeleteFunc(c.topics, func(t *topicOf) bool { return c.m.channels[t.name] == nil || c.m.channels[t.name].epoch != t.epoch })
	c.over = before > 0 && len(c.topics) == 0 && c.ws == nil
	if c.ended != c.over {
		c.m.fail("%s: ended %t", c.asked, c.ended)
	}
}

// comparePoll: a poll ends with the messages of one channel, the first that has some.
func (c *member) comparePoll(got map[string][]string) {
	ready := slices.ContainsFunc(c.topics, func(t *topicOf) bool { return len(t.want) > 0 })
	if len(got) == 0 && !ready {
		c.waits = true
		return
	}
	if len(got) != 1 {
		c.m.fail("%s: it gets %q", c.asked, got)
	}
	for _, t := range c.topics {
		lines, ok := got[t.name]
		if ok && c.waits { // it need not wait for the last message of several operations
			t.want = t.want[:min(len(lines), len(t.want))]
		}
		if ok && !slices.Equal(lines, t.want) {
			c.m.fail("%s: channel %s: it gets %q, want %q", c.asked, t.name, lines, t.want)
		}
	}
	c.over = true
	c.leave()
}

// hear returns the messages that have come, and the ids of events.
func (c *member) hear() (lines, ids []string) {
	if c.ws != nil {
		heard := c.ws.hear()
		if heard == "" {
			return nil, nil
		}
		return strings.Split(heard, "\n"), nil
	}
	c.in += c.take()
	if !c.begun {
		_, body, ok := strings.Cut(c.in, "\r\n\r\n")
		if !ok {
			return nil, nil
		}
		c.begun, c.in = true, body
	}
	body := c.in
	c.in = ""
	if c.minor == 1 && !c.polls() {
		body = unchunked(body)
	}
	for _, line := range strings.Split(body, "\n") {
		id, isID := strings.CutPrefix(line, "id: ")
		switch {
		case isID:
			ids = append(ids, id)
			continue
		case line == "", strings.HasPrefix(line, "retry: "), strings.HasPrefix(line, "<!DOCTYPE"):
			continue
		}
		for _, around := range [][2]string{{"data: ", ""}, {"<script>parent.icomet_cb(", ");</script>"}, {"f(", ");"}} {
			line = strings.TrimSuffix(strings.TrimPrefix(line, around[0]), around[1])
		}
		if !strings.HasPrefix(line, "[") {
			lines = append(lines, line)
			continue
		}
		var list []json.RawMessage
		if err := json.Unmarshal([]byte(line), &list); err != nil {
			c.m.fail("%s: it gets %q: %v", c.asked, line, err)
		}
		for _, one := range list {
			lines = append(lines, string(one))
		}
	}
	return lines, ids
}

// unchunked returns the bytes of whole chunks.
func unchunked(body string) (all string) {
	for body != "" {
		var n int
		head, rest, _ := strings.Cut(body, "\r\n")
		if _, err := fmt.Sscanf(head, "%x", &n); err != nil || n == 0 {
			return all
		}
		all, body = all+rest[:n], rest[n+2:]
	}
	return all
}

// operate lets a WebSocket send operations.
func (m *model) operate() {
	var sockets []*member
	for _, c := range m.members {
		if c.ws != nil {
			sockets = append(sockets, c)
		}
	}
	if len(sockets) == 0 {
		return
	}
	c := sockets[m.rng.IntN(len(sockets))]
	c.asked = ""
	var texts []string
	for n := range 1 + m.rng.IntN(6) {
		object, answer := c.operation()
		object["id"] = n
		text := jsonText(object)
		c.asked += text
		texts = append(texts, text)
		c.want = append(c.want, fmt.Sprintf(`%s,"id":%d}`, answer[:len(answer)-1], n))
	}
	c.ws.text(texts...)
}

// operation returns an operation, and its answer without the id.
func (c *member) operation() (object map[string]any, answer string) {
	m, name := c.m, c.m.name()
	at := slices.IndexFunc(c.topics, func(t *topicOf) bool { return t.name == name })
	cname := jsonText(name)
	object = map[string]any{"cname": name}
	switch m.rng.IntN(6) {
	case 0:
		object["op"] = "ping"
		return object, `{"type":"pong"}`
	case 1, 2:
		content, key := m.text(), ""
		object["op"], object["content"] = "pub", content
		if m.rng.IntN(2) == 0 {
			key = fmt.Sprint(m.rng.IntN(6))
			object["key"], key = key, "client "+key
		}
		m.got["ws pub"]++
		return object, fmt.Sprintf(`{"type":"ok","seq":%d}`, m.once(name, content, key))
	case 3, 4:
		seq, epoch, told := m.place(name)
		object["op"], object["lost"] = "sub", c.lost
		if seq != 0 {
			object["seq"] = seq
		}
		if told {
			object["epoch"] = epoch
		}
		if at >= 0 {
			return object, `{"type":"400","content":"already subscribed to this channel: unsub before another sub"}`
		}
		t, list, first := m.join(name, seq, epoch, c.lost)
		if len(list) == 1 && list[0].Type == "next_seq" {
			list = nil
		}
		c.giveTo(t, list)
		c.topics = append(c.topics, t)
		m.got["ws sub"]++
		tells := ""
		if told {
			tells = fmt.Sprintf(`,"epoch":%q`, t.epoch)
		}
		return object, fmt.Sprintf(`{"type":"ok","cname":%s,"seq":%d%s}`, cname, first, tells)
	default:
		object["op"] = "unsub"
		if at < 0 {
			return object, `{"type":"404","content":"not subscribed to this channel"}`
		}
		m.got["ws unsub"]++
		if c.left == nil {
			c.left = map[string][]string{}
		}
		c.left[name] = append(c.left[name], c.topics[at].want...)
		c.topics = slices.Delete(c.topics, at, at+1)
		return object, fmt.Sprintf(`{"type":"ok","cname":%s}`, cname)
	}
}
