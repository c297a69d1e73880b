package comet

import (
	"fmt"
	"testing"

	"ccomet/reactor"
)

// checker walks everything that the shards of a server hold, and finds every
// link sound. It may be called between any two turns; at rest, when all mail
// has been read, it also finds every count exact.
type checker struct {
	t    testing.TB
	srv  *Server
	note string // what to say with a finding: the seed
	rest bool
	subs map[ref]int // members of each channel, by home and record: ref{home<<24|index, gen}

	seated int // subscribers that have seats
	inSeat int // and that should
}

func check(t testing.TB, srv *Server, rest bool, note string) {
	t.Helper()
	c := &checker{t: t, srv: srv, note: note, rest: rest, subs: map[ref]int{}}
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
	c.equal("channels in all", srv.totals.channels.Load(), int64(live))
	total := 0
	for _, n := range c.subs {
		total += n
	}
	if rest {
		c.equal("subscribers in seats", c.seated, c.inSeat)
		c.equal("subscribers in all", srv.totals.subscribers.Load(), int64(total))
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
func (c *checker) chain(x *index) map[uint32]bool {
	found := map[uint32]bool{}
	for b := range x.level + x.split {
		for i := *x.buckets.At(b + 1); i != 0; i = *x.link(i) {
			if found[i] {
				c.fail("index: record %d twice", i)
			}
			found[i] = true
			if x.bucket(x.hash(i)) != x.buckets.At(b+1) {
				c.fail("index: record %d in bucket %d", i, b)
			}
		}
	}
	c.equal("index count", int(x.count), len(found))
	return found
}

// rosters checks the subscribers of a shard: each belongs to one connection
// and stands in one roster, whose channel knows of this loop.
func (c *checker) rosters(s *shard) {
	owned := map[uint32]reactor.Conn{}
	callbacks, heads := 0, 0
	for i := range s.loop.Indexes() + 1 {
		conn := s.loop.ConnAt(i)
		what, sub := s.web.state(conn)
		if conn == 0 || what != stateWaiting {
			continue
		}
		if s.hub.subs.At(sub).has(subHead) {
			heads++
			c.bundle(s, sub)
		}
		for m := s.hub.first(sub); m != 0; m = s.hub.following(m) {
			if owned[m] != 0 {
				c.fail("subscriber %d has two connections", m)
			}
			owned[m] = conn
			c.equal("a subscriber's connection", s.hub.subs.At(m).conn, i)
		}
		if s.hub.subs.At(sub).cbLen > 0 {
			callbacks++
		}
	}
	orphans := 0
	for i := uint32(1); i <= s.hub.subs.Used(); i++ {
		if *s.hub.subs.At(i) == (subscriber{flags: subAsking}) {
			orphans++
		}
	}
	if c.rest && orphans > 0 {
		c.fail("%d answers of homes are still owed", orphans)
	}
	c.equal("subscribers with a connection", len(owned)+heads+orphans, s.hub.subs.Live())
	rosters := c.chain(s.hub.rosterIndex)
	c.equal("rosters in the index", len(rosters), s.hub.rosters.Live())
	listed := 0
	for ri := range rosters {
		listed += c.roster(s, ri, owned)
	}
	for sub := range owned {
		if s.hub.subs.At(sub).roster == 0 {
			listed++ // its channel's home has not answered yet, or it is a member that has ended
			if c.rest && s.hub.subs.At(sub).has(subAsking) {
				c.fail("subscriber %d was never answered", sub)
			}
		}
	}
	c.equal("subscribers in rosters", listed, len(owned))
	c.equal("names", s.broker.names.live(), s.broker.channels.Live()+s.broker.seats.Live())
	c.equal("callbacks", s.hub.callbacks.live(), callbacks)
}

// bundle checks a head against its members.
func (c *checker) bundle(s *shard, head uint32) {
	h := s.hub.subs.At(head)
	c.equal("a head's roster", h.roster, uint32(0))
	live := int32(0)
	for i := h.next; i != 0; i = s.hub.following(i) {
		sub := s.hub.subs.At(i)
		if !sub.has(subMember) || sub.cbAt != head || sub.transport != h.transport {
			c.fail("bundle %d: its member %d is %+v", head, i, *sub)
		}
		if sub.roster != 0 || sub.has(subAsking) {
			live++
		}
	}
	c.equal("members of a bundle", h.cursor, live+int32(len(s.hub.laterJoins[head])))
}

func (c *checker) roster(s *shard, ri uint32, owned map[uint32]reactor.Conn) int {
	r := s.hub.rosters.At(ri)
	home := c.srv.shards[r.home]
	ch := home.broker.channel(r.ref())
	if ch == nil {
		c.fail("roster %d: its channel is gone", ri)
	}
	if !ch.hasLoop(s.id) {
		c.fail("roster %d: its channel does not know of loop %d", ri, s.id)
	}
	c.equal("a roster's name", string(s.hub.rosterName(ri)), string(home.broker.names.get(ch.name())))
	n, prev := 0, uint32(0)
	for i := r.head; i != 0; i = s.hub.subs.At(i).next {
		sub := s.hub.subs.At(i)
		if owned[i] == 0 {
			c.fail("roster %d: subscriber %d has no connection", ri, i)
		}
		c.equal("a subscriber's roster", sub.roster, ri)
		c.equal("a subscriber's prev", sub.prev, prev)
		if sub.transport == transportCComet {
			c.inSeat++
		}
		// A client of CComet's may have come before its channel took up a number.
		if c.rest && !sub.has(subBehind) && ch.dialect != dialectCCometFresh {
			c.equal("the cursor of a subscriber that is not behind", sub.cursor, ch.next)
		}
		if sub.cursor-ch.next > 0 {
			c.fail("a cursor at %d, the channel at %d", sub.cursor, ch.next)
		}
		prev = i
		n++
	}
	if n == 0 {
		c.fail("roster %d is empty", ri)
	}
	if c.rest && r.pump != 0 {
		c.fail("roster %d is still being delivered to", ri)
	}
	c.subs[ref{uint32(r.home)<<24 | r.index, r.gen}] += n
	return n
}

func (c *checker) channels(s *shard) (live int) {
	found := c.chain(s.broker.channelIndex)
	used := 0
	for i := uint32(1); i <= s.broker.channels.Used(); i++ {
		ch := s.broker.channels.At(i)
		if ch.state == channelFree {
			continue
		}
		used++
		members := c.subs[ref{uint32(s.id)<<24 | i, ch.gen}]
		if int(ch.subs) < members || c.rest && int(ch.subs) != members {
			c.fail("channel %d counts %d subscribers, %d are there", i, ch.subs, members)
		}
		if ch.state == channelClosed {
			c.equal("a closed channel in the index", found[i], false)
			if c.rest && ch.subs == 0 {
				c.fail("channel %d is closed and empty, and still there", i)
			}
			continue
		}
		live++
		c.equal("where its name leads", s.broker.find(s.broker.names.get(ch.name())), i)
		if ch.subs == 0 && !ch.lease.Armed() && c.rest {
			c.fail("channel %d has no subscribers and no end", i)
		}
	}
	c.equal("channels in the index", len(found), live)
	c.equal("channel records", used, s.broker.channels.Live())
	return live
}

// histories checks that what channels keep is a run that ends before the next
// number, and within its bounds.
func (c *checker) histories(s *shard) {
	used, total, shared := 0, 0, map[*sharing]int{}
	for i := uint32(1); i <= s.broker.channels.Used(); i++ {
		ch := s.broker.channels.At(i)
		if ch.state == channelFree || ch.history == 0 {
			continue
		}
		used++
		h := s.broker.histories.at(ch.history)
		n, size, sharing, gaps, want := 0, 0, 0, 0, s.broker.oldest(ch)
		for msg := h.first; n < int(h.n); msg = msg.next {
			switch gap := msg.seq - want; {
			case gap == 0:
			case gap > 0 && gap%StateGap == 0:
				gaps++
			default:
				c.fail("a kept message's number: %d, want %d", msg.seq, want)
			}
			want = msg.seq
			size += msg.size()
			if msg.shared != nil {
				if shared[msg.shared]++; shared[msg.shared] == 1 {
					total += cap(msg.content)
				}
				sharing++
			}
			want++
			n++
		}
		if left := ch.next - want; left > 0 && left%StateGap == 0 {
			gaps, want = gaps+1, ch.next
		}
		if ch.next != want {
			c.fail("channel %d keeps messages before %d, and goes on with %d", i, want, ch.next)
		}
		if gaps > 0 && c.srv.state == nil {
			c.fail("channel %d keeps a run with %d gaps", i, gaps)
		}
		c.equal("bytes kept", size, h.bytes)
		c.equal("messages that share", sharing, int(h.shared))
		total += size
		if int(h.n) > c.srv.cfg.ChannelBufferSize || h.bytes > c.srv.cfg.ChannelBufferBytes {
			c.fail("channel %d keeps %d messages, %d bytes", i, h.n, h.bytes)
		}
	}
	c.equal("bytes kept in all", s.broker.historyBytes, total)
	for share, n := range shared {
		c.equal("messages that share one content", share.kept, n)
	}
	free := 0
	for i := s.broker.histories.free; i != 0; i = s.broker.histories.at(i).free {
		free++
	}
	c.equal("histories", used+free, int(s.broker.histories.used))
}

// tally checks what is counted as it changes against what is there.
func (c *checker) tally(s *shard) {
	var want Tally
	for i := range s.loop.Indexes() + 1 {
		if conn := s.loop.ConnAt(i); conn != 0 {
			what, _ := s.web.state(conn)
			want.Connections[s.web.side(conn)][what]++
		}
	}
	for ri := range c.chain(s.hub.rosterIndex) {
		for i := s.hub.rosters.At(ri).head; i != 0; i = s.hub.subs.At(i).next {
			want.Subscribers[s.hub.listensBy(i)]++
			if s.hub.subs.At(i).has(subBehind) {
				want.Behind++
			}
		}
	}
	messages := 0
	for i := uint32(1); i <= s.broker.channels.Used(); i++ {
		if ch := s.broker.channels.At(i); ch.state != channelFree && ch.history != 0 {
			messages += int(s.broker.histories.at(ch.history).n)
		}
	}
	c.equal("what connections do", s.web.count, want.Connections)
	c.equal("who listens", s.hub.tally.subscribers, want.Subscribers)
	c.equal("subscribers behind", s.hub.tally.behind, want.Behind)
	c.equal("messages kept", s.broker.historyMessages, messages)
}

// seats checks that at rest every subscriber of CComet's dialect has a seat of its
// own, under a name that leads to it, and nobody else has one.
func (c *checker) seats(s *shard) {
	found := c.chain(s.broker.seatIndex)
	c.equal("seats in the index", len(found), s.broker.seats.Live())
	for i := range found {
		k := s.broker.seats.At(i)
		if ch := s.broker.channels.At(k.channel); ch.state != channelLive || ch.dialect == dialectOurs || ch.subs == 0 {
			c.fail("seat %d is on channel %+v", i, *ch)
		}
		c.equal("where a subscriber's name leads", s.broker.findSeat(k.channel, s.broker.names.get(k.name())), i)
		if !c.rest {
			continue
		}
		there := c.srv.shards[k.loop]
		what, sub := there.web.state(k.conn)
		if what != stateWaiting || there.hub.subs.At(sub).transport != transportCComet || uint32(there.hub.subs.At(sub).noop) != i {
			c.fail("seat %d is nobody's", i)
		}
		r := there.hub.rosters.At(there.hub.subs.At(sub).roster)
		if r.home != s.id || r.index != k.channel {
			c.fail("seat %d: its subscriber waits on another channel", i)
		}
		c.seated++
	}
}
