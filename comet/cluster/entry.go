package cluster

import (
	"encoding/binary"
	"errors"
)

// An entry of the bus has one field, e, which the scripts write. It holds big-endian numbers:
//
//	batch: 1; gen, off, b and total before the first item; the items. An item is its letter,
//	       its life, n (of a broadcast: its index), the lengths of name and content (1 and 4
//	       bytes), the name, the content
//	jump:  2; the new gen, off, b and total; the total that Redis had before; the seed
const (
	entryBatch = 1
	entryJump  = 2

	batchHead = 1 + 4 + 4 + 4 + 8 + 4
	jumpHead  = 1 + 4 + 4 + 4 + 8 + 8
	itemHead  = 1 + 4 + 4 + 1 + 4
)

// The letters of items.
const (
	itemData      = 'd'
	itemBroadcast = 'b'
	itemClose     = 'c'
	itemClear     = 'x'
	itemNotice    = 'n'
)

// entry is an entry of the bus, without its items.
type entry struct {
	kind        byte
	gen, off, b uint32
	total       uint64 // the items on the bus before it; for a jump, the total from then on
	items       uint32 // of a batch: how many there are
	was         uint64 // of a jump: the total that Redis had
	seed        string // of a jump
	rest        []byte // of a batch: the items
}

// item is one event of a channel.
type item struct {
	letter        byte
	life, n       uint32
	name, content []byte // slices of the entry
}

var errEntry = errors.New("an entry of the bus is malformed")

// parseEntry reads an entry. Its slices refer to text.
func parseEntry(text []byte) (e entry, err error) {
	switch {
	case len(text) >= batchHead && text[0] == entryBatch:
		e.items, e.rest = binary.BigEndian.Uint32(text[21:]), text[batchHead:]
	case len(text) >= jumpHead && text[0] == entryJump:
		e.was, e.seed = binary.BigEndian.Uint64(text[21:]), string(text[jumpHead:])
	default:
		return e, errEntry
	}
	e.kind, e.gen, e.off = text[0], binary.BigEndian.Uint32(text[1:]), binary.BigEndian.Uint32(text[5:])
	e.b, e.total = binary.BigEndian.Uint32(text[9:]), binary.BigEndian.Uint64(text[13:])
	return e, nil
}

// nextItem reads the first item of an entry, and returns the rest.
func nextItem(text []byte) (it item, rest []byte, err error) {
	if len(text) < itemHead {
		return it, nil, errEntry
	}
	name, content := int(text[9]), int(binary.BigEndian.Uint32(text[10:]))
	it.letter, it.life, it.n = text[0], binary.BigEndian.Uint32(text[1:]), binary.BigEndian.Uint32(text[5:])
	if text = text[itemHead:]; len(text) < name+content {
		return it, nil, errEntry
	}
	it.name, it.content = text[:name:name], text[name:name+content:name+content]
	return it, text[name+content:], nil
}
