package comet

import (
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"ccomet/comet/internal/drain"
	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/comet/internal/web"
	"ccomet/reactor"
)

// Server is a comet server: New opens it, Start runs it, Stop or Drain ends it, and Wait
// returns when it has ended.
type Server struct {
	cfg     Config
	site    *web.Site
	homes   *record.Homes
	shards  []*shard
	mailers []*mail.Mailer // of the shards
	group   *reactor.Group
	front   []string
	admin   []string
	ccomet  []string

	totals    limit.Totals
	baseBytes int64
	started   time.Time

	drain.Clock
	state *state // nil: no state is kept

	handedOver atomic.Bool // another process has the listening sockets, too

	randomSecret bool                       // the configuration has no secret
	leftBehind   []int                      // descriptors of another program's loops, which this server has replaced
	parking      atomic.Pointer[standstill] // nil: the server is not parked
	early        atomic.Pointer[Early]      // nil: no early hand-over
	handOvers    HandOvers
}

// unsent bounds what the kernel buffers for a stuck reader beyond the bytes already sent:
// messages should wait once, in their history, not in each socket.
const unsent = 128 << 10

// keepAlive is the idle time after which the kernel asks whether the peer is still there.
const keepAlive = 2 * time.Minute

// New opens a server: its loops and its listening sockets. It serves connections after
// Start.
func New(cfg Config) (*Server, error) {
	if cfg.From != nil {
		return resume(cfg)
	}
	srv, err := newServer(cfg)
	if err != nil {
		CloseSockets(cfg.Sockets)
		return nil, err
	}
	if err := srv.listen(); err != nil {
		srv.abandon()
		return nil, err
	}
	if srv.state != nil {
		if err := srv.state.mark(); err != nil {
			srv.abandon()
			return nil, fmt.Errorf("comet: %w", err)
		}
	}
	return srv, nil
}

// resume makes a server that continues another one. On an error it closes nothing, and has
// changed no record that the other program sees.
func resume(cfg Config) (*Server, error) {
	from := cfg.From
	srv, err := newServer(cfg)
	if err != nil {
		return nil, err
	}
	srv.resumed(from)
	if from.byName {
		if err := srv.moveIn(from); err != nil {
			srv.abandon()
			return nil, err
		}
	}
	srv.cfg.Sockets, srv.cfg.From = from.sockets(), nil
	if from.rehearsal {
		return srv, srv.tryAddresses()
	}
	if err := srv.listen(); err != nil {
		return nil, err
	}
	srv.state.takeOver(from)
	from.reader.Let() // data that is still needed was copied, or is kept by its users
	return srv, nil
}

// newServer opens a server without listeners.
func newServer(cfg Config) (*Server, error) {
	if err := cfg.fill(); err != nil {
		return nil, fmt.Errorf("comet: %w", err)
	}
	st, err := openState(&cfg)
	if err != nil {
		return nil, fmt.Errorf("comet: %w", err)
	}
	srv := &Server{homes: record.NewHomes(cfg.Loops), mailers: make([]*mail.Mailer, cfg.Loops)}
	if cfg.From != nil {
		cfg.From.resumeHomes(srv.homes)
	}
	srv.randomSecret = chooseSecret(&cfg, st)
	srv.cfg = cfg
	srv.totals.Log = &srv.cfg.Log
	if cfg.Cluster != nil {
		srv.totals.Gap = record.LogGap
	}
	srv.Epoch, srv.state = cfg.Clock(), st
	theWeb := srv.cfg.web()
	theWeb.Stats = srv.appendStats
	srv.site = web.NewSite(theWeb)
	srv.group, err = reactor.NewGroup(cfg.Loops, func(i int) (*reactor.Loop, error) {
		s, err := newShard(srv, uint8(i))
		if err != nil {
			return nil, err
		}
		srv.shards = append(srv.shards, s)
		return s.loop, nil
	})
	if err == nil && st != nil {
		if err = st.restore(srv); err != nil {
			srv.abandon()
		}
	} else if st != nil && cfg.From == nil {
		st.close()
	}
	if err != nil {
		srv.release()
		return nil, fmt.Errorf("comet: %w", err)
	}
	return srv, nil
}

// chooseSecret sets the secret if none is configured: that of the cluster, of the server
// that this one continues, or of the state file, else a random one. It returns false if the
// configuration or the cluster has one.
func chooseSecret(cfg *Config, st *state) (random bool) {
	if len(cfg.Secret) > 0 {
		return false
	}
	switch {
	case cfg.Cluster != nil:
		cfg.Secret = cfg.Cluster.Secret()
		return false
	case cfg.From != nil:
		cfg.Secret = cfg.From.server.Secret
	case st != nil && len(st.head.Secret) > 0:
		cfg.Secret = st.head.Secret
	default:
		cfg.Secret = make([]byte, 32)
		_, _ = rand.Read(cfg.Secret) // never fails
	}
	if st != nil {
		st.secret = cfg.Secret
	}
	return true
}

// abandon frees a server that has never run.
func (srv *Server) abandon() {
	for _, s := range srv.shards {
		s.loop.Release()
	}
	srv.release()
}

func (srv *Server) release() {
	if srv.state != nil {
		srv.state.close()
	}
	for _, s := range srv.shards {
		s.release()
	}
	if srv.cfg.Cluster != nil {
		srv.cfg.Cluster.Close()
	}
}

// FrontAddrs, AdminAddrs and CCometAddrs return where the server listens, in the form of
// Config.Front, with the actual ports in place of port 0.
func (srv *Server) FrontAddrs() []string  { return srv.front }
func (srv *Server) AdminAddrs() []string  { return srv.admin }
func (srv *Server) CCometAddrs() []string { return srv.ccomet }

// Loops returns the number of event loops. Each has a goroutine of its own when one is not
// enough for all.
func (srv *Server) Loops() int { return len(srv.shards) }

// Start begins to serve, on goroutines of its own.
func (srv *Server) Start() {
	srv.cfg.Log.Info().
		Strs("front", srv.front).Strs("admin", srv.admin).Strs("ccomet", srv.ccomet).Int("loops", srv.cfg.Loops).Stringer("auth", srv.cfg.Auth).
		Int("max-channels", srv.cfg.MaxChannels).Int("max-subscribers-per-channel", srv.cfg.MaxSubscribersPerChannel).
		Int("channel-buffer-size", srv.cfg.ChannelBufferSize).Int("max-message", srv.cfg.MaxMessage).Int("max-head", srv.cfg.MaxHead).
		Dur("polling-timeout", srv.cfg.PollingTimeout).Dur("channel-timeout", srv.cfg.ChannelTimeout).
		Dur("request-timeout", srv.cfg.RequestTimeout).
		Str("version", srv.cfg.Version).Msg("serving")
	if h := &srv.handOvers; h.Total == 0 {
		srv.baseBytes, srv.started = residentBytes(), srv.cfg.Clock()
	} else {
		h.Pause = time.Duration(reactor.Monotonic() - h.parked)
	}
	if srv.cfg.Cluster != nil {
		srv.cfg.Cluster.Start(srv.asNode)
	}
	srv.group.Start()
	go srv.leaveBehind()
	if srv.state != nil {
		srv.state.start(srv)
	}
}

// Stop ends the server at once. It cuts connections, so that clients come back with their
// cursors. Any goroutine may call it.
func (srv *Server) Stop() { srv.Drain(0) }

// Wait returns when the server has ended. Its error says what ended it, if that was not
// Stop or Drain, and why the state could not be written at the end.
func (srv *Server) Wait() error {
	err := srv.group.Wait()
	if srv.state != nil {
		if lost := srv.state.wait(); lost != nil {
			err = errors.Join(err, fmt.Errorf("comet: %w", lost))
		}
	}
	srv.release()
	return err
}
