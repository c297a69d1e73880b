package comet

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// BenchmarkFanout publishes 50 messages to a channel with 500 streams, BenchmarkEach one
// message to each of 500 channels with a stream.
func BenchmarkFanout(b *testing.B) { deliver(b, 1, 50) }
func BenchmarkEach(b *testing.B)   { deliver(b, 500, 1) }

func deliver(b *testing.B, channels, messages int) {
	const streams = 500
	h := newHarness(b, Config{Loops: 1})
	s := h.srv.shards[0]
	var ends []*end
	for n := range streams {
		e := h.connect(s, conn.Front, 0)
		if _, err := unix.Write(e.fd, []byte(reqGet(1, fmt.Sprintf("/stream?cname=c%d", n%channels)))); err != nil {
			b.Fatal(err)
		}
		ends = append(ends, e)
	}
	h.settle()
	content := []byte(strings.Repeat("m", 100))
	buf := make([]byte, 1<<20)
	for _, e := range ends {
		_, _ = unix.Read(e.fd, buf)
	}
	b.ReportAllocs()
	before := processorTime(b)
	for b.Loop() {
		for range messages {
			for c := range channels {
				s.broker.Inside().Publish(fmt.Sprintf("c%d", c), content)
			}
		}
		for range 4 {
			if err := s.loop.Turn(0); err != nil {
				b.Fatal(err)
			}
		}
		for _, e := range ends {
			for {
				n, _ := unix.Read(e.fd, buf)
				if n <= 0 {
					break
				}
			}
		}
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/streams, "cpu-ns/stream")
}
