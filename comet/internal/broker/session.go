package broker

import (
	"errors"
	"unsafe"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// session records a named subscriber at its channel's home, so that the next subscriber of the
// same name can replace it, whichever loops the two are on. It takes 24 bytes, the name, and an
// index entry. Subscribers without names have no session.
type session struct {
	link    uint32 // index chain
	channel uint32
	conn    reactor.Conn // connection of the subscriber; 0: the record is free
	nameAt  uint32       // the subscriber's name
	nameLen uint8
	loop    uint8
	_       uint16
}

var _ [24]byte = [unsafe.Sizeof(session{})]byte{}

func (k *session) Name() record.Name { return record.Name{At: k.nameAt, Len: k.nameLen} }

// sessions are the sessions of a home, found by channel and name.
type sessions struct {
	reactor.Slab[session]
	homes *record.Homes
	names *record.Names
	index *record.Index
}

func (t *sessions) open(homes *record.Homes, names *record.Names) {
	t.homes, t.names = homes, names
	t.index = record.NewIndex(
		func(i uint32) *uint32 { return &t.At(i).link },
		func(i uint32) uint32 { k := t.At(i); return t.hash(k.channel, t.name(k)) })
}

// begin initialises an empty set of sessions in an arena, which may be nil.
func (t *sessions) begin(a *reactor.Arena) error {
	t.In(a)
	return t.index.Begin(a)
}

// resume continues the sessions of another program.
func (t *sessions) resume(a *reactor.Arena, st *Handover) error {
	return errors.Join(t.Resume(a, st.Sessions), t.index.Resume(a, st.SessionIndex))
}

func (t *sessions) release() {
	t.Release()
	t.index.Release()
}

func (t *sessions) name(k *session) []byte { return t.names.Get(k.Name()) }

// hash returns the index hash of a channel and a subscriber's name.
func (t *sessions) hash(channel uint32, sname []byte) uint32 {
	return uint32(t.homes.Hash(sname)) ^ mail.HashRef(0, channel)
}

// find returns the session of a name on a channel, or 0.
func (t *sessions) find(channel uint32, sname []byte) uint32 {
	i := t.index.Head(t.hash(channel, sname))
	for i != 0 {
		k := t.At(i)
		if k.channel == channel && string(t.name(k)) == string(sname) {
			return i
		}
		i = k.link
	}
	return 0
}

// add returns a new session without a connection, or 0 if there is no memory.
func (t *sessions) add(channel uint32, sname []byte) uint32 {
	i, at := record.AllocNamed(&t.Slab, t.names, sname)
	if i == 0 {
		return 0
	}
	*t.At(i) = session{channel: channel, nameAt: at.At, nameLen: at.Len}
	t.index.Insert(i)
	return i
}

func (t *sessions) drop(i uint32) {
	k := t.At(i)
	t.index.Remove(i)
	t.names.Drop(k.Name())
	k.conn = 0
	t.Free(i)
}
