package comet

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// TestSubscribingDoesNotAllocate: a client that subscribes makes no garbage, with any
// transport, and whether or not it has been here before. Garbage takes memory until it is
// collected: 50 bytes of it for each client were most of what a waiting client of /sse cost.
func TestSubscribingDoesNotAllocate(t *testing.T) {
	skipUnderRace(t)
	for _, request := range []string{
		"/stream?cname=a", "/stream?cname=a&seq=1&noop=2&epoch=",
		"/sse?cname=a", "/sse?cname=a&lastEventId=7", "/sse?cname=a HTTP/1.1\r\nLast-Event-ID: 7.k3f9abc",
		"/iframe?cname=a", "/poll?cname=a&seq=1", "/poll?cname=a&seq=1&cb=f",
		"/stream?cname=a&cname=b&cname=c", "/sse?cname=a&cname=b&cname=c", "/sse?cname=a&cname=b&cname=c&lastEventId=7,8,9",
		"/poll?cname=a&seq=1&cname=b&seq=1&cname=c&seq=1", "/poll?cname=a&seq=1&cname=b&seq=1&cname=c&seq=1&cb=f",
	} {
		t.Run(request, func(t *testing.T) {
			target, lines, _ := strings.Cut(request, " HTTP/1.1\r\n")
			text := []byte("GET " + target + " HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n\r\n")
			if lines == "" {
				text = text[:len(text)-2]
			}
			const first, runs = 20, 50
			h := newHarness(t, Config{Loops: 1})
			s := h.srv.shards[0]
			var ends []*end
			for range first + runs + 1 {
				ends = append(ends, h.connect(s, conn.Front, 0))
			}
			enter := func() {
				e := ends[0]
				ends = ends[1:]
				if _, err := unix.Write(e.fd, text); err != nil {
					t.Fatal(err)
				}
				for range 4 {
					if err := s.loop.Turn(0); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range first {
				enter()
			}
			if allocs := testing.AllocsPerRun(runs, enter); allocs != 0 {
				t.Errorf("%v allocations", allocs)
			}
			if n := s.web.Figures().Connections[conn.Front][conn.Waiting]; n != first+runs+1 {
				t.Errorf("%d wait, want %d", n, first+runs+1)
			}
		})
	}
}
