// Package limit has the limits and rates, and the counters that all loops share.
package limit

import "strconv"

// Limit is a limit whose hits are counted and logged.
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

// Names are the names of the limits' settings.
var Names = [NumLimits]string{
	"max-channels", "max-subscribers-per-channel", "max-connections", "max-connections-per-address",
	"max-history-bytes", "max-held-bytes", "publish-rate-per-channel", "publish-rate-per-address",
	"ws-max-message", "ws-rate", "ws-max-channels", "max-publish-keys",
}

// RetryAfter appends the header line that says when it is worth asking again.
func RetryAfter(dst []byte, seconds int) []byte {
	dst = strconv.AppendInt(append(dst, "Retry-After: "...), int64(max(seconds, 1)), 10)
	return append(dst, "\r\n"...)
}

// RefusedSeconds is when a client that was refused for lack of room is told to try
// again.
const RefusedSeconds = 5
