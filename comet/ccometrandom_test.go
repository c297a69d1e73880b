package comet

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/record"
)

// Random operations in CComet's dialect, on several loops: clients sign in,
// publish, wait, replace each other, stop reading and vanish, and time passes.
// The checker walks everything now and then. Every client gets all messages in
// order, except those that are not kept, one at a time or together as the
// dialect requires, and is closed only if another one came with its name.
func TestRandomCComet(t *testing.T) {
	seeded(t, func(t *testing.T, seed uint64) { newLobby(t, seed).run(600) })
}

// lobby is what the test knows about the server from outside.
type lobby struct {
	*harness
	rng     *rand.Rand
	note    string
	talkers []*end // they sign in and publish, one on each loop
	clients []*visitor
	said    int
	numbers map[string]int          // the number of each message, as clients have seen it
	firsts  map[string]map[int]bool // by channel: the first numbers of its lives
	lives   map[channelLife]bool
	came    map[string]int // by channel and name: how many came
	got     map[string]int // counts of what happened, to see that the test tests something
}

// channelLife names one life of a channel.
type channelLife struct {
	channel string
	epoch   uint32
}

// visitor is one client, which polls again and again on its connection.
type visitor struct {
	*end
	l       *lobby
	shard   *shard
	channel string
	sname   string
	next    int
	heard   map[string]bool
	stopped bool
	slow    bool
}

func newLobby(t *testing.T, seed uint64) *lobby {
	l := &lobby{
		rng: rand.New(rand.NewPCG(seed, 2)), note: fmt.Sprintf("CCOMET_SEED=%d", seed),
		numbers: map[string]int{}, firsts: map[string]map[int]bool{}, lives: map[channelLife]bool{}, came: map[string]int{}, got: map[string]int{},
	}
	l.harness = newHarness(t, Config{Loops: 3, ChannelBufferSize: lobbyKeeps, ChannelBufferBytes: lobbyBytes, MaxSubscribersPerChannel: 5, ChannelTimeout: 12 * time.Second})
	l.repeatable(l.rng, []string{"\x01a", "\x01b", "\x01c"})
	for _, s := range l.srv.shards {
		l.talkers = append(l.talkers, l.connect(s, conn.CComet, 0))
	}
	for _, channel := range []string{"a", "b", "c"} {
		l.firsts[channel] = map[int]bool{}
	}
	return l
}

const (
	lobbyKeeps = 12
	lobbyBytes = 20000
	lobbyLong  = 3000 // bytes of the longest message
)

func (l *lobby) fail(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("%s: %s", l.note, fmt.Sprintf(format, args...))
}

func (l *lobby) run(steps int) {
	for step := range steps {
		l.step()
		for range l.rng.IntN(4) {
			l.turn(l.srv.shards[l.rng.IntN(len(l.srv.shards))])
			l.watch()
		}
		l.hear()
		if step%20 == 0 {
			check(l.t, l.srv, false, l.note)
		}
	}
	for _, v := range l.clients {
		v.stopped = false
	}
	for range 20 {
		l.settle()
		l.watch()
		l.hear()
	}
	check(l.t, l.srv, true, l.note)
	l.compare()
	for _, v := range l.clients {
		v.close()
	}
	l.settle()
	l.now = l.now.Add(time.Minute)
	l.settle()
	check(l.t, l.srv, true, l.note)
	for _, s := range l.srv.shards {
		if channels, sessions := s.broker.Inside().Live(); s.hub.Subs.Live()+s.hub.Rosters.Live()+channels+sessions != 0 {
			l.fail("loop %d keeps %d subscribers, %d rosters, %d channels, %d sessions after all clients left",
				s.ID, s.hub.Subs.Live(), s.hub.Rosters.Live(), channels, sessions)
		}
	}
	l.t.Log(l.got)
}

func (l *lobby) step() {
	channel := []string{"a", "b", "c"}[l.rng.IntN(3)]
	switch p := l.rng.IntN(100); {
	case p < 30:
		for range 1 + l.rng.IntN(3) {
			l.said++
			msg := fmt.Sprintf("%s.%d.%s", channel, l.said, strings.Repeat("'", l.rng.IntN(1+l.rng.IntN(lobbyLong/2))))
			l.talk("/publish?channel=" + channel + "&sname=u&callback=f&msg=" + msg)
		}
	case p < 40:
		l.talk("/sign?channel=" + channel + "&sname=u&callback=f")
	case p < 65:
		l.enter(channel)
	case p < 75 && len(l.clients) > 0:
		l.pick().close()
	case p < 80 && len(l.clients) > 0:
		v := l.pick()
		v.stopped, v.slow = true, true
	case p < 90 && len(l.clients) > 0:
		l.pick().stopped = false
	case p < 95:
		l.settle() // no loop is as slow as that
		l.watch()
		l.hear()
		l.now = l.now.Add(time.Duration(l.rng.IntN(9000)) * time.Millisecond)
	}
}

func (l *lobby) pick() *visitor { return l.clients[l.rng.IntN(len(l.clients))] }

func (l *lobby) talk(target string) {
	i := l.rng.IntN(len(l.talkers))
	if l.talkers[i].read(); l.talkers[i].ended { // idle for too long
		l.talkers[i].close()
		l.talkers[i] = l.connect(l.srv.shards[i], conn.CComet, 0)
	}
	l.talkers[i].get(target)
}

func (l *lobby) enter(channel string) {
	s := l.srv.shards[l.rng.IntN(len(l.srv.shards))]
	v := &visitor{
		end: l.connect(s, conn.CComet, 4608), l: l, shard: s,
		channel: channel, sname: fmt.Sprint("v", l.rng.IntN(8)), heard: map[string]bool{},
	}
	if l.rng.IntN(3) == 0 {
		v.next = l.rng.IntN(20)
	}
	l.came[v.key()]++
	l.clients = append(l.clients, v)
	v.ask()
}

func (v *visitor) key() string { return v.channel + "/" + v.sname }

func (v *visitor) ask() {
	v.get(fmt.Sprintf("/subscribe?channel=%s&sname=%s&seqid=%d&time=1&callback=f", v.channel, v.sname, v.next))
}

// watch records the first number of each life of a channel.
func (l *lobby) watch() {
	for channel, firsts := range l.firsts {
		home := l.srv.home("\x01" + channel)
		ch := home.Channel("\x01" + channel)
		if ch == nil {
			continue
		}
		life := channelLife{channel, ch.Gen}
		if ch.Dialect == record.DialectCComet && !l.lives[life] {
			l.lives[life] = true
			firsts[int(home.Oldest(ch))-1] = true
		}
	}
}

// hear reads what all clients were sent.
func (l *lobby) hear() {
	l.watch()
	for _, e := range l.talkers {
		for _, body := range e.bodies(l) {
			if body != ccSigned && body != ccPublished {
				l.fail("answer %q", body)
			}
		}
	}
	alive := l.clients[:0]
	for _, v := range l.clients {
		if v.fd < 0 || !v.stopped && !v.hear() {
			v.close()
			continue
		}
		alive = append(alive, v)
	}
	l.clients = alive
}

// bodies takes complete responses from the input.
func (e *end) bodies(l *lobby) (list []string) {
	e.read()
	for {
		head, rest, ok := strings.Cut(string(e.in), "\r\n\r\n")
		if !ok {
			return list
		}
		_, length, _ := strings.Cut(head, "Content-Length: ")
		n, err := strconv.Atoi(length)
		if err != nil {
			l.fail("response %q: %v", head, err)
		}
		if len(rest) < n {
			return list
		}
		list = append(list, rest[:n])
		e.in = e.in[len(head)+4+n:]
	}
}

// hear reads what a client was sent, and reports whether it is still there.
func (v *visitor) hear() bool {
	l := v.l
	l.t.Helper()
	for _, body := range v.bodies(l) {
		if strings.HasPrefix(body, "too many subscribers") {
			l.got["refused"]++
			return false
		}
		list := ccDecode(l.t, body)
		if list[0].Type == "403" {
			// Its channel lives again, and counts from the start.
			if len(list) != 1 || v.next == 0 {
				l.fail("%s at %d got %q", v.key(), v.next, body)
			}
			l.got["403"]++
			return false
		}
		if list[0].Type == "SIGN" {
			if len(list) != 1 {
				l.fail("a SIGN among others: %q", body)
			}
			l.got["SIGN"]++
		} else {
			v.take(list, len(body))
		}
		if !v.ended {
			v.ask()
		}
	}
	if v.ended {
		l.got["closed"]++
		if l.came[v.key()] < 2 && !v.slow {
			l.fail("%s at %d was closed, and nobody else came under that name", v.key(), v.next)
		}
	}
	return !v.ended
}

// take checks an array of messages.
func (v *visitor) take(list []ccEvent, size int) {
	l := v.l
	l.t.Helper()
	for n, e := range list {
		seqid, err := strconv.Atoi(e.Seqid)
		if err != nil || e.Type != "MSG" || e.Channel != v.channel || !strings.HasPrefix(e.Msg, v.channel+".") {
			l.fail("%s at %d got %+v", v.key(), v.next, e)
		}
		if n == 0 && seqid < v.next && !v.heard[e.Msg] {
			l.got["counts anew"]++
			v.next = seqid
		}
		if v.heard[e.Msg] {
			l.fail("%s got %.20q twice", v.key(), e.Msg)
		}
		v.heard[e.Msg] = true
		if seqid < v.next || n > 0 && seqid != v.next {
			l.fail("%s wanted %d and got %d (%.20q)", v.key(), v.next, seqid, e.Msg)
		}
		// The first may be later: the first that is kept, or the first of a new
		// life.
		if full := len(list) == lobbyKeeps || size > lobbyBytes-3*lobbyLong; seqid > v.next && !full && !l.firsts[v.channel][seqid] {
			l.fail("%s wanted %d and got %d (%.20q) of %d messages, %d bytes", v.key(), v.next, seqid, e.Msg, len(list), size)
		}
		if known, ok := l.numbers[e.Msg]; ok && known != seqid {
			l.fail("%.20q has number %d for one, %d for another", e.Msg, known, seqid)
		}
		l.numbers[e.Msg] = seqid
		v.next = seqid + 1
		l.got["MSG"]++
	}
}

// compare compares every client's place with its channel, at rest.
func (l *lobby) compare() {
	waiting := map[string]bool{}
	for _, v := range l.clients {
		what, _ := v.shard.web.State(v.conn)
		if what != conn.Waiting {
			continue // it is being refused
		}
		if waiting[v.key()] {
			l.fail("two wait as %s", v.key())
		}
		waiting[v.key()] = true
		ch := l.srv.home("\x01" + v.channel).Channel("\x01" + v.channel)
		if ch == nil {
			l.fail("%s waits on a channel that is gone", v.key())
		}
		if ch.Dialect == record.DialectCComet && int(ch.Next)-1 != v.next {
			l.fail("%s waits for %d, its channel is at %d", v.key(), v.next, ch.Next-1)
		}
	}
}
