package comet

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/httplite/websocket"
)

// clientPiece is a client's frame whose first byte is given.
func clientPiece(first byte, payload string) string {
	frame := []byte(clientFrame(websocket.Text, payload))
	frame[0] = first
	return string(frame)
}

// frameOfLength is the head of a frame that claims a length.
func frameOfLength(length uint64) string {
	return string(binary.BigEndian.AppendUint64([]byte{0x81, 0xFF}, length)) + "\x00\x00\x00\x00"
}

// deflated is a client's message that is compressed.
func deflated(message string) string {
	var d websocket.Deflater
	packed := d.Append(nil, []byte(message), 0)
	return clientPiece(0xC1, string(packed))
}

// Invalid input ends its connection with the right code, has no effect on others, and
// leaves nothing.
func TestWebSocketBadInput(t *testing.T) {
	const compress = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
	for name, c := range map[string]struct{ input, header, want string }{
		"no mask":                   {"\x81\x01x", "", "close 1002 frame of a client without a mask"},
		"reserved bit":              {clientPiece(0xA1, "x"), "", "close 1002 reserved bit set"},
		"compressed, not agreed on": {clientPiece(0xC1, "x"), "", "close 1002 reserved bit set"},
		"reserved opcode":           {clientPiece(0x83, "x"), "", "close 1002 reserved opcode"},
		"long ping":                 {clientPiece(0x89, strings.Repeat("x", 126)), "", "close 1002 control frame of more than 125 bytes"},
		"ping in pieces":            {clientPiece(0x09, "x"), "", "close 1002 fragmented control frame"},
		"2^63 bytes":                {frameOfLength(1 << 63), "", "close 1002 length of 2^63 or more"},
		"2^63-1 bytes":              {frameOfLength(1<<63 - 1), "", "close 1009 message too big: the limit is 65536 bytes"},
		"one byte too many":         {frameOfLength(1<<16 + 1), "", "close 1009 message too big: the limit is 65536 bytes"},
		"too long in pieces":        {clientPiece(0x01, strings.Repeat("x", 60000)) + clientPiece(0x80, strings.Repeat("x", 6000)), "", "close 1009 message too big: the limit is 65536 bytes"},
		"empty fragments":           {clientPiece(0x01, "") + strings.Repeat(clientPiece(0x00, ""), 5000), "", "close 1009 message of too many fragments: the limit is 4096 frames"},
		"not UTF-8":                 {clientPiece(0x81, "\xff"), "", "close 1007 text that is not UTF-8"},
		"binary":                    {clientPiece(0x82, "x"), "", "close 1003 only text messages are accepted"},
		"continuation of nothing":   {clientPiece(0x80, "x"), "", "close 1002 continuation of no message"},
		"half a close code":         {clientPiece(0x88, "x"), "", "close 1002 close frame with half a code"},
		"HTTP":                      {reqGet(1, "/stream?cname=a"), "", "close 1002 reserved bit set"},
		"bomb":                      {deflated(strings.Repeat("x", 1<<20)), compress, "close 1009 message too big: the limit is 65536 bytes"},
		"does not inflate":          {clientPiece(0xC1, "\xff\xff\xff"), compress, "close 1007 compressed message that does not inflate"},
		"compressed, not UTF-8":     {deflated("\xff\xff"), compress, "close 1007 text that is not UTF-8"},
		"a close within a message":  {clientPiece(0x01, "{") + clientFrame(websocket.Close, "\x03\xe8"), "", "close 1000"},
		"behind the close":          {clientFrame(websocket.Close, "") + "\xff\xff\xff\xff", "", "close"},
	} {
		t.Run(name, func(t *testing.T) {
			st := newStage(t, Config{Loops: 1, WSDeflate: true})
			other := st.websocket(0, "/ws?cname=a&seq=1")
			p := st.websocket(0, "/ws?cname=a&seq=1", c.header)
			p.send(c.input)
			p.expect(c.want)
			if !p.gone() {
				t.Error("the connection stays open")
			}
			st.admin(0, "/push?cname=a&content=x")
			other.expect(object("data", 1, "x"))
			if f := st.figures().Loops[0]; f.Sockets.Busy != 0 || f.Sockets.Bytes != 0 || f.Connections[conn.Front][conn.WebSocket] != 1 {
				t.Errorf("%+v", f)
			}
			check(t, st.srv, true, "")
		})
	}
}

// An invalid operation is answered, and the connection stays open.
func TestWebSocketBadOperations(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSRate: 1000})
	p := st.websocket(0, "/ws")
	deep := strings.Repeat("[", 1000) + strings.Repeat("]", 1000)
	for text, want := range map[string]string{
		``: `{"type":"400","content":"not a JSON object"}`,
		`{"op":"sub","id":7,"cname":` + deep + `}`:                `{"type":"400","content":"nested too deep: at most 128 arrays and objects in each other","id":7}`,
		`{"op":"sub","cname":"` + strings.Repeat("x", 256) + `"}`: `{"type":"400","content":"cname: 256 bytes, at most 255"}`,
		`{"op":"ping","id":"` + strings.Repeat("x", 63) + `"}`:    `{"type":"400","content":"id: want a number or a string, of at most 64 bytes"}`,
		`{"op":"ping","id":1,"id":2}`:                             `{"type":"400","content":"a member occurs twice","id":1}`,
	} {
		p.ask(text, want)
	}
	p.ask(`{"op":"ping"}`, `{"type":"pong"}`)
	if f := st.figures(); f.Refused != 5 || f.Loops[0].Sockets.Busy != 0 {
		t.Errorf("%+v", f)
	}
}

// Ten thousand subs on one connection, as fast as they can be sent: most get the answer
// that there are too many, all are answered, and another client is served meanwhile.
func TestWebSocketFloodOfSubs(t *testing.T) {
	for rate, refusal := range map[int]string{100: "ws-rate is 100 a second", -1: "ws-max-channels is 64"} {
		st := newStage(t, Config{Loops: 2, WSRate: rate})
		other := st.websocket(0, "/ws")
		p := st.websocket(0, "/ws")
		var answers []string
		for n := 0; n < 10000; n += 100 {
			texts := ""
			for k := range 100 {
				texts += clientFrame(websocket.Text, fmt.Sprintf(`{"op":"sub","cname":"c%d","id":%d}`, n+k, n+k))
			}
			p.write(texts)
			for before := -1; len(answers) != before || before < n; {
				st.settle()
				if before = len(answers); true {
					if heard := p.hear(); heard != "" {
						answers = append(answers, strings.Split(heard, "\n")...)
					}
				}
			}
			if n == 5000 {
				other.ask(`{"op":"ping"}`, `{"type":"pong"}`)
			}
		}
		refused := 0
		for n, answer := range answers {
			if !strings.HasSuffix(answer, fmt.Sprintf(`,"id":%d}`, n)) {
				t.Fatalf("answer %d is %s", n, answer)
			}
			if strings.Contains(answer, refusal) {
				refused++
			}
		}
		subscribed := int(st.srv.totals.Subscribers.Load())
		if len(answers) != 10000 || refused < 9000 || subscribed != 64 {
			t.Errorf("%d answers, %d refused, %d subscribed", len(answers), refused, subscribed)
		}
		check(t, st.srv, true, "")
	}
}

// Pings beyond the rate end the connection.
func TestWebSocketFloodOfPings(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSRate: 10})
	for _, op := range []websocket.Opcode{websocket.Ping, websocket.Pong} {
		p := st.websocket(0, "/ws")
		p.send(strings.Repeat(clientFrame(op, ""), 10))
		heard := p.hear()
		if pongs := strings.Count(heard, "pong"); op == websocket.Ping && pongs != 10 || op == websocket.Pong && heard != "" {
			t.Errorf("%v: %q", op, heard)
		}
		p.send(clientFrame(op, ""))
		p.expect("close 1008 too many messages on this connection: ws-rate is 10 a second")
		slow := st.websocket(0, "/ws")
		for range 30 {
			slow.send(strings.Repeat(clientFrame(op, ""), 10))
			st.later(time.Second)
		}
		if slow.hear(); slow.closed {
			t.Errorf("%v: one within its rate is closed", op)
		}
	}
}

// A client that sends and does not read is no longer read from: what is held for it stays
// small.
func TestWebSocketNeverReads(t *testing.T) {
	st := newStage(t, Config{Loops: 1, WSRate: -1, WSPublish: true, WriteTimeout: 20 * time.Second})
	other := st.websocket(0, "/ws")
	p := st.websocket(0, "/ws")
	sent, most := 0, int64(0)
	text := clientFrame(websocket.Text, `{"op":"pub","cname":"a","content":1,"id":"`+strings.Repeat("x", 60)+`"}`)
	for range 3000 {
		if n := p.tryWrite(text); n < len(text) {
			break // the kernel takes no more: nobody reads it
		}
		sent++
		st.settle()
		most = max(most, st.figures().Loops[0].Reactor.HeldBytes)
	}
	if sent == 3000 || most > 64<<10 {
		t.Errorf("%d were sent, %d bytes were held", sent, most)
	}
	other.ask(`{"op":"ping"}`, `{"type":"pong"}`)
	for range 60 {
		st.later(time.Second)
		other.send(clientFrame(websocket.Pong, ""))
	}
	if n := st.srv.totals.SlowClosed.Load(); n != 1 || st.figures().Loops[0].Connections[conn.Front][conn.WebSocket] != 1 {
		t.Errorf("%d are closed", n)
	}
	check(t, st.srv, true, "")
}

// A message has a time to arrive, and all arriving messages have a bound in memory.
func TestWebSocketDribble(t *testing.T) {
	st := newStage(t, Config{Loops: 1, BodyTimeout: 5 * time.Second})
	p, q := st.websocket(0, "/ws"), st.websocket(0, "/ws")
	frame := clientFrame(websocket.Text, `{"op":"ping","x":"`+strings.Repeat("x", 1000)+`"}`)
	for n := range 4 {
		p.send(frame[n*200 : (n+1)*200])
		st.later(time.Second)
	}
	p.send(frame[800:])
	p.expect(`{"type":"pong"}`)
	for n := range 8 {
		q.send(frame[n : n+1])
		st.later(time.Second)
	}
	q.expect("close 1008 a message did not arrive within 5s")
	if f := st.figures().Loops[0].Sockets; f.Busy != 0 || f.Bytes != 0 {
		t.Errorf("%+v", f)
	}
}

func TestWebSocketPartialMessagesAreBounded(t *testing.T) {
	st := newStage(t, Config{Loops: 1, MaxHeldBytes: 256 << 10})
	var all []*wsPlayer
	for range 8 {
		p := st.websocket(0, "/ws")
		p.send(clientFrame(websocket.Text, strings.Repeat("x", 60000))[:60000])
		if f := st.figures().Loops[0].Sockets; f.Bytes > 256<<10 {
			t.Fatalf("%d bytes are held", f.Bytes)
		}
		all = append(all, p)
	}
	closed := 0
	for _, p := range all {
		if p.hear() == "close 1013 too much is held of requests that are still arriving: max-held-bytes is 262144" {
			closed++
		}
	}
	if closed < 2 || closed > 6 {
		t.Errorf("%d are closed", closed)
	}
	st.later(15 * time.Second)
	if f := st.figures().Loops[0].Sockets; f.Busy != 0 || f.Bytes != 0 {
		t.Errorf("%+v", f)
	}
}

// Nothing remains of a connection that ends at any point.
func TestWebSocketVanishes(t *testing.T) {
	st := newStage(t, Config{Loops: 2, WSPublish: true})
	there := st.homed(1)
	texts := clientFrame(websocket.Text, `{"op":"pub","cname":"`+there+`","content":1}`) + clientFrame(websocket.Text, `{"op":"sub","cname":"`+there+`"}`) +
		clientFrame(websocket.Text, `{"op":"sub","cname":"b"}`) + clientFrame(websocket.Text, `{"op":"unsub","cname":"b"}`)
	for cut := range len(texts) + 1 {
		for turns := range 4 {
			p := st.websocket(0, "/ws?cname=a")
			p.write(texts[:cut])
			for range turns {
				st.turn(0)
			}
			if cut%2 == 0 {
				p.half()
			} else {
				p.leave()
			}
			st.settle()
			st.settle()
			if f := st.figures().Loops[0].Sockets; f.Busy != 0 || f.Bytes != 0 {
				t.Fatalf("cut at %d after %d turns: %+v", cut, turns, f)
			}
			p.leave()
		}
	}
	st.later(5 * time.Second)
	check(t, st.srv, true, "")
	if n := st.srv.totals.Subscribers.Load(); n != 0 {
		t.Errorf("%d subscribers are left", n)
	}
}
