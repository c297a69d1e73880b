package main

import (
	"os"
	"strings"
	"testing"
)

// Without a C compiler the bare program is the one in Go, which does the same, and
// the output says so.
func TestBareProgramInGo(t *testing.T) {
	t.Parallel()
	for _, args := range []string{
		"fanout --conns 50 --messages 8 --burst 4 --rounds 1",
		"fanout --conns 50 --messages 4 --rounds 1",
		"channels --conns 20 --publishers 4 --publishes 200 --rounds 1 --transport poll",
		"latency --conns 20 --publishes 50 --rate 500 --rounds 1",
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

// Other servers, where they are installed, are measured as this one is, by the
// targets that are shipped.
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
			} {
				if out, err := harness(t, append(strings.Fields(args), "--target", name)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", args, err, out)
				}
			}
		})
	}
}
