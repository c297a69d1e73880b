package comet

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
)

// A batch costs one allocation for each message, and no more for their number.
func TestBatchAllocatesOnlyTheMessages(t *testing.T) {
	skipUnderRace(t)
	const messages = 1000
	h := newHarness(t, Config{Loops: 1, ChannelBufferSize: 1})
	s := h.srv.shards[0]
	e := h.connect(s, conn.Admin, 0)
	var body strings.Builder
	for n := range messages {
		fmt.Fprintf(&body, `{"cname":"c%d","content":{"n":[1,"\n"]},"key":"k"}`+"\n", n)
	}
	request := []byte(reqBatch(1, asLines, body.String()))
	buf := make([]byte, 64<<10)
	cycle := func() {
		for rest := request; len(rest) > 0; {
			n, err := unix.Write(e.fd, rest)
			if err != nil && err != unix.EAGAIN {
				t.Fatal(err)
			}
			rest = rest[max(n, 0):]
			if err := s.loop.Turn(0); err != nil {
				t.Fatal(err)
			}
		}
		for range 5 {
			if err := s.loop.Turn(0); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := unix.Read(e.fd, buf); err != nil || string(buf[9:12]) != "200" || n < messages*9 {
			t.Fatalf("answer of %d bytes: %.100q, %v", n, buf, err)
		}
		h.now = h.now.Add(3 * time.Minute) // the keys are forgotten, so the messages are published again
	}
	cycle()
	if allocs := testing.AllocsPerRun(20, cycle); allocs > messages+20 {
		t.Errorf("%v allocations for %d messages", allocs, messages)
	}
}

// BenchmarkPublish publishes 1,000 messages to 1,000 channels, by as many pipelined requests
// or by one.
func BenchmarkPublish(b *testing.B) {
	const messages = 1000
	content := strings.Repeat("m", 100)
	var pushes, lines strings.Builder
	for n := range messages {
		pushes.WriteString(reqGet(1, fmt.Sprintf("/push?cname=channel-%d&content=%s", n, content)))
		lines.WriteString(line(fmt.Sprintf("channel-%d", n), content) + "\n")
	}
	for _, loops := range []int{1, 2} {
		for name, request := range map[string]string{"pipelined": pushes.String(), "batch": reqBatch(1, asLines, lines.String())} {
			b.Run(fmt.Sprintf("loops=%d/%s", loops, name), func(b *testing.B) {
				h := newHarness(b, Config{Loops: loops})
				e := h.connect(h.srv.shards[0], conn.Admin, 0)
				text, buf := []byte(request), make([]byte, 256<<10)
				before := processorTime(b)
				for b.Loop() {
					for rest, before := text, h.published(); len(rest) > 0 || h.published()-before < messages; {
						n, _ := unix.Write(e.fd, rest)
						rest = rest[max(n, 0):]
						for _, s := range h.srv.shards {
							if err := s.loop.Turn(0); err != nil {
								b.Fatal(err)
							}
						}
						_, _ = unix.Read(e.fd, buf)
					}
				}
				b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/messages, "cpu-ns/message")
			})
		}
	}
}

// processorTime returns the CPU time of the process, in nanoseconds.
func processorTime(b *testing.B) int64 {
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}

// published returns how many messages all loops have numbered.
func (h *harness) published() (n uint64) {
	for _, s := range h.srv.shards {
		n += s.broker.Published()
	}
	return n
}
