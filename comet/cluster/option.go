package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/redis/rueidis"

	"ccomet/comet/cluster/redisurl"
)

// options are the options of a client for these servers.
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

// Sizes of a connection. A node has few connections, each with one call under way.
const (
	connBuffer    = 32 << 10
	connRingScale = 6 // commands under way: 2^6
)

// The time limits of a client.
const (
	dialTimeout = 2 * time.Second
	callTimeout = 2 * time.Second
	pingTime    = 2 * time.Second // without an answer, after which a connection is checked
)

// client connects to the servers that the options name.
func client(o rueidis.ClientOption, node string) (rueidis.Client, error) {
	o.ClientName = node
	o.DisableCache, o.DisableRetry = true, true
	o.ReadBufferEachConn, o.WriteBufferEachConn, o.RingScaleEachConn = connBuffer, connBuffer, connRingScale
	o.PipelineMultiplex = -1 // one connection to each server, apart from those that block
	o.Dialer.Timeout, o.Dialer.KeepAlive = dialTimeout, pingTime
	o.ConnWriteTimeout = 2 * callTimeout
	o.ClusterOption.ShardsRefreshInterval = 5 * time.Second
	o.ClusterOption.MaxMovedRedirections = 8
	return rueidis.NewClient(o)
}

// clientWithin is client, which does not obey a context itself.
func clientWithin(ctx context.Context, o rueidis.ClientOption, node string) (rueidis.Client, error) {
	var c rueidis.Client
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		c, err = client(o, node)
	}()
	select {
	case <-done:
		return c, err
	case <-ctx.Done():
		go func() {
			if <-done; err == nil {
				c.Close()
			}
		}()
		return nil, ctx.Err()
	}
}

// explained adds to the error of a connection that Redis has ended what that may mean.
func explained(s redisurl.Servers, err error) error {
	switch {
	case !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, io.EOF):
		return err
	case !s.TLS:
		return fmt.Errorf("%w: Redis ends the connection; where it speaks TLS the URL begins with rediss", err)
	case s.Cert == "":
		return fmt.Errorf("%w: Redis ends the connection; it may want a certificate (?cert=FILE&key=FILE)", err)
	}
	return err
}
