package comet

import (
	"ccomet/comet/internal/broker"
	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/hub"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/msg"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
	"fmt"
	"testing"
)

// checker walks everything that the shards of a server hold, and finds every
// link sound. It may be called between any two turns; at rest, when all mail
// has been read, it also finds every count exact.
type checker struct {
	t    testing.TB
	srv  *Server
	note string // what to say with a finding: the seed
	rest bool
	subs map[mail.Ref]int // members of each channel, by home and record: ref{home<<24|index, gen}

	seated int // subscribers that have seats
	inSeat int // and that should
}

func check(t testing.TB, srv *Server, rest bool, note string) {
	t.Helper()
	c := &checker{t: t, srv: srv, note: note, rest: rest, subs: map[mail.Ref]int{}}
	for _, s := range srv.shards {
		c.rosters(s)
		c.histories(s)
		c.seats(s)
		c.tally(s)
	}
	live := 0
	for _, s := range srv.shards {
		live += c.channels(s)
	}
	c.equal("channels in all", srv.totals.Channels.Load(), int64(live))
	total := 0
	for _, n := range c.subs {
		total += n
	}
	if rest {
		c.equal("subscribers in seats", c.seated, c.inSeat)
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

// chain collects the records of an index.
func (c *checker) chain(x *record.Index) map[uint32]bool {
	found := map[uint32]bool{}
	for i := range x.All() {
		if found[i] {
			c.fail("index: record %d twice", i)
		}
		found[i] = true
		at := x.Head(x.Hash(i))
		for at != 0 && at != i {
			at = *x.Link(at)
		}
		if at != i {
			c.fail("index: record %d is in a chain where its hash does not lead", i)
		}
	}
	c.equal("index count", int(x.Count), len(found))
	return found
}

// rosters checks the subscribers of a shard: each belongs to one connection
// and stands in one roster, whose channel knows of this loop.
func (c *checker) rosters(s *shard) {
	owned := map[uint32]reactor.Conn{}
	callbacks, heads := 0, 0
	for i := range s.loop.Indexes() + 1 {
		cn := s.loop.ConnAt(i)
		what, sub := s.web.State(cn)
		if cn == 0 || what != conn.Waiting {
			continue
		}
		if s.hub.Subs.At(sub).Has(hub.SubBundle) {
			heads++
			c.bundle(s, sub)
		}
		for m := s.hub.First(sub); m != 0; m = s.hub.Following(m) {
			if owned[m] != 0 {
				c.fail("subscriber %d has two connections", m)
			}
			owned[m] = cn
			c.equal("a subscriber's connection", s.hub.Subs.At(m).Conn, i)
		}
		if s.hub.Subs.At(sub).CbLen > 0 {
			callbacks++
		}
	}
	orphans := 0
	for i := uint32(1); i <= s.hub.Subs.Used(); i++ {
		if *s.hub.Subs.At(i) == (hub.Subscriber{Flags: hub.SubAsking}) {
			orphans++
		}
	}
	if c.rest && orphans > 0 {
		c.fail("%d answers of homes are still owed", orphans)
	}
	c.equal("subscribers with a connection", len(owned)+heads+orphans, s.hub.Subs.Live())
	rosters := c.chain(s.hub.RosterIndex)
	c.equal("rosters in the index", len(rosters), s.hub.Rosters.Live())
	listed := 0
	for ri := range rosters {
		listed += c.roster(s, ri, owned)
	}
	for sub := range owned {
		if s.hub.Subs.At(sub).Roster == 0 {
			listed++ // its channel's home has not answered yet, or it is a member that has ended
			if c.rest && s.hub.Subs.At(sub).Has(hub.SubAsking) {
				c.fail("subscriber %d was never answered", sub)
			}
		}
	}
	c.equal("subscribers in rosters", listed, len(owned))
	c.equal("names", s.broker.Names.Live(), s.broker.Channels.Live()+s.broker.Sessions.Live())
	c.equal("callbacks", s.hub.Callbacks.Live(), callbacks)
}

// bundle checks a head against its members.
func (c *checker) bundle(s *shard, head uint32) {
	h := s.hub.Subs.At(head)
	c.equal("a head's roster", h.Roster, uint32(0))
	live := int32(0)
	for i := h.Next; i != 0; i = s.hub.Following(i) {
		sub := s.hub.Subs.At(i)
		if !sub.Has(hub.SubMember) || sub.CbAt != head || sub.Transport != h.Transport {
			c.fail("bundle %d: its member %d is %+v", head, i, *sub)
		}
		if sub.Roster != 0 || sub.Has(hub.SubAsking) {
			live++
		}
	}
	c.equal("members of a bundle", h.Cursor, live+int32(len(s.hub.LaterJoins[head])))
}

func (c *checker) roster(s *shard, ri uint32, owned map[uint32]reactor.Conn) int {
	r := s.hub.Rosters.At(ri)
	home := c.srv.shards[r.Home]
	ch := home.broker.Channel(r.Ref())
	if ch == nil {
		c.fail("roster %d: its channel is gone", ri)
	}
	if !ch.HasLoop(s.Id) {
		c.fail("roster %d: its channel does not know of loop %d", ri, s.Id)
	}
	c.equal("a roster's name", string(s.hub.RosterName(ri)), string(home.broker.Names.Get(ch.Name())))
	n, prev := 0, uint32(0)
	for i := r.Head; i != 0; i = s.hub.Subs.At(i).Next {
		sub := s.hub.Subs.At(i)
		if owned[i] == 0 {
			c.fail("roster %d: subscriber %d has no connection", ri, i)
		}
		c.equal("a subscriber's roster", sub.Roster, ri)
		c.equal("a subscriber's prev", sub.Prev, prev)
		if sub.Transport == frame.CComet {
			c.inSeat++
		}
		// A client of CComet's may have come before its channel took up a number.
		if c.rest && !sub.Has(hub.SubBehind) && ch.Dialect != record.DialectCCometFresh {
			c.equal("the cursor of a subscriber that is not behind", sub.Cursor, ch.Next)
		}
		if sub.Cursor-ch.Next > 0 {
			c.fail("a cursor at %d, the channel at %d", sub.Cursor, ch.Next)
		}
		prev = i
		n++
	}
	if n == 0 {
		c.fail("roster %d is empty", ri)
	}
	if c.rest && r.Pump != 0 {
		c.fail("roster %d is still being delivered to", ri)
	}
	c.subs[mail.Ref{Index: uint32(r.Home)<<24 | r.Index, Gen: r.Gen}] += n
	return n
}

func (c *checker) channels(s *shard) (live int) {
	found := c.chain(s.broker.ChannelIndex)
	used := 0
	for i := uint32(1); i <= s.broker.Channels.Used(); i++ {
		ch := s.broker.Channels.At(i)
		if ch.State == broker.ChannelFree {
			continue
		}
		used++
		members := c.subs[mail.Ref{Index: uint32(s.Id)<<24 | i, Gen: ch.Gen}]
		if int(ch.Subs) < members || c.rest && int(ch.Subs) != members {
			c.fail("channel %d counts %d subscribers, %d are there", i, ch.Subs, members)
		}
		if ch.State == broker.ChannelClosed {
			c.equal("a closed channel in the index", found[i], false)
			if c.rest && ch.Subs == 0 {
				c.fail("channel %d is closed and empty, and still there", i)
			}
			continue
		}
		live++
		c.equal("where its name leads", s.broker.Find(s.broker.Names.Get(ch.Name())), i)
		if ch.Subs == 0 && !ch.Lease.Armed() && c.rest {
			c.fail("channel %d has no subscribers and no end", i)
		}
	}
	c.equal("channels in the index", len(found), live)
	c.equal("channel records", used, s.broker.Channels.Live())
	return live
}

// histories checks that what channels keep is a run that ends before the next
// number, and within its bounds.
func (c *checker) histories(s *shard) {
	used, total, shared := 0, 0, map[*msg.Sharing]int{}
	for i := uint32(1); i <= s.broker.Channels.Used(); i++ {
		ch := s.broker.Channels.At(i)
		if ch.State == broker.ChannelFree || ch.History == 0 {
			continue
		}
		used++
		h := s.broker.Histories.At(ch.History)
		n, size, sharing, gaps, want := 0, 0, 0, 0, s.broker.Oldest(ch)
		for message := h.First; n < int(h.N); message = message.Next {
			switch gap := message.Seq - want; {
			case gap == 0:
			case gap > 0 && gap%record.StateGap == 0:
				gaps++
			default:
				c.fail("a kept message's number: %d, want %d", message.Seq, want)
			}
			want = message.Seq
			size += message.Size()
			if message.Shared != nil {
				if shared[message.Shared]++; shared[message.Shared] == 1 {
					total += cap(message.Content)
				}
				sharing++
			}
			want++
			n++
		}
		if left := ch.Next - want; left > 0 && left%record.StateGap == 0 {
			gaps, want = gaps+1, ch.Next
		}
		if ch.Next != want {
			c.fail("channel %d keeps messages before %d, and goes on with %d", i, want, ch.Next)
		}
		if gaps > 0 && c.srv.state == nil {
			c.fail("channel %d keeps a run with %d gaps", i, gaps)
		}
		c.equal("bytes kept", size, h.Bytes)
		c.equal("messages that share", sharing, int(h.Shared))
		total += size
		if int(h.N) > c.srv.cfg.ChannelBufferSize || h.Bytes > c.srv.cfg.ChannelBufferBytes {
			c.fail("channel %d keeps %d messages, %d bytes", i, h.N, h.Bytes)
		}
	}
	c.equal("bytes kept in all", s.broker.HistoryBytes, total)
	for share, n := range shared {
		c.equal("messages that share one content", share.Kept, n)
	}
	free := 0
	for i := s.broker.Histories.Free; i != 0; i = s.broker.Histories.At(i).Free {
		free++
	}
	c.equal("histories", used+free, int(s.broker.Histories.Used))
}

// tally checks what is counted as it changes against what is there.
func (c *checker) tally(s *shard) {
	var want Counters
	for i := range s.loop.Indexes() + 1 {
		if cn := s.loop.ConnAt(i); cn != 0 {
			what, _ := s.web.State(cn)
			want.Connections[s.web.Side(cn)][what]++
		}
	}
	for ri := range c.chain(s.hub.RosterIndex) {
		for i := s.hub.Rosters.At(ri).Head; i != 0; i = s.hub.Subs.At(i).Next {
			want.Subscribers[s.hub.ListensBy(i)]++
			if s.hub.Subs.At(i).Has(hub.SubBehind) {
				want.Behind++
			}
		}
	}
	messages := 0
	for i := uint32(1); i <= s.broker.Channels.Used(); i++ {
		if ch := s.broker.Channels.At(i); ch.State != broker.ChannelFree && ch.History != 0 {
			messages += int(s.broker.Histories.At(ch.History).N)
		}
	}
	c.equal("what connections do", s.web.Count, want.Connections)
	c.equal("who listens", s.hub.Tally.Subscribers, want.Subscribers)
	c.equal("subscribers behind", s.hub.Tally.Behind, want.Behind)
	c.equal("messages kept", s.broker.HistoryMessages, messages)
}

// seats checks that at rest every subscriber of CComet's dialect has a seat of its
// own, under a name that leads to it, and nobody else has one.
func (c *checker) seats(s *shard) {
	found := c.chain(s.broker.SessionIndex)
	c.equal("seats in the index", len(found), s.broker.Sessions.Live())
	for i := range found {
		k := s.broker.Sessions.At(i)
		if ch := s.broker.Channels.At(k.Channel); ch.State != broker.ChannelLive || ch.Dialect == record.DialectOurs || ch.Subs == 0 {
			c.fail("seat %d is on channel %+v", i, *ch)
		}
		c.equal("where a subscriber's name leads", s.broker.FindSession(k.Channel, s.broker.Names.Get(k.Name())), i)
		if !c.rest {
			continue
		}
		there := c.srv.shards[k.Loop]
		what, sub := there.web.State(k.Conn)
		if what != conn.Waiting || there.hub.Subs.At(sub).Transport != frame.CComet || uint32(there.hub.Subs.At(sub).Noop) != i {
			c.fail("seat %d is nobody's", i)
		}
		r := there.hub.Rosters.At(there.hub.Subs.At(sub).Roster)
		if r.Home != s.Id || r.Index != k.Channel {
			c.fail("seat %d: its subscriber waits on another channel", i)
		}
		c.seated++
	}
}
