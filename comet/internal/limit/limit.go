// Package limit has the ceilings, the rates, and what all loops count together.
package limit

import "strconv"

// Limit is a ceiling whose hits are counted and warned of.
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
	WSMaxMessage
	WSRate
	WSMaxChannels
	PublishKeys
	NumLimits
)

// Names are the names of the settings that limits are set by.
var Names = [NumLimits]string{
	"max-channels", "max-subscribers-per-channel", "max-connections", "max-connections-per-address",
	"max-history-bytes", "max-held-bytes", "publish-rate-per-channel", "publish-rate-per-address",
	"ws-max-message", "ws-rate", "ws-max-channels", "max-publish-keys",
}

// RetryAfter is the line of a response that says when it is worth asking again.
func RetryAfter(dst []byte, seconds int) []byte {
	dst = strconv.AppendInt(append(dst, "Retry-After: "...), int64(max(seconds, 1)), 10)
	return append(dst, "\r\n"...)
}

// RefusedSeconds is after how long a client that was refused for want of room is told
// to try again.
const RefusedSeconds = 5
