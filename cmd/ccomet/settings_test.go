package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// file writes a TOML file.
func file(t *testing.T, text string) string {
	t.Helper()
	return fileNamed(t, "ccomet.toml", text)
}

// fileNamed writes a file in a directory of its own.
func fileNamed(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

const freePorts = "front = [\"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"\n"

// TestPrecedence: a flag overrides the environment, which overrides the file, which overrides
// the default.
func TestPrecedence(t *testing.T) {
	t.Parallel()
	name := file(t, freePorts+"polling-timeout = 41\nchannel-timeout = \"1m\"\ndemo = true\n")
	p := start(t, nil, "--config", name)
	says("polling-timeout", 41.0)(t, p)
	says("channel-timeout", 60.0)(t, p)
	says("max-message", 65536.0)(t, p)
	if a := get(t, p.front, "/"); a.status != 200 {
		t.Errorf("no demo: %d", a.status)
	}
	p = start(t, []string{"CCOMET_CONFIG=" + name, "CCOMET_POLLING_TIMEOUT=42"}, "--config", name)
	says("polling-timeout", 42.0)(t, p)
	p = start(t, []string{"CCOMET_POLLING_TIMEOUT=42"}, "--config", name, "--polling-timeout", "43")
	says("polling-timeout", 43.0)(t, p)
	// The environment may name the file.
	p = start(t, []string{"CCOMET_CONFIG=" + name, "CCOMET_MAX_MESSAGE=99"}, "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	says("polling-timeout", 41.0)(t, p)
	says("max-message", 99.0)(t, p)
}

// TestEveryFlagFromAFile: each flag in --help can be set in a file.
func TestEveryFlagFromAFile(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "--config", file(t, freePorts+`
auth = "token"
secret = "s"
cors-origin = "*"
max-channels = 5
max-subscribers-per-channel = 6
channel-buffer-size = 7
channel-buffer-bytes = 8000
max-message = 900
max-head = 2000
channel-timeout = 11
polling-timeout = 12
request-timeout = 13
idle-timeout = 14
write-timeout = 15
loops = 2
ccomet = ["127.0.0.1:0"]
demo = false
log-level = "debug"
log-format = "json"
`))
	for key, want := range map[string]any{
		"auth": "token", "max-channels": 5.0, "max-subscribers-per-channel": 6.0, "channel-buffer-size": 7.0, "max-message": 900.0,
		"max-head": 2000.0, "channel-timeout": 11.0, "polling-timeout": 12.0, "request-timeout": 13.0, "loops": 2.0,
	} {
		says(key, want)(t, p)
	}
}

// runFor runs the program to its end.
func runFor(t *testing.T, env []string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	return runToEnd(t, command(env, args...))
}

func runToEnd(t *testing.T, cmd *exec.Cmd) (stdout, stderr string, status int) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) {
			t.Fatal(err)
		}
		status = exit.ExitCode()
	}
	return out.String(), errs.String(), status
}

// badSettings are invalid settings, with what the error must contain.
var badSettings = []struct {
	env, file string
	args      string
	want      []string
}{
	{args: "--nope", want: []string{"--nope"}},
	{args: "--loops x", want: []string{"--loops", `"x"`}},
	{args: "--loops 65", want: []string{"--loops", "65", "64"}},
	{args: "--loops -1", want: []string{"--loops is -1: want 0 to 64"}},
	{args: "--polling-timeout -3", want: []string{"--polling-timeout is -3s: want 1s to 8760h\n"}},
	{args: "--max-connections 1e9", want: []string{`--max-connections: "1e9": want a whole number`}},
	{args: "--max-history-bytes 99999999999999999999", want: []string{"--max-history-bytes", "of 64 bits"}},
	{args: "--drain-time", want: []string{"--drain-time: the value is missing"}},
	{args: "--state --demo", want: []string{"--state: the value is missing"}},
	{args: "--demo --front", want: []string{"--front: the value is missing"}},
	{env: "CCOMET_LOOPS=65", want: []string{"--loops is 65: want 0 to 64 (from CCOMET_LOOPS)"}},
	{args: "--auth maybe", want: []string{"--auth", "maybe", "none", "token"}},
	{args: "--polling-timeout 0", want: []string{"--polling-timeout", "0s"}},
	{args: "--polling-timeout 1.5s", want: []string{"--polling-timeout", "whole seconds"}},
	{args: "--drain-time=-1", want: []string{"--drain-time", "-1s", "0s"}},
	{args: "--state-interval 9000h", want: []string{"--state-interval", "8760h"}},
	{args: "--write-timeout soon", want: []string{"--write-timeout", "soon"}},
	{args: "--max-message 0", want: []string{"--max-message", "0"}},
	{args: "--max-head 10", want: []string{"--max-head", "10", "1024"}},
	{args: "--channel-buffer-size=-1", want: []string{"--channel-buffer-size", "-1"}},
	{args: "--front example", want: []string{"--front", "example"}},
	{args: "--ccomet 8081", want: []string{"--ccomet", "8081"}},
	{args: "--admin example.com:80", want: []string{"--admin", "numeric"}},
	{args: "--log-level loud", want: []string{"--log-level", "loud", "debug"}},
	{args: "--log-format xml", want: []string{"--log-format", "xml"}},
	{args: "--redis localhost:6379", want: []string{"--redis", "redis://"}},
	{args: "--redis redis://:hidden@a/x", want: []string{"--redis", "want a number"}},
	{args: "--redis redis://a --redis redis-sentinel://b/m", want: []string{"--redis", "in one URL"}},
	{args: "--redis-prefix {x}", want: []string{"--redis-prefix", "braces"}},
	{args: "--node a/b", want: []string{"--node", "a/b"}},
	{args: "--redis-ttl 0", want: []string{"--redis-ttl", "1s"}},
	{args: "--redis-bus 9", want: []string{"--redis-bus", "10"}},
	{args: "--redis-partitions 257", want: []string{"--redis-partitions", "256"}},
	{args: "--redis-queue 0", want: []string{"--redis-queue", "0"}},
	{env: "CCOMET_REDIS=redis-sentinel://a,b", want: []string{"--redis", "name of the master"}},
	{file: "redis = \"redis://:hidden@a:0\"\n", want: []string{"ccomet.toml:1:", "redis", "want HOST"}},
	{args: "--config /nowhere/at/all", want: []string{"--config", "/nowhere/at/all"}},
	{env: "CCOMET_LOOPS=many", want: []string{"CCOMET_LOOPS", "many"}},
	{env: "CCOMET_MAX_CHANNELS=-5", want: []string{"max-channels", "-5"}},
	{file: "# first\nmax-chanels = 1\n", want: []string{"ccomet.toml:2:", "max-chanels"}},
	{file: "\n\nloops = \"two\"\n", want: []string{"ccomet.toml:3:", "loops", "two"}},
	{file: "max-channels = -1\n", want: []string{"ccomet.toml:1:", "max-channels", "-1"}},
	{file: "polling-timeout = 1.5\n", want: []string{"ccomet.toml:1:", "polling-timeout", "1.5"}},
	{file: "auth = \"maybe\"\n", want: []string{"ccomet.toml:1:", "auth", "maybe"}},
	{file: "demo = \"yes\"\n", want: []string{"ccomet.toml:1:", "demo"}},
	{file: "front = [1]\n", want: []string{"ccomet.toml:1:", "front"}},
	{file: "front = [\"here\"]\n", want: []string{"ccomet.toml:1:", "front", "here"}},
	{file: "[serve]\nloops = 1\n", want: []string{"ccomet.toml:1:", "serve"}},
	{file: "config = \"other\"\n", want: []string{"ccomet.toml:1:", "config"}},
	{file: "loops = \n", want: []string{"ccomet.toml:1:"}},
	{file: "loops = 65\nmax-head = 1\nauth = 1\n", want: []string{"ccomet.toml:3: auth:"}},
	{file: "loops = 65\nmax-head = 1\n", want: []string{"ccomet.toml:1: loops", "; ", "ccomet.toml:2: max-head"}},
	{file: "loops = 65\n", args: "--max-head 1", want: []string{"ccomet.toml:1: loops", "--max-head is 1"}},
	{file: "log-output = \"/nowhere/log\"\nloops = 1000\n", env: "CCOMET_LOOPS=65", want: []string{"--loops is 65"}},
}

// TestBadSettings: one line, which names the setting and where it was set.
func TestBadSettings(t *testing.T) {
	t.Parallel()
	for _, c := range badSettings {
		t.Run(c.args+c.env+c.file, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"serve"}, strings.Fields(c.args)...)
			if c.file != "" {
				args = append(args, "--config", file(t, c.file))
			}
			var env []string
			if c.env != "" {
				env = []string{c.env}
			}
			_, stderr, status := runFor(t, env, args...)
			if status != exitSettings || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, want %d and one line: %s", status, exitSettings, stderr)
			}
			if strings.Contains(stderr, ":hidden@") {
				t.Errorf("a password is shown: %s", stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q does not name %q", stderr, want)
				}
			}
		})
	}
}

// TestFilesThatCannotBe: errors that are found only when the server starts.
func TestFilesThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, want string }{
		{"--log-output /nowhere/log", "--log-output: open /nowhere/log"},
		{"--pidfile /nowhere/pid", "pidfile: open /nowhere/pid"},
		{"--state /nowhere/state", "state: open /nowhere/state"},
	} {
		args := append([]string{"serve", "--front", "127.0.0.1:0", "--admin", "127.0.0.1:0"}, strings.Fields(c.args)...)
		_, stderr, status := runFor(t, nil, args...)
		if last := stderr[strings.LastIndex(strings.TrimSpace(stderr), "\n")+1:]; status != exitFailed || !strings.Contains(last, c.want) {
			t.Errorf("%s: status %d: %s", c.args, status, stderr)
		}
	}
}

// TestAddressInUse: a second server on an address fails with a reason, and the first is not
// affected.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	p := start(t, nil)
	for _, args := range [][]string{{"--front", p.front}, {"--front", "127.0.0.1:0", "--admin", p.admin}} {
		_, stderr, status := runFor(t, nil, append([]string{"serve"}, args...)...)
		side := strings.TrimPrefix(args[len(args)-2], "--") + ": "
		if status != exitFailed || !strings.Contains(stderr, side) || !strings.Contains(stderr, args[len(args)-1]) || !strings.Contains(stderr, "in use") {
			t.Errorf("status %d: %s", status, stderr)
		}
	}
	answers("/ping", "sub_timeout")(t, p)
}

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	stdout, _, status := runFor(t, nil, "version")
	if status != 0 || !strings.HasPrefix(stdout, "ccomet ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("version: %d %q", status, stdout)
	}
	if flag, _, status := runFor(t, nil, "--version"); status != 0 || flag != stdout {
		t.Errorf("--version: %d %q", status, flag)
	}
	for _, wrong := range [][]string{{"upgrade", "--timeout", "-1"}, {"upgrade", "--pid", "-1"}, {"upgrade", "--admin", "a"}, {"health", "--admin", "a"}, {"doctor", "--conns", "-1"}} {
		if _, stderr, status := runFor(t, nil, wrong...); status != exitSettings || !strings.Contains(stderr, wrong[1]+" is ") {
			t.Errorf("%q: %d %q", wrong, status, stderr)
		}
	}
	stdout, _, status = runFor(t, nil)
	if status != 0 || !strings.Contains(stdout, "serve") {
		t.Errorf("without arguments: %d %q", status, stdout)
	}
	stdout, _, status = runFor(t, nil, "serve", "--help")
	for _, want := range []string{"--front", "127.0.0.1:8100", "--admin", "$CCOMET_MAX_CHANNELS", "curl -N", "1m30s", "Limits:"} {
		if status != 0 || !strings.Contains(stdout, want) {
			t.Errorf("help does not mention %s: %s", want, stdout)
		}
	}
	_, stderr, status := runFor(t, nil, "sevre")
	if status != exitSettings || !strings.Contains(stderr, "serve") {
		t.Errorf("a misspelt command: %d %q", status, stderr)
	}
}
