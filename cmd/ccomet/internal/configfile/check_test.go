package configfile

import (
	"os"
	"strings"
	"testing"
)

// mistakes are files with the expected problems.
var mistakes = []struct{ name, text, want string }{
	{"conf", "logger:\n\tlevell: debug", `warning: 2: logger.levell: ignored, as in iComet: unknown key: did you mean logger.level?`},
	{"conf", "front:\n\tmax-channels: 1", `warning: 2: front.max-channels: ignored, as in iComet: unknown key: did you mean front.max_channels?`},
	{"conf", "fornt:\n\tmax_channels: 1\n\tx: y", `warning: 1: fornt: ignored, as in iComet: unknown key: did you mean front?`},
	{"conf", "colour: red", `warning: 1: colour: ignored, as in iComet: unknown key`},
	{"conf", ": none", `warning: 1: ignored, as in iComet: unknown key`},
	{"conf", "pidfile: x\n\tsize: 1", `warning: 2: pidfile.size: ignored, as in iComet: unknown key`},
	{"conf", "logger: here\n\tlevel: info", `warning: 1: logger: is a section: its value is ignored, as in iComet`},
	{"conf", "logger.level: info\nlogger:\n\trotate.size: 5", "warning: 1: logger.level: ignored, as in iComet: unknown key: did you mean logger.level?\n" +
		"warning: 3: logger.rotate.size: ignored, as in iComet: unknown key: did you mean logger.rotate.size?"},
	{"conf", "front: here\n\tauth: none", `1: front: is a section: want no value; its keys go on the lines below, indented by one more TAB`},
	{"conf", "front:\n    auth: none", `2: indented with spaces: want TABs only`},
	{"conf", "front:\n\t auth: none", `2: indented with spaces: want TABs only`},
	{"conf", "front:\n\t\tauth: none", `2: indented by 2 TABs: want at most 1, one more than its section`},
	{"conf", "\tmax: 1\n\t\t\tmax: 2", "warning: 1: max: ignored, as in iComet: unknown key\n2: indented by 3 TABs: want at most 2, one more than its section"},
	{"conf", "front:\n\tauth", `2: want KEY: VALUE, not "auth"`},
	{"conf", "front\n\tauth: none", `1: want KEY: VALUE, not "front"`},
	// The last one is used, of keys and of whole sections.
	{"conf", "front:\n\tauth: none\n\tauth: token", "warning: 2: front.auth: ignored, as in iComet: line 3 is used\n" +
		"warning: 3: front.auth: token without a state file*"},
	{"conf", "pidfile: x\npidfile: y\npidfile:", "warning: 1: pidfile: ignored, as in iComet: line 3 is used\nwarning: 2: pidfile: ignored, as in iComet: line 3 is used"},
	{"conf", "front:\n\tauth: maybe\n\tx: y\nlogger:\n\tlevel: info\nfront:\n\tauth: none", `warning: 1: front: ignored completely, as in iComet: the section on line 6 is used`},
	{"conf", "logger:\n\trotate:\n\t\tsize: 5\n\trotate:\n\t\tsize: 6", `warning: 2: logger.rotate: ignored completely, as in iComet: the section on line 4 is used`},
	{"conf", "front:\n\tstream_header_template: <html>", `warning: 2: front.stream_header_template: ignored, as in iComet since 0.2`},
	// A key that resembles an access rule is never ignored.
	{"conf", "front:\n\tauth: maybe", `2: front.auth: "maybe": want none or token`},
	{"conf", "front:\n\tAuth: none", `2: front.Auth: unknown key: iComet ignores it, but it resembles the access rule auth: correct it or remove it`},
	{"conf", "front.auth: token", `warning: 1: front.auth: ignored, as in iComet: unknown key: did you mean front.auth?`},
	{"conf", "front:\n\tallow: 10.", `2: front.allow: unknown key: iComet ignores it, but it resembles the access rule allow: correct it or remove it`},
	{"conf", "admn:\n\tmax: 1\n\tdenny: all", `3: admn.denny: unknown key: iComet ignores it, but it resembles the access rule deny: correct it or remove it`},
	{"conf", "admin:\n\tallow: 10.\n\t\tdeny: 10.0.0.5", `3: admin.allow.deny: unknown key: iComet ignores it, but it resembles the access rule deny: correct it or remove it`},
	// The leading digits of a number are used.
	{"conf", "front:\n\tmax_channels: many", `warning: 2: front.max_channels: "many": 0 is used`},
	{"conf", "front:\n\tmax_channels: -1", `warning: 2: front.max_channels: "-1": 0 is used`},
	{"conf", "front:\n\tmax_channels: 10k", `warning: 2: front.max_channels: "10k": 10 is used`},
	{"conf", "front:\n\tchannel_buffer_size: 99999999999999999999", `warning: 2: front.channel_buffer_size: "99999999999999999999": 1073741824 is used`},
	{"conf", "front:\n\tmax_channels: '10'", `warning: 2: front.max_channels: is in quotes, which would be part of the value in iComet: 10 is used`},
	{"conf", "front:\n\tpolling_timeout: 1m", `warning: 2: front.polling_timeout: "1m": 1 is used`},
	{"conf", "front:\n\tpolling_timeout: 0", `2: front.polling_timeout: is "0": want 1 or more; iComet does not start with it either`},
	{"conf", "front:\n\tpolling_timeout: soon", `2: front.polling_timeout: is "soon": want 1 or more; iComet does not start with it either`},
	{"conf", "logger:\n\tlevel: loud", `warning: 2: logger.level: "loud" is not a level: debug is used, as in iComet`},
	{"conf", "logger:\n\tlevel: \"INFO\"", "warning: 2: logger.level: is in quotes, which would be part of the value in iComet: INFO is used\n" +
		`warning: 2: logger.level: "INFO": info is used`},
	{"conf", "logger:\n\trotate:\n\t\tsize: big", `warning: 3: logger.rotate.size: "big": 0 is used`},
	// Listening addresses.
	{"conf", "front:\n\tlisten: 8100", `2: front.listen: is "8100": want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N`},
	{"conf", "front:\n\tlisten: 127.0.0.1:8100k", `warning: 2: front.listen: "127.0.0.1:8100k": 127.0.0.1:8100 is used`},
	{"conf", "front:\n\tlisten: 127.0.0.1:port", `2: front.listen: is "127.0.0.1:port": want HOST:PORT with a numeric host, :PORT, unix:/PATH or fd:N`},
	{"conf", "front:\n\tlisten: *:8100", `warning: 2: front.listen: "*:8100": 0.0.0.0:8100 is used`},
	{"conf", "front:\n\tlisten: ip4-loopback.invalid:8100", `2: front.listen: is "ip4-loopback.invalid:8100": lookup ip4-loopback.invalid*`},
	{"conf", "admin:\n\tallow:", `2: admin.allow: "": want an address*`},
	{"conf", "admin:\n\tallow: 10.\n\tallow: ten\n\tallow: all", `3: admin.allow: "ten": want an address*`},
	{"conf", "admin:\n\tdeny: all", `warning: 2: admin.deny: without admin-allow every client is denied`},
	{"toml", "front-deny = ['10.']", `warning: 1: front-deny: without front-allow every client is denied`},
	{"toml", "trusted-proxy = [\"10.\", \"ten\"]\nproxy-protocol = 'both'", "1: trusted-proxy: has \"ten\": want an address*\n2: proxy-protocol: has \"both\": want front or admin"},
	{"conf", "admin:\n\tlisten: 0.0.0.0:8000", `warning: 2: admin.listen: 0.0.0.0:8000 can be reached from other machines, and every client there may publish: listen on 127.0.0.1, or set admin-allow`},
	{"conf", "admin:\n\tlisten: 0.0.0.0:8000\n\tallow: 192.168.\n\tdeny: all", ""},
	{"conf", "pidfile: /nowhere/at/all", `warning: 1: pidfile: /nowhere/at is not a directory: create it before the server starts`},
	{"toml", "max-chanels = 1", `1: max-chanels: unknown key: did you mean max-channels?`},
	{"toml", "max_channels = 1", `1: max_channels: unknown key: did you mean max-channels?`},
	{"toml", "config = 'x'", `1: config: unknown key`},
	{"toml", "a.b = 1", `1: a.b: unknown key`},
	{"toml", "[serve]\nloops = 65", "1: [serve]: want keys without tables, as in: loops = 2\n2: loops: is 65: want 0 to 64"},
	{"toml", "loops = 1\nloops = 2", `2: loops: is already set on line 1`},
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
	{"toml", "log-rotate-size = 5", `warning: 1: log-rotate-size: has no effect: log-output is not a file but stderr`},
	{"toml", "drain-time = 40", `warning: 1: drain-time: is 40s, and -s stop waits for 30s: it will give up`},
	{"toml", "state = '/nowhere/at/all'", `warning: 1: state: /nowhere/at is not a directory: create it before the server starts`},
	{"toml", "auth = 'token'\nstate = '/tmp/ccomet.state'", ""},
	{"toml", "auth = 'token'\nsecret = 'key'", `warning: 1: auth: token without a state file: current tokens will not be valid after a restart`},
	{"toml", "auth = 'token'", `warning: 1: auth: token without a state file: current tokens will not be valid after a restart`},
	{"toml", "front = ':80'\nadmin = ':80'\nadmin-allow='all'", `warning: 2: admin: :80 is also the front address: the server will not start`},
	{"toml", "max-message = 2_000_000", `warning: 1: max-message: is 2000000, and channel-buffer-bytes 1048576: the largest messages cannot be kept`},
	// After a syntax error the next line is read.
	{"toml", "loops = \nmax-head = 1\n= 5\n\nauth = maybe\ndemo = 'x", "1: *\n2: max-head: is 1: want 1024 to 16777216\n3: *\n5: *\n6: *"},
}

// TestMistakes: each kind of mistake, with its place and its text.
func TestMistakes(t *testing.T) {
	for _, c := range mistakes {
		name := fileOf(t, "x."+c.name, c.text)
		problems, err := Check(name)
		if err != nil {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		var got []string
		for _, p := range problems {
			text := strings.TrimPrefix(p.Error(), name+":")
			if p.Warning {
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

// TestOpenSecret: a secret that other users can read causes a warning.
func TestOpenSecret(t *testing.T) {
	name := fileOf(t, "ccomet.toml", "secret = 's'\n")
	for mode, want := range map[os.FileMode]int{0o600: 0, 0o640: 1, 0o604: 1} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		problems, err := Check(name)
		if err != nil || len(problems) != want {
			t.Errorf("%v: %v, %v", mode, problems, err)
		}
	}
}
