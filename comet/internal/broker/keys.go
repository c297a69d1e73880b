package broker

import (
	"encoding/binary"
	"errors"
	"time"
	"unsafe"

	"ccomet/comet/internal/limit"
	"ccomet/comet/internal/mail"
	"ccomet/comet/internal/record"
	"ccomet/reactor"
)

// A backend that gets no answer does not know whether its message was published, and sends it
// again. If the message has a key, it is not published again within KeyTime; the answer is the
// number of the first publish.
//
// A key is stored by the home of its channel, as a hash of 128 bits. 95 bits depend on the key
// and on the channel's epoch, so collisions within a channel are negligible. 32 bits depend on
// the channel's name and determine its home, even if the number of loops changes. When the
// limit is reached, the oldest key is dropped early. Keys are not saved in the state file: a
// server that stops has answered all publishes, and after a crash the file is older than the
// keys.
//
// Clients that publish (--ws-publish) are not trusted. Their keys differ from those of backends
// (mail.ClientKey), and are dropped first. So a client can neither make a backend's message
// count as published, nor push out its key. One bit of the hash tells whose key it is.

// KeyTime is how long a key is remembered.
const KeyTime = 2 * time.Minute

// publishKey is the key of a published message. It takes 32 bytes and an index entry.
type publishKey struct {
	hash [2]uint64
	link uint32 // index chain
	next uint32 // the next newer key
	due  reactor.Tick
	seq  int32
}

var _ [32]byte = [unsafe.Sizeof(publishKey{})]byte{}

// KeyQueue is a list of keys, oldest first.
type KeyQueue struct{ First, Last uint32 }

// publishKeys are the keys of a home's channels.
type publishKeys struct {
	cfg      *Config
	totals   *limit.Totals
	channels *channels

	records  reactor.Slab[publishKey]
	index    *record.Index
	backends KeyQueue
	clients  KeyQueue
	text     []byte // scratch
	repeats  uint64 // publishes with a known key
}

func (k *publishKeys) open(cfg *Config, totals *limit.Totals, of *channels) {
	k.cfg, k.totals, k.channels = cfg, totals, of
	k.index = record.NewIndex(
		func(i uint32) *uint32 { return &k.records.At(i).link },
		func(i uint32) uint32 { return uint32(k.records.At(i).hash[0]) })
}

// begin initialises an empty set of keys in an arena, which may be nil.
func (k *publishKeys) begin(a *reactor.Arena) error {
	k.records.In(a)
	return k.index.Begin(a)
}

// KeysState is the state of the keys.
type KeysState struct {
	Records     reactor.SlabState
	Index       record.IndexState
	Seeds       [2]record.Key // for versions in which each loop has its own seeds
	First, Last uint32        // queue of the backends' keys
	Clients     KeyQueue
	Repeated    uint64
}

func (k *publishKeys) state() KeysState {
	return KeysState{k.records.State(), k.index.State(), k.channels.homes.Seeds, k.backends.First, k.backends.Last, k.clients, k.repeats}
}

// resume continues the keys of another program.
func (k *publishKeys) resume(a *reactor.Arena, st *KeysState) error {
	k.backends, k.clients, k.repeats = KeyQueue{st.First, st.Last}, st.Clients, st.Repeated
	return errors.Join(k.records.Resume(a, st.Records), k.index.Resume(a, st.Index))
}

func (k *publishKeys) release() {
	k.records.Release()
	k.index.Release()
}

// hash returns the hash of a key and its channel.
func (k *publishKeys) hash(ch *Channel, key []byte) [2]uint64 {
	k.text = append(binary.LittleEndian.AppendUint32(k.text[:0], ch.Gen), key...)
	homes := k.channels.homes
	name := homes.Hash(k.channels.name(ch)) >> 32 << 32
	hash := [2]uint64{homes.Seeds[0].Hash(k.text), name | homes.Seeds[1].Hash(k.text)>>32&^ofClient}
	if len(key) > 0 && key[0] == mail.ClientKey {
		hash[1] |= ofClient
	}
	return hash
}

// ofClient is the bit of a hash's second half that marks the key of a client.
const ofClient = 1

func isClients(hash [2]uint64) bool { return hash[1]&ofClient != 0 }

// queue returns the queue that a key belongs to.
func (k *publishKeys) queue(hash [2]uint64) *KeyQueue {
	if isClients(hash) {
		return &k.clients
	}
	return &k.backends
}

// homeOf returns the home of a key's channel.
func homeOf(homes *record.Homes, hash [2]uint64) uint8 { return homes.OfHash(hash[1]) }

// find returns the record of a hash, or 0.
func (k *publishKeys) find(hash [2]uint64) uint32 {
	for i := k.index.Head(uint32(hash[0])); i != 0; i = k.records.At(i).link {
		if k.records.At(i).hash == hash {
			return i
		}
	}
	return 0
}

// expire drops at most this many expired keys.
func (k *publishKeys) expire(now reactor.Tick, most int) {
	for _, q := range [...]*KeyQueue{&k.backends, &k.clients} {
		for ; most > 0 && q.First != 0 && int32(now-k.records.At(q.First).due) >= 0; most-- {
			k.dropFirst(q)
		}
	}
}

func (k *publishKeys) dropFirst(q *KeyQueue) {
	i := q.First
	k.index.Remove(i)
	if q.First = k.records.At(i).next; q.First == 0 {
		q.Last = 0
	}
	k.records.Free(i)
}

// makeRoom drops the oldest key to make room for another one: a client's key if there is one,
// else a backend's. It returns false if the new key is a client's and all others are backends'.
func (k *publishKeys) makeRoom(hash [2]uint64) bool {
	switch {
	case k.clients.First != 0:
		k.dropFirst(&k.clients)
	case isClients(hash):
		return false
	default:
		k.dropFirst(&k.backends)
	}
	return true
}

// add stores a hash at the end of its queue. If there is no memory it does nothing.
func (k *publishKeys) add(hash [2]uint64, due reactor.Tick, seq int32) {
	i := k.records.Alloc()
	if i == 0 {
		return
	}
	*k.records.At(i) = publishKey{hash: hash, due: due, seq: seq}
	k.index.Insert(i)
	q := k.queue(hash)
	if q.Last != 0 {
		k.records.At(q.Last).next = i
	} else {
		q.First = i
	}
	q.Last = i
}

// keyed is a message's key, if it has one, with its hash.
type keyed struct {
	key  []byte
	hash [2]uint64
	of   uint32 // the channel for which hash was computed; 0: none yet
}

// own returns a message's key, or nil if a shared log numbers messages: it handles keys
// itself.
func (k *publishKeys) own(key []byte) []byte {
	if k.cfg.Authority != nil {
		return nil
	}
	return key
}

// hashFor sets the hash for channel i.
func (k *publishKeys) hashFor(i uint32, m *keyed) {
	if m.of != i {
		m.of, m.hash = i, k.hash(k.channels.At(i), m.key)
	}
}

// repeated returns the number of an earlier message with this key in channel i, if there is
// one.
func (k *publishKeys) repeated(i uint32, m *keyed) (seq int32, ok bool) {
	if len(m.key) == 0 || i == 0 {
		return 0, false
	}
	return k.kept(i, m)
}

// kept is repeated for a message with a key. It is separate so that repeated is inlined for the
// many without.
func (k *publishKeys) kept(i uint32, m *keyed) (seq int32, ok bool) {
	k.hashFor(i, m)
	k.expire(k.channels.loop.Tick(), 4) // more than are added
	at := k.find(m.hash)
	if at == 0 {
		return 0, false
	}
	k.repeats++
	return k.records.At(at).seq, true
}

// keep stores the key of a message that has just got its number in channel i.
func (k *publishKeys) keep(i uint32, m *keyed, seq int32) {
	if len(m.key) > 0 {
		k.keepHash(i, m, seq)
	}
}

// keepHash is keep for a message with a key.
func (k *publishKeys) keepHash(i uint32, m *keyed, seq int32) {
	k.hashFor(i, m)
	loop := k.channels.loop
	share := max(k.cfg.MaxPublishKeys/k.cfg.Loops, 1)
	for range 2 { // one more than is added, because an upgrade may have lowered the limit
		if k.records.Live() < share {
			break
		}
		k.totals.HitLimit(limit.PublishKeys, k.cfg.MaxPublishKeys, loop.Now())
		if !k.makeRoom(m.hash) {
			return
		}
	}
	k.add(m.hash, loop.Tick()+reactor.Tick(KeyTime/reactor.TickLength), seq)
}
