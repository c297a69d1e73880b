package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gobwas/ws/wsutil"
)

// Publishers of a cluster use all nodes, and all ways to publish.

// publish publishes at a steady average rate until ctx ends.
func (s *clusterSoak) publish(ctx context.Context, rate float64) {
	for ctx.Err() == nil {
		if s.calm.Load() {
			_ = sleep(ctx, 20*time.Millisecond)
			continue
		}
		s.under.Add(1)
		switch node := s.nodes[rand.IntN(len(s.nodes))]; rand.IntN(12) {
		case 0:
			s.broadcast(node)
		case 1, 2:
			s.publishBatch(node)
		case 3, 4:
			s.publishSurely()
		case 5:
			s.publishBySocket(ctx)
		case 6:
			if rand.IntN(10) == 0 {
				s.empty(node)
			}
		default:
			s.publishOne(rand.IntN(soakClusterChannels), node)
		}
		s.under.Add(-1)
		_ = sleep(ctx, time.Duration(rand.ExpFloat64()/rate*float64(time.Second)))
	}
}

// content returns a unique content.
func (s *clusterSoak) content() string {
	return fmt.Sprintf("%08x-%s", s.number.Add(1), strings.Repeat("x", rand.IntN(300)))
}

// post sends a request that publishes. ok is false if its result is unknown.
func (s *clusterSoak) post(node *server, path, kind string, body []byte) (status int, text []byte, ok bool) {
	resp, err := s.client.Post("http://"+node.admin+path, kind, bytes.NewReader(body))
	if err != nil {
		return 0, nil, false
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("Retry-After") == "" {
		s.faults.fault("a publish is answered 503 without Retry-After: %.100q", text)
	}
	return resp.StatusCode, text, err == nil
}

const formType = "application/x-www-form-urlencoded"

// publishOne publishes a message. ok is false if the answer has no number.
func (s *clusterSoak) publishOne(channel int, node *server) (number int32, ok bool) {
	content := s.content()
	s.judge.publishing(content, false, channel)
	status, text, ok := s.post(node, "/push?ack=1", formType, []byte(url.Values{"cname": {s.channel(channel)}, "content": {content}}.Encode()))
	var answer struct{ Seq int32 }
	switch {
	case !ok:
		s.judge.count(&s.judge.unknown)
	case status == http.StatusServiceUnavailable:
		s.judge.count(&s.judge.refused)
	case status != http.StatusOK || json.Unmarshal(text, &answer) != nil || answer.Seq == 0:
		s.faults.fault("a publish is answered %d, %.100q", status, text)
	default:
		s.judge.numbered(channel, answer.Seq, content, "its publisher")
		s.judge.count(&s.judge.published)
		return answer.Seq, true
	}
	return 0, false
}

// broadcast publishes to all channels.
func (s *clusterSoak) broadcast(node *server) {
	content, all := s.content(), make([]int, soakClusterChannels)
	for i := range all {
		all[i] = i
	}
	s.judge.publishing(content, false, all...)
	status, text, ok := s.post(node, "/broadcast", formType, []byte(url.Values{"content": {content}}.Encode()))
	switch {
	case !ok:
		s.judge.count(&s.judge.unknown)
	case status == http.StatusServiceUnavailable:
		s.judge.count(&s.judge.refused)
	case status != http.StatusOK:
		s.faults.fault("a broadcast is answered %d, %.100q", status, text)
	default:
		s.judge.spread(content)
		s.judge.count(&s.judge.published)
	}
}

// batchElement is a message of a batch, to one or several channels.
type batchElement struct {
	Cnames  []string `json:"cnames"`
	Content string   `json:"content"`
	Key     string   `json:"key,omitempty"`

	channels []int
}

func (s *clusterSoak) newElement(channels []int, keyed bool) batchElement {
	e := batchElement{Content: s.content(), channels: channels}
	for _, channel := range channels {
		e.Cnames = append(e.Cnames, s.channel(channel))
	}
	if keyed {
		e.Key = e.Content
		if len(e.Key) > 128 {
			e.Key = e.Key[:128] // which includes the content's number
		}
	}
	s.judge.publishing(e.Content, keyed, channels...)
	return e
}

// publishBatch publishes several messages in one request.
func (s *clusterSoak) publishBatch(node *server) {
	var elements []batchElement
	for range 1 + rand.IntN(20) {
		elements = append(elements, s.newElement(rand.Perm(soakClusterChannels)[:1+rand.IntN(3)], rand.IntN(3) == 0))
	}
	s.sendBatch(node, elements)
}

// sendBatch publishes messages, and reports whether all have their numbers.
func (s *clusterSoak) sendBatch(node *server, elements []batchElement) bool {
	var body bytes.Buffer
	for _, e := range elements {
		_ = json.NewEncoder(&body).Encode(e) // only strings: it cannot fail
	}
	status, text, ok := s.post(node, "/publish", "application/x-ndjson", body.Bytes())
	if !ok {
		s.judge.count(&s.judge.unknown)
		return false
	}
	if status != http.StatusOK && status != http.StatusMultiStatus && status != http.StatusServiceUnavailable {
		s.faults.fault("a batch is answered %d, %.200q", status, text)
		return false
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if status == http.StatusServiceUnavailable && !strings.HasPrefix(lines[0], "[") { // all are refused: the server is stopping
		s.judge.count(&s.judge.refused)
		return false
	}
	if len(lines) != len(elements) {
		s.faults.fault("a batch of %d is answered %d lines, %.200q", len(elements), len(lines), text)
		return false
	}
	all := true
	for n, e := range elements {
		all = s.elementAnswered(&e, lines[n]) && all
	}
	return all
}

// elementAnswered handles the answer for one element, and reports whether all its messages have
// numbers.
func (s *clusterSoak) elementAnswered(e *batchElement, line string) bool {
	var answers []struct {
		Seq   int32
		Error string
	}
	if err := json.Unmarshal([]byte(line), &answers); err != nil || len(answers) != len(e.channels) {
		s.faults.fault("a message of a batch to %d channels is answered %.200q", len(e.channels), line)
		return false
	}
	all := true
	for i, a := range answers {
		switch {
		case a.Error == "503":
			s.judge.count(&s.judge.refused)
			all = false
		case a.Error != "" || a.Seq == 0:
			s.faults.fault("a message of a batch is answered %.200q", line)
			all = false
		default:
			s.judge.numbered(e.channels[i], a.Seq, e.Content, "its publisher")
			s.judge.count(&s.judge.published)
		}
	}
	return all
}

// sureTime is how long a message with a key is sent again. It is shorter than the time for which
// servers know keys.
const sureTime = 30 * time.Second

// publishSurely publishes a message with a key repeatedly, at random nodes, until it has its numbers,
// and then up to two times more.
func (s *clusterSoak) publishSurely() {
	e := s.newElement(rand.Perm(soakClusterChannels)[:1+rand.IntN(3)], true)
	again := rand.IntN(3)
	for until := time.Now().Add(sureTime); time.Now().Before(until) && s.ctx.Err() == nil; {
		if s.sendBatch(s.nodes[rand.IntN(len(s.nodes))], []batchElement{e}) {
			if again--; again < 0 {
				return
			}
		}
		s.judge.count(&s.judge.repeated)
		_ = sleep(s.ctx, time.Duration(rand.IntN(200))*time.Millisecond)
	}
}

// publishBySocket publishes a message with a key on one WebSocket after the other, until it has its
// number.
func (s *clusterSoak) publishBySocket(ctx context.Context) {
	channel := rand.IntN(soakClusterChannels)
	e := s.newElement([]int{channel}, true)
	for until := time.Now().Add(sureTime); time.Now().Before(until) && ctx.Err() == nil; {
		if s.socketPublishes(ctx, channel, &e) {
			return
		}
		s.judge.count(&s.judge.repeated)
		_ = sleep(ctx, time.Duration(rand.IntN(200))*time.Millisecond)
	}
}

// socketPublishes publishes a message on a WebSocket, and reports whether it has its number.
func (s *clusterSoak) socketPublishes(ctx context.Context, channel int, e *batchElement) bool {
	conn := dialCluster(ctx, s.nodes[rand.IntN(len(s.nodes))], "")
	if conn == nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if say(conn, `{"op":"pub","cname":%q,"content":%q,"key":%q,"id":1}`, e.Cnames[0], e.Content, e.Key) != nil {
		return false
	}
	for {
		text, _, err := wsutil.ReadServerData(conn)
		var o clusterObject
		if err != nil || json.Unmarshal(text, &o) != nil {
			return false
		}
		switch o.Type {
		case "ok":
			s.judge.numbered(channel, o.Seq, e.Content, "its publisher, by a WebSocket")
			s.judge.count(&s.judge.published)
			return true
		case "503":
			s.judge.count(&s.judge.refused)
			return false
		case "retry":
		default:
			s.faults.fault("a publish by a WebSocket is answered %.200q", text)
			return false
		}
	}
}

// hearsay is how long messages that were numbered before a channel was emptied may still be reported.
const hearsay = 20 * time.Second

// empty clears or closes one of the channels that may be emptied.
func (s *clusterSoak) empty(node *server) {
	channel, path := rand.IntN(soakClosable), "/clear"
	if rand.IntN(2) == 0 {
		path = "/close"
	}
	s.judge.emptied(channel, 1)
	defer func() { time.AfterFunc(hearsay, func() { s.judge.emptied(channel, -1) }) }()
	status, text, ok := s.post(node, path, formType, []byte("cname="+s.channel(channel)))
	switch {
	case !ok:
		s.judge.count(&s.judge.unknown)
	case status == http.StatusServiceUnavailable:
		s.judge.count(&s.judge.refused)
	case status != http.StatusOK:
		s.faults.fault("%s is answered %d, %.100q", path, status, text)
	}
}
