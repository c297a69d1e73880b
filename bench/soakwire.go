package bench

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
)

// soakTransport is a transport of subscribers.
type soakTransport uint8

const (
	soakStream soakTransport = iota
	soakSSE
	soakIframe
	soakPoll
	soakJSONP
	soakTransports
)

var soakPaths = [soakTransports]string{"/stream", "/sse", "/iframe", "/poll", "/sub"}

func (t soakTransport) poll() bool { return t >= soakPoll }

const soakCallback = "soak_1"

// soakObject is an iComet message.
type soakObject struct {
	kind, cname, content []byte
	seq                  int32
}

// unframe removes a transport's framing from a line. ok is false if the line is malformed;
// payload is empty if the line has no object.
func (t soakTransport) unframe(line []byte) (payload, id []byte, ok bool) {
	line, ok = bytes.CutSuffix(line, []byte("\n"))
	if !ok {
		return nil, nil, false
	}
	switch t {
	case soakSSE:
		if id, ok = bytes.CutPrefix(line, []byte("id: ")); ok {
			return nil, id, true
		}
		if len(line) == 0 || bytes.HasPrefix(line, []byte("retry: ")) {
			return nil, nil, true
		}
		payload, ok = bytes.CutPrefix(line, []byte("data: "))
		return payload, nil, ok
	case soakIframe:
		if bytes.HasPrefix(line, []byte("<!DOCTYPE html>")) {
			return nil, nil, true
		}
		return between(line, "<script>parent.icomet_cb(", ");</script>")
	case soakJSONP:
		return between(line, soakCallback+"(", ");")
	}
	return line, nil, true
}

func between(line []byte, before, after string) (inside, none []byte, ok bool) {
	line, ok = bytes.CutPrefix(line, []byte(before))
	if ok {
		line, ok = bytes.CutSuffix(line, []byte(after))
	}
	return line, nil, ok
}

// soakObjects calls each for the objects of a payload: one, or an array. It returns false if
// the payload is malformed.
func soakObjects(payload []byte, each func(o *soakObject)) bool {
	rest, array := bytes.CutPrefix(payload, []byte("["))
	for {
		var o soakObject
		var ok bool
		if rest, ok = o.read(rest); !ok {
			return false
		}
		each(&o)
		if !array {
			return len(rest) == 0
		}
		if string(rest) == "]" {
			return true
		}
		if rest, ok = bytes.CutPrefix(rest, []byte(",")); !ok {
			return false
		}
	}
}

// read parses an object, as the server writes it, at the start of p.
func (o *soakObject) read(p []byte) (rest []byte, ok bool) {
	if p, ok = bytes.CutPrefix(p, []byte(`{"type":`)); !ok {
		return p, false
	}
	if o.kind, p, ok = readString(p); !ok {
		return p, false
	}
	if p, ok = bytes.CutPrefix(p, []byte(`,"cname":`)); !ok {
		return p, false
	}
	if o.cname, p, ok = readString(p); !ok {
		return p, false
	}
	if p, ok = bytes.CutPrefix(p, []byte(`,"seq":`)); !ok {
		return p, false
	}
	end := bytes.IndexByte(p, ',')
	if end < 0 {
		return p, false
	}
	seq, err := strconv.ParseInt(string(p[:end]), 10, 32)
	if err != nil {
		return p, false
	}
	o.seq = int32(seq)
	if p, ok = bytes.CutPrefix(p[end:], []byte(`,"content":`)); !ok {
		return p, false
	}
	if o.content, p, ok = readString(p); !ok {
		return p, false
	}
	return bytes.CutPrefix(p, []byte("}"))
}

// readString parses a JSON string at the start of p.
func readString(p []byte) (s, rest []byte, ok bool) {
	if len(p) == 0 || p[0] != '"' {
		return nil, p, false
	}
	for i := 1; i < len(p); i++ {
		switch {
		case p[i] == '"':
			s, rest = p[1:i], p[i+1:]
			if bytes.IndexByte(s, '\\') < 0 {
				return s, rest, true
			}
			var text string
			err := json.Unmarshal(p[:i+1], &text)
			return []byte(text), rest, err == nil
		case p[i] == '\\':
			i++
		case p[i] < ' ':
			return nil, p, false
		}
	}
	return nil, p, false
}

// appendSubscribe appends a request for channels, each from a number.
func appendSubscribe(dst []byte, sub *soakClient, names func(channel uint32) string) []byte {
	dst = append(append(dst, "GET "...), soakPaths[sub.transport]...)
	for i, w := range sub.wants {
		dst = append(dst, "?&"[min(i, 1)])
		dst = append(append(dst, "cname="...), url.QueryEscape(names(w.channel))...)
		seq := w.next
		if sub.transport == soakSSE && len(sub.lastID) > 0 {
			seq = w.began // like a browser, which keeps its URL
		}
		dst = strconv.AppendInt(append(dst, "&seq="...), int64(seq), 10)
	}
	if !sub.plain {
		dst = append(dst, "&lost=1"...)
	}
	if sub.transport == soakJSONP {
		dst = append(dst, "&cb="+soakCallback+"&_=1"...)
	}
	if sub.old {
		dst = append(dst, " HTTP/1.0\r\n"...)
	} else {
		dst = append(dst, " HTTP/1.1\r\nHost: localhost\r\n"...)
	}
	if sub.transport == soakSSE && len(sub.lastID) > 0 {
		dst = append(append(append(dst, "Last-Event-ID: "...), sub.lastID...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// appendElement appends a message of a batch.
func appendElement(dst []byte, name string, content []byte) []byte {
	text, _ := json.Marshal(map[string]string{"cname": name, "content": string(content)}) // only strings: it cannot fail
	return append(append(dst, text...), '\n')
}

// appendBatch appends a request that publishes a batch.
func appendBatch(dst, body []byte) []byte {
	dst = append(dst, "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	return append(append(dst, "\r\n\r\n"...), body...)
}

// appendPublish appends a request that publishes to a channel, or to all ("").
func appendPublish(dst []byte, name string, content []byte, post bool) []byte {
	path, form := "/push?ack=1", "cname="+url.QueryEscape(name)+"&content="+url.QueryEscape(string(content))
	if name == "" {
		path, form = "/broadcast?", form[len("cname=&"):]
	}
	if !post {
		if path[len(path)-1] != '?' {
			path += "&"
		}
		return append(append(append(append(dst, "GET "...), path...), form...), " HTTP/1.1\r\nHost: localhost\r\n\r\n"...)
	}
	dst = append(append(append(dst, "POST "...), path...), " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(form)), 10)
	return append(append(dst, "\r\n\r\n"...), form...)
}
