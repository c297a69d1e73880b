package cluster

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/cluster/redisurl"
)

// Probe asks the servers of a Redis one by one, for a command that checks them. Only one
// goroutine may use it.
type Probe struct {
	// Servers are the servers with data: the master that Sentinels name, the nodes of a
	// Cluster, or the only server. Sentinels are those that answered.
	Servers, Sentinels []*ProbedServer
	close              []func()
}

// ProbedServer is one server of a Probe.
type ProbedServer struct {
	Address string
	client  rueidis.Client
}

// Do executes a command at the server. The answer is an int64, a string, a []any of
// these, a map[string]any, or nil.
func (s *ProbedServer) Do(ctx context.Context, args ...string) (any, error) {
	answer, err := s.client.Do(ctx, s.client.B().Arbitrary(args...).Build()).ToAny()
	if rueidis.IsRedisNil(err) {
		return nil, nil
	}
	if text, ok := answer.(string); ok {
		return strings.TrimPrefix(text, "txt:"), err // the format of a text, of which Redis tells it
	}
	return answer, err
}

// probeTimeout is the time limit for connecting to a server.
const probeTimeout = 3 * time.Second

// NewProbe connects to the servers. Its error contains no password. Close closes the
// connections.
func NewProbe(servers redisurl.Servers) (*Probe, error) {
	o, err := options(servers)
	if err != nil {
		return nil, err
	}
	o.Dialer.Timeout, o.ConnWriteTimeout = probeTimeout, probeTimeout
	o.DisableCache, o.DisableRetry = true, true
	p := new(Probe)
	if servers.Kind == redisurl.Sentinel {
		p.Sentinels = p.connectSentinels(o)
	}
	client, err := rueidis.NewClient(o)
	if err != nil {
		p.Close()
		return nil, err
	}
	p.close = append(p.close, client.Close)
	for address, c := range client.Nodes() {
		p.Servers = append(p.Servers, &ProbedServer{address, c})
	}
	slices.SortFunc(p.Servers, func(a, b *ProbedServer) int { return strings.Compare(a.Address, b.Address) })
	return p, nil
}

// connectSentinels connects to each Sentinel by itself.
func (p *Probe) connectSentinels(o rueidis.ClientOption) (found []*ProbedServer) {
	for _, address := range o.InitAddress {
		one := rueidis.ClientOption{
			InitAddress: []string{address}, ForceSingleClient: true, TLSConfig: o.TLSConfig, DisableCache: true, DisableRetry: true,
			Username: o.Sentinel.Username, Password: o.Sentinel.Password, Dialer: o.Dialer, ConnWriteTimeout: o.ConnWriteTimeout,
		}
		if c, err := rueidis.NewClient(one); err == nil {
			p.close = append(p.close, c.Close)
			found = append(found, &ProbedServer{address, c})
		}
	}
	return found
}

// Close closes the connections.
func (p *Probe) Close() {
	for _, end := range p.close {
		end()
	}
}
