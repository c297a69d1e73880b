package main

import (
	"fmt"
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

	"ccomet/comet"
)

// settingsOf reads a file that must be without mistakes.
func settingsOf(t *testing.T, name string) (*settings, *configFile) {
	t.Helper()
	_, flags, err := newSettings()
	if err != nil {
		t.Fatal(err)
	}
	f, err := readConfigFile(name, flags, compatByStart)
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.settings()
	if err != nil || f.wrong() != nil {
		t.Fatal(err, f.wrong())
	}
	return s, f
}

// TestEveryICometKey: what each key of iComet's file comes to.
func TestEveryICometKey(t *testing.T) {
	name := fileNamed(t, "icomet.conf", `# the sections in no order, both separators, blanks, comments behind numbers
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
	want, _, err := newSettings()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(name)
	want.Pidfile, want.LogOutput = filepath.Join(dir, "run/icomet.pid"), filepath.Join(dir, "logs/log.txt")
	want.Front, want.Admin = []string{"127.0.0.1:8101"}, []string{"0.0.0.0:8001"}
	want.AdminAllow, want.AdminDeny = []string{"127.0.0.1", "192.168"}, []string{"192.168.7.", "all"}
	want.Auth = 1
	want.MaxChannels, want.MaxSubscribersPerChannel, want.ChannelBufferSize = 5, 6, 7
	want.ChannelTimeout, want.PollingTimeout = seconds(11*time.Second), seconds(12*time.Second)
	want.LogLevel, want.LogRotateSize = logLevel(zerolog.WarnLevel), 2000000
	want.Compat, want.MaxMessage, want.ChannelBufferBytes = compatIComet, 1<<20, 16<<20
	want.DrainTime = drainTime(300 * time.Millisecond)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestLastCounts: of a key or a section that iComet's file has twice, as iComet reads it.
func TestLastCounts(t *testing.T) {
	s, _ := settingsOf(t, fileNamed(t, "icomet.conf", `
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
	if s.LogLevel != logLevel(zerolog.InfoLevel) || filepath.Base(s.LogOutput) != "other.txt" || s.LogRotateSize != 3000000 {
		t.Errorf("log-level %v, log-output %s, log-rotate-size %d", s.LogLevel, s.LogOutput, s.LogRotateSize)
	}
}

// TestICometTolerance: what is not understood in iComet's file is taken as iComet takes it, or as it is meant.
func TestICometTolerance(t *testing.T) {
	s, _ := settingsOf(t, fileNamed(t, "icomet.conf", `
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
	if s.ChannelTimeout != seconds(10*time.Second) || s.PollingTimeout != seconds(20*time.Second) {
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
	s, _ = settingsOf(t, fileNamed(t, "icomet.conf", "front:\n\tlisten: "+name+":8100\n"))
	if ap, err := netip.ParseAddrPort(s.Front[0]); err != nil || ap.Port() != 8100 {
		t.Errorf("%s: %q, %v", name, s.Front, err)
	}
}

// TestWhoseFile: a file's text tells whether it is iComet's, whatever its name; where it does not,
// how the server is started does.
func TestWhoseFile(t *testing.T) {
	const conf, toml = "# mine\nadmin:\n\tlisten: 127.0.0.1:0\n", "front = [\n\t\"127.0.0.1:0\",\n]\n"
	_, flags, err := newSettings()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		implied    compat
		icomet     bool
	}{
		{"icomet.conf", conf, "", true},
		{"icomet", conf, "", true},
		{"icomet.cfg", conf, compatIComet, true},
		{"icomet.ini", strings.ReplaceAll(conf, ": ", " = "), "", true},
		{"icomet.ini", strings.ReplaceAll(conf, ":\n", " =\n"), "", true},
		{"icomet.conf.prod", "\xef\xbb\xbf" + conf, "", true},
		{"icomet.toml", conf, "", true},
		{"ccomet.toml", toml, "", false},
		{"ccomet.conf", toml, "", false},
		{"ccomet", toml, compatIComet, false},
		{"ccomet", exampleFile, "", false},
		{"ccomet.toml", toml + "front = here\nloops 2\n", "", false},
		// Neither.
		{"x.conf", "# nothing\n", "", true},
		{"x", "# nothing\n", compatIComet, true},
		{"x", "# nothing\n", "", false},
		{"x", "pidfile = ./pid\n", compatIComet, true},
	} {
		f, err := readConfigFile(fileNamed(t, c.name, c.text), flags, c.implied)
		if err != nil || f.icomet != c.icomet {
			t.Errorf("%s, %q, %q: %v, %v", c.name, c.text, c.implied, f.icomet, err)
		}
	}
}

// TestICometDefaults: what iComet takes for what its file does not say.
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
		{"front:\n\tchannel_timeout: 8", 8, 1 << 20, "stdout"}, // without a newline at its end
	} {
		s, _ := settingsOf(t, fileNamed(t, "icomet.conf", c.text))
		if s.ChannelTimeout != seconds(time.Duration(c.channel)*time.Second) || s.LogRotateSize != c.rotate || s.LogOutput != c.output || s.Pidfile != "" {
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
		s, _ := settingsOf(t, fileNamed(t, "icomet.conf", "logger:\n\tlevel: "+name+"\n"))
		if s.LogLevel != logLevel(want) {
			t.Errorf("%s: %v, want %v", name, s.LogLevel, want)
		}
	}
}

// TestMistakes: each kind, where it is, and what is said of it.
func TestMistakes(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"conf", "logger:\n\tlevell: debug", `warning: 2: logger.levell: ignored, as iComet does: unknown key: did you mean logger.level?`},
		{"conf", "front:\n\tmax-channels: 1", `warning: 2: front.max-channels: ignored, as iComet does: unknown key: did you mean front.max_channels?`},
		{"conf", "fornt:\n\tmax_channels: 1\n\tx: y", `warning: 1: fornt: ignored, as iComet does: unknown key: did you mean front?`},
		{"conf", "colour: red", `warning: 1: colour: ignored, as iComet does: unknown key`},
		{"conf", ": none", `warning: 1: ignored, as iComet does: unknown key`},
		{"conf", "pidfile: x\n\tsize: 1", `warning: 2: pidfile.size: ignored, as iComet does: unknown key`},
		{"conf", "logger: here\n\tlevel: info", `warning: 1: logger: is a section: what stands behind it is ignored, as iComet does`},
		{"conf", "logger.level: info\nlogger:\n\trotate.size: 5", "warning: 1: logger.level: ignored, as iComet does: unknown key: did you mean logger.level?\n" +
			"warning: 3: logger.rotate.size: ignored, as iComet does: unknown key: did you mean logger.rotate.size?"},
		{"conf", "front: here\n\tauth: none", `1: front: is a section: want nothing behind it, and its keys below, each with one TAB more`},
		{"conf", "front:\n    auth: none", `2: indented by spaces: want TABs only`},
		{"conf", "front:\n\t auth: none", `2: indented by spaces: want TABs only`},
		{"conf", "front:\n\t\tauth: none", `2: indented by 2 TABs: want 1 at most, one more than the section that it stands in`},
		{"conf", "\tmax: 1\n\t\t\tmax: 2", "warning: 1: max: ignored, as iComet does: unknown key\n2: indented by 3 TABs: want 2 at most, one more than the section that it stands in"},
		{"conf", "front:\n\tauth", `2: want KEY: VALUE, not "auth"`},
		{"conf", "front\n\tauth: none", `1: want KEY: VALUE, not "front"`},
		// The last counts, of keys and of whole sections.
		{"conf", "front:\n\tauth: none\n\tauth: token", "warning: 2: front.auth: ignored, as iComet does: line 3 counts\n" +
			"warning: 3: front.auth: token without a state file*"},
		{"conf", "pidfile: x\npidfile: y\npidfile:", "warning: 1: pidfile: ignored, as iComet does: line 3 counts\nwarning: 2: pidfile: ignored, as iComet does: line 3 counts"},
		{"conf", "front:\n\tauth: maybe\n\tx: y\nlogger:\n\tlevel: info\nfront:\n\tauth: none", `warning: 1: front: ignored whole, as iComet does: the section of line 6 counts`},
		{"conf", "logger:\n\trotate:\n\t\tsize: 5\n\trotate:\n\t\tsize: 6", `warning: 2: logger.rotate: ignored whole, as iComet does: the section of line 4 counts`},
		{"conf", "front:\n\tstream_header_template: <html>", `warning: 2: front.stream_header_template: ignored, as iComet does since 0.2`},
		// What seems to be about who may come is never ignored.
		{"conf", "front:\n\tauth: maybe", `2: front.auth: "maybe": want none or token`},
		{"conf", "front:\n\tAuth: none", `2: front.Auth: unknown key: iComet ignores it, but it seems to be about who may come (auth): put it right, or take it out`},
		{"conf", "front.auth: token", `warning: 1: front.auth: ignored, as iComet does: unknown key: did you mean front.auth?`},
		{"conf", "front:\n\tallow: 10.", `2: front.allow: unknown key: iComet ignores it, but it seems to be about who may come (allow): put it right, or take it out`},
		{"conf", "admn:\n\tmax: 1\n\tdenny: all", `3: admn.denny: unknown key: iComet ignores it, but it seems to be about who may come (deny): put it right, or take it out`},
		{"conf", "admin:\n\tallow: 10.\n\t\tdeny: 10.0.0.5", `3: admin.allow.deny: unknown key: iComet ignores it, but it seems to be about who may come (deny): put it right, or take it out`},
		// Numbers are read as far as they are some.
		{"conf", "front:\n\tmax_channels: many", `warning: 2: front.max_channels: "many": 0 is taken`},
		{"conf", "front:\n\tmax_channels: -1", `warning: 2: front.max_channels: "-1": 0 is taken`},
		{"conf", "front:\n\tmax_channels: 10k", `warning: 2: front.max_channels: "10k": 10 is taken`},
		{"conf", "front:\n\tchannel_buffer_size: 99999999999999999999", `warning: 2: front.channel_buffer_size: "99999999999999999999": 1073741824 is taken`},
		{"conf", "front:\n\tmax_channels: '10'", `warning: 2: front.max_channels: is in quotes, which iComet takes for a part of it: 10 is taken`},
		{"conf", "front:\n\tpolling_timeout: 1m", `warning: 2: front.polling_timeout: "1m": 1 is taken`},
		{"conf", "front:\n\tpolling_timeout: 0", `2: front.polling_timeout: is "0": want 1 or more: iComet does not start with it either`},
		{"conf", "front:\n\tpolling_timeout: soon", `2: front.polling_timeout: is "soon": want 1 or more: iComet does not start with it either`},
		{"conf", "logger:\n\tlevel: loud", `warning: 2: logger.level: "loud" is no level: debug is taken, as iComet does`},
		{"conf", "logger:\n\tlevel: \"INFO\"", "warning: 2: logger.level: is in quotes, which iComet takes for a part of it: INFO is taken\n" +
			`warning: 2: logger.level: "INFO": info is taken`},
		{"conf", "logger:\n\trotate:\n\t\tsize: big", `warning: 3: logger.rotate.size: "big": 0 is taken`},
		// Where it listens.
		{"conf", "front:\n\tlisten: 8100", `2: front.listen: is "8100": want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N`},
		{"conf", "front:\n\tlisten: 127.0.0.1:8100k", `warning: 2: front.listen: "127.0.0.1:8100k": 127.0.0.1:8100 is taken`},
		{"conf", "front:\n\tlisten: 127.0.0.1:port", `2: front.listen: is "127.0.0.1:port": want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N`},
		{"conf", "front:\n\tlisten: *:8100", `warning: 2: front.listen: "*:8100": 0.0.0.0:8100 is taken`},
		{"conf", "front:\n\tlisten: ip4-loopback.invalid:8100", `2: front.listen: is "ip4-loopback.invalid:8100": lookup ip4-loopback.invalid*`},
		{"conf", "admin:\n\tallow:", `2: admin.allow: "": want an address*`},
		{"conf", "admin:\n\tallow: 10.\n\tallow: ten\n\tallow: all", `3: admin.allow: "ten": want an address*`},
		{"conf", "admin:\n\tdeny: all", `warning: 2: admin.deny: without admin-allow nobody at all is let in`},
		{"toml", "front-deny = ['10.']", `warning: 1: front-deny: without front-allow nobody at all is let in`},
		{"toml", "trusted-proxy = [\"10.\", \"ten\"]\nproxy-protocol = 'both'", "1: trusted-proxy: has \"ten\": want an address*\n2: proxy-protocol: has \"both\": want front or admin"},
		{"conf", "admin:\n\tlisten: 0.0.0.0:8000", `warning: 2: admin.listen: 0.0.0.0:8000 can be reached from other machines, and whoever reaches it may publish: listen on 127.0.0.1, or say who is let in by admin-allow`},
		{"conf", "admin:\n\tlisten: 0.0.0.0:8000\n\tallow: 192.168.\n\tdeny: all", ""},
		{"conf", "pidfile: /nowhere/at/all", `warning: 1: pidfile: /nowhere/at is no directory: make it before the server starts`},
		{"toml", "max-chanels = 1", `1: max-chanels: unknown key: did you mean max-channels?`},
		{"toml", "max_channels = 1", `1: max_channels: unknown key: did you mean max-channels?`},
		{"toml", "config = 'x'", `1: config: unknown key`},
		{"toml", "a.b = 1", `1: a.b: unknown key`},
		{"toml", "[serve]\nloops = 65", "1: [serve]: want keys without tables, as in: loops = 2\n2: loops: is 65: want 0 to 64"},
		{"toml", "loops = 1\nloops = 2", `2: loops: stands on line 1 already`},
		{"toml", "loops = 1.5", `1: loops: want a whole number, not 1.5`},
		{"toml", "loops = 99999999999999999999", `1: loops: want a whole number, not 99999999999999999999`},
		{"toml", "loops = [1]", `1: loops: want a whole number, not a list`},
		{"toml", "loops = {a=1}", `1: loops: want a whole number, not a table`},
		{"toml", "demo = 1", `1: demo: want true or false, not 1`},
		{"toml", "auth = true", `1: auth: want a string, not true`},
		{"toml", "front = []", `1: front: want at least one`},
		{"toml", "front = [\n\"127.0.0.1:0\",\n2]", `1: front: want strings in the list, not 2`},
		{"toml", "cors-origin = 'a b'", `1: cors-origin: has "a b": want an origin, as in https://example.com or https://*.example.com:8443`},
		{"toml", "cors-origin = ['https://a.example', 'https://b.example/']", `1: cors-origin: has "https://b.example/": "/" does not belong to an origin; want an origin, as in https://example.com or https://*.example.com:8443`},
		{"toml", "admin-host = 'a:80'\nadmin-origin = 'null'", "1: admin-host: has \"a:80\": want a host's name without a port, *.example.com, or *\n2: admin-origin: has \"null\": it is the origin of every sandboxed page and file; * lets in all"},
		{"conf", "logger:\n\toutput: stdout\n\trotate:\n\t\tsize: 2097152", ""},
		{"toml", "log-rotate-size = 5", `warning: 1: log-rotate-size: does nothing: log-output is no file but stderr`},
		{"toml", "drain-time = 40", `warning: 1: drain-time: is 40s, and -s stop waits for 30s: it will give up`},
		{"toml", "state = '/nowhere/at/all'", `warning: 1: state: /nowhere/at is no directory: make it before the server starts`},
		{"toml", "auth = 'token'\nstate = '/tmp/ccomet.state'", ""},
		{"toml", "auth = 'token'\nsecret = 'key'", `warning: 1: auth: token without a state file: the tokens of now will not be valid after a restart`},
		{"toml", "auth = 'token'", `warning: 1: auth: token without a state file: the tokens of now will not be valid after a restart`},
		{"toml", "front = ':80'\nadmin = ':80'\nadmin-allow='all'", `warning: 2: admin: :80 is the front address too: one of them will not start`},
		{"toml", "max-message = 2_000_000", `warning: 1: max-message: is 2000000, and channel-buffer-bytes 1048576: the largest messages cannot be kept`},
		// After what is no TOML it goes on.
		{"toml", "loops = \nmax-head = 1\n= 5\n\nauth = maybe\ndemo = 'x", "1: *\n2: max-head: is 1: want 1024 to 16777216\n3: *\n5: *\n6: *"},
	} {
		name := fileNamed(t, "x."+c.name, c.text)
		problems, err := checkConfigFile(name)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var got []string
		for _, p := range problems {
			text := strings.TrimPrefix(p.Error(), name+":")
			if p.warning {
				text = "warning: " + text
			}
			got = append(got, text)
		}
		want := strings.Split(c.want, "\n")
		if c.want == "" {
			want = nil
		}
		same := len(got) == len(want)
		for i := 0; same && i < len(want); i++ {
			start, open := strings.CutSuffix(want[i], "*")
			same = got[i] == want[i] || open && strings.HasPrefix(got[i], start)
		}
		if !same {
			t.Errorf("%q:\ngot  %s\nwant %s", c.text, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
}

// TestExample: the example file has every flag, at its default.
func TestExample(t *testing.T) {
	t.Parallel()
	stdout, stderr, status := runFor(t, nil, "config", "example")
	if status != 0 || stdout != exampleFile {
		t.Fatalf("status %d, %d bytes: %s", status, len(stdout), stderr)
	}
	got, f := settingsOf(t, file(t, stdout))
	want, flags, err := newSettings()
	if err != nil {
		t.Fatal(err)
	}
	want.Compat = compatNone // as it is not started otherwise
	// An empty list is as good as none.
	for s := range 2 {
		v := reflect.ValueOf([]*settings{got, want}[s]).Elem()
		for i := range v.NumField() {
			if field := v.Field(i); field.Kind() == reflect.Slice && field.Len() == 0 {
				field.SetZero()
			}
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read as it is, it is\n%+v, the defaults are\n%+v", got, want)
	}
	for _, flag := range flags {
		if _, ok := f.entries[flag.Name]; !ok && flag.Name != "help" && flag.Name != "config" {
			t.Errorf("--%s is not in it", flag.Name)
		}
	}
	lines := strings.Split(stdout, "\n")
	for name, e := range f.entries {
		above := e.line - 2
		for above > 0 && lines[above] != "" && lines[above][0] != '#' {
			above-- // keys that are explained together
		}
		if above < 0 || !strings.HasPrefix(lines[above], "# ") {
			t.Errorf("line %d: %s is not explained", e.line, name)
		}
	}
}

// TestConfigCheck: what the command prints, and its status.
func TestConfigCheck(t *testing.T) {
	t.Parallel()
	good := file(t, freePorts)
	if stdout, stderr, status := runFor(t, nil, "config", "check", good); status != 0 || stdout != good+": no mistakes\n" || stderr != "" {
		t.Errorf("a good file: %d %q %q", status, stdout, stderr)
	}
	// The environment is not the file's fault.
	if stdout, stderr, status := runFor(t, []string{"CCOMET_LOOPS=x"}, "config", "check", good); status != 0 {
		t.Errorf("with a bad environment: %d %q %q", status, stdout, stderr)
	}
	bad := fileNamed(t, "icomet.conf", "pidfle: x\nfront:\n\tlisten: nowhere\n\tauth: none\n\tauth: no\n")
	want := fmt.Sprintf("warning: %[1]s:1: pidfle: ignored, as iComet does: unknown key: did you mean pidfile?\n"+
		"%[1]s:3: front.listen: is \"nowhere\": want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N\n"+
		"warning: %[1]s:4: front.auth: ignored, as iComet does: line 5 counts\n%[1]s:5: front.auth: \"no\": want none or token\n", bad)
	stdout, stderr, status := runFor(t, nil, "config", "check", bad)
	if status != exitSettings || stdout != want || stderr != "ccomet: "+bad+": 2 mistakes\n" {
		t.Errorf("a bad file: %d\n%s\n%s\nwant\n%s", status, stdout, stderr, want)
	}
	if _, stderr, status := runFor(t, nil, "config", "check", "/nowhere/at/all"); status != exitSettings || !strings.Contains(stderr, "/nowhere/at/all") {
		t.Errorf("no file: %d %q", status, stderr)
	}
}

// TestOpenSecret: a secret that others may read is told of.
func TestOpenSecret(t *testing.T) {
	name := file(t, "secret = 's'\n")
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1, 0o604: 1} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		problems, err := checkConfigFile(name)
		if err != nil || len(problems) != want {
			t.Errorf("%v: %v, %v", mode, problems, err)
		}
	}
}
