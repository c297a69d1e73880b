package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"ccomet/bench/result"
)

// asProgram makes the test's own binary run as the harness: so the harness and
// its child processes have the race detector if the test has it.
const asProgram = "CCOMET_BENCH_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	code := m.Run()
	if dir, err := server(); err == nil {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// server builds the server once, and returns the directory.
var server = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ccomet-bench-test")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir, "ccomet/cmd/ccomet").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	return dir, err
})

// harness returns a command of the harness. In its directory, bin has the
// server.
func harness(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	programs, err := server()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(programs, filepath.Join(dir, "bin")); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = dir
	// With the race detector, each process would sleep for a second at its end.
	cmd.Env = append(os.Environ(), asProgram+"=1", "GORACE=atexit_sleep_ms=0")
	return cmd
}

// briefly is a server that soon disconnects readers that are stuck.
const briefly = "bin/ccomet serve --front {front} --admin {admin} --log-level warn --write-timeout 8"

// Each measurement runs from end to end with the server, the clients that check
// every message, and the bare programs. It is too short to measure anything.
func TestMeasurements(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"hold --conns 30 --steps 2 --idle 0 --channels-each 5 --channels own --transport ws":             "bytes of resident memory each further channel of a connection",
		"hold --conns 30 --steps 2 --idle 0 --channels-each 3 --transport poll --per-client 20":          "a message to all: 90 of 90 received",
		"hold --conns 60 --steps 3 --idle 0":                                                             "a message to all: 60 of 60 received",
		"hold --conns 60 --steps 2 --idle 1ms --channels own --transport poll":                           "a message to all: 60 of 60 received",
		"hold --conns 60 --steps 2 --idle 0 --transport sse --per-client 25":                             "a message to all: 60 of 60 received",
		"hold --conns 60 --steps 1 --idle 0 --churn 0.5 --for 300ms --every 100ms":                       "left and came back",
		"fanout --conns 50 --messages 4 --rounds 1":                                                      "medians of 1 rounds",
		"fanout --conns 50 --messages 8 --burst 4 --rounds 1 --transport poll":                           "medians of 1 rounds",
		"channels --conns 20 --publishers 4 --publishes 200 --rounds 1":                                  "medians of 1 rounds",
		"hold --conns 60 --steps 2 --idle 1ms --channels own --transport ws":                             "a message to all: 60 of 60 received",
		"fanout --conns 50 --messages 8 --burst 4 --rounds 1 --transport ws":                             "beside a bare loop of a call a burst",
		"latency --conns 20 --publishes 50 --rate 500 --rounds 1 --transport ws":                         "publish to answer ",
		"storm --conns 50 --quiet 50ms --probe 5ms --every 5ms --transport ws":                           "all back after",
		"fanout --conns 50 --messages 8 --burst 4 --rounds 1":                                            "beside a bare loop of a call a burst",
		"channels --conns 20 --publishers 4 --publishes 200 --rounds 1 --transport poll":                 "bare program in C",
		"latency --conns 20 --publishes 50 --rate 500 --rounds 2":                                        "medians of 2 rounds",
		"latency --conns 20 --publishes 50 --rate 500 --rounds 1 --transport poll":                       "publish to receipt ",
		"latency --conns 20 --publishes 50 --rate 500 --rounds 1 --transport sse":                        "publish to answer ",
		"latency --conns 30 --per-client 7 --publishes 500 --rate 0 --depth 8 --publishers 3 --rounds 1": "one publish after the other over 3 connections, 8 deep",
		"storm --conns 50 --quiet 50ms --probe 5ms --every 5ms":                                          "all back after",
		"storm --conns 50 --quiet 50ms --probe 5ms --every 5ms --transport poll":                         "all back after",
		"storm --conns 50 --quiet 50ms --probe 5ms --every 5ms --accept-rate 200":                        "--accept-rate 200: all back after",
		"fanout --stuck 5 --conns 40 --messages 2 --rounds 1 --size 4096 --spawn " + briefly:             "5 of them came back with their cursor",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			typed := strings.Fields(strings.Replace(args, briefly, "", 1))
			if strings.HasSuffix(args, briefly) {
				typed = append(typed, briefly)
			}
			cmd := harness(t, append(typed, "--json", "result.json")...)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), want) {
				t.Fatalf("%v: %s", err, out)
			}
			r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
			if err != nil {
				t.Fatal(err)
			}
			if r.Label != "ccomet" || r.Setting.Connections == 0 || r.Interrupted || r.Machine.Cores == 0 {
				t.Errorf("the result: %+v", r)
			}
			if h := r.Hold; r.Kind == result.KindChurn && (h.Returned == 0 || h.DescriptorsAtStart < 60 || h.DescriptorsAtTheEnd != h.DescriptorsAtStart) {
				t.Errorf("%d came back; descriptors %d before, %d after", h.Returned, h.DescriptorsAtStart, h.DescriptorsAtTheEnd)
			}
			if check := checkOf(r); check.Failed() || check.Expected == 0 || check.Received != check.Expected {
				t.Errorf("the check: %+v", check)
			}
		})
	}
}

// These measurements print their figures and save no result. They fail if a
// message is lost.
func TestMeasurementsWithoutResult(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"batches --batch 20 --publishes 200 --rounds 2":                        "medians of 2 rounds: server ",
		"echo --conns 20 --publish 400 --rounds 2":                             "bare echo in C ",
		"echo --conns 300 --in-flight 400 --publish 900 --rounds 1 --size 300": "300 in flight: medians of 1 rounds: ",
	} {
		cmd := harness(t, strings.Fields(args)...)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v: %s", args, err, out)
		}
	}
}

// Each attack of the siege runs for a second. The command fails if memory
// exceeds what the limits promise.
func TestSiege(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("slowhttptest"); err != nil && os.Getenv("CCOMET_NO_SKIP") != "1" {
		t.Skip("slowhttptest is not installed")
	}
	cmd := harness(t, "siege", "--conns", "300", "--each", "1s", "--rounds", "1", "--json", "result.json")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Siege.Attacks) != 3 || len(r.Siege.Floods) != 4 {
		t.Fatalf("%d attacks and %d floods, want 3 and 4", len(r.Siege.Attacks), len(r.Siege.Floods))
	}
	for _, a := range r.Siege.Attacks {
		if len(a.Rounds) != 1 || a.Rounds[0].Meanwhile.Count == 0 || a.Connections <= 50 {
			t.Errorf("%s: %+v", a.Name, a)
		}
	}
	for _, f := range r.Siege.Floods {
		if f.Latency.Count == 0 || f.ResidentPeak < f.ResidentBefore || f.CeilingBytes > 0 && f.SentBytes == 0 {
			t.Errorf("%s: %+v", f.Name, f)
		}
	}
}

func checkOf(r *result.Result) result.Check {
	switch {
	case r.Hold != nil:
		return r.Hold.Check
	case r.Fanout != nil:
		return r.Fanout.Check
	case r.Channels != nil:
		return r.Channels.Check
	case r.OneToOne != nil:
		return r.OneToOne.Check
	case r.Stuck != nil:
		return r.Stuck.Check
	}
	return r.Storm.Check
}

// unready is a server that cannot be upgraded.
const unready = "bin/ccomet serve --front {front} --admin {admin} --no-live-upgrade"

// A command that cannot work fails at once, and the error says what to do.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"hold --conns 30000000":                                     `--conns is 30000000: want 1 to 16777216`,
		"hold --conns 1048576":                                      `(?s)limits are too small.*the server may have \d+ descriptors and needs 1048676: .*ulimit -Hn 1048676, as root`,
		"hold --conns 10 --size 5":                                  `--size is 5: want \d+ to 65536`,
		"hold --conns 10 --steps 1 --channels-each 2":               `--channels-each: want two steps at least`,
		"hold --target nchan --channels-each 2":                     `--channels-each is 2: nchan.* has no transport of that name whose`,
		"hold --conns 10 --steps 11":                                `--steps is 11: want 1 to the 10 connections`,
		"hold --conns 10 --steps 2 --churn 2":                       `--churn is 2: want a share`,
		"hold --conns 10 --transport carrier-pigeon":                `ccomet has no transport "carrier-pigeon": want one of jsonp, poll, sse, stream, ws`,
		"hold --target nobody":                                      `target "nobody" is neither a file nor one of .*ccomet`,
		"hold --conns 10 --pid 999999999":                           `process 999999999 is not there`,
		"hold --conns 10 --spawn false":                             `the server ended at once`,
		"hold --conns 10 --spawn /no/such/program":                  `starting the server: .*no such file`,
		"fanout --conns 10 --messages 3 --burst 2":                  `3 messages in bursts of 2`,
		"upgrade --conns 10 --target nchan":                         `nchan.*: only a ccomet can be upgraded`,
		"upgrade --conns 10 --publishers 100 --rate 10":             `a client gets a message each 10.0 s, and is watched for 1.5s`,
		"upgrade --conns 10 --spawn " + unready:                     `it was started with --no-live-upgrade`,
		"storm --conns 10 --accept-rate 5 --target nchan":           `only a ccomet that is started here can be given --accept-rate 5`,
		"fanout --conns 10 --stuck 5 --transport poll":              `stuck readers can only be measured with ccomet, and --transport stream`,
		"channels --conns 10 --publishes 11":                        `11 publishes a round to 10 channels`,
		"batches --batch 10 --publishes 15":                         `15 publishes a round in batches of 10`,
		"echo --in-flight 0":                                        `0 in flight`,
		"echo --transport sse":                                      `clients of the transport sse cannot send`,
		"batches --target nchan --spawn true":                       `its target has no batch`,
		"compare nobody":                                            `target "nobody" is neither a file nor one of`,
		"compare --only speed":                                      `--only is "speed": want some of sequential, paced, pipelined, poll, fanpoll, fanout, connect, bytes`,
		"compare --rounds 0":                                        `0 rounds, 0 other servers: want at least 1 round, and at most 8 servers`,
		"compare --conns 10 no-such-dir/x.toml":                     `target "no-such-dir/x.toml" is neither a file nor`,
		"compare --conns 10 centrifugo":                             `Centrifugo: starting the server: .*centrifugo`,
		"latency --conns 10 --rate=-1":                              `at -1 a second .*: want a rate of 0 to 1e\+06`,
		"latency --conns 10 --depth 0":                              `0 deep, .* one of the rest at least`,
		"latency --conns 10 --depth 2 --target icomet --spawn true": `the server ended at once|does not let publishes be pipelined`,
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			typed := strings.Fields(strings.Replace(args, unready, "", 1))
			if strings.HasSuffix(args, unready) {
				typed = append(typed, unready)
			}
			out, err := harness(t, typed...).CombinedOutput()
			if err == nil || !regexp.MustCompile(want).Match(out) {
				t.Errorf("%v, want %s: %s", err, want, out)
			}
		})
	}
}

// The error about a server that does not start shows the command with its
// placeholders filled in.
func TestCommandThatFails(t *testing.T) {
	t.Parallel()
	for spawn, want := range map[string]string{
		"false --config {dir}/a.conf --port {port} {front} {admin}": `the server ended at once: false --config /\S+/a\.conf --port \d+ 127\.0\.0\.1:\d+ 127\.0\.0\.1:\d+: it printed nothing`,
		"{dir}/no-such-program": `starting the server: .*/no-such-program: no such file`,
	} {
		out, err := harness(t, "hold", "--conns", "10", "--spawn", spawn).CombinedOutput()
		if err == nil || !regexp.MustCompile(want).Match(out) {
			t.Errorf("%v, want %s: %s", err, want, out)
		}
	}
}

// Saved results become a page, plots and tables.
func TestReport(t *testing.T) {
	t.Parallel()
	hold := harness(t, "hold", "--conns", "40", "--steps", "4", "--idle", "0", "--label", "mine & theirs", "--json", "result.json")
	if out, err := hold.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := harness(t, "report", "--html", "page.html", "--svg", "plots", "--markdown", "-", filepath.Join(hold.Dir, "result.json"))
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "| mine & theirs |") && !strings.Contains(string(out), "| mine &amp; theirs |") {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]string{"page.html": "mine &amp; theirs", "plots/hold-memory.svg": "</svg>"} {
		data, err := os.ReadFile(filepath.Join(cmd.Dir, name))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %v, no %q in it", name, err, want)
		}
	}
	document := filepath.Join(cmd.Dir, "document.md")
	if err := os.WriteFile(document, []byte("Before.\n\n<!-- bench: hold -->\n<!-- bench end -->\n\nAfter.\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := harness(t, "report", "--update", document, filepath.Join(hold.Dir, "result.json")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if data, err := os.ReadFile(document); err != nil || !strings.Contains(string(data), "\n| mine &amp; theirs |") || !strings.HasSuffix(string(data), "\nAfter.\n") {
		t.Errorf("%v: %s", err, data)
	}
	if out, err := harness(t, "report", hold.Dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "want --html, --svg, --markdown or --update") {
		t.Errorf("%v: %s", err, out)
	}
}

// The event loop runs beside libevent, with few pairs.
func TestLoop(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/usr/include/event2/event.h"); err != nil && os.Getenv("CCOMET_NO_SKIP") != "1" {
		t.Skip("libevent-dev is not installed")
	}
	cmd := harness(t, "loop", "--pairs", "40", "--active", "4", "--writes", "400", "--rounds", "1", "--json", "result.json")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Loop.Points) != 3 {
		t.Errorf("%d figures, want libevent's and the reactor's with 1 and 2 loops: %+v", len(r.Loop.Points), r.Loop.Points)
	}
}
