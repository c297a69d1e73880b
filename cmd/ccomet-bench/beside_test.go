package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ccomet/bench/result"
)

// Without a C compiler, the bare program is the one in Go, which does the same.
// The output says so.
func TestBareProgramInGo(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"fanout --conns 50 --messages 8 --burst 4 --rounds 1",
		"fanout --conns 50 --messages 4 --rounds 1",
		"channels --conns 20 --publishers 4 --publishes 200 --rounds 1 --transport poll",
		"latency --conns 20 --publishes 50 --rate 500 --rounds 1",
		"echo --conns 20 --publish 200 --rounds 1 --size 200",
		"idle --conns 20 --for 2s --spawn " + "bin/ccomet serve --front {front} --admin {admin} --log-level warn --polling-timeout 1",
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			args, spawn, _ := strings.Cut(args, " --spawn ")
			typed := strings.Fields(args)
			if spawn != "" {
				typed = append(typed, "--spawn", spawn)
			}
			cmd := harness(t, typed...)
			cmd.Env = append(cmd.Env, "PATH="+cmd.Dir, "XDG_CACHE_HOME="+t.TempDir())
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "is the one in Go") || !strings.Contains(string(out), "apt-get install gcc") || strings.Contains(string(out), " in C ") != strings.Contains(string(out), "the one in C ") {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// Other installed servers are measured like ours, with the targets that the
// harness includes.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	for name, module := range map[string]string{"nchan": "ngx_nchan_module.so", "pushstream": "ngx_http_push_stream_module.so"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := os.Stat("/usr/lib/nginx/modules/" + module)
			if packaged := name == "nchan"; err != nil && (!packaged || os.Getenv("CCOMET_NO_SKIP") != "1") {
				t.Skip(err)
			}
			for _, args := range []string{
				"hold --conns 20 --steps 1 --idle 0 --transport sse",
				"channels --conns 20 --publishers 4 --publishes 200 --rounds 1 --transport poll",
				"fanout --conns 20 --messages 8 --burst 4 --rounds 1 --transport stream",
				"latency --conns 20 --publishes 40 --rate 500 --rounds 1 --transport ws",
			} {
				if out, err := harness(t, append(strings.Fields(args), "--target", name)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", args, err, out)
				}
			}
		})
	}
}

// Push servers built with other WebSocket libraries are measured, too.
func TestWebSocketTargets(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	build := exec.Command("go", "build", "-C", "../../bench/targets", "-o", bin+"/", "./push-gws", "./push-nbio")
	build.Env = append(os.Environ(), "GOPROXY=off")
	if out, err := build.CombinedOutput(); strings.Contains(string(out), "module lookup disabled") {
		t.Skipf("their modules are not here (make bench-targets fetches them): %s", out)
	} else if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range []string{"gws", "nbio"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, args := range []string{
				"hold --conns 20 --steps 1 --idle 0",
				"fanout --conns 20 --messages 8 --burst 4 --rounds 1",
				"latency --conns 20 --publishes 40 --rate 500 --depth 4 --rounds 1",
			} {
				spawn := bin + "/push-" + name + " --listen {front}"
				if out, err := harness(t, append(strings.Fields(args), "--target", name, "--spawn", spawn)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", args, err, out)
				}
			}
		})
	}
}

// compared runs a small compare, and returns its result and its output.
func compared(t *testing.T, args ...string) (*result.Result, string) {
	t.Helper()
	cmd := harness(t, append([]string{"compare", "--conns", "20", "--rounds", "1", "--json", "result.json"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r, err := result.Load(filepath.Join(cmd.Dir, "result.json"))
	if err != nil {
		t.Fatal(err)
	}
	return r, string(out)
}

// All rows have a figure for each contestant, in the order of the command line.
func TestCompare(t *testing.T) {
	t.Parallel()
	r, out := compared(t, "ccomet --loops 1", "--only", "sequential,paced,pipelined,poll,fanout,connect")
	c := r.Compare
	if want := []string{"bare", "ccomet", "ccomet --loops 1"}; !slices.Equal(c.Contestants, want) || c.Rounds != 1 {
		t.Fatalf("%d rounds of %q, want %q", c.Rounds, c.Contestants, want)
	}
	if len(c.Rows) != 18 || r.Label != "ccomet" || r.Interrupted {
		t.Errorf("%d rows: %+v", len(c.Rows), r)
	}
	for _, row := range c.Rows {
		if row.Unit == "bytes" || row.Figure == "of it in user mode" {
			continue // with so few connections, it may be 0
		}
		for who, v := range row.Medians {
			if v <= 0 || len(row.Values[who]) != 1 || who > 0 && row.ToBare[who] <= 0 || who > 1 && row.OursTo[who] <= 0 {
				t.Errorf("%s: %+v", c.Contestants[who], row)
			}
		}
	}
	for _, want := range []string{"long poll on 20 own channels", "30 connect and subscribe, own channels", "ccomet ÷ ccomet --loops 1", "load average"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in %s", want, out)
		}
	}
}

// Rows that a server does not support, and those that are not asked for, are
// left out.
func TestCompareWithoutPolls(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "streams.toml")
	text := "label = \"streams\"\nspawn = \"bin/ccomet serve --front {front} --admin {admin}\"\nfront = \"127.0.0.1:1\"\nadmin = \"127.0.0.1:2\"\ndefault = \"stream\"\n" +
		"[transport.stream]\npath = \"/stream?cname={channel}&seq={seq}\"\ncursor = \"icomet\"\n[publish]\nmethod = \"GET\"\npath = \"/push?cname={channel}&content={content}\"\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	r, out := compared(t, file, "--only", "poll,pipelined,fanout")
	if len(r.Compare.Rows) != 5 {
		t.Fatalf("%d rows, want 5: %s", len(r.Compare.Rows), out)
	}
	for _, row := range r.Compare.Rows {
		if has, want := len(row.Values[2]) > 0, strings.HasPrefix(row.What, "message to"); has != want || len(row.Values[1]) == 0 {
			t.Errorf("%+v", row)
		}
	}
}
