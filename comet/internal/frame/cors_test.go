package frame

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// TestPages: each connection has the page that it was given last. An origin is listed once
// while connections have it, and then its place is used again.
func TestPages(t *testing.T) {
	const conns, origins = 20, 5
	rng := rand.New(rand.NewPCG(1, 2))
	var h Heads
	var want [conns]string
	for step := range 5000 {
		cn := uint32(rng.IntN(conns))
		if rng.IntN(4) == 0 {
			want[cn] = ""
			h.Pages.leave(cn)
		} else {
			want[cn] = fmt.Sprint("https://", rng.IntN(origins))
			h.ResumePage(cn, want[cn])
		}
		if step == 2500 { // the state goes to another program
			st := h.PagesState()
			h = Heads{}
			h.ResumePages(st)
		}
		users := map[string]int{}
		for cn, origin := range want {
			if got := h.Pages.of.At(uint32(cn)); origin == "" && *got != 0 || origin != "" && h.Pages.List[*got].origin != origin {
				t.Fatalf("step %d: connection %d has page %d, want %q", step, cn, *got, origin)
			}
			if origin != "" {
				users[origin]++
			}
		}
		if len(h.Pages.Index) != len(users) || len(h.Pages.List) > origins+1 {
			t.Fatalf("step %d: %d origins in a list of %d, want %d", step, len(h.Pages.Index), len(h.Pages.List), len(users))
		}
		for origin, n := range users {
			if got := h.Pages.List[h.Pages.Index[origin]]; got.users != n || got.lines != corsLines(origin) {
				t.Fatalf("step %d: %s: %+v, want %d users", step, origin, got, n)
			}
		}
	}
}
