package bench

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

type nowhere struct{ io.Writer }

func (nowhere) Close() error { return nil }

// swarmOfChildren returns a swarm whose children send the lines that a test
// puts in.
func swarmOfChildren(n int) *swarm {
	s := newSwarm(clientConfig{}, 1)
	for range n {
		s.members = append(s.members, member{child: &child{name: "client", in: nowhere{io.Discard}, lines: make(chan string, 16), pulse: &s.pulse}})
	}
	return s
}

// A child may be silent as long as its swarm makes progress. If nothing has
// progressed for hangTimeout, waiting fails.
func TestSwarmWaitsWhileSomethingMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := swarmOfChildren(2)
		go func() {
			for range 20 {
				time.Sleep(hangTimeout * 3 / 4)
				s.pulse.beat()
			}
			s.members[1].lines <- "got 7"
			time.Sleep(hangTimeout * 3 / 4)
			s.members[0].lines <- "got 5"
		}()
		if err := s.received(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, received := s.now(); received != 12 {
			t.Errorf("%d have come, of 12", received)
		}
		began := time.Now()
		var stuck *stuckError
		if err := s.received(t.Context()); !errors.As(err, &stuck) || time.Since(began) != hangTimeout {
			t.Errorf("after %v in which nothing moves: %v", time.Since(began), err)
		}
	})
}

// An answer that was awaited in vain may arrive before the answer to the next
// question. An answer to no question is an error.
func TestChildAnswersLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := swarmOfChildren(1).members[0].child
		ctx, cancel := context.WithCancel(t.Context())
		for _, giveUp := range []func(){func() {}, cancel} {
			giveUp()
			if _, err := c.hear(ctx, "got"); err == nil {
				t.Fatal("it has heard what nobody said")
			}
			c.lines <- "got 5"
			c.lines <- "stats {}"
			if text, err := c.ask(t.Context(), "stats", "stats"); err != nil || text != "{}" {
				t.Errorf("%q, %v", text, err)
			}
		}
		c.lines <- "got 5"
		if text, err := c.ask(t.Context(), "stats", "stats"); err == nil {
			t.Errorf("what nobody has waited for is taken: %q", text)
		}
		if _, err := c.hear(ctx, "got"); err == nil {
			t.Fatal("it has heard what nobody said")
		}
		c.lines <- "got 6"
		if text, err := c.hear(t.Context(), "got"); err != nil || text != "6" {
			t.Errorf("waited for once more: %q, %v", text, err)
		}
		c.lines <- "error it is broken"
		if _, err := c.hear(t.Context(), "got"); err == nil || err.Error() != "it is broken" {
			t.Errorf("an error is %v", err)
		}
	})
}
