package comet

import (
	"bytes"
	"os"
	"strconv"
	"sync/atomic"
	"time"
)

// Stats are the basic figures of a server. Connections, Channels, Subscribers
// and ResidentBytes are current values; the rest count since the start.
type Stats struct {
	Connections   int64 // open connections of all sides, waiting or not
	Channels      int64
	Subscribers   int64 // a connection counts once for each of its channels
	Published     int64 // messages; a broadcast counts once for each channel
	Delivered     int64 // messages written to a live subscriber
	Refused       int64 // requests answered with an error
	Cut           int64 // connections closed because the client did not read
	ResidentBytes int64 // of the whole process; 0 if the kernel does not tell
	BaseBytes     int64 // ResidentBytes when the server started
	Uptime        time.Duration
}

// figures are counters of a shard, which it shows to other goroutines at the
// end of its turn.
type figures struct{ published, delivered atomic.Int64 }

func (s *shard) showFigures() {
	if n := int64(s.hub.Tally.Delivered); n != s.figures.delivered.Load() {
		s.figures.delivered.Store(n)
	}
	if n := int64(s.broker.Published()); n != s.figures.published.Load() {
		s.figures.published.Store(n)
	}
}

// Stats returns the server's figures. Any goroutine may call it.
func (srv *Server) Stats() Stats {
	st := Stats{
		Channels: srv.totals.Channels.Load(), Subscribers: srv.totals.Subscribers.Load(),
		Refused: srv.totals.Refused.Load(), Cut: srv.totals.SlowClosed.Load(),
		ResidentBytes: residentBytes(), BaseBytes: srv.baseBytes, Uptime: srv.cfg.Clock().Sub(srv.started),
	}
	st.Connections = srv.connections()
	for _, s := range srv.shards {
		st.Published += s.figures.published.Load()
		st.Delivered += s.figures.delivered.Load()
	}
	return st
}

// residentBytes asks the kernel; 0 if that does not tell.
func residentBytes() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}

// appendStats appends the response to /stats.
func (srv *Server) appendStats(dst []byte) []byte {
	st := srv.Stats()
	for i, f := range []struct {
		name  string
		value int64
	}{
		{"connections", st.Connections}, {"channels", st.Channels}, {"subscribers", st.Subscribers},
		{"published", st.Published}, {"delivered", st.Delivered}, {"refused", st.Refused}, {"cut", st.Cut},
		{"resident_bytes", st.ResidentBytes}, {"base_bytes", st.BaseBytes}, {"uptime_seconds", int64(st.Uptime.Seconds())},
	} {
		dst = append(dst, "{,"[min(i, 1)])
		dst = append(strconv.AppendQuote(dst, f.name), ':')
		dst = strconv.AppendInt(dst, f.value, 10)
	}
	return append(dst, '}')
}

// asNode describes this server to the others of a cluster. Any goroutine may
// call it.
func (srv *Server) asNode() Node {
	t := &srv.totals
	return Node{Version: srv.cfg.Version, Channels: t.Channels.Load(), Subscribers: t.Subscribers.Load(), Listening: t.Listening.Load()}
}
