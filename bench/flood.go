package bench

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"ccomet/bench/result"
)

// The server's limits in a flood, and the size of the flood.
const (
	floodHistory = 64 << 20 // max-history-bytes
	floodHeld    = 32 << 20 // max-held-bytes: for output, for input, and for messages on their way
	floodMessage = 60 << 10 // bytes of a message
	floodTimes   = 4        // the flood is this many times the limit

	// What the limits promise for resident memory: Go's collector lets live memory grow by
	// as much again before it collects; and a connection has its records and its reader or
	// its request.
	collectorTimes  = 2
	floodConnection = 1 << 10
)

// flood is one way to exhaust memory.
type flood struct {
	name    string
	ceiling int64 // the limit under test
	do      func(*floodRun, context.Context) error
}

var floods = []flood{
	{"history: large messages to channels without number", floodHistory, (*floodRun).histories},
	{"held output: stuck readers, each of a channel of its own", floodHeld, (*floodRun).stuckReaders},
	{"held input: bodies in chunks of a byte that do not end", floodHeld, (*floodRun).slowBodies},
	{"connections: twice as many as there may be, half of them from one address", 0, (*floodRun).connections},
}

// floodRun is a flood in progress.
type floodRun struct {
	bystanders
	client *http.Client
	sent   atomic.Int64
	open   []net.Conn
}

// flood measures one flood, on a server of its own.
func (o *Options) flood(ctx context.Context, c SiegeConfig, which *flood) (f result.Flood, err error) {
	limited, err := o.with(fmt.Sprintf("--max-connections %d --max-connections-per-address %d --max-history-bytes %d --max-held-bytes %d",
		o.Connections, max(o.Connections/2, 2*probes), floodHistory, floodHeld))
	if err != nil {
		return f, err
	}
	r, err := limited.start(ctx)
	if err != nil {
		return f, err
	}
	defer r.close()
	m := &floodRun{bystanders: bystanders{run: r}, client: &http.Client{Timeout: hangTimeout}}
	defer m.leave()
	if err = m.bystanders.open(); err != nil {
		return f, err
	}
	p, err := m.phase(c, func(ctx context.Context) error { return which.do(m, ctx) })
	if err != nil {
		return f, fmt.Errorf("%s: %w", which.name, err)
	}
	f = result.Flood{
		Name: which.name, SentBytes: m.sent.Load(), CeilingBytes: which.ceiling,
		PromisedBytes:  p.before + collectorTimes*(floodHistory+3*floodHeld) + floodConnection*int64(o.Connections),
		ResidentBefore: p.before, ResidentPeak: p.peak, Connections: p.connections, Latency: p.latency, Newcomers: p.newcomers,
	}
	if f.Refused, err = m.figure("refused"); err != nil {
		return f, err
	}
	if f.Cut, err = m.figure("cut"); err != nil {
		return f, err
	}
	m.print("flood, %s: %.0f MiB sent; resident memory %.1f MiB before, %.1f at the most, %.1f promised; up to %d connections; %d requests refused, %d readers cut",
		f.Name, mib(f.SentBytes), mib(f.ResidentBefore), mib(f.ResidentPeak), mib(f.PromisedBytes), f.Connections, f.Refused, f.Cut)
	m.print("  others: %s; newcomers: %s", latencyLine(f.Latency), newcomerWords(f.Newcomers))
	if f.ResidentPeak > f.PromisedBytes {
		err = fmt.Errorf("%s: %d bytes were resident, but the limits allow %d", f.Name, f.ResidentPeak, f.PromisedBytes)
	}
	return f, err
}

func (m *floodRun) leave() {
	for _, c := range m.open {
		if c != nil {
			c.Close()
		}
	}
	m.client.CloseIdleConnections()
}

// push publishes one large message.
func (r *run) push(client *http.Client, cname string, size int) error {
	response, err := client.PostForm("http://"+r.server.admin+"/push?cname="+cname, url.Values{"content": {strings.Repeat("x", size)}})
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err = io.Copy(io.Discard, response.Body); err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("publishing: the server answered %s", response.Status)
	}
	return err
}

// fillChannel publishes so many messages to a channel that a slow client takes long to read
// them.
func (r *run) fillChannel(cname string) error {
	client := &http.Client{Timeout: hangTimeout}
	defer client.CloseIdleConnections()
	for range 16 {
		if err := r.push(client, cname, floodMessage); err != nil {
			return err
		}
	}
	return nil
}

// pushAll publishes messages to channels, a few at a time, until all are published or ctx
// is done.
func (m *floodRun) pushAll(ctx context.Context, messages int, cname func(n int) string) error {
	const publishers = 4
	return together(publishers, func(i int) error {
		for n := i; n < messages && ctx.Err() == nil; n += publishers {
			if err := m.push(m.client, cname(n), floodMessage); err != nil {
				return err
			}
			m.sent.Add(floodMessage)
		}
		return nil
	})
}

func (m *floodRun) histories(ctx context.Context) error {
	return m.pushAll(ctx, floodTimes*floodHistory/floodMessage, func(n int) string { return fmt.Sprint("flood-", n) })
}

// stuckReaders connects clients that read no more than their socket buffers hold.
func (m *floodRun) stuckReaders(ctx context.Context) error {
	readers := min(floodTimes*floodHeld/floodMessage, m.Connections*3/4)
	cname := func(n int) string { return fmt.Sprint("flood-", n%readers) }
	m.open = make([]net.Conn, readers)
	err := together(readers, func(i int) error {
		request := fmt.Appendf(nil, "GET /stream?cname=%s&seq=1 HTTP/1.1\r\nHost: localhost\r\n\r\n", cname(i))
		r, err := openReader(ctx, m.server.front, manySources(i), request)
		if err == nil {
			m.open[i] = r.conn
		}
		return err
	})
	if err != nil {
		return err
	}
	return m.pushAll(ctx, 5*readers, cname)
}

// slowBodies sends bodies of the maximum size without their last bytes.
func (m *floodRun) slowBodies(ctx context.Context) error {
	const size = 3*64<<10 + 4<<10 // the largest body with the default max-message
	body := "POST /ping HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", size-1)
	n := min(2*floodTimes*floodHeld/len(body), m.Connections/4)
	m.open = make([]net.Conn, n)
	return together(n, func(i int) error {
		c, err := net.DialTimeout("tcp", m.server.front, hangTimeout)
		if err != nil {
			return err
		}
		m.open[i] = c
		_ = c.SetDeadline(time.Now().Add(hangTimeout))
		sent, _ := io.WriteString(c, body) // it may be refused before the end
		m.sent.Add(int64(sent))
		return nil
	})
}

// connections opens more connections than are permitted, and sends nothing.
func (m *floodRun) connections(ctx context.Context) error {
	n := 2 * m.Connections
	m.open = make([]net.Conn, n)
	return together(n, func(i int) error {
		source := "127.0.0.2"
		if i >= n/2 {
			source = manySources(i)
		}
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}, Timeout: hangTimeout}
		c, err := d.DialContext(ctx, "tcp", m.server.front)
		m.open[i] = c
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
}

// manySources returns one of many local addresses.
func manySources(i int) string { return fmt.Sprintf("127.0.1.%d", 1+i%250) }
