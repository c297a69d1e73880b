package comet

import (
	"fmt"
	"strings"

	"ccomet/comet/internal/conn"
)

// once is add for a message with a key; without one the key is "".
func (m *model) once(name, content, key string) int32 {
	ch := m.channel(name)
	if seq, ok := ch.keys[key]; ok && key != "" {
		m.got["published before"]++
		return seq
	}
	seq := m.add(name, "data", content)
	if key != "" {
		ch.keys[key] = seq
	}
	return seq
}

func (m *model) text() string {
	m.content++
	return fmt.Sprintf("%d é\"\\&=+%%\n", m.content)
}

// publish publishes with /push or /pub, in each form of a request.
func (m *model) publish() {
	name, content := m.name(), m.text()
	escaped := jsonText(content)
	var request string
	form := "cname=" + queryEscape(name) + "&content=" + queryEscape(content)
	how := m.rng.IntN(5)
	switch how {
	case 0:
		request = reqGet(1, "/push?ack=1&"+form, closing)
	case 1:
		request = reqForm(1, "/push?ack=1", form, closing)
	case 2:
		request = reqGet(1, "/pub?ack=1&cname="+queryEscape(name)+"&content="+queryEscape(escaped[1:len(escaped)-1]), closing)
	default:
		kind := []string{"text/plain", "text/plain; charset=utf-8", "application/octet-stream", "application/json"}[m.rng.IntN(4)]
		request = fmt.Sprintf("POST /push?ack=1&cname=%s HTTP/1.1\r\nHost: h\r\nContent-Type: %s\r\n%s", queryEscape(name), kind, closing)
		if how == 3 {
			request += fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content)
		} else {
			request += fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n", 1, content[:1], len(content)-1, content[1:])
		}
	}
	m.answered(request, fmt.Sprintf("{\"type\":\"ok\",\"seq\":%d}\n", m.add(name, "data", content)))
	m.got["published"]++
}

// answered sends a request to the admin side, and compares the body of the answer.
func (m *model) answered(request, want string) {
	m.t.Helper()
	p := m.enter(m.loop(), conn.Admin)
	p.send(request)
	if got := p.body(); got != want {
		m.fail("%q is answered %q, want %q", request, got, want)
	}
	p.leave()
}

// publishBatch publishes with /publish. Some messages have a key that was there before, and some are refused.
func (m *model) publishBatch() {
	var elements, answers []string
	taken, failed := 0, 0
	for range 1 + m.rng.IntN(5) {
		content, key, keyText := m.text(), "", ""
		if m.rng.IntN(2) == 0 {
			key = fmt.Sprint(m.rng.IntN(6))
			keyText = fmt.Sprintf(`,"key":%q`, key)
		}
		text := jsonText(content)
		if m.rng.IntN(4) == 0 { // content that is not a string
			content = fmt.Sprintf(`{"n": [%d,null]}`, m.content)
			text = content
		}
		one := func(name string) string {
			taken++
			return fmt.Sprintf(`{"seq":%d}`, m.once(name, content, key))
		}
		switch m.rng.IntN(5) {
		case 0:
			var names, seqs []string
			for range 1 + m.rng.IntN(4) {
				name := m.name()
				names, seqs = append(names, name), append(seqs, one(name))
			}
			elements = append(elements, fmt.Sprintf(`{"cnames":%s,"content":%s%s}`, jsonText(names), text, keyText))
			answers = append(answers, "["+strings.Join(seqs, ",")+"]")
		case 1:
			failed++
			elements = append(elements, fmt.Sprintf(`{"content":%s,"cname":"\u0007"%s}`, text, keyText))
			answers = append(answers, `{"error":"400","content":"cname: control characters are not allowed"}`)
		default:
			name := m.name()
			elements = append(elements, fmt.Sprintf(`{"cname":%s%s,"content":%s}`, jsonText(name), keyText, text))
			answers = append(answers, one(name))
		}
	}
	status := "200 OK"
	if failed > 0 {
		status = "207 Multi-Status"
	}
	if taken == 0 {
		status = "400 Bad Request"
	}
	kind, body, want := asLines, strings.Join(elements, "\n"), strings.Join(answers, "\n")+"\n"
	if m.rng.IntN(2) == 0 {
		kind, body, want = "application/json", "["+strings.Join(elements, ",")+"]", "["+strings.Join(answers, ",")+"]\n"
	}
	p := m.enter(m.loop(), conn.Admin)
	p.send(reqBatch(1, kind, body, closing))
	if got := p.take(); !strings.HasPrefix(got, "HTTP/1.1 "+status+"\r\n") || !strings.HasSuffix(got, "\r\n\r\n"+want) {
		m.fail("%s is answered %q, want %s and %s", body, got, status, want)
	}
	p.leave()
	m.got["published in batches"] += taken
}

func (m *model) broadcast() {
	content := m.text()
	for name := range m.channels {
		m.add(name, "broadcast", content)
	}
	m.answered(reqGet(1, "/broadcast?content="+queryEscape(content), closing), "ok\n")
	m.got["broadcasts"]++
}
