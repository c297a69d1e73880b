package comet

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/record"
)

func orDefault[T int | time.Duration](v *T, value T) {
	if *v == 0 {
		*v = value
	}
}

// count is a number in a Config: its name in errors, its default, and its minimum.
type count struct {
	name       string
	value      *int
	unset, min int
}

func (c *Config) counts() []count {
	return []count{
		{"max channels", &c.MaxChannels, 0, 0},
		{"max subscribers per channel", &c.MaxSubscribersPerChannel, 0, 0},
		{"channel buffer bytes", &c.ChannelBufferBytes, 1 << 20, 1},
		{"max history bytes", &c.MaxHistoryBytes, 1 << 30, 1},
		{"history minimum", &c.HistoryMinimum, 1, 1},
		{"max message", &c.MaxMessage, 64 << 10, 1},
		{"max batch", &c.MaxBatch, 1 << 20, 1},
		{"max batch messages", &c.MaxBatchMessages, 10_000, 1},
		{"max publish keys", &c.MaxPublishKeys, 1_000_000, 1},
		{"publish rate per address", &c.PublishRatePerAddress, 0, 0},
		{"publish rate per channel", &c.PublishRatePerChannel, 0, 0},
		{"max connections", &c.MaxConnections, 0, 0},
		{"max connections per address", &c.MaxConnectionsPerAddress, 0, 0},
		{"accept rate", &c.AcceptRate, 0, 0},
		{"max head", &c.MaxHead, 32 << 10, 1024},
		{"max held bytes", &c.MaxHeldBytes, 256 << 20, 1},
		{"ws max message", &c.WSMaxMessage, 64 << 10, 128},
		{"ws max channels", &c.WSMaxChannels, hub.MaxBundle, 1},
	}
}

// timeout is a duration in a Config, from a second to broker.MaxLease.
type timeout struct {
	name  string
	value *time.Duration
	unset time.Duration
}

func (c *Config) timeouts() []timeout {
	return []timeout{
		{"channel timeout", &c.ChannelTimeout, 30 * time.Second},
		{"polling timeout", &c.PollingTimeout, 30 * time.Second},
		{"request timeout", &c.RequestTimeout, 10 * time.Second},
		{"body timeout", &c.BodyTimeout, 10 * time.Second},
		{"idle timeout", &c.IdleTimeout, 75 * time.Second},
		{"admin idle timeout", &c.AdminIdleTimeout, 10 * time.Minute},
		{"write timeout", &c.WriteTimeout, 30 * time.Second},
	}
}

// fill sets the defaults and refuses invalid values.
func (c *Config) fill() error {
	if len(c.Front) == 0 {
		c.Front = []string{"127.0.0.1:8100"}
	}
	if len(c.Admin) == 0 {
		c.Admin = []string{"127.0.0.1:8000"}
	}
	switch {
	case c.From == nil || c.From.byName:
	case c.From.asItWas:
		c.Loops = c.From.server.Loops
	default: // even if the number of CPUs has changed
		orDefault(&c.Loops, c.From.server.Loops)
	}
	orDefault(&c.Loops, DefaultLoops(runtime.GOMAXPROCS(0)))
	for _, n := range c.counts() {
		orDefault(n.value, n.unset)
	}
	for _, t := range c.timeouts() {
		orDefault(t.value, t.unset)
	}
	orDefault(&c.ChannelBufferSize, 100)
	orDefault(&c.WSRate, 100)
	orDefault(&c.RetryTime, 3*time.Second)
	orDefault(&c.StateInterval, time.Minute)
	c.ChannelBufferSize, c.WSRate = max(c.ChannelBufferSize, 0), max(c.WSRate, 0)
	if c.Version == "" {
		c.Version = "dev"
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if err := c.check(); err != nil {
		return err
	}
	if c.From != nil {
		c.Inheritable = true
		return c.From.fits(c)
	}
	return nil
}

func (c *Config) check() error {
	var errs []error
	if c.Loops < 1 || c.Loops > record.MaxLoops {
		errs = append(errs, fmt.Errorf("loops is %d: 1 to %d", c.Loops, record.MaxLoops))
	}
	for _, n := range c.counts() {
		if *n.value < n.min {
			errs = append(errs, fmt.Errorf("%s is %d: at least %d", n.name, *n.value, n.min))
		}
	}
	if c.WSMaxChannels > MaxWSChannels {
		errs = append(errs, fmt.Errorf("ws max channels is %d: at most %d", c.WSMaxChannels, MaxWSChannels))
	}
	if c.WSDeflate && c.WSMaxMessage > MaxWSDeflated {
		errs = append(errs, fmt.Errorf("ws max message is %d: at most %d with compression", c.WSMaxMessage, MaxWSDeflated))
	}
	for _, t := range c.timeouts() {
		if *t.value < time.Second || *t.value > broker.MaxLease {
			errs = append(errs, fmt.Errorf("%s is %v: 1s to %v", t.name, *t.value, broker.MaxLease))
		}
	}
	if c.Cluster != nil && c.StateFile != "" {
		errs = append(errs, errors.New("a state file is only for a server by itself: with several servers, their shared log keeps the messages"))
	}
	if err := c.web().Check(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
