package broker

import (
	"errors"
	"unsafe"

	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// session is a subscriber that has a name, as its channel's home knows it, so that the
// next subscriber of that name takes its place, whichever loops the two are on.
// It takes 24 bytes, the name, and a place in the index; other subscribers have none.
type session struct {
	link    uint32 // index chain
	channel uint32
	conn    reactor.Conn // the subscriber's, on its loop; 0: the record is free
	nameAt  uint32       // of the subscriber
	nameLen uint8
	loop    uint8
	_       uint16
}

var _ [24]byte = [unsafe.Sizeof(session{})]byte{}

func (k *session) Name() record.Name { return record.Name{At: k.nameAt, Len: k.nameLen} }

// sessions are a home's, found by channel and name.
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

// begin readies sessions that are none yet, in an arena, which may be nil.
func (t *sessions) begin(a *reactor.Arena) error {
	t.In(a)
	return t.index.Begin(a)
}

// resume goes on with the sessions of another program.
func (t *sessions) resume(a *reactor.Arena, st *Handover) error {
	return errors.Join(t.Resume(a, st.Sessions), t.index.Resume(a, st.SessionIndex))
}

func (t *sessions) release() {
	t.Release()
	t.index.Release()
}

func (t *sessions) name(k *session) []byte { return t.names.Get(k.Name()) }

// hash mixes a subscriber's name and its channel for the index of sessions.
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

// add returns a new session, which has no connection yet; 0 when there is no
// memory.
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
