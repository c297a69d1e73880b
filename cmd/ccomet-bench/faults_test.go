package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ccomet/bench/result"
)

// faulty is a server for one subscriber. fault decides what happens to each
// message.
func faulty(t *testing.T, fault func(content string, deliver func(string), drop func())) (address string) {
	messages := make(chan string, 16)
	mux := http.NewServeMux()
	mux.HandleFunc("/stream", func(w http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(w)
		line := func(kind, content string, seq int) {
			fmt.Fprintf(w, `{"type":%q,"cname":"0000000000000000","seq":%d,"content":%q}`+"\n", kind, seq, content)
			_ = out.Flush()
		}
		line("next_seq", "", 1)
		seq := 0
		for {
			select {
			case content := <-messages:
				if content == "" {
					panic(http.ErrAbortHandler)
				}
				seq++
				line("data", content, seq)
			case <-r.Context().Done():
				return
			}
		}
	})
	mux.HandleFunc("/push", func(w http.ResponseWriter, r *http.Request) {
		fault(r.URL.Query().Get("content"), func(content string) { messages <- content }, func() { messages <- "" })
		fmt.Fprintln(w, `{"type":"ok"}`)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.CloseClientConnections)
	return s.Listener.Addr().String()
}

// A run fails if a message is damaged, doubled or out of order, or if a
// connection is dropped.
func TestFaults(t *testing.T) {
	t.Parallel()
	number := 0
	var held string
	for name, test := range map[string]struct {
		fault func(content string, deliver func(string), drop func())
		want  string
	}{
		"none":    {func(c string, deliver func(string), _ func()) { deliver(c) }, ""},
		"doubled": {func(c string, deliver func(string), _ func()) { deliver(c); deliver(c) }, "2 doubled"},
		"damaged": {func(c string, deliver func(string), _ func()) {
			deliver(c[:len(c)-1] + "?")
			deliver(c)
		}, "2 damaged"},
		"disordered": {func(c string, deliver func(string), _ func()) {
			if number++; number == 1 {
				held = c
				return
			}
			deliver(c)
			deliver(held)
		}, "1 out of order"},
		"dropped": {func(c string, deliver func(string), drop func()) { deliver(c); drop() }, "1 connections dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			address := faulty(t, test.fault)
			messages := "1"
			if name == "disordered" {
				messages = "2"
			}
			cmd := harness(t, "fanout", "--pid", fmt.Sprint(os.Getpid()), "--front", address, "--admin", address,
				"--conns", "1", "--rounds", "1", "--messages", messages, "--burst", messages)
			out, err := cmd.CombinedOutput()
			if failed := err != nil; failed != (test.want != "") || !strings.Contains(string(out), test.want) {
				t.Errorf("%v, want %q: %s", err, test.want, out)
			}
		})
	}
}

// If a server stalls, all publishes that are due meanwhile count as late.
func TestStall(t *testing.T) {
	t.Parallel()
	// One stall per round, at its first publish: meanwhile 150 others are due.
	const publishes, stall = 200, 300 * time.Millisecond
	number := 0
	address := faulty(t, func(content string, deliver func(string), _ func()) {
		if number++; number%publishes == 1 {
			time.Sleep(stall)
		}
		deliver(content)
	})
	cmd := harness(t, "latency", "--pid", fmt.Sprint(os.Getpid()), "--front", address, "--admin", address,
		"--conns", "1", "--rounds", "1", "--publishes", fmt.Sprint(publishes), "--rate", "500", "--json", "result.json")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	// The first 50 were due within 100 ms, and were answered at least 200 ms
	// later.
	for name, l := range map[string]result.Latency{"receipt": r.OneToOne.Receipt, "answer": r.OneToOne.Answer} {
		if l.Count != publishes || l.P90 < 200e3 {
			t.Errorf("%s: %d, 90 %% within %.0f µs: want %d, and 200 ms at least", name, l.Count, l.P90, publishes)
		}
	}
}
