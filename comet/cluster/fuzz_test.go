package cluster

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// batchOf returns an entry of the bus as the script writes it.
func batchOf(gen, off, b uint32, total uint64, items ...item) []byte {
	text := []byte{entryBatch}
	for _, v := range []uint32{gen, off, b} {
		text = binary.BigEndian.AppendUint32(text, v)
	}
	text = binary.BigEndian.AppendUint64(text, total)
	text = binary.BigEndian.AppendUint32(text, uint32(len(items)))
	for _, it := range items {
		text = binary.BigEndian.AppendUint32(append(text, it.letter), it.life)
		text = binary.BigEndian.AppendUint32(text, it.n)
		text = binary.BigEndian.AppendUint32(append(text, byte(len(it.name))), uint32(len(it.content)))
		text = append(append(text, it.name...), it.content...)
	}
	return text
}

// FuzzEntry reads any bytes as an entry: written again, it has the same bytes.
func FuzzEntry(f *testing.F) {
	f.Add(batchOf(1, 0, 3, 17, item{letter: itemData, n: 4, name: []byte("room"), content: []byte("hello")}, item{letter: itemBroadcast, n: 4, content: []byte("all")}))
	f.Add(append(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{entryJump, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3}, 20), 17), "seed"...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := parseEntry(text)
		if err != nil || e.kind != entryBatch {
			return
		}
		var items []item
		for rest := e.rest; len(rest) > 0; {
			var it item
			if it, rest, err = nextItem(rest); err != nil {
				return
			}
			items = append(items, it)
		}
		again := batchOf(e.gen, e.off, e.b, e.total, items...)
		binary.BigEndian.PutUint32(again[21:], e.items) // the number may not match the items
		if !bytes.Equal(again, text) {
			t.Errorf("%x is read as %x", text, again)
		}
	})
}

// FuzzWords splits any text into words: written and split again, they are the same.
func FuzzWords(f *testing.F) {
	f.Add(string(appendWords(nil, "", "a", "many words")))
	f.Add("\x80")
	f.Fuzz(func(t *testing.T, text string) {
		words, ok := splitWords(text)
		if !ok {
			return
		}
		if again, ok := splitWords(string(appendWords(nil, words...))); !ok || !slices.Equal(again, words) {
			t.Errorf("%q is read as %q, and then as %q", text, words, again)
		}
	})
}

// FuzzHistory reads any lists as the history of a channel: numbers rise, and none is above the number
// of the channel.
func FuzzHistory(f *testing.F) {
	f.Add("4294967297\n0:0\nhello\n4294967298\n2:0\nagain", "1\n0\nto all\n2\n0\nonce more", uint32(2), uint32(2), int32(1))
	f.Add("1\n0:0:x\n\n2\n0:65536\nx", "", uint32(2), uint32(0), int32(0))
	f.Fuzz(func(t *testing.T, list, broadcasts string, n, b uint32, from int32) {
		messages, floor := parseHistory(lines(list))
		at := channelState{n: n % 1000, b: b % 1000}
		run, _ := history(at, messages, floor, parseBroadcasts(lines(broadcasts)), from)
		for i, m := range run {
			if m.Seq-from < 0 || m.Seq-at.next() >= 0 || i > 0 && m.Seq-run[i-1].Seq <= 0 {
				t.Errorf("number %d of a channel whose next is %d, from %d", m.Seq, at.next(), from)
			}
		}
	})
}

func lines(text string) (list []string) {
	for line := range bytes.SplitSeq([]byte(text), []byte("\n")) {
		list = append(list, string(line))
	}
	return list
}
