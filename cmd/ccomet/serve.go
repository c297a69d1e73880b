package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"

	"ccomet/cmd/ccomet/internal/configfile"
	"ccomet/cmd/ccomet/internal/daemon"
	"ccomet/cmd/ccomet/internal/footprint"
	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/cmd/ccomet/internal/metrics"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/cmd/ccomet/internal/systemd"
	"ccomet/cmd/ccomet/internal/upgrade"
	"ccomet/comet"
	"ccomet/comet/cluster"
	"ccomet/demo"
)

// serve is the command that runs the server.
type serve struct {
	settings.Settings
	file    *configfile.File // nil: no configuration file
	implied settings.Compat  // leniencies from the way the server is started, if no setting names others

	sockets []comet.Sockets // listening sockets of the server that this one replaces
	carried *os.File        // its channels; nil: none
}

// Help is the text of "serve --help" beside the flags.
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

An icomet.conf is read too. "ccomet config check FILE" lists all mistakes in a file of either format.

A service manager may hold the listening sockets (LISTEN_FDS): those that it names front, admin or
ccomet replace --front, --admin or --ccomet. The server tells the service manager when it is ready, when it
stops, and that its loops are not stuck (NOTIFY_SOCKET, WATCHDOG_USEC).

SIGTERM and SIGINT stop the server. Within --drain-time it closes its clients' connections, and they
come back with their cursors. A second signal ends it at once. SIGHUP reopens the log file. SIGUSR2
replaces the running program by the one on the disk and keeps every connection, as "ccomet upgrade" does.`
}

// BeforeResolve reads the configuration file, whose name is on the command line or in the
// environment, and determines the defaults.
func (c *serve) BeforeResolve(ctx *kong.Context) error {
	flags := ctx.Selected().Flags
	if name, _ := flagGiven(ctx, "config").(string); name != "" {
		var err error
		if c.file, err = configfile.Read(name, flags, c.implied); err != nil {
			return fmt.Errorf("--config: %w", err)
		}
		if err := c.file.Wrong(); err != nil {
			return err
		}
		c.implied = cmp.Or(c.file.Compat(), c.implied)
	}
	if given, ok := flagGiven(ctx, "compat").(settings.Compat); ok {
		c.implied = cmp.Or(given, c.implied)
	}
	ctx.AddResolver(configfile.CompatDefaults{Compat: c.implied})
	if c.file != nil {
		ctx.AddResolver(c.file)
	}
	return nil
}

// flagGiven returns the value of a flag from the command line or the environment, or nil.
func flagGiven(ctx *kong.Context, name string) any {
	for _, flag := range ctx.Selected().Flags {
		onLine := slices.ContainsFunc(ctx.Path, func(p *kong.Path) bool { return p.Flag == flag })
		if flag.Name == name && (onLine || configfile.EnvironmentHas(flag)) {
			return ctx.FlagValue(flag)
		}
	}
	return nil
}

// AfterApply validates the settings. Its errors name the file and line, or the variable, of
// each.
func (c *serve) AfterApply(ctx *kong.Context) error {
	c.Compat = cmp.Or(c.implied, settings.CompatNone)
	c.Trim()
	var errs []error
	for _, bad := range c.Check() {
		errs = append(errs, c.placed(ctx, bad))
	}
	return errors.Join(errs...)
}

// placed adds to an error where the setting was made, except on the command line.
func (c *serve) placed(ctx *kong.Context, bad *settings.Bad) error {
	for _, path := range ctx.Path {
		switch {
		case path.Flag == nil || path.Flag.Name != bad.Name:
		case path.Resolved:
			return c.file.About(bad.Name, bad.Reason)
		default:
			return bad
		}
	}
	for _, flag := range ctx.Selected().Flags {
		if flag.Name == bad.Name && configfile.EnvironmentHas(flag) {
			return fmt.Errorf("%w (from %s)", bad, strings.Join(flag.Envs, ", "))
		}
	}
	return bad
}

// Run serves until a signal comes.
func (c *serve) Run(out io.Writer) (err error) {
	if upgrade.Rehearses() {
		return c.rehearse()
	}
	var pidfile *daemon.PIDFile
	timeout := daemon.StopTimeout + time.Duration(c.DrainTime)
	if c.Pidfile != "" { // first, because the log file may belong to a running server
		if pidfile, err = daemon.AwaitPIDFile(out, c.Pidfile, c.Config, timeout); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, pidfile.Remove()) }()
	}
	if !upgrade.Succeeds() {
		comet.AwaitState(c.State, timeout, func() {
			fmt.Fprintf(out, "waiting for the server that uses the state file %s to stop\n", c.State)
		})
	}
	output, err := logging.Open(c.LogOutput, c.LogRotateSize)
	if err != nil {
		return err
	}
	log, lines := logging.New(output, c.LogLevel, c.LogFormat)
	defer lines.End()
	if pidfile != nil && pidfile.Left != "" && !upgrade.Succeeds() {
		log.Warn().Str("pidfile", c.Pidfile).Str("process", pidfile.Left).Msg("the pidfile was left behind by a server that is gone")
	}
	if err := c.run(out, log, lines, pidfile); err != nil {
		if _, ok := output.(*logging.File); ok { // other outputs show the error anyway
			log.WithLevel(zerolog.FatalLevel).Err(err).Msg("ended")
		}
		return err
	}
	return nil
}

func (c *serve) run(out io.Writer, log zerolog.Logger, lines *logging.Writer, pidfile *daemon.PIDFile) error {
	r := &running{log: log, lines: lines, pidfile: pidfile, drainTime: time.Duration(c.DrainTime), pidfileName: c.Pidfile, live: c.LiveUpgrade}
	r.catch()
	if upgrade.Succeeds() {
		lines.Detach() // clients wait: a log that cannot be written must not delay them
	}
	c.warn(out, log)
	limit, err := raiseDescriptors()
	if err != nil {
		log.Warn().Err(err).Msg("the limit on file descriptors cannot be raised")
	}
	if r.manager, err = systemd.FindManager(); err != nil {
		log.Warn().Err(err).Msg("the service manager cannot be notified")
	}
	if err := c.takeSockets(); err != nil {
		return err
	}
	from, err := upgrade.HandedOver()
	if err == nil {
		err = c.beginAgain()
	}
	if err != nil {
		return err
	}
	srv, err := c.openShared(log, r, from)
	if err != nil || r.stopped {
		return err
	}
	r.srv = srv
	r.giveSockets()
	// A busy loop keeps its processor while it briefly waits for more work. One more processor
	// is for everything else, including the garbage collector.
	runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), srv.Loops()+1))
	logDescriptors(log, limit)
	upgrade.Track(srv, versionName(), c.configPath(), c.LiveUpgrade)
	if err := r.begin(); err != nil {
		return err
	}
	told, err := upgrade.ServeStatus()
	if err != nil {
		log.Warn().Err(err).Msg("ccomet upgrade can find this server only by its admin address")
	} else {
		defer told.Close()
	}
	if c.Demo && from == nil {
		printAddresses(out, srv.FrontAddrs())
	}
	if err := daemon.TellReady(); err != nil {
		log.Warn().Err(err).Msg("the process that started this daemon cannot be notified")
	}
	if !upgrade.Succeeds() {
		lines.Detach()
	}
	footprint.GiveBack()
	return r.wait()
}

// configPath returns the absolute path of the configuration file, or "".
func (c *serve) configPath() string {
	path, err := filepath.Abs(c.Config)
	if c.Config == "" || err != nil {
		return ""
	}
	return path
}

// warn reports settings of the configuration file that have no effect.
func (c *serve) warn(out io.Writer, log zerolog.Logger) {
	if c.file == nil {
		return
	}
	for _, p := range c.file.InOrder() {
		log.Warn().Msg(p.Error())
		if c.LogsToFile() { // where the warning may be overlooked
			fmt.Fprintln(out, "warning: "+p.Error())
		}
	}
}

// beginAgain takes over sockets and channels from a server that has ended in this process.
func (c *serve) beginAgain() error {
	again, err := upgrade.Restarted()
	if again != nil {
		c.sockets, c.carried = again.Sockets, again.Channels
	}
	return err
}

// open opens the server and its listening sockets, or continues the server of another program.
func (c *serve) open(log zerolog.Logger, shared *cluster.Log, from *comet.HandedOver) (*comet.Server, error) {
	cfg := c.ServerConfig(log)
	if shared != nil {
		cfg.Cluster = shared
	}
	cfg.Version, cfg.Sockets, cfg.Carried, cfg.From = versionName(), c.sockets, c.carried, from
	figures := &metrics.Metrics{Version: versionName(), Revision: revision(), Upgrades: upgrade.Counts}
	if shared != nil {
		figures.Beside = append(figures.Beside, metrics.NewCluster(shared))
	}
	cfg.Handlers = map[string]http.Handler{metrics.Path: footprint.After(figures.Handler()), upgrade.Path: upgrade.Handler()}
	if c.Pprof {
		metrics.AddProfiles(cfg.Handlers)
	}
	if c.Demo {
		cfg.Public, cfg.WSPublish = demo.Public(), true
		for _, page := range demo.Pages() {
			cfg.Pages = append(cfg.Pages, comet.Page(page))
		}
	}
	srv, err := comet.New(cfg)
	figures.Server = srv
	return srv, err
}

// logDescriptors logs for how many connections there are file descriptors.
func logDescriptors(log zerolog.Logger, limit uint64) {
	used, err := openDescriptors()
	if err != nil || limit == 0 {
		return
	}
	log.Info().Uint64("limit", limit).Uint64("own", used).Uint64("connections", max(limit, used)-used).
		Msg("descriptors")
}

// printAddresses prints the addresses of the demo pages.
func printAddresses(out io.Writer, front []string) {
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
			{"chat", demo.ChatPath, "open it in two windows and talk to yourself"},
			{"transports", demo.TransportsPath, "what each transport sends, byte by byte"},
			{"counters", demo.CountersPath, "connections and memory, live"},
		} {
			fmt.Fprintf(out, "  %-10s  http://%v%-18s %s\n", page.name, ap, page.path, page.what)
		}
		fmt.Fprint(out, "\n  Ctrl-C stops the server.\n\n")
		return
	}
}

// takeSockets uses the listening sockets that a service manager holds for this process instead
// of the configured addresses of the side whose name the socket has.
func (c *serve) takeSockets() error {
	sockets, err := systemd.HeldSockets()
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
