package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"ccomet/comet"
	"ccomet/demo"
)

// serve is the command that runs the server.
type serve struct {
	settings
	file    *configFile // nil for none
	implied compat      // by how the server is started, where nobody says otherwise

	sockets []comet.Sockets // of the server whose place this one takes
}

// Help is what "serve --help" says beside the flags.
func (*serve) Help() string {
	return `Clients wait on the front address, backends publish on the admin address:

  ccomet serve --front 0.0.0.0:8100 --max-channels 50000
  curl -N 'http://127.0.0.1:8100/stream?cname=news'
  curl 'http://127.0.0.1:8000/push?cname=news&content=hello'

Each flag has an environment variable, whose name is shown with it (lists are separated by commas),
and a key of the same name in a configuration file (--config). A flag overrides the environment, and
the environment overrides the file. "ccomet config example" prints a file in TOML with every setting
and its full explanation:

  front = ["0.0.0.0:8100", "[::]:8100"]
  channel-buffer-size = 500
  polling-timeout = 30

An icomet.conf is read too. "ccomet config check FILE" lists all mistakes in a file of either kind.

A service manager may hold the listening sockets (LISTEN_FDS): those that it names front, admin or
ccomet replace --front, --admin or --ccomet. The server tells it when it serves and when it stops, and
that its loops still turn (NOTIFY_SOCKET, WATCHDOG_USEC).

SIGTERM and SIGINT stop the server. Within --drain-time it closes its clients' connections, and they
come back with their cursors. A second signal ends it at once. SIGHUP reopens the log file.`
}

// BeforeResolve reads the configuration file, whose name the command line or
// the environment tells, and finds the defaults that hold.
func (c *serve) BeforeResolve(ctx *kong.Context) error {
	flags := ctx.Selected().Flags
	if name, _ := flagGiven(ctx, "config").(string); name != "" {
		var err error
		if c.file, err = readConfigFile(name, flags, c.implied); err != nil {
			return err
		}
		if err := c.file.wrong(); err != nil {
			return err
		}
		c.implied = cmp.Or(c.file.compat(), c.implied)
	}
	if given, ok := flagGiven(ctx, "compat").(compat); ok {
		c.implied = cmp.Or(given, c.implied)
	}
	ctx.AddResolver(compatDefaults{c.implied})
	if c.file != nil {
		ctx.AddResolver(c.file)
	}
	return nil
}

// flagGiven is the value that the command line or the environment gives a flag, nil for none.
func flagGiven(ctx *kong.Context, name string) any {
	for _, flag := range ctx.Selected().Flags {
		onLine := slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag })
		if flag.Name == name && (onLine || environmentHas(flag)) {
			return ctx.FlagValue(flag)
		}
	}
	return nil
}

// AfterApply refuses bad settings, and says where they were set.
func (c *serve) AfterApply(ctx *kong.Context) error {
	c.Compat = cmp.Or(c.implied, compatNone)
	c.trim()
	fromFile := map[string]bool{}
	for _, path := range ctx.Path {
		if path.Flag != nil && path.Resolved {
			fromFile[path.Flag.Name] = true
		}
	}
	var errs []error
	for _, bad := range c.check() {
		if fromFile[bad.name] {
			errs = append(errs, c.file.about(bad.name, bad.reason))
		} else {
			errs = append(errs, bad)
		}
	}
	return errors.Join(errs...)
}

// Run serves until a signal comes.
func (c *serve) Run(out io.Writer) (err error) {
	var pidfile *pidFile
	patience := stopPatience + time.Duration(c.DrainTime)
	if c.Pidfile != "" { // first: the log may be that of a server that runs
		if pidfile, err = awaitPidFile(out, c.Pidfile, c.Config, patience); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pidfile.remove()) }()
	}
	comet.AwaitState(c.State, patience, func() {
		fmt.Fprintf(out, "the server that has the state file %s is about to end: waiting for that\n", c.State)
	})
	output, err := openLog(c.LogOutput, c.LogRotateSize)
	if err != nil {
		return err
	}
	log, lines := newLogger(output, c.LogLevel, c.LogFormat)
	defer lines.end()
	if pidfile != nil && pidfile.left != "" {
		log.Warn().Str("pidfile", c.Pidfile).Str("process", pidfile.left).Msg("the pidfile was left behind by a server that is gone")
	}
	if err := c.run(out, log, lines, pidfile); err != nil {
		if _, ok := output.(*logFile); ok { // elsewhere it is seen anyway
			log.WithLevel(zerolog.FatalLevel).Err(err).Msg("ended")
		}
		return err
	}
	return nil
}

func (c *serve) run(out io.Writer, log zerolog.Logger, lines *logWriter, pidfile *pidFile) error {
	r := &running{log: log, lines: lines, pidfile: pidfile, drainTime: time.Duration(c.DrainTime)}
	r.catch()
	if c.file != nil {
		for _, p := range c.file.inOrder() {
			log.Warn().Msg(p.Error())
			if c.logsToFile() { // which nobody may look at
				fmt.Fprintln(out, "warning: "+p.Error())
			}
		}
	}
	limit, err := raiseDescriptors()
	if err != nil {
		log.Warn().Err(err).Msg("the descriptor limit stays as it is")
	}
	if r.manager, err = findManager(); err != nil {
		log.Warn().Err(err).Msg("the service manager is not told how the server is")
	}
	if err := c.takeSockets(); err != nil {
		return err
	}
	srv, err := c.open(log)
	if err != nil {
		return err
	}
	r.srv = srv
	if pidfile != nil {
		if r.giver, err = giveSockets(srv, pidfile); err != nil {
			log.Warn().Err(err).Msg("a restart will not have the listening sockets of this server: there will be a moment without")
		}
	}
	// A busy loop keeps its processor while it waits a moment for more: one
	// beyond the loops' is for everything else, the collector included.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), srv.Loops()+1))
	tellDescriptors(log, limit)
	srv.Start()
	if c.Demo {
		greet(out, srv.FrontAddrs())
	}
	if err := tellReady(); err != nil {
		log.Warn().Err(err).Msg("the one that started this daemon is not told")
	}
	lines.detach()
	return r.wait()
}

// open opens the server and its listening sockets.
func (c *serve) open(log zerolog.Logger) (*comet.Server, error) {
	cfg := c.server(log)
	cfg.Version, cfg.Sockets = versionName(), c.sockets
	figures := &metrics{version: versionName(), revision: revision()}
	cfg.Handlers = map[string]http.Handler{metricsPath: figures.handler()}
	if c.Pprof {
		addProfiles(cfg.Handlers)
	}
	if c.Demo {
		cfg.Public = demo.Public()
		for _, page := range demo.Pages() {
			cfg.Pages = append(cfg.Pages, comet.Page(page))
		}
	}
	srv, err := comet.New(cfg)
	figures.srv = srv
	return srv, err
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
		fmt.Fprintln(out)
		for _, page := range [...]struct{ name, path, what string }{
			{"chat", demo.ChatPath, "in two windows, with yourself"},
			{"transports", demo.TransportsPath, "the bytes of each, as they come"},
			{"counters", demo.CountersPath, "connections and memory, moving"},
		} {
			fmt.Fprintf(out, "  %-10s  http://%v%-18s %s\n", page.name, ap, page.path, page.what)
		}
		fmt.Fprint(out, "\n  Ctrl-C ends it.\n\n")
		return
	}
}

// takeSockets puts the listening sockets that a service manager holds for this
// process in the place of the addresses of their side, which the manager has given
// them as names.
func (c *serve) takeSockets() error {
	sockets, err := heldSockets()
	if err != nil {
		return err
	}
	sides := map[string]*[]string{"front": &c.Front, "admin": &c.Admin, "ccomet": &c.CComet}
	for name, addresses := range sockets {
		side, ok := sides[name]
		if !ok {
			return fmt.Errorf("the service manager holds a socket named %q: want front, admin or ccomet (FileDescriptorName= of the socket's unit)", name)
		}
		*side = addresses
	}
	return nil
}
