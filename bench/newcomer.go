package bench

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"ccomet/bench/result"
)

// newcomers are clients that connect one after the other, at a steady rate, and send a
// small request.
type newcomers struct {
	mu              sync.Mutex
	latency         *hdrhistogram.Histogram
	refused, failed int64
}

// newcomerTimeout is how long a newcomer waits for its answer.
const newcomerTimeout = 5 * time.Second

// run starts newcomers until ctx is done, and waits for the last.
func (n *newcomers) run(ctx context.Context, address string, every time.Duration) error {
	n.latency = newHistogram()
	var under sync.WaitGroup
	for sleep(ctx, every) == nil {
		under.Go(func() { n.come(address) })
	}
	under.Wait()
	return nil
}

func (n *newcomers) come(address string) {
	began := time.Now()
	status, err := pingOnce(address)
	took := time.Since(began)
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case err != nil:
		n.failed++
	case status != http.StatusOK:
		n.refused++
	default:
		_ = n.latency.RecordValue(max(1, took.Microseconds()))
	}
}

// pingOnce requests /ping on a new connection.
func pingOnce(address string) (status int, err error) {
	conn, err := net.DialTimeout("tcp", address, newcomerTimeout)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(newcomerTimeout))
	// A connection that is refused immediately may be closed before the request is written,
	// but its answer counts.
	_, _ = fmt.Fprintf(conn, "GET /ping HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", address)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	response.Body.Close()
	return response.StatusCode, nil
}

func (n *newcomers) result() result.Newcomer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return result.Newcomer{Latency: latencyOf(n.latency), Refused: n.refused, Failed: n.failed}
}

func newcomerWords(n result.Newcomer) string {
	return fmt.Sprintf("%d answered (ms: 50 %% %.2f, 99 %% %.2f), %d refused, %d not answered",
		n.Latency.Count, n.Latency.P50/1e3, n.Latency.P99/1e3, n.Refused, n.Failed)
}
