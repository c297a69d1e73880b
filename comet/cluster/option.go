package cluster

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/cluster/redisurl"
)

// options is how a client reaches servers.
func options(s redisurl.Servers) (rueidis.ClientOption, error) {
	config, err := s.TLSConfig()
	if err != nil {
		return rueidis.ClientOption{}, err
	}
	o := rueidis.ClientOption{
		InitAddress: append([]string(nil), s.Addresses...), TLSConfig: config,
		Username: s.Username, Password: s.Password, SelectDB: s.DB,
	}
	switch s.Kind {
	case redisurl.Unix:
		o.ForceSingleClient = true
		o.DialCtxFn = func(ctx context.Context, path string, d *net.Dialer, _ *tls.Config) (net.Conn, error) {
			return d.DialContext(ctx, "unix", path)
		}
	case redisurl.Sentinel:
		o.Sentinel = rueidis.SentinelOption{
			MasterSet: s.Master, TLSConfig: config, Username: s.SentinelUsername, Password: s.SentinelPassword,
			TopologyRefreshInterval: 5 * time.Second,
		}
	}
	return o, nil
}
