// Package limit has the ceilings, the rates, and what all loops count together.
package limit

import (
	"strconv"
)

// limit is a ceiling that is counted, and warned of, when it is met.
type Limit int

const (
	Channels Limit = iota
	Subscribers
	Connections
	ConnectionsPerAddress
	History
	Held
	PublishRatePerChannel
	PublishRatePerAddress
	NumLimits
)

// limitNames are those of the settings.
var Names = [NumLimits]string{
	"max-channels", "max-subscribers-per-channel", "max-connections", "max-connections-per-address",
	"max-history-bytes", "max-held-bytes", "publish-rate-per-channel", "publish-rate-per-address",
}

// retryAfter is the line of a response that says when it is worth asking again.
func RetryAfter(dst []byte, seconds int) []byte {
	dst = strconv.AppendInt(append(dst, "Retry-After: "...), int64(max(seconds, 1)), 10)
	return append(dst, "\r\n"...)
}

// refusedSeconds is when who was refused for want of room is told to try again.
const RefusedSeconds = 5
