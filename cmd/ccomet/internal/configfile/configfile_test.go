package configfile

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"ccomet/cmd/ccomet/internal/logging"
	"ccomet/cmd/ccomet/internal/settings"
	"ccomet/comet"
)

// fileOf writes a file to a new directory.
func fileOf(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// example returns the example file with every setting.
func example(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../ccomet.toml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// settingsOf reads a file that must have no mistakes.
func settingsOf(t *testing.T, name string) (*settings.Settings, *File) {
	t.Helper()
	_, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Read(name, flags, settings.CompatByStart)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.settings()
	if err != nil || f.Wrong() != nil {
		t.Fatal(err, f.Wrong())
	}
	return s, f
}

// TestEveryICometKey: the setting that each key of an icomet.conf becomes.
func TestEveryICometKey(t *testing.T) {
	name := fileOf(t, "icomet.conf", `# the sections in no order, both separators, blanks, comments behind numbers
pidfile = ./run/icomet.pid

front:
	listen: 127.0.0.1:8101
	  # a comment anywhere
	auth: token
	max_channels: 5   # five
	max_subscribers_per_channel = 6
	channel_buffer_size:7
	channel_timeout : 11
	polling_timeout:	12

admin :
	listen: 0.0.0.0:8001
	allow: 127.0.0.1
	allow: 192.168
	deny: 192.168.7.
	deny: all
logger:
	level: warn
	rotate:
		size: 2000000
	output: logs/log.txt
`)
	got, _ := settingsOf(t, name)
	want, _, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(name)
	want.Pidfile, want.LogOutput = filepath.Join(dir, "run/icomet.pid"), filepath.Join(dir, "logs/log.txt")
	want.Front, want.Admin = []string{"127.0.0.1:8101"}, []string{"0.0.0.0:8001"}
	want.AdminAllow, want.AdminDeny = []string{"127.0.0.1", "192.168"}, []string{"192.168.7.", "all"}
	want.Auth = 1
	want.MaxChannels, want.MaxSubscribersPerChannel, want.ChannelBufferSize = 5, 6, 7
	want.ChannelTimeout, want.PollingTimeout = settings.Seconds(11*time.Second), settings.Seconds(12*time.Second)
	want.LogLevel, want.LogRotateSize = logging.Level(zerolog.WarnLevel), 2000000
	want.Compat, want.MaxMessage, want.ChannelBufferBytes = settings.CompatIComet, 1<<20, 16<<20
	want.DrainTime = settings.DrainTime(300 * time.Millisecond)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestLastCounts: of a key or a section that occurs twice, the last is used, as in iComet.
func TestLastCounts(t *testing.T) {
	s, _ := settingsOf(t, fileOf(t, "icomet.conf", `
front:
	auth: none
	max_channels: 9
	auth: token
	channel_buffer_size: 3
	channel_buffer_size: 4
admin:
	allow: all
admin:
	allow: 127.0.0.1
	deny: 10.
	allow: 192.168
logger:
	level: warn
	rotate:
		size: 4000000
logger:
	output: ./other.txt
	rotate:
		size: 2000000
	rotate:
		size: 3000000
`))
	if comet.Auth(s.Auth) != comet.AuthToken || s.MaxChannels != 9 || s.ChannelBufferSize != 4 {
		t.Errorf("auth %v, max-channels %d, channel-buffer-size %d", s.Auth, s.MaxChannels, s.ChannelBufferSize)
	}
	if !slices.Equal(s.AdminAllow, []string{"127.0.0.1", "192.168"}) || !slices.Equal(s.AdminDeny, []string{"10."}) {
		t.Errorf("allow %q, deny %q", s.AdminAllow, s.AdminDeny)
	}
	if s.LogLevel != logging.Level(zerolog.InfoLevel) || filepath.Base(s.LogOutput) != "other.txt" || s.LogRotateSize != 3000000 {
		t.Errorf("log-level %v, log-output %s, log-rotate-size %d", s.LogLevel, s.LogOutput, s.LogRotateSize)
	}
}

// TestICometTolerance: invalid values in an icomet.conf are read as by iComet, or as they are
// meant.
func TestICometTolerance(t *testing.T) {
	s, _ := settingsOf(t, fileOf(t, "icomet.conf", `
	pidfile: "/run/icomet.pid"
front:
	listen: localhost:8100
	auth: Token
	max_channels: 10k
	max_subscribers_per_channel: -1
	channel_timeout: -5
	polling_timeout: 20 seconds
admin:
	listen: '*:8000'
	allow: ALL
	deny: "10.0.0.1"
`))
	if s.Pidfile != "/run/icomet.pid" || comet.Auth(s.Auth) != comet.AuthToken || s.MaxChannels != 10 || s.MaxSubscribersPerChannel != 0 {
		t.Errorf("pidfile %s, auth %v, max-channels %d, max-subscribers-per-channel %d", s.Pidfile, s.Auth, s.MaxChannels, s.MaxSubscribersPerChannel)
	}
	if s.ChannelTimeout != settings.Seconds(10*time.Second) || s.PollingTimeout != settings.Seconds(20*time.Second) {
		t.Errorf("channel-timeout %v, polling-timeout %v", s.ChannelTimeout, s.PollingTimeout)
	}
	if !slices.Equal(s.Front, []string{"localhost:8100"}) || !slices.Equal(s.Admin, []string{"0.0.0.0:8000"}) ||
		!slices.Equal(s.AdminAllow, []string{"all"}) || !slices.Equal(s.AdminDeny, []string{"10.0.0.1"}) {
		t.Errorf("front %q, admin %q, allow %q, deny %q", s.Front, s.Admin, s.AdminAllow, s.AdminDeny)
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := net.LookupHost(name); err != nil {
		t.Skipf("this machine's own name has no address: %v", err)
	}
	s, _ = settingsOf(t, fileOf(t, "icomet.conf", "front:\n\tlisten: "+name+":8100\n"))
	if ap, err := netip.ParseAddrPort(s.Front[0]); err != nil || ap.Port() != 8100 {
		t.Errorf("%s: %q, %v", name, s.Front, err)
	}
}

// TestWhoseFile: a file's text determines whether it is an icomet.conf, whatever its name. If
// the text does not tell, the way the server is started does.
func TestWhoseFile(t *testing.T) {
	const conf, toml = "# mine\nadmin:\n\tlisten: 127.0.0.1:0\n", "front = [\n\t\"127.0.0.1:0\",\n]\n"
	_, flags, err := settings.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		implied    settings.Compat
		icomet     bool
	}{
		{"icomet.conf", conf, "", true},
		{"icomet", conf, "", true},
		{"icomet.cfg", conf, settings.CompatIComet, true},
		{"icomet.ini", strings.ReplaceAll(conf, ": ", " = "), "", true},
		{"icomet.ini", strings.ReplaceAll(conf, ":\n", " =\n"), "", true},
		{"icomet.conf.prod", "\xef\xbb\xbf" + conf, "", true},
		{"icomet.toml", conf, "", true},
		{"ccomet.toml", toml, "", false},
		{"ccomet.conf", toml, "", false},
		{"ccomet", toml, settings.CompatIComet, false},
		{"ccomet", example(t), "", false},
		{"ccomet.toml", toml + "front = here\nloops 2\n", "", false},
		// Neither.
		{"x.conf", "# nothing\n", "", true},
		{"x", "# nothing\n", settings.CompatIComet, true},
		{"x", "# nothing\n", "", false},
		{"x", "pidfile = ./pid\n", settings.CompatIComet, true},
	} {
		f, err := Read(fileOf(t, c.name, c.text), flags, c.implied)
		if err != nil || f.icomet != c.icomet {
			t.Errorf("%s, %q, %q: %v, %v", c.name, c.text, c.implied, f.icomet, err)
		}
	}
}

// TestICometDefaults: iComet's defaults for missing keys.
func TestICometDefaults(t *testing.T) {
	for _, c := range []struct {
		text            string
		channel, rotate int
		output          string
	}{
		{"", 15, 1 << 20, "stdout"},
		{"front:\n\tpolling_timeout: 40\n", 20, 1 << 20, "stdout"},
		{"front:\n\tpolling_timeout: 60s\n\tchannel_timeout: 0\n", 30, 1 << 20, "stdout"},
		{"front:\n\tpolling_timeout: 1\n", 1, 1 << 20, "stdout"},
		{"front:\n\tchannel_timeout: -5\n", 15, 1 << 20, "stdout"},
		{"front:\n\tchannel_timeout: 7\nlogger:\n\toutput: stderr\n\trotate:\n\t\tsize: 4096\n", 7, 1 << 20, "stderr"},
		{"logger:\n\toutput: /var/log/icomet\n\trotate:\n\t\tsize: 1048577\n", 15, 1<<20 + 1, "/var/log/icomet"},
		{"pidfile =\nlogger:\n\tlevel:\n\toutput:\n", 15, 1 << 20, "stdout"},
		{"\xef\xbb\xbfpidfile =\r\nlogger:\r\n\toutput: stderr\r\n", 15, 1 << 20, "stderr"},
		{"front:\n\tchannel_timeout: 8", 8, 1 << 20, "stdout"}, // without a newline at the end
	} {
		s, _ := settingsOf(t, fileOf(t, "icomet.conf", c.text))
		if s.ChannelTimeout != settings.Seconds(time.Duration(c.channel)*time.Second) || s.LogRotateSize != c.rotate || s.LogOutput != c.output || s.Pidfile != "" {
			t.Errorf("%q: channel-timeout %v, log-rotate-size %d, log-output %s, pidfile %s",
				c.text, s.ChannelTimeout, s.LogRotateSize, s.LogOutput, s.Pidfile)
		}
	}
}

// TestICometLevels: each of iComet's levels is known.
func TestICometLevels(t *testing.T) {
	for name, want := range map[string]zerolog.Level{
		"trace": zerolog.TraceLevel, "debug": zerolog.DebugLevel, "info": zerolog.InfoLevel, "warn": zerolog.WarnLevel,
		"error": zerolog.ErrorLevel, "fatal": zerolog.FatalLevel, "none": zerolog.Disabled,
	} {
		s, _ := settingsOf(t, fileOf(t, "icomet.conf", "logger:\n\tlevel: "+name+"\n"))
		if s.LogLevel != logging.Level(want) {
			t.Errorf("%s: %v, want %v", name, s.LogLevel, want)
		}
	}
}
