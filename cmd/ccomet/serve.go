package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"ccomet/comet"
	"ccomet/demo"
)

// serve is the command that runs the server.
type serve struct {
	settings
	file *configFile // nil for none
}

// Help is what "serve --help" says beside the flags.
func (*serve) Help() string {
	return `Clients wait on the front address, backends publish on the admin address:

  ccomet serve --front 0.0.0.0:8100 --max-channels 50000
  curl -N 'http://127.0.0.1:8100/stream?cname=news'
  curl 'http://127.0.0.1:8000/push?cname=news&content=hello'

Every flag can be set by an environment variable too, whose name is shown with it (lists with
commas), or by a TOML file (--config). A flag wins over the environment, the environment over the
file:

  front = ["0.0.0.0:8100", "[::]:8100"]
  channel-buffer-size = 500
  polling-timeout = 30

SIGTERM and SIGINT stop the server; its clients come back with their places.`
}

// BeforeResolve reads the configuration file, whose name the command line or
// the environment tells.
func (c *serve) BeforeResolve(ctx *kong.Context) error {
	flags := ctx.Selected().Flags
	for _, flag := range flags {
		if flag.Name != "config" {
			continue
		}
		name, _ := ctx.FlagValue(flag).(string)
		if name == "" {
			return nil
		}
		var err error
		if c.file, err = readConfigFile(name, flags); err != nil {
			return err
		}
		ctx.AddResolver(c.file)
	}
	return nil
}

// AfterApply refuses bad settings, and says where they were set.
func (c *serve) AfterApply(ctx *kong.Context) error {
	err := c.check()
	bad := new(badSetting)
	if !errors.As(err, &bad) || c.file == nil {
		return err
	}
	for _, path := range ctx.Path {
		if path.Flag != nil && path.Flag.Name == bad.name && path.Resolved {
			return fmt.Errorf("%s: %s %s", c.file.place(bad.name), bad.name, bad.reason)
		}
	}
	return err
}

// Run serves until a signal comes.
func (c *serve) Run(out io.Writer) error {
	log := newLogger(os.Stderr, c.LogLevel, c.LogFormat)
	limit, err := raiseDescriptors()
	if err != nil {
		log.Warn().Err(err).Msg("the descriptor limit stays as it is")
	}
	srv, err := c.open(log)
	if err != nil {
		return err
	}
	// A busy loop keeps its processor while it waits a moment for more: one
	// beyond the loops' is for everything else, the collector included.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), srv.Loops()+1))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM, unix.SIGINT)
	tellDescriptors(log, limit)
	srv.Start()
	if c.Demo {
		greet(out, srv.FrontAddrs())
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Wait() }()
	select {
	case err = <-ended:
		return fmt.Errorf("the server ended by itself: %w", err)
	case sig := <-signals:
		signal.Stop(signals) // a second one kills
		log.Info().Stringer("signal", sig).Msg("stopping")
	}
	srv.Stop()
	if err := <-ended; err != nil {
		return err
	}
	stats := srv.Stats()
	log.Info().Int64("refused", stats.Refused).Int64("cut", stats.Cut).Msg("stopped")
	return nil
}

// open opens the server and its listening sockets.
func (c *serve) open(log zerolog.Logger) (*comet.Server, error) {
	cfg := c.server(log)
	if c.Demo {
		cfg.Public = demo.Public()
		for _, page := range demo.Pages() {
			cfg.Pages = append(cfg.Pages, comet.Page(page))
		}
	}
	return comet.New(cfg)
}

// tellDescriptors logs how many connections there is room for.
func tellDescriptors(log zerolog.Logger, limit uint64) {
	used, err := openDescriptors()
	if err != nil || limit == 0 {
		return
	}
	log.Info().Uint64("limit", limit).Uint64("own", used).Uint64("connections", max(limit, used)-used).
		Msg("descriptors")
}

// greet tells a human what to open.
func greet(out io.Writer, front []string) {
	for _, address := range front {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			continue // a unix socket
		}
		if ap.Addr().IsUnspecified() {
			ap = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), ap.Port())
		}
		fmt.Fprintf(out, "\n  Open http://%s/ in two browser windows, and chat. Ctrl-C ends it.\n\n", ap)
		return
	}
}
