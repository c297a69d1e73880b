package comet

import (
	"fmt"
	"testing"

	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
)

// checker lets each actor check all its data, and compares what brokers and hubs know of
// each other. It may be called between any two turns. At rest, when all mail was read, it
// also checks that every count is exact.
type checker struct {
	t    testing.TB
	srv  *Server
	note string // printed with a finding: the seed
	rest bool

	brokers  []*broker.Audit
	hubs     []*hub.Audit
	channels []map[mail.Ref]*broker.AuditedChannel // by home
	members  []map[mail.Ref]int                    // subscribers of each channel, by home
}

func check(t testing.TB, srv *Server, rest bool, note string) {
	t.Helper()
	c := &checker{t: t, srv: srv, note: note, rest: rest}
	for _, s := range srv.shards {
		c.shard(s)
	}
	for id, a := range c.hubs {
		for n := range a.Rosters {
			c.roster(uint8(id), &a.Rosters[n])
		}
	}
	live, total, sessions, sessionsHeld := 0, 0, 0, 0
	for home, a := range c.brokers {
		for n := range a.Channels {
			ch := &a.Channels[n]
			members := c.members[home][ch.Ref]
			if ch.Subscribers < members || rest && ch.Subscribers != members {
				c.fail("channel %q counts %d subscribers, %d are there", ch.Name, ch.Subscribers, members)
			}
			if total += members; ch.Live {
				live++
			}
		}
		sessions += len(a.Sessions)
		sessionsHeld += len(c.hubs[home].Sessions)
	}
	c.equal("channels in all", srv.totals.Channels.Load(), int64(live))
	if rest {
		c.sessions()
		c.equal("subscribers with sessions", sessionsHeld, sessions)
		c.equal("subscribers in all", srv.totals.Subscribers.Load(), int64(total))
		c.equal("bytes on their way to subscribers", srv.totals.Delivering.Load(), int64(0))
	}
}

func (c *checker) fail(format string, args ...any) {
	c.t.Helper()
	c.t.Fatalf("%s: %s", c.note, fmt.Sprintf(format, args...))
}

func (c *checker) equal(what string, got, want any) {
	c.t.Helper()
	if got != want {
		c.fail("%s: %v, want %v", what, got, want)
	}
}

// shard lets the actors of a shard check themselves.
func (c *checker) shard(s *shard) {
	c.t.Helper()
	a, err := s.broker.Check(c.rest, c.srv.state != nil)
	if err != nil {
		c.fail("broker %d: %v", s.ID, err)
	}
	b, err := s.hub.Check(c.rest)
	if err != nil {
		c.fail("hub %d: %v", s.ID, err)
	}
	c.brokers, c.hubs = append(c.brokers, a), append(c.hubs, b)
	c.members = append(c.members, map[mail.Ref]int{})
	channels := map[mail.Ref]*broker.AuditedChannel{}
	for n := range a.Channels {
		channels[a.Channels[n].Ref] = &a.Channels[n]
	}
	c.channels = append(c.channels, channels)

	var want Counters
	for i := range s.loop.Indexes() + 1 {
		if cn := s.loop.ConnAt(i); cn != 0 {
			what, _ := s.web.State(cn)
			want.Connections[s.web.Side(cn)][what]++
		}
	}
	c.equal("what connections do", s.web.Count, want.Connections)
}

// roster compares a roster with its channel.
func (c *checker) roster(loop uint8, r *hub.AuditedRoster) {
	c.t.Helper()
	ch := c.channels[r.Home][r.Ref]
	if ch == nil {
		c.fail("loop %d has a roster of %q, whose channel is gone", loop, r.Name)
	}
	if !ch.HasLoop(loop) {
		c.fail("channel %q does not know of loop %d", r.Name, loop)
	}
	c.equal("a roster's name", r.Name, ch.Name)
	for _, cursor := range r.Cursors {
		// A client of CComet's dialect may have come before its channel was set to a
		// number. A shared log may skip numbers before its next message.
		if c.rest && !cursor.Behind && c.srv.cfg.Cluster == nil && ch.Dialect != record.DialectCCometFresh {
			c.equal("the cursor of a subscriber that is not behind", cursor.Next, ch.Next)
		}
		if cursor.Next-ch.Next > 0 {
			c.fail("a cursor at %d, the channel at %d", cursor.Next, ch.Next)
		}
	}
	c.members[r.Home][r.Ref] += len(r.Cursors)
}

// sessions checks that at rest every subscriber of CComet's dialect has a session of its
// own, and no other subscriber has one.
func (c *checker) sessions() {
	c.t.Helper()
	for home, a := range c.brokers {
		for _, k := range a.Sessions {
			c.equal("whose a session is", c.hubs[k.Loop].Sessions[k.Conn], hub.AuditedSession{Number: k.Number, Home: uint8(home), Channel: k.Channel})
		}
	}
}

// audited is a channel as its home has it.
func audited(t testing.TB, s *shard, cname string) broker.AuditedChannel {
	t.Helper()
	a, err := s.broker.Check(false, s.srv.state != nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, ch := range a.Channels {
		if ch.Live && ch.Name == cname {
			return ch
		}
	}
	return broker.AuditedChannel{}
}
