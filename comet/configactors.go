package comet

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/web"
)

// broker, hub and web return the configurations of the actors.

func (c *Config) broker() *broker.Config {
	theBroker := &broker.Config{
		Tokens: c.Auth == AuthToken, Secret: c.Secret,
		MaxChannels: c.MaxChannels, MaxSubscribersPerChannel: c.MaxSubscribersPerChannel, PublishRatePerChannel: c.PublishRatePerChannel,
		ChannelBufferSize: c.ChannelBufferSize, ChannelBufferBytes: c.ChannelBufferBytes,
		MaxHistoryBytes: c.MaxHistoryBytes, HistoryMinimum: c.HistoryMinimum, MaxDelivering: c.MaxHeldBytes, Loops: c.Loops,
		MaxPublishKeys: c.MaxPublishKeys,
		ChannelTimeout: c.ChannelTimeout, PollMost: c.pollMost(), Judge: c.judge,
		AttachTime: c.RequestTimeout / 2,
	}
	if c.Cluster != nil {
		theBroker.Authority = c.Cluster.Open
	}
	return theBroker
}

func (c *Config) hub() *hub.Config {
	return &hub.Config{
		Tokens: c.Auth == AuthToken, PollingTimeout: c.PollingTimeout, RequestTimeout: c.RequestTimeout, WriteTimeout: c.WriteTimeout, RetryTime: c.RetryTime,
		PollMost: c.pollMost(),
	}
}

func (c *Config) web() *web.Config {
	return &web.Config{
		FrontAllow: c.FrontAllow, FrontDeny: c.FrontDeny, AdminAllow: c.AdminAllow, AdminDeny: c.AdminDeny,
		TrustedProxies: c.TrustedProxies, ProxyProtocol: c.ProxyProtocol,
		CORSOrigins: c.CORSOrigins, AdminOrigins: c.AdminOrigins, AdminHosts: c.AdminHosts,
		Tokens: c.Auth == AuthToken, Secret: c.Secret, Loops: c.Loops,
		MaxChannels: c.MaxChannels, MaxSubscribersPerChannel: c.MaxSubscribersPerChannel,
		MaxConnections: c.MaxConnections, MaxConnectionsPerAddress: c.MaxConnectionsPerAddress,
		MaxHeldBytes: c.MaxHeldBytes, MaxMessage: c.MaxMessage, MaxHead: c.MaxHead,
		MaxBatch: c.MaxBatch, MaxBatchMessages: c.MaxBatchMessages,
		PublishRatePerAddress: c.PublishRatePerAddress, PublishRatePerChannel: c.PublishRatePerChannel,
		WSPublish: c.WSPublish, WSDeflate: c.WSDeflate, WSMaxMessage: c.WSMaxMessage, WSRate: c.WSRate, WSMaxChannels: c.WSMaxChannels,
		ChannelTimeout: c.ChannelTimeout, PollingTimeout: c.PollingTimeout,
		RequestTimeout: c.RequestTimeout, BodyTimeout: c.BodyTimeout, IdleTimeout: c.IdleTimeout, AdminIdleTimeout: c.AdminIdleTimeout,
		Compat: c.Compat, Pages: c.Pages, Public: c.Public, Handlers: c.Handlers, RetryTime: c.RetryTime, Version: c.Version, Log: &c.Log, Cluster: c.Cluster,
	}
}

// pollBytes is how many bytes of messages a poll gets at once; it asks again for the
// rest.
const pollBytes = 1 << 20

// heldPolls is how many responses to polls a loop's share of MaxHeldBytes has room for,
// at least. Such a response is held whole. Without room for it, it would be asked for
// again and again, in vain.
const heldPolls = 8

// pollMost returns how many bytes of messages a poll gets at once.
func (c *Config) pollMost() int { return min(pollBytes, c.MaxHeldBytes/c.Loops/heldPolls) }
