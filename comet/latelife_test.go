package comet

import (
	"fmt"
	"strings"
	"testing"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
)

// end closes a channel at another server, where it begins anew. This server has not heard of it
// yet: the result is the mail that it will get.
func (l *lateLog) end(name string) mail.Mail {
	closed := ordered(name, l.number(name, msg.Close, nil))
	closed.Op = mail.OpClose
	l.channel(name).kept = nil
	l.epoch = record.Scatter(2)
	return closed
}

// TestLateLife: a client may know a life of the channel of which this server has not heard
// yet, for example because it was frozen. The client is not moved back to the life before.
func TestLateLife(t *testing.T) {
	for _, path := range []string{"/poll?cname=a&seq=5&lost=1&epoch=", "/stream?cname=a&seq=5&lost=1&epoch=", "/sse?cname=a&seq=5&lost=1&epoch=", "/history?cname=a&seq=5&epoch=", "/ws?cname=a&seq=5&lost=1&epoch="} {
		for _, whole := range []bool{false, true} {
			h, log := newLate(t, Config{})
			log.prompt, log.epoch = true, record.Scatter(1)
			log.number("a", msg.Data, []byte("m1"))
			first := h.connect(h.srv.shards[0], conn.Front, 0)
			first.get(map[bool]string{false: "/stream?cname=a&seq=2", true: "/stream?cname=a&seq=1"}[whole])
			h.settle()
			log.other(h, "a", "m2")
			h.settle()
			first.objects()
			late := []mail.Mail{log.end("a")}
			late = append(late, ordered("a", log.number("a", msg.Data, []byte("m4"))))
			late = append(late, ordered("a", log.number("a", msg.Data, []byte("m5"))))
			log.prompt = false
			var clients []*end
			for n := range 3 {
				e := h.connect(h.srv.shards[n%2], conn.Front, 0)
				if url := path + life(2); strings.HasPrefix(path, "/ws") {
					e.write(handshake(url))
				} else {
					e.get(url)
				}
				h.settle()
				clients = append(clients, e)
			}
			asked := 0
			for ; len(log.attaches) > 0; asked++ {
				log.attach()()
				h.settle()
			}
			if asked > 3 {
				t.Errorf("%s: the log was asked %d times", path, asked)
			}
			for _, m := range late {
				h.srv.home("a").Post(m)
				h.settle()
			}
			log.attachAll()
			h.settle()
			for n, e := range clients {
				wantObjects(t, e, fmt.Sprint(path, whole, n), "data 5 m5")
			}
			check(t, h.srv, true, path)
		}
	}
}

// TestLateLives: clients of a life that has ended are told so, after a few questions to the
// log, however many clients there are.
func TestLateLives(t *testing.T) {
	h, log := newLate(t, Config{})
	log.prompt, log.epoch = true, record.Scatter(2)
	first := h.connect(h.srv.shards[0], conn.Front, 0)
	first.get("/stream?cname=a&seq=1")
	h.settle()
	log.other(h, "a", "m1")
	h.settle()
	first.objects()
	log.prompt = false
	var clients []*end
	for n := range 20 {
		e := h.connect(h.srv.shards[n%2], conn.Front, 0)
		e.get("/poll?cname=a&seq=7&lost=1&epoch=" + life(1))
		clients = append(clients, e)
		h.settle()
	}
	asked := 0
	for ; len(log.attaches) > 0; asked++ {
		log.attach()()
		h.settle()
	}
	for n, e := range clients {
		if got := e.objects(); strings.Join(got, ", ") != "lost 1 7-, data 1 m1" {
			t.Errorf("client %d: %q", n, got)
		}
	}
	if asked > 3 {
		t.Errorf("the log was asked %d times", asked)
	}
}
