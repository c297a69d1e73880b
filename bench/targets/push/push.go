// Package push is the part of a push server that does not depend on its
// WebSocket library: named channels, and an HTTP handler that publishes to
// them. It is as small as can be for measurements: it keeps no messages for
// later subscribers, and checks no rights of clients.
package push

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Listen parses the command line and returns the address of --listen.
func Listen() string {
	address := flag.String("listen", "127.0.0.1:8100", "address to serve /ws?cname=NAME and /push?cname=NAME&content=TEXT at")
	flag.Parse()
	return *address
}

// Channels holds the subscribers of each channel by its name. Its methods may
// be called from any goroutine.
type Channels[C comparable] struct {
	// Send sends a message to all subscribers of a channel, the keys of to.
	// Calls for the same channel do not overlap.
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

// Join subscribes a connection to a channel.
func (cs *Channels[C]) Join(name string, conn C) {
	c := cs.channel(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[conn] = struct{}{}
}

// Leave ends a subscription.
func (cs *Channels[C]) Leave(name string, conn C) {
	c := cs.channel(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.members, conn)
}

// ServeHTTP publishes a message: /push?cname=NAME&content=TEXT.
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
