package doctor

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// flow is a response whose lines are read as they arrive.
type flow struct {
	head  *http.Response // nil until it has arrived; flow reads its body
	heads chan *http.Response
	lines chan string
	ended error // why lines is closed; nil at the end of the response
	leave context.CancelFunc
}

// errLate is the error if nothing arrives in time.
var errLate = errors.New("nothing arrived")

// longestLine is the maximum length of a line, in bytes.
const longestLine = 1 << 20

// newFlow sends a request, and reads the response until leave is called.
func newFlow(ctx context.Context, client *http.Client, url string, header http.Header) *flow {
	ctx, leave := context.WithCancel(ctx)
	f := &flow{heads: make(chan *http.Response, 1), lines: make(chan string), leave: leave}
	go func() {
		defer close(f.lines)
		f.ended = f.run(ctx, client, url, header)
	}()
	return f
}

func (f *flow) run(ctx context.Context, client *http.Client, url string, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	f.heads <- resp
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", resp.Status)
	}
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(nil, longestLine)
	for scanner.Scan() {
		select {
		case f.lines <- scanner.Text():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return scanner.Err()
}

// await returns the first line that contains all pieces. It is an error if none arrives in
// time.
func (f *flow) await(within time.Duration, pieces ...string) (string, error) {
	limit := time.NewTimer(within)
	defer limit.Stop()
	for {
		select {
		case f.head = <-f.heads:
		case line, more := <-f.lines:
			if !more && f.ended != nil {
				return "", f.ended
			} else if !more {
				return "", errors.New("the response ended")
			}
			if hasAll(line, pieces) {
				return line, nil
			}
		case <-limit.C:
			return "", fmt.Errorf("%w within %v", errLate, within)
		}
	}
}

func hasAll(line string, pieces []string) bool {
	for _, piece := range pieces {
		if !strings.Contains(line, piece) {
			return false
		}
	}
	return true
}
