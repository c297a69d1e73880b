package web

import (
	"fmt"

	"ccomet/comet/internal/limit"
)

// The error texts of requests that exceed a limit. Each contains the limit's name and value.

func (c *Config) tooManyChannels() string {
	return fmt.Sprintf("too many channels: max-channels is %d", c.MaxChannels)
}

func (c *Config) tooManySubscribers() string {
	return fmt.Sprintf("too many subscribers of this channel: max-subscribers-per-channel is %d", c.MaxSubscribersPerChannel)
}

func (c *Config) tooManyOfAddress() string {
	return fmt.Sprintf("too many connections from this address: max-connections-per-address is %d", c.MaxConnectionsPerAddress)
}

func (c *Config) tooMuchArriving() string {
	return fmt.Sprintf("too much is held of requests that are still arriving: max-held-bytes is %d", c.MaxHeldBytes)
}

// tooFast is the error of a publish that exceeds a rate.
func (c *Config) tooFast(which limit.Limit) string {
	value, whose := c.PublishRatePerChannel, "to this channel"
	if which == limit.PublishRatePerAddress {
		value, whose = c.PublishRatePerAddress, "from this address"
	}
	return fmt.Sprintf("too many publishes %s: %s is %d a second", whose, limit.Names[which], value)
}

// tooManyMessages is the error of a client's message that exceeds ws-rate.
func (c *Config) tooManyMessages() string {
	return fmt.Sprintf("too many messages on this connection: ws-rate is %d a second", c.WSRate)
}

func (c *Config) tooManyTopics() string {
	return fmt.Sprintf("too many channels on this connection: ws-max-channels is %d", c.WSMaxChannels)
}

// tooMuchDelivering is the error of a publish while too much is undelivered.
func (c *Config) tooMuchDelivering() string {
	return fmt.Sprintf("too much is on its way to subscribers: max-held-bytes is %d", c.MaxHeldBytes)
}
