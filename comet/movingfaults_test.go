//go:build faults

package comet

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ccomet/comet/internal/conn"
	"ccomet/reactor"
)

// TestMovingFaults: whichever call fails while another server moves connections to loops of its
// own, the first server continues with all of them, and a later try can move them.
func TestMovingFaults(t *testing.T) {
	for call, errno := range map[string]unix.Errno{"mmap": unix.ENOMEM, "epoll_ctl": unix.ENOSPC, "epoll_create1": unix.EMFILE, "eventfd": unix.EMFILE} {
		t.Run(call, func(t *testing.T) {
			f := newFaults(t, 1)
			h := newHarness(t, Config{Loops: 2, Inheritable: true})
			var clients []*end
			for _, path := range []string{"/stream?cname=a&seq=1", "/sse?cname=a&cname=b&seq=1&seq=1", "/poll?cname=a&seq=1", "/poll?cname=a&seq=1&cb=f"} {
				for _, s := range h.srv.shards {
					e := h.connect(s, conn.Front, 0)
					e.get(path)
					clients = append(clients, e)
				}
			}
			h.settle()
			failed := 0
			for after := 0; h.failsToMove(f, call, errno, after); after += 1 + after/8 {
				failed++
			}
			if failed == 0 {
				t.Error("it was never called")
			}
			h.connect(h.srv.shards[2], conn.Admin, 0).get("/push?cname=a&content=on")
			h.settle()
			for _, e := range clients {
				if e.read(); e.ended || strings.Count(string(e.in), `"content":"on"`) != 1 {
					t.Errorf("after %d failures a client is sent %q", failed, e.in)
				}
				e.close()
			}
		})
	}
}

// failsToMove makes one call of another server fail, after some that do not, and reports
// whether there was such a call. Then the first server continues, else the other one.
func (h *harness) failsToMove(f *reactor.Faults, call string, errno unix.Errno, after int) bool {
	h.t.Helper()
	p := h.park()
	p.ByName = true
	from, err := ReadHandOver(h.written(p))
	if err != nil {
		h.t.Fatal(err)
	}
	before, calls := h.recordsNow(p), 0
	f.Choose = func(name string, _ int) unix.Errno {
		if name != call {
			return 0
		}
		if calls++; calls == after+1 {
			return errno
		}
		return 0
	}
	srv, err := New(h.successor(from, func(cfg *Config) { cfg.Loops = 3 }))
	f.Choose = nil
	if string(before) != string(h.recordsNow(p)) {
		h.t.Errorf("records have changed when call %d failed", after)
	}
	if err == nil { // no call has failed
		for _, s := range h.srv.shards {
			s.release()
		}
		srv.leaveBehind()
		h.srv = srv
		h.settle()
		return false
	}
	for _, s := range h.srv.shards {
		s.hold(false)
	}
	h.settle()
	check(h.t, h.srv, true, "it goes on")
	return true
}
