package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemoCluster: one command runs everything. The page shows its node, and the messages
// published at all nodes. A node and Redis are stopped and started on the page.
func TestDemoCluster(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	findNginx(t)
	newRedis(t).kill() // else the test is skipped
	page := demoCluster(t)
	w := b.open(t, page, "")
	w.holds(`/^You are connected to node-[123]\.$/.test(document.getElementById("here").textContent)`)
	// Messages of each publishing process arrive.
	for n := range 3 {
		w.holds(fmt.Sprintf(`document.getElementById("messages").textContent.includes("published at node-%d")`, n+1))
	}
	w.holds(`document.querySelectorAll("#members li.runs").length === 4`)
	// The page's node is killed: another node takes over, and nothing is missed.
	w.run(`(window.was = document.querySelector("#members li.here").id, document.querySelector("#" + was + " [data-to=kill]").click())`)
	w.holds(`document.querySelector("#" + was).className === "stopped" && document.querySelector("#members li.here.runs") !== null`)
	w.run(`window.before = +document.getElementById("received").textContent`)
	w.holds(`+document.getElementById("received").textContent > before + 2`)
	w.run(`document.querySelector("#" + was + " [data-to=start]").click()`)
	w.holds(`document.querySelector("#" + was).className.startsWith("runs")`)
	// Redis is frozen for a while: publishes are refused, and then everything continues.
	w.run(`document.querySelector("#redis [data-to=freeze]").click()`)
	w.holds(`+document.getElementById("refused").textContent > 0 && document.getElementById("refusal").textContent.includes("503")`)
	w.run(`(document.querySelector("#redis [data-to=thaw]").click(), window.before = +document.getElementById("received").textContent)`)
	w.holds(`+document.getElementById("received").textContent > before + 2`)
	if n := w.number(`+document.getElementById("wrong").textContent`); n != 0 {
		t.Errorf("%d messages have come twice, or out of order", n)
	}
	if n := w.number(`+document.getElementById("lost").textContent`); n != 0 {
		t.Errorf("%d messages are lost", n)
	}
	// The chat works across all nodes.
	b.open(t, strings.TrimSuffix(page, "cluster/"), "").holds(`document.querySelector("main") !== null && document.title.includes("CComet")`)
}

// demoCluster runs demo/cluster until the test ends, and returns the page's address.
func demoCluster(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cluster")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "../../demo/cluster").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(path, "-listen", "127.0.0.1:0", "-ccomet", program)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	cmd.Stderr = &complaint
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("it ends with %v: %s", err, complaint.String())
			}
		case <-time.After(hangTimeout):
			t.Error("it does not end")
			_ = cmd.Process.Kill()
		}
	})
	found := make(chan string, 1)
	go func() {
		address := regexp.MustCompile(`http://\S+/cluster/`)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url := address.FindString(lines.Text()); url != "" {
				found <- url
			}
		}
		ended <- cmd.Wait()
	}()
	select {
	case url := <-found:
		return url
	case err := <-ended:
		ended <- err
		t.Fatalf("it has ended: %v: %s", err, complaint.String())
	case <-time.After(hangTimeout):
		t.Fatal("it does not print the address of its page")
	}
	return ""
}
