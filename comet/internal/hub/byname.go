package hub

import (
	"errors"
	"math/bits"
	"slices"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/handover"
	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// A program with other records, or another number of loops, also gets a description of the hub
// by names. It makes the subscribers where their connections are now (Move). Rosters follow
// from them.

// ByName describes the subscribers of a hub: each column has an entry for each subscriber.
// Those of a connection are adjacent, in the order of the request.
type ByName struct {
	Transports []string // names of the numbers in Transport
	Flags      []string // names of the bits of Has, lowest bit first

	Index     []uint32 // of its record; Replays refer to it
	Conn      []uint32 // index of its connection
	Home      []uint8  // of its channel
	Channel   []uint32 // index of the channel's record there; 0: it is in no roster
	Cursor    []int32
	Count     []int32  // for the first subscriber of a connection: noops, the number of its session at the home, or the rate bucket of a WebSocket
	Place     []uint32 // for a member that is in no roster: an epoch, or why it has ended
	Has       []uint16
	Transport []uint8
	Silence   []uint8 // time without input from a WebSocket's client, in 64ths of Handover.PollingTimeout
	Callbacks handover.Texts
}

// flagNames are the names of the flags, lowest bit first. subOwesAck has none: the next
// program finds it out again.
var flagNames = [...]string{
	"behind", "asking", "close after", "HTTP/1.0", "tell", "say lost", "gone", "begun", "member", "head", "last", "over", "may publish", "token publishes",
}

// ofBundle are the flags that link the records of a connection.
const ofBundle = SubMember | subHead | subLast

const byNameName = "hub by names"

// HandOverByName writes a description of the hub by names.
func HandOverByName(h *Hub, to handover.Part) {
	names := frame.CountedNames()
	st := ByName{Transports: names[:frame.JSONP]}
	for i := uint32(1); i <= h.loop.Indexes(); i++ {
		c := h.loop.ConnAt(i)
		if c == 0 {
			continue
		}
		if what, owner := h.State(c); what == conn.Waiting || what == conn.WebSocket {
			for sub := owner; sub != 0; sub = h.Subs.following(sub) {
				st.add(h, sub, sub == owner)
			}
		}
	}
	flags := uint16(0)
	for _, has := range st.Has {
		flags |= has
	}
	st.Flags = flagNames[:bits.Len16(flags)] // another version need not know flags that no subscriber has
	to.Value(byNameName, &st)
}

// add adds a subscriber. first: it is the first one of its connection.
func (st *ByName) add(h *Hub, i uint32, first bool) {
	sub := h.Subs.At(i)
	var home uint8
	var channel, place uint32
	if sub.Roster != 0 {
		r := h.Rosters.At(sub.Roster)
		home, channel = r.Home, r.Index
	} else if sub.Has(SubMember) {
		place = sub.place()
	}
	count, silence, callback := int32(0), uint8(0), []byte(nil)
	if first {
		count = sub.count
		if sub.socket() {
			silence = h.Sockets.hearing() - sub.heard()
		} else if sub.hasCallback() {
			callback = h.Subs.callbacks.Get(h.Subs.callback(sub))
		}
	}
	st.Index, st.Conn = append(st.Index, i), append(st.Conn, sub.Conn)
	st.Home, st.Channel = append(st.Home, home), append(st.Channel, channel)
	st.Cursor, st.Count, st.Place = append(st.Cursor, sub.Cursor), append(st.Count, count), append(st.Place, place)
	st.Has, st.Transport = append(st.Has, sub.Flags&^subOwesAck), append(st.Transport, uint8(sub.Transport))
	st.Silence = append(st.Silence, silence)
	st.Callbacks.Add(callback)
}

// whole reports whether all columns have an entry for each subscriber.
func (st *ByName) whole() bool {
	n := len(st.Index)
	return st.Callbacks.Whole(n) && !slices.ContainsFunc([]int{
		len(st.Conn), len(st.Home), len(st.Channel), len(st.Cursor), len(st.Count), len(st.Place), len(st.Has), len(st.Transport), len(st.Silence),
	}, func(l int) bool { return l != n })
}

// Moved tells where the channels and sessions of another program's brokers are now.
type Moved interface {
	// Channel returns where the channel of a record is, by its former home.
	Channel(home uint8, record uint32) handover.Place
	// Session returns the number of a session now, by its former home.
	Session(home uint8, number uint32) uint32
	// Joined counts a subscriber on a loop, and returns what mail.Joined says of its channel.
	Joined(channel handover.Place, loop uint8) mail.Mail
}

var (
	errByName   = errors.New("the description of the subscribers is inconsistent")
	errNoMemory = errors.New("no memory for the subscribers")
)

// moving holds what Move needs of one hub of the other program.
type moving struct {
	ByName
	loop       uint8
	transports []frame.Transport
	bits       []uint16
	conns      handover.Places
	moved      Moved
	subs       handover.Places // those that are behind, or asking
}

// Move makes the subscribers that hubs have described by names. conns are where their
// connections are. It returns the records of subscribers that are behind, or wait for their
// channels' homes.
func Move(from []*handover.Reader, to []*Hub, conns handover.Places, moved Moved) (asking handover.Places, err error) {
	subs := handover.NewPlaces(len(from))
	for loop, reader := range from {
		var st Handover
		m := moving{loop: uint8(loop), conns: conns, moved: moved, subs: subs}
		if err := errors.Join(reader.Value(valueName, &st), reader.Value(byNameName, &m.ByName)); err != nil {
			return nil, err
		}
		if !m.whole() || !m.translate() {
			return nil, errByName
		}
		if loop == 0 {
			for _, h := range to {
				h.Sockets.resumeHearing(&st)
			}
		}
		for n := 0; n < len(m.Index); {
			last := n + 1
			for last < len(m.Index) && m.Conn[last] == m.Conn[n] {
				last++
			}
			if err := m.connection(to, n, last); err != nil {
				return nil, err
			}
			n = last
		}
		t := &to[loop%len(to)].Tally
		t.Delivered, t.Replayed, t.heartbeats, t.lost = t.Delivered+st.Delivered, t.Replayed+st.Replayed, t.heartbeats+st.Heartbeats, t.lost+st.Lost
		for _, r := range st.Replays {
			sub, c := subs.At(uint8(loop), r.Sub), conns.At(uint8(loop), r.Conn.Index())
			if sub.Index != 0 && c.Index != 0 {
				to[sub.Loop].Replays.queue(sub.Index, connOf(c))
			}
		}
	}
	return subs, nil
}

func connOf(p handover.Place) reactor.Conn {
	return reactor.Conn(p.Gen)<<32 | reactor.Conn(p.Index)
}

// translate finds the transports and flags with these names here; false: one of them is
// unknown.
func (m *moving) translate() bool {
	names := frame.CountedNames()
	for _, name := range m.Transports {
		i := slices.Index(names[:frame.JSONP], name)
		if i < 0 {
			return false
		}
		m.transports = append(m.transports, frame.Transport(i))
	}
	for _, name := range m.Flags {
		bit := slices.Index(flagNames[:], name)
		if bit < 0 {
			return false
		}
		m.bits = append(m.bits, 1<<bit)
	}
	return true
}

// flags returns the flags of the n-th subscriber.
func (m *moving) flags(n int) (flags uint16) {
	for bit, flag := range m.bits {
		if m.Has[n]&(1<<bit) != 0 {
			flags |= flag
		}
	}
	return flags
}

// connection makes the subscribers of one connection.
func (m *moving) connection(to []*Hub, n, last int) error {
	at := m.conns.At(m.loop, m.Conn[n])
	if at.Index == 0 || int(m.Transport[n]) >= len(m.transports) {
		return errByName
	}
	h, transport := to[at.Loop], m.transports[m.Transport[n]]
	head := h.Subs.Alloc()
	if head == 0 {
		return errNoMemory
	}
	*h.Subs.At(head) = Subscriber{Conn: at.Index, Transport: transport, Flags: m.flags(n) &^ ofBundle}
	if m.flags(n)&SubMember != 0 {
		h.Subs.At(head).Flags |= SubMember | subHead
	} else if last-n > 1 {
		return errByName
	}
	var members [MaxBundle]uint32
	if last-n > len(members) {
		return errByName
	}
	members[0] = head
	for k := last - n - 1; k > 0; k-- {
		i := h.Subs.Alloc()
		if i == 0 {
			return errNoMemory
		}
		of := h.Subs.At(head)
		*h.Subs.At(i) = Subscriber{Conn: at.Index, Transport: transport, Flags: m.flags(n+k) &^ ofBundle}
		h.Subs.At(i).makeMember(head, of.second())
		of.setSecond(i)
		members[k] = i
	}
	if callback := m.firstOf(h, head, n); !h.Subs.keepCallback(h.Subs.At(head), callback) {
		return errNoMemory
	}
	for k := range last - n {
		if k > 0 {
			m.Callbacks.Next()
		}
		if err := m.enlist(h, at.Loop, members[k], n+k); err != nil {
			return err
		}
	}
	state := conn.Waiting
	if h.Subs.At(head).socket() {
		state = conn.WebSocket
	}
	h.SetState(connOf(at), state, head)
	return nil
}

// firstOf sets in the first subscriber of a connection what concerns the whole connection, and
// returns the name of its callback.
func (m *moving) firstOf(h *Hub, i uint32, n int) (callback []byte) {
	sub := h.Subs.At(i)
	sub.count = m.Count[n]
	if sub.socket() {
		sub.setHeard(h.Sockets.hearing() - m.Silence[n])
	}
	if sub.Transport.Row().Sessions && m.Channel[n] != 0 {
		sub.setSession(m.moved.Session(m.Home[n], uint32(m.Count[n])))
	}
	return m.Callbacks.Next()
}

// enlist puts a subscriber into its channel's roster, if it was in one.
func (m *moving) enlist(h *Hub, loop uint8, i uint32, n int) error {
	sub := h.Subs.At(i)
	sub.Cursor = m.Cursor[n]
	switch {
	case m.Channel[n] != 0:
		channel := m.moved.Channel(m.Home[n], m.Channel[n])
		if channel.Index == 0 {
			return errByName
		}
		joined := m.moved.Joined(channel, loop)
		roster := h.Rosters.of(&joined)
		if roster == 0 {
			return errNoMemory
		}
		h.enlist(roster, i)
	case sub.Has(SubMember):
		sub.setPlace(m.Place[n])
	}
	if sub.Has(SubBehind) {
		h.Tally.Behind++
	}
	if sub.Has(SubBehind | subAsking) {
		m.subs.Set(m.loop, m.Index[n], handover.Place{Loop: loop, Index: i})
	}
	return nil
}
