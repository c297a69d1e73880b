// Package push is what a push server is beside its WebSocket library: channels
// by name, and an HTTP handler that publishes to them. It is as little as can be
// measured: no message is kept for later subscribers, and no client is asked for its
// rights.
package push

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Listen is the address of the command line's --listen.
func Listen() string {
	address := flag.String("listen", "127.0.0.1:8100", "address to serve /ws?cname=NAME and /push?cname=NAME&content=TEXT at")
	flag.Parse()
	return *address
}

// Channels are connections by the name of what they wait for. Any goroutine may
// call its methods.
type Channels[C comparable] struct {
	// Send sends a message to all of a channel, which it ranges over. Calls for one
	// channel come one at a time.
	Send func(message []byte, to map[C]struct{})

	mu    sync.Mutex
	named map[string]*channel[C]
}

type channel[C comparable] struct {
	mu      sync.Mutex
	seq     int
	members map[C]struct{}
}

func (cs *Channels[C]) channel(name string) *channel[C] {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c := cs.named[name]
	if c == nil {
		if cs.named == nil {
			cs.named = map[string]*channel[C]{}
		}
		c = &channel[C]{members: map[C]struct{}{}}
		cs.named[name] = c
	}
	return c
}

// Join has a connection get the messages of a channel.
func (cs *Channels[C]) Join(name string, conn C) {
	c := cs.channel(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[conn] = struct{}{}
}

// Leave ends that.
func (cs *Channels[C]) Leave(name string, conn C) {
	c := cs.channel(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, conn)
}

// ServeHTTP publishes: /push?cname=NAME&content=TEXT.
func (cs *Channels[C]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	name := query.Get("cname")
	c := cs.channel(name)
	c.mu.Lock()
	c.seq++
	cs.Send(fmt.Appendf(nil, `{"type":"data","cname":%q,"seq":%d,"content":%q}`, name, c.seq, query.Get("content")), c.members)
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, "{\"type\":\"ok\"}\n")
}
