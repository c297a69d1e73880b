package cluster

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/pool"
)

// cpuTime returns the CPU time of this process so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// redisCPU returns the CPU time of a server so far.
func (s *redisServer) redisCPU() time.Duration {
	info, _ := s.do("INFO", "cpu")
	total := 0.0
	for line := range strings.SplitSeq(info, "\r\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && (name == "used_cpu_user" || name == "used_cpu_sys") {
			v, _ := strconv.ParseFloat(value, 64)
			total += v
		}
	}
	return time.Duration(total * float64(time.Second))
}

// publishMany proposes n messages to channels; at most ahead of them are under way at a time.
func publishMany(j *judge, n, ahead, channels int) {
	content := strings.Repeat("x", 100)
	j.count.Store(0)
	step := max(ahead/8, 1)
	for sent := 0; sent < n; {
		for int64(sent)-j.count.Load() > int64(ahead-step) {
			time.Sleep(50 * time.Microsecond)
		}
		some := min(step, n-sent)
		from := sent
		j.on(func() {
			for i := range some {
				name := "bench" + strconv.Itoa((from+i)%channels)
				m := mail.Mail{Kind: mail.Committed, Op: mail.OpPublish, Flag: mail.FlagProposed, Buf: pool.NameBuffer([]byte(name)), Nlen: uint8(len(name))}
				m.Buf.B = append(m.Buf.B, content...)
				j.end.Propose(m)
			}
		})
		sent += some
	}
	for j.count.Load() < int64(n) {
		time.Sleep(50 * time.Microsecond)
	}
}

// BenchmarkPublish measures what a publish costs this node and Redis, for several numbers of messages
// under way.
func BenchmarkPublish(b *testing.B) {
	for _, ahead := range []int{1, 16, 256, 2048} {
		b.Run(fmt.Sprintf("ahead=%d", ahead), func(b *testing.B) {
			r := startRedis(b)
			n := startNode(b, 1, Config{}, r.url)
			j := n.judges[0]
			j.countOnly.Store(true)
			publishMany(j, 100, ahead, 1000)
			node, redis := cpuTime(), r.redisCPU()
			b.ResetTimer()
			publishMany(j, b.N, ahead, 1000)
			b.StopTimer()
			b.ReportMetric(float64(cpuTime()-node)/float64(b.N), "node-cpu-ns/op")
			b.ReportMetric(float64(r.redisCPU()-redis)/float64(b.N), "redis-cpu-ns/op")
			b.ReportMetric(float64(b.N)/float64(max(n.Figures().Calls, 1)), "messages/call")
		})
	}
}

// TestMain runs the process that publishes for BenchmarkUnwanted, if it is that process.
func TestMain(m *testing.M) {
	url, rate, ok := strings.Cut(os.Getenv("CCOMET_BENCH_PUBLISH"), " ")
	if !ok {
		os.Exit(m.Run())
	}
	t := new(testing.B)
	n := startNode(t, 1, Config{}, url)
	j := n.judges[0]
	j.countOnly.Store(true)
	a, _ := strconv.Atoi(rate)
	for at := time.Now(); ; {
		publishMany(j, max(a/1000, 1), max(a/1000, 1)+8, 1000)
		at = at.Add(time.Millisecond)
		time.Sleep(time.Until(at))
	}
}

// BenchmarkUnwanted measures what a message costs a node that has no subscribers, at several rates
// (messages per second).
func BenchmarkUnwanted(b *testing.B) {
	for _, rate := range []int{1000, 10000, 50000} {
		b.Run(fmt.Sprintf("rate=%d", rate), func(b *testing.B) {
			r := startRedis(b)
			n := startNode(b, 1, Config{}, r.url)
			publisher := exec.Command(os.Args[0])
			publisher.Env = append(os.Environ(), fmt.Sprintf("CCOMET_BENCH_PUBLISH=%s %d", r.url, rate))
			publisher.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := publisher.Start(); err != nil {
				b.Fatal(err)
			}
			defer func() { _ = publisher.Process.Kill(); _ = publisher.Wait() }()
			for n.Figures().Read < 100 {
				time.Sleep(time.Millisecond)
			}
			before, cpu := n.Figures().Read, cpuTime()
			b.ResetTimer()
			for n.Figures().Read < before+uint64(b.N) {
				time.Sleep(20 * time.Millisecond)
			}
			b.StopTimer()
			b.ReportMetric(float64(cpuTime()-cpu)/float64(n.Figures().Read-before), "node-cpu-ns/op")
		})
	}
}

// BenchmarkLatency measures the time from a proposal at one node until the loop of the other node has
// the message, and that of a bare call of the script that publishes.
func BenchmarkLatency(b *testing.B) {
	r := startRedis(b)
	one, other := startNode(b, 1, Config{}, r.url), startNode(b, 1, Config{}, r.url)
	other.judges[0].follow("room", 0)
	other.judges[0].attachedTo("room")
	var received atomic.Int64
	other.judges[0].onMessage = func() { received.Store(time.Now().UnixNano()) }
	var took, bare []time.Duration
	p := one.partitions[0]
	for n := range b.N {
		began := time.Now()
		w := proposal{m: mail.Mail{Op: mail.OpPublish, Buf: pool.NameBuffer([]byte("bare")), Nlen: 4}, at: began}
		if _, _, err := p.send([]proposal{w}); err != nil {
			b.Fatal(err)
		}
		bare = append(bare, time.Since(began))
		received.Store(0)
		began = time.Now()
		one.judges[0].propose(mail.OpPublish, "room", "", "x"+strconv.Itoa(n))
		for received.Load() == 0 {
			time.Sleep(20 * time.Microsecond)
		}
		took = append(took, time.Duration(received.Load()-began.UnixNano()))
		time.Sleep(2 * time.Millisecond)
	}
	slices.Sort(took)
	slices.Sort(bare)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
	b.ReportMetric(float64(bare[len(bare)/2].Microseconds()), "bare-p50-µs")
	b.ReportMetric(float64(bare[len(bare)*99/100].Microseconds()), "bare-p99-µs")
}
