package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	goclient "ccomet/comet/client"
)

// Clients of a cluster that use a WebSocket directly, or the Go client.

// dialCluster opens a WebSocket that ends with ctx; nil: the node accepts none at present.
func dialCluster(ctx context.Context, node *server, query string) net.Conn {
	dialer := ws.Dialer{Timeout: 10 * time.Second}
	conn, buffered, _, err := dialer.Dial(ctx, "ws://"+node.front+"/ws?"+query)
	if err != nil {
		return nil
	}
	if buffered != nil && buffered.Buffered() > 0 {
		return &bufferedConn{conn, buffered}
	}
	return conn
}

// bufferedConn is a connection some of whose input was read with the handshake.
type bufferedConn struct {
	net.Conn
	in interface{ Read([]byte) (int, error) }
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.in.Read(p) }

// socket receives on a WebSocket. From time to time it leaves a channel and joins it again.
func (c *clusterClient) socket(ctx context.Context, node *server) {
	conn := dialCluster(ctx, node, c.query())
	if conn == nil {
		return
	}
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	defer conn.Close()
	var asked *clusterPlace // the channel that is being left or joined; nil: none
	closed := false         // asked was closed after the request to leave it
	for n := 1; ; n++ {
		_ = conn.SetReadDeadline(time.Now().Add(hangTimeout))
		text, code, err := wsutil.ReadServerData(conn)
		if err != nil {
			return
		}
		var o clusterObject
		if code != ws.OpText || json.Unmarshal(text, &o) != nil {
			c.soak.faults.damaged("%s gets %.200q", c.name, text)
			return
		}
		closed = closed || o.Type == "close" && c.place(o.Cname) == asked
		if o.Type == "404" && o.ID == 1 && closed { // the channel was closed before it could be left
			asked = nil
		} else if o.Type != "ok" {
			c.object(&o)
			if asked == nil && o.Type == "data" && rand.IntN(100) == 0 {
				asked, closed = c.place(o.Cname), false
				err = say(conn, `{"op":"unsub","cname":%q,"id":1}`, o.Cname)
			}
		} else if o.ID == 1 && asked != nil {
			asked.left = true
			err = say(conn, `{"op":"sub","cname":%q,"seq":%d,"epoch":%q,"lost":true,"id":2}`, o.Cname, asked.next, asked.epoch)
		} else if asked != nil {
			asked.left, asked = false, nil
		}
		if err != nil {
			return
		}
	}
}

func say(conn net.Conn, format string, args ...any) error {
	return wsutil.WriteClientText(conn, fmt.Appendf(nil, format, args...))
}

// goClient receives with the Go client, for some seconds.
func (c *clusterClient) goClient(ctx context.Context, node *server) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(2000+rand.IntN(6000))*time.Millisecond)
	defer cancel()
	s := goclient.Subscriber{URL: "http://" + node.front, Transport: goclient.WebSocket, MinWait: 50 * time.Millisecond, MaxWait: time.Second}
	if strings.HasSuffix(c.kind.name, "events") {
		s.Transport = goclient.Events
	}
	for _, p := range c.places {
		s.Channels = append(s.Channels, goclient.Channel{Name: c.soak.channel(p.channel), From: goclient.Place{Next: p.next, Epoch: p.epoch}})
	}
	j := c.soak.judge
	for event, err := range s.All(ctx) {
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, goclient.ErrOver) {
				c.soak.faults.fault("%s: %v", c.name, err)
			}
			return
		}
		p := c.place(event.Channel)
		switch {
		case p == nil, event.Kind > goclient.Closed, event.Unknown && !j.channels[p.channel].closable:
			c.soak.faults.fault("%s gets %+v", c.name, event)
		case event.Kind == goclient.Closed:
			j.closes(p, c.name, event.Seq)
			p.at.Store(p.next)
			return
		case event.Kind == goclient.Lost:
			j.lost(p, c.name, event.Seq, event.Unknown)
		default:
			j.message(p, c.name, event.Seq, event.Content)
		}
		if p != nil {
			p.epoch = event.Place.Epoch
			p.at.Store(p.next)
		}
	}
}
