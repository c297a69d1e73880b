package hub

import (
	"fmt"

	"ccomet/comet/internal/conn"
	"ccomet/comet/internal/frame"
	"ccomet/comet/internal/mail"
	"ccomet/reactor"
)

// Audit is what a hub has, for a checker that compares it with what brokers have.
type Audit struct {
	Rosters  []AuditedRoster
	Sessions map[reactor.Conn]AuditedSession // by the subscriber's connection
}

// AuditedRoster is a roster with subscribers.
type AuditedRoster struct {
	Home    uint8
	Ref     mail.Ref
	Name    string
	Cursors []AuditedCursor
}

// AuditedCursor is a subscriber's cursor.
type AuditedCursor struct {
	Next   int32
	Behind bool
}

// AuditedSession is the session of a subscriber, and where it is.
type AuditedSession struct {
	Number  uint32
	Home    uint8
	Channel uint32
}

// Check walks everything that a hub has, and returns it, or an error for what is
// inconsistent. It may be called between any two turns. With rest, all mail was read, and
// nothing may be under way.
func (h *Hub) Check(rest bool) (*Audit, error) {
	a := &Audit{Sessions: map[reactor.Conn]AuditedSession{}}
	owned, err := h.checkOwners(rest)
	if err != nil {
		return nil, err
	}
	rosters, err := h.Rosters.index.Check()
	if err != nil {
		return nil, err
	}
	if len(rosters) != h.Rosters.Live() {
		return nil, fmt.Errorf("%d rosters in the index, of %d", len(rosters), h.Rosters.Live())
	}
	listed := 0
	for ri := range rosters {
		r, err := h.checkRoster(a, ri, owned, rest)
		if err != nil {
			return nil, fmt.Errorf("roster %d: %w", ri, err)
		}
		a.Rosters = append(a.Rosters, r)
		listed += len(r.Cursors)
	}
	for i := range owned {
		if sub := h.Subs.At(i); sub.Roster == 0 {
			listed++ // its channel's home has not answered yet, or it is a member that has ended
			if rest && sub.Has(subAsking) {
				return nil, fmt.Errorf("subscriber %d got no answer", i)
			}
		}
	}
	if listed != len(owned) {
		return nil, fmt.Errorf("%d subscribers in rosters or without one, of %d", listed, len(owned))
	}
	return a, h.checkCounts(rosters)
}

// checkOwners checks that each subscriber belongs to one connection, and returns the
// connection of each.
func (h *Hub) checkOwners(rest bool) (owned map[uint32]reactor.Conn, err error) {
	owned = map[uint32]reactor.Conn{}
	callbacks, later, orphans := 0, 0, 0
	for i := range h.loop.Indexes() + 1 {
		c := h.loop.ConnAt(i)
		what, owner := h.State(c)
		if c == 0 || what != conn.Waiting && what != conn.WebSocket {
			continue
		}
		if err := h.checkBundle(owner); err != nil {
			return nil, err
		}
		for m := owner; m != 0; m = h.Subs.following(m) {
			if owned[m] != 0 || h.Subs.At(m).Conn != i {
				return nil, fmt.Errorf("subscriber %d of connection %d belongs to another", m, i)
			}
			owned[m] = c
			if h.Subs.At(m).laterJoin() != 0 {
				later++
			}
		}
		if h.Subs.At(owner).hasCallback() {
			callbacks++
		}
	}
	for i := uint32(1); i <= h.Subs.Used(); i++ {
		if *h.Subs.At(i) == (Subscriber{Flags: subAsking}) {
			orphans++
		}
	}
	switch {
	case rest && orphans > 0:
		return nil, fmt.Errorf("%d answers of homes are missing", orphans)
	case len(owned)+orphans != h.Subs.Live():
		return nil, fmt.Errorf("%d subscribers have a connection, %d only wait for an answer, of %d", len(owned), orphans, h.Subs.Live())
	case later != h.laterJoins.live() || rest && later > 0:
		return nil, fmt.Errorf("%d subscribers wait for a later join, %d join mails are stored", later, h.laterJoins.live())
	case callbacks != h.Subs.callbacks.Live():
		return nil, fmt.Errorf("%d subscribers have callbacks, of %d callbacks", callbacks, h.Subs.callbacks.Live())
	}
	return owned, nil
}

// checkBundle checks the members of a bundle, or the one subscriber of a connection.
func (h *Hub) checkBundle(owner uint32) error {
	of, last := h.Subs.At(owner), 0
	for i := owner; i != 0; i = h.Subs.following(i) {
		sub := h.Subs.At(i)
		if h.Subs.owner(i) != owner || sub.Transport != of.Transport || sub.Has(SubMember) != of.Has(subHead) || sub.Has(subHead) != (i == owner && of.Has(SubMember)) {
			return fmt.Errorf("bundle %d: its member %d is %+v", owner, i, *sub)
		}
		if waits := sub.Roster != 0 || sub.Has(subAsking) || sub.laterJoin() != 0; waits == sub.Has(subOver) {
			return fmt.Errorf("bundle %d: member %d waits: %v; it is %+v", owner, i, waits, *sub)
		}
		if sub.Has(subLast) {
			last++
		}
	}
	if of.Has(subHead) != (last == 1) {
		return fmt.Errorf("bundle %d has %d last members", owner, last)
	}
	return nil
}

// checkRoster checks a roster's list.
func (h *Hub) checkRoster(a *Audit, ri uint32, owned map[uint32]reactor.Conn, rest bool) (AuditedRoster, error) {
	r := h.Rosters.At(ri)
	found := AuditedRoster{Home: r.Home, Ref: r.ref(), Name: string(h.Rosters.name(ri))}
	prev := uint32(0)
	for i := r.Head; i != 0; i = h.Subs.At(i).Next {
		sub := h.Subs.At(i)
		if owned[i] == 0 || sub.Roster != ri || sub.prev != prev {
			return found, fmt.Errorf("after %d comes %d, of connection %d: %+v", prev, i, owned[i], *sub)
		}
		if sub.Transport.Row().Sessions {
			a.Sessions[owned[i]] = AuditedSession{Number: sub.session(), Home: r.Home, Channel: r.Index}
		}
		found.Cursors = append(found.Cursors, AuditedCursor{sub.Cursor, sub.Has(SubBehind)})
		prev = i
	}
	if len(found.Cursors) == 0 {
		return found, fmt.Errorf("it is empty")
	}
	if rest && r.Pump != 0 {
		return found, fmt.Errorf("it is still being delivered to")
	}
	return found, nil
}

// checkCounts checks the counters.
func (h *Hub) checkCounts(rosters map[uint32]bool) error {
	var subscribers [frame.NumCounted]int64
	behind, rendered := int64(0), 0
	for ri := range rosters {
		for i := h.Rosters.At(ri).Head; i != 0; i = h.Subs.At(i).Next {
			subscribers[h.listensBy(i)]++
			if h.Subs.At(i).Has(SubBehind) {
				behind++
			}
		}
	}
	for _, p := range h.Pumps.All[1:] {
		rendered += p.counted
	}
	if subscribers != h.Tally.Subscribers || behind != h.Tally.Behind || rendered != h.Pumps.rendered {
		return fmt.Errorf("subscribers are %v, %d behind, %d bytes rendered; counted %v, %d, %d", subscribers, behind, rendered, h.Tally.Subscribers, h.Tally.Behind, h.Pumps.rendered)
	}
	return nil
}
