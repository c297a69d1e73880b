package comet

import (
	"strconv"
)

// limit is a ceiling that is counted, and warned of, when it is met.
type limit int

const (
	limitChannels limit = iota
	limitSubscribers
	limitConnections
	limitConnectionsPerAddress
	limitHistory
	limitHeld
	limitPublishRatePerChannel
	limitPublishRatePerAddress
	limits
)

// limitNames are those of the settings.
var limitNames = [limits]string{
	"max-channels", "max-subscribers-per-channel", "max-connections", "max-connections-per-address",
	"max-history-bytes", "max-held-bytes", "publish-rate-per-channel", "publish-rate-per-address",
}

// limitValues are what is set, 0 for no limit.
func (srv *Server) limitValues() [limits]int {
	cfg := &srv.cfg
	return [limits]int{
		cfg.MaxChannels, cfg.MaxSubscribersPerChannel, cfg.MaxConnections, cfg.MaxConnectionsPerAddress,
		cfg.MaxHistoryBytes, cfg.MaxHeldBytes, cfg.PublishRatePerChannel, cfg.PublishRatePerAddress,
	}
}

// retryAfter is the line of a response that says when it is worth asking again.
func retryAfter(dst []byte, seconds int) []byte {
	dst = strconv.AppendInt(append(dst, "Retry-After: "...), int64(max(seconds, 1)), 10)
	return append(dst, "\r\n"...)
}

// column is what a configuration adds to each record of a slab: a value by the
// record's index, in chunks that are made as they are needed. It costs nothing
// where it is not used.
type column[T any] struct{ chunks []*[columnChunk]T }

const columnChunk = 4096

func (c *column[T]) at(i uint32) *T {
	n := int(i / columnChunk)
	for len(c.chunks) <= n {
		c.chunks = append(c.chunks, nil)
	}
	if c.chunks[n] == nil {
		c.chunks[n] = new([columnChunk]T)
	}
	return &c.chunks[n][i%columnChunk]
}
